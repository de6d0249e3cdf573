package wanted

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// config is a topology written as "eu:a,b,c us:d", with addresses made of ids.
func config(t *testing.T, copies int, shape string) *cluster.Topology {
	t.Helper()
	out := &cluster.Topology{Replication: copies}
	for _, part := range strings.Fields(shape) {
		name, list, _ := strings.Cut(part, ":")
		g := cluster.Group{ID: name}
		for _, id := range strings.Split(list, ",") {
			g.Nodes = append(g.Nodes, cluster.Node{ID: id, Group: name, URL: parse(t, "http://"+id+":7700")})
		}
		out.Groups = append(out.Groups, g)
	}
	return out
}

func shape(topology *cluster.Topology) string {
	var parts []string
	for _, g := range topology.Groups {
		var ids []string
		for _, n := range g.Nodes {
			ids = append(ids, n.ID)
		}
		parts = append(parts, g.ID+":"+strings.Join(ids, ","))
	}
	return strings.Join(parts, " ")
}

func book(t *testing.T) *Book {
	t.Helper()
	store := memory.New()
	t.Cleanup(func() { _ = store.Close() })
	b, err := Open(store)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// facts place one index of eight shards; the nodes named as broken hold nothing
// that can be copied.
func facts(placed *cluster.Topology, broken ...string) Facts {
	return Facts{
		Indexes: []Holding{{UID: "books", Shards: 8, Placement: cluster.Place(placed, "books", 8)}},
		Whole: func(node, _ string) bool {
			for _, id := range broken {
				if id == node {
					return false
				}
			}
			return true
		},
	}
}

func TestWishesAreGrantedAndKept(t *testing.T) {
	c, b := config(t, 2, "eu:a,b,c us:d,e"), book(t)
	for _, step := range []struct {
		wish  Wish
		shape string
	}{
		{Wish{Action: Add, ID: "f", Group: "us", URL: "http://f:7700/"}, "eu:a,b,c us:d,e,f"},
		{Wish{Action: Drain, ID: "a"}, "eu:b,c us:d,e,f"},
		{Wish{Action: Undrain, ID: "a"}, "eu:a,b,c us:d,e,f"},
		{Wish{Action: Remove, ID: "b"}, "eu:a,c us:d,e,f"},
		{Wish{Action: Undrain, ID: "b"}, "eu:a,b,c us:d,e,f"},
		{Wish{Action: Replace, ID: "c", As: "g", URL: "http://g:7700"}, "eu:a,b,g us:d,e,f"},
		{Wish{Action: Remove, ID: "f"}, "eu:a,b,g us:d,e"},
		{Wish{Action: AddGroup, ID: "asia", Nodes: []Named{{"x", "http://x:7700"}, {"y", "http://y:7700"}}}, "eu:a,b,g us:d,e asia:x,y"},
		{Wish{Action: RemoveGroup, ID: "us"}, "eu:a,b,g asia:x,y"},
		{Wish{Action: SetCopies, Copies: 1}, "eu:a,b,g asia:x,y"},
	} {
		out, err := b.Grant(c, step.wish, facts(b.Topology(c)))
		if err != nil || !out.Changed || out.Said == "" {
			t.Fatalf("%+v: %+v %v", step.wish, out, err)
		}
		if got := shape(b.Topology(c)); got != step.shape {
			t.Errorf("after %+v: %s, want %s", step.wish, got, step.shape)
		}
		again, err := Open(b.store)
		if err != nil || shape(again.Topology(c)) != step.shape || again.Topology(c).Replication != b.Topology(c).Replication {
			t.Errorf("after %+v and a restart: %s %v", step.wish, shape(again.Topology(c)), err)
		}
	}
	if n := b.Topology(c).Replication; n != 1 {
		t.Errorf("%d copies, want 1", n)
	}
}

func TestWishesAgainChangeNothing(t *testing.T) {
	c, b := config(t, 1, "eu:a,b,c"), book(t)
	for _, w := range []Wish{
		{Action: Add, ID: "d", URL: "http://d:7700"}, {Action: Drain, ID: "a"}, {Action: Remove, ID: "b"},
	} {
		for _, changed := range []bool{true, false} {
			if out, err := b.Grant(c, w, facts(c)); err != nil || out.Changed != changed {
				t.Errorf("%+v: %+v %v, want changed %v", w, out, err, changed)
			}
		}
	}
}

// What the configuration says later is what counts.
func TestTheConfigurationOvertakesWishes(t *testing.T) {
	c, b := config(t, 2, "eu:a,b,c"), book(t)
	grant := func(w Wish) {
		t.Helper()
		if _, err := b.Grant(c, w, facts(c)); err != nil {
			t.Fatal(err)
		}
	}
	grant(Wish{Action: Add, ID: "d", URL: "http://d:7700"})
	grant(Wish{Action: Remove, ID: "c"})
	grant(Wish{Action: Replace, ID: "a", URL: "http://elsewhere:7700"})
	grant(Wish{Action: SetCopies, Copies: 3})
	if n, _ := b.Topology(c).Node("a"); n.URL.Host != "elsewhere:7700" {
		t.Errorf("a is at %s", n.URL)
	}
	later := config(t, 1, "eu:a,b,d")
	later.Groups[0].Nodes[0].URL = parse(t, "http://third:7700")
	if got := b.Topology(later); shape(got) != "eu:a,b,d" || got.Replication != 1 || got.Groups[0].Nodes[0].URL.Host != "third:7700" {
		t.Errorf("%s %+v", shape(got), got)
	}
	if got := shape(b.Topology(c)); got != "eu:a,b,d" {
		t.Errorf("the earlier configuration, put back: %s", got)
	}
	if err := b.Settle(later); err != nil {
		t.Fatal(err)
	}
	if got := shape(b.Topology(c)); got != "eu:a,b,c" {
		t.Errorf("after it was settled, a new configuration that names c: %s", got)
	}
}

func TestImpossibleWishesAreRefusedWithWhatIsNeeded(t *testing.T) {
	for name, test := range map[string]struct {
		copies int
		shape  string
		broken []string
		wish   Wish
		reason string
		needed string
		lost   string // "" where it cannot be forced
	}{
		"the last node":  {1, "eu:a", nil, Wish{Action: Drain, ID: "a"}, "no node at all", "Add another node", ""},
		"the last group": {1, "eu:a,b", nil, Wish{Action: RemoveGroup, ID: "eu"}, "no node at all", "Add another node", ""},
		"fewer nodes than copies": {3, "eu:a,b,c", nil, Wish{Action: Drain, ID: "b"}, "group eu with 2 nodes for 3 copies",
			"Add a node to group eu first", "one of the 3 copies of each shard in group eu, until a node is added: of the 2 left, 2 must take a write"},
		"the only copy, on a dead node": {1, "eu:a,b,c", []string{"b"}, Wish{Action: Remove, ID: "b"}, "the only copy there is of",
			"Bring node b back", "every document of"},
		"the only copy, its peers being behind": {2, "eu:a,b,c", []string{"a", "b"}, Wish{Action: Drain, ID: "b"}, "the only copy there is of",
			"Bring node b back", "every document of"},
		"the group with the only copy": {1, "eu:a us:b", []string{"b"}, Wish{Action: RemoveGroup, ID: "eu"}, "the only copy there is of all 8 shards of index books",
			"Wait until the other groups are active", "none of them must fail meanwhile"},
		"more copies than nodes": {2, "eu:a,b,c us:d,e", nil, Wish{Action: SetCopies, Copies: 3}, "group us with 2 nodes for 3 copies",
			"Add a node to group us first", ""},
		"no copy": {2, "eu:a,b", nil, Wish{Action: SetCopies}, "0 copies", "At least one", ""},
		"a group that is too small": {2, "eu:a,b", nil, Wish{Action: AddGroup, ID: "us", Nodes: []Named{{"c", "http://c:7700"}}}, "1 nodes for 2 copies",
			"at least 2 nodes", ""},
		"an id that is taken": {1, "eu:a,b", nil, Wish{Action: Add, ID: "b", URL: "http://c:7700"}, "node b is there, at http://b:7700",
			"Choose another id", ""},
		"an address that is taken":  {1, "eu:a,b", nil, Wish{Action: Add, ID: "c", URL: "http://b:7700"}, "the same address", "", ""},
		"no address":                {1, "eu:a,b", nil, Wish{Action: Add, ID: "c", URL: "b"}, "cannot be read", "scheme, host and port", ""},
		"no group":                  {1, "eu:a us:b", nil, Wish{Action: Add, ID: "c", URL: "http://c:7700"}, "no group", "eu, us", ""},
		"an unknown group":          {1, "eu:a us:b", nil, Wish{Action: Add, ID: "c", Group: "asia", URL: "http://c:7700"}, "no group asia", "group add", ""},
		"replaced by what is there": {1, "eu:a,b", nil, Wish{Action: Replace, ID: "a", As: "b", URL: "http://c:7700"}, "there already", "another id", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, b := config(t, test.copies, test.shape), book(t)
			_, err := b.Grant(c, test.wish, facts(c, test.broken...))
			var refusal *RefusalError
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, test.reason) || !strings.Contains(refusal.Needed, test.needed) {
				t.Fatalf("refused with %v", err)
			}
			if got := shape(b.Topology(c)); got != test.shape || b.Topology(c).Replication != test.copies {
				t.Errorf("it changed the topology to %s", got)
			}
			test.wish.Force = true
			out, err := b.Grant(c, test.wish, facts(c, test.broken...))
			switch {
			case test.lost == "" && err == nil:
				t.Errorf("forced: %+v", out)
			case test.lost != "" && (err != nil || !strings.Contains(strings.Join(out.Lost, "; "), test.lost)):
				t.Errorf("forced: %+v %v", out, err)
			}
		})
	}
}

// A node that is down is removed like any other where its copies have peers.
func TestADeadNodeWithPeersIsRemoved(t *testing.T) {
	c, b := config(t, 2, "eu:a,b,c"), book(t)
	if _, err := b.Grant(c, Wish{Action: Remove, ID: "b"}, facts(c, "b")); err != nil {
		t.Fatal(err)
	}
	if got := shape(b.Topology(c)); got != "eu:a,c" {
		t.Error(got)
	}
}

// A node that was drained and then died with shards on it is not removed
// without a word.
func TestADrainedNodeThatDiedIsNotForgotten(t *testing.T) {
	c, b := config(t, 1, "eu:a,b,c"), book(t)
	if _, err := b.Grant(c, Wish{Action: Drain, ID: "b"}, facts(c)); err != nil {
		t.Fatal(err)
	}
	var refusal *RefusalError
	if _, err := b.Grant(c, Wish{Action: Remove, ID: "b"}, facts(c, "b")); !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	out, err := b.Grant(c, Wish{Action: Remove, ID: "b", Force: true}, facts(c, "b"))
	if err != nil || len(out.Forsaken) != 1 || out.Forsaken[0] != "b" {
		t.Errorf("forced: %+v %v", out, err)
	}
}

// Forcing a wish gives up what cannot be copied, and nothing else; asked again it
// ends what was begun.
func TestForcedAGroupLeavesWithItsLivingCopiesCopied(t *testing.T) {
	c, b := config(t, 1, "eu:a us:c,d"), book(t)
	for _, step := range []struct{ dead, forsaken string }{
		{"a c", "c"}, {"a c", "c"},
		{"a", ""}, // c is back: it is copied from, as d is
	} {
		out, err := b.Grant(c, Wish{Action: RemoveGroup, ID: "us", Force: true}, facts(c, strings.Fields(step.dead)...))
		if err != nil || strings.Join(out.Forsaken, " ") != step.forsaken || len(out.Lost) == 0 {
			t.Errorf("%s are dead: %+v %v", step.dead, out, err)
		}
	}
}
