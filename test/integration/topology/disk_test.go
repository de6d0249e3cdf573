package topology

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// status waits until the fleet is in a state.
func status(t *testing.T, f *fleet.Fleet, want string) (last report) {
	t.Helper()
	fleet.Eventually(t, "the fleet is "+want, func() bool {
		last = report{}
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Status == want
	})
	return last
}

// counted fails the test unless a search finds so many documents of a kind.
func counted(t *testing.T, f *fleet.Fleet, kind string, want int) {
	t.Helper()
	var got found
	send(t, f, http.MethodPost, "/indexes/books/search", fmt.Sprintf(`{"q":"","filter":"kind = %s","page":1,"hitsPerPage":1}`, kind), &got)
	if got.TotalHits != want {
		t.Errorf("a search finds %d documents that are %s, not %d", got.TotalHits, kind, want)
	}
}

// A node is stopped, its folder is copied away, writes go on, and the old folder
// is put back: what it lacks and what it has too much is never shown.
func TestANodeWithAnOlderDiskIsFilledAnewAndNotReadBefore(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	load(t, f)
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `,{"id":%d,"kind":"doomed"},{"id":%d,"kind":"first"}`, 10_000+i, 20_000+i)
	}
	write(t, f, http.MethodPost, "/indexes/books/documents", "["+b.String()[1:]+"]")
	old := f.Nodes[1]
	old.Kill()
	putBack := old.Keep(t)
	old.Restart()
	status(t, f, "ok")

	write(t, f, http.MethodPost, "/indexes/books/documents/delete", `{"filter":"kind = doomed"}`)
	write(t, f, http.MethodPost, "/indexes/books/documents", strings.ReplaceAll("["+b.String()[1:]+"]", `{"id":1`, `{"id":4`))
	write(t, f, http.MethodPost, "/indexes/books/documents/delete", `{"filter":"kind = doomed"}`)
	write(t, f, http.MethodPut, "/indexes/books/documents", strings.ReplaceAll("["+b.String()[1:]+"]", `first`, `second`))
	write(t, f, http.MethodPost, "/indexes/books/documents/delete", `{"filter":"kind = doomed"}`)
	same(t, f, f.Nodes, 3)

	var done atomic.Bool
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() {
			for !done.Load() && !t.Failed() {
				whole(t, f)
				counted(t, f, "doomed", 0)
				counted(t, f, "first", 0)
				counted(t, f, "second", 100)
			}
		})
	}
	defer func() {
		done.Store(true)
		reading.Wait()
	}()
	old.Kill()
	putBack()
	old.Restart()
	fleet.Eventually(t, "the old disk is noticed", func() bool {
		var last struct {
			Status    string
			Rebalance struct {
				Moves []struct {
					Node string
				}
			}
		}
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return len(last.Rebalance.Moves) > 0 && last.Rebalance.Moves[0].Node == old.ID
	})
	settled(t, f, 3, func(map[string]int) bool { return true })
	done.Store(true)
	reading.Wait()
	same(t, f, f.Nodes, 3)
	for _, n := range f.Nodes {
		for id := range ids(t, n.Do(t, http.MethodGet, everything, "")) {
			if id >= 10_000 && id < 20_000 || id >= 40_000 {
				t.Errorf("node %s has document %d, which was deleted", n.ID, id)
			}
		}
	}
}

// A node with an empty disk that had the only copies is not read, and not filled
// from nothing, before an operator says that what it has is right.
func TestAnEmptyDiskWithTheOnlyCopiesWaitsForAnOperator(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f)
	kept := ids(t, f.Nodes[0].Do(t, http.MethodGet, everything, ""))
	for id := range ids(t, f.Nodes[2].Do(t, http.MethodGet, everything, "")) {
		kept[id] = true
	}
	lost := f.Nodes[1]
	lost.Kill()
	lost.Wipe(t)
	lost.Restart()
	last := status(t, f, "unavailable")
	fleet.Eventually(t, "it says what is needed", func() bool {
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return strings.Contains(strings.Join(last.Problems, "\n"), "run `caddy miroir node accept "+lost.ID+"`")
	})
	if degraded := f.Want(t, http.StatusOK, http.MethodPost, "/indexes/books/search", `{"q":""}`).Header.Get("X-Miroir-Degraded"); !strings.Contains(degraded, "shards=") {
		t.Errorf("a search lacks shards, and says %q", degraded)
	}
	refused(t, f, http.MethodPost, "/_miroir/nodes/"+f.Nodes[0].ID+"/accept", "", "there is nothing to accept")
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/nodes/"+lost.ID+"/accept", "")
	status(t, f, "ok")
	shown := ids(t, f.Want(t, http.StatusOK, http.MethodGet, everything, ""))
	if len(shown) != len(kept) {
		t.Errorf("%d documents are shown, the other nodes have %d", len(shown), len(kept))
	}
	load(t, f)
	whole(t, f)
	same(t, f, f.Nodes, 1)
}
