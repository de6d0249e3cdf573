package rebalance

import (
	"cmp"
	"maps"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

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
			if extra := without(a.Shards[shard], wanted); len(extra) > 0 && s.all(a.Shards[shard], wanted) && s.elsewhere(next, g.ID, shard) {
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

// left lists the nodes that go on holding a shard of which another copy is given
// up.
func left(before, after *cluster.Placement) []string {
	stay := make(map[string]bool)
	for _, g := range before.Groups {
		for shard, nodes := range g.Shards {
			if !slices.ContainsFunc(nodes, func(id string) bool { return !after.Holds(id, shard) }) {
				continue
			}
			for i := range after.Groups {
				for _, id := range after.Groups[i].Shards[shard] {
					stay[id] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(stay))
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
		if s.allBut(have, wanted, node) && s.elsewhere(next, g.ID, shard) {
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

// elsewhere says whether the copies of a shard that are wanted in other groups
// are there and in order: until then one that is too many in this group may be
// what keeps their number up.
func (s *situation) elsewhere(next *cluster.Placement, group string, shard int) bool {
	for _, g := range s.wanted.Groups {
		if g.ID == group {
			continue
		}
		if a := groupOf(next, g.ID); a == nil || !s.all(a.Shards[shard], g.Shards[shard]) {
			return false
		}
	}
	return true
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
