package write

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// delay loses the answer to one request of one node, which the node gets later.
type delay struct {
	next http.RoundTripper

	mutex sync.Mutex
	wants func(*http.Request) bool
	held  *http.Request
	body  []byte
}

func (d *delay) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.held != nil || d.wants == nil || !d.wants(r) {
		return d.next.RoundTrip(r)
	}
	d.held = r.Clone(context.Background())
	if r.Body != nil {
		d.body, _ = io.ReadAll(r.Body)
	}
	return nil, errors.New("connection reset")
}

// lose has the next request of a method for a path be late.
func (d *delay) lose(method, path string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.held, d.wants = nil, func(r *http.Request) bool { return r.Method == method && strings.HasPrefix(r.URL.Path, path) }
}

// arrive has the node get the request that was lost, and waits until it has been
// worked on.
func (d *delay) arrive(f *fleet, id string) {
	f.t.Helper()
	d.mutex.Lock()
	r, body := d.held, d.body
	d.wants = nil
	d.mutex.Unlock()
	if r == nil {
		f.t.Fatal("no request was lost")
	}
	client, _ := f.client(id)
	var sent *node.Body
	if len(body) > 0 {
		sent = &node.Body{ContentType: r.Header.Get("Content-Type"), Length: int64(len(body)), Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }}
	}
	summary, err := client.Enqueue(f.t.Context(), r.Method, r.URL.RequestURI(), sent)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := client.Wait(f.t.Context(), summary.TaskUID); err != nil {
		f.t.Fatal(err)
	}
}

// tardy runs a test on two copies of which the second gets a request late.
func tardy(t *testing.T, run func(t *testing.T, f *fleet, d *delay)) {
	t.Parallel() // they mostly wait
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			d := &delay{}
			f := newFleet(t, 2, func(f *fleet) {
				d.next = f.rt
				f.adjust = func(o *Options) {
					o.Tuning = func() Tuning { return Tuning{RepairPause: 20 * time.Millisecond} }
					o.Nodes = func(id string) (*node.Client, bool) {
						n, ok := f.topology.Node(id)
						if id == "g0-n1" {
							return node.New(id, n.URL, func() []string { return []string{serverKey} }, d), ok
						}
						return f.client(id)
					}
				}
			}, []*url.URL{backend(t), backend(t)})
			run(t, f, d)
		})
	}
}

func TestRule09LateSettingsAreMadeRight(t *testing.T) {
	tardy(t, func(t *testing.T, f *fleet, d *delay) {
		f.ok(f.add("a", `[{"id":1}]`))
		d.lose(http.MethodPatch, "/indexes/a/settings")
		f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
		f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["of"]}`)))
		f.drain()
		f.wantStopWords(`"of"`)
		d.arrive(f, "g0-n1")
		if got := f.stopWords("a"); got[1] != `"the"` {
			t.Fatalf("the late request did nothing: %v", got)
		}
		f.eventually("it is made right", func() bool { return f.stopWords("a")[1] == `"of"` && len(f.w.Drifts()) == 0 })
		f.eventually("it is read", func() bool { return f.w.Readable("g0-n1", "a") })
	})
}

func TestRule09LatePrimaryKeyIsMadeRight(t *testing.T) {
	tardy(t, func(t *testing.T, f *fleet, d *delay) {
		first, second := "sku", "id"
		f.ok(f.w.CreateIndex(t.Context(), creating, "a", nil))
		d.lose(http.MethodPatch, "/indexes/a")
		f.ok(f.w.UpdateIndex(t.Context(), creating, "a", &request.IndexUpdate{PrimaryKey: &first}))
		f.ok(f.w.UpdateIndex(t.Context(), creating, "a", &request.IndexUpdate{PrimaryKey: &second}))
		f.drain()
		d.arrive(f, "g0-n1")
		client, _ := f.client("g0-n1")
		f.eventually("it is made right", func() bool {
			ix, err := client.Index(t.Context(), "a")
			return err == nil && ix.PrimaryKey != nil && *ix.PrimaryKey == second && len(f.w.Drifts()) == 0
		})
		f.ok(f.add("a", `[{"id":1,"sku":2}]`))
		f.same("a", map[string]string{"1": `{"id":1,"sku":2}`})
	})
}

// reborn deletes the index a, makes it again with one document, lets the late
// request arrive, and expects it to have changed nothing.
func reborn(t *testing.T, f *fleet, d *delay) {
	t.Helper()
	f.ok(f.w.DeleteIndex(t.Context(), creating, "a"))
	f.ok(f.add("a", `[{"id":2}]`))
	f.drain()
	if ix, _ := f.catalog.Get("a"); ix.Physical == "a" {
		t.Error("the name of an index that may come late was given again")
	}
	f.w.freeNames()
	if !slices.Contains(f.catalog.Dropped(), "a") {
		t.Error("the name is free while a request may come late")
	}
	d.arrive(f, "g0-n1")
	client, _ := f.client("g0-n1")
	f.eventually("the name is free", func() bool { return !slices.Contains(f.catalog.Dropped(), "a") })
	if _, err := client.Index(t.Context(), "a"); err == nil {
		t.Error("the node has the deleted index again")
	}
	f.same("a", map[string]string{"2": `{"id":2}`})
	if d := f.w.Drifts(); len(d) != 0 || !f.w.Readable("g0-n1", "a-2") {
		t.Errorf("drifts: %v", d)
	}
}

func TestRule09LateCreationMakesNoIndex(t *testing.T) {
	tardy(t, func(t *testing.T, f *fleet, d *delay) {
		d.lose(http.MethodPost, "/indexes")
		f.ok(f.w.CreateIndex(t.Context(), creating, "a", nil))
		f.ok(f.add("a", `[{"id":1}]`))
		reborn(t, f, d)
	})
}

func TestRule09LateDocumentsMakeNoIndex(t *testing.T) {
	tardy(t, func(t *testing.T, f *fleet, d *delay) {
		f.ok(f.w.CreateIndex(t.Context(), creating, "a", nil))
		d.lose(http.MethodPost, "/indexes/a/documents")
		f.ok(f.add("a", `[{"id":1}]`))
		reborn(t, f, d)
	})
}

func TestRule09LateDeletionDeletesNothing(t *testing.T) {
	tardy(t, func(t *testing.T, f *fleet, d *delay) {
		f.ok(f.add("a", `[{"id":1}]`))
		d.lose(http.MethodDelete, "/indexes/a")
		reborn(t, f, d)
	})
}

// A swap asks nothing of nodes: there is nothing of it that could be late.
func TestRule09SwapCannotBeLate(t *testing.T) {
	f, nodes := doubles(t, 2, 2, nil)
	f.ok(f.add("a", `[{"id":1}]`))
	f.ok(f.add("b", `[{"id":2}]`))
	f.drain()
	before := writes(nodes)
	f.ok(f.w.Swap(t.Context(), creating, []request.Swap{{Indexes: [2]string{"a", "b"}}}))
	if n := writes(nodes); n != before {
		t.Errorf("a swap made %d tasks on nodes", n-before)
	}
	f.same("a", map[string]string{"2": `{"id":2}`})
}

// A gateway that was killed while a name was kept looks whether nodes have the
// index before it gives the name again.
func TestRule09NamesAreKeptThroughARestart(t *testing.T) {
	tardy(t, func(t *testing.T, f *fleet, d *delay) {
		f.ok(f.w.CreateIndex(t.Context(), creating, "a", nil))
		d.lose(http.MethodPost, "/indexes/a/documents")
		f.ok(f.add("a", `[{"id":1}]`))
		f.ok(f.w.DeleteIndex(t.Context(), creating, "a"))
		f.drain()
		f.close()
		d.arrive(f, "g0-n1")
		f.open()
		f.eventually("the name is free", func() bool { return len(f.catalog.Dropped()) == 0 })
		client, _ := f.client("g0-n1")
		if _, err := client.Index(t.Context(), "a"); err == nil {
			t.Error("the node has the deleted index again")
		}
	})
}
