package search

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// adaptively has a stand choose its nodes as a gateway does.
func adaptively(o *Options) {
	o.Tuning = Tuning{Policy: plan.NewAdaptive(time.Now)}
}

// pass lets time go by under a fake clock.
func pass(d time.Duration) { <-time.After(d) }

func TestNobodyWaitsForANodeKnownToBeSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}, {"b"}}, 1, adaptively)
		s.nodes["a"].set(slowly(5*time.Millisecond, found("a")))
		s.nodes["b"].set(slowly(5*time.Millisecond, found("b")))
		search := func() time.Duration {
			start := time.Now()
			s.search(context.Background(), Call{}, `{}`)
			return time.Since(start)
		}
		for range 200 {
			search()
		}
		if a, b := s.nodes["a"].count(), s.nodes["b"].count(); a < 60 || b < 60 {
			t.Errorf("of 200 searches %d and %d went to two equal nodes", a, b)
		}
		s.nodes["b"].set(slowly(505*time.Millisecond, found("b")))
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			search() // it takes one to find out
		}
		before := s.nodes["b"].count()
		late := 0
		for range 2000 {
			if search() > 6*time.Millisecond {
				late++
			}
		}
		if late > 0 {
			t.Errorf("%d of 2000 searches waited for the slow node", late)
		}
		if n := s.nodes["b"].count() - before; n < 5 || n > 100 {
			t.Errorf("of 2000 searches %d were duplicated to the slow node", n)
		}
		s.nodes["b"].set(slowly(5*time.Millisecond, found("b")))
		end := time.Now().Add(time.Minute)
		for time.Now().Before(end) {
			search()
		}
		before = s.nodes["b"].count()
		for range 200 {
			search()
		}
		if n := s.nodes["b"].count() - before; n < 60 {
			t.Errorf("a minute after it is fast again, %d of 200 searches go to it", n)
		}
	})
}

func TestDuplicatesEndWithTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}}, 1, nil)
		s.nodes["a"].set(slowly(time.Hour, found("a")))
		sc := &scatter{r: s.Reader, q: &question{ix: s.ix, method: http.MethodPost, path: "/"}, layout: s.layout(s.ix), tuning: *s.tuning.Load()}
		sc.duplicate("a")
		sc.duplicate("a")
		synctest.Wait()
		if n := s.nodes["a"].count(); n != 1 {
			t.Errorf("%d duplicates to one node at a time", n)
		}
		s.Close()
		sc.duplicate("a")
		synctest.Wait()
		if n := s.nodes["a"].count(); n != 1 {
			t.Error("a duplicate after the end")
		}
	})
}

func TestAReadHedgesTwiceAtMostAndFailsOverWhateverTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a", "b", "c"}, {"d", "e", "f"}}, 1, func(o *Options) { o.NoHedge = false })
		first := []string{"a", "b", "c"}
		for _, id := range first {
			s.nodes[id].set(slowly(20*time.Millisecond, found(id)))
		}
		for range 300 {
			s.search(context.Background(), Call{}, `{}`)
		}
		if n := s.nodes["d"].count() + s.nodes["e"].count() + s.nodes["f"].count(); n > 0 {
			t.Fatalf("%d hedges among equals", n)
		}
		for _, id := range first {
			s.nodes[id].set(slowly(time.Hour, found(id)))
		}
		start := time.Now()
		done := make(chan string, 1)
		go func() { _, ids := s.search(context.Background(), Call{}, `{}`); done <- ids }()
		count := func() int { return s.nodes["d"].count() + s.nodes["e"].count() + s.nodes["f"].count() }
		pass(15 * time.Millisecond)
		synctest.Wait()
		if n := count(); n > 0 {
			t.Errorf("%d hedges before the usual time has passed", n)
		}
		pass(30 * time.Millisecond)
		synctest.Wait()
		if n := count(); n != 2 {
			t.Errorf("%d hedges of one read", n)
		}
		if ids := <-done; len(strings.Fields(ids)) != 3 {
			t.Errorf("hits of %q", ids)
		}
		if took := time.Since(start); took < 500*time.Millisecond || took > 510*time.Millisecond {
			t.Errorf("the third leg took %v", took)
		}
		// The budget is spent in the end, and still no search waits for more.
		for range 50 {
			start := time.Now()
			if _, ids := s.search(context.Background(), Call{}, `{}`); len(strings.Fields(ids)) != 3 {
				t.Fatalf("hits of %q", ids)
			}
			if took := time.Since(start); took > 510*time.Millisecond {
				t.Fatalf("took %v", took)
			}
		}
	})
}

func TestNoSearchWaitsLongWhileACopyLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a", "b", "c"}}, 3, nil)
		s.nodes["a"].set(slowly(time.Hour, found("a")))
		s.nodes["b"].set(slowly(time.Hour, found("b")))
		start := time.Now()
		a, ids := s.search(context.Background(), Call{}, `{}`)
		if took := time.Since(start); ids != "c" || a.Degraded != "" || took > 2*time.Second {
			t.Errorf("%q after %v, degraded %q", ids, took, a.Degraded)
		}
	})
}

func TestAnAnswerIsSharedByNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Uint64
		s := newStand(t, [][]string{{"a"}}, 1, func(o *Options) { o.FailoverAfter, o.Ended = time.Hour, ended.Load })
		s.nodes["a"].set(slowly(100*time.Millisecond, found("a")))
		tenant := func(filter string) func(string) (json.RawMessage, *meili.Error) {
			return func(string) (json.RawMessage, *meili.Error) { return json.RawMessage(filter), nil }
		}
		var wg sync.WaitGroup
		begin := func(call Call) {
			wg.Go(func() { s.search(context.Background(), call, `{"q":"x"}`) })
			synctest.Wait()
		}
		for i, call := range []Call{
			{Identity: "key a"}, {Identity: "key b"}, {Identity: "key b", TenantFilter: tenant(`"x = 1"`)},
			{Identity: "key b", TenantFilter: tenant(`"x = 2"`)}, {Identity: "key b", Unavailable: "error"},
		} {
			begin(call)
			begin(call)
			if n := s.nodes["a"].count(); n != i+1 {
				t.Errorf("%d requests after %d kinds of searches", n, i+1)
			}
		}
		ended.Add(1) // who knows that a write has ended may not get what was read before
		begin(Call{Identity: "key a"})
		if n := s.nodes["a"].count(); n != 6 {
			t.Errorf("%d requests: an answer from before the end of a task was shared", n)
		}
		wg.Wait()
	})
}

func TestOnlySoManyReadsRunAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{Tuning: Tuning{MaxReads: 2, QueuedReads: 2}})
		enter := func(ctx context.Context) func() {
			leave, err := r.Enter(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		first, second := enter(t.Context()), enter(t.Context())
		var ran []int
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Enter(ctx); err == nil {
				t.Error("a client that has gone is let in")
			}
		})
		synctest.Wait()
		wg.Go(func() { end := enter(t.Context()); ran = append(ran, 2); end() })
		synctest.Wait()
		if _, err := r.Enter(t.Context()); err == nil || err.Code != "too_many_search_requests" || err.Status != http.StatusServiceUnavailable {
			t.Errorf("beyond the queue: %v", err)
		}
		leave()
		synctest.Wait()
		wg.Go(func() { end := enter(t.Context()); ran = append(ran, 3); end() })
		synctest.Wait()
		if len(ran) > 0 {
			t.Error("a read runs out of turn")
		}
		first()
		wg.Wait()
		if len(ran) != 2 || ran[0] != 2 {
			t.Errorf("in the order %v", ran)
		}
		wg.Go(func() { end := enter(t.Context()); defer end(); third := enter(t.Context()); third() })
		synctest.Wait()
		r.Tune(Tuning{MaxReads: 3}) // a reload lets more in at once
		wg.Wait()
		second()
	})
}

func TestACopyThatIsBehindAnswersOnlyForWhatNoOtherHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := map[string]bool{}
		s := newStand(t, [][]string{{"a", "b", "c"}}, 2, func(o *Options) {
			o.Readable = func(id, _ string) bool { return !away[id] }
			o.Behind = func(id, _ string) bool { return id == "a" }
		})
		a, ids := s.search(context.Background(), Call{Unavailable: "error"}, `{}`)
		if ids != "b c" || a.Degraded != "" {
			t.Errorf("hits of %q, degraded %q", ids, a.Degraded)
		}
		away["b"] = true
		a, ids = s.search(context.Background(), Call{Unavailable: "error"}, `{}`)
		if ids != "c a" || !strings.HasPrefix(a.Degraded, "group=g0; stale=") {
			t.Errorf("hits of %q, degraded %q", ids, a.Degraded)
		}
		stale := strings.Count(a.Degraded, ",") + 1
		held := s.layout(s.ix).Held("c", plan.Want{}).Shards.Len()
		if stale != s.ix.Shards-held {
			t.Errorf("%d shards are stale, though %d of %d lie on a node in order", stale, held, s.ix.Shards)
		}
	})
}

func TestHedgesKeepToTheirBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, [][]string{{"a"}, {"b"}}, 1, func(o *Options) { o.NoHedge = false })
		a := s.nodes["a"]
		a.set(slowly(2*time.Millisecond, found("a")))
		for range 300 {
			s.search(context.Background(), Call{}, `{}`)
		}
		if n := s.nodes["b"].count(); n != 0 {
			t.Errorf("%d hedges while the node was as fast as ever", n)
		}
		a.set(slowly(300*time.Millisecond, found("a")))
		start := time.Now()
		if _, ids := s.search(context.Background(), Call{}, `{}`); ids != "b" {
			t.Errorf("got %q", ids)
		}
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("took %v", took)
		}
		for range 200 {
			s.search(context.Background(), Call{}, `{}`)
		}
		if n := s.nodes["b"].count(); n > hedgeBurst+200/20+2 {
			t.Errorf("%d hedges in 200 searches", n)
		}
	})
}
