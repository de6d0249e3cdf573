package write

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// A request that the gateway took for lost may run later, behind what came after
// it. What it changed is made right by what it is: documents are copied anew,
// settings and primary keys are compared with the committed ones and brought
// again. The name of a deleted index is not given to another while a request for
// it may come late: that could fill or delete the new one.

const (
	kindExorcise = "exorcise"
	// namesTick is how often it is looked whether a name may be given again.
	namesTick = time.Second
)

// Diverged implements outbox.Events.
func (w *Writer) Diverged(id, physical string, t meili.TaskType) {
	_, exists := w.opts.Catalog.ByPhysical(physical)
	p := place{id, physical}
	w.mutex.Lock()
	switch {
	case !exists && slices.Contains(w.opts.Catalog.Dropped(), physical): // its name is looked after
	case t == meili.TypeSettingsUpdate, t == meili.TypeIndexUpdate, t == meili.TypeIndexCreation:
		w.settingsDrift(p, true)
	case t == meili.TypeIndexDeletion:
		w.settingsDrift(p, true)
		w.drift(p, true)
	default:
		w.drift(p, true)
	}
	w.mutex.Unlock()
	w.Changed(id, physical)
}

// watched says whether a request for an index may still show up late on a node.
func (w *Writer) watched(physical string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, b := range w.boxes {
		if b.Watched(physical) {
			return true
		}
	}
	return false
}

// watchNames frees the names of deleted indexes that were kept because a late
// request might make the index anew.
func (w *Writer) watchNames() {
	w.mutex.Lock()
	for _, physical := range w.opts.Catalog.Dropped() {
		// Those whose deletion has not ended are freed by it.
		if !w.deleting(physical) {
			w.haunted[physical] = true
		}
	}
	w.mutex.Unlock()
	ticker := time.NewTicker(namesTick)
	defer ticker.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-ticker.C:
		}
		w.freeNames()
	}
}

// deleting says whether an operation that deletes the index is open. It is
// called with the mutex held.
func (w *Writer) deleting(physical string) bool {
	for _, o := range w.ops {
		if o.Kind == kindDeleteIndex && o.bind != nil && o.bind.Physical == physical {
			return true
		}
	}
	return false
}

func (w *Writer) freeNames() {
	w.mutex.Lock()
	var names []string
	for physical := range w.haunted {
		names = append(names, physical)
	}
	w.mutex.Unlock()
	for _, physical := range names {
		w.mutex.Lock()
		if !slices.Contains(w.opts.Catalog.Dropped(), physical) || w.deleting(physical) {
			delete(w.haunted, physical) // it is another index's now
			w.mutex.Unlock()
			continue
		}
		w.mutex.Unlock()
		if w.watched(physical) || !w.exorcised(physical) {
			continue
		}
		if err := w.opts.Catalog.Forget(physical); err != nil {
			w.log.Error("a dropped index could not be forgotten", "index", physical, "error", err)
			continue
		}
		w.mutex.Lock()
		delete(w.haunted, physical)
		w.mutex.Unlock()
	}
}

// exorcised deletes a dropped index from the nodes that have it again, and says
// whether none has it.
func (w *Writer) exorcised(physical string) bool {
	none := true
	for _, n := range w.opts.Topology().Nodes() {
		client, ok := w.opts.Nodes(n.ID)
		if !ok || !w.usable(n.ID) || w.Queued(n.ID, physical) > 0 {
			none = false
			continue
		}
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		_, err := client.Index(ctx, physical)
		cancel()
		if answer := node.AnswerOf(err); answer != nil && answer.Code == "index_not_found" {
			continue
		}
		none = false
		if err != nil {
			continue
		}
		w.log.Warn("a late request has made a deleted index anew: it is deleted again", "node", n.ID, "index", physical)
		o := w.errand(kindExorcise, &exorcise{}, physical)
		if err := w.beside(o, &binding{Physical: physical, Targets: []target{{Node: n.ID}}}); err != nil {
			w.log.Error("an index that was made anew could not be deleted", "node", n.ID, "index", physical, "error", err)
		}
	}
	return none
}

// exorcise deletes an index that nobody knows from one node.
type exorcise struct{}

func (*exorcise) manner(*Writer, *operation) manner { return flowing }

func (*exorcise) bind(*Writer, *operation) (*binding, error) { return &binding{}, nil }

func (*exorcise) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	s := o.request(0, http.MethodDelete, indexPath(o.bind.Physical, ""), meili.TypeIndexDeletion, nil)
	s.Accept, s.Last = isGone, true
	return []*outbox.Step{s}
}

func (*exorcise) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (*exorcise) failed(*operation) json.RawMessage { return nil }
