// Package lost takes the gateway's state away, or puts an older one in its place,
// and has it made anew from the nodes.
package lost

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// rebuilt is the answer of a rebuilding.
type rebuilt struct {
	Changed bool
	Message string
	Fleet   string
	Indexes []struct {
		UID          string
		Documents    int
		Shards       int
		Nodes, Stale []string
	}
	Notes, Lost []string
}

// lose ends the gateway, takes its state and journal away, and starts it again.
func lose(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(f.Dir(), "state.db")
	for _, gone := range []string{state, miroircore.Beside(state, "journal")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	start(t, f)
}

func start(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	startWith(t, f, f.Caddyfile())
}

func startWith(t *testing.T, f *fleet.Fleet, caddyfile string) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := f.Load(caddyfile); err != nil {
		t.Fatal(err)
	}
	fleet.Eventually(t, "each node was looked at", func() bool {
		return !strings.Contains(topology(t, f), `"status":"unknown"`)
	})
}

func topology(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	return string(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Body)
}

func rebuild(t *testing.T, f *fleet.Fleet, body string) (r rebuilt) {
	t.Helper()
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/rebuild", body).Decode(t, &r)
	return r
}

// inOrder waits until all copies are there.
func inOrder(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	fleet.Eventually(t, "the fleet is in order", func() bool {
		var report struct {
			Status    string
			Rebalance struct{ Missing, Moving, Surplus int }
		}
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &report)
		return report.Status == "ok" && report.Rebalance.Missing+report.Rebalance.Moving+report.Rebalance.Surplus == 0
	})
}

// content is all that a client can see of an index but its dates.
func content(t *testing.T, f *fleet.Fleet, uid string) string {
	t.Helper()
	var all struct {
		Results []json.RawMessage
		Total   int
	}
	f.Want(t, http.StatusOK, http.MethodGet, "/indexes/"+uid+"/documents?limit=100000", "").Decode(t, &all)
	var lines []string
	for _, d := range all.Results {
		lines = append(lines, string(d))
	}
	slices.Sort(lines)
	var ix struct{ UID, PrimaryKey, CreatedAt string }
	f.Want(t, http.StatusOK, http.MethodGet, "/indexes/"+uid, "").Decode(t, &ix)
	settings := f.Want(t, http.StatusOK, http.MethodGet, "/indexes/"+uid+"/settings", "").Body
	found := f.Want(t, http.StatusOK, http.MethodPost, "/indexes/"+uid+"/search", `{"q":"title","limit":1000,"facets":["*"]}`).Body
	var hits struct {
		Hits  json.RawMessage
		Facet json.RawMessage `json:"facetDistribution"`
		Total int             `json:"estimatedTotalHits"`
	}
	if err := json.Unmarshal(found, &hits); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v\n%d\n%s\n%s\n%s %s %d", ix, all.Total, strings.Join(lines, "\n"), settings, hits.Hits, hits.Facet, hits.Total)
}

// same fails unless an index is as it was.
func same(t *testing.T, f *fleet.Fleet, uid, want string) {
	t.Helper()
	if got := content(t, f, uid); got != want {
		t.Errorf("index %s is\n%s\nand was\n%s", uid, got, want)
	}
}

func books(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `%c{"isbn":%d,"title":"title %d","genre":"g%d","secret":%d,"series":%d}`, map[bool]byte{true: '[', false: ','}[i == from], i, i, i%5, i, i/2)
	}
	return b.String() + "]"
}

const bookSettings = `{"filterableAttributes":["genre"],"displayedAttributes":["isbn","title","genre"],"distinctAttribute":"series",
	"sortableAttributes":["isbn"],"faceting":{"maxValuesPerFacet":7},"synonyms":{"book":["title"]},"rankingRules":["words","sort","isbn:desc"]}`

// Everything is there again after the state and the journal were lost: names that
// are not those on the nodes, settings that nodes are not told, documents, and
// numbers that grow.
func TestALostStateIsMadeAnewFromTheNodes(t *testing.T) {
	for name, shape := range map[string]fleet.Shape{"mixed": fleet.Mixed, "groups": fleet.Groups} {
		t.Run(name, func(t *testing.T) {
			shape.Options = []string{"shards 8"}
			f := fleet.Start(t, shape)
			f.Write(t, http.MethodPost, "/indexes", `{"uid":"books","primaryKey":"isbn"}`)
			f.Write(t, http.MethodPatch, "/indexes/books/settings", bookSettings)
			f.Write(t, http.MethodPost, "/indexes/books/documents", books(0, 300))
			f.Write(t, http.MethodPost, "/indexes/books/documents/delete-batch", `[3,4,5]`)
			f.Write(t, http.MethodPost, "/indexes/films/documents?primaryKey=id", `[{"id":"a","title":"a title"},{"id":"b","title":"b title"}]`)
			f.Write(t, http.MethodPost, "/swap-indexes", `[{"indexes":["books","films"]}]`)
			f.Write(t, http.MethodPost, "/indexes/gone/documents?primaryKey=id", `[{"id":1}]`)
			last := f.Write(t, http.MethodDelete, "/indexes/gone", "")
			was := map[string]string{"books": content(t, f, "books"), "films": content(t, f, "films")}
			toldEveryNode(t, f)
			lose(t, f)

			if said := topology(t, f); strings.Count(said, "caddy miroir rebuild") < len(f.Nodes) {
				t.Errorf("it is not said what to do: %s", said)
			}
			f.Want(t, http.StatusServiceUnavailable, http.MethodPost, "/indexes/books/documents", `[{"isbn":1}]`)
			if a := f.Do(t, http.MethodPost, "/_miroir/nodes/g1n1/adopt", ""); a.Status != http.StatusConflict && a.Status != http.StatusBadRequest || !strings.Contains(string(a.Body), "rebuild") {
				t.Errorf("a node full of another fleet's indexes is adopted without a word: %d %s", a.Status, a.Body)
			}
			if r := rebuild(t, f, ""); r.Changed || len(r.Indexes) != 2 || len(r.Lost) > 0 {
				t.Fatalf("what would be done: %+v", r)
			}
			if a := f.Want(t, http.StatusOK, http.MethodGet, "/indexes", ""); !strings.Contains(string(a.Body), `"total":0`) {
				t.Fatalf("something was changed without consent: %s", a.Body)
			}
			r := rebuild(t, f, `{"consent":true}`)
			if !r.Changed || len(r.Indexes) != 2 || len(r.Lost) > 0 || r.Indexes[0].Shards != 8 {
				t.Fatalf("what was done: %+v", r)
			}
			inOrder(t, f)
			for uid, want := range was {
				same(t, f, uid, want)
			}
			next := f.Write(t, http.MethodPost, "/indexes/films/documents", books(290, 310))
			if next.Status != "succeeded" || next.UID <= last.UID {
				t.Errorf("task %d %s after %d: numbers must grow", next.UID, next.Status, last.UID)
			}
			was["films"] = content(t, f, "films")
			f.Restart(t)
			inOrder(t, f)
			for uid, want := range was {
				same(t, f, uid, want)
			}
			if a := f.Do(t, http.MethodPost, "/_miroir/rebuild", `{"consent":true}`); !strings.Contains(string(a.Body), "nothing to rebuild") {
				t.Errorf("a state in order is rebuilt: %d %s", a.Status, a.Body)
			}
		})
	}
}

// toldEveryNode waits until all nodes know the catalog as it is.
func toldEveryNode(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	fleet.Eventually(t, "all nodes know the catalog", func() bool {
		var report struct{ Epoch int }
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &report)
		return !slices.ContainsFunc(f.Nodes, func(n fleet.Node) bool {
			var mark struct{ Revision int }
			n.Do(t, http.MethodGet, "/indexes/miroir_fleet/documents/owner", "").Decode(t, &mark)
			return mark.Revision != report.Epoch
		})
	})
}
