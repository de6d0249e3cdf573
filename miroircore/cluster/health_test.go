package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// fakeNode answers a node's requests as the test wants it to.
type fakeNode struct {
	mu      sync.Mutex
	err     error // of the connection
	hang    bool
	version string
	refuse  bool // the key
	probes  []time.Time
}

func (f *fakeNode) set(change func(*fakeNode)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// asked says how often the node was probed.
func (f *fakeNode) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.probes)
}

func (f *fakeNode) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hang {
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
		return nil, r.Context().Err()
	}
	status, body := 200, `{"status":"available"}`
	switch {
	case f.err != nil:
		if r.URL.Path == "/health" {
			f.probes = append(f.probes, time.Now())
		}
		return nil, f.err
	case r.URL.Path == "/health":
		f.probes = append(f.probes, time.Now())
	case f.refuse:
		status, body = 403, `{"message":"m","code":"invalid_api_key","type":"auth","link":"l"}`
	default:
		body = `{"commitSha":"c","commitDate":"d","pkgVersion":"` + f.version + `"}`
	}
	return &http.Response{StatusCode: status, ProtoMajor: 1, ContentLength: int64(len(body)), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// bench is a Health over fake nodes and what it told.
type bench struct {
	*Health
	nodes   map[string]*fakeNode
	log     *bytes.Buffer
	mu      sync.Mutex
	changes []string
	well    []string
	admit   error
	stop    func()
}

// usual is how the benches are tuned.
var usual = Tuning{Interval: 5 * time.Second, Fails: 3, Passes: 2}

// newBench runs a Health until the test is over; to be called in a bubble. The
// node "late" is not configured, so that it can be prepared before it is.
func newBench(t *testing.T, ids ...string) *bench {
	b := &bench{nodes: map[string]*fakeNode{}, log: new(bytes.Buffer)}
	clients := map[string]*node.Client{}
	for _, id := range append(ids, "late", "later") {
		b.nodes[id] = &fakeNode{version: "1.50.0"}
		clients[id] = node.New(id, &url.URL{Scheme: "http", Host: id}, func() []string { return []string{"k"} }, b.nodes[id])
	}
	b.Health = NewHealth(HealthOptions{
		Client: func(id string) (*node.Client, bool) { c, ok := clients[id]; return c, ok },
		Changed: func(id string, up bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.changes = append(b.changes, fmt.Sprint(id, " ", up))
		},
		Answered: func(id string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.well = append(b.well, id)
		},
		Admit:  func(context.Context, *node.Client) error { b.mu.Lock(); defer b.mu.Unlock(); return b.admit },
		Logger: slog.New(slog.NewTextHandler(b.log, nil)),
		Now:    time.Now,
	})
	b.Configure(ids, usual)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	b.stop = func() { cancel(); <-done }
	t.Cleanup(b.stop)
	return b
}

// after lets time pass and everything settle.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (b *bench) expect(t *testing.T, id string, status Status, writable bool) {
	t.Helper()
	if s := b.State(id); s.Status != status || b.Writable(id) != writable || b.Up(id) != (status == StatusUp) {
		t.Errorf("%s is %s (%s), writable %v; want %s, %v", id, s.Status, s.LastError, b.Writable(id), status, writable)
	}
}

func TestNodesAreUpAfterTheFirstGoodProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "a", "b")
		synctest.Wait()
		b.expect(t, "a", StatusUp, true)
		if !b.Ready() || b.State("b").Version.PkgVersion != "1.50.0" {
			t.Errorf("ready %v, state %+v", b.Ready(), b.State("b"))
		}
		after(11 * time.Second)
		if n := b.nodes["a"].asked(); n != 3 {
			t.Errorf("%d probes in 11 seconds, want 3", n)
		}
	})
}

func TestANodeGoesDownAfterFailsAndComesBackAfterPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "a", "b")
		synctest.Wait()
		b.nodes["a"].set(func(f *fakeNode) { f.err = syscall.ECONNRESET })
		after(5 * time.Second)
		b.expect(t, "a", StatusUp, true)
		after(time.Second)
		b.expect(t, "a", StatusUp, true)
		after(time.Second)
		b.expect(t, "a", StatusDown, false)
		since := b.State("a").Since
		before := b.nodes["a"].asked()
		after(60 * time.Second)
		if n := b.nodes["a"].asked() - before; n < 59 || n > 61 {
			t.Errorf("%d probes in a minute of being down", n)
		}
		if s := b.State("a"); !s.Since.Equal(since) || !strings.Contains(s.LastError, "connection reset") {
			t.Errorf("state %+v", s)
		}
		b.nodes["a"].set(func(f *fakeNode) { f.err = nil })
		after(time.Second)
		b.expect(t, "a", StatusDown, true) // written to, though not yet read
		after(time.Second)
		b.expect(t, "a", StatusUp, true)
		b.expect(t, "b", StatusUp, true)
		b.stop()
		if got := strings.Join(b.changes, ","); strings.Count(got, "a") != 3+strings.Count(got, "false") || len(b.changes) != 4 {
			t.Errorf("changes %v", b.changes)
		}
		if n := strings.Count(b.log.String(), "node is down"); n != 1 {
			t.Errorf("logged %d times that the node is down:\n%s", n, b.log)
		}
		// At first, and twice when it came back: what it missed is brought to it
		// until that works.
		if n := strings.Count(strings.Join(b.well, " "), "a"); n != 3 {
			t.Errorf("found well: %v", b.well)
		}
	})
}

func TestOneFailureIsForgivenAndNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "a")
		synctest.Wait()
		b.nodes["a"].set(func(f *fakeNode) { f.err = io.ErrUnexpectedEOF })
		after(6 * time.Second)
		b.nodes["a"].set(func(f *fakeNode) { f.err = nil })
		after(60 * time.Second)
		b.expect(t, "a", StatusUp, true)
		b.stop()
		if len(b.changes) != 1 || strings.Contains(b.log.String(), "down") {
			t.Errorf("changes %v, log %s", b.changes, b.log)
		}
	})
}

func TestReadyAfterFiveSecondsWhateverTheNodesDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.nodes["late"].set(func(f *fakeNode) { f.hang = true })
		b.nodes["later"].set(func(f *fakeNode) { f.err = syscall.ECONNREFUSED })
		b.Configure([]string{"late", "later"}, usual)
		after(4 * time.Second)
		if b.Ready() {
			t.Error("ready after four seconds")
		}
		b.expect(t, "later", StatusDown, false)
		after(time.Second)
		if !b.Ready() {
			t.Error("not ready after five seconds")
		}
		after(10 * time.Second)
		b.expect(t, "late", StatusDown, false)
	})
}

func TestANodeThatMustNotBeUsed(t *testing.T) {
	for name, tc := range map[string]struct {
		break_, mend func(*bench)
		reason       string
	}{
		"too old": {
			func(b *bench) { b.nodes["a"].set(func(f *fakeNode) { f.version = "1.12.0" }) },
			func(b *bench) { b.nodes["a"].set(func(f *fakeNode) { f.version = "1.53.0" }) }, "1.12.0",
		},
		"key refused": {
			func(b *bench) { b.nodes["a"].set(func(f *fakeNode) { f.refuse = true }) },
			func(b *bench) { b.nodes["a"].set(func(f *fakeNode) { f.refuse = false }) }, "invalid_api_key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "a")
				synctest.Wait()
				b.expect(t, "a", StatusUp, true)
				tc.break_(b)
				after(5 * time.Second)
				b.expect(t, "a", StatusIncompatible, false)
				after(10 * time.Second)
				tc.mend(b)
				after(time.Second)
				b.expect(t, "a", StatusUp, true)
				b.stop()
				if n := strings.Count(b.log.String(), "node is refused"); n != 1 || !strings.Contains(b.log.String(), tc.reason) {
					t.Errorf("logged %d times:\n%s", n, b.log)
				}
			})
		})
	}
}

func TestANodeOfAnotherFleetIsRefusedByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.admit = errors.New("it belongs to another fleet")
		b.Configure([]string{"late"}, usual)
		synctest.Wait()
		b.expect(t, "late", StatusIncompatible, false)
		if !b.Ready() {
			t.Error("a refused node keeps the gateway from being ready")
		}
		b.mu.Lock()
		b.admit = nil
		b.mu.Unlock()
		after(time.Second)
		b.expect(t, "late", StatusUp, true)
	})
}

func TestANodeThatIsSlowToSayWhoseItIsIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.admit = fmt.Errorf("mark the node: %w", &node.Error{Kind: node.KindTimeout, Err: context.DeadlineExceeded})
		b.Configure([]string{"late"}, usual)
		after(time.Second)
		b.expect(t, "late", StatusUnknown, false)
		b.mu.Lock()
		b.admit = nil
		b.mu.Unlock()
		after(time.Second)
		b.expect(t, "late", StatusUp, true)
		b.stop()
		if strings.Contains(b.log.String(), "refused") {
			t.Errorf("log %s", b.log)
		}
	})
}

func TestAFailureOfTheTrafficIsLookedAtAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "a")
		after(time.Second)
		b.nodes["a"].set(func(f *fakeNode) { f.err = syscall.ECONNREFUSED })
		b.Failed("a")
		b.Failed("nobody")
		synctest.Wait()
		if n := b.nodes["a"].asked(); n != 2 {
			t.Fatalf("%d probes", n)
		}
		for range 100 { // no storm of probes
			b.Failed("a")
		}
		synctest.Wait()
		if n := b.nodes["a"].asked(); n != 2 {
			t.Errorf("%d probes", n)
		}
		after(2 * time.Second)
		b.expect(t, "a", StatusDown, false)
	})
}

func TestANewConfigurationKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "a", "b")
		b.nodes["b"].set(func(f *fakeNode) { f.err = syscall.ECONNREFUSED })
		b.nodes["late"].set(func(f *fakeNode) { f.hang = true })
		after(10 * time.Second)
		b.expect(t, "b", StatusDown, false)
		state := b.State("a")
		b.Configure([]string{"a", "b", "late"}, Tuning{Interval: time.Second, Fails: 1, Passes: 1})
		if s := b.State("a"); s.Status != StatusUp || !s.Since.Equal(state.Since) || s.Version.PkgVersion != "1.50.0" {
			t.Errorf("forgot %+v, has %+v", state, s)
		}
		b.expect(t, "b", StatusDown, false)
		b.expect(t, "late", StatusUnknown, false)
		if !b.Ready() {
			t.Error("a node that is new makes a running gateway unready")
		}
		after(5 * time.Second)
		b.Configure([]string{"a"}, Tuning{Interval: time.Second, Fails: 1, Passes: 1})
		b.expect(t, "b", StatusUnknown, false)
		synctest.Wait()
		probes := b.nodes["b"].asked()
		after(5 * time.Second)
		if n := b.nodes["b"].asked(); n != probes {
			t.Errorf("a node that is no more was probed %d times", n-probes)
		}
	})
}

func TestRunEndsInTheMiddleOfAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.nodes["late"].set(func(f *fakeNode) { f.hang = true })
		b.Configure([]string{"late"}, usual)
		synctest.Wait()
		start := time.Now()
		b.stop()
		if d := time.Since(start); d != 0 {
			t.Errorf("it took %v", d)
		}
		if len(b.changes) != 0 {
			t.Errorf("changes %v", b.changes)
		}
	})
}

func TestStateOfANodeThatIsNotKnown(t *testing.T) {
	h := NewHealth(HealthOptions{Now: time.Now})
	if s := h.State("x"); s.Status != StatusUnknown || s.Version != (meili.Version{}) || h.Up("x") || h.Writable("x") {
		t.Errorf("%+v", s)
	}
}
