package rebalance

import (
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

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
