package write

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

// twoGroups opens a writer before two groups of two copies each.
func twoGroups(t *testing.T, adjust func(*fleet)) (*fleet, [][]*minimeili.Server) {
	var nodes [][]*minimeili.Server
	var urls [][]*url.URL
	for range 2 {
		a, b := double(t), double(t)
		nodes = append(nodes, []*minimeili.Server{a, b})
		urls = append(urls, []*url.URL{parse(t, a.URL()), parse(t, b.URL())})
	}
	return newFleet(t, 2, adjust, urls...), nodes
}

func TestRule16QuorumOfEachShardInSomeGroup(t *testing.T) {
	p := &cluster.Placement{Groups: []cluster.GroupPlacement{
		{ID: "one", Shards: [][]string{{"a", "b", "c"}, {"b", "c", "d"}}},
		{ID: "two", Shards: [][]string{{"e", "f", "g"}, {"f", "g", "h"}}},
	}}
	for _, c := range []struct {
		quorum Quorum
		shard  int
		have   string
		want   bool
	}{
		{Majority, 0, "ab", true}, {Majority, 0, "ae", false}, {Majority, 0, "eg", true}, {Majority, 1, "ab", false},
		{Majority, 0, "", false}, {One, 0, "g", true}, {One, 1, "a", false}, {All, 0, "abcef", false}, {All, 0, "abcefg", true},
	} {
		got := enough(c.quorum, p, c.shard, func(id string) bool { return strings.Contains(c.have, id) })
		if got != c.want {
			t.Errorf("%s, shard %d, %q: %v", c.quorum, c.shard, c.have, got)
		}
	}
	// One group lacks a copy: the other one acknowledges, and the answer says so.
	f, nodes := twoGroups(t, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[0][1].Refuse()
	f.setDown("g0-n1", true)
	r, err := f.add("a", `[{"id":1,"v":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	shard := document.ShardString("1", 8)
	if want := "quorum=g0; shards=" + string(rune('0'+shard)); r.Degraded != want {
		t.Errorf("degraded %q, want %q", r.Degraded, want)
	}
	f.ended(r)
	if err := nodes[0][1].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n1", false)
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1,"v":2}`})
}

func TestRule17OutOfReachIsRefusedBeforeAnythingIsStored(t *testing.T) {
	f, nodes := doubles(t, 2, 2, func(f *fleet) { f.adjust = func(o *Options) { o.AckTime = 100 * time.Millisecond } })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	f.w.closeOver()
	f.setDown("g0-n1", true)
	before, open := writes(nodes), f.w.journal.Open()
	for _, uid := range []string{"a", "new"} {
		r, err := f.add(uid, `[{"id":2}]`)
		if r != nil || err == nil || err.Code != "miroir_no_quorum" || err.Status != 503 {
			t.Errorf("%s: receipt %v, error %v", uid, r, err)
		}
	}
	if writes(nodes) != before || f.w.journal.Open() != open {
		t.Error("something was stored")
	}
	f.setDown("g0-n1", false)
	f.eventually("the node is itself", func() bool { return f.w.Readable("g0-n1", "a") })
	// Known only under way: the answer names the task, and the write arrives.
	nodes[1].Refuse()
	r, err := f.add("a", `[{"id":3}]`)
	if r == nil || err == nil || err.Code != "miroir_no_quorum" {
		t.Fatalf("receipt %v, error %v", r, err)
	}
	if err := nodes[1].Accept(); err != nil {
		t.Fatal(err)
	}
	if got := f.ended(r); got.Status != meili.StatusSucceeded {
		t.Errorf("the write is %s", got.Status)
	}
	f.drain()
	f.same("a", map[string]string{"1": `{"id":1}`, "3": `{"id":3}`})
}

func TestRule17SameKeySameTask(t *testing.T) {
	f, _ := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":1,"n":1}]`))
	call := Call{AllowIndexCreation: true, IdempotencyKey: "k"}
	send := func(docs string) (*Receipt, *meili.Error) {
		return f.w.Documents(t.Context(), call, "a", &request.Documents{}, false, request.JSON, f.body(docs))
	}
	first, err := send(`[{"id":2}]`)
	if err != nil {
		t.Fatal(err)
	}
	f.ended(first)
	check := func(when string) {
		t.Helper()
		again, err := send(`[{"id":2}]`)
		if err != nil || again.Summary.TaskUID != first.Summary.TaskUID || again.Name != first.Name {
			t.Errorf("%s: %+v, error %v", when, again, err)
		}
		if _, err := send(`[{"id":3}]`); err == nil || err.Code != "miroir_idempotency_key_reused" || err.Status != 409 {
			t.Errorf("%s: another body: %v", when, err)
		}
	}
	check("at once")
	f.crash()
	check("after a crash")
	f.close()
	f.open()
	check("after a restart")
	// A key whose write was not stored is free again.
	call.IdempotencyKey = "free"
	unset := failpoint.Set("journal.sync", func() error { return errors.New("broken") })
	if _, err := send(`[{"id":4}]`); err == nil {
		t.Error("no error")
	}
	unset()
	f.ok(send(`[{"id":4}]`))
}
