package lost

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/miroircore/state/backup"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// A copy that missed a change of documents, a deletion and an addition is found
// out among the copies, and is made anew from the others.
func TestACopyThatMissedWritesIsNotBelieved(t *testing.T) {
	shape := fleet.Copies
	shape.Options = []string{"shards 4"}
	f := fleet.Start(t, shape)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=isbn", books(0, 200))
	toldEveryNode(t, f)
	away := f.Nodes[2]
	away.Kill()
	f.Write(t, http.MethodPut, "/indexes/books/documents", `[{"isbn":1,"title":"title changed"}]`)
	f.Write(t, http.MethodPost, "/indexes/books/documents/delete-batch", `[7,8,9]`)
	f.Write(t, http.MethodPost, "/indexes/books/documents", books(300, 310))
	want := content(t, f, "books")
	lose(t, f)
	if a := f.Do(t, http.MethodPost, "/_miroir/rebuild", `{"consent":true}`); a.Status == http.StatusOK || !strings.Contains(string(a.Body), "Not all nodes answer") || !strings.Contains(string(a.Body), "g1n3") {
		t.Fatalf("without a node: %d %s", a.Status, a.Body)
	}
	away.Restart()
	r := rebuild(t, f, `{"consent":true}`)
	if len(r.Indexes) != 1 || !slices.Equal(r.Indexes[0].Stale, []string{"g1n3"}) || r.Indexes[0].Documents != 207 {
		t.Fatalf("what was done: %+v", r)
	}
	fleet.Eventually(t, "the index is served", func() bool {
		return f.Do(t, http.MethodPost, "/indexes/books/search", `{}`).Status == http.StatusOK
	})
	for range 5 { // whichever copies answer while the stale one is made anew
		same(t, f, "books", want)
	}
	inOrder(t, f)
	alike(t, f, "books", 207)
}

// alike waits until all nodes hold the same documents of an index.
func alike(t *testing.T, f *fleet.Fleet, physical string, documents int) {
	t.Helper()
	fleet.Eventually(t, "all copies are alike", func() bool {
		seen := map[string]bool{}
		for _, n := range f.Nodes {
			var page struct {
				Results []map[string]any
				Total   int
			}
			n.Do(t, http.MethodPost, "/indexes/"+physical+"/documents/fetch", `{"limit":10000}`).Decode(t, &page)
			var lines []string
			for _, d := range page.Results {
				lines = append(lines, fmt.Sprint(d))
			}
			slices.Sort(lines)
			seen[strings.Join(lines, "\n")] = true
			if page.Total != documents {
				return false
			}
		}
		return len(seen) == 1
	})
}

// The state is made anew without a node that is gone for good, and that node's
// copies are made anew when it comes back all the same.
func TestAStateIsMadeAnewWithoutANode(t *testing.T) {
	shape := fleet.Copies
	shape.Options = []string{"shards 4"}
	f := fleet.Start(t, shape)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=isbn", books(0, 50))
	toldEveryNode(t, f)
	away := f.Nodes[0]
	away.Kill()
	f.Write(t, http.MethodPost, "/indexes/books/documents/delete-batch", `[7,8,9]`)
	want := content(t, f, "books")
	lose(t, f)
	if r := rebuild(t, f, `{"consent":true,"force":true}`); len(r.Lost) > 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "node g1n1 does not answer") {
		t.Fatalf("what was done: %+v", r)
	}
	fleet.Eventually(t, "the index is served", func() bool {
		return f.Do(t, http.MethodPost, "/indexes/books/search", `{}`).Status == http.StatusOK
	})
	same(t, f, "books", want)
	away.Restart()
	inOrder(t, f)
	alike(t, f, "books", 47)
	same(t, f, "books", want)
}

// Nodes that were told nothing of the catalog, as by an earlier version, lead to
// the index all the same, with the number of shards that its documents tell.
func TestWhatNodesWereNotToldFollowsFromWhatTheyHold(t *testing.T) {
	shape := fleet.Mixed
	shape.Options = []string{"shards 12"}
	f := fleet.Start(t, shape)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=isbn", books(0, 200))
	f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"filterableAttributes":["genre"],"sortableAttributes":["isbn"],"rankingRules":["words","isbn:desc"]}`)
	toldEveryNode(t, f)
	want := content(t, f, "books")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, n := range f.Nodes {
		n.Do(t, http.MethodPost, "/indexes/miroir_fleet/documents", `[{"id":"owner","fleet":"an-earlier-one"}]`)
		n.Do(t, http.MethodDelete, "/indexes/miroir_fleet/documents/index-books", "")
		fleet.Eventually(t, "the node has forgotten the catalog", func() bool {
			return n.Do(t, http.MethodGet, "/indexes/miroir_fleet/documents/index-books", "").Status == http.StatusNotFound
		})
	}
	if err := errors.Join(os.Remove(filepath.Join(f.Dir(), "state.db")), os.RemoveAll(filepath.Join(f.Dir(), "journal"))); err != nil {
		t.Fatal(err)
	}
	startWith(t, f, strings.Replace(f.Caddyfile(), "shards 12", "shards 64", 1))
	r := rebuild(t, f, `{"consent":true}`)
	if len(r.Indexes) != 1 || r.Indexes[0].Shards != 12 || !strings.Contains(strings.Join(r.Notes, "\n"), "displayedAttributes") {
		t.Fatalf("what was done: %+v", r)
	}
	inOrder(t, f)
	// Nodes know when they made the index, which is a little later than it was made.
	_, got, _ := strings.Cut(content(t, f, "books"), "\n")
	if _, want, _ = strings.Cut(want, "\n"); got != want {
		t.Errorf("the index is\n%s\nand was\n%s", got, want)
	}
}

// A gateway that dies while it takes over what the nodes hold can be asked again.
func TestRebuildingCanBeAskedForAgain(t *testing.T) {
	for _, point := range []string{"rebuild.numbered", "rebuild.replaced"} {
		t.Run(point, func(t *testing.T) {
			f := fleet.Start(t, fleet.Shape{Groups: []int{2}, Replication: 2, Options: []string{"shards 4"}})
			f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=isbn", books(0, 20))
			toldEveryNode(t, f)
			want := content(t, f, "books")
			lose(t, f)
			unset := failpoint.Set(point, func() error { return errors.New("the process dies here") })
			f.Want(t, http.StatusInternalServerError, http.MethodPost, "/_miroir/rebuild", `{"consent":true}`)
			unset()
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			start(t, f)
			f.Do(t, http.MethodPost, "/_miroir/rebuild", `{"consent":true}`)
			inOrder(t, f)
			same(t, f, "books", want)
		})
	}
}

// An older state does not know an index that was made since, and must neither
// serve what it knows as if it were all nor delete what it does not know. With
// the operator's word it takes over what the nodes know; its keys are its own.
func TestAnOlderBackupDeletesNothingThatItDoesNotKnow(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=isbn", books(0, 30))
	const key = "6062abda-a5aa-4414-ac91-ecd7944c0f8d"
	f.Want(t, http.StatusCreated, http.MethodPost, "/keys", `{"actions":["search"],"indexes":["books"],"expiresAt":null,"uid":"`+key+`"}`)
	saved := filepath.Join(t.TempDir(), "saved")
	save(t, f, saved)
	f.Write(t, http.MethodPost, "/indexes/later/documents?primaryKey=isbn", books(0, 40))
	last := f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"distinctAttribute":"series"}`)
	want := map[string]string{"books": content(t, f, "books"), "later": content(t, f, "later")}
	toldEveryNode(t, f)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(f.Dir(), "state.db")
	for _, gone := range []string{state, miroircore.Beside(state, "journal")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := backup.Restore(saved, state, miroircore.Beside(state, "journal")); err != nil {
		t.Fatal(err)
	}
	start(t, f)
	fleet.Eventually(t, "the nodes are refused by name", func() bool {
		said := topology(t, f)
		return strings.Count(said, "this gateway's state is older") >= len(f.Nodes)
	})
	f.Want(t, http.StatusServiceUnavailable, http.MethodPost, "/indexes/books/documents", `[{"isbn":1}]`)
	for _, n := range f.Nodes {
		if a := n.Do(t, http.MethodGet, "/indexes/later", ""); a.Status != http.StatusOK {
			t.Errorf("index later on node %s: %d", n.ID, a.Status)
		}
	}
	rebuild(t, f, `{"consent":true}`)
	inOrder(t, f)
	for uid, content := range want {
		same(t, f, uid, content)
	}
	f.Want(t, http.StatusOK, http.MethodGet, "/keys/"+key, "")
	if next := f.Write(t, http.MethodPost, "/indexes/later/documents", books(39, 45)); next.UID <= last.UID || next.Status != "succeeded" {
		t.Errorf("task %d %s after %d", next.UID, next.Status, last.UID)
	}
}

func save(t *testing.T, f *fleet.Fleet, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/backup", "").Body)
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// Whoever goes on with the older state says so for each node. What it does not
// know stays on the nodes.
func TestAnOlderStateGoesOnWhereTheOperatorSaysSo(t *testing.T) {
	f := fleet.Start(t, fleet.Shape{Groups: []int{2}, Replication: 2, Options: []string{"shards 4"}})
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=isbn", books(0, 30))
	saved := filepath.Join(t.TempDir(), "saved")
	save(t, f, saved)
	f.Write(t, http.MethodPost, "/indexes/later/documents?primaryKey=isbn", books(0, 40))
	toldEveryNode(t, f)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(f.Dir(), "state.db")
	if err := errors.Join(os.Remove(state), os.RemoveAll(miroircore.Beside(state, "journal"))); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(saved, state, miroircore.Beside(state, "journal")); err != nil {
		t.Fatal(err)
	}
	start(t, f)
	for _, n := range f.Nodes {
		f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/nodes/"+n.ID+"/adopt", "")
	}
	inOrder(t, f)
	f.Write(t, http.MethodPost, "/indexes/books/documents", books(30, 31))
	// A disk that is put back empty: the node is cleaned and filled, the other one
	// keeps what this state does not know.
	f.Nodes[0].Kill()
	f.Nodes[0].Wipe(t)
	fleet.Eventually(t, "the node is down", func() bool { return strings.Contains(topology(t, f), "node g1n1 is down") })
	f.Nodes[0].Restart()
	fleet.Eventually(t, "the node is filled", func() bool {
		return strings.Contains(string(f.Nodes[0].Do(t, http.MethodGet, "/indexes/books/stats", "").Body), `"numberOfDocuments":31`)
	})
	inOrder(t, f)
	if a := f.Nodes[1].Do(t, http.MethodGet, "/indexes/later", ""); a.Status != http.StatusOK {
		t.Errorf("what the older state does not know is gone: %d", a.Status)
	}
}
