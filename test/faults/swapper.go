package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"
)

// The two indexes that are exchanged over and over.
const (
	left  = "left"
	right = "right"
)

// swapper owns two indexes. It writes to both, changes documents by functions
// and exchanges the indexes. What must not be done twice carries a key.
type swapper struct {
	w       *workload
	rng     *rand.Rand
	sides   map[string]*writer
	crossed bool // each lies where the other one was made
}

func newSwapper(w *workload, rng *rand.Rand) *swapper {
	s := &swapper{w: w, rng: rng, sides: make(map[string]*writer)}
	for _, uid := range []string{left, right} {
		s.sides[uid] = newWriter(w, "swap", uid, rng)
	}
	return s
}

func (s *swapper) run(ctx context.Context) {
	for !s.w.stopped() && ctx.Err() == nil {
		s.step(ctx)
		sleep(ctx, time.Duration(s.rng.Int64N(int64(200*time.Millisecond))))
	}
}

func (s *swapper) step(ctx context.Context) {
	c := s.sides[[]string{left, right}[s.rng.IntN(2)]]
	var o *operation
	switch n := s.rng.IntN(100); {
	case n < 35:
		o = c.adding("POST", "replace", 1+s.rng.IntN(6))
	case n < 55:
		o = c.adding("PUT", "update", 1+s.rng.IntN(6))
	case n < 75:
		o = c.editing()
	case n < 80:
		o = c.clearing()
	default:
		s.swap(ctx, c)
		return
	}
	if _, applied := c.do(ctx, o, s.rng.IntN(2) == 0); applied && len(o.touched) > 0 {
		c.verifyByID(ctx, o, o.touched[s.rng.IntN(len(o.touched))])
	}
}

// swap exchanges the two indexes.
func (s *swapper) swap(ctx context.Context, c *writer) {
	o := &operation{what: "swap", method: "POST", path: "/swap-indexes", careful: true,
		body: []map[string]any{{"indexes": []string{left, right}}}}
	o.apply = func(map[string]document) {
		l, r := s.sides[left], s.sides[right]
		l.docs, r.docs = r.docs, l.docs
		l.ever, r.ever = r.ever, l.ever
		s.crossed = !s.crossed
	}
	c.do(ctx, o, s.rng.IntN(2) == 0)
}

// editing adds to a number in some documents, which shows an edit that was lost
// as well as one that came twice.
func (c *writer) editing() *operation {
	by, rest := 1+c.rng.IntN(9), int64(c.rng.IntN(3))
	o := &operation{what: "edit", method: "POST", path: "/indexes/" + c.index + "/documents/edit", careful: true, body: map[string]any{
		"context":  map[string]any{"by": by},
		"function": fmt.Sprintf("if doc.n %% 3 == %d { doc.times = doc.n + context.by; doc.n += context.by }", rest)}}
	for id, d := range c.docs {
		if int64(d["n"].(int))%3 == rest {
			o.touched = append(o.touched, id)
		}
	}
	o.apply = func(docs map[string]document) {
		for _, id := range o.touched {
			d := maps.Clone(docs[id])
			d["n"] = d["n"].(int) + by
			d["times"] = d["n"]
			docs[id] = d
		}
	}
	return o
}

// made is the name under which an index was made that has another one now.
func (s *swapper) made(uid string) string {
	switch {
	case s.crossed && uid == left:
		return right
	case s.crossed && uid == right:
		return left
	}
	return uid
}
