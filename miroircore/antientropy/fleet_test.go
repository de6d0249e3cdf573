package antientropy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	nodeKey = "theKeyOfTheNodes"
	shards  = 4
)

// bed is nodes that hold one index, written to as the gateway does, and what
// stands around a Checker.
type bed struct {
	t       *testing.T
	store   state.Store
	catalog *index.Catalog
	nodes   map[string]*node.Client
	ids     []string
	at      time.Time
	op      uint64

	line    sync.Mutex
	mu      sync.Mutex
	holds   int
	inHold  func()
	down    map[string]bool
	behind  map[string]bool
	queued  map[string]int
	drifted []string
	sched   Schedule
}

// newBed makes groups of nodes with so many copies in each.
func newBed(t *testing.T, copies int, groups ...[]string) *bed {
	t.Helper()
	b := &bed{t: t, store: memory.New(), nodes: map[string]*node.Client{}, at: time.Unix(1_000_000, 0), op: 1,
		down: map[string]bool{}, behind: map[string]bool{}, queued: map[string]int{}}
	t.Cleanup(func() { _ = b.store.Close() })
	transport := node.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	topology := &cluster.Topology{Replication: copies}
	for i, ids := range groups {
		g := cluster.Group{ID: fmt.Sprint("g", i)}
		for _, id := range ids {
			double := minimeili.Run(t, minimeili.WithMasterKey(nodeKey), minimeili.WithDir(t.TempDir()))
			at, err := url.Parse("http://" + double.Addr())
			if err != nil {
				t.Fatal(err)
			}
			b.nodes[id] = node.New(id, at, func() []string { return []string{nodeKey} }, transport)
			b.ids = append(b.ids, id)
			g.Nodes = append(g.Nodes, cluster.Node{ID: id, Group: g.ID, URL: at})
		}
		topology.Groups = append(topology.Groups, g)
	}
	var err error
	if b.catalog, err = index.Open(b.store); err != nil {
		t.Fatal(err)
	}
	_, err = b.catalog.Create(index.Spec{UID: "books", PrimaryKey: "id", Shards: shards, At: b.at,
		Place: func(physical string, n int) *cluster.Placement { return cluster.Place(topology, physical, n) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range b.ids {
		b.do(id, http.MethodPost, "/indexes", `{"uid":"books","primaryKey":"id"}`)
		b.do(id, http.MethodPatch, "/indexes/books/settings", string(index.Physical(settings.Default())))
	}
	return b
}

func (b *bed) ix() *index.Index {
	ix, ok := b.catalog.Get("books")
	if !ok {
		b.t.Fatal("the index is gone")
	}
	return ix
}

func (b *bed) checker() *Checker {
	b.t.Helper()
	c, err := New(Options{
		Catalog: b.catalog, Store: b.store, Line: b, Standing: b, Holder: "test", Nodes: func() []string { return b.ids },
		Mender:   &replica.Filler{Client: b.client, Stray: func(string, string, string) {}},
		Client:   b.client,
		Schedule: func() Schedule { return b.sched },
		Now:      func() time.Time { return b.at },
	})
	if err != nil {
		b.t.Fatal(err)
	}
	c.patience = 300 * time.Millisecond
	return c
}

func (b *bed) client(id string) (*node.Client, bool) { c, ok := b.nodes[id]; return c, ok }

func (b *bed) Exclusive(ctx context.Context, uid string, fn func(context.Context, *index.Index) error) error {
	b.line.Lock()
	defer b.line.Unlock()
	b.holds++
	if b.inHold != nil {
		b.inHold()
	}
	return fn(ctx, b.ix())
}

func (b *bed) Queued(id, _ string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queued[id] == 0 {
		return 0
	}
	b.queued[id]--
	return b.queued[id] + 1
}

func (b *bed) Up(id string) bool         { return !b.down[id] }
func (b *bed) Sound(id, _ string) bool   { return !slices.Contains(b.drifted, id) }
func (b *bed) InOrder(id, _ string) bool { return !b.down[id] && !b.behind[id] }
func (b *bed) Drifted(id, _ string)      { b.drifted = append(b.drifted, id) }

// do has a node do something behind the gateway's back.
func (b *bed) do(id, method, path, body string) {
	b.t.Helper()
	task, err := b.nodes[id].Enqueue(b.t.Context(), method, path, node.JSON([]byte(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	done, err := b.nodes[id].Wait(b.t.Context(), task.TaskUID)
	if err != nil || done.Error != nil {
		b.t.Fatal(err, done.Error)
	}
}

const ours = "?customMetadata=" // followed by what an outbox writes

func doc(id int, version uint64, text string) string {
	return fmt.Sprintf(`{"id":%d,"text":%q,"%s":"%s","%s":"%s"}`, id, text, hidden.ShardField,
		hidden.AppendShard(nil, shardOf(id), shards), hidden.VersionField, hidden.AppendVersion(nil, version))
}

func shardOf(id int) int { return document.Shard([]byte(fmt.Sprint(id)), shards) }

// put writes documents as the gateway does: each to the copies of its shard.
func (b *bed) put(text string, ids ...int) {
	b.t.Helper()
	for _, at := range b.ids {
		b.putOn(at, text, ids...)
	}
	b.op++
}

func (b *bed) putOn(at, text string, ids ...int) {
	b.t.Helper()
	var docs []string
	for i, id := range ids {
		if slices.Contains(holders(b.ix(), shardOf(id)), at) {
			docs = append(docs, doc(id, hidden.Version(b.op, i), text))
		}
	}
	if len(docs) > 0 {
		b.do(at, http.MethodPost, "/indexes/books/documents"+ours+metadata(b.op), "["+strings.Join(docs, ",")+"]")
	}
}

// delete deletes documents as the gateway does.
func (b *bed) delete(ids ...int) {
	b.t.Helper()
	list, _ := json.Marshal(ids)
	for _, at := range b.ids {
		b.do(at, http.MethodPost, "/indexes/books/documents/delete-batch"+ours+metadata(b.op), string(list))
	}
	b.op++
}

func metadata(op uint64) string { return fmt.Sprintf("miroir/%d.0-%d.0/1", op, op) }

// has gives all that a node has, hidden fields or not.
func (b *bed) has(at string) map[string]string {
	b.t.Helper()
	var page struct{ Results []map[string]any }
	if err := b.nodes[at].Get(b.t.Context(), "/indexes/books/documents?limit=100000", &page); err != nil {
		b.t.Fatal(err)
	}
	all := map[string]string{}
	for _, d := range page.Results {
		text, _ := json.Marshal(d)
		all[fmt.Sprint(d["id"])] = string(text)
	}
	return all
}

// same fails the test unless each node has what it should, and the copies of a
// document are one: so many documents in all.
func (b *bed) same(documents int) {
	b.t.Helper()
	all := map[string]string{}
	for _, at := range b.ids {
		for id, text := range b.has(at) {
			if before, there := all[id]; there && before != text {
				b.t.Errorf("document %s is %s on one node and %s on node %s", id, before, text, at)
			}
			all[id] = text
			var n int
			_, _ = fmt.Sscan(id, &n)
			if !slices.Contains(holders(b.ix(), shardOf(n)), at) {
				b.t.Errorf("document %s is on node %s, where it does not belong", id, at)
			}
		}
	}
	for id := range all {
		var n int
		_, _ = fmt.Sscan(id, &n)
		for _, at := range holders(b.ix(), shardOf(n)) {
			if _, there := b.has(at)[id]; !there {
				b.t.Errorf("document %s is missing on node %s", id, at)
			}
		}
	}
	if len(all) != documents {
		b.t.Errorf("there are %d documents, want %d: %v", len(all), documents, slices.Sorted(maps.Keys(all)))
	}
}

// check makes a pass and gives its result.
func (b *bed) check(content bool) Result {
	b.t.Helper()
	return b.checkWith(b.checker(), content)
}

func (b *bed) checkWith(c *Checker, content bool) Result {
	b.t.Helper()
	if err := c.ask(content); err != nil {
		b.t.Fatal(err)
	}
	did, err := c.step(b.t.Context())
	if err != nil || !did {
		b.t.Fatal(did, err)
	}
	r := c.Report().Indexes[0]
	if content {
		return *r.Content
	}
	return *r.Fast
}

func upTo(n int) (ids []int) {
	for id := range n {
		ids = append(ids, id)
	}
	return ids
}
