package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// keeper only adds documents, so that searchers know what has to be found.
type keeper struct {
	*writer
	mutex   sync.Mutex
	applied int // documents that were seen to be applied
	begun   int // documents that may be there
}

func newKeeper(w *workload, name string, rng *rand.Rand) *keeper {
	k := &keeper{writer: newWriter(w, name, index, rng)}
	k.pause = 15 * time.Millisecond
	return k
}

func (k *keeper) run(ctx context.Context) {
	for !k.w.stopped() && ctx.Err() == nil {
		size := 1 + k.rng.IntN(3)
		if k.rng.IntN(20) == 0 {
			size = 100
		}
		list := make([]document, size)
		o := &operation{what: "add", method: "POST", path: "/indexes/" + index + "/documents", body: list}
		for i := range list {
			n := k.begun + i
			list[i] = document{"id": fmt.Sprintf("%s-%d", k.name, n), "owner": k.name, "n": n, "word": k.word(n)}
			o.touched = append(o.touched, list[i]["id"].(string))
		}
		o.apply = func(docs map[string]document) {
			for _, d := range list {
				docs[d["id"].(string)] = d
			}
		}
		k.mutex.Lock()
		k.begun += size
		all := k.begun
		k.mutex.Unlock()
		if _, applied := k.do(ctx, o, k.rng.IntN(4) == 0); applied {
			k.mutex.Lock()
			k.applied = all // earlier ones ended before
			k.mutex.Unlock()
			k.verify(ctx, o)
		}
		sleep(ctx, time.Duration(k.rng.Int64N(int64(2*k.pause))))
	}
}

func (k *keeper) word(n int) string { return word(k.name[len(k.name)-1]-'0'+'k', n) }

func (k *keeper) bounds() (applied, begun int) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.applied, k.begun
}

// cycler makes an index, fills it and deletes it again.
type cycler struct {
	*writer
	exists bool
}

func newCycler(w *workload, rng *rand.Rand) *cycler {
	c := &cycler{writer: newWriter(w, "cycle", cycle, rng)}
	return c
}

func (c *cycler) run(ctx context.Context) {
	for !c.w.stopped() && ctx.Err() == nil {
		c.round(ctx)
		sleep(ctx, time.Duration(c.rng.Int64N(int64(time.Second))))
	}
}

// round is one life of the index. Keys keep a repeated creation or deletion
// from being another one.
func (c *cycler) round(ctx context.Context) {
	o := &operation{what: "create", method: "POST", path: "/indexes", body: map[string]any{"uid": cycle, "primaryKey": "id"}, careful: true}
	if c.exists {
		o = &operation{what: "delete index", method: "DELETE", path: "/indexes/" + cycle, careful: true,
			apply: func(docs map[string]document) { clear(docs) }}
	}
	c.do(ctx, o, c.rng.IntN(2) == 0)
	c.exists = !c.exists
	if !c.exists {
		return
	}
	for range 1 + c.rng.IntN(4) {
		if c.w.stopped() {
			return
		}
		o := c.adding("POST", "replace", 1+c.rng.IntN(20))
		touched := o.touched
		if c.rng.IntN(8) == 0 {
			o = c.clearing()
		}
		if _, applied := c.do(ctx, o, c.rng.IntN(2) == 0); applied {
			c.verifyByID(ctx, o, touched[c.rng.IntN(len(touched))])
		}
	}
}

// tuner changes settings now and then, such as no other user looks at.
type tuner struct {
	*writer
	wanted map[string]any // the last value of each setting
}

func newTuner(w *workload, rng *rand.Rand) *tuner {
	return &tuner{writer: newWriter(w, "tuner", index, rng), wanted: make(map[string]any)}
}

func (t *tuner) run(ctx context.Context) {
	for n := 1; sleep(ctx, time.Duration(500+t.rng.IntN(2500))*time.Millisecond) && !t.w.stopped(); n++ {
		name, value := "stopWords", any([]string{fmt.Sprintf("stop%d", n)})
		switch t.rng.IntN(3) {
		case 0:
			name, value = "synonyms", map[string][]string{"one": {fmt.Sprintf("other%d", n)}}
		case 1:
			name, value = "sortableAttributes", []string{"n", fmt.Sprintf("sorted%d", n%5)}
		}
		o := &operation{what: "settings", method: "PATCH", path: "/indexes/" + index + "/settings",
			body: map[string]any{name: value}, careful: true, apply: func(map[string]document) { t.wanted[name] = value }}
		t.do(ctx, o, t.rng.IntN(2) == 0)
	}
}

// searcher searches for what is known to be there.
type searcher struct {
	w   *workload
	rng *rand.Rand
}

func (s *searcher) run(ctx context.Context) {
	for sleep(ctx, time.Duration(s.rng.Int64N(int64(20*time.Millisecond)))) {
		k := s.w.keepers[s.rng.IntN(len(s.w.keepers))]
		applied, _ := k.bounds()
		if applied == 0 {
			continue
		}
		switch s.rng.IntN(4) {
		case 0:
			s.counts(ctx, k, applied)
		case 1:
			s.pages(ctx, k, applied)
		default:
			s.finds(ctx, k, applied)
		}
	}
}

// search sends a search and counts it. It gives nil where there is nothing to
// look at.
func (s *searcher) search(ctx context.Context, what string, body map[string]any) *hits {
	a := s.w.ask.ask(ctx, "POST", "/indexes/"+index+"/search", body)
	if ctx.Err() != nil {
		return nil
	}
	s.w.read("search for "+what, a)
	r := s.w.record
	switch {
	case a.excused || a.err != nil || a.status >= 500 || r.degraded(a):
		return nil
	case a.status != 200:
		r.violate("a search for %s was answered %s", what, a)
		return nil
	}
	h := new(hits)
	if err := a.into(h); err != nil {
		r.violate("a search for %s: %s", what, err)
		return nil
	}
	return h
}

type hits struct {
	Hits []struct {
		ID string
		N  int
	}
	TotalHits int
}

// read counts a read and notes how it went.
func (w *workload) read(what string, a *answer) {
	r := w.record
	r.count(&r.searches)
	switch {
	case a.excused:
		return
	case a.resent:
		r.count(&r.resent)
	}
	r.mutex.Lock()
	r.longest = max(r.longest, a.took)
	r.mutex.Unlock()
	if a.failed() {
		r.count(&r.failed)
		r.violate("read failed: %s: %s", what, a)
	}
}

// missed notes a search that did not show what had been applied before.
func (s *searcher) missed(format string, args ...any) {
	s.w.record.count(&s.w.record.stale)
	s.w.record.violate(format, args...)
}

func (s *searcher) finds(ctx context.Context, k *keeper, applied int) {
	n := s.rng.IntN(applied)
	if s.rng.IntN(2) == 0 {
		n = applied - 1 - s.rng.IntN(min(applied, 20))
	}
	what := fmt.Sprintf("%s, which is document %d of %s", k.word(n), n, k.name)
	h := s.search(ctx, what, map[string]any{"q": `"` + k.word(n) + `"`})
	if h != nil && (len(h.Hits) != 1 || h.Hits[0].N != n) {
		s.missed("a search for %s, applied before, found %v", what, h.Hits)
	}
}

func (s *searcher) counts(ctx context.Context, k *keeper, applied int) {
	h := s.search(ctx, "all of "+k.name, map[string]any{"filter": fmt.Sprintf("owner = %s", k.name), "hitsPerPage": 1})
	if _, begun := k.bounds(); h != nil && (h.TotalHits < applied || h.TotalHits > begun) {
		s.missed("%s has %d documents by search, not %d to %d", k.name, h.TotalHits, applied, begun)
	}
}

// pages reads a range in pages: each document once, in order.
func (s *searcher) pages(ctx context.Context, k *keeper, applied int) {
	const size = 20
	from := max(0, applied-3*size-s.rng.IntN(applied))
	to := min(applied, from+3*size)
	next := from
	for offset := 0; from+offset < to; offset += size {
		h := s.search(ctx, "pages of "+k.name, map[string]any{"offset": offset, "limit": size, "sort": []string{"n:asc"},
			"filter": fmt.Sprintf("owner = %s AND n >= %d AND n < %d", k.name, from, to)})
		if h == nil {
			return
		}
		for _, hit := range h.Hits {
			if hit.N != next {
				s.missed("pages of %s from %d to %d: document %d where %d belongs", k.name, from, to, hit.N, next)
				return
			}
			next++
		}
	}
	if next != to {
		s.missed("pages of %s from %d to %d end at %d", k.name, from, to, next)
	}
}
