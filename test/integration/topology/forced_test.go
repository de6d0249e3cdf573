package topology

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// shardsOf lists the shards of the index that are a node's.
func shardsOf(t *testing.T, f *fleet.Fleet, node string) (mine []int) {
	t.Helper()
	var list struct {
		Results []struct {
			Shard    int
			Replicas map[string][]string
		}
	}
	f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/shards?index=books", "").Decode(t, &list)
	for _, s := range list.Results {
		for _, nodes := range s.Replicas {
			for _, id := range nodes {
				if id == node {
					mine = append(mine, s.Shard)
				}
			}
		}
	}
	return mine
}

// ids lists the documents that a node, or the gateway, shows.
func ids(t *testing.T, answer fleet.Answer) map[int]bool {
	t.Helper()
	var page struct{ Results []struct{ ID int } }
	answer.Decode(t, &page)
	all := map[int]bool{}
	for _, d := range page.Results {
		all[d.ID] = true
	}
	return all
}

const everything = "/indexes/books/documents?limit=1000&fields=id"

// refused sends a wish that has to be refused, with words.
func refused(t *testing.T, f *fleet.Fleet, method, path, body string, words ...string) {
	t.Helper()
	var said struct{ Message, Code string }
	f.Want(t, http.StatusConflict, method, path, body).Decode(t, &said)
	for _, w := range words {
		if !strings.Contains(said.Message, w) {
			t.Errorf("%s %s is refused with %q, which does not say %q", method, path, said.Message, w)
		}
	}
}

// A node that joined dies with the only copies of its shards, and is given up. The
// nodes that the shards came from have not yet deleted what they had of them: what
// was deleted since does not come back, and neither does anything else of those
// shards, as was said.
func TestWhatIsGivenUpDoesNotComeBackFromLeftovers(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f)
	keep := failpoint.Set("rebalance.purge", func() error { return errors.New("leftovers stay for now") })
	defer keep()
	joined := f.Grow(t)
	fleet.Eventually(t, "the node has its share", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return len(shardsOf(t, f, joined.ID)) > 0 && last.Rebalance.Leftover > 0 && last.Rebalance.State == "waiting"
	})
	theirs := ids(t, joined.Do(t, http.MethodGet, everything, ""))
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":5000,"kind":"late"},{"id":5001,"kind":"late"},{"id":5002,"kind":"late"},{"id":5003,"kind":"late"}]`)
	if len(theirs) == 0 {
		t.Fatal("the new node has no document")
	}
	for id := range theirs {
		f.Write(t, http.MethodDelete, fmt.Sprintf("/indexes/books/documents/%d", id), "")
	}
	gone := ids(t, joined.Do(t, http.MethodGet, everything, "")) // what was written there since
	joined.Kill()
	fleet.Eventually(t, "the node is known to be down", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Status == "unavailable"
	})
	refused(t, f, http.MethodDelete, "/_miroir/nodes/"+joined.ID, "", "only copy", "Bring node "+joined.ID+" back", "Forced, this would be lost: every document of")
	var granted struct {
		Changed bool
		Lost    []string
	}
	f.Want(t, http.StatusOK, http.MethodDelete, "/_miroir/nodes/"+joined.ID+"?force=true", "").Decode(t, &granted)
	if !granted.Changed || len(granted.Lost) == 0 {
		t.Errorf("forced: %+v", granted)
	}
	keep()
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/rebalance/resume", "")
	fleet.Eventually(t, "every shard has a node again", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Status == "ok" && last.Rebalance.State == "idle" && last.Rebalance.Leftover == 0
	})
	shown := ids(t, f.Want(t, http.StatusOK, http.MethodGet, everything, ""))
	for id := range theirs {
		if shown[id] {
			t.Errorf("document %d came back", id)
		}
	}
	for id := range gone {
		if shown[id] {
			t.Errorf("document %d is there, and every document of its shard was given up", id)
		}
	}
	if len(shown) != documents+4-len(theirs)-len(gone) {
		t.Errorf("%d documents are left of %d, less %d deleted and %d given up", len(shown), documents+4, len(theirs), len(gone))
	}
	same(t, f, f.Nodes[:3], 1)
	write(t, f, http.MethodPost, "/indexes/books/documents", `[{"id":6000,"kind":"late"}]`)
	// Asked again there is nothing left to do.
	answer := f.Do(t, http.MethodDelete, "/_miroir/nodes/"+joined.ID+"?force=true", "")
	if !json.Valid(answer.Body) || answer.Status >= http.StatusInternalServerError {
		t.Errorf("asked again: %d %s", answer.Status, answer.Body)
	}
}

// What cannot be is refused with what would be needed.
func TestImpossibleWishesAreRefusedInWords(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f)
	refused(t, f, http.MethodPut, "/_miroir/replication", `{"copies":4}`, "group g1 with 3 nodes for 4 copies", "Add a node to group g1 first")
	f.Nodes[0].Kill()
	fleet.Eventually(t, "the node is known to be down", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Status == "unavailable"
	})
	refused(t, f, http.MethodPost, "/_miroir/nodes/g1n1/drain", "", "raining node g1n1 would give up the only copy there is of", "of index books", "cannot be copied from now", "Forced, this would be lost")
	f.Nodes[0].Restart()
	fleet.Eventually(t, "the node is back", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Status == "ok"
	})
	// A reload that wants more copies than there are nodes that stay.
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/nodes/g1n1/drain", "")
	settled(t, f, 1, func(s map[string]int) bool { return s["g1n1"] == 0 })
	err := f.Load(strings.Replace(f.Caddyfile(), "replication 1", "replication 3", 1))
	if err == nil || !strings.Contains(err.Error(), "group g1 has 2 nodes for 3 copies of each shard: g1n1 is drained") {
		t.Errorf("the reload is refused with: %v", err)
	}
	whole(t, f)
	if err := f.Load(strings.Replace(f.Caddyfile(), "replication 1", "replication 2", 1)); err != nil {
		t.Error(err)
	}
	settled(t, f, 2, func(s map[string]int) bool { return s["g1n1"] == 0 })
	// Where it cannot be refused any more it is said.
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/nodes/g1n2/drain", `{"force":true}`)
	var last report
	f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
	if text := strings.Join(last.Problems, "\n"); last.Status != "degraded" || !strings.Contains(text, "group g1 has 1 node for 2 copies of each shard: g1n1 is drained, g1n2 is drained.") {
		t.Errorf("%s: %s", last.Status, text)
	}
	whole(t, f)
}
