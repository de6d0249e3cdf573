package write

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

const kindPropose = "propose"

const (
	// rolloutTick is how often a rollout looks whether the node that it waits for
	// has gone away, rolloutPatience how long that must be so: a broken connection
	// is none.
	rolloutTick     = 50 * time.Millisecond
	rolloutPatience = time.Second
)

// rollout changes the settings of an index on one node after the other. It runs
// before its operation is bound, while the operation has the line of the index to
// itself: where the gateway dies it begins anew, and what nodes have already is
// sent to them once more.
type rollout struct {
	w        *Writer
	ix       *index.Index
	before   *settings.Settings
	next     *settings.Settings
	was, new string // digests of both, as nodes show them
	had      []string
	touched  []string // nodes that may have the new settings
}

// rollOut brings new settings to the nodes one by one, each read back before the
// next is begun, and gives the nodes that have them. A node that is away gets them
// in its order. Where a node refuses them, or shows others, all that was changed
// is changed back.
func (w *Writer) rollOut(ix *index.Index, next *settings.Settings) (had []string, failure *meili.Error, err error) {
	r := &rollout{w: w, ix: ix, before: ix.Settings, next: next}
	if r.was, err = index.PhysicalDigest(r.before); err != nil {
		return nil, nil, err
	}
	if r.new, err = index.PhysicalDigest(next); err != nil {
		return nil, nil, err
	}
	for !w.opts.Probed() { // after a restart
		if !w.sleep(rolloutTick) {
			return nil, nil, errClosed
		}
	}
	nodes := everyNode(w.opts.Topology(), ix.Placement, ix.Shards)
	for i := range nodes {
		failure, err = r.forward(nodes[i].Node)
		if err != nil {
			return nil, nil, err
		}
		if failure != nil {
			return nil, failure, r.back(nodes)
		}
	}
	return r.had, nil, nil
}

// forward brings the new settings to one node.
func (r *rollout) forward(id string) (*meili.Error, error) {
	if !r.w.usable(id) {
		return nil, nil
	}
	if err := failpoint.Hit("settings.propose"); err != nil {
		return nil, err
	}
	r.touched = append(r.touched, id)
	refusal, ended, err := r.send(id, index.Change(r.before, r.next))
	if refusal != nil || !ended || err != nil {
		return refusal, err
	}
	if err := failpoint.Hit("settings.confirm"); err != nil {
		return nil, err
	}
	shown, ok := r.w.readSettings(id, r.ix.Physical)
	switch {
	case !ok:
	case shown != r.new:
		return meili.NewError("miroir_settings_diverged", "Node `%s` shows other settings than it was given: the change was taken back.", id), nil
	default:
		r.had = append(r.had, id)
	}
	return nil, nil
}

// back brings the settings of before to all that may have the new ones, the last
// first: those that were changed, and those that a rollout before a restart has
// left with others.
func (r *rollout) back(nodes []target) error {
	w := r.w
	for _, t := range slices.Backward(nodes) {
		id := t.Node
		if !slices.Contains(r.touched, id) {
			if !w.usable(id) {
				continue
			}
			if shown, ok := w.readSettings(id, r.ix.Physical); !ok || shown == r.was {
				continue
			}
		}
		if err := failpoint.Hit("settings.back"); err != nil {
			return err
		}
		_, ended, err := r.send(id, index.Change(r.next, r.before))
		if err != nil {
			return err
		}
		shown, ok := "", false
		if ended {
			shown, ok = w.readSettings(id, r.ix.Physical)
		}
		if ok {
			w.mutex.Lock()
			w.noteSettings(place{id, r.ix.Physical}, shown == r.was)
			w.mutex.Unlock()
		}
	}
	return failpoint.Hit("settings.took-back")
}

// send brings a change of settings to one node, in its order, and waits until it
// has ended there or the node has gone away.
func (r *rollout) send(id string, body json.RawMessage) (refusal *meili.Error, ended bool, err error) {
	w := r.w
	o := w.errand(kindPropose, &proposal{body: body}, r.ix.UID)
	b := onIndex(r.ix)
	b.Targets = []target{{Node: id}}
	if err := w.beside(o, b); err != nil {
		return nil, false, fmt.Errorf("propose settings to node %s: %w", id, err)
	}
	ticker := time.NewTicker(rolloutTick)
	defer ticker.Stop()
	for away := time.Duration(0); away < rolloutPatience; {
		select {
		case <-o.ended:
			return o.outcome.Error, true, nil
		case <-w.ctx.Done():
			return nil, false, errClosed
		case <-ticker.C:
		}
		w.mutex.Lock()
		there := w.mayRead(id, r.ix.Physical, nil)
		w.mutex.Unlock()
		if away += rolloutTick; there {
			away = 0
		}
	}
	return nil, false, nil
}

// beside gives an internal operation to the outboxes at once. Its caller has the
// line of the index to itself.
func (w *Writer) beside(o *operation, b *binding) error {
	w.seq.Lock()
	op, err := w.take(o.numbers)
	w.seq.Unlock()
	if err != nil {
		return err
	}
	w.mutex.Lock()
	if w.closed {
		w.mutex.Unlock()
		return errClosed
	}
	o.op, o.At, o.durable = op, w.opts.Now(), true
	w.enlist(o)
	w.bound(o, b)
	w.dispatch(o)
	w.mutex.Unlock()
	w.afterDispatch(o)
	return nil
}

// proposal is a change of settings on one node.
type proposal struct{ body json.RawMessage }

func (*proposal) manner(*Writer, *operation) manner { return flowing }

func (*proposal) bind(*Writer, *operation) (*binding, error) { return &binding{}, nil }

func (a *proposal) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	s := o.request(0, http.MethodPatch, indexPath(o.bind.Physical, "/settings"), meili.TypeSettingsUpdate, a.body)
	s.Settings = true
	return []*outbox.Step{s}
}

func (*proposal) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (*proposal) failed(*operation) json.RawMessage { return nil }
