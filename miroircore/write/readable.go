package write

import (
	"time"

	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

const lagTick = 50 * time.Millisecond

// Readable reports whether a node may be read for an index, by its physical
// name: it is up and known to be itself, nothing is out of order there, its
// settings are the committed ones, it applied every operation whose task has
// ended, and it is not more than MaxLag behind with others. A copy that is the
// last one of some shard stays readable while it is merely behind.
func (w *Writer) Readable(id, physical string) bool {
	if !w.opts.NodeUp(id) {
		return false
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.inOrder(id, physical) {
		return true
	}
	return w.lastCopy(id, physical)
}

// inOrder says whether nothing speaks against reading the node. It is called
// with the mutex held.
func (w *Writer) inOrder(id, physical string) bool {
	return len(w.behind(id, physical)) == 0 && w.keepsUp(id, physical)
}

// keepsUp says whether the node is in order but for operations that ended
// without it a moment ago. Tasks wait for such a node, or it would never catch
// up while writes go on, though it is not read. It is called with the mutex held.
func (w *Writer) keepsUp(id, physical string) bool {
	if st := w.out[place{id, physical}]; st != nil && (st.drift || st.settings || st.late()) {
		return false
	}
	return w.box(id).InOrder(physical)
}

// late says whether the node is more than MaxLag behind.
func (st *standing) late() bool {
	for _, late := range st.behind {
		if late {
			return true
		}
	}
	return false
}

// endedWithout notes which nodes do not have an operation whose task is about to
// end: whoever sees that must not read them. It is called with the mutex held.
func (w *Writer) endedWithout(o *operation) {
	for i := range o.bind.Targets {
		if t := &o.bind.Targets[i]; !t.over() {
			w.missing(o, t)
		}
	}
}

// missing notes that a node does not have an operation that others have.
func (w *Writer) missing(o *operation, t *target) {
	st := w.standing(place{t.Node, o.bind.Physical})
	if _, known := st.behind[o.op]; !known {
		st.behind[o.op] = false
	}
}

// lastCopy says whether the node is itself, but behind, and holds a shard that
// no node in order holds. It is called with the mutex held.
func (w *Writer) lastCopy(id, physical string) bool {
	if s := w.box(id).State(); s.Suspect || s.RolledBack || s.Stale {
		return false
	}
	ix, ok := w.opts.Catalog.ByPhysical(physical)
	if !ok {
		return false
	}
	mine := len(w.behind(id, physical))
	for _, t := range holders(ix.Placement, everyShard(ix.Shards)) {
		if t.Node != id {
			continue
		}
		for _, s := range t.Shards {
			best := true
			for _, g := range ix.Placement.Groups {
				for _, other := range g.Shards[s] {
					if other == id || !w.opts.NodeUp(other) {
						continue
					}
					state := w.box(other).State()
					usable := !state.Suspect && !state.RolledBack && !state.Stale
					if usable && (w.inOrder(other, physical) || len(w.behind(other, physical)) < mine) {
						best = false
					}
				}
			}
			if best {
				return true
			}
		}
	}
	return false
}

func (w *Writer) behind(id, physical string) map[uint64]bool {
	if st := w.out[place{id, physical}]; st != nil {
		return st.behind
	}
	return nil
}

// mayRead says whether a task has to wait for the node. It is called with the
// mutex held.
func (w *Writer) mayRead(id, physical string, shards []int) bool {
	if !w.opts.NodeUp(id) {
		return false
	}
	return w.keepsUp(id, physical) || len(shards) > 0 && w.lastCopy(id, physical)
}

// drift notes that what a node has of an index is not what it should be, or is
// again. It is called with the mutex held; the store hears of it before the
// journal forgets what it came from.
func (w *Writer) drift(p place, drifted bool) {
	st := w.standing(p)
	w.unkept = w.unkept || st.drift != drifted
	st.drift = drifted
	w.forgetStanding(p)
}

func (w *Writer) standing(p place) *standing {
	st := w.out[p]
	if st == nil {
		st = &standing{behind: make(map[uint64]bool)}
		w.out[p] = st
	}
	return st
}

// watchLag takes nodes that are too far behind out of the covering sets, looks
// again at operations whose nodes went away or came back, and closes those that
// are over.
func (w *Writer) watchLag() {
	ticker := time.NewTicker(lagTick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-w.ctx.Done():
			return
		case <-ticker.C:
		}
		if n%2 == 0 {
			w.flushTouches()
		}
		if n%20 == 0 {
			w.closeOver()
		}
		for _, o := range w.late() {
			w.review(o)
		}
	}
}

// late marks the nodes that are behind and gives the operations under way.
func (w *Writer) late() []*operation {
	now, limit := w.opts.Now(), w.opts.MaxLag()
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var open []*operation
	for _, o := range w.active {
		if o.state < dispatched {
			continue
		}
		if o.state < finished {
			open = append(open, o)
		}
		if !w.mark(o, now, limit) && o.state == finished {
			delete(w.active, o.op) // it only waits for nodes that are known to be behind
		}
	}
	return open
}

// mark marks the nodes that are too far behind with an operation, and says
// whether others may have to be marked later.
func (w *Writer) mark(o *operation, now time.Time, limit time.Duration) (later bool) {
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		if t.over() {
			continue
		}
		isBehind := false
		for _, s := range t.Shards {
			first := o.firstAt[s]
			isBehind = isBehind || !first.IsZero() && now.Sub(first) >= limit
		}
		if isBehind {
			w.standing(place{t.Node, o.bind.Physical}).behind[o.op] = true
		}
		later = later || !isBehind && len(t.Shards) > 0
	}
	return later
}

// settingsDrift is drift for the settings. It is called with the mutex held.
func (w *Writer) settingsDrift(p place, drifted bool) {
	st := w.standing(p)
	w.unkept = w.unkept || st.settings != drifted
	st.settings = drifted
	w.forgetStanding(p)
}

// SettingsDrifted says that an index on a node does not have the committed
// settings, or has them again. Such an index is not read there; a change of
// settings that the node takes brings it back.
func (w *Writer) SettingsDrifted(id, physical string, drifted bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.settingsDrift(place{id, physical}, drifted)
}

// Drifted says that what a node has of an index differs from what it should be,
// or that it was made the same again. Such an index is not read there.
func (w *Writer) Drifted(id, physical string, drifted bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.drift(place{id, physical}, drifted)
}

// NodeState gives what the writer knows of a node.
func (w *Writer) NodeState(id string) outbox.State {
	w.mutex.Lock()
	b := w.box(id)
	w.mutex.Unlock()
	return b.State()
}

// Rebuilt says that the copies on a node were made anew after its outbox was
// given up or its disk was put back: it takes part again.
func (w *Writer) Rebuilt(id string) {
	w.mutex.Lock()
	delete(w.stale, id)
	delete(w.marks, id)
	b := w.box(id)
	w.mutex.Unlock()
	b.Revive()
}

// Delivery is how far one node is with one task.
type Delivery struct {
	Node     string  `json:"node"`
	Steps    int     `json:"steps"`
	Enqueued int     `json:"enqueued"`
	Done     int     `json:"done"`
	Error    *string `json:"error,omitempty"`
	Gone     bool    `json:"gone,omitempty"`
}

// Deliveries tells how far each node is with a task that has not ended
// everywhere.
func (w *Writer) Deliveries(taskUID uint32) []Delivery {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	list := []Delivery{}
	for _, o := range w.ops {
		if o.internal || o.Task != taskUID || o.bind == nil {
			continue
		}
		for i := range o.bind.Targets {
			t := &o.bind.Targets[i]
			d := Delivery{Node: t.Node, Steps: len(t.steps), Enqueued: t.sent, Done: t.done, Gone: t.gone}
			if t.refusal != nil {
				text := t.refusal.Error()
				d.Error = &text
			}
			list = append(list, d)
		}
	}
	return list
}
