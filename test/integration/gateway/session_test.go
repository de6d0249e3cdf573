package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

func TestASessionReadsWhatItWrote(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	session := ""
	for i, doc := range []string{`[{"id":1,"n":"one"}]`, `[{"id":1,"n":"two"}]`, `[{"id":1,"n":"three"}]`} {
		for _, index := range []string{"books", "films"} {
			a := f.Want(t, 202, "POST", "/indexes/"+index+"/documents", doc, "X-Miroir-Session: "+session)
			if session = a.Header.Get("X-Miroir-Session"); session == "" {
				t.Fatal("a write gives no session")
			}
		}
		want := []string{"one", "two", "three"}[i]
		for _, index := range []string{"books", "films"} {
			a := f.Want(t, 200, "POST", "/indexes/"+index+"/search", `{"q":"`+want+`"}`, "X-Miroir-Session: "+session, "X-Miroir-Wait: 30s")
			if !strings.Contains(string(a.Body), `"n":"`+want+`"`) {
				t.Errorf("%s: the session does not read what it wrote: %s", index, a.Body)
			}
		}
	}
	f.Want(t, 400, "POST", "/indexes/books/search", `{}`, "X-Miroir-Session: mine")
}

func TestASearchNamesTheSettingsItNeeds(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	f.Write(t, "POST", "/indexes/books/documents", `[{"id":1}]`)
	f.Write(t, "PATCH", "/indexes/books/settings", `{"stopWords":["the"]}`)
	a := f.Want(t, 200, "GET", "/indexes/books/settings", "")
	version := a.Header.Get("X-Miroir-Settings-Version")
	if version == "" {
		t.Fatal("settings without a version")
	}
	f.Want(t, 200, "POST", "/indexes/books/search", `{}`, "X-Miroir-Min-Settings-Version: "+version)
	a = f.Want(t, 503, "POST", "/indexes/books/search", `{}`, "X-Miroir-Min-Settings-Version: 99")
	if !strings.Contains(string(a.Body), "miroir_settings_version_stale") {
		t.Errorf("answered %s", a.Body)
	}
	f.Want(t, 400, "POST", "/indexes/books/search", `{}`, "X-Miroir-Min-Settings-Version: new")
}

func TestAMultiSearchNamesTheSettingsItNeeds(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	f.Write(t, "POST", "/indexes/books/documents", `[{"id":1,"n":"one"}]`)
	f.Write(t, "POST", "/indexes/films/documents", `[{"id":1,"n":"one"}]`)
	f.Write(t, "PATCH", "/indexes/books/settings", `{"stopWords":["the"],"filterableAttributes":["n"]}`)
	for name, body := range map[string]string{
		"one by one": `{"queries":[{"indexUid":"books"},{"indexUid":"films"}]}`,
		"federated":  `{"federation":{},"queries":[{"indexUid":"books"},{"indexUid":"films"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			under := f.Want(t, 200, "POST", "/multi-search", body).Header.Get("X-Miroir-Settings-Version")
			if under != "books=2,films=1" {
				t.Errorf("answered under %s", under)
			}
			for _, floor := range []string{under, "1", "books=2", " films=1 , books=1", "other=7"} {
				f.Want(t, 200, "POST", "/multi-search", body, "X-Miroir-Min-Settings-Version: "+floor)
			}
			for _, floor := range []string{"2", "books=3", "films=2,books=2", "99"} {
				a := f.Want(t, 503, "POST", "/multi-search", body, "X-Miroir-Min-Settings-Version: "+floor)
				if !strings.Contains(string(a.Body), "miroir_settings_version_stale") || a.Header.Get("Retry-After") == "" {
					t.Errorf("%s: answered %s, %v", floor, a.Body, a.Header)
				}
			}
			for _, floor := range []string{"new", "=3", "books=", "3,", "-1"} {
				f.Want(t, 400, "POST", "/multi-search", body, "X-Miroir-Min-Settings-Version: "+floor)
			}
		})
	}
	for path, body := range map[string]string{
		"/indexes/books/facet-search":    `{"facetName":"n"}`,
		"/indexes/books/documents/fetch": `{}`,
	} {
		f.Want(t, 200, "POST", path, body, "X-Miroir-Min-Settings-Version: books=2")
		f.Want(t, 503, "POST", path, body, "X-Miroir-Min-Settings-Version: 3")
	}
}

func TestNobodyWaitsLongerThanMaxWait(t *testing.T) {
	shape := fleet.One
	shape.Options = []string{"max_wait 50ms", "session_wait 20ms"}
	f := fleet.Start(t, shape)
	f.Write(t, "POST", "/indexes/books/documents", `[{"id":1}]`)
	node := f.Nodes[0].Double
	if node == nil {
		return // a real server cannot be told to take writes and do nothing
	}
	node.HoldTasks()
	a := f.Want(t, 202, "POST", "/indexes/books/documents", `[{"id":2}]`, "X-Miroir-Wait: 24h")
	if !strings.Contains(string(a.Body), `"enqueued"`) {
		t.Errorf("answered %s", a.Body)
	}
	for _, header := range []string{"X-Miroir-Wait: 24h", "X-Miroir-Wait: "} {
		f.Want(t, 503, "POST", "/indexes/books/search", `{}`, "X-Miroir-Session: "+a.Header.Get("X-Miroir-Session"), header)
	}
	node.ReleaseTasks()
}

// Where the configuration says so a change of settings is on one node after the
// other, while documents wait and searches go on.
func TestSettingsGoFromNodeToNode(t *testing.T) {
	shape := fleet.Copies
	shape.Options = []string{"settings_strategy sequential"}
	f := fleet.Start(t, shape)
	f.Write(t, "POST", "/indexes/books/documents", `[{"id":1,"n":"one"}]`)
	a := f.Want(t, 202, "PATCH", "/indexes/books/settings", `{"filterableAttributes":["n"]}`)
	b := f.Want(t, 202, "POST", "/indexes/books/documents", `[{"id":2,"n":"two"}]`)
	for _, answer := range []fleet.Answer{a, b} {
		var summary struct{ TaskUID uint32 }
		answer.Decode(t, &summary)
		if task := f.Await(t, summary.TaskUID); task.Status != "succeeded" {
			t.Errorf("%+v", task)
		}
	}
	f.Want(t, 200, "POST", "/indexes/books/search", `{"filter":"n = two"}`)
	var finished time.Time
	for _, n := range f.Nodes {
		var page struct {
			Results []struct{ StartedAt, FinishedAt time.Time }
		}
		n.Do(t, "GET", "/tasks?types=settingsUpdate&indexUids=books", "").Decode(t, &page)
		if last := page.Results[0]; last.StartedAt.Before(finished) {
			t.Errorf("node %s began at %s, before the one before it had ended at %s", n.ID, last.StartedAt, finished)
		} else {
			finished = last.FinishedAt
		}
	}
}
