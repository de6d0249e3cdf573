package rebalance

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// A node that joins a group gets its share of the shards and nothing else moves.
func TestANodeThatJoinsCostsTheLeastThereIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 8).Draw(t, "nodes")
		copies := rapid.IntRange(1, nodes).Draw(t, "copies")
		others := rapid.IntRange(0, 2).Draw(t, "other groups")
		var groups [][]string
		for g := range others + 1 {
			var ids []string
			for n := range max(nodes, copies) {
				ids = append(ids, fmt.Sprintf("g%dn%d", g, n))
			}
			groups = append(groups, ids)
		}
		from := topology(copies, groups...)
		groups[0] = append(slices.Clone(groups[0]), "joiner")
		to := topology(copies, groups...)
		share := 0
		for _, held := range cluster.Place(to, "ix", shards).Groups[0].Shards {
			if slices.Contains(held, "joiner") {
				share++
			}
		}
		had := cluster.Place(from, "ix", shards)
		end, moved := reconcile(t, had, to, nil, func(_, after *cluster.Placement) {
			for shard, held := range after.Groups[0].Shards {
				if strange := without(held, append(slices.Clone(had.Groups[0].Shards[shard]), "joiner")); len(strange) > 0 {
					t.Fatalf("shard %d moved to %v, which is not new", shard, strange)
				}
			}
		})
		if float64(moved) > 1.05*float64(share) {
			t.Fatalf("%d copies were made, the new node's share is %d: %+v", moved, share, end)
		}
	})
}

// shuffled draws a topology in which a node may be in another group than in the
// one before.
func shuffled(t *rapid.T, label string) *cluster.Topology {
	turn := rapid.IntRange(0, 7).Draw(t, label+" turn")
	groups := make([][]string, rapid.IntRange(1, 3).Draw(t, label+" groups"))
	for n := range 8 {
		at := n
		if n >= len(groups) { // each group has a node
			at = rapid.IntRange(-1, len(groups)-1).Draw(t, label+" group")
		}
		if at >= 0 {
			groups[at] = append(groups[at], fmt.Sprint("n", (n+turn)%8))
		}
	}
	fewest := 8
	for _, g := range groups {
		fewest = min(fewest, len(g))
	}
	return topology(rapid.IntRange(1, fewest).Draw(t, label+" copies"), groups...)
}

// inOrder is how many copies a shard has that are in order, of those that
// the placement names.
func inOrder(p *cluster.Placement, shard int, bad map[string]bool) (n int) {
	for _, g := range p.Groups {
		for _, id := range g.Shards[shard] {
			if !bad[id] {
				n++
			}
		}
	}
	return n
}

// watcher fails when a change takes copies away that are not too many.
func watcher(t *rapid.T, to *cluster.Topology, bad map[string]bool) func(before, after *cluster.Placement) {
	want := cluster.Place(to, "ix", shards)
	return func(before, after *cluster.Placement) {
		for shard := range shards {
			enough := 0
			for i := range want.Groups {
				enough += len(want.Groups[i].Shards[shard])
			}
			had, has := inOrder(before, shard, bad), inOrder(after, shard, bad)
			if has < had && has < enough || had > 0 && has == 0 {
				t.Fatalf("shard %d has %d copies in order after %d, %d are wanted: %+v -> %+v", shard, has, had, enough, before, after)
			}
			for _, id := range before.Nodes() {
				held := before.Holds(id, shard) || slices.Contains(before.Surplus[id], shard)
				if held && !after.Holds(id, shard) && !slices.Contains(after.Surplus[id], shard) {
					t.Fatalf("what %s has of shard %d is forgotten", id, shard)
				}
			}
		}
	}
}

// However often the wish changes before the last one came true, and whichever
// nodes are away meanwhile, no change leaves a shard with fewer copies than it
// had, but those that are too many; and from where things stand when all are
// back it takes the fewest moves.
func TestWishesThatChangeMidwayTakeNoCopyAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := cluster.Place(shuffled(t, "first"), "ix", shards)
		for turn := range rapid.IntRange(1, 4).Draw(t, "wishes") {
			to := shuffled(t, fmt.Sprint("wish ", turn))
			bad := map[string]bool{}
			if ids := replicas(p); rapid.Bool().Draw(t, "one is away") {
				bad[rapid.SampledFrom(ids).Draw(t, "away")] = true
			}
			watch := watcher(t, to, bad)
			for range rapid.IntRange(0, 40).Draw(t, "steps") {
				next, _, more := advance(p, to, bad)
				if !more {
					break
				}
				watch(p, next)
				p = next
			}
		}
		to := shuffled(t, "last")
		least := need(p, to)
		end, moved := reconcile(t, p, to, nil, watcher(t, to, nil))
		if moved != least {
			t.Fatalf("%d copies were made, %d are needed", moved, least)
		}
		s := &situation{actual: end, wanted: cluster.Place(to, "ix", shards), readable: func(string) bool { return true }}
		if !s.done() {
			t.Fatalf("it ends at %+v", end)
		}
	})
}
