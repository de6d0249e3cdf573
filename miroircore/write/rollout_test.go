package write

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// between stands between the gateway and its nodes: it notes changes of settings,
// and may answer in a node's place.
type between struct {
	next http.RoundTripper

	mutex   sync.Mutex
	changes []string // nodes in the order in which they were sent settings
	answer  func(id string, r *http.Request) *http.Response
}

func (b *between) to(id string) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		b.mutex.Lock()
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/settings") {
			b.changes = append(b.changes, id)
		}
		answer := b.answer
		b.mutex.Unlock()
		if answer != nil {
			if resp := answer(id, r); resp != nil {
				return resp, nil
			}
		}
		return b.next.RoundTrip(r)
	})
}

func (b *between) set(answer func(id string, r *http.Request) *http.Response) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.answer, b.changes = answer, nil
}

func (b *between) seen() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return slices.Clone(b.changes)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sequential is a fleet whose settings go from node to node.
func sequential(f *fleet, b *between) func(*Options) {
	b.next = f.rt
	return func(o *Options) {
		o.HoldTime = 10 * time.Millisecond
		o.Tuning = func() Tuning { return Tuning{Sequential: true, RepairPause: time.Hour} }
		o.Nodes = func(id string) (*node.Client, bool) {
			n, ok := f.topology.Node(id)
			return node.New(id, n.URL, func() []string { return []string{serverKey} }, b.to(id)), ok
		}
	}
}

// refuses answers a change of settings as a node that cannot do it.
func refuses(id string) func(string, *http.Request) *http.Response {
	return func(to string, r *http.Request) *http.Response {
		if to != id || r.Method != http.MethodPatch || !strings.HasSuffix(r.URL.Path, "/settings") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.Contains(string(body), `"of"`) {
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			return nil
		}
		said := `{"message":"It is too much for a.","code":"invalid_settings_stop_words","type":"invalid_request","link":""}`
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
			ContentLength: int64(len(said)), Body: io.NopCloser(strings.NewReader(said))}
	}
}

// shown are the stop words of each node.
func (f *fleet) stopWords(uid string) (list []string) {
	f.t.Helper()
	ix, _ := f.catalog.Get(uid)
	for _, n := range f.topology.Nodes() {
		client, _ := f.client(n.ID)
		raw, err := client.Settings(f.t.Context(), ix.Physical)
		if err != nil {
			f.t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(raw), `"stopWords":[`)
		words, _, _ := strings.Cut(rest, "]")
		list = append(list, words)
	}
	return list
}

func (f *fleet) wantStopWords(want string) {
	f.t.Helper()
	for i, has := range f.stopWords("a") {
		if has != want {
			f.t.Errorf("node %d has the stop words [%s], want [%s]", i, has, want)
		}
	}
	if d := f.w.Drifts(); len(d) != 0 {
		f.t.Errorf("drifts: %v", d)
	}
}

func TestRule27SequentialSettingsGoFromNodeToNode(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			b := &between{}
			f := newFleet(t, 3, func(f *fleet) { f.adjust = sequential(f, b) }, []*url.URL{backend(t), backend(t), backend(t)})
			f.ok(f.add("a", `[{"id":1}]`))
			f.drain()
			waiting := true
			b.set(func(id string, r *http.Request) *http.Response {
				// Whoever is sent settings is the first that does not have them.
				if r.Method == http.MethodPatch && waiting {
					at := slices.Index([]string{"g0-n0", "g0-n1", "g0-n2"}, id)
					for i, words := range f.stopWords("a") {
						if has := words == `"the"`; has != (i < at) {
							t.Errorf("node %d has the stop words [%s] when %s is sent them", i, words, id)
						}
					}
				}
				return nil
			})
			s, err := f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`))
			if err != nil {
				t.Fatal(err)
			}
			r, err := f.add("a", `[{"id":2}]`)
			f.ok(s, nil)
			f.ok(r, err)
			f.drain()
			waiting = false
			if got := b.seen(); !slices.Equal(got, []string{"g0-n0", "g0-n1", "g0-n2"}) {
				t.Errorf("settings were sent to %v", got)
			}
			f.wantStopWords(`"the"`)
			if ix, _ := f.catalog.Get("a"); ix.SettingsVersion != 2 {
				t.Errorf("settings of version %d", ix.SettingsVersion)
			}
			f.same("a", map[string]string{"1": `{"id":1}`, "2": `{"id":2}`})
		})
	}
}

func TestRule27SequentialSettingsAreTakenBack(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			b := &between{}
			f := newFleet(t, 3, func(f *fleet) { f.adjust = sequential(f, b) }, []*url.URL{backend(t), backend(t), backend(t)})
			f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
			f.ok(f.add("a", `[{"id":1}]`))
			f.drain()
			b.set(refuses("g0-n2"))
			task := f.failed("invalid_settings_stop_words")(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["of"]}`)))
			if task.Error.Message != "It is too much for a." {
				t.Errorf("it failed with %q", task.Error.Message)
			}
			if got := b.seen(); !slices.Equal(got, []string{"g0-n0", "g0-n1", "g0-n2", "g0-n2", "g0-n1", "g0-n0"}) {
				t.Errorf("settings were sent to %v", got)
			}
			f.wantStopWords(`"the"`)
			b.set(nil)
			f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["of"]}`)))
			f.wantStopWords(`"of"`)
			f.ok(f.add("a", `[{"id":2}]`))
		})
	}
}

func TestRule27SequentialSettingsThatReadBackOtherwiseAreTakenBack(t *testing.T) {
	b := &between{}
	f, _ := doubles(t, 3, 3, func(f *fleet) { f.adjust = sequential(f, b) })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	b.set(misheard("g0-n1"))
	task := f.failed("miroir_settings_diverged")(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	if !strings.Contains(task.Error.Message, "`g0-n1`") {
		t.Errorf("it failed with %q", task.Error.Message)
	}
	f.wantStopWords("")
	if ix, _ := f.catalog.Get("a"); ix.SettingsVersion != 1 {
		t.Errorf("settings of version %d", ix.SettingsVersion)
	}
}

func TestRule27SequentialSettingsPassANodeThatIsAway(t *testing.T) {
	b := &between{}
	f, nodes := doubles(t, 3, 3, func(f *fleet) { f.adjust = sequential(f, b) })
	f.ok(f.add("a", `[{"id":1}]`))
	f.drain()
	nodes[0].Refuse()
	f.setDown("g0-n0", true)
	f.ok(f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`)))
	f.ok(f.add("a", `[{"id":2}]`))
	if err := nodes[0].Accept(); err != nil {
		t.Fatal(err)
	}
	f.setDown("g0-n0", false)
	f.drain()
	f.wantStopWords(`"the"`)
	f.eventually("it is read again", func() bool { return f.w.Readable("g0-n0", "a") })
}

// Wherever the gateway dies, the change is on all nodes afterwards, or on none.
func TestRule27SequentialSettingsAfterACrash(t *testing.T) {
	for _, c := range []struct {
		point string
		after int // how often the point is passed before
		fails bool
	}{
		{"settings.propose", 0, false}, {"settings.propose", 2, false},
		{"settings.confirm", 0, false}, {"settings.confirm", 1, false},
		{"write.bind", 0, false}, {"write.commit", 6, false},
		{"settings.propose", 1, true}, {"settings.confirm", 1, true},
		{"settings.back", 0, true}, {"settings.back", 1, true}, {"settings.back", 2, true}, {"settings.took-back", 0, true},
	} {
		name := c.point
		if c.fails {
			name += " of one that fails"
		}
		run := func(t *testing.T, backend func(testing.TB) *url.URL) {
			b := &between{}
			f := newFleet(t, 3, func(f *fleet) { f.adjust = sequential(f, b) }, []*url.URL{backend(t), backend(t), backend(t)})
			f.ok(f.add("a", `[{"id":1}]`))
			f.drain()
			if c.fails {
				b.set(refuses("g0-n2"))
			}
			var mutex sync.Mutex
			hits, reached := 0, make(chan struct{})
			unset := failpoint.Set(c.point, func() error {
				mutex.Lock()
				defer mutex.Unlock()
				if hits++; hits <= c.after {
					return nil
				}
				if hits == c.after+1 {
					close(reached)
				}
				return errors.New("killed")
			})
			r, err := f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["of"]}`))
			if err != nil {
				t.Fatal(err)
			}
			if c.point != "write.commit" {
				<-reached
			}
			f.w.cancel() // so that it is not tried again before the restart
			f.crashWith(unset)
			want, status := `"of"`, meili.StatusSucceeded
			if c.fails {
				want, status = "", meili.StatusFailed
			}
			if got := f.ended(r); got.Status != status {
				t.Errorf("the change is %s: %v", got.Status, got.Error)
			}
			f.drain()
			f.wantStopWords(want)
			f.ok(f.add("a", `[{"id":2}]`))
		}
		for backed, backend := range backends() {
			t.Run(name+" on "+backed, func(t *testing.T) { run(t, backend) })
		}
	}
}

// Wherever the gateway dies in a change that goes to all nodes at once, one that
// did not take it is found and repaired after the restart, and is not read before.
func TestRule27TwoPhasesAfterACrash(t *testing.T) {
	for _, point := range []string{"settings.read-back", "settings.commit", "settings.committed", "settings.repair"} {
		for backed, backend := range backends() {
			t.Run(point+" on "+backed, func(t *testing.T) {
				b := &between{}
				f := newFleet(t, 3, func(f *fleet) {
					sequentially := sequential(f, b)
					f.adjust = func(o *Options) {
						sequentially(o)
						o.Tuning = func() Tuning { return Tuning{RepairPause: 5 * time.Millisecond} }
					}
				}, []*url.URL{backend(t), backend(t), backend(t)})
				f.ok(f.add("a", `[{"id":1}]`))
				f.drain()
				b.set(misheard("g0-n1"))
				reached := make(chan struct{}, 1000)
				unset := failpoint.Set(point, func() error {
					select {
					case reached <- struct{}{}:
					default:
					}
					return errors.New("killed")
				})
				r, err := f.w.Settings(t.Context(), creating, "a", patch(t, `{"stopWords":["the"]}`))
				if err != nil {
					t.Fatal(err)
				}
				<-reached
				f.w.cancel()
				f.crashWith(func() {
					unset()
					b.set(nil)
				})
				f.ok(r, nil)
				f.eventually("it is repaired", func() bool {
					return f.stopWords("a")[1] == `"the"` && len(f.w.Drifts()) == 0
				})
				f.wantStopWords(`"the"`)
				if ix, _ := f.catalog.Get("a"); ix.SettingsVersion != 2 {
					t.Errorf("settings of version %d", ix.SettingsVersion)
				}
			})
		}
	}
}

// misheard has a node get other stop words than it was sent.
func misheard(id string) func(string, *http.Request) *http.Response {
	return func(to string, r *http.Request) *http.Response {
		if to == id && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/settings") {
			body, _ := io.ReadAll(r.Body)
			text := strings.Replace(string(body), `"the"`, `"eht"`, 1)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
		return nil
	}
}
