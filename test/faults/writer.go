package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// seeded gives a generator of its own to everybody who draws.
func seeded(seed uint64, who int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(who)))
}

// operation is one write and what it means for the model.
type operation struct {
	what, method, path string
	body               any
	touched            []string
	apply              func(docs map[string]document)
	fails              bool // its task has to fail and change nothing
	careful            bool // it must not be done twice: it carries a key
}

// writer owns a range of ids and writes to them, one operation after the other,
// so that it knows what every document has to be.
type writer struct {
	w     *workload
	name  string
	index string
	rng   *rand.Rand
	docs  map[string]document
	ever  map[string]bool // ids that were written at some time
	count int
	pause time.Duration
}

func newWriter(w *workload, name, index string, rng *rand.Rand) *writer {
	return &writer{w: w, name: name, index: index, rng: rng, docs: make(map[string]document), ever: make(map[string]bool), pause: 10 * time.Millisecond}
}

func (c *writer) run(ctx context.Context) {
	for !c.w.stopped() && ctx.Err() == nil {
		o := c.draw()
		wait := c.rng.IntN(3) == 0
		if _, applied := c.do(ctx, o, wait); applied && len(o.touched) > 0 {
			c.verify(ctx, o)
		}
		sleep(ctx, time.Duration(c.rng.Int64N(int64(2*c.pause))))
	}
}

const ids = 120 // of each writer

func (c *writer) id() string { return fmt.Sprintf("%s-%d", c.name, c.rng.IntN(ids)) }

// draw makes up the next operation.
func (c *writer) draw() *operation {
	documents := "/indexes/" + c.index + "/documents"
	switch n := c.rng.IntN(100); {
	case n < 35:
		return c.adding("POST", "replace", 1+c.rng.IntN(8))
	case n < 65:
		return c.adding("PUT", "update", 1+c.rng.IntN(8))
	case n < 77:
		id := c.id()
		return &operation{what: "delete one", method: "DELETE", path: documents + "/" + id, touched: []string{id}, apply: remove(id)}
	case n < 85:
		some := []string{c.id(), c.id(), c.id()}
		return &operation{what: "delete batch", method: "POST", path: documents + "/delete-batch", body: some, touched: some, apply: remove(some...)}
	case n < 95:
		return c.filtered(documents + "/delete")
	case n < 98:
		return &operation{what: "bad document", method: "POST", path: documents, body: []document{{"id": c.id(), "n": -1}, {"n": -1}}, fails: true}
	default:
		return &operation{what: "bad filter", method: "POST", path: documents + "/delete", body: map[string]any{"filter": "word = x"}, fails: true}
	}
}

func remove(ids ...string) func(map[string]document) {
	return func(docs map[string]document) {
		for _, id := range ids {
			delete(docs, id)
		}
	}
}

// adding replaces or updates documents. Updates set one of several fields each,
// so that one that was lost, or came twice in the wrong place, shows.
func (c *writer) adding(method, what string, size int) *operation {
	c.count++
	o := &operation{what: what, method: method, path: "/indexes/" + c.index + "/documents?primaryKey=id"}
	list := make([]document, 0, size)
	for range size {
		id := c.id()
		d := document{"id": id, "owner": c.name, "n": c.count}
		if method == "POST" {
			d["batch"] = c.batch()
			d["word"] = word('z', c.rng.IntN(1000))
		} else {
			d[fmt.Sprintf("field%d", c.rng.IntN(6))] = fmt.Sprintf("%s %d", c.name, c.count)
			if c.rng.IntN(4) == 0 {
				d["batch"] = c.batch()
			}
		}
		c.ever[id] = true
		list, o.touched = append(list, d), append(o.touched, id)
	}
	o.body = list
	o.apply = func(docs map[string]document) {
		for _, d := range list {
			id := d["id"].(string)
			if method == "PUT" && docs[id] != nil {
				merged := maps.Clone(docs[id])
				maps.Copy(merged, d)
				docs[id] = merged
				continue
			}
			docs[id] = d
		}
	}
	return o
}

// clearing deletes all documents of the index.
func (c *writer) clearing() *operation {
	return &operation{what: "delete all", method: "DELETE", path: "/indexes/" + c.index + "/documents",
		apply: func(docs map[string]document) { clear(docs) }}
}

func (c *writer) batch() string { return fmt.Sprintf("%s-batch%d", c.name, c.rng.IntN(12)) }

// filtered deletes by a filter that matches only the writer's own documents.
func (c *writer) filtered(path string) *operation {
	batch := c.batch()
	o := &operation{what: "delete by filter", method: "POST", path: path, body: map[string]any{"filter": fmt.Sprintf("batch = %q", batch)}}
	for id, d := range c.docs {
		if d["batch"] == batch {
			o.touched = append(o.touched, id)
		}
	}
	slices.Sort(o.touched)
	o.apply = func(docs map[string]document) {
		maps.DeleteFunc(docs, func(_ string, d document) bool { return d["batch"] == batch })
	}
	return o
}

// word gives each number a word of its own, of which none is a prefix of another.
func word(first byte, n int) string {
	b := []byte{first, 0, 0, 0, 0}
	for i := len(b) - 1; i > 0; i-- {
		b[i] = 'a' + byte(n%26)
		n /= 26
	}
	return string(b)
}

// do brings an operation to its acknowledgement, however often it takes. It
// gives the task, and whether the task was seen to end.
func (c *writer) do(ctx context.Context, o *operation, wait bool) (uid int64, applied bool) {
	r := c.w.record
	var header []string
	if wait {
		header = append(header, "X-Miroir-Wait", "5s")
	}
	if o.careful || c.rng.IntN(2) == 0 {
		header = append(header, "Idempotency-Key", fmt.Sprintf("%s-%d-%d", c.name, c.w.opts.seed, c.rng.Uint64()))
	}
	keyed := slices.Contains(header, "Idempotency-Key")
	floor, first, name := r.floor(), time.Now(), ""
	for attempt := 0; ctx.Err() == nil; attempt++ {
		a := c.w.ask.ask(ctx, o.method, o.path, o.body, header...)
		if keyed && a.header.Get("X-Miroir-Task") != "" {
			if name != "" && name != a.header.Get("X-Miroir-Task") {
				r.violate("%s %s with one Idempotency-Key became two tasks, %s and %s", c.name, o.what, name, a.header.Get("X-Miroir-Task"))
			}
			name = a.header.Get("X-Miroir-Task")
		}
		var t struct {
			UID     *int64 `json:"uid"`
			TaskUID *int64 `json:"taskUid"`
			Status  string
			Error   json.RawMessage
		}
		if err := a.into(&t); err == nil && a.status == 202 && (t.UID != nil || t.TaskUID != nil) {
			if t.UID == nil {
				t.UID = t.TaskUID
			}
			c.w.opts.log("%s %s: task %d %s after %s", c.name, o.what, *t.UID, t.Status, time.Since(first).Round(time.Millisecond))
			c.acknowledge(o, *t.UID, floor, first, wait)
			applied = c.seen(o, *t.UID, t.Status, a)
			if keyed && c.rng.IntN(8) == 0 {
				c.replay(ctx, o, *t.UID, header)
			}
			return *t.UID, applied
		}
		c.w.opts.log("%s %s: %s (excused %t)", c.name, o.what, a, a.excused)
		switch {
		case a.err == nil && a.status < 500:
			r.violate("%s %s was answered %s", c.name, o.what, a)
			return 0, false
		case a.err == nil && !a.excused && !r.mayRefuse(a):
			r.violate("%s %s was answered %s", c.name, o.what, a)
			r.count(&r.refused)
		case !a.excused && !a.reloaded:
			r.count(&r.refused)
		}
		if c.w.stopped() && time.Since(c.w.ended) > 30*time.Second {
			r.violate("%s %s is not acknowledged though everything was healed: %s", c.name, o.what, a)
			return 0, false
		}
		r.count(&r.repeated)
		sleep(ctx, 20*time.Millisecond)
	}
	return 0, false
}

// replay sends an acknowledged write again under its Idempotency-Key: it is the
// same task, and another body under that key is refused.
func (c *writer) replay(ctx context.Context, o *operation, uid int64, header []string) {
	r := c.w.record
	a := c.w.ask.ask(ctx, o.method, o.path, o.body, header...)
	if a.err != nil || a.status >= 500 {
		return // it was the gateway's turn to be away, and the answer is known
	}
	r.count(&r.replayed)
	var t struct {
		UID     *int64 `json:"uid"`
		TaskUID *int64 `json:"taskUid"`
	}
	if a.into(&t) != nil || (t.UID == nil || *t.UID != uid) && (t.TaskUID == nil || *t.TaskUID != uid) {
		r.violate("%s %s, task %d, was sent again with its Idempotency-Key and answered %s", c.name, o.what, uid, a)
	}
	if _, list := o.body.([]document); !list || !strings.Contains(o.path, "/documents") {
		return
	}
	other := c.w.ask.ask(ctx, o.method, o.path, []document{{"id": c.id(), "n": -2}}, header...)
	if other.err == nil && other.status < 500 && other.status != http.StatusConflict {
		r.violate("%s: another body under the key of task %d was answered %s", c.name, uid, other)
	}
}

// acknowledge changes the model. How long the acknowledgement took counts only
// for writes of documents that did not ask to wait for their task.
func (c *writer) acknowledge(o *operation, uid, floor int64, first time.Time, waited bool) {
	began := first
	if waited || o.careful {
		first = time.Now()
	}
	c.w.record.acknowledged(o.what, uid, floor, o.fails, began, first)
	if o.apply != nil {
		o.apply(c.docs)
	}
}

// seen notes how a task ended, where the answer said so.
func (c *writer) seen(o *operation, uid int64, status string, a *answer) bool {
	if !final(status) {
		return false
	}
	c.w.record.status(uid, status, a.began)
	if (status == "failed") != o.fails || status == "canceled" {
		c.w.record.violate("%s %s: %s", c.name, o.what, a)
		return false
	}
	return true
}

// verify reads some of what was written: whoever has seen a task end reads its
// effect.
func (c *writer) verify(ctx context.Context, o *operation) {
	id := o.touched[c.rng.IntN(len(o.touched))]
	r := c.w.record
	if c.rng.IntN(2) == 0 {
		c.verifyByID(ctx, o, id)
		return
	}
	a := c.w.ask.ask(ctx, "POST", "/indexes/"+c.index+"/search", map[string]any{"filter": fmt.Sprintf("id = %q", id)})
	c.w.read("search for "+id, a)
	var page struct{ Hits []document }
	if a.into(&page) != nil {
		return
	}
	var got document
	if len(page.Hits) > 0 {
		got = page.Hits[0]
	}
	if len(page.Hits) > 1 {
		r.violate("a search by the id %s has %d hits", id, len(page.Hits))
	}
	c.compare(o, id, got, a)
}

// verifyByID reads a document without a filter.
func (c *writer) verifyByID(ctx context.Context, o *operation, id string) {
	a := c.w.ask.ask(ctx, "GET", "/indexes/"+c.index+"/documents/"+id, nil)
	c.w.read("get "+id, a)
	var got document
	if a.status == http.StatusNotFound || a.into(&got) == nil {
		c.compare(o, id, got, a)
	}
}

// compare holds a document that was read to the model.
func (c *writer) compare(o *operation, id string, got document, a *answer) {
	if a.excused || c.w.record.degraded(a) || canonical(got) == canonical(c.docs[id]) {
		return
	}
	c.w.record.count(&c.w.record.stale)
	c.w.record.violate("after %s had ended, %s read %s, not %s", o.what, id, canonical(got), canonical(c.docs[id]))
}

// canonical is a document as text: names in order, hidden fields gone.
func canonical(d document) string {
	if d == nil {
		return "nothing"
	}
	text, err := json.Marshal(visible(d))
	if err != nil {
		return err.Error()
	}
	return string(text)
}
