package rebalance

import (
	"cmp"
	"maps"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// situation is one index as a pass sees it. Planning on it does no input or
// output.
type situation struct {
	actual, wanted *cluster.Placement
	// readable says whether a node's copy of the index is in order, fillable
	// whether a copy may be made on a node.
	readable, fillable func(node string) bool
}

// unit is the work that is done at once: some shards of an index that one node
// lacks, from one that has them.
type unit struct {
	source, target string
	shards         []int
}

// gap is a copy that is wanted and not there.
type gap struct {
	node    string
	shard   int
	copies  int // that the shard has in the group
	sources []string
}

// groupOf gives the part of a placement that lies in a group.
func groupOf(p *cluster.Placement, id string) *cluster.GroupPlacement {
	for i := range p.Groups {
		if p.Groups[i].ID == id {
			return &p.Groups[i]
		}
	}
	return nil
}

// gaps lists the copies that are wanted and not there, those first of which
// there are fewest.
func (s *situation) gaps() []gap {
	var list []gap
	for _, g := range s.wanted.Groups {
		for shard, nodes := range g.Shards {
			var have []string
			if a := groupOf(s.actual, g.ID); a != nil {
				have = a.Shards[shard]
			}
			for _, id := range nodes {
				if !s.actual.Holds(id, shard) {
					list = append(list, gap{id, shard, len(have), s.sources(shard)})
				}
			}
		}
	}
	slices.SortStableFunc(list, func(a, b gap) int { return cmp.Compare(a.copies, b.copies) })
	return list
}

// sources are the copies of a shard that are in order, in any group.
func (s *situation) sources(shard int) []string {
	var ids []string
	for _, g := range s.actual.Groups {
		for _, id := range g.Shards[shard] {
			if s.readable(id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// units puts gaps together that one node can be filled with from one other, at
// most so many shards in each. The unit that is most urgent comes first.
func (s *situation) units(atOnce int) []unit {
	open := make(map[string][]gap)
	var order []string
	for _, g := range s.gaps() {
		if !s.fillable(g.node) || len(g.sources) == 0 {
			continue
		}
		if open[g.node] == nil {
			order = append(order, g.node)
		}
		open[g.node] = append(open[g.node], g)
	}
	var units []unit
	for _, target := range order {
		left := open[target]
		for len(left) > 0 {
			u := unit{target: target, source: fullest(left)}
			var rest []gap
			for _, g := range left {
				if len(u.shards) < atOnce && slices.Contains(g.sources, u.source) {
					u.shards = append(u.shards, g.shard)
				} else {
					rest = append(rest, g)
				}
			}
			slices.Sort(u.shards)
			units, left = append(units, u), rest
		}
	}
	return units
}

// fullest is the source that has the most urgent shard and, of those, the most
// others.
func fullest(gaps []gap) string {
	best, most := "", 0
	for _, id := range gaps[0].sources {
		n := 0
		for _, g := range gaps {
			if slices.Contains(g.sources, id) {
				n++
			}
		}
		if n > most {
			best, most = id, n
		}
	}
	return best
}

// leftovers lists what nodes may hold and are not to have.
func (s *situation) leftovers() map[string][]int {
	left := make(map[string][]int)
	for id, shards := range s.actual.Surplus {
		for _, shard := range shards {
			if !s.wanted.Holds(id, shard) && !s.actual.Holds(id, shard) {
				left[id] = append(left[id], shard)
			}
		}
	}
	return left
}

// complete says whether every copy that is wanted is there and in order.
func (s *situation) complete() bool {
	for _, g := range s.wanted.Groups {
		a := groupOf(s.actual, g.ID)
		for shard, nodes := range g.Shards {
			if a == nil || !s.all(a.Shards[shard], nodes) {
				return false
			}
		}
	}
	return true
}

// done says whether the actual placement is the wanted one.
func (s *situation) done() bool {
	if len(s.actual.Surplus) > 0 || len(s.actual.Groups) != len(s.wanted.Groups) || len(s.gaps()) > 0 {
		return false
	}
	for _, g := range s.wanted.Groups {
		a := groupOf(s.actual, g.ID)
		if a == nil || a.Copies != g.Copies {
			return false
		}
		for shard, nodes := range g.Shards {
			if len(a.Shards[shard]) != len(nodes) {
				return false
			}
		}
	}
	return true
}

// all says whether all the wanted nodes are among those that are there, and in
// order.
func (s *situation) all(have, wanted []string) bool {
	for _, id := range wanted {
		if !slices.Contains(have, id) || !s.readable(id) {
			return false
		}
	}
	return len(wanted) > 0
}

// shape changes what needs no copying in the next placement: groups come and
// go, copies that are too many leave, promises follow the wish.
func (s *situation) shape(next *cluster.Placement) (changed bool) {
	for _, g := range s.wanted.Groups {
		if groupOf(next, g.ID) == nil {
			next.Groups = append(next.Groups, cluster.GroupPlacement{ID: g.ID, Copies: g.Copies, Shards: make([][]string, len(g.Shards))})
			changed = true
		}
	}
	for _, g := range s.wanted.Groups {
		a := groupOf(next, g.ID)
		for shard, wanted := range g.Shards {
			changed = relabel(next, a, shard, wanted, s.wanted) || changed
			if extra := without(a.Shards[shard], wanted); len(extra) > 0 && s.all(a.Shards[shard], wanted) {
				a.Shards[shard] = slices.Clone(wanted)
				leave(next, shard, extra)
				changed = true
			}
		}
		if g.Copies < a.Copies || g.Copies > a.Copies && fewest(a.Shards) >= g.Copies {
			a.Copies, changed = g.Copies, true
		}
	}
	if s.complete() {
		changed = s.dropGroups(next) || changed
	}
	for id := range next.Surplus {
		changed = tidy(next, id) || changed
	}
	return changed
}

// relabel takes a node over that holds the shard in another group, which does
// not want it any more.
func relabel(next *cluster.Placement, to *cluster.GroupPlacement, shard int, nodes []string, wanted *cluster.Placement) (changed bool) {
	for _, id := range nodes {
		if slices.Contains(to.Shards[shard], id) {
			continue
		}
		for i := range next.Groups {
			from := &next.Groups[i]
			if w := groupOf(wanted, from.ID); from.ID == to.ID || !slices.Contains(from.Shards[shard], id) || w != nil && slices.Contains(w.Shards[shard], id) {
				continue
			}
			from.Shards[shard] = without(from.Shards[shard], []string{id})
			to.Shards[shard] = append(to.Shards[shard], id)
			changed = true
		}
	}
	return changed
}

// dropGroups takes out the groups that are not wanted.
func (s *situation) dropGroups(next *cluster.Placement) (changed bool) {
	gone := func(g cluster.GroupPlacement) bool { return groupOf(s.wanted, g.ID) == nil }
	for _, g := range next.Groups {
		if !gone(g) {
			continue
		}
		for shard, nodes := range g.Shards {
			leave(next, shard, nodes)
		}
		changed = true
	}
	next.Groups = slices.DeleteFunc(next.Groups, gone)
	return changed
}

// fewest is the smallest number of copies that a shard has.
func fewest(shards [][]string) int {
	least := len(shards[0])
	for _, nodes := range shards {
		least = min(least, len(nodes))
	}
	return least
}

// arrive makes a node a replica of a shard that it was filled with, and lets go
// those that it replaces: never so many that there are fewer copies than before.
func (s *situation) arrive(next *cluster.Placement, node string, shard int) {
	for _, g := range s.wanted.Groups {
		wanted := g.Shards[shard]
		if !slices.Contains(wanted, node) {
			continue
		}
		a := groupOf(next, g.ID)
		before := len(a.Shards[shard])
		have := append(slices.Clone(a.Shards[shard]), node)
		extra := without(have, wanted)
		keep := max(len(wanted), before)
		if s.allBut(have, wanted, node) {
			keep = len(wanted)
		}
		// A copy that is out of order goes before one that serves.
		slices.SortStableFunc(extra, func(x, y string) int { return cmp.Compare(order(s.readable(x)), order(s.readable(y))) })
		out := extra[:min(len(extra), max(0, len(have)-keep))]
		have = without(have, out)
		slices.SortStableFunc(have, func(x, y string) int { return cmp.Compare(rankIn(wanted, x), rankIn(wanted, y)) })
		a.Shards[shard] = have
		leave(next, shard, out)
	}
	for id := range next.Surplus {
		tidy(next, id)
	}
}

// allBut is all, for a node that has just been filled and so is in order.
func (s *situation) allBut(have, wanted []string, node string) bool {
	return s.all(have, without(wanted, []string{node})) || len(wanted) == 1
}

func order(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func rankIn(list []string, id string) int {
	if i := slices.Index(list, id); i >= 0 {
		return i
	}
	return len(list)
}

// leave notes that nodes still have the documents of a shard of which they are
// replicas no more.
func leave(next *cluster.Placement, shard int, nodes []string) {
	for _, id := range nodes {
		spare(next, id, []int{shard})
	}
}

// spare adds shards to those of which a node may hold documents. It says
// whether that is new.
func spare(next *cluster.Placement, id string, shards []int) bool {
	have := next.Surplus[id]
	all := slices.Clone(have)
	for _, shard := range shards {
		if !slices.Contains(all, shard) {
			all = append(all, shard)
		}
	}
	if len(all) == len(have) {
		return false
	}
	slices.Sort(all)
	if next.Surplus == nil {
		next.Surplus = make(map[string][]int)
	}
	next.Surplus[id] = all
	return true
}

// cleared takes shards off those of which a node may hold documents.
func cleared(next *cluster.Placement, id string, shards []int) {
	left := slices.DeleteFunc(slices.Clone(next.Surplus[id]), func(shard int) bool { return slices.Contains(shards, shard) })
	if len(left) == 0 {
		delete(next.Surplus, id)
	} else {
		next.Surplus[id] = left
	}
}

// tidy takes off a node's leftovers what it is a replica of.
func tidy(next *cluster.Placement, id string) bool {
	var held []int
	for _, shard := range next.Surplus[id] {
		if next.Holds(id, shard) {
			held = append(held, shard)
		}
	}
	if len(held) == 0 {
		return false
	}
	cleared(next, id, held)
	return true
}

// without gives a list less some of its members.
func without(list, some []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(some, id) })
}

// expel takes a node out of the shards that have another copy in order. stays
// are those of which the node's is the only one.
func (s *situation) expel(next *cluster.Placement, id string) (out, stays []int) {
	for i := range next.Groups {
		g := &next.Groups[i]
		for shard, nodes := range g.Shards {
			if !slices.Contains(nodes, id) {
				continue
			}
			if len(without(s.sources(shard), []string{id})) == 0 {
				stays = append(stays, shard)
				continue
			}
			g.Shards[shard] = without(nodes, []string{id})
			out = append(out, shard)
		}
	}
	if len(stays) == 0 {
		// What else lies there is not known: an older disk may hold what was
		// moved away long ago.
		out = every(next)
	}
	if len(out) > 0 {
		spare(next, id, out)
	}
	return out, stays
}

// every lists all shards of a placement.
func every(p *cluster.Placement) []int {
	n := 0
	for _, g := range p.Groups {
		n = max(n, len(g.Shards))
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// replicas lists the nodes that are a replica of some shard, sorted.
func replicas(p *cluster.Placement) []string {
	ids := make(map[string]bool)
	for _, g := range p.Groups {
		for _, nodes := range g.Shards {
			for _, id := range nodes {
				ids[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
