// Package gateway holds what the gateway does besides what the recordings show,
// through real HTTP, on every shape of a fleet that matters for it.
package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// books is n documents.
func books(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"id":%d,"title":"book %d","genre":"g%d"}`+"\n", i, i, i%3)
	}
	return b.String()
}

const ndjson = "Content-Type: application/x-ndjson"

func load(t *testing.T, f *fleet.Fleet, n int) {
	t.Helper()
	if task := f.Write(t, "POST", "/indexes/books/documents", books(n), ndjson); task.Status != "succeeded" {
		t.Fatalf("loading: %+v", task)
	}
}

type report struct {
	Status   string   `json:"status"`
	Problems []string `json:"problems"`
	Groups   []struct {
		Nodes []struct {
			ID        string `json:"id"`
			Status    string `json:"status"`
			LastError string `json:"lastError"`
		} `json:"nodes"`
	} `json:"groups"`
}

func status(t *testing.T, f *fleet.Fleet) (r report) {
	t.Helper()
	f.Want(t, 200, "GET", "/_miroir/topology", "").Decode(t, &r)
	return r
}

func TestADeadNodeIsShownAndSearchesGoOn(t *testing.T) {
	f := fleet.Start(t, fleet.Groups)
	load(t, f, 50)
	if r := status(t, f); r.Status != "ok" || len(r.Problems) > 0 {
		t.Fatalf("a quiet fleet is %+v", r)
	}
	f.Nodes[0].Kill()
	fleet.Eventually(t, "the dead node is shown", func() bool {
		r := status(t, f)
		return r.Status == "degraded" && r.Groups[0].Nodes[0].Status == "down"
	})
	var found struct {
		Total int `json:"estimatedTotalHits"`
	}
	answer := f.Want(t, 200, "POST", "/indexes/books/search", `{"q":"book"}`)
	answer.Decode(t, &found)
	if found.Total != 50 || answer.Header.Get("X-Miroir-Degraded") != "" {
		t.Fatalf("%d hits, degraded %q: the other group has everything", found.Total, answer.Header.Get("X-Miroir-Degraded"))
	}
	f.Want(t, 202, "POST", "/indexes/books/documents", `[{"id":1000,"title":"book written meanwhile"}]`)
	f.Nodes[0].Restart()
	fleet.Eventually(t, "the node is back", func() bool { return status(t, f).Status == "ok" })
}

func TestAMissingShardIsReportedOrRefused(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	load(t, f, 60)
	f.Nodes[1].Kill()
	fleet.Eventually(t, "the dead node is shown", func() bool { return status(t, f).Status == "unavailable" })
	answer := f.Want(t, 200, "POST", "/indexes/books/search", `{"q":"book"}`)
	if degraded := answer.Header.Get("X-Miroir-Degraded"); !strings.Contains(degraded, "shards=") {
		t.Errorf("X-Miroir-Degraded is %q: the missing shards are to be named", degraded)
	}
	f.Want(t, 503, "POST", "/indexes/books/search", `{"q":"book"}`, "X-Miroir-Unavailable: error")
	f.Want(t, 503, "GET", "/health", "")
	f.Want(t, 503, "GET", "/_miroir/ready", "")
	f.Want(t, 200, "GET", "/_miroir/health", "")
}

func TestStatisticsAreThoseOfOneServer(t *testing.T) {
	for name, shape := range map[string]fleet.Shape{"copies": fleet.Copies, "split": fleet.Split, "mixed": fleet.Mixed, "groups": fleet.Groups} {
		t.Run(name, func(t *testing.T) {
			f := fleet.Start(t, shape)
			load(t, f, 90)
			var stats struct {
				Documents int            `json:"numberOfDocuments"`
				Fields    map[string]int `json:"fieldDistribution"`
			}
			f.Want(t, 200, "GET", "/indexes/books/stats", "").Decode(t, &stats)
			want := map[string]int{"id": 90, "title": 90, "genre": 90}
			if stats.Documents != 90 || fmt.Sprint(stats.Fields) != fmt.Sprint(want) {
				t.Errorf("statistics are %+v", stats)
			}
			var all struct {
				Indexes map[string]json.RawMessage `json:"indexes"`
			}
			f.Want(t, 200, "GET", "/stats", "").Decode(t, &all)
			if len(all.Indexes) != 1 {
				t.Errorf("the whole instance has the indexes %v", all.Indexes)
			}
		})
	}
}

func TestStatisticsCountEachDocumentOnceWithANodeDown(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	load(t, f, 90)
	f.Nodes[2].Kill()
	fleet.Eventually(t, "the dead node is shown", func() bool { return status(t, f).Status == "degraded" })
	var stats struct {
		Documents int `json:"numberOfDocuments"`
	}
	f.Want(t, 200, "GET", "/indexes/books/stats", "").Decode(t, &stats)
	if stats.Documents != 90 {
		t.Errorf("%d documents, want 90", stats.Documents)
	}
}

func TestWhoMayAskWhatUnderMiroir(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	for _, path := range []string{"topology", "nodes", "shards", "tasks", "metrics"} {
		if a := fleet.Do(t, f.URL, "", "GET", "/_miroir/"+path, ""); a.Status != http.StatusUnauthorized {
			t.Errorf("/_miroir/%s without a key answers %d", path, a.Status)
		}
		f.Want(t, 200, "GET", "/_miroir/"+path, "")
	}
	for _, path := range []string{"health", "ready"} {
		a := fleet.Do(t, f.URL, "", "GET", "/_miroir/"+path, "")
		if a.Status != 200 || strings.Contains(string(a.Body), "n1") {
			t.Errorf("/_miroir/%s without a key answers %d %s", path, a.Status, a.Body)
		}
	}
}

func TestAWriteAnswersWhenItsTaskHasEnded(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	answer := f.Want(t, 202, "POST", "/indexes/books/documents", `[{"id":1}]`, "X-Miroir-Wait: 20s")
	var task fleet.Task
	answer.Decode(t, &task)
	if task.Status != "succeeded" {
		t.Fatalf("the answer is %s", answer.Body)
	}
	name := answer.Header.Get("X-Miroir-Task")
	f.Want(t, 200, "GET", "/tasks/"+name, "").Decode(t, &task)
	if !strings.HasPrefix(name, "mtask-") || task.UID != 0 {
		t.Errorf("task %s is %+v", name, task)
	}
	f.Want(t, 400, "POST", "/indexes/books/documents", `[{"id":1}]`, "X-Miroir-Wait: soon")
}

func TestRequestsThatNobodyOwnsAnswerAsTheServerDoes(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	for _, r := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nothing", 404, ""},
		{"PUT", "/indexes", 405, "GET, POST"},
		{"GET", "/multi-search", 405, "POST"},
		{"GET", "/_miroir/nothing", 404, ""},
	} {
		a := f.Want(t, r.status, r.method, r.path, "")
		if len(a.Body) > 0 || a.Header.Get("Allow") != r.allow {
			t.Errorf("%s %s: body %q, Allow %q", r.method, r.path, a.Body, a.Header.Get("Allow"))
		}
	}
	a := f.Want(t, 200, "GET", "//indexes/", "", "Origin: https://shop.example")
	if a.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("pages of other origins may not read the answer")
	}
}

func TestANodeOfAnotherFleetIsRefusedByName(t *testing.T) {
	if fleet.Binary() != "" {
		t.Log("the foreign index is put on a node through the double's own means; the real server's part is its 404 for the mark, which every suite meets")
		return
	}
	f := fleet.Start(t, fleet.Copies)
	load(t, f, 3)
	fleet.Eventually(t, "the node is refused", func() bool {
		// Again, should the gateway have been about to write its own mark.
		if err := f.Nodes[2].Double.Seed("miroir_fleet", "id", `[{"id":"owner","fleet":"another"}]`); err != nil {
			t.Fatal(err)
		}
		f.Restart(t)
		node := status(t, f).Groups[0].Nodes[2]
		return node.Status == "incompatible" && strings.Contains(node.LastError, "belongs to fleet another")
	})
}

func TestExperimentalFeaturesReachEveryNode(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	f.Nodes[1].Kill()
	fleet.Eventually(t, "the node is down", func() bool { return status(t, f).Status == "degraded" })
	f.Want(t, 200, "PATCH", "/experimental-features", `{"containsFilter":true}`)
	f.Nodes[1].Restart()
	fleet.Eventually(t, "every node follows", func() bool {
		return !slices.ContainsFunc(f.Nodes, func(n fleet.Node) bool {
			var features map[string]bool
			n.Do(t, "GET", "/experimental-features", "").Decode(t, &features)
			return !features["containsFilter"] || features["network"]
		})
	})
}
