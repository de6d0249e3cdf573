package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// registers is an index of a few documents that several clients write to and
// read at once, so that the order in which operations took effect shows.
const registers = "registers"

// history is what clients saw of the registers, to be held to a model.
type history struct {
	mutex sync.Mutex
	began time.Time
	ops   []porcupine.Operation
	last  map[string]step // the write of each register with the largest uid
}

// The kinds of steps of a register's history. A write takes effect on one copy
// after the other: from its beginning a read may find it, and once its task has
// ended no read may find what was there before.
const (
	beginWrite = iota
	endWrite
	readValue
)

// step is one operation on one register. Value is nothing for a document that
// is not there.
type step struct {
	register string
	kind     int
	value    string
	uid      int64
}

const nothing = "nothing"

func (h *history) add(client int, s step, from, to time.Time) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: s, Call: from.Sub(h.began).Nanoseconds(), Return: to.Sub(h.began).Nanoseconds()})
}

// wrote notes a write whose task is known.
func (h *history) wrote(s step) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.last == nil {
		h.last = make(map[string]step)
	}
	if last, ok := h.last[s.register]; !ok || s.uid > last.uid {
		h.last[s.register] = s
	}
}

// documents are what has to be there in the end, and what ever was.
func (h *history) documents() (want map[string]document, ever map[string]bool) {
	want, ever = make(map[string]document), make(map[string]bool)
	for name, s := range h.last {
		ever[name] = true
		if s.value != nothing {
			want[name] = document{"id": name, "value": s.value}
		}
	}
	return want, ever
}

// register is the state of one document in the model: the value of the last write
// whose task has ended, and of those that have begun and not ended.
type register struct {
	last  string
	uid   int64
	under []string
}

// registerModel is a regular register with writes of several clients, ordered by
// their tasks.
var registerModel = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		by := make(map[string][]porcupine.Operation)
		for _, op := range all {
			name := op.Input.(step).register
			by[name] = append(by[name], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range by {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return register{last: nothing, uid: -1} },
	Step: func(state, input, _ any) (bool, any) {
		r, s := state.(register), input.(step)
		switch s.kind {
		case beginWrite:
			return true, register{r.last, r.uid, append(slices.Clone(r.under), s.value)}
		case endWrite:
			i := slices.Index(r.under, s.value)
			if i < 0 {
				return false, r
			}
			next := register{r.last, r.uid, slices.Delete(slices.Clone(r.under), i, i+1)}
			if s.uid > r.uid {
				next.last, next.uid = s.value, s.uid
			}
			return true, next
		}
		return s.value == r.last || slices.Contains(r.under, s.value), r
	},
	Equal: func(a, b any) bool {
		x, y := a.(register), b.(register)
		return x.last == y.last && x.uid == y.uid && slices.Equal(x.under, y.under)
	},
	DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
}

// taskModel gives each write a task whose uid is larger than that of any write
// acknowledged before it began.
var taskModel = porcupine.Model{
	Init:  func() any { return int64(-1) },
	Step:  func(state, input, _ any) (bool, any) { uid := input.(int64); return uid > state.(int64), uid },
	Equal: func(a, b any) bool { return a == b },
}

// sharer is one of the clients that share the registers.
type sharer struct {
	*writer
	client int
}

func newSharer(w *workload, client int, rng *rand.Rand) *sharer {
	return &sharer{writer: newWriter(w, fmt.Sprintf("share%d", client), registers, rng), client: client}
}

func (c *sharer) run(ctx context.Context) {
	for n := 0; !c.w.stopped() && ctx.Err() == nil; n++ {
		name := fmt.Sprintf("r%d", c.rng.IntN(4))
		if c.rng.IntN(3) > 0 {
			c.look(ctx, name)
		} else {
			c.put(ctx, name, n)
		}
		sleep(ctx, time.Duration(c.rng.Int64N(int64(4*c.pause))))
	}
}

// put writes a value that no other write has, or deletes the document. Where a
// deletion and another of another client would look alike, the model takes either.
func (c *sharer) put(ctx context.Context, name string, n int) {
	value := fmt.Sprintf("%s %d", c.name, n)
	o := &operation{what: "put", method: "PUT", path: "/indexes/" + registers + "/documents", body: []document{{"id": name, "value": value}}, careful: true}
	if c.rng.IntN(6) == 0 {
		value = nothing
		o = &operation{what: "remove", method: "DELETE", path: "/indexes/" + registers + "/documents/" + name, careful: true}
	}
	h, from := &c.w.history, time.Now()
	uid, _ := c.do(ctx, o, false)
	if ctx.Err() != nil {
		return
	}
	// The beginning took effect at some time up to the end: until the task is seen
	// to end it may be late.
	acknowledged := time.Now()
	c.awaitEnd(ctx, uid)
	h.add(c.client, step{name, beginWrite, value, uid}, from, acknowledged)
	h.add(c.client, step{name, endWrite, value, uid}, acknowledged, time.Now())
	h.wrote(step{name, endWrite, value, uid})
}

// awaitEnd waits until a task is seen to end, through whatever there is between.
func (c *sharer) awaitEnd(ctx context.Context, uid int64) {
	for ctx.Err() == nil {
		var t struct{ Status string }
		a := c.w.ask.ask(ctx, "GET", fmt.Sprintf("/tasks/%d", uid), nil)
		if a.into(&t) == nil && final(t.Status) {
			return
		}
		if c.w.stopped() && time.Since(c.w.ended) > time.Minute {
			c.w.record.violate("task %d has not ended a minute after everything was healed", uid)
			return
		}
		sleep(ctx, 10*time.Millisecond)
	}
}

func (c *sharer) look(ctx context.Context, name string) {
	from := time.Now()
	a := c.w.ask.ask(ctx, "GET", "/indexes/"+registers+"/documents/"+name, nil)
	c.w.read("get "+name, a)
	got := document{}
	value := nothing
	switch err := a.into(&got); {
	case a.excused || a.header.Get("X-Miroir-Degraded") != "":
		return // it says that it comes from a copy that is behind
	case err == nil:
		value, _ = got["value"].(string)
	case a.status != http.StatusNotFound:
		return
	}
	c.w.history.add(c.client, step{name, readValue, value, 0}, from, time.Now())
}

// checkHistories holds what clients saw to the models.
func (w *workload) checkHistories() {
	const patience = time.Minute
	result := porcupine.CheckOperationsTimeout(registerModel, w.history.ops, patience)
	w.verdict.steps = len(w.history.ops)
	if result != porcupine.Ok {
		w.verdict.disordered++
		w.record.violate("%d reads and writes of documents that are shared have no order that explains them (%s)", len(w.history.ops), result)
	}
	// Uids across pieces are compared where writes are acknowledged: whole
	// histories of hours would take the checker hours.
	const piece = 1000
	ops := slices.Clone(w.record.tasks)
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	for part := range slices.Chunk(ops, piece) {
		if result := porcupine.CheckOperationsTimeout(taskModel, part, patience); result != porcupine.Ok {
			w.verdict.disordered++
			w.record.violate("the uids of %d tasks have no order that explains them (%s)", len(part), result)
		}
	}
}
