// Package upgrade replaces nodes and their keys while clients write and search.
package upgrade

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// traffic is clients at work, none of whose requests may fail.
type traffic struct {
	fleet  *fleet.Fleet
	done   atomic.Bool
	users  sync.WaitGroup
	writes atomic.Int64
	reads  atomic.Int64
}

const lasting = 100

// shape is three copies of everything, of which one that is back is read soon.
func shape() fleet.Shape {
	s := fleet.Copies
	s.Options = []string{"passes 1"}
	return s
}

// begin writes the documents that every search has to find, and lets clients
// loose.
func begin(t *testing.T, f *fleet.Fleet) *traffic {
	t.Helper()
	f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"filterableAttributes":["kind"]}`)
	docs := make([]string, lasting)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"id":%d,"kind":"lasting"}`, i)
	}
	f.Write(t, http.MethodPost, "/indexes/books/documents", "["+strings.Join(docs, ",")+"]")
	w := &traffic{fleet: f}
	for user := range 2 {
		w.users.Go(func() {
			for n := 0; !w.done.Load() && !t.Failed(); n++ {
				w.write(t, user, n)
			}
		})
		w.users.Go(func() {
			for !w.done.Load() && !t.Failed() {
				w.read(t)
			}
		})
	}
	return w
}

func (w *traffic) write(t *testing.T, user, n int) {
	a := w.fleet.Do(t, http.MethodPost, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"kind":"passing","turn":%d}]`, 1000*(user+1)+n%20, n), "X-Miroir-Wait: 30s")
	if a.Status != http.StatusAccepted || !strings.Contains(string(a.Body), `"status":"succeeded"`) {
		t.Errorf("a write was answered %d %s", a.Status, a.Body)
	}
	w.writes.Add(1)
}

func (w *traffic) read(t *testing.T) {
	a := w.fleet.Do(t, http.MethodPost, "/indexes/books/search", `{"filter":"kind = lasting","hitsPerPage":1}`)
	if degraded := a.Header.Get("X-Miroir-Degraded"); a.Status != http.StatusOK || strings.Contains(degraded, "shards=") ||
		!strings.Contains(string(a.Body), fmt.Sprintf(`"totalHits":%d`, lasting)) {
		t.Errorf("a search was answered %d %s (%s)", a.Status, a.Body, degraded)
	}
	w.reads.Add(1)
}

// more waits until clients have done something more.
func (w *traffic) more(t *testing.T) {
	t.Helper()
	writes, reads := w.writes.Load(), w.reads.Load()
	fleet.Eventually(t, "clients go on", func() bool {
		return t.Failed() || w.writes.Load() > writes+5 && w.reads.Load() > reads+5
	})
}

// end stops the clients, and waits until all nodes have the same documents.
func (w *traffic) end(t *testing.T) {
	t.Helper()
	w.done.Store(true)
	w.users.Wait()
	t.Logf("%d writes and %d searches, none failed: %v", w.writes.Load(), w.reads.Load(), !t.Failed())
	w.ok(t)
	contents := func(n fleet.Node) string {
		return string(n.Do(t, http.MethodPost, "/indexes/books/documents/fetch", `{"limit":1000,"sort":["_miroir_version:asc"],"fields":["id","turn"]}`).Body)
	}
	for _, n := range w.fleet.Nodes[1:] {
		fleet.Eventually(t, "node "+n.ID+" has what the first has", func() bool { return contents(n) == contents(w.fleet.Nodes[0]) })
	}
}

type report struct {
	Status, Version string
	Groups          []struct {
		Nodes []struct {
			ID, Status, Version, LastError string
			Outbox                         int
		}
	}
}

func status(t *testing.T, f *fleet.Fleet) (r report) {
	t.Helper()
	if err := json.Unmarshal(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Body, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// ok waits until status says that all is well, as an operator would.
func (w *traffic) ok(t *testing.T) {
	t.Helper()
	fleet.Eventually(t, "status is ok", func() bool { return t.Failed() || status(t, w.fleet).Status == "ok" })
}

func version(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	var v struct{ PkgVersion string }
	f.Want(t, http.StatusOK, http.MethodGet, "/version", "").Decode(t, &v)
	return v.PkgVersion
}

// state is what status says of a node.
func state(t *testing.T, f *fleet.Fleet, id string) (said, version, why string) {
	for _, g := range status(t, f).Groups {
		for _, n := range g.Nodes {
			if n.ID == id {
				return n.Status, n.Version, n.LastError
			}
		}
	}
	return "", "", ""
}

// Each node is replaced in place by a newer one, with versions mixed meanwhile.
func TestNodesAreUpgradedOneByOneUnderLoad(t *testing.T) {
	f := fleet.Start(t, shape())
	w := begin(t, f)
	const older, newer = "1.50.0", "1.51.2"
	for i, n := range f.Nodes {
		w.more(t)
		n.Upgrade(newer)
		fleet.Eventually(t, "the gateway has seen the newer one", func() bool {
			said, v, _ := state(t, f, n.ID)
			return said == "up" && (v == newer || n.Double == nil)
		})
		w.ok(t)
		w.more(t)
		want := older // the lowest
		if i == len(f.Nodes)-1 && n.Double != nil {
			want = newer
		}
		if got := version(t, f); got != want {
			t.Errorf("after %d nodes the gateway says %s, want %s", i+1, got, want)
		}
	}
	w.end(t)
}

// A node of a version that cannot be used is named with the reason, gets nothing,
// and holds nobody up; one that can be used again gets what it missed.
func TestNodeOfAnotherVersionIsRefusedAndHoldsNobodyUp(t *testing.T) {
	if fleet.Binary() != "" {
		return // there is one version of the real server
	}
	f := fleet.Start(t, shape())
	w := begin(t, f)
	n := f.Nodes[1]
	for _, other := range []string{"1.49.3", "2.0.0"} {
		w.more(t)
		n.Upgrade(other)
		fleet.Eventually(t, "status says why", func() bool {
			said, _, why := state(t, f, n.ID)
			return said == "incompatible" && strings.Contains(why, "version "+other+" of Meilisearch is not supported: it must be at least 1.50.0 and below 2.0.0")
		})
		w.more(t)
		f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"stopWords":["`+other+`"]}`)
		if said := status(t, f); said.Status != "degraded" || said.Version != "1.50.0" {
			t.Errorf("status is %s, version %s", said.Status, said.Version)
		}
	}
	n.Upgrade("1.50.1")
	w.ok(t)
	w.end(t)
}

// The uids of the keys that the gateway speaks to nodes with.
const (
	first  = "6062abda-a5aa-4414-ac91-ecd7944c0f8d"
	second = "6062abda-a5aa-4414-ac91-ecd7944c0f8e"
)

// mint gives nodes a key of a uid: equal on all, as their master keys are.
func mint(t *testing.T, uid string, nodes ...fleet.Node) (key string) {
	t.Helper()
	for _, n := range nodes {
		var made struct{ Key string }
		n.Do(t, http.MethodPost, "/keys", fmt.Sprintf(`{"uid":%q,"actions":["*"],"indexes":["*"],"expiresAt":null}`, uid)).Decode(t, &made)
		key = made.Key
	}
	return key
}

// revoke takes a key from a node.
func revoke(t *testing.T, uid string, n fleet.Node) {
	t.Helper()
	if a := n.Do(t, http.MethodDelete, "/keys/"+uid, ""); a.Status != http.StatusNoContent {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
}

// speakWith has the gateway use keys.
func speakWith(t *testing.T, f *fleet.Fleet, keys string) {
	t.Helper()
	if err := f.Load(regexp.MustCompile(`node_key .*`).ReplaceAllString(f.Caddyfile(), "node_key "+keys)); err != nil {
		t.Fatal(err)
	}
}

// The key of each node is changed in turn: with both keys configured a node may
// have either.
func TestNodeKeysAreRotatedUnderLoad(t *testing.T) {
	f := fleet.Start(t, shape())
	older, newer := mint(t, first, f.Nodes...), mint(t, second, f.Nodes...)
	speakWith(t, f, older)
	w := begin(t, f)
	w.more(t)
	speakWith(t, f, older+" "+newer)
	for _, n := range f.Nodes {
		w.more(t)
		revoke(t, first, n)
		w.more(t)
	}
	speakWith(t, f, newer)
	w.more(t)
	w.end(t)
}

// A node that refuses the key, and so everything, is named with what it says,
// and holds nobody up; it gets what it missed when it takes the key again.
func TestNodeThatRefusesTheKeyIsNamedAndHoldsNobodyUp(t *testing.T) {
	f := fleet.Start(t, shape())
	speakWith(t, f, mint(t, first, f.Nodes...))
	w := begin(t, f)
	w.more(t)
	n := f.Nodes[2]
	revoke(t, first, n)
	fleet.Eventually(t, "status says why", func() bool {
		said, _, why := state(t, f, n.ID)
		return said == "incompatible" && strings.Contains(why, "invalid_api_key")
	})
	w.more(t)
	f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"stopWords":["the"]}`)
	f.Write(t, http.MethodDelete, "/indexes/books/documents/1001", "")
	w.more(t)
	mint(t, first, n)
	w.ok(t)
	w.end(t)
}
