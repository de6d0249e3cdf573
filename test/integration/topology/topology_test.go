// Package topology changes the shape of fleets while they are written to and
// searched.
package topology

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

const documents = 400

// load writes the documents that every search must find.
func load(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"filterableAttributes":["kind"],"sortableAttributes":["id"]}`)
	var b strings.Builder
	for i := range documents {
		fmt.Fprintf(&b, `,{"id":%d,"kind":"lasting","title":"lasting %d"}`, i, i)
	}
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=id", "["+b.String()[1:]+"]")
}

// found is what a search for everything that lasts finds.
type found struct {
	Hits      []struct{ ID int }
	TotalHits int
}

// whole fails the test unless a search finds each lasting document once.
func whole(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	var got found
	header := send(t, f, http.MethodPost, "/indexes/books/search",
		fmt.Sprintf(`{"q":"lasting","filter":"kind = lasting","sort":["id:asc"],"page":1,"hitsPerPage":%d,"attributesToRetrieve":["id"]}`, documents), &got)
	if degraded := header.Get("X-Miroir-Degraded"); degraded != "" {
		t.Errorf("a search is degraded: %s", degraded)
	}
	if got.TotalHits != documents || len(got.Hits) != documents {
		t.Errorf("a search finds %d of %d documents, %d hits", got.TotalHits, documents, len(got.Hits))
		return
	}
	for i, hit := range got.Hits {
		if hit.ID != i {
			t.Errorf("hit %d is document %d", i, hit.ID)
			return
		}
	}
}

// send sends a request until it is answered, as clients do: a reload may close
// a connection. A write is answered when its task has ended.
func send(t *testing.T, f *fleet.Fleet, method, path, body string, into any) http.Header {
	t.Helper()
	var last error
	for range 10 {
		request, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return nil
		}
		request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Miroir-Wait", "20s")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			last = err
			continue
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode >= http.StatusMultipleChoices {
			t.Errorf("%s %s: %s, %+v, %v", method, path, answer.Status, into, err)
		}
		return answer.Header
	}
	t.Errorf("%s %s: %v", method, path, last)
	return nil
}

// write sends a write, whose task has to succeed.
func write(t *testing.T, f *fleet.Fleet, method, path, body string) {
	t.Helper()
	var task struct{ Status string }
	if send(t, f, method, path, body, &task); task.Status != "succeeded" {
		t.Errorf("%s %s: the task is %s", method, path, task.Status)
	}
}

// traffic writes, deletes and searches until it is stopped, and gives how often.
func traffic(t *testing.T, f *fleet.Fleet) (stop func()) {
	t.Helper()
	var done atomic.Bool
	var working sync.WaitGroup
	for user := range 2 {
		working.Go(func() {
			for n := 0; !done.Load() && !t.Failed(); n++ {
				id := 1_000_000*(user+1) + n%50
				write(t, f, http.MethodPost, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"kind":"passing","turn":%d}]`, id, n))
				whole(t, f)
				if n%3 == 0 {
					write(t, f, http.MethodDelete, fmt.Sprintf("/indexes/books/documents/%d", id), "")
				}
			}
		})
	}
	return func() {
		done.Store(true)
		working.Wait()
	}
}

type report struct {
	Status string
	Groups []struct {
		Nodes []struct {
			ID     string
			Shards int
		}
	}
	Rebalance struct {
		State    string
		Leftover int
	}
	Problems []string
}

// settled waits until no shard has to move any more, and gives the shards of each node.
func settled(t *testing.T, f *fleet.Fleet, copies int, holds func(shards map[string]int) bool) map[string]int {
	t.Helper()
	var shards map[string]int
	var last report
	fleet.Eventually(t, "the shards are where they are wanted", func() bool {
		last = report{}
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		shards = map[string]int{}
		sum := 0
		for _, g := range last.Groups {
			for _, n := range g.Nodes {
				shards[n.ID] = n.Shards
				sum += n.Shards
			}
		}
		return last.Status == "ok" && last.Rebalance.State == "idle" && last.Rebalance.Leftover == 0 && sum == copies*64 && holds(shards)
	})
	return shards
}

// same waits until the nodes together hold what the gateway shows, as many times
// as there are copies: one that is far behind may still have the last writes to do.
func same(t *testing.T, f *fleet.Fleet, nodes []fleet.Node, copies int) {
	t.Helper()
	fleet.Eventually(t, fmt.Sprintf("the nodes hold what the gateway shows, in %d copies", copies), func() bool {
		var shown struct{ Total int }
		f.Want(t, http.StatusOK, http.MethodGet, "/indexes/books/documents?limit=0", "").Decode(t, &shown)
		sum := 0
		for _, n := range nodes {
			var held struct{ Total int }
			n.Do(t, http.MethodGet, "/indexes/books/documents?limit=0", "").Decode(t, &held)
			sum += held.Total
		}
		return sum == copies*shown.Total
	})
}

// A fourth node takes its part and no more, a node that leaves gives its back,
// and nobody who searches or writes notices.
func TestANodeJoinsAndLeavesUnderLoad(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f)
	before := settled(t, f, 1, func(map[string]int) bool { return true })
	stop := traffic(t, f)
	joined := f.Grow(t)
	after := settled(t, f, 1, func(s map[string]int) bool { return s[joined.ID] > 0 })
	stop()
	whole(t, f)
	same(t, f, f.Nodes, 1)
	for id, shards := range before {
		if after[id] > shards {
			t.Errorf("node %s has %d shards, and had %d: shards moved between old nodes", id, after[id], shards)
		}
	}

	stop = traffic(t, f)
	f.Shrink(t)
	left := settled(t, f, 1, func(s map[string]int) bool { _, there := s[joined.ID]; return !there })
	stop()
	whole(t, f)
	same(t, f, f.Nodes[:3], 1)
	for id, shards := range before {
		if left[id] != shards {
			t.Errorf("node %s has %d shards, and had %d before the fourth came", id, left[id], shards)
		}
	}
}

// More copies are made of what is there, and fewer are kept, without a search
// that misses or repeats a document.
func TestCopiesAreMadeAndGivenUp(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f)
	for _, copies := range []int{2, 3, 1} {
		stop := traffic(t, f)
		f.Copies(t, copies)
		settled(t, f, copies, func(map[string]int) bool { return true })
		stop()
		whole(t, f)
		same(t, f, f.Nodes, copies)
	}
}

// A node that comes back with an empty disk is not read before it has everything
// again, and gets it without anybody's help.
func TestANodeWithAnEmptyDiskIsFilledAnew(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	load(t, f)
	stop := traffic(t, f)
	f.Nodes[1].Kill()
	fleet.Eventually(t, "the node is known to be down", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Status == "degraded"
	})
	f.Nodes[1].Wipe(t)
	f.Nodes[1].Restart()
	fleet.Eventually(t, "the node is being filled", func() bool {
		var held struct{ Total int }
		f.Nodes[1].Do(t, http.MethodGet, "/indexes/books/documents?limit=0", "").Decode(t, &held)
		return held.Total >= documents
	})
	settled(t, f, 3, func(map[string]int) bool { return true })
	stop()
	whole(t, f)
	same(t, f, f.Nodes, 3)
}
