package write

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestRule18AcknowledgedWritesSurviveACrash(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.quorum = One })
	f.ok(f.add("a", `[{"id":0}]`))
	f.drain()
	// One node is away: what it misses is only on the gateway's disk.
	nodes[1].Refuse()
	f.setDown("g0-n1", true)
	want := map[string]string{"0": `{"id":0}`}
	for i := 1; i <= 5; i++ {
		text := fmt.Sprintf(`{"id":%d,"v":%q}`, i, strings.Repeat("x", i*i*6000)) // in the header's write, and beside it
		f.ok(f.add("a", "["+text+"]"))
		want[fmt.Sprint(i)] = text
	}
	large := fmt.Sprintf(`{"id":9,"v":%q}`, strings.Repeat("y", 2<<20)) // in a file of its own
	f.ok(f.add("a", "["+large+"]"))
	want["9"] = large
	for range 2 {
		f.crash()
	}
	if err := nodes[1].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n1", false)
	f.drain()
	f.same("a", want)
}

// Whatever step the gateway dies at, an acknowledged write is there afterwards,
// and each task ends once.
func TestRule22CrashAtEveryStep(t *testing.T) {
	for _, point := range []string{"write.bind", "outbox.send", "outbox.answer", "write.commit", "write.finish", "write.show", "write.close"} {
		t.Run(point, func(t *testing.T) {
			f, _ := doubles(t, 2, 2, func(f *fleet) { f.adjust = func(o *Options) { o.AckTime = 50 * time.Millisecond } })
			first, _ := f.add("a", `[{"id":0},{"id":2}]`) // whether 50 ms were enough for its quorum does not matter
			f.ok(first, nil)
			f.drain()
			unset := failpoint.Set(point, func() error { return errors.New("killed") })
			r, _ := f.add("a", `[{"id":1}]`)
			d, _ := f.w.DeleteDocuments(t.Context(), creating, "a", []string{"2"})
			s, _ := f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`))
			c, _ := f.w.CreateIndex(t.Context(), creating, "b", nil)
			if r == nil || d == nil || s == nil || c == nil {
				t.Fatal("a write was refused")
			}
			f.crashWith(unset)
			for _, r := range []*Receipt{r, d, s, c} {
				if got := f.ended(r); got.Status != meili.StatusSucceeded {
					t.Errorf("task %+v", got)
				}
			}
			f.drain()
			f.same("a", map[string]string{"0": `{"id":0}`, "1": `{"id":1}`})
			if ix, _ := f.catalog.Get("a"); ix.SettingsVersion != 2 {
				t.Errorf("settings of version %d", ix.SettingsVersion)
			}
			if _, ok := f.catalog.Get("b"); !ok {
				t.Error("no index b")
			}
		})
	}
}

// crashWith is crash with a failure that ends when the old gateway is gone.
func (f *fleet) crashWith(unset func()) {
	f.t.Helper()
	unset2 := f.adjustClose(unset)
	f.crash()
	unset2()
}

// adjustClose has the failure end between the copy and the new start.
func (f *fleet) adjustClose(unset func()) func() {
	was := f.adjust
	f.adjust = func(o *Options) {
		unset()
		if was != nil {
			was(o)
		}
	}
	return func() { f.adjust = was }
}

func TestRule22LostPayloadFailsTheTask(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.adjust = func(o *Options) { o.AckTime = 50 * time.Millisecond } })
	first, _ := f.add("a", `[{"id":0}]`) // whether 50 ms were enough for a quorum does not matter
	f.ok(first, nil)
	f.drain()
	stop := failpoint.Set("outbox.send", func() error { return errors.New("killed") })
	unset := failpoint.Set("write.payload", func() error { return errors.New("killed") })
	big := fmt.Sprintf(`[{"id":1,"v":%q}]`, strings.Repeat("x", 100_000))
	r, err := f.add("a", big)
	if err == nil || r == nil {
		t.Fatalf("receipt %v, error %v", r, err)
	}
	unset()
	f.crashWith(stop)
	got := f.ended(r)
	if got.Status != meili.StatusFailed || got.Error == nil || !strings.Contains(got.Error.Message, "not acknowledged") {
		t.Errorf("task %+v", got)
	}
	last, _ := f.add("a", `[{"id":2}]`)
	f.ok(last, nil)
	f.drain()
	f.same("a", map[string]string{"0": `{"id":0}`, "2": `{"id":2}`})
	if !f.w.Readable("g0-n0", "a") || !f.w.Readable("g0-n1", "a") {
		t.Error("a copy is out though none has the operation")
	}

	// One copy has it and the other one cannot get it: that one is out.
	nodes[1].Refuse()
	unset = failpoint.Set("write.payload", func() error { return errors.New("killed") })
	r, _ = f.add("a", big)
	f.eventually("one copy has it", func() bool { return len(f.documents("g0-n0", "a")) == 3 })
	unset()
	f.crash()
	if err := nodes[1].Accept(); err != nil {
		t.Fatal(err)
	}
	f.w.Suspect("g0-n1")
	if got := f.ended(r); got.Status != meili.StatusSucceeded {
		t.Errorf("task %+v", got)
	}
	f.drain()
	f.eventually("the node that misses it is out", func() bool { return !f.w.Readable("g0-n1", "a") && f.w.Readable("g0-n0", "a") })
}

func TestRule27DocumentsGoOnWhileSettingsArePending(t *testing.T) {
	f, nodes := doubles(t, 1, 1, func(f *fleet) { f.adjust = func(o *Options) { o.HoldTime = 10 * time.Millisecond } })
	f.ok(f.add("a", `[{"id":1,"v":1},{"id":2,"v":2}]`))
	nodes[0].HoldTasks()
	s1, err := f.w.Settings(t.Context(), creating, "a", patch(t, `{"filterableAttributes":["v"]}`))
	if err != nil {
		t.Fatal(err)
	}
	docs, err := f.add("a", `[{"id":3,"v":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	sent := writes(nodes)
	filter, err := f.w.DeleteByFilter(t.Context(), creating, "a", must("v = 2"))
	if err != nil {
		t.Fatal(err)
	}
	s2, err := f.w.Settings(t.Context(), creating, "a", patch(t, `{"sortableAttributes":["v"]}`))
	if err != nil {
		t.Fatal(err)
	}
	last, err := f.add("a", `[{"id":4,"v":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	if n := writes(nodes); n != sent {
		t.Errorf("%d tasks on the node, want %d: what has to wait for the settings was sent", n, sent)
	}
	if ix, _ := f.catalog.Get("a"); ix.SettingsVersion != 1 {
		t.Error("the settings are committed before the node has them")
	}
	f.crash()
	nodes[0].ReleaseTasks()
	for _, r := range []*Receipt{s1, docs, filter, s2, last} {
		if got := f.ended(r); got.Status != meili.StatusSucceeded {
			t.Errorf("task %+v", got)
		}
	}
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1,"v":1}`, "4": `{"id":4,"v":2}`})
	if ix, _ := f.catalog.Get("a"); ix.SettingsVersion != 3 {
		t.Errorf("settings of version %d", ix.SettingsVersion)
	}
}

func TestRule27NodeThatIsDownDoesNotHoldTheCommit(t *testing.T) {
	f, nodes := doubles(t, 3, 3, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[2].Refuse()
	f.setDown("g0-n2", true)
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	f.ok(f.add("a", `[{"id":2}]`))
	if err := nodes[2].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n2", false)
	f.drain()
	for _, n := range nodes {
		if text := string(n.Settings("a")); !strings.Contains(text, `"stopWords":["the"]`) {
			t.Errorf("settings %s", text)
		}
	}
	f.eventually("it is read again", func() bool { return f.w.Readable("g0-n2", "a") })
}

func TestRule19DriftedNodeIsNotRead(t *testing.T) {
	f, _ := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	out := func(when string) {
		t.Helper()
		if f.w.Readable("g0-n1", "a") || !f.w.Readable("g0-n0", "a") {
			t.Errorf("%s: the wrong node is out", when)
		}
	}
	f.w.SettingsDrifted("g0-n1", "a", true)
	out("other settings")
	f.w.closeOver()
	f.crash()
	f.eventually("the other one is itself", func() bool { return f.w.Readable("g0-n0", "a") })
	out("after a crash")
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	f.eventually("a change that it took brings it back", func() bool { return f.w.Readable("g0-n1", "a") })
	f.w.Drifted("g0-n1", "a", true)
	out("other documents")
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":[]}`)))
	f.drain()
	out("other documents, new settings")
	f.w.Drifted("g0-n1", "a", false)
	f.eventually("it was made the same again", func() bool { return f.w.Readable("g0-n1", "a") })
}

// A node that refuses again and again what another copy could do is left
// behind: it is not read, and takes what comes.
func TestRule13NodeThatNeverCanIsLeftBehind(t *testing.T) {
	f, _ := doubles(t, 2, 2, func(f *fleet) { f.adjust = func(o *Options) { o.MaxRefusals = 2 } })
	f.ok(f.add("a", `[{"id":1,"v":1},{"id":2,"v":2}]`))
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"filterableAttributes":["v"]}`)))
	f.unfilterable("g0-n1", true)
	r, err := f.w.DeleteByFilter(t.Context(), creating, "a", must("v = 2"))
	f.ok(r, err)
	f.ok(f.add("a", `[{"id":3}]`))
	f.drain()
	if f.w.Readable("g0-n1", "a") || !f.w.Readable("g0-n0", "a") {
		t.Error("the wrong node is out")
	}
	if got := f.documents("g0-n1", "a"); len(got) != 3 {
		t.Errorf("the node that was left behind has %v", got)
	}
}

func TestRule28CreationGoesToEveryNodeFirst(t *testing.T) {
	f, nodes := doubles(t, 3, 1, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	for i, n := range nodes {
		if len(n.Indexes()) != 1 || !strings.Contains(string(n.Settings("a")), "_miroir_shard") {
			t.Errorf("node %d has the indexes %v", i, n.Indexes())
		}
	}
	// A first add that fails leaves the key open, and the next one may choose.
	f.failed("invalid_document_id")(f.add("b", `[{"id":"not one"}]`))
	key := "sku"
	f.ok(f.w.Documents(t.Context(), creating, "b", &request.Documents{PrimaryKey: &key}, false, request.JSON, f.body(`[{"sku":1,"id":"not one"}]`)))
	if ix, _ := f.catalog.Get("b"); ix.PrimaryKey != "sku" {
		t.Errorf("the primary key is %q", ix.PrimaryKey)
	}
	// Until there is a key, one operation at a time, in order.
	var receipts []*Receipt
	for i := range 10 {
		r, err := f.add("c", fmt.Sprintf(`[{"id":%d}]`, i%3))
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, r)
	}
	for _, r := range receipts {
		f.ended(r)
	}
	f.drain()
	f.same("c", map[string]string{"0": `{"id":0}`, "1": `{"id":1}`, "2": `{"id":2}`})
}

func TestRule21RolledBackNodeIsNotReadOrWritten(t *testing.T) {
	f, nodes := doubles(t, 3, 3, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	// A fresh server stands where the node was.
	nodes[2].Refuse()
	fresh := minimeili.Run(t, minimeili.WithMasterKey(serverKey))
	f.topology.Groups[0].Nodes[2].URL = parse(t, fresh.URL())
	f.w.Suspect("g0-n2")
	f.eventually("it is known to be another", func() bool { return f.w.NodeState("g0-n2").RolledBack })
	f.ok(f.add("a", `[{"id":2}]`))
	if f.w.Readable("g0-n2", "a") {
		t.Error("a rolled back node is read")
	}
	if n := len(fresh.Tasks()); n != 0 {
		t.Errorf("a rolled back node got %d tasks", n)
	}
}
