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

// without gives a list less some of its members.
func without(list, some []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(some, id) })
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
