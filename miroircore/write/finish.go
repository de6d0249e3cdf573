package write

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
)

// linesToFinish gives the lines in which the operation may now be the next to
// finish. It is called with the mutex held.
func (w *Writer) linesToFinish(o *operation) []*line {
	uids := o.lineUIDs()
	if len(uids) == 0 || o.internal {
		if o.state == decided && !o.waiting {
			o.waiting = true
			l := &line{ops: []*operation{o}, finishing: true}
			return []*line{l}
		}
		return nil
	}
	l := w.lines[uids[0]]
	if l == nil || l.finishing || !w.nextToFinish(l) {
		return nil
	}
	l.finishing = true
	return []*line{l}
}

// nextToFinish says whether some operation of the line can finish. Tasks of an
// index end in their order, unless an earlier one hangs on copies that are away.
func (w *Writer) nextToFinish(l *line) bool { return w.pickFinish(l) != nil }

func (w *Writer) pickFinish(l *line) *operation {
	for _, o := range l.ops {
		if o.state == ending {
			continue
		}
		if o.state == decided && !w.closed {
			return o
		}
		if o.state != dispatched || !w.hangs(o) {
			return nil
		}
	}
	return nil
}

// hangs says whether an operation waits only for nodes that are away.
func (w *Writer) hangs(o *operation) bool {
	return o.manner == flowing && !slices.ContainsFunc(o.bind.Targets, func(t target) bool {
		return !t.over() && w.mayRead(t.Node, o.bind.Physical, t.Shards)
	})
}

// finishLine ends the tasks of a line one after the other.
func (w *Writer) finishLine(l *line) {
	for {
		w.mutex.Lock()
		o := w.pickFinish(l)
		if o == nil {
			l.finishing = false
			if len(l.ops) == 0 && w.lines[l.uid] == l {
				delete(w.lines, l.uid)
			}
			w.mutex.Unlock()
			return
		}
		w.mutex.Unlock()
		if !w.finish(o) {
			w.mutex.Lock()
			l.finishing = false
			w.mutex.Unlock()
			return
		}
		if l.uid == "" {
			return
		}
	}
}

// finish makes an operation's outcome known: to the catalog, the journal, and
// then the task table and those who wait.
func (w *Writer) finish(o *operation) bool {
	out := o.outcome
	if err := failpoint.Hit("write.commit"); err != nil {
		return false
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		details, err := w.commit(o, &out)
		if err == nil {
			out.Details = details
			break
		}
		w.log.Error("the outcome of an operation cannot be stored", "op", o.op, "error", err)
		if !w.sleep(wait) {
			return false
		}
	}
	out.At = w.opts.Now()
	if err := failpoint.Hit("write.finish"); err != nil {
		return false
	}
	if o.internal {
		w.show(o, out)
		return true
	}
	record := journal.Record{Kind: journal.Finished, Op: o.op, Body: must(out)}
	w.mutex.Lock()
	o.state = ending
	w.endings = append(w.endings, &end{o, out, record, w.journal.Append(record)})
	if !w.showing {
		w.showing = true
		w.wg.Go(w.showEnds)
	}
	w.mutex.Unlock()
	return true
}

// end is an outcome on its way to the journal.
type end struct {
	o      *operation
	out    finish
	record journal.Record
	ticket *journal.Ticket
}

// showEnds lets outcomes be seen once the journal has them, in their order. One
// that was seen and then forgotten by a crash could turn out otherwise.
func (w *Writer) showEnds() {
	for {
		w.mutex.Lock()
		ends := w.endings
		w.endings = nil
		if len(ends) == 0 {
			w.showing = false
			w.mutex.Unlock()
			return
		}
		w.mutex.Unlock()
		for _, e := range ends {
			if !w.keep(e) || failpoint.Hit("write.show") != nil {
				continue // it ends after the next start
			}
			w.show(e.o, e.out)
		}
	}
}

// keep waits until the journal has an outcome, however long its disk is full.
func (w *Writer) keep(e *end) bool {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := e.ticket.Written()
		if err == nil {
			return true
		}
		w.log.Error("the end of an operation cannot be stored", "op", e.o.op, "error", err)
		if errors.Is(err, journal.ErrClosed) || !w.sleep(wait) {
			return false
		}
		e.ticket = w.journal.Append(e.record)
	}
}

// show makes an outcome known to the task table and those who wait.
func (w *Writer) show(o *operation, out finish) {
	if !o.internal {
		w.opts.Tasks.Finish(o.Task, task.Outcome{Status: out.Status, Details: out.Details, Error: out.Error, At: out.At})
		if w.opts.Metrics != nil {
			w.opts.Metrics.Ended(o.Kind, out.Status)
		}
	}
	w.mutex.Lock()
	o.outcome = out
	o.state = finished
	w.forget(o)
	if !o.internal {
		delete(w.byTask, o.Task)
	}
	if o.bind.New != nil {
		delete(w.reserved, o.bind.Physical)
	}
	closed := w.closeIfOver(o)
	if !closed {
		o.slim()
	}
	close(o.ended)
	w.mutex.Unlock()
	w.advance(o.Indexes)
	w.review(o)
	if closed {
		w.letGo(o)
	}
}

// commit changes the catalog and gives the task's details.
func (w *Writer) commit(o *operation, out *finish) (json.RawMessage, error) {
	if out.Status == meili.StatusFailed {
		if keep, ok := o.action.(lasting); ok {
			if err := keep.commitFailed(w, o); err != nil {
				return nil, err
			}
		}
		if out.Error != o.bind.Failure {
			if ix, ok := w.opts.Catalog.ByPhysical(o.bind.Physical); ok {
				out.Error = index.Scrub(ix, out.Error)
			}
			if a, ok := o.action.(*edit); ok {
				out.Error = a.failure(o, out.Error)
			}
		}
		return o.action.failed(o), nil
	}
	return o.action.commit(w, o)
}

// closeIfOver says whether nothing is left to do for a finished operation. It is
// called with the mutex held.
func (w *Writer) closeIfOver(o *operation) bool {
	for i := range o.bind.Targets {
		if !o.bind.Targets[i].over() {
			return false
		}
	}
	if w.ops[o.op] == nil {
		return false
	}
	w.strike(o)
	return true
}

// letGo gives up what was kept for an operation that is over everywhere. Its
// records are closed when the task table has been written: until then only they
// know how its task ended.
func (w *Writer) letGo(o *operation) {
	if o.internal {
		return
	}
	if c, ok := o.action.(interface{ closed(*Writer, *operation) }); ok && o.bind != nil {
		c.closed(w, o)
	}
	w.keys.remember(o)
	w.mutex.Lock()
	o.slim()
	w.over = append(w.over, o)
	w.mutex.Unlock()
}

// closeOver closes the operations that are over everywhere.
func (w *Writer) closeOver() {
	w.mutex.Lock()
	over := w.over
	w.over = nil
	w.mutex.Unlock()
	err := w.saveDrift()
	if len(over) == 0 && err == nil {
		return
	}
	if err == nil {
		err = w.opts.Tasks.Flush()
	}
	if err == nil {
		err = failpoint.Hit("write.close")
	}
	if err != nil {
		w.log.Error("ended operations could not be closed", "error", err)
		w.mutex.Lock()
		w.over = append(over, w.over...)
		w.mutex.Unlock()
		return
	}
	records := make([]journal.Record, len(over))
	for i, o := range over {
		records[i] = journal.Record{Kind: journal.Closed, Op: o.op}
		o.payload.discard()
	}
	w.journal.Append(records...)
}
