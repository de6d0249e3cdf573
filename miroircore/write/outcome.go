package write

import (
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
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

// note writes down how a node is getting on with an operation. Nobody takes up
// an internal one after a restart.
func (w *Writer) note(o *operation, kind journal.Kind, n note) {
	if !o.internal {
		w.journal.Append(journal.Record{Kind: kind, Op: o.op, Body: must(n)})
	}
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
	w.note(o, journal.Delivered, note{Node: id, Step: s.Number, UID: at.UID, At: at.EnqueuedAt})
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
	w.note(o, journal.Ended, note{Node: id, Step: s.Number, Error: out.Error, Gone: out.Gone, Lost: out.Lost, Detail: out.Details})
	t := o.target(id)
	switch {
	case out.Gone:
		t.gone = true
		if !out.Void {
			w.stale[id] = true
		}
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
			w.drift(place{id, o.bind.Physical}, true)
		}
		if t.applied() {
			w.caughtUp(o, t)
		}
	}
	if t.over() {
		w.noLongerBehind(o, t)
	}
	w.checkQuorum(o)
	if o.state == finished {
		o.slim()
	}
	if o.state >= decided && o.Kind == kindSettings && t.applied() && w.newest[o.bind.Physical] == o.op && !w.closed {
		w.wg.Go(func() { w.checkSettings(o) }) // it has them now, perhaps too late for those that the commit read
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
	for _, o := range w.active {
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
	w.noLongerBehind(o, t)
}

// noLongerBehind notes that a node applied an operation, or that it never will.
func (w *Writer) noLongerBehind(o *operation, t *target) {
	if st := w.out[place{t.Node, o.bind.Physical}]; st != nil {
		delete(st.behind, o.op)
		w.forgetStanding(place{t.Node, o.bind.Physical})
	}
}

func (w *Writer) forgetStanding(p place) {
	if st := w.out[p]; st != nil && len(st.behind) == 0 && !st.drift && !st.settings {
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
			if failure == nil || failure == o.bind.Failure {
				w.endedWithout(o)
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
			p := place{t.Node, o.bind.Physical}
			if st := w.out[p]; other.applied() && shares && (st == nil || !st.drift) {
				w.drift(p, true)
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
