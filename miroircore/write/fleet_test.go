package write

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

// fleet is a writer with nodes behind it.
type fleet struct {
	t        testing.TB
	topology *cluster.Topology
	rt       *http.Transport
	dir      string
	store    state.Store
	catalog  *index.Catalog
	tasks    *task.Table
	w        *Writer
	quorum   Quorum
	mortal   *mortal
	maxLag   time.Duration
	shards   int
	adjust   func(*Options)

	mutex sync.Mutex
	down  map[string]bool
}

// newFleet opens a writer before nodes at the addresses, one group a list.
func newFleet(t testing.TB, replication int, adjust func(*fleet), groups ...[]*url.URL) *fleet {
	t.Helper()
	f := &fleet{t: t, rt: node.Transport(), dir: filepath.Join(t.TempDir(), "journal"), store: memory.New(), quorum: Majority,
		maxLag: 30 * time.Second, shards: 8, down: make(map[string]bool), topology: &cluster.Topology{Replication: replication}}
	for i, urls := range groups {
		g := cluster.Group{ID: fmt.Sprintf("g%d", i)}
		for j, u := range urls {
			g.Nodes = append(g.Nodes, cluster.Node{ID: fmt.Sprintf("%s-n%d", g.ID, j), Group: g.ID, URL: u})
		}
		f.topology.Groups = append(f.topology.Groups, g)
	}
	if adjust != nil {
		adjust(f)
	}
	f.start()
	t.Cleanup(func() {
		f.close()
		_ = f.tasks.Close()
		f.rt.CloseIdleConnections()
	})
	return f
}

// start opens what a gateway opens, on what is on the disk.
func (f *fleet) start() {
	f.t.Helper()
	f.mortal = &mortal{Store: f.store}
	var err error
	if f.catalog, err = index.Open(f.mortal); err != nil {
		f.t.Fatal(err)
	}
	if f.tasks, err = task.Open(f.mortal, task.Options{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		f.t.Fatal(err)
	}
	f.open()
}

func (f *fleet) open() {
	f.t.Helper()
	opts := Options{Dir: f.dir, Store: f.mortal, Catalog: f.catalog, Tasks: f.tasks,
		Topology: func() *cluster.Topology { return f.topology }, Nodes: f.client, NodeUp: f.up,
		Tuning: func() Tuning { return Tuning{RepairPause: time.Hour} }, Shards: func() int { return f.shards }, Quorum: func() Quorum { return f.quorum }, MaxLag: func() time.Duration { return f.maxLag }}
	if f.adjust != nil {
		f.adjust(&opts)
	}
	w, err := Open(opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.w = w
}

func (f *fleet) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := f.w.Close(ctx); err != nil {
		f.t.Error(err)
	}
}

func (f *fleet) client(id string) (*node.Client, bool) {
	n, ok := f.topology.Node(id)
	if !ok {
		return nil, false
	}
	return node.New(id, n.URL, func() []string { return []string{serverKey} }, f.rt), true
}

func (f *fleet) up(id string) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return !f.down[id]
}

func (f *fleet) setDown(id string, down bool) {
	f.mutex.Lock()
	f.down[id] = down
	f.mutex.Unlock()
	f.w.Suspect(id)
}

var creating = Call{AllowIndexCreation: true}

func (f *fleet) body(text string) *document.Body { return document.BytesBody([]byte(text)) }

func (f *fleet) add(uid, docs string) (*Receipt, *meili.Error) {
	return f.w.Documents(f.t.Context(), creating, uid, &request.Documents{}, false, request.JSON, f.body(docs))
}

// must fails the test where a write is refused, and gives its task when that has
// ended.
func (f *fleet) done(r *Receipt, err *meili.Error) task.Task {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("refused: %v", err)
	}
	return f.ended(r)
}

func (f *fleet) ended(r *Receipt) task.Task {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 30*time.Second)
	defer cancel()
	t, err := f.tasks.Wait(ctx, r.Summary.TaskUID)
	if err != nil {
		buffer, _ := json.Marshal(f.w.Deliveries(r.Summary.TaskUID))
		f.t.Fatalf("task %d does not end: %v: %s", r.Summary.TaskUID, err, buffer)
	}
	return t
}

// ok is done for a write that has to succeed.
func (f *fleet) ok(r *Receipt, err *meili.Error) task.Task {
	f.t.Helper()
	t := f.done(r, err)
	if t.Status != meili.StatusSucceeded {
		f.t.Fatalf("task %d (%s) is %s: %v", t.UID, t.Type, t.Status, t.Error)
	}
	return t
}

// failed is done for a write whose task has to fail.
func (f *fleet) failed(code string) func(*Receipt, *meili.Error) task.Task {
	return func(r *Receipt, err *meili.Error) task.Task {
		f.t.Helper()
		t := f.done(r, err)
		if t.Status != meili.StatusFailed || t.Error == nil || t.Error.Code != code {
			f.t.Fatalf("task %d (%s) is %s: %v, want %s", t.UID, t.Type, t.Status, t.Error, code)
		}
		return t
	}
}

// documents gives what a node holds of an index, by id, without the hidden
// fields.
func (f *fleet) documents(id, physical string) map[string]string {
	f.t.Helper()
	client, _ := f.client(id)
	var page struct {
		Results []map[string]json.RawMessage `json:"results"`
	}
	if err := client.Get(f.t.Context(), "/indexes/"+physical+"/documents?limit=10000", &page); err != nil {
		if e := node.AnswerOf(err); e != nil && e.Code == "index_not_found" {
			return nil
		}
		f.t.Fatal(err)
	}
	all := make(map[string]string)
	for _, doc := range page.Results {
		if doc[hidden.ShardField] == nil || doc[hidden.VersionField] == nil {
			f.t.Errorf("node %s: a document without hidden fields: %s", id, must(doc))
		}
		delete(doc, hidden.ShardField)
		delete(doc, hidden.VersionField)
		all[strings.Trim(string(doc["id"]), `"`)] = string(must(doc))
	}
	return all
}

// same fails the test unless every copy of every shard of the index holds what
// is wanted, by id.
func (f *fleet) same(uid string, want map[string]string) {
	f.t.Helper()
	ix, ok := f.catalog.Get(uid)
	if !ok {
		f.t.Fatalf("no index %s", uid)
	}
	for _, target := range holders(ix.Placement, everyShard(ix.Shards)) {
		mine := make(map[string]string)
		for id, doc := range want {
			for _, s := range target.Shards {
				if document.ShardString(id, ix.Shards) == s {
					mine[id] = doc
				}
			}
		}
		got := f.documents(target.Node, ix.Physical)
		if len(got) != len(mine) {
			f.t.Errorf("node %s has %d documents of %s, want %d", target.Node, len(got), uid, len(mine))
		}
		for id, doc := range mine {
			var any map[string]json.RawMessage
			if err := json.Unmarshal([]byte(doc), &any); err != nil {
				f.t.Fatal(err)
			}
			if doc = string(must(any)); got[id] != doc {
				f.t.Errorf("node %s: document %s is %s, want %s", target.Node, id, got[id], doc)
			}
		}
	}
}

func patch(t testing.TB, body string) *settings.Patch {
	t.Helper()
	p, err := settings.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// drain waits until every operation has ended on every node.
func (f *fleet) drain() {
	f.t.Helper()
	f.eventually("everything is delivered", func() bool {
		f.w.closeOver()
		f.w.mutex.Lock()
		defer f.w.mutex.Unlock()
		return len(f.w.ops) == 0 && f.w.journal.Open() == 0
	})
}

// eventually waits for a condition.
func (f *fleet) eventually(what string, condition func() bool) {
	f.t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-limit:
			f.t.Fatalf("not in time: %s\n%s", what, f.report())
		case <-tick.C:
		}
	}
}

// report lists the operations that have not ended.
func (f *fleet) report() string {
	f.w.mutex.Lock()
	defer f.w.mutex.Unlock()
	var out strings.Builder
	for _, o := range f.w.ops {
		fmt.Fprintf(&out, "%v state %d manner %d\n", o, o.state, o.manner)
		if o.bind == nil {
			continue
		}
		for i := range o.bind.Targets {
			t := &o.bind.Targets[i]
			fmt.Fprintf(&out, "  %s: %d steps, sent %d, done %d, refusal %v, refused %v settled %v, box %+v in order %v\n", t.Node, len(t.steps), t.sent, t.done,
				t.refusal, t.refused != nil, t.settled, f.w.boxes[t.Node].State(), f.w.boxes[t.Node].InOrder(o.bind.Physical))
		}
	}
	return out.String()
}
