// Package searchfaults_test holds searches to what they answer while nothing is
// wrong, while nodes are killed, paused, slowed and made to lie.
package searchfaults_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

const documents = 300

var vocabulary = strings.Fields("amber anchor autumn bakery beacon bitter bridge bronze canyon castle clever copper coral crimson")

func word(i int) string { return vocabulary[(i*7919>>2)%len(vocabulary)] }

// stand is a fleet of three nodes with two copies, each behind a proxy.
type stand struct {
	*fleet.Fleet
	proxies []*proxy
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{Fleet: fleet.Start(t, fleet.Mixed)}
	for _, n := range s.Nodes {
		s.proxies = append(s.proxies, startProxy(t, n.URL()))
	}
	s.reload(t)
	s.Write(t, http.MethodPatch, "/indexes/books/settings", `{"filterableAttributes":["topic"],"sortableAttributes":["size","topic"]}`)
	s.add(t, 0, documents)
	s.add(t, 10, 40) // again: their places among the others change
	s.Write(t, http.MethodPost, "/indexes/books/documents/delete-batch", `[3,5,7,150,151]`)
	s.add(t, documents, documents+20)
	return s
}

func (s *stand) caddyfile(options ...string) string {
	text := s.Caddyfile(options...)
	for i, n := range s.Nodes {
		text = strings.ReplaceAll(text, n.URL(), s.proxies[i].URL)
	}
	return text
}

func (s *stand) reload(t *testing.T, options ...string) {
	t.Helper()
	if err := s.Load(s.caddyfile(options...)); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections() // of the server that was replaced
}

func (s *stand) add(t *testing.T, from, to int) {
	t.Helper()
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `%c{"id":%d,"title":"%s %s","topic":"%s","size":%d}`, ",["[boolean(i == from)], i, word(i), word(i/3), word(i%5), i%9)
	}
	if task := s.Write(t, http.MethodPost, "/indexes/books/documents", b.String()+"]"); task.Status != "succeeded" {
		t.Fatalf("adding documents: %+v", task)
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func queries() (list []string) {
	for i := range 12 {
		list = append(list, fmt.Sprintf(`{"q":"%s","limit":15,"facets":["topic"]}`, word(i)),
			fmt.Sprintf(`{"q":"%s %s","showRankingScore":true}`, word(i), word(i * 5)[:3]))
	}
	return append(list, `{}`, `{"sort":["size:desc"],"limit":30}`, `{"filter":"topic = amber","offset":5}`, `{"page":3,"hitsPerPage":25}`,
		`{"offset":250,"limit":10}`, `{"q":"castle","distinct":"topic"}`)
}

// answer is what must be the same whichever nodes answer.
func answer(status int, body []byte) string {
	var m map[string]any
	if status != http.StatusOK || json.Unmarshal(body, &m) != nil {
		return fmt.Sprintf("%d %s", status, body)
	}
	delete(m, "processingTimeMs")
	delete(m, "requestUid")
	out, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// load searches from several connections until it is stopped.
type load struct {
	s     *stand
	right map[string]string
	done  atomic.Int64
	stop  atomic.Bool
	wg    sync.WaitGroup
}

func (s *stand) load(t *testing.T, right map[string]string) *load {
	l := &load{s: s, right: right}
	list := queries()
	for worker := range 4 {
		l.wg.Go(func() {
			for i := worker * 5; !l.stop.Load(); i++ {
				l.search(t, list[i%len(list)])
				l.done.Add(1)
			}
		})
	}
	return l
}

// search asks once and compares.
func (l *load) search(t *testing.T, body string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.s.URL+"/indexes/books/search", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
	request.Header.Set("Content-Type", "application/json")
	start := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Errorf("%s: %v", body, err)
		return
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Errorf("%s: %v", body, err)
		return
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("%s took %v", body, took)
	}
	if d := response.Header.Get("X-Miroir-Degraded"); d != "" {
		t.Errorf("%s is degraded: %s", body, d)
	}
	if got := answer(response.StatusCode, text); got != l.right[body] {
		t.Errorf("%s is answered\n%s\nand while nothing was wrong\n%s", body, got, l.right[body])
	}
}

// more waits until so many more searches were answered.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	until := l.done.Load() + n
	fleet.Eventually(t, "searches go on", func() bool { return l.done.Load() >= until })
}

func (l *load) end() {
	l.stop.Store(true)
	l.wg.Wait()
}

func (s *stand) quiet(t *testing.T) map[string]string {
	right := map[string]string{}
	for _, q := range queries() {
		a := s.Want(t, http.StatusOK, http.MethodPost, "/indexes/books/search", q)
		right[q] = answer(a.Status, a.Body)
	}
	return right
}

// allUp waits until every node may be read again.
func (s *stand) allUp(t *testing.T) {
	t.Helper()
	fleet.Eventually(t, "all nodes are up", func() bool {
		var report struct{ Status string }
		s.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &report)
		return report.Status == "ok"
	})
}

func TestNoSearchNoticesAFault(t *testing.T) {
	s := newStand(t)
	right := s.quiet(t)
	strike := func(name string, begin, end func()) {
		t.Run(name, func(t *testing.T) {
			l := s.load(t, right)
			defer l.end()
			l.more(t, 50)
			begin()
			l.more(t, 150)
			end()
			l.more(t, 50)
		})
	}
	for i, f := range []fault{slow, cut, failing, refusing, garbage, truncated, long, short} {
		p := s.proxies[i%3]
		strike(string(f), func() { p.set(f) }, func() { p.set(none) })
	}
	strike("killed", s.Nodes[0].Kill, s.Nodes[0].Restart)
	s.allUp(t)
	strike("paused", s.Nodes[1].Pause, s.Nodes[1].Resume)
	s.allUp(t)
	for i, p := range s.proxies {
		fleet.Eventually(t, fmt.Sprintf("node %d is of service again", i+1), func() bool {
			before := p.count()
			for n := range 40 {
				s.Want(t, http.StatusOK, http.MethodPost, "/indexes/books/search", fmt.Sprintf(`{"q":"castle","limit":%d}`, n+1))
			}
			return p.count()-before >= 8
		})
	}
}

// walk goes through an index page by page.
type walk struct {
	name, method, path, body string // with the offset, or the page, in it
	step                     int
	pages                    bool
	seen                     []int
	over                     bool
}

func (w *walk) turn(t *testing.T, s *stand, n int) {
	at := n * w.step
	if w.pages {
		at = n + 1
	}
	path, body := w.path, w.body
	if w.body == "" {
		path = fmt.Sprintf(w.path, at)
	} else {
		body = fmt.Sprintf(w.body, at)
	}
	a := s.Want(t, http.StatusOK, w.method, path, body)
	if d := a.Header.Get("X-Miroir-Degraded"); d != "" {
		t.Errorf("%s: page %d is degraded: %s", w.name, n, d)
	}
	var page struct{ Hits, Results []struct{ ID int } }
	a.Decode(t, &page)
	for _, d := range append(page.Hits, page.Results...) {
		w.seen = append(w.seen, d.ID)
	}
	w.over = len(page.Hits)+len(page.Results) == 0
}

func walks() []*walk {
	const search = "/indexes/books/search"
	return []*walk{
		{name: "offset", method: "POST", path: search, body: `{"offset":%d,"limit":23}`, step: 23},
		{name: "offset, sorted", method: "POST", path: search, body: `{"offset":%d,"limit":23,"sort":["size:asc"]}`, step: 23},
		{name: "pages", method: "POST", path: search, body: `{"page":%d,"hitsPerPage":23}`, pages: true},
		{name: "pages, sorted", method: "POST", path: search, body: `{"page":%d,"hitsPerPage":23,"sort":["topic:desc"]}`, pages: true},
		{name: "documents", method: "GET", path: "/indexes/books/documents?offset=%d&limit=23", step: 23},
		{name: "documents, sorted", method: "POST", path: "/indexes/books/documents/fetch", body: `{"offset":%d,"limit":23,"sort":["size:desc"]}`, step: 23},
	}
}

func TestPagesGiveEachDocumentOnceWhileCopiesComeAndGo(t *testing.T) {
	s := newStand(t)
	list := walks()
	down := -1
	for n := 0; slices.ContainsFunc(list, func(w *walk) bool { return !w.over }); n++ {
		switch n % 4 {
		case 1:
			down = n / 4 % 3
			s.Nodes[down].Kill()
		case 3:
			s.Nodes[down].Restart()
			s.allUp(t)
		case 2: // a reload on the way, with other options each time
			s.reload(t, fmt.Sprintf("max_lag %ds", n))
		}
		for _, w := range list {
			if !w.over {
				w.turn(t, s, n)
			}
		}
	}
	for _, w := range list {
		slices.Sort(w.seen)
		if once := slices.Compact(slices.Clone(w.seen)); len(once) != len(w.seen) || len(once) != documents+20-5 {
			t.Errorf("%s: %d documents, of which %d differ, of %d", w.name, len(w.seen), len(once), documents+15)
		}
	}
}
