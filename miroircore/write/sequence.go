package write

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
)

const (
	table = "write"
	// opBlock is how many operation numbers are made durable at once.
	opBlock = 1 << 14
	maxOp   = 1 << 40
)

var opKey = []byte("next")

// take gives operation numbers that no restart gives again. It is called with
// seq held.
func (w *Writer) take(count uint64) (uint64, error) {
	if w.nextOp+count > w.blockEnd {
		end := w.nextOp + count + opBlock
		if end > maxOp {
			return 0, errors.New("no operation numbers are left")
		}
		err := w.opts.Store.Update(func(tx state.Tx) error {
			return tx.Put(table, opKey, binary.BigEndian.AppendUint64(nil, end))
		})
		if err != nil {
			return 0, fmt.Errorf("reserve operation numbers: %w", err)
		}
		w.blockEnd = end
	}
	first := w.nextOp
	w.nextOp += count
	return first, nil
}

// submit gives an operation its place and answers for it: the one way in for
// every kind of write.
func (w *Writer) submit(ctx context.Context, call Call, o *operation) (*Receipt, *meili.Error) {
	started := w.opts.Now()
	o.Create, o.Request, o.Metadata = call.AllowIndexCreation, call.RequestID, call.CustomMetadata
	if o.numbers == 0 {
		o.numbers = 1
	}
	o.acked, o.ended = make(chan struct{}), make(chan struct{})
	if call.IdempotencyKey != "" {
		o.Key, o.Hash = call.IdempotencyKey, o.fingerprint()
		if r, err := w.keys.begin(o); r != nil || err != nil {
			o.payload.discard()
			return r, err
		}
		defer w.keys.settle(o)
	}
	err := w.refuseFrozen(o)
	if err == nil {
		err = w.reachable(o)
	}
	if err != nil {
		o.payload.discard()
		return nil, err
	}
	if err := w.sequence(o); err != nil {
		o.payload.discard()
		return nil, w.refusal(err)
	}
	w.opts.Tasks.Add(o.task())
	w.mutex.Lock()
	o.durable, o.stored = true, true
	w.mutex.Unlock()
	w.advance(o.Indexes)
	o.payload.write(w, o)
	r, err := w.await(ctx, o)
	if err == nil && w.opts.Metrics != nil {
		w.opts.Metrics.Acknowledged(o.Kind, w.opts.Now().Sub(started))
	}
	return r, err
}

// refusal is what a client is told when the journal could not take its write.
func (w *Writer) refusal(err error) *meili.Error {
	switch {
	case errors.Is(err, errClosed):
		return meili.NewError("miroir_starting", "The gateway is shutting down.")
	case errors.Is(spoolError(err), journal.ErrFull): // the state's file is on the same disk
		return meili.NewError("miroir_spool_full", "The gateway's disk is full: the write was not stored.")
	}
	w.log.Error("a write could not be stored", "error", err)
	return meili.NewError("internal", "The write could not be stored: %s.", err)
}

var errClosed = errors.New("the writer is closed")

// sequence gives the operation its numbers and its place in the lines of its
// indexes, and returns when its header is on the disk.
func (w *Writer) sequence(o *operation) error {
	ticket, err := w.enter(o)
	if err != nil {
		return err
	}
	if err = ticket.Durable(); err == nil {
		err = failpoint.Hit("write.header")
	}
	if err != nil {
		w.leave(o)
	}
	return err
}

func (w *Writer) enter(o *operation) (*journal.Ticket, error) {
	w.seq.Lock()
	defer w.seq.Unlock()
	var err error
	if o.op, err = w.take(o.numbers); err != nil {
		return nil, err
	}
	if o.Task, err = w.opts.Tasks.Reserve(); err != nil {
		return nil, err
	}
	o.At = w.opts.Now()
	o.Name = task.NewName(o.Task, w.opts.Now())
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.closed {
		return nil, errClosed
	}
	w.enlist(o)
	w.line(o)
	records := []journal.Record{{Kind: journal.Header, Op: o.op, Body: must(o.header)}}
	if inline := o.payload.inline(); inline != nil {
		records = append(records, journal.Record{Kind: journal.Payload, Op: o.op, Body: inline})
	}
	// Where nothing stands in the way the meaning goes to the disk in the same
	// write as the header.
	if w.mayBind(o) && o.manner != single {
		if fast, ok := o.action.(instant); ok && fast.ready(w, o) {
			b, err := o.action.bind(w, o)
			if err == nil {
				w.bound(o, b)
				records = append(records, journal.Record{Kind: journal.Bound, Op: o.op, Body: must(b)})
			}
		}
	}
	return w.journal.AppendSync(records...), nil
}

// instant is an action that can be bound without taking long.
type instant interface {
	ready(w *Writer, o *operation) bool
}

// lineUIDs are the uids in whose lines the operation stands.
func (o *operation) lineUIDs() []string {
	uids := slices.Clone(o.Indexes)
	slices.Sort(uids)
	return slices.Compact(uids)
}

// leave takes an operation out that never was.
func (w *Writer) leave(o *operation) {
	w.mutex.Lock()
	o.state = finished
	w.forget(o)
	w.strike(o)
	delete(w.byTask, o.Task)
	if o.bind != nil && o.bind.New != nil {
		delete(w.reserved, o.bind.Physical)
	}
	w.mutex.Unlock()
	w.advance(o.Indexes)
}

// forget takes an operation out of its lines.
func (w *Writer) forget(o *operation) {
	for _, uid := range o.lineUIDs() {
		l := w.lines[uid]
		if l == nil {
			continue
		}
		l.ops = slices.DeleteFunc(l.ops, func(other *operation) bool { return other == o })
		if len(l.ops) == 0 && !l.finishing {
			delete(w.lines, uid)
		}
	}
}

// task is the operation as the task table keeps it.
func (o *operation) task() task.Task {
	t := task.Task{UID: o.Task, Name: o.Name, IndexUID: o.indexUID(), Status: meili.StatusEnqueued, Type: o.Type,
		Details: o.Details, EnqueuedAt: o.At, CustomMetadata: o.Metadata}
	if o.Type == meili.TypeIndexSwap {
		t.Swapped = o.Indexes
	}
	return t
}

// mayBind says whether it can be found out now what the operation means: no
// earlier one may change that, and none that it has to wait for is under way.
func (w *Writer) mayBind(o *operation) bool {
	uids := o.lineUIDs()
	earlier := func(fn func(*operation) bool) bool {
		for _, uid := range uids {
			for _, e := range w.lines[uid].ops {
				if e == o {
					break
				}
				if e.state < finished && fn(e) {
					return true
				}
			}
		}
		return false
	}
	if earlier(func(e *operation) bool { return e.state < bound || e.manner == single }) {
		return false
	}
	o.manner = o.action.manner(w, o)
	switch o.manner {
	case single:
		return !earlier(func(*operation) bool { return true })
	case ordered:
		return !earlier(func(e *operation) bool { return e.Kind == kindSettings })
	}
	return true
}

// bound notes what an operation means. It is called with the mutex held.
func (w *Writer) bound(o *operation, b *binding) {
	o.bind, o.state = b, bound
	for i := range b.Targets {
		if m, ok := w.marks[b.Targets[i].Node]; ok {
			b.Targets[i].After = m.UID
		}
	}
	if b.New != nil {
		w.reserved[b.Physical] = true
	}
}

// advance moves the operations of the lines on as far as they can go.
func (w *Writer) advance(uids []string) {
	w.mutex.Lock()
	var ready []*operation
	for _, uid := range uids {
		l := w.lines[uid]
		if l == nil {
			continue
		}
		ready = append(ready, w.walk(l)...)
	}
	if len(uids) == 0 { // operations without an index stand in no line
		for _, o := range w.active {
			if len(o.Indexes) == 0 && o.durable && o.state == sequenced {
				o.state = resolving
				w.wg.Go(func() { w.findMeaning(o) })
			} else if len(o.Indexes) == 0 && o.durable && o.state == bound {
				ready = append(ready, o)
			}
		}
	}
	for _, o := range ready {
		w.dispatch(o)
	}
	w.mutex.Unlock()
	for _, o := range ready {
		w.afterDispatch(o)
	}
}

// walk gives the operations of a line that can be dispatched, and has the next
// one bound.
func (w *Writer) walk(l *line) []*operation {
	var ready []*operation
	for _, o := range l.ops {
		switch o.state {
		case sequenced:
			if o.durable && !o.canceling && !w.closed && w.mayBind(o) {
				o.state = resolving
				if h, ok := o.action.(*hold); ok {
					close(h.turn)
				} else {
					w.wg.Go(func() { w.findMeaning(o) })
				}
			}
			return ready
		case resolving:
			return ready
		case bound:
			if !o.durable {
				return ready
			}
			o.state = dispatched
			ready = append(ready, o)
		}
	}
	return ready
}

// findMeaning binds an operation whose turn came after it was sequenced.
func (w *Writer) findMeaning(o *operation) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		b, err := o.action.bind(w, o)
		if err == nil {
			w.mutex.Lock()
			w.bound(o, b)
			o.state = resolving
			body := must(b)
			w.mutex.Unlock()
			if o.internal {
				break
			}
			if err = failpoint.Hit("write.bind"); err == nil {
				err = w.journal.AppendSync(journal.Record{Kind: journal.Bound, Op: o.op, Body: body}).Durable()
			}
			if err == nil {
				break
			}
		}
		w.log.Error("an operation cannot go on", "op", o.op, "error", err)
		if !w.sleep(wait) {
			return
		}
	}
	w.mutex.Lock()
	o.state = bound
	w.mutex.Unlock()
	w.advance(o.Indexes)
}

func (w *Writer) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.ctx.Done():
		return false
	}
}

// dispatch gives the operation to the outboxes. It is called with the mutex
// held, in the order of the line, so that all outboxes have one order.
func (w *Writer) dispatch(o *operation) {
	o.state = dispatched
	o.startAt = w.opts.Now()
	o.firstAt = make(map[int]time.Time)
	w.narrow(o)
	o.touch()
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		if t.gone {
			continue
		}
		t.steps = o.action.steps(w, o, t)
		if len(t.steps) > 0 {
			w.box(t.Node).Push(o.bind.Physical, t.steps...)
		}
	}
	w.checkQuorum(o) // one that touches nothing has it
	if o.internal {
		w.forget(o) // the outbox keeps its place; nobody else waits for it
	}
}

// afterDispatch tells the task table, and ends an operation that needs no node.
func (w *Writer) afterDispatch(o *operation) {
	if !o.internal {
		if err := w.opts.Tasks.Start(o.Task, o.startAt); err != nil {
			w.log.Error("a task could not be started", "task", o.Task, "error", err)
		}
	}
	w.review(o)
}
