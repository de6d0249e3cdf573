package antientropy

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

var errDied = errors.New("died here")

// A gateway that dies at any step goes on where it was, and all is right in the
// end.
func TestRule23ARepairThatDiesAtAnyStepGoesOn(t *testing.T) {
	for _, point := range []string{"compare", "differ", "mended", "kept"} {
		t.Run(point, func(t *testing.T) {
			b := newBed(t, 3, []string{"a", "b", "c"})
			b.put("as it is", upTo(80)...)
			b.do("b", http.MethodPost, "/indexes/books/documents/delete-batch", `[1,2,3,4,5,6,7,8]`)
			b.do("c", http.MethodPut, "/indexes/books/documents", `[{"id":20,"text":"changed"}]`)
			hits := 0
			unset := failpoint.Set("antientropy."+point, func() error {
				if hits++; hits%2 == 1 {
					return errDied
				}
				return nil
			})
			defer unset()
			if err := b.checker().ask(true); err != nil {
				t.Fatal(err)
			}
			var began time.Time
			for deaths := 0; ; deaths++ {
				c := b.checker() // a new process
				did, err := c.step(t.Context())
				if !did {
					t.Fatalf("after %d deaths nothing is under way: %v", deaths, err)
				}
				if err == nil {
					break
				}
				if !errors.Is(err, errDied) || deaths > 100 {
					t.Fatal(err)
				}
				if c.at == nil || !began.IsZero() && !c.at.Began.Equal(began) {
					t.Fatalf("the pass began anew: %+v", c.at)
				}
				began = c.at.Began
				b.at = b.at.Add(time.Minute)
			}
			unset()
			if hits < 2 {
				t.Errorf("the step was taken %d times", hits)
			}
			if did, err := b.checker().step(t.Context()); did || err != nil {
				t.Errorf("something is left to do: %v", err)
			}
			b.same(80)
			if r := b.check(true); r.Different > 0 {
				t.Errorf("a further pass: %+v", r)
			}
		})
	}
}

// What was compared before a restart is not compared again.
func TestAPassGoesOnWhereItWas(t *testing.T) {
	b := newBed(t, 3, []string{"a", "b", "c"})
	b.put("as it is", upTo(80)...)
	hits := 0
	unset := failpoint.Set("antientropy.kept", func() error {
		if hits++; hits == 1 {
			return errDied
		}
		return nil
	})
	defer unset()
	if err := b.checker().ask(false); err != nil {
		t.Fatal(err)
	}
	if _, err := b.checker().step(t.Context()); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	c := b.checker()
	if report := c.Report(); report.State != Elsewhere || c.at == nil || len(c.at.Done) != 1 {
		t.Errorf("after the restart: %+v, %+v", report, c.at)
	}
	if did, err := c.step(t.Context()); !did || err != nil {
		t.Fatal(did, err)
	}
	if r := c.Report().Indexes[0].Fast; r.Documents != 3*80 || r.Shards != shards {
		t.Errorf("result: %+v", r)
	}
}

// One node that cannot be read does not keep the others from being compared.
func TestAStepThatFailsIsLeftForTheNextPass(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b"})
	b.put("as it is", upTo(20)...)
	hits := 0
	defer failpoint.Set("antientropy.compare", func() error {
		if hits++; hits <= tries {
			return errDied
		}
		return nil
	})()
	c := b.checker()
	if err := c.ask(false); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.step(t.Context()); err == nil {
			break
		}
	}
	if r := c.Report().Indexes[0].Fast; r.Shards != shards-1 || r.Skipped != 1 || len(r.Problems) != 1 {
		t.Errorf("result: %+v", r)
	}
}

// Two gateways that share a store do not compare at the same time.
func TestOneGatewayComparesAtATime(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b"})
	first, second := b.checker(), b.checker()
	second.o.Holder = "another"
	if !first.lead() || second.lead() {
		t.Fatal("two gateways have the lease")
	}
	if err := second.ask(false); err != nil {
		t.Fatal(err)
	}
	if did, err := second.step(t.Context()); did || err != nil {
		t.Errorf("a gateway without the lease compares: %v", err)
	}
	if did, err := first.step(t.Context()); !did || err != nil {
		t.Errorf("what another was asked for is not done: %v", err)
	}
	b.at = b.at.Add(leaseTime / 2)
	if second.lead() {
		t.Error("the lease is taken before it ends")
	}
	first.release()
	if !second.lead() {
		t.Error("the lease that was given back is not taken")
	}
	b.at = b.at.Add(leaseTime)
	if !first.lead() {
		t.Error("a lease that ran out is not taken")
	}
}

// plain is a checker without any index.
func plain(t *testing.T, store state.Store, s Schedule) *Checker {
	t.Helper()
	catalog, err := index.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Catalog: catalog, Store: store, Holder: "test", Schedule: func() Schedule { return s }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Passes come when they are due, none at the start, one over the contents
// instead of a fast one; restarts change nothing.
func TestPassesComeWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		defer func() { _ = store.Close() }()
		start := time.Now()
		var got []string
		for range 27 * 4 {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			c := plain(t, store, Schedule{})
			c.o.Metrics = counted{func(pass string) { got = append(got, pass+" "+time.Since(start).Round(time.Minute).String()) }}
			c.Run(ctx)
			cancel()
		}
		if len(got) != 26 && len(got) != 27 || got[0] != "fast 1h0m0s" || got[1] != "fast 2h0m0s" || !slices.Contains(got, "content 24h0m0s") || slices.Contains(got, "fast 24h0m0s") {
			t.Errorf("passes: %v", got)
		}
		if report := plain(t, store, Schedule{}).Report(); report.State != Idle || report.Fast.Last == nil || report.Fast.Next == nil {
			t.Errorf("report: %+v", report)
		}
	})
}

func TestPassesComeOnlyWhenAskedForWhereThatIsWished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		defer func() { _ = store.Close() }()
		var got []string
		c := plain(t, store, Schedule{Off: true})
		c.o.Metrics = counted{func(pass string) { got = append(got, pass) }}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		time.Sleep(100 * time.Hour) // of the bubble's clock
		if len(got) > 0 || c.Report().State != Off {
			t.Errorf("passes: %v, %+v", got, c.Report())
		}
		for _, content := range []bool{false, true} {
			if err := c.Now(content); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		cancel()
		<-done
		if !slices.Equal(got, []string{Fast, Content}) {
			t.Errorf("passes: %v", got)
		}
	})
}

type counted struct{ passed func(string) }

func (counted) Compared(string, int)              {}
func (counted) Differed(int)                      {}
func (counted) Mended(string, int, int)           {}
func (c counted) Passed(pass string, _ time.Time) { c.passed(pass) }

// What is read is paid for at the rate that all background work shares.
func TestComparingKeepsToTheRate(t *testing.T) {
	b := newBed(t, 2, []string{"a", "b"})
	b.put("as it is", upTo(40)...)
	c := b.checker()
	var asked atomic.Int64
	c.o.Throttle = replica.NewThrottle(func() (int, int) { asked.Add(1); return 100_000, 0 })
	if r := b.checkWith(c, false); r.Documents != 80 || asked.Load() < 2*shards {
		t.Errorf("the rate was asked for %d times: %+v", asked.Load(), r)
	}
}

func TestRule23JudgesDocumentByDocument(t *testing.T) {
	v := func(version uint64, foreign bool) replica.Seen {
		return replica.Seen{Version: version, Foreign: foreign}
	}
	for name, c := range map[string]struct {
		all    []opinion
		source string
		wrong  []string
	}{
		"two of three":                   {[]opinion{{"a", true, v(9, false), false}, {"b", true, v(1, false), false}, {"c", true, v(1, false), false}}, "b", []string{"a"}},
		"two of three, both written to":  {[]opinion{{"a", true, v(9, false), false}, {"b", true, v(1, false), true}, {"c", true, v(1, false), true}}, "b", []string{"a"}},
		"absent on two of three":         {[]opinion{{"a", true, v(9, false), false}, {node: "b"}, {node: "c"}}, "b", []string{"a"}},
		"the first of two":               {[]opinion{{"a", true, v(1, false), false}, {"b", true, v(9, false), false}}, "a", []string{"b"}},
		"the untouched one of two":       {[]opinion{{"a", true, v(9, false), true}, {"b", true, v(1, false), false}}, "b", []string{"a"}},
		"without marks, and absent":      {[]opinion{{"a", true, v(0, true), false}, {node: "b"}}, "b", []string{"a"}},
		"without marks on two of three":  {[]opinion{{"a", true, v(0, true), true}, {"b", true, v(0, true), true}, {"c", true, v(5, false), false}}, "c", []string{"a", "b"}},
		"deleted here and written there": {[]opinion{{node: "a", touched: true}, {"b", true, v(5, false), true}}, "b", []string{"a"}},
		"written there alone":            {[]opinion{{node: "a"}, {"b", true, v(5, false), true}}, "a", []string{"b"}},
		"three of three":                 {[]opinion{{node: "a"}, {"b", true, v(5, false), false}, {"c", true, v(6, false), false}}, "a", []string{"b", "c"}},
	} {
		if source, wrong := judge(c.all); source != c.source || !slices.Equal(wrong, c.wrong) {
			t.Errorf("%s: %s is right, %v wrong", name, source, wrong)
		}
	}
}
