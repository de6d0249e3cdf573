// Package antientropy changes what lies on nodes behind the gateway's back, and
// watches it being found and put right while clients write and search.
package antientropy

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

const documents = 600

func load(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	var b strings.Builder
	for i := range documents {
		fmt.Fprintf(&b, `,{"id":%d,"kind":"lasting","title":"lasting %d"}`, i, i)
	}
	f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"filterableAttributes":["kind"],"sortableAttributes":["id"]}`)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=id", "["+b.String()[1:]+"]")
}

type result struct {
	BeganAt                                                               time.Time
	Shards, Skipped, Documents, Different, Copied, Deleted, Rebuilt, Left int
}

type report struct {
	State    string
	Asked    bool
	Indexes  []struct{ Fast, Content *result }
	Problems []string
}

// check has copies compared and gives what came of it.
func check(t *testing.T, f *fleet.Fleet, content bool) result {
	t.Helper()
	began := time.Now()
	f.Want(t, http.StatusAccepted, http.MethodPost, "/_miroir/check", fmt.Sprintf(`{"content":%t}`, content))
	var got *result
	fleet.Eventually(t, "the copies are compared", func() bool {
		var r report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/check", "").Decode(t, &r)
		if len(r.Problems) > 0 {
			t.Fatalf("problems: %v", r.Problems)
		}
		if r.State != "idle" || r.Asked || len(r.Indexes) == 0 {
			return false
		}
		if got = r.Indexes[0].Fast; content {
			got = r.Indexes[0].Content
		}
		return got != nil && got.BeganAt.After(began)
	})
	return *got
}

// behind does something on a node behind the gateway's back.
func behind(t *testing.T, n fleet.Node, method, path, body string) {
	t.Helper()
	var task struct{ TaskUID int }
	n.Do(t, method, path, body).Decode(t, &task)
	fleet.Eventually(t, "the node has done it", func() bool {
		var shown struct{ Status string }
		n.Do(t, http.MethodGet, fmt.Sprintf("/tasks/%d", task.TaskUID), "").Decode(t, &shown)
		return shown.Status == "succeeded"
	})
}

// send sends a request as a client does, and fails the test unless it succeeds.
func send(t *testing.T, f *fleet.Fleet, method, path, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, f.URL+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Miroir-Wait", "20s")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode >= http.StatusMultipleChoices {
		t.Errorf("%s %s: %s, %v", method, path, answer.Status, err)
	}
}

// traffic writes, deletes and searches until it is stopped.
func traffic(t *testing.T, f *fleet.Fleet) (stop func()) {
	t.Helper()
	var done atomic.Bool
	var working sync.WaitGroup
	for user := range 2 {
		working.Go(func() {
			for n := 0; !done.Load() && !t.Failed(); n++ {
				var ignored, found struct{ EstimatedTotalHits int }
				id := 1_000_000*(user+1) + n%40
				send(t, f, http.MethodPost, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"kind":"passing","turn":%d}]`, id, n), &ignored)
				send(t, f, http.MethodPost, "/indexes/books/search", `{"q":"lasting","limit":1000}`, &found)
				if n%3 == 0 {
					send(t, f, http.MethodDelete, fmt.Sprintf("/indexes/books/documents/%d", id), "", &ignored)
				}
			}
		})
	}
	return func() {
		done.Store(true)
		working.Wait()
	}
}

// same fails the test unless every node has the same documents, hidden fields
// included: so many that last.
func same(t *testing.T, f *fleet.Fleet, nodes ...fleet.Node) {
	t.Helper()
	var first map[string]string
	for i, n := range nodes {
		var page struct{ Results []map[string]any }
		n.Do(t, http.MethodPost, "/indexes/books/documents/fetch", `{"limit":10000}`).Decode(t, &page)
		all, lasting := map[string]string{}, 0
		for _, d := range page.Results {
			text, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprint(d["id"])] = string(text)
			if d["kind"] == "lasting" {
				lasting++
			}
		}
		if lasting != documents {
			t.Errorf("node %s has %d lasting documents, want %d", n.ID, lasting, documents)
		}
		if i == 0 {
			first = all
			continue
		}
		for id, text := range first {
			if all[id] != text {
				t.Fatalf("document %s is %s on node %s, and %s on node %s", id, text, nodes[0].ID, all[id], n.ID)
			}
		}
		if len(all) != len(first) {
			t.Errorf("node %s has %d documents, node %s %d", nodes[0].ID, len(first), n.ID, len(all))
		}
	}
}

// settled waits until every node is up and has taken and done all writes.
func settled(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	fleet.Eventually(t, "all nodes have done all writes", func() bool {
		var r struct {
			Status string
			Groups []struct{ Nodes []struct{ Outbox int } }
		}
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &r)
		left := 0
		for _, g := range r.Groups {
			for _, n := range g.Nodes {
				left += n.Outbox
			}
		}
		var open struct{ Total int }
		f.Want(t, http.StatusOK, http.MethodGet, "/tasks?statuses=enqueued,processing", "").Decode(t, &open)
		for _, n := range f.Nodes {
			var busy struct{ Total int }
			n.Do(t, http.MethodGet, "/tasks?statuses=enqueued,processing", "").Decode(t, &busy)
			left += busy.Total
		}
		return r.Status == "ok" && left+open.Total == 0
	})
}

// Nothing is reported while writes run and all is well.
func TestRule23NoFalseAlarmWhileWritesRun(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	load(t, f)
	stop := traffic(t, f)
	defer stop()
	for turn := range 6 {
		if r := check(t, f, turn%2 == 1); r.Different+r.Copied+r.Deleted+r.Rebuilt+r.Left > 0 || r.Shards+r.Skipped != 64 || r.Shards == 0 {
			t.Errorf("turn %d: %+v", turn, r)
		}
	}
}

// What was changed, deleted or added on a node behind the gateway's back is found
// and put right while writes and searches go on, with three copies and with two.
func TestRule23WhatIsChangedBehindTheGatewayIsPutRight(t *testing.T) {
	for name, shape := range map[string]fleet.Shape{"three copies": fleet.Copies, "two copies": {Groups: []int{2}, Replication: 2, Options: []string{"write_quorum one"}}} {
		t.Run(name, func(t *testing.T) {
			f := fleet.Start(t, shape)
			load(t, f)
			stop := traffic(t, f)
			defer stop()
			behind(t, f.Nodes[0], http.MethodPost, "/indexes/books/documents/delete-batch", `[1,2,3]`)
			behind(t, f.Nodes[1], http.MethodPost, "/indexes/books/documents", `[{"id":7,"title":"replaced, and without hidden fields"},{"id":5000,"title":"added"},{"id":5001,"_miroir_shard":"nonsense"}]`)
			if r := check(t, f, false); r.Different != 6 || r.Copied != 4 || r.Deleted != 2 || r.Rebuilt+r.Left > 0 {
				t.Errorf("a fast pass: %+v", r)
			}
			behind(t, f.Nodes[0], http.MethodPut, "/indexes/books/documents", `[{"id":11,"title":"changed, at the same version"}]`)
			if r := check(t, f, false); r.Different > 0 {
				t.Errorf("a fast pass over equal versions: %+v", r)
			}
			if r := check(t, f, true); r.Copied != 1 || r.Different != 1 {
				// With two copies, both were written to by others by now: the first of
				// the placement counts.
				t.Errorf("a pass over the contents: %+v", r)
			}
			stop()
			settled(t, f)
			same(t, f, f.Nodes...)
			for _, deleted := range []int{5000, 5001} {
				f.Want(t, http.StatusNotFound, http.MethodGet, fmt.Sprintf("/indexes/books/documents/%d", deleted), "")
			}
			if r := check(t, f, true); r.Different+r.Left > 0 || r.Shards != 64 {
				t.Errorf("a last pass: %+v", r)
			}
		})
	}
}

// A document that was deleted while a node was away does not come back, however
// often copies are compared before and after its return.
func TestRule23WhatWasDeletedDoesNotComeBack(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	load(t, f)
	f.Nodes[2].Kill()
	f.Write(t, http.MethodPost, "/indexes/books/documents/delete-batch", `[5,6]`)
	check(t, f, true)
	f.Nodes[2].Restart()
	for range 3 {
		check(t, f, false)
	}
	settled(t, f)
	if r := check(t, f, true); r.Different > 0 || r.Shards != 64 || r.Documents != 3*(documents-2) {
		t.Errorf("after its return: %+v", r)
	}
	for _, n := range f.Nodes {
		for _, id := range []int{5, 6} {
			if a := n.Do(t, http.MethodGet, fmt.Sprintf("/indexes/books/documents/%d", id), ""); a.Status != http.StatusNotFound {
				t.Errorf("document %d is on node %s: %s", id, n.ID, a.Body)
			}
		}
	}
}

// What a node has of shards that are not its own goes; searches find each
// document once.
func TestDocumentsOutsideTheirShardsGo(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f)
	var page struct{ Results []map[string]any }
	f.Nodes[0].Do(t, http.MethodPost, "/indexes/books/documents/fetch", `{"limit":20}`).Decode(t, &page)
	stray, err := json.Marshal(page.Results)
	if err != nil {
		t.Fatal(err)
	}
	behind(t, f.Nodes[1], http.MethodPost, "/indexes/books/documents", string(stray))
	if r := check(t, f, false); r.Deleted != 20 || r.Different != 20 || r.Skipped != 64 {
		t.Errorf("result: %+v", r)
	}
	sum := 0
	for _, n := range f.Nodes {
		var held struct{ Total int }
		n.Do(t, http.MethodGet, "/indexes/books/documents?limit=0", "").Decode(t, &held)
		sum += held.Total
	}
	if sum != documents {
		t.Errorf("the nodes hold %d documents, want %d", sum, documents)
	}
}

// A copy that lost its index is made anew.
func TestACopyThatLostItsIndexIsMadeAnew(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	load(t, f)
	behind(t, f.Nodes[1], http.MethodDelete, "/indexes/books", "")
	if r := check(t, f, false); r.Rebuilt != 1 {
		t.Errorf("result: %+v", r)
	}
	fleet.Eventually(t, "the copy is made anew", func() bool {
		var held struct{ Total int }
		f.Nodes[1].Do(t, http.MethodGet, "/indexes/books/documents?limit=0", "").Decode(t, &held)
		var shape struct{ Rebalance struct{ State string } }
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &shape)
		return held.Total == documents && shape.Rebalance.State == "idle"
	})
	if r := check(t, f, true); r.Shards != 64 || r.Different > 0 {
		t.Errorf("afterwards: %+v", r)
	}
	same(t, f, f.Nodes...)
}
