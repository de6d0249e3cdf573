package plan

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

func placement(groups ...[][]string) *cluster.Placement {
	p := &cluster.Placement{}
	for i, shards := range groups {
		p.Groups = append(p.Groups, cluster.GroupPlacement{ID: string(rune('x' + i)), Shards: shards})
	}
	return p
}

func up(down ...string) func(string) bool {
	return func(node string) bool {
		for _, d := range down {
			if d == node {
				return false
			}
		}
		return true
	}
}

func TestOneNodeThatHoldsAllIsAskedAlone(t *testing.T) {
	l := NewLayout(placement([][]string{{"a", "b"}, {"b", "a"}}, [][]string{{"c"}, {"d"}}))
	p := l.Cover(Want{Readable: up(), Rank: func(n string) float64 { return map[string]float64{"a": 2, "b": 1}[n] }})
	if !p.Whole || len(p.Legs) != 1 || p.Legs[0].Node != "b" || p.Legs[0].Filter {
		t.Errorf("plan is %+v", p)
	}
}

func TestDisjointNodesAreAskedWithoutFilter(t *testing.T) {
	l := NewLayout(placement([][]string{{"a"}, {"b"}, {"c"}, {"a"}}))
	p := l.Cover(Want{Readable: up()})
	if len(p.Legs) != 3 || filters(p) != 0 || p.Missing.Len() != 0 || p.Whole {
		t.Errorf("plan is %+v", p)
	}
}

func TestOverlappingNodesAreFiltered(t *testing.T) {
	l := NewLayout(placement([][]string{{"a", "b"}, {"b", "c"}, {"c", "a"}}))
	p := l.Cover(Want{Readable: up()})
	if len(p.Legs) != 2 || filters(p) != 1 {
		t.Errorf("plan is %+v", p)
	}
}

func TestAnotherGroupStandsInForADeadNode(t *testing.T) {
	l := NewLayout(placement([][]string{{"a"}, {"b"}}, [][]string{{"c"}, {"d"}}))
	p := l.Cover(Want{Readable: up("b")})
	if p.Nodes() != "c,d" {
		t.Errorf("nodes are %s", p.Nodes())
	}
	p = l.Cover(Want{Readable: up("b", "c")})
	if p.Nodes() != "a,d" || p.Missing.Len() != 0 {
		t.Errorf("across groups: %+v", p)
	}
	p = l.Cover(Want{Readable: up("b", "d")})
	if got := p.Missing.Shards(); len(got) != 1 || got[0] != 1 {
		t.Errorf("missing are %v", got)
	}
}

func TestRule20SurplusDocumentsAreFilteredOut(t *testing.T) {
	for _, surplus := range []map[string][]int{nil, {"a": {1}}, {"b": {0}}} {
		of := placement([][]string{{"a"}, {"a"}})
		of.Surplus = surplus
		p := NewLayout(of).Cover(Want{Readable: up()})
		if pure := surplus["a"] == nil; len(p.Legs) != 1 || p.Legs[0].Filter == pure || p.Whole != pure {
			t.Errorf("with %v the plan is %+v", surplus, p)
		}
	}
}

// TestEachShardIsAnsweredOnce holds every plan to what it promises.
func TestEachShardIsAnsweredOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shards := rapid.IntRange(1, 130).Draw(t, "shards")
		groups := make([][][]string, rapid.IntRange(1, 3).Draw(t, "groups"))
		holds := map[string]map[int]bool{}
		for g := range groups {
			groups[g] = make([][]string, shards)
			nodes := rapid.IntRange(1, 4).Draw(t, "nodes")
			for s := range shards {
				for n := range nodes {
					if rapid.Bool().Draw(t, "holds") {
						node := string(rune('a'+g)) + string(rune('0'+n))
						groups[g][s] = append(groups[g][s], node)
						if holds[node] == nil {
							holds[node] = map[int]bool{}
						}
						holds[node][s] = true
					}
				}
			}
		}
		down := map[string]bool{}
		for node := range holds {
			down[node] = rapid.Bool().Draw(t, "down")
		}
		l := NewLayout(placement(groups...))
		p := l.Cover(Want{Readable: func(n string) bool { return !down[n] }})
		times := make([]int, shards)
		for _, leg := range p.Legs {
			if down[leg.Node] {
				t.Fatalf("node %s is down", leg.Node)
			}
			for _, s := range leg.Shards.Shards() {
				times[s]++
				if !holds[leg.Node][s] {
					t.Fatalf("node %s does not hold %d", leg.Node, s)
				}
			}
			if !leg.Filter && leg.Shards.Len() != len(holds[leg.Node]) {
				t.Fatalf("node %s is asked for a part without a filter", leg.Node)
			}
		}
		for s, n := range times {
			possible := false
			for node, has := range holds {
				possible = possible || has[s] && !down[node]
			}
			if want := boolean(possible); n != want {
				t.Fatalf("shard %d is answered %d times", s, n)
			}
			if p.Missing.Has(s) == possible {
				t.Fatalf("shard %d: missing %v", s, p.Missing.Has(s))
			}
		}
	})
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestTheBestOfAllSmallestPlansIsChosen(t *testing.T) {
	// Three nodes with two copies: a holds most, and yet any two of them do.
	l := NewLayout(placement([][]string{{"a", "b"}, {"a", "b"}, {"a", "c"}, {"a", "c"}, {"b", "c"}}))
	for slow, want := range map[string]string{"a": "b,c", "b": "a,c", "c": "a,b"} {
		p := l.Cover(Want{Rank: func(n string) float64 { return float64(boolean(n == slow)) }})
		if got := p.Nodes(); got != want || p.Missing.Len() > 0 {
			t.Errorf("with %s ranked last %s are asked", slow, got)
		}
	}
}

func TestASlowNodeIsAskedOnlyForWhatNoOtherHas(t *testing.T) {
	slow := func(node string) bool { return node == "c" }
	l := NewLayout(placement([][]string{{"a"}, {"b"}}, [][]string{{"c"}, {"c"}}))
	if p := l.Cover(Want{Slow: slow}); p.Nodes() != "a,b" {
		t.Errorf("%s are asked: two nodes are better than a slow one", p.Nodes())
	}
	if p := l.Cover(Want{Slow: slow, Readable: up("b")}); p.Nodes() != "c" {
		t.Errorf("%s are asked where only the slow one has all", p.Nodes())
	}
}

func TestLargeGroupsAreCoveredToo(t *testing.T) {
	var shards [][]string
	for s := range 64 {
		shards = append(shards, []string{string(rune('a' + s%20)), string(rune('a' + (s+7)%20))})
	}
	p := NewLayout(placement(shards)).Cover(Want{})
	if p.Missing.Len() > 0 || len(p.Legs) > 20 {
		t.Errorf("%d legs, %d shards missing", len(p.Legs), p.Missing.Len())
	}
}

func TestWhatANodeHoldsIsALeg(t *testing.T) {
	l := NewLayout(placement([][]string{{"a", "b"}, {"b"}, {"a"}}))
	if leg := l.Held("a", Want{}); leg.Shards.Len() != 2 || leg.Filter {
		t.Errorf("all that a holds: %+v", leg)
	}
	if leg := l.Held("b", Want{Shards: l.One(1)}); leg.Shards.Len() != 1 || !leg.Filter {
		t.Errorf("one shard of b: %+v", leg)
	}
	if leg := l.Held("x", Want{}); leg.Shards.Len() != 0 {
		t.Errorf("of a node that holds nothing: %+v", leg)
	}
}

func TestALegIsAloneWhereNoOtherNodeHasItsShards(t *testing.T) {
	l := NewLayout(placement([][]string{{"a"}, {"b", "c"}, {"a"}}))
	for node, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if leg := l.Held(node, Want{}); l.Alone(leg) != want {
			t.Errorf("%s with %v is alone: %v", node, leg.Shards.Shards(), !want)
		}
	}
	if n := l.Spread(); n != 3 {
		t.Errorf("%d nodes", n)
	}
}
