package write

import (
	"context"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Mended is what came of bringing the settings of an index again to the nodes
// that show others.
type Mended struct {
	// Mended are nodes that have them now, Left those that do not; Reason says why
	// of the last of these.
	Mended, Left []string
	Reason       error
}

// Mend brings the settings of an index at once to the nodes that have others.
// With goOn, writes to the index go on even where a node does not take them: it
// is not read until it does.
func (w *Writer) Mend(ctx context.Context, uid string, goOn bool) (Mended, *meili.Error) {
	var m Mended
	ix, ok := w.opts.Catalog.Get(uid)
	if !ok {
		return m, meili.IndexNotFound(uid)
	}
	for _, d := range w.Drifts() {
		if d.Physical != ix.Physical || !d.Settings {
			continue
		}
		within, cancel := context.WithTimeout(ctx, repairTime)
		err := w.Prepare(within, d.Node, uid)
		cancel()
		if err == nil {
			m.Mended = append(m.Mended, d.Node)
			continue
		}
		m.Left, m.Reason = append(m.Left, d.Node), err
		if goOn {
			w.mutex.Lock()
			w.repairing(place{d.Node, d.Physical}).tolerated = true
			w.mutex.Unlock()
		}
	}
	w.freeze()
	return m, nil
}

// repairing gives how far the repair of a place is. It is called with the mutex
// held.
func (w *Writer) repairing(p place) *repair {
	r := w.repairs[p]
	if r == nil {
		r = &repair{}
		w.repairs[p] = r
	}
	return r
}

// freeze stops the writes of the indexes whose settings a node has not taken
// again and again, and lets those of the others go on.
func (w *Writer) freeze() {
	attempts := w.tuning().RepairAttempts
	w.mutex.Lock()
	defer w.mutex.Unlock()
	frozen := make(map[string]bool)
	for p, r := range w.repairs {
		st := w.out[p]
		_, known := w.opts.Catalog.ByPhysical(p.physical)
		switch {
		case st == nil || !st.settings || !known:
			delete(w.repairs, p)
		case r.failures >= attempts && !r.tolerated:
			frozen[p.physical] = true
		}
	}
	for physical := range frozen {
		if !w.frozen[physical] {
			w.log.Error("writes to an index are stopped: a node does not take its settings", "index", physical)
		}
	}
	for physical := range w.frozen {
		if !frozen[physical] {
			w.log.Info("writes to an index go on", "index", physical)
		}
	}
	w.frozen = frozen
}

// Frozen lists the indexes, by the name that nodes know, whose writes are stopped
// because a node does not take their settings.
func (w *Writer) Frozen() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	list := []string{}
	for physical := range w.frozen {
		list = append(list, physical)
	}
	slices.Sort(list)
	return list
}
