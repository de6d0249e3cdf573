// Package reload holds Miroir to what an operator expects of a reload: nothing
// that a client could notice, nothing lost, nothing left behind.
package reload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/miroir-gateway/miroir/test/fleet"
)

const reloads = 100

func init() {
	caddy.RegisterModule(lateFailure{})
	httpcaddyfile.RegisterGlobalOption("late_failure", func(d *caddyfile.Dispenser, _ any) (any, error) {
		d.Next()
		return httpcaddyfile.App{Name: "late_failure", Value: json.RawMessage(`{}`)}, nil
	})
}

// lateFailure is an app that is found to be broken when it is started: before
// or after Miroir, since Caddy starts apps in any order.
type lateFailure struct{}

func (lateFailure) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "late_failure", New: func() caddy.Module { return new(lateFailure) }}
}
func (lateFailure) Start() error { return fmt.Errorf("this app does not start") }
func (lateFailure) Stop() error  { return nil }

// change is one kind of reload.
type change struct {
	name    string
	refused bool
	config  func(f *fleet.Fleet) string
}

// changes are taken in turn. A refused one changes an option, too, so that it
// would show if it had come into force.
var changes = []change{
	{"nothing changes", false, func(f *fleet.Fleet) string { return f.Caddyfile() }},
	{"an option changes", false, func(f *fleet.Fleet) string { return f.Caddyfile("max_lag 3s", "failover_after 400ms") }},
	{"a secret is missing", true, func(f *fleet.Fleet) string {
		return strings.Replace(f.Caddyfile("max_lag 4s"), "master_key "+fleet.MasterKey, "master_key {env.MIROIR_TEST_UNSET}", 1)
	}},
	{"another app fails to start", true, func(f *fleet.Fleet) string {
		return strings.Replace(f.Caddyfile("max_lag 5s"), "\tmiroir {", "\tlate_failure\n\tmiroir {", 1)
	}},
	{"the store is another", true, func(f *fleet.Fleet) string { return f.Caddyfile("store memory") }},
	{"the transport changes", false, func(f *fleet.Fleet) string { return f.Caddyfile("transport http {", "dial_timeout 2s", "}") }},
	{"the file is broken", true, func(f *fleet.Fleet) string { return f.Caddyfile("replication 9") }},
}

func TestReloadsUnderLoadLoseNothing(t *testing.T) {
	f := fleet.Start(t, fleet.Groups)
	l := newLoad(t, f.URL)
	l.create()
	l.start()

	reload := func(i int) {
		c := changes[i%len(changes)]
		if err := f.Load(c.config(f)); (err != nil) != c.refused {
			t.Fatalf("reload %d, %s: %v", i, c.name, err)
		}
		l.progress() // each configuration answers requests before the next one comes
	}
	for i := range len(changes) { // what is made once is there after one turn
		reload(i)
	}
	before := resources(t)
	for i := range reloads {
		reload(i)
	}
	l.stop()
	after := resources(t)
	if slack := 20; after.goroutines > before.goroutines+slack {
		t.Errorf("goroutines: %d before, %d after %d reloads", before.goroutines, after.goroutines, reloads)
	}
	if slack := 10; after.files > before.files+slack {
		t.Errorf("open files: %d before, %d after", before.files, after.files)
	}
	if after.states != 1 {
		t.Errorf("the state file is open %d times", after.states)
	}
	l.check()
}

// load is a constant stream of writes and searches.
type load struct {
	t      *testing.T
	url    string
	client *http.Client
	cancel context.CancelFunc
	ctx    context.Context
	work   sync.WaitGroup

	searches atomic.Int64
	resets   atomic.Int64
	mu       sync.Mutex
	tasks    []int
	written  int
}

const writers, searchers = 2, 2

func newLoad(t *testing.T, url string) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{t: t, url: url, ctx: ctx, cancel: cancel, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers + searchers}}}
	t.Cleanup(func() { l.stop(); l.client.CloseIdleConnections() })
	return l
}

// attempts is how often a request is sent whose connection broke before anything
// was answered. On Linux a Caddy that reloads opens a second socket on its port
// and closes the first; the kernel resets connections that wait on that one.
const attempts = 5

// call sends a request, which must be answered well.
func (l *load) call(method, path string, body []byte, key string) []byte {
	var err error
	for range attempts {
		var content []byte
		if content, err = l.try(method, path, body, key); err == nil {
			return content
		}
		l.resets.Add(1)
	}
	l.t.Errorf("%s %s: %v", method, path, err)
	return nil
}

// try gives an error only where there was no answer.
func (l *load) try(method, path string, body []byte, key string) ([]byte, error) {
	request, err := http.NewRequestWithContext(context.WithoutCancel(l.ctx), method, l.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode >= http.StatusMultipleChoices {
		l.t.Errorf("%s %s: %s %s %v", method, path, response.Status, content, err)
	}
	return content, nil
}

func (l *load) create() {
	l.call(http.MethodPost, "/indexes", []byte(`{"uid":"books","primaryKey":"id"}`), "create")
	l.await(0)
}

func (l *load) start() {
	for w := range writers {
		l.work.Go(func() {
			for i := 0; l.ctx.Err() == nil; i++ {
				l.write(w, i)
			}
		})
	}
	for range searchers {
		l.work.Go(func() {
			for l.ctx.Err() == nil {
				l.call(http.MethodPost, "/indexes/books/search", []byte(`{"q":"book","limit":3}`), "")
				l.searches.Add(1)
			}
		})
	}
}

func (l *load) write(writer, i int) {
	document := fmt.Sprintf(`[{"id":"%d-%d","title":"book %d"}]`, writer, i, i)
	answer := l.call(http.MethodPost, "/indexes/books/documents", []byte(document), fmt.Sprintf("write-%d-%d", writer, i))
	var accepted struct{ TaskUID int }
	if err := json.Unmarshal(answer, &accepted); err != nil {
		l.t.Errorf("%s: %v", answer, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, accepted.TaskUID)
	l.written++
}

// progress waits for a few more searches to have been answered.
func (l *load) progress() {
	for until := l.searches.Load() + searchers; l.searches.Load() < until && !l.t.Failed(); {
		<-time.After(time.Millisecond)
	}
}

func (l *load) stop() {
	l.cancel()
	l.work.Wait()
}

func (l *load) await(task int) string {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	for {
		var found struct{ Status string }
		answer := l.call(http.MethodGet, fmt.Sprintf("/tasks/%d", task), nil, "")
		if err := json.Unmarshal(answer, &found); err != nil {
			l.t.Fatalf("%s: %v", answer, err)
		}
		if found.Status != "enqueued" && found.Status != "processing" {
			return found.Status
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("task %d is still %s", task, found.Status)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// check holds what was accepted to what is there.
func (l *load) check() {
	seen := map[int]bool{}
	for _, task := range l.tasks {
		if seen[task] {
			l.t.Errorf("two writes made task %d", task)
		}
		seen[task] = true
		if status := l.await(task); status != "succeeded" {
			l.t.Errorf("task %d %s", task, status)
		}
	}
	for uid := 1; uid <= len(l.tasks); uid++ {
		if !seen[uid] {
			l.t.Errorf("no write made task %d of %d", uid, len(l.tasks))
		}
	}
	var stats struct{ NumberOfDocuments int }
	answer := l.call(http.MethodGet, "/indexes/books/stats", nil, "")
	if err := json.Unmarshal(answer, &stats); err != nil {
		l.t.Fatal(err)
	}
	if stats.NumberOfDocuments != l.written {
		l.t.Errorf("%d documents were accepted, %d are there", l.written, stats.NumberOfDocuments)
	}
	l.t.Logf("%d writes and %d searches over %d reloads, %d connections reset", l.written, l.searches.Load(), reloads, l.resets.Load())
}

type used struct{ goroutines, files, states int }

// resources counts what is in use, once what is ending has ended.
func resources(t *testing.T) used {
	t.Helper()
	var u used
	lowest := used{goroutines: 1 << 30}
	for range 50 {
		runtime.GC()
		u = used{goroutines: runtime.NumGoroutine()}
		links, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			target, err := os.Readlink(link)
			if err != nil {
				continue // closed meanwhile
			}
			u.files++
			if strings.HasSuffix(target, "/state.db") {
				u.states++
			}
		}
		if u.goroutines < lowest.goroutines {
			lowest = u
		}
		<-time.After(20 * time.Millisecond)
	}
	return lowest
}
