package cluster

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// topology makes one group of the named nodes.
func topology(replication int, ids ...string) *Topology {
	t := &Topology{Replication: replication, Groups: []Group{{ID: "g"}}}
	for i, id := range ids {
		u := &url.URL{Scheme: "http", Host: fmt.Sprintf("10.0.0.%d:7700", i+1)}
		t.Groups[0].Nodes = append(t.Groups[0].Nodes, Node{ID: id, Group: "g", URL: u})
	}
	return t
}

func nodeIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("node-%d", i)
	}
	return ids
}

func TestPlaceGivesEachShardItsCopiesWhateverTheOrderOfNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "nodes")
		copies := rapid.IntRange(1, n).Draw(t, "copies")
		shards := rapid.IntRange(1, 100).Draw(t, "shards")
		index := rapid.String().Draw(t, "index")
		ids := nodeIDs(n)
		p := Place(topology(copies, ids...), index, shards)
		if len(p.Groups) != 1 || p.Groups[0].ID != "g" || len(p.Groups[0].Shards) != shards {
			t.Fatalf("placement %+v", p)
		}
		for shard, held := range p.Groups[0].Shards {
			sorted := slices.Sorted(slices.Values(held))
			if len(held) != copies || len(slices.Compact(sorted)) != copies {
				t.Fatalf("shard %d is at %v", shard, held)
			}
		}
		slices.Reverse(ids)
		if again := Place(topology(copies, ids...), index, shards); !reflect.DeepEqual(p, again) {
			t.Fatal("another order of the nodes gives another placement")
		}
	})
}

func TestPlaceMovesNoMoreThanItMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 9).Draw(t, "nodes")
		copies := rapid.IntRange(1, n).Draw(t, "copies")
		shards := rapid.IntRange(1, 100).Draw(t, "shards")
		ids := nodeIDs(n + 1)
		joiner := ids[n]
		before := Place(topology(copies, ids[:n]...), "movies", shards).Groups[0].Shards
		after := Place(topology(copies, ids...), "movies", shards).Groups[0].Shards
		for shard := range before {
			// With the joiner taken out, what is left is a part of what was, in its order.
			rest := slices.DeleteFunc(slices.Clone(after[shard]), func(id string) bool { return id == joiner })
			if !slices.Equal(rest, before[shard][:len(rest)]) || len(rest) < copies-1 {
				t.Fatalf("shard %d was at %v and is at %v", shard, before[shard], after[shard])
			}
		}
	})
}

func TestPlaceSpreadsShards(t *testing.T) {
	const shards = 1 << 14
	for _, n := range []int{2, 3, 5, 8} {
		for copies := 1; copies < n; copies++ {
			held, first := map[string]int{}, map[string]int{}
			for _, nodes := range Place(topology(copies, nodeIDs(n)...), "movies", shards).Groups[0].Shards {
				first[nodes[0]]++
				for _, id := range nodes {
					held[id]++
				}
			}
			for _, id := range nodeIDs(n) {
				if want := float64(shards*copies) / float64(n); float64(held[id]) < 0.93*want || float64(held[id]) > 1.07*want {
					t.Errorf("%d nodes, %d copies: %s holds %d, mean %.0f", n, copies, id, held[id], want)
				}
				if want := float64(shards) / float64(n); float64(first[id]) < 0.9*want || float64(first[id]) > 1.1*want {
					t.Errorf("%d nodes, %d copies: %s is first for %d, mean %.0f", n, copies, id, first[id], want)
				}
			}
		}
	}
}

// TestPlaceNeverChanges pins a placement: every fleet's follow from the weights.
func TestPlaceNeverChanges(t *testing.T) {
	got := fmt.Sprint(Place(topology(2, "a", "b", "c"), "movies", 8).Groups[0].Shards)
	if want := "[[b a] [c b] [a b] [b a] [b c] [c a] [a b] [a c]]"; got != want {
		t.Errorf("placement %s, want %s", got, want)
	}
}

func TestPlaceServesEachGroupWhole(t *testing.T) {
	top := topology(1, "a", "b")
	other := topology(1, "c", "d", "e").Groups[0]
	other.ID = "h"
	top.Groups = append(top.Groups, other)
	p := Place(top, "movies", 16)
	for i, group := range p.Groups {
		for shard, held := range group.Shards {
			if len(held) != 1 || !slices.ContainsFunc(top.Groups[i].Nodes, func(n Node) bool { return n.ID == held[0] }) {
				t.Errorf("group %s: shard %d is at %v", group.ID, shard, held)
			}
		}
	}
}

func TestValidateNamesEverythingThatIsWrong(t *testing.T) {
	address := func(raw string) *url.URL {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	one := func(id, raw string) *Topology {
		return &Topology{Replication: 1, Groups: []Group{{ID: "g", Nodes: []Node{{ID: id, URL: address(raw)}}}}}
	}
	twice := topology(1, "a", "a")
	sameHost := topology(1, "a", "b")
	sameHost.Groups[0].Nodes[1].URL = address("http://10.0.0.1:7700/")
	paths := topology(1, "a", "b")
	paths.Groups[0].Nodes[1].URL = address("http://10.0.0.1:7700/b")
	twoGroups := topology(1, "a")
	twoGroups.Groups = append(twoGroups.Groups, topology(1, "b").Groups...)
	twoGroups.Groups[1].Nodes[0].URL = address("http://10.0.0.9:7700")
	noURL := topology(1, "a")
	noURL.Groups[0].Nodes[0].URL = nil
	cases := []struct {
		name string
		t    *Topology
		want string
	}{
		{"one node", topology(1, "a"), ""},
		{"three copies", topology(3, "a", "b", "c"), ""},
		{"nodes by path", paths, ""},
		{"nothing", &Topology{}, "no group"},
		{"no copy", topology(0, "a"), "must be at least 1"},
		{"more copies than nodes", topology(3, "a", "b"), `group "g" has 2 nodes`},
		{"an empty group", topology(1), `group "g" has 0 nodes`},
		{"a node twice", twice, `node "a" is named twice`},
		{"a group twice", twoGroups, `group "g" is named twice`},
		{"an address twice", sameHost, `nodes "a" and "b" have the same address`},
		{"a bad id", one("a b", "http://x"), `node id "a b"`},
		{"an empty id", one("", "http://x"), `node id ""`},
		{"no address", noURL, "http or https"},
		{"another scheme", one("a", "unix:///run/x"), "http or https"},
		{"a key in the address", one("a", "http://u:p@x"), "no more than scheme, host and path"},
		{"a query", one("a", "http://x?a=1"), "no more than scheme, host and path"},
		{"a bad group", &Topology{Replication: 1, Groups: []Group{{ID: "é", Nodes: topology(1, "a").Groups[0].Nodes}}}, `group id "é"`},
	}
	for _, tc := range cases {
		err := tc.t.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestVersionsThatNodesMayHave(t *testing.T) {
	for version, want := range map[string]bool{
		"1.50.0": true, "v1.50.0": true, "1.53.2": true, "1.60.0-rc.1": true, "1.49.9": false, "2.0.0": false, "0.30.1": false, "": false, "unknown": false,
	} {
		if err := Compatible(version); (err == nil) != want {
			t.Errorf("%q: %v", version, err)
		}
	}
	for _, tc := range []struct {
		a, b string
		want int
	}{{"1.50.0", "1.50.0", 0}, {"1.9.0", "1.10.0", -1}, {"1.50.1", "1.50.0", 1}, {"2", "1.99.99", 1}, {"1.50.0-rc.1", "v1.50.0", 0}} {
		if got := CompareVersions(tc.a, tc.b); got < 0 != (tc.want < 0) || got > 0 != (tc.want > 0) {
			t.Errorf("%s against %s: %d", tc.a, tc.b, got)
		}
	}
}

func TestNodesAreFoundById(t *testing.T) {
	top := topology(1, "a", "b")
	if n, ok := top.Node("b"); !ok || n.ID != "b" {
		t.Errorf("%v %v", n, ok)
	}
	if _, ok := top.Node("z"); ok {
		t.Error("found a node that is none")
	}
	if len(top.Nodes()) != 2 {
		t.Errorf("%v", top.Nodes())
	}
}

func BenchmarkPlace(b *testing.B) {
	top := topology(2, nodeIDs(6)...)
	b.ReportAllocs()
	for b.Loop() {
		Place(top, "movies", 64)
	}
}
