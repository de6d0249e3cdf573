package write

import (
	"encoding/json"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

// doubles opens a writer before so many doubles of one group.
func doubles(t testing.TB, count, replication int, adjust func(*fleet)) (*fleet, []*minimeili.Server) {
	t.Helper()
	var nodes []*minimeili.Server
	var urls []*url.URL
	for range count {
		n := double(t)
		nodes = append(nodes, n)
		urls = append(urls, parse(t, n.URL()))
	}
	return newFleet(t, replication, adjust, urls), nodes
}

// writes counts what changes something on the nodes.
func writes(nodes []*minimeili.Server) int {
	n := 0
	for _, s := range nodes {
		n += len(s.Tasks())
	}
	return n
}

func TestRule01NumbersAreNeverGivenAgain(t *testing.T) {
	f, _ := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	first := f.w.nextOp
	f.crash()
	if f.w.nextOp < first {
		t.Errorf("after a crash the next number is %d, was %d", f.w.nextOp, first)
	}
	unset := failpoint.Set("journal.write", func() error { return syscall.EIO })
	if _, err := f.add("a", `[{"id":2}]`); err == nil {
		t.Error("a write was taken though the journal fails")
	}
	unset()
	second := f.w.nextOp
	f.crash()
	if f.w.nextOp < second {
		t.Errorf("after a second crash the next number is %d, was %d", f.w.nextOp, second)
	}
	f.ok(f.add("a", `[{"id":3}]`))
	f.same("a", map[string]string{"1": `{"id":1}`, "3": `{"id":3}`})
}

func TestRule02VersionsFollowOperationsAndPositions(t *testing.T) {
	f, nodes := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1},{"id":2}]`))
	f.ok(f.add("a", `[{"id":3}]`))
	var last uint64
	for _, id := range []string{"1", "2", "3"} {
		raw, _ := nodes[0].Doc("a", id)
		var doc map[string]any
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		version, err := hidden.Value(doc[hidden.VersionField].(string))
		if err != nil || version <= last {
			t.Errorf("document %s has the version %d behind %d, error %v", id, version, last, err)
		}
		last = version
	}
}

func TestRule03NothingOfADeletedIndexIsLeft(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.quorum = One })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[1].Refuse()
	f.setDown("g0-n1", true)
	f.ok(f.add("a", `[{"id":2}]`))
	f.ok(f.w.DeleteIndex(t.Context(), creating, "a"))
	f.ok(f.add("a", `[{"id":3}]`))
	ix, _ := f.catalog.Get("a")
	if ix.Physical == "a" {
		t.Error("the new incarnation has the name of one that a node still holds")
	}
	if err := nodes[1].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n1", false)
	f.drain()
	f.same("a", map[string]string{"3": `{"id":3}`})
	if got := f.documents("g0-n1", "a"); got != nil {
		t.Errorf("the deleted index is still there: %v", got)
	}
}

func TestRule03SwapWaitsForEarlierOperations(t *testing.T) {
	f, nodes := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.ok(f.add("b", `[{"id":2}]`))
	nodes[0].HoldTasks()
	r1, err := f.add("a", `[{"id":3}]`)
	if err != nil {
		t.Fatal(err)
	}
	r2, err := f.w.Swap(t.Context(), creating, []request.Swap{{Indexes: [2]string{"a", "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	r3, err := f.add("a", `[{"id":4}]`)
	if err != nil {
		t.Fatal(err)
	}
	if ix, _ := f.catalog.Get("a"); ix.Physical != "a" {
		t.Error("swapped while an earlier operation was under way")
	}
	nodes[0].ReleaseTasks()
	for _, r := range []*Receipt{r1, r2, r3} {
		f.ended(r)
	}
	f.drain()
	f.same("b", map[string]string{"1": `{"id":1}`, "3": `{"id":3}`})
	f.same("a", map[string]string{"2": `{"id":2}`, "4": `{"id":4}`})
}

func TestRule04HeaderBeforeFirstByte(t *testing.T) {
	f, nodes := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	before := writes(nodes)
	release := make(chan struct{})
	var reached atomic.Bool
	unset := failpoint.Set("journal.sync", func() error { reached.Store(true); <-release; return nil })
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.ok(f.add("a", `[{"id":2}]`))
	}()
	f.eventually("the header is being synced", reached.Load)
	if n := writes(nodes); n != before {
		t.Errorf("%d tasks before the header was on the disk, want %d", n, before)
	}
	close(release)
	unset()
	<-done
	// A header that does not get to the disk: no byte is sent, the client hears 507.
	before = writes(nodes)
	unset = failpoint.Set("journal.sync", func() error { return syscall.ENOSPC })
	_, err := f.add("a", `[{"id":3}]`)
	unset()
	if err == nil || err.Code != "miroir_spool_full" || err.Status != 507 {
		t.Errorf("error %v", err)
	}
	if n := writes(nodes); n != before {
		t.Errorf("%d tasks though nothing was stored, want %d", n, before)
	}
	f.ok(f.add("a", `[{"id":4}]`))
	f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`, "4": `{"id":4}`})
}

func TestRule05KeptUntilEndedEverywhere(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.quorum, f.maxLag = One, 50*time.Millisecond })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[1].StallTasks()
	f.ok(f.add("a", `[{"id":2}]`)) // ended: the other copy is out after max_lag
	f.w.closeOver()
	if n := f.w.journal.Open(); n != 1 {
		t.Errorf("%d operations are open while one has not ended on a node", n)
	}
	nodes[1].ClearFaults()
	f.drain()
}

func TestRule10BadPayloadReachesNoNode(t *testing.T) {
	f, nodes := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"filterableAttributes":["v","_geo"]}`)))
	before := writes(nodes)
	other := "other"
	for code, send := range map[string]func() (*Receipt, *meili.Error){
		"missing_document_id":        func() (*Receipt, *meili.Error) { return f.add("a", `[{"id":2},{"v":1}]`) },
		"invalid_document_id":        func() (*Receipt, *meili.Error) { return f.add("a", `[{"id":"a b"}]`) },
		"invalid_document_geo_field": func() (*Receipt, *meili.Error) { return f.add("a", `[{"id":2,"_geo":"x"}]`) },
		"invalid_document_filter": func() (*Receipt, *meili.Error) {
			return f.w.DeleteByFilter(t.Context(), creating, "a", must("nope = 1"))
		},
		"index_primary_key_already_exists": func() (*Receipt, *meili.Error) {
			return f.w.Documents(t.Context(), creating, "a", &request.Documents{PrimaryKey: &other}, false, request.JSON, f.body(`[{"other":1}]`))
		},
		"index_not_found": func() (*Receipt, *meili.Error) {
			return f.w.Documents(t.Context(), Call{}, "forbidden", &request.Documents{}, false, request.JSON, f.body(`[{"id":1}]`))
		},
	} {
		f.failed(code)(send())
	}
	if n := writes(nodes); n != before {
		t.Errorf("%d tasks on the nodes, want %d", n, before)
	}
	if _, err := f.w.Documents(t.Context(), Call{RejectBadDocuments: true}, "a", &request.Documents{}, false, request.JSON, f.body(`[{"v":1}]`)); err == nil || err.Code != "missing_document_id" {
		t.Errorf("a bad document that is to be rejected at once: %v", err)
	}
	// The index is made all the same, as on one server.
	f.failed("invalid_document_id")(f.add("fresh", `[{"id":"a b"}]`))
	if ix, ok := f.catalog.Get("fresh"); !ok || ix.PrimaryKey != "" {
		t.Errorf("index %+v", ix)
	}
}

// unfilterable makes a node refuse filters on v that the gateway allows.
func (f *fleet) unfilterable(id string, refuse bool) {
	f.t.Helper()
	names := []string{hidden.ShardField, hidden.VersionField}
	if !refuse {
		names = append(names, "v")
	}
	client, _ := f.client(id)
	summary, err := client.Enqueue(f.t.Context(), "PUT", "/indexes/a/settings/filterable-attributes", node.JSON(must(names)))
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := client.Wait(f.t.Context(), summary.TaskUID); err != nil {
		f.t.Fatal(err)
	}
}

func TestRule13OneSuccessIsSuccess(t *testing.T) {
	f, _ := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1,"v":1},{"id":2,"v":2}]`))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"filterableAttributes":["v"]}`)))
	f.unfilterable("g0-n1", true)
	f.ok(f.w.DeleteByFilter(t.Context(), creating, "a", must("v = 2")))
	f.eventually("the node that could not is out", func() bool { return !f.w.Readable("g0-n1", "a") })
	if !f.w.Readable("g0-n0", "a") {
		t.Error("the node that could is out too")
	}
	f.unfilterable("g0-n1", false)
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1,"v":1}`})
	f.eventually("it is back", func() bool { return f.w.Readable("g0-n1", "a") })
}

func TestRule12RefusalOfAllFails(t *testing.T) {
	f, _ := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1,"v":1}]`))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"filterableAttributes":["v"]}`)))
	f.unfilterable("g0-n0", true)
	f.unfilterable("g0-n1", true)
	ended := f.failed("invalid_document_filter")(f.w.DeleteByFilter(t.Context(), creating, "a", must("v = 1")))
	if string(ended.Details) != `{"providedIds":0,"deletedDocuments":0,"originalFilter":"\"v = 1\""}` {
		t.Errorf("details %s", ended.Details)
	}
	f.ok(f.add("a", `[{"id":2}]`))
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1,"v":1}`, "2": `{"id":2}`})
}

func TestRule14SucceededMeansReadable(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.quorum, f.maxLag = One, 300*time.Millisecond })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[1].StallTasks()
	started := time.Now()
	f.ok(f.add("a", `[{"id":2}]`))
	if took := time.Since(started); took < 300*time.Millisecond {
		t.Errorf("succeeded after %v though a copy that may be read has not applied it", took)
	}
	if f.w.Readable("g0-n1", "a") || !f.w.Readable("g0-n0", "a") {
		t.Error("the wrong copy is out")
	}
	// The most advanced copy stays, even if it is behind: it is the last one.
	f.setDown("g0-n0", true)
	f.eventually("the last copy is read", func() bool { return f.w.Readable("g0-n1", "a") })
	f.setDown("g0-n0", false)
	f.eventually("the advanced copy is back", func() bool { return f.w.Readable("g0-n0", "a") && !f.w.Readable("g0-n1", "a") })
	nodes[1].ClearFaults()
	f.drain()
	f.eventually("the late copy is back", func() bool { return f.w.Readable("g0-n1", "a") })
	f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`})
}

func TestRule15CancelReachesWhatNoNodeWasSent(t *testing.T) {
	f, nodes := doubles(t, 1, 1, func(f *fleet) { f.adjust = func(o *Options) { o.HoldTime = 10 * time.Millisecond } })
	f.ok(f.add("a", `[{"id":1}]`))
	nodes[0].HoldTasks()
	sent, err := f.add("a", `[{"id":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	held, err := f.w.DeleteIndex(t.Context(), creating, "a") // waits for the one before
	if err != nil {
		t.Fatal(err)
	}
	cancel := func(uids ...uint32) {
		if _, err := f.tasks.Cancel(request.TaskFilter{UIDs: uids}, "?uids", nil, f.w.Cancel); err != nil {
			t.Fatal(err)
		}
	}
	cancel(sent.Summary.TaskUID, held.Summary.TaskUID)
	if got := f.ended(held); got.Status != meili.StatusCanceled {
		t.Errorf("the held one is %s", got.Status)
	}
	nodes[0].ReleaseTasks()
	if got := f.ended(sent); got.Status != meili.StatusSucceeded {
		t.Errorf("the sent one is %s", got.Status)
	}
	f.drain()
	f.crash()
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`})
}
