package write

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// recover takes up the operations that the journal has and that have not ended:
// their tasks are entered again, and what was not noted as delivered is looked
// for on the nodes before it is sent.
func (w *Writer) recover(open []*journal.Operation) error {
	notes := make(map[uint64]*recovered)
	restored := make([]*operation, 0, len(open))
	all, err := w.restoreAll(open)
	if err != nil {
		return err
	}
	for _, r := range all {
		o, n := r.o, r.n
		w.reenter(o, n)
		restored = append(restored, o)
		notes[o.op] = n
		w.nextOp = max(w.nextOp, o.op+1)
		w.keys.remember(o)
		if o.state == finished && o.bind == nil { // it was cancelled
			w.over = append(w.over, o)
			continue
		}
		w.enlist(o)
		if o.state < finished {
			w.line(o)
		}
	}
	w.blockEnd = max(w.blockEnd, w.nextOp)
	if err := w.removeOrphans(); err != nil {
		return err
	}
	// Marks first: an outbox looks for its node's last task from the start.
	for _, n := range notes {
		for _, m := range n.delivered {
			if have, ok := w.marks[m.Node]; !ok || m.UID > have.UID {
				w.marks[m.Node] = outbox.Mark{UID: m.UID, EnqueuedAt: m.At}
			}
		}
	}
	w.mutex.Lock()
	for _, g := range w.opts.Topology().Groups {
		for _, n := range g.Nodes {
			w.boxWith(n.ID, notes)
		}
	}
	for _, o := range restored {
		if o.bind != nil {
			w.resume(o, notes[o.op])
		}
	}
	w.mutex.Unlock()
	w.wg.Go(func() {
		for _, o := range restored {
			if o.bind != nil {
				w.review(o)
			}
			w.advance(o.Indexes)
		}
	})
	return nil
}

// line puts an operation at the end of the lines of its indexes.
func (w *Writer) line(o *operation) {
	if !o.internal {
		w.byTask[o.Task] = o
	}
	for _, uid := range o.lineUIDs() {
		l := w.lines[uid]
		if l == nil {
			l = &line{uid: uid}
			w.lines[uid] = l
		}
		l.ops = append(l.ops, o)
	}
}

// recovered is what the journal has of an operation's deliveries.
type recovered struct {
	delivered, ended []note
	finished         bool
}

func (w *Writer) boxWith(id string, notes map[uint64]*recovered) {
	var known []uint32
	for _, n := range notes {
		for _, d := range n.delivered {
			if d.Node == id {
				known = append(known, d.UID)
			}
		}
	}
	w.makeBox(id, known)
}

// revived is an operation that was read back from the journal.
type revived struct {
	o *operation
	n *recovered
}

// restoreAll reads operations back, many at once: thousands may wait for a node
// that was away when the gateway ended, and nothing is answered before.
func (w *Writer) restoreAll(open []*journal.Operation) ([]revived, error) {
	all, errs := make([]revived, len(open)), make([]error, len(open))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(open)); i = next.Add(1) - 1 {
				r := &all[i]
				if r.o, r.n, errs[i] = w.restore(open[i]); errs[i] != nil {
					return
				}
				if a, ok := r.o.action.(*addDocuments); ok && r.o.bind != nil {
					_, _ = a.found(w, r.o) // what fails here fails again when it is needed
				}
			}
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// restore makes the operation that a header describes.
func (w *Writer) restore(found *journal.Operation) (*operation, *recovered, error) {
	o := &operation{op: found.Op, durable: true, acked: make(chan struct{}), ended: make(chan struct{})}
	n := &recovered{}
	fail := func(err error) (*operation, *recovered, error) {
		return nil, nil, fmt.Errorf("read operation %d from the journal: %w", found.Op, err)
	}
	if err := json.Unmarshal(found.Header, &o.header); err != nil {
		return fail(err)
	}
	o.action = newAction(o.Kind)
	if o.action == nil {
		return fail(fmt.Errorf("its kind %q is not known", o.Kind))
	}
	if len(o.Params) > 0 {
		if err := json.Unmarshal(o.Params, o.action); err != nil {
			return fail(err)
		}
	}
	o.payload.restore(w, o, found)
	for _, list := range []struct {
		raw  [][]byte
		into *[]note
	}{{found.Delivered, &n.delivered}, {found.Ended, &n.ended}} {
		for _, raw := range list.raw {
			var one note
			if err := json.Unmarshal(raw, &one); err != nil {
				return fail(err)
			}
			*list.into = append(*list.into, one)
		}
	}
	if found.Bound != nil {
		b := new(binding)
		if err := json.Unmarshal(found.Bound, b); err != nil {
			return fail(err)
		}
		b.placement = b.New
		if ix, ok := w.opts.Catalog.ByPhysical(b.Physical); ok && b.New == nil {
			b.placement = ix.Placement
		}
		o.bind, o.state = b, bound
	}
	if found.Finished != nil {
		if err := json.Unmarshal(found.Finished, &o.outcome); err != nil {
			return fail(err)
		}
		n.finished = true
		o.state = finished
	}
	return o, n, nil
}

// reenter enters the task of an operation that was read back.
func (w *Writer) reenter(o *operation, n *recovered) {
	w.opts.Tasks.Add(o.task())
	if !n.finished {
		return
	}
	close(o.ended)
	if err := w.opts.Tasks.Start(o.Task, o.outcome.Started); err == nil {
		w.opts.Tasks.Finish(o.Task, task.Outcome{Status: o.outcome.Status, Details: o.outcome.Details, Error: o.outcome.Error, At: o.outcome.At})
	}
}

// resume gives a bound operation to the outboxes again, in the order of the
// journal, which is the order they had. It is called with the mutex held.
func (w *Writer) resume(o *operation, n *recovered) {
	if o.bind.New != nil && o.state != finished {
		w.reserved[o.bind.Physical] = true
	}
	if o.state == bound {
		o.state = dispatched
	}
	o.startAt = w.opts.Now()
	o.firstAt = make(map[int]time.Time)
	w.narrow(o)
	o.touch()
	if o.state != finished {
		w.wg.Go(func() {
			if err := w.opts.Tasks.Start(o.Task, o.startAt); err != nil {
				w.log.Error("a task could not be started", "task", o.Task, "error", err)
			}
		})
	}
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		t.steps = o.action.steps(w, o, t)
		w.resumeTarget(o, t, n)
	}
}

func (w *Writer) resumeTarget(o *operation, t *target, n *recovered) {
	if t.gone {
		return
	}
	for _, e := range n.ended {
		if e.Node != t.Node {
			continue
		}
		switch {
		case e.Gone:
			t.gone = true
		case e.Lost:
			t.lost = true
		case e.Error != nil:
			t.refusal = e.Error
		default:
			t.done = max(t.done, e.Step+1)
			t.sent = max(t.sent, t.done)
			t.refusal = nil
			t.outcomes = append(t.outcomes, outbox.Outcome{Details: must(e.Detail)})
		}
	}
	if t.applied() {
		w.caughtUp(o, t)
	}
	if t.gone || t.lost || t.applied() {
		return
	}
	if t.refusal != nil && o.state == finished && o.outcome.Status == meili.StatusFailed {
		t.settled = true
		return
	}
	if o.state == finished && (o.outcome.Status == meili.StatusSucceeded || o.bind.Failure != nil) {
		w.missing(o, t) // who saw the task end must not read the node before it has it
	}
	t.refusal = nil // it is asked again
	at := make(map[int]outbox.Mark)
	for _, d := range n.delivered {
		if d.Node == t.Node {
			at[d.Step] = outbox.Mark{UID: d.UID, EnqueuedAt: d.At}
		}
	}
	for _, s := range t.steps[t.done:] {
		if m, ok := at[s.Number]; ok {
			s.Delivery = &m
			t.sent = max(t.sent, s.Number+1)
		} else {
			s.Unsure, s.After = true, t.After
		}
	}
	w.box(t.Node).Push(o.bind.Physical, t.steps[t.done:]...)
}

func newAction(kind string) action {
	switch kind {
	case kindDocuments:
		return &addDocuments{}
	case kindDelete:
		return &deleteDocuments{}
	case kindDeleteAll:
		return &deleteAll{}
	case kindFilter:
		return &deleteByFilter{}
	case kindEdit:
		return &edit{}
	case kindCreate:
		return &createIndex{}
	case kindUpdate:
		return &updateIndex{}
	case kindDeleteIndex:
		return &deleteIndex{}
	case kindSwap:
		return &swap{}
	case kindSettings:
		return &changeSettings{}
	case kindCompact:
		return &compact{}
	case kindSnapshot:
		return &snapshot{}
	}
	return nil
}
