package write

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// note is the body of the journal's delivered and ended records.
type note struct {
	Node   string       `json:"node"`
	Step   int          `json:"step"`
	UID    uint32       `json:"uid,omitempty"`
	At     string       `json:"at,omitempty"`
	Error  *meili.Error `json:"error,omitempty"`
	Gone   bool         `json:"gone,omitempty"`
	Lost   bool         `json:"lost,omitempty"`
	Detail any          `json:"detail,omitempty"`
}

// Enqueued implements outbox.Events.
func (w *Writer) Enqueued(id, _ string, s *outbox.Step, at outbox.Mark) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if m, ok := w.marks[id]; !ok || at.UID > m.UID {
		w.marks[id] = at
	}
	o := w.ops[s.Op]
	if o == nil {
		return
	}
	w.journal.Append(journal.Record{Kind: journal.Delivered, Op: o.op, Body: must(note{Node: id, Step: s.Number, UID: at.UID, At: at.EnqueuedAt})})
	t := o.target(id)
	t.sent = max(t.sent, s.Number+1)
	w.checkQuorum(o)
}

// Ended implements outbox.Events.
func (w *Writer) Ended(id, _ string, s *outbox.Step, out outbox.Outcome) {
	w.mutex.Lock()
	o := w.ops[s.Op]
	if o == nil {
		w.mutex.Unlock()
		return
	}
	w.journal.Append(journal.Record{Kind: journal.Ended, Op: o.op, Body: must(note{Node: id, Step: s.Number, Error: out.Error, Gone: out.Gone, Lost: out.Lost, Detail: out.Details})})
	t := o.target(id)
	switch {
	case out.Gone:
		t.gone = true
		w.stale[id] = true
	case out.Lost:
		t.lost = true
	case out.Error != nil:
		t.refusal, t.refused = out.Error, s
	default:
		t.done = max(t.done, s.Number+1)
		t.sent = max(t.sent, t.done)
		t.refusal, t.refused = nil, nil
		t.outcomes = append(t.outcomes, out)
		if o.state >= decided && o.outcome.Status == meili.StatusFailed && o.outcome.Error != o.bind.Failure {
			w.log.Error("a node applied what the others refused: the index has to be resynchronised there", "node", id, "index", o.bind.Physical, "op", o.op)
			w.standing(place{id, o.bind.Physical}).drift = true
		}
		if t.applied() {
			w.caughtUp(o, t)
		}
	}
	w.checkQuorum(o)
	if o.state == finished {
		o.slim()
		if o.Kind == kindSettings && t.applied() && w.newest[o.bind.Physical] == o.op && !w.closed {
			w.wg.Go(func() { w.checkSettings(o) }) // it has them now
		}
	}
	w.mutex.Unlock()
	w.review(o)
}

// slim gives back the memory of an operation that only waits for nodes that are
// away: it is made anew when they are back.
func (o *operation) slim() {
	if a, ok := o.action.(interface{ forget() }); ok {
		a.forget()
	}
	o.payload.release()
}

// Changed implements outbox.Events.
func (w *Writer) Changed(id, physical string) {
	w.mutex.Lock()
	var pending []*operation
	for _, o := range w.ops {
		if o.state == dispatched && (physical == "" || o.bind.Physical == physical) && o.target(id) != nil {
			pending = append(pending, o)
		}
	}
	w.mutex.Unlock()
	for _, o := range pending {
		w.review(o)
	}
}

// caughtUp notes that a node applied an operation. It is called with the mutex
// held.
func (w *Writer) caughtUp(o *operation, t *target) {
	now := w.opts.Now()
	for _, s := range t.Shards {
		if o.firstAt[s].IsZero() {
			o.firstAt[s] = now
		}
	}
	if st := w.out[place{t.Node, o.bind.Physical}]; st != nil {
		delete(st.behind, o.op)
		w.forgetStanding(place{t.Node, o.bind.Physical})
	}
}

func (w *Writer) forgetStanding(p place) {
	if st := w.out[p]; st != nil && len(st.behind) == 0 && !st.drift {
		delete(w.out, p)
	}
}

// review looks whether the outcome of an operation is known, and gives the
// outboxes their verdicts.
func (w *Writer) review(o *operation) {
	type verdict struct {
		box      *outbox.Node
		step     *outbox.Step
		accepted bool
	}
	var verdicts []verdict
	w.mutex.Lock()
	if o.state < dispatched {
		w.mutex.Unlock()
		return
	}
	var failure *meili.Error
	if o.state == dispatched {
		var over bool
		if over, failure = w.judge(o); over {
			o.state = decided
			o.outcome = finish{Status: meili.StatusSucceeded, Started: o.startAt, Error: failure}
			if failure != nil {
				o.outcome.Status = meili.StatusFailed
			}
		}
	}
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		if t.refused == nil || t.settled {
			continue
		}
		accepted, known := w.verdict(o, t)
		if known {
			verdicts = append(verdicts, verdict{w.boxes[t.Node], t.refused, accepted})
			t.settled = accepted
			t.refused = nil
		}
	}
	w.missed(o)
	var lines []*line
	if o.state == decided && !w.closed {
		lines = w.linesToFinish(o)
	}
	closed := o.state == finished && w.closeIfOver(o)
	physical := o.bind.Physical
	w.mutex.Unlock()
	for _, v := range verdicts {
		v.box.Settle(physical, v.step, v.accepted)
	}
	for _, l := range lines {
		w.wg.Go(func() { w.finishLine(l) })
	}
	if closed {
		w.letGo(o)
	}
}

// missed takes nodes out that cannot get what another copy has: their shards
// have to be resynchronised. It is called with the mutex held.
func (w *Writer) missed(o *operation) {
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		if !t.lost {
			continue
		}
		for j := range o.bind.Targets {
			other := &o.bind.Targets[j]
			shares := slices.ContainsFunc(t.parts(), func(s int) bool { return slices.Contains(other.parts(), s) })
			if other.applied() && shares && !w.standing(place{t.Node, o.bind.Physical}).drift {
				w.standing(place{t.Node, o.bind.Physical}).drift = true
				w.log.Error("a node misses an operation whose payload is lost: the index has to be resynchronised there", "node", t.Node, "index", o.bind.Physical, "op", o.op)
			}
		}
	}
}

// judge says whether the operation's outcome is known, and with what it failed.
// It is called with the mutex held.
func (w *Writer) judge(o *operation) (over bool, failure *meili.Error) {
	if o.bind.Failure != nil && len(o.bind.Targets) == 0 {
		return true, o.bind.Failure
	}
	applied := make(map[int]bool)
	pending := make(map[int]bool)
	refusals := make(map[int]*meili.Error)
	waits, copies := false, make(map[int]bool)
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		readable := !t.over() && w.mayRead(t.Node, o.bind.Physical, t.Shards)
		for _, s := range t.parts() {
			copies[s] = copies[s] || !t.gone
			switch {
			case t.lost:
				if refusals[s] == nil {
					refusals[s] = lostPayload()
				}
			case t.applied():
				applied[s] = true
			case t.refusal != nil:
				if refusals[s] == nil {
					refusals[s] = t.refusal
				}
			case readable:
				pending[s] = true
			}
		}
		waits = waits || readable && t.refusal == nil
	}
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		for _, s := range t.parts() {
			if !copies[s] {
				failure = meili.NewError("internal", "Every copy of a shard has to be rebuilt: the operation was not applied.")
				continue
			}
			if applied[s] || t.gone {
				continue
			}
			if pending[s] || refusals[s] == nil {
				return false, nil // no copy has it, and none refuses it for good
			}
			failure = refusals[s]
		}
	}
	if failure != nil {
		return !waits, failure
	}
	return !waits, o.bind.Failure
}

// parts are the shards of a target, or one that stands for the whole.
func (t *target) parts() []int {
	if len(t.Shards) == 0 {
		return []int{-1}
	}
	return t.Shards
}

// verdict says what becomes of a node's refusal: it is accepted where no copy
// of one of its shards could do it, and tried again where each shard has a copy
// that could.
func (w *Writer) verdict(o *operation, t *target) (accepted, known bool) {
	if o.state >= decided && o.outcome.Status == meili.StatusFailed && (o.bind.Failure == nil || o.outcome.Error != o.bind.Failure) {
		return true, true
	}
	contested := true
	for _, s := range t.parts() {
		done := false
		for i := range o.bind.Targets {
			other := &o.bind.Targets[i]
			if other != t && other.applied() && slices.Contains(other.parts(), s) {
				done = true
			}
		}
		contested = contested && done
	}
	return false, contested
}

// linesToFinish gives the lines in which the operation may now be the next to
// finish. It is called with the mutex held.
func (w *Writer) linesToFinish(o *operation) []*line {
	uids := o.lineUIDs()
	if len(uids) == 0 {
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

// finish makes an operation's outcome known: to the catalog, the journal, the
// task table and those who wait.
func (w *Writer) finish(o *operation) bool {
	out := o.outcome
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
	w.journal.Append(journal.Record{Kind: journal.Finished, Op: o.op, Body: must(out)})
	w.opts.Tasks.Finish(o.Task, task.Outcome{Status: out.Status, Details: out.Details, Error: out.Error, At: out.At})
	if w.opts.Metrics != nil {
		w.opts.Metrics.Ended(o.Kind, out.Status)
	}
	w.mutex.Lock()
	o.outcome = out
	o.state = finished
	w.forget(o)
	delete(w.byTask, o.Task)
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
	return true
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
	delete(w.ops, o.op)
	return true
}

// letGo gives up what was kept for an operation that is over everywhere. Its
// records are closed when the task table has been written: until then only they
// know how its task ended.
func (w *Writer) letGo(o *operation) {
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
	if len(over) == 0 {
		return
	}
	if err := w.opts.Tasks.Flush(); err != nil {
		w.log.Error("the task table could not be written", "error", err)
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
