package write

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

// without takes a node out of the placement of an index.
func (f *fleet) without(uid, id string) {
	f.t.Helper()
	ix, _ := f.catalog.Get(uid)
	p := ix.Placement.Clone()
	for _, g := range p.Groups {
		for s, replicas := range g.Shards {
			g.Shards[s] = nil
			for _, other := range replicas {
				if other != id {
					g.Shards[s] = append(g.Shards[s], other)
				}
			}
		}
	}
	if _, err := f.catalog.SetPlacement(uid, p); err != nil {
		f.t.Fatal(err)
	}
}

// shardOf gives the shard of a document of an index with eight.
func shardOf(id string) int { return document.ShardString(id, 8) }

func TestExclusiveKeepsTheLineToItself(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.adjust = func(o *Options) { o.HoldTime = time.Millisecond } })
	f.ok(f.add("a", `[{"id":1}]`))
	nodes[0].HoldTasks()
	nodes[1].HoldTasks()
	before, err := f.add("a", `[{"id":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		left <- f.w.Exclusive(t.Context(), "a", func(_ context.Context, ix *index.Index) error {
			if earlier, _ := f.tasks.Get(before.Summary.TaskUID); !earlier.Status.Finished() {
				t.Error("an earlier operation has not finished")
			}
			close(entered)
			<-leave
			return nil
		})
	}()
	nodes[0].ReleaseTasks()
	nodes[1].ReleaseTasks()
	<-entered
	behind, err := f.add("a", `[{"id":3}]`)
	if err != nil {
		t.Fatal(err)
	}
	f.ok(f.add("b", `[{"id":1}]`)) // others are not concerned
	if task, _ := f.tasks.Get(behind.Summary.TaskUID); task.Status != meili.StatusEnqueued || len(nodes[0].Docs("a")) != 2 {
		t.Errorf("a later operation is %s", task.Status)
	}
	close(leave)
	if err := <-left; err != nil {
		t.Error(err)
	}
	f.ok(behind, nil)
	f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`, "3": `{"id":3}`})
}

func TestExclusiveGivesUp(t *testing.T) {
	f, nodes := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	nodes[0].HoldTasks()
	before, refusal := f.add("a", `[{"id":2}]`)
	if refusal != nil {
		t.Fatal(refusal)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	cancel(stop)
	never := func(context.Context, *index.Index) error { t.Error("it had no turn"); return nil }
	if err := f.w.Exclusive(ctx, "a", never); !errors.Is(err, stop) {
		t.Errorf("gave up with %v", err)
	}
	nodes[0].ReleaseTasks()
	f.ok(before, nil)
	f.ok(f.add("a", `[{"id":3}]`))
	broken := errors.New("broken")
	if err := f.w.Exclusive(t.Context(), "a", func(context.Context, *index.Index) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
	if err := f.w.Exclusive(t.Context(), "none", never); err == nil {
		t.Error("there is no such index")
	}
	f.ok(f.add("a", `[{"id":4}]`))
}

func TestVoidDropsWhatWaits(t *testing.T) {
	f, nodes := doubles(t, 3, 3, func(f *fleet) { f.maxLag = 10 * time.Millisecond })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[2].HoldTasks()
	f.ok(f.add("a", `[{"id":2}]`)) // enqueued there
	f.eventually("it is enqueued", func() bool { return len(nodes[2].Tasks()) == 4 })
	nodes[2].Refuse()
	f.setDown("g0-n2", true)
	f.ok(f.add("a", `[{"id":3}]`)) // not sent
	f.w.Drifted("g0-n2", "a", true)
	if n := f.w.Queued("g0-n2", "a"); n != 2 || f.w.Queued("g0-n1", "a") != 0 {
		t.Errorf("%d steps are queued, want 2", n)
	}
	if d := f.w.Drifts(); len(d) != 1 || d[0] != (Drift{"g0-n2", "a", true, false}) {
		t.Errorf("drifts: %v", d)
	}
	f.without("a", "g0-n2")
	f.w.Void("g0-n2", "a")
	f.drain()
	if n := f.w.Queued("g0-n2", "a"); n != 1 {
		t.Errorf("%d steps are queued, want the one that the node has", n)
	}
	if d := f.w.Drifts(); len(d) != 0 || f.w.NodeState("g0-n2").Stale {
		t.Errorf("drifts: %v", d)
	}
	if err := nodes[2].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n2", false)
	nodes[2].ReleaseTasks()
	f.eventually("the node has done what it had", func() bool { return f.w.Queued("g0-n2", "a") == 0 })
	f.ok(f.add("a", `[{"id":4}]`))
	f.drain()
	if got := f.documents("g0-n2", "a"); len(got) != 2 {
		t.Errorf("the node that was taken out has %v", got)
	}
	f.crash()
	f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`, "3": `{"id":3}`, "4": `{"id":4}`})
}

// What was bound before a copy was taken out is not delivered to it any more.
func TestVoidHoldsForWhatWasBoundBefore(t *testing.T) {
	f, nodes := doubles(t, 3, 3, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	nodes[2].Refuse()
	f.setDown("g0-n2", true)
	f.ok(f.add("a", `[{"id":2}]`))
	f.without("a", "g0-n2")
	f.crash() // the journal still names the node
	if err := nodes[2].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n2", false)
	f.drain()
	if got := f.documents("g0-n2", "a"); len(got) != 1 {
		t.Errorf("the node that was taken out has %v", got)
	}
}

func TestVoidWatchesForWhatMayStillRun(t *testing.T) {
	f, nodes := doubles(t, 3, 3, func(f *fleet) { f.maxLag = 10 * time.Millisecond })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	nodes[2].Inject(minimeili.Fault{Match: func(r *http.Request) bool { // it holds up all requests
		if strings.HasSuffix(r.URL.Path, "/a/documents") {
			arrived <- struct{}{}
			<-release
		}
		return false
	}})
	f.ok(f.add("a", `[{"id":2}]`))
	<-arrived
	f.eventually("nothing but that", func() bool { return f.w.Queued("g0-n2", "a") == 1 })
	f.without("a", "g0-n2")
	f.w.Void("g0-n2", "a")
	if n := f.w.Queued("g0-n2", "a"); n != 1 {
		t.Errorf("%d steps are queued, want the one that is under way", n)
	}
	close(release)
	f.eventually("it has ended", func() bool { return f.w.Queued("g0-n2", "a") == 0 })
	if len(f.documents("g0-n2", "a")) != 2 {
		t.Error("it ended without its document")
	}
}

func TestStrayThatShowsUpLateIsDrift(t *testing.T) {
	f, nodes := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	f.w.Stray("g0-n1", "a", "miroir-fill/1")
	f.eventually("it was looked for", func() bool { return f.w.Queued("g0-n1", "a") == 0 })
	if len(f.w.Drifts()) != 0 || !f.w.Readable("g0-n1", "a") {
		t.Error("nothing has shown up yet")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		nodes[1].URL()+"/indexes/a/documents?customMetadata=miroir-fill/1", strings.NewReader(`[{"id":9}]`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+serverKey)
	resp, err := f.rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	f.eventually("it is seen", func() bool { return len(f.w.Drifts()) == 1 })
	if f.w.Readable("g0-n1", "a") {
		t.Error("the node is still read")
	}
}

func TestPurgeDeletesOnlyWhatIsNotTheNodes(t *testing.T) {
	f, _ := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1},{"id":2},{"id":3},{"id":4},{"id":5}]`))
	s := shardOf("3")
	if err := f.w.Purge(t.Context(), "g0-n1", "a", []int{s}); err == nil {
		t.Error("a replica's shard was deleted")
	}
	f.without("a", "g0-n1")
	f.w.Void("g0-n1", "a")
	if err := f.w.Purge(t.Context(), "g0-n1", "a", []int{s}); err != nil {
		t.Fatal(err)
	}
	got := f.documents("g0-n1", "a")
	for _, id := range []string{"1", "2", "3", "4", "5"} {
		if (got[id] == "") != (shardOf(id) == s) {
			t.Errorf("document %s: %q", id, got[id])
		}
	}
	if n := len(f.documents("g0-n0", "a")); n != 5 {
		t.Errorf("the replica has %d documents", n)
	}
	if err := f.w.Purge(t.Context(), "g0-n1", "none", []int{s}); err == nil {
		t.Error("there is no such index")
	}
}

func TestPrepareBringsIndexKeyAndSettings(t *testing.T) {
	f, nodes := doubles(t, 3, 3, nil)
	f.ok(f.w.CreateIndex(t.Context(), creating, "a", new("sku")))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"filterableAttributes":["v"],"synonyms":{"a":["b"]},"stopWords":["the"]}`)))
	f.ok(f.add("a", `[{"sku":1,"v":2}]`))
	f.drain()
	for name, spoil := range map[string]func(){
		"another setting": func() {
			f.spoil(nodes[1], http.MethodPatch, "/indexes/a/settings", `{"stopWords":["of"],"synonyms":{"x":["y"]}}`)
		},
		"an empty disk": func() { f.spoil(nodes[1], http.MethodDelete, "/indexes/a", ``) },
		"no documents":  func() { f.spoil(nodes[1], http.MethodDelete, "/indexes/a/documents", ``) },
		"nothing":       func() {},
	} {
		spoil()
		f.w.SettingsDrifted("g0-n1", "a", true)
		if err := f.w.Prepare(t.Context(), "g0-n1", "a"); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ix, _ := f.catalog.Get("a")
		if same, err := f.w.asWanted(t.Context(), "g0-n1", ix); err != nil || !same {
			t.Errorf("%s: the node has it otherwise: %v", name, err)
		}
		if d := f.w.Drifts(); len(d) != 0 {
			t.Errorf("%s: drifts %v", name, d)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	nodes[1].Refuse()
	f.setDown("g0-n1", true)
	if err := f.w.Prepare(ctx, "g0-n1", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a node that is away: %v", err)
	}
	// Nobody waits for it.
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["a"]}`)))
}

// spoil changes something on a node behind the gateway's back.
func (f *fleet) spoil(n *minimeili.Server, method, path, body string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, n.URL()+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+serverKey)
	resp, err := f.rt.RoundTrip(req)
	if err != nil {
		f.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 400 {
		f.t.Fatalf("%s %s: %d", method, path, resp.StatusCode)
	}
	n.WaitIdle()
}

// A node that refuses everything for its own reasons blocks nobody, is not read
// while it lacks what the others have, and catches up when it takes requests.
func TestRule12NodeThatRefusesEverythingBlocksNobody(t *testing.T) {
	var wrong atomic.Bool
	f, _ := doubles(t, 3, 3, func(f *fleet) {
		f.maxLag = 10 * time.Millisecond
		f.adjust = func(o *Options) {
			o.Nodes = func(id string) (*node.Client, bool) {
				n, _ := f.topology.Node(id)
				return node.New(id, n.URL, func() []string {
					if id == "g0-n2" && wrong.Load() {
						return []string{"notTheKeyOfThisServer"}
					}
					return []string{serverKey}
				}, f.rt), true
			}
		}
	})
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	wrong.Store(true)
	f.ok(f.add("a", `[{"id":2}]`))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	f.ok(f.w.DeleteDocuments(t.Context(), creating, "a", []string{"1"}))
	if f.w.Readable("g0-n2", "a") || !f.w.Readable("g0-n0", "a") {
		t.Error("the wrong node is out")
	}
	wrong.Store(false)
	f.drain()
	f.eventually("it is read again", func() bool { return f.w.Readable("g0-n2", "a") })
	f.same("a", map[string]string{"2": `{"id":2}`})
}
