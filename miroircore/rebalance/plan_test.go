package rebalance

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// topology is written as "a,b,c d,e": the nodes of each group.
func topology(copies int, groups ...[]string) *cluster.Topology {
	t := &cluster.Topology{Replication: copies}
	for i, nodes := range groups {
		g := cluster.Group{ID: fmt.Sprint("g", i)}
		for _, id := range nodes {
			g.Nodes = append(g.Nodes, cluster.Node{ID: id, Group: g.ID})
		}
		t.Groups = append(t.Groups, g)
	}
	return t
}

const shards = 16

// advance takes the step that the reconciler would, and gives how many copies it
// made, or that there is nothing left to do.
func advance(p *cluster.Placement, wanted *cluster.Topology, bad map[string]bool) (next *cluster.Placement, moved int, more bool) {
	s := &situation{actual: p, wanted: cluster.Place(wanted, "ix", shards),
		readable: func(id string) bool { return !bad[id] }, fillable: func(id string) bool { return !bad[id] }}
	next = p.Clone()
	if s.shape(next) {
		return next, 0, true
	}
	if units := s.units(4); len(units) > 0 {
		u := units[0]
		next := p.Clone()
		spare(next, u.target, u.shards)
		for _, shard := range u.shards {
			s.arrive(next, u.target, shard)
		}
		return next, len(u.shards), true
	}
	return p, 0, false
}

// reconcile takes steps until nothing is left to do, and gives the placement and
// how many copies were made.
func reconcile(t interface{ Fatalf(string, ...any) }, p *cluster.Placement, wanted *cluster.Topology, bad map[string]bool, watch func(before, after *cluster.Placement)) (*cluster.Placement, int) {
	made := 0
	for range 10_000 {
		next, moved, more := advance(p, wanted, bad)
		if more {
			watch(p, next)
			p, made = next, made+moved
			continue
		}
		left := (&situation{actual: p, wanted: cluster.Place(wanted, "ix", shards)}).leftovers()
		if len(left) == 0 {
			return p, made
		}
		p = p.Clone()
		for id, shards := range left {
			cleared(p, id, shards)
		}
	}
	t.Fatalf("the steps do not end")
	return nil, 0
}

// need is how many copies the way from one topology to another has to make.
func need(from *cluster.Placement, to *cluster.Topology) (n int) {
	for _, g := range cluster.Place(to, "ix", shards).Groups {
		for shard, nodes := range g.Shards {
			for _, id := range nodes {
				if !from.Holds(id, shard) {
					n++
				}
			}
		}
	}
	return n
}

func drawTopology(t *rapid.T, label string) *cluster.Topology {
	groups := make([][]string, rapid.IntRange(1, 3).Draw(t, label+" groups"))
	fewest := 4
	for i := range groups {
		for n := range 4 {
			if rapid.Bool().Draw(t, label+" has") || n == 3 && len(groups[i]) == 0 {
				groups[i] = append(groups[i], fmt.Sprintf("n%d", 4*i+n))
			}
		}
		fewest = min(fewest, len(groups[i]))
	}
	return topology(rapid.IntRange(1, fewest).Draw(t, label+" copies"), groups...)
}

// TestThePlanMovesTheLeastAndNeverTakesACopyAway goes from any shape of a fleet
// to any other.
func TestThePlanMovesTheLeastAndNeverTakesACopyAway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawTopology(t, "from"), drawTopology(t, "to")
		start := cluster.Place(from, "ix", shards)
		least := need(start, to)
		kept := min(from.Replication, to.Replication)
		end, moved := reconcile(t, start, to, nil, func(before, after *cluster.Placement) {
			if after.Epoch != before.Epoch+1 {
				t.Fatalf("epoch %d after %d", after.Epoch, before.Epoch)
			}
			for i := range before.Groups {
				g := &before.Groups[i]
				a := groupOf(after, g.ID)
				if a == nil {
					continue
				}
				for shard := range g.Shards {
					if had, has := len(g.Shards[shard]), len(a.Shards[shard]); has < had && has < kept {
						t.Fatalf("shard %d of %s has %v after %v", shard, g.ID, a.Shards[shard], g.Shards[shard])
					}
					for _, id := range a.Shards[shard] {
						if slices.Contains(after.Surplus[id], shard) {
							t.Fatalf("shard %d is %s's and left over there", shard, id)
						}
					}
				}
			}
			for shard := range shards {
				for _, id := range before.Nodes() {
					held := before.Holds(id, shard) || slices.Contains(before.Surplus[id], shard)
					if holds := after.Holds(id, shard) || slices.Contains(after.Surplus[id], shard); held && !holds {
						t.Fatalf("what %s has of shard %d is forgotten: %+v -> %+v", id, shard, before, after)
					}
				}
			}
		})
		if moved != least {
			t.Fatalf("%d copies were made, %d are needed", moved, least)
		}
		want := cluster.Place(to, "ix", shards)
		for _, g := range want.Groups {
			a := groupOf(end, g.ID)
			for shard, nodes := range g.Shards {
				got := slices.Sorted(slices.Values(a.Shards[shard]))
				if !slices.Equal(got, slices.Sorted(slices.Values(nodes))) {
					t.Fatalf("shard %d of %s is on %v, not on %v", shard, g.ID, got, nodes)
				}
			}
			if a.Copies != g.Copies {
				t.Fatalf("%s promises %d copies, not %d", g.ID, a.Copies, g.Copies)
			}
		}
		if len(end.Groups) != len(want.Groups) || len(end.Surplus) > 0 {
			t.Fatalf("left over: %+v", end)
		}
	})
}

func TestANodeOutOfOrderIsFilledAnewFromItsPeers(t *testing.T) {
	t3 := topology(2, []string{"a", "b", "c"})
	p := cluster.Place(t3, "ix", shards)
	s := &situation{actual: p, readable: func(id string) bool { return id != "b" }}
	next := p.Clone()
	out, stays := s.expel(next, "b")
	if len(stays) != 0 || len(out) != shards || slices.Contains(replicas(next), "b") {
		t.Fatalf("b is out of %v, stays in %v: %+v", out, stays, next)
	}
	// While b is away its shards are not given to the others: that would move them twice.
	waiting, moved := reconcile(t, next, t3, map[string]bool{"b": true}, func(_, _ *cluster.Placement) {})
	if waiting.Groups[0].Copies != 2 || waiting.Groups[0].Quorum(0) != 2 || moved != 0 {
		t.Fatalf("the word that was given is weaker: %+v, %d moved", waiting.Groups[0], moved)
	}
	end, _ := reconcile(t, waiting, t3, nil, func(_, _ *cluster.Placement) {})
	for shard, nodes := range p.Groups[0].Shards {
		if got := end.Groups[0].Shards[shard]; !slices.Equal(got, nodes) {
			t.Errorf("shard %d is on %v, not on %v", shard, got, nodes)
		}
	}
}

func TestAnOnlyCopyIsNotTakenOut(t *testing.T) {
	p := cluster.Place(topology(1, []string{"a", "b"}), "ix", shards)
	s := &situation{actual: p, readable: func(id string) bool { return id != "b" }}
	next := p.Clone()
	if out, stays := s.expel(next, "b"); len(out) != 0 || len(stays) == 0 || len(next.Surplus) != 0 {
		t.Errorf("out of %v, stays in %v", out, stays)
	}
}

func TestAGroupIsDroppedOnlyWhenTheOthersHaveEverything(t *testing.T) {
	two := topology(1, []string{"a", "b"}, []string{"c", "d"})
	one := topology(1, []string{"a", "b"})
	p := cluster.Place(two, "ix", shards)
	end, _ := reconcile(t, p, one, map[string]bool{"a": true}, func(_, _ *cluster.Placement) {})
	if groupOf(end, "g1") == nil {
		t.Fatal("g1 was dropped though a is out of order")
	}
	end, moved := reconcile(t, end, one, nil, func(_, _ *cluster.Placement) {})
	if groupOf(end, "g1") != nil || moved != 0 {
		t.Errorf("%d moved: %+v", moved, end)
	}
}
