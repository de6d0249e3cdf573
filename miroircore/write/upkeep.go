package write

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// The kinds of internal operations: what the fleet does for its own sake. They
// stand in the line of an index as any other, but have no task, and a restart
// forgets them: whoever wanted them begins again.
const (
	kindHold    = "hold"
	kindPrepare = "prepare"
	kindPurge   = "purge"
)

// hold keeps the line of an index to itself.
type hold struct {
	turn chan struct{} // closed when everything before has finished
}

func (*hold) manner(*Writer, *operation) manner { return single }

func (*hold) bind(*Writer, *operation) (*binding, error) { return &binding{}, nil }

func (*hold) steps(*Writer, *operation, *target) []*outbox.Step { return nil }

func (*hold) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (*hold) failed(*operation) json.RawMessage { return nil }

// Exclusive runs fn when all operations of the index given before it have
// finished and while none behind it begins. It changes nothing itself. It gives
// up when the context ends, and never holds the line after that: fn has to heed
// its context.
func (w *Writer) Exclusive(ctx context.Context, uid string, fn func(ctx context.Context, ix *index.Index) error) error {
	h := &hold{turn: make(chan struct{})}
	o := w.errand(kindHold, h, uid)
	if err := w.enqueue(o); err != nil {
		return err
	}
	defer w.withdraw(o)
	select {
	case <-h.turn:
	case <-ctx.Done():
		return fmt.Errorf("wait for the turn in index %s: %w", uid, context.Cause(ctx))
	case <-w.ctx.Done():
		return errClosed
	}
	ix, ok := w.opts.Catalog.Get(uid)
	if !ok {
		return meili.IndexNotFound(uid)
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, cancel)()
	return fn(within, ix)
}

// errand makes an internal operation.
func (w *Writer) errand(kind string, a action, uid string) *operation {
	o := w.new(kind, "", a, nil, uid)
	o.internal, o.numbers = true, 1
	o.acked, o.ended = make(chan struct{}), make(chan struct{})
	return o
}

// enqueue gives an internal operation its number and its place in the line.
func (w *Writer) enqueue(o *operation) error {
	w.seq.Lock()
	defer w.seq.Unlock()
	op, err := w.take(o.numbers)
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
	w.line(o)
	w.mutex.Unlock()
	w.advance(o.Indexes)
	return nil
}

// withdraw takes an internal operation out of its line, unless the outbox has
// it.
func (w *Writer) withdraw(o *operation) {
	w.mutex.Lock()
	if o.state >= dispatched {
		w.mutex.Unlock()
		return
	}
	_, holds := o.action.(*hold)
	if o.state == sequenced || holds {
		o.state = finished
	}
	o.canceling = true
	w.forget(o)
	w.strike(o)
	w.mutex.Unlock()
	w.advance(o.Indexes)
}

// run brings an internal operation to its node and waits until it has ended
// there. What the outbox has is not taken back when the context ends.
func (w *Writer) run(ctx context.Context, o *operation) error {
	if err := w.enqueue(o); err != nil {
		return err
	}
	select {
	case <-o.ended:
	case <-ctx.Done():
		w.withdraw(o)
		return context.Cause(ctx)
	case <-w.ctx.Done():
		return errClosed
	}
	if o.outcome.Error != nil {
		return o.outcome.Error
	}
	return nil
}

// Queued is the number of steps of the index that have not ended on the node. At
// zero the node has applied all that it was given.
func (w *Writer) Queued(id, physical string) int {
	w.mutex.Lock()
	b := w.box(id)
	w.mutex.Unlock()
	return b.Queued(physical)
}

// Void drops what waits for a node of an index and forgets what is known against
// its copy. It is called after the change of placement that takes the node out:
// what was dropped ends as gone, and what the node is doing already is counted
// by Queued until it is done.
func (w *Writer) Void(id, physical string) {
	w.mutex.Lock()
	b := w.box(id) // with the mutex, so that nobody is about to push by the placement of before
	w.mutex.Unlock()
	b.Void(physical)
	w.mutex.Lock()
	p := place{id, physical}
	if st := w.out[p]; st != nil {
		w.unkept = w.unkept || st.drift
		st.drift = false
		clear(st.behind)
		w.forgetStanding(p)
	}
	w.mutex.Unlock()
	w.Changed(id, physical)
}

// GiveUp drops all that waits for a node that has left the fleet. Should it come
// back, its copies are void until they are made anew.
func (w *Writer) GiveUp(id string) {
	w.mutex.Lock()
	b := w.box(id)
	w.mutex.Unlock()
	b.GiveUp()
}

// Stray watches for a request that was sent to a node beside its outbox, with the
// customMetadata given, and was not answered: it may still run. Where it shows
// up late the node's copy of the index is taken for drifted.
func (w *Writer) Stray(id, physical, metadata string) {
	w.mutex.Lock()
	b := w.box(id)
	w.mutex.Unlock()
	b.Stray(physical, metadata)
}

// Drift is an index on a node that is not what it should be, and is not read.
type Drift struct {
	Node      string `json:"node"`
	Physical  string `json:"index"`
	Documents bool   `json:"documents,omitempty"`
	Settings  bool   `json:"settings,omitempty"`
}

// Drifts lists what must not be read, and why.
func (w *Writer) Drifts() []Drift {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	list := []Drift{}
	for p, st := range w.out {
		if st.drift || st.settings {
			list = append(list, Drift{p.node, p.physical, st.drift, st.settings})
		}
	}
	slices.SortFunc(list, func(a, b Drift) int {
		return cmp.Or(cmp.Compare(a.Physical, b.Physical), cmp.Compare(a.Node, b.Node))
	})
	return list
}

// purge deletes the documents of shards from a node that is not their replica.
type purge struct {
	node   string
	shards []int
}

// Purge deletes what a node has of shards that are not its own, in the order of
// the index, and waits until the node has done so.
func (w *Writer) Purge(ctx context.Context, id, uid string, shards []int) error {
	if len(shards) == 0 {
		return nil
	}
	if err := w.run(ctx, w.errand(kindPurge, &purge{id, shards}, uid)); err != nil {
		return fmt.Errorf("delete shards of index %s from node %s: %w", uid, id, err)
	}
	return nil
}

func (a *purge) manner(w *Writer, o *operation) manner { return w.whether(o.Indexes[0], flowing) }

func (a *purge) bind(w *Writer, o *operation) (*binding, error) {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}, nil
	}
	for _, s := range a.shards {
		if s >= ix.Shards || ix.Placement.Holds(a.node, s) {
			return &binding{Failure: meili.NewError("internal", "Node %s is a replica of shard %d.", a.node, s)}, nil
		}
	}
	return &binding{Physical: ix.Physical, Shards: ix.Shards, Targets: []target{{Node: a.node}}}, nil
}

func (a *purge) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	body := must(map[string]string{"filter": hidden.ShardFilter(a.shards, o.bind.Shards)})
	s := o.request(0, http.MethodPost, indexPath(o.bind.Physical, "/documents/delete"), meili.TypeDocumentDeletion, body)
	s.Metadata, s.Accept, s.Filtered = true, isGone, true
	return []*outbox.Step{s}
}

func (a *purge) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (a *purge) failed(*operation) json.RawMessage { return nil }

// prepare brings an index without documents onto a node.
type prepare struct{ node string }

// Prepare brings an index with its primary key and committed settings onto one
// node, in the order of the index, and waits until the node has them.
func (w *Writer) Prepare(ctx context.Context, id, uid string) error {
	err := w.run(ctx, w.errand(kindPrepare, &prepare{id}, uid))
	if err == nil {
		err = w.confirm(ctx, id, uid)
	}
	if err != nil {
		return fmt.Errorf("prepare index %s on node %s: %w", uid, id, err)
	}
	return nil
}

// manner makes it wait for changes of settings before it, so that it brings
// what they became.
func (a *prepare) manner(w *Writer, o *operation) manner { return w.whether(o.Indexes[0], ordered) }

func (a *prepare) bind(w *Writer, o *operation) (*binding, error) {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}, nil
	}
	return &binding{Physical: ix.Physical, PrimaryKey: ix.PrimaryKey, Shards: ix.Shards, Settings: ix.Settings.Raw(),
		Targets: []target{{Node: a.node}}}, nil
}

func (a *prepare) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	logical, err := settings.FromRaw(o.bind.Settings)
	if err != nil { // the catalog made it
		logical = settings.Default()
	}
	list := creation(o, logical, o.bind.PrimaryKey)
	if o.bind.PrimaryKey != "" { // of an index that was there already
		s := o.request(1, http.MethodPatch, indexPath(o.bind.Physical, ""), meili.TypeIndexUpdate,
			must(map[string]string{"primaryKey": o.bind.PrimaryKey}))
		s.Accept = func(e *meili.Error) bool { return e.Code == "index_primary_key_already_exists" }
		list = slices.Insert(list, 1, s)
	}
	for i, s := range list {
		s.Number = i
	}
	return list
}

func (a *prepare) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (a *prepare) failed(*operation) json.RawMessage { return nil }

var errOtherwise = errors.New("the node has it otherwise")

// confirm reads back what Prepare brought. A change that came in meanwhile may
// be there already: it looks again when that is over.
func (w *Writer) confirm(ctx context.Context, id, uid string) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		before, ok := w.opts.Catalog.Get(uid)
		if !ok {
			return meili.IndexNotFound(uid)
		}
		same, err := w.asWanted(ctx, id, before)
		if err != nil {
			return err
		}
		if same {
			w.SettingsDrifted(id, before.Physical, false)
			return nil
		}
		if after, ok := w.opts.Catalog.Get(uid); ok && !w.changing(uid) && after.SettingsVersion == before.SettingsVersion &&
			after.Physical == before.Physical && after.PrimaryKey == before.PrimaryKey {
			return errOtherwise
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// asWanted says whether a node has an index with its primary key and its
// settings.
func (w *Writer) asWanted(ctx context.Context, id string, ix *index.Index) (bool, error) {
	client, ok := w.opts.Nodes(id)
	if !ok {
		return false, &node.Error{Node: id, Kind: node.KindRefused}
	}
	shown, err := client.Index(ctx, ix.Physical)
	if err != nil {
		return false, err
	}
	if ix.PrimaryKey != "" && (shown.PrimaryKey == nil || *shown.PrimaryKey != ix.PrimaryKey) {
		return false, nil
	}
	raw, err := client.Settings(ctx, ix.Physical)
	if err != nil {
		return false, err
	}
	has, err := index.ShownDigest(raw)
	if err != nil {
		return false, err
	}
	wanted, err := index.PhysicalDigest(ix.Settings)
	return has == wanted, err
}

// changing says whether operations of the index that change more than documents
// have not finished.
func (w *Writer) changing(uid string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	l := w.lines[uid]
	return l != nil && slices.ContainsFunc(l.ops, func(o *operation) bool { return o.manner != flowing || o.Kind == kindSettings })
}
