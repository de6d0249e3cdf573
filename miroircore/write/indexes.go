package write

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// The kinds of operations, as the journal and the metrics name them.
const (
	kindDocuments   = "documents"
	kindDelete      = "delete"
	kindDeleteAll   = "deleteAll"
	kindFilter      = "deleteByFilter"
	kindEdit        = "edit"
	kindCreate      = "createIndex"
	kindUpdate      = "updateIndex"
	kindDeleteIndex = "deleteIndex"
	kindSwap        = "swap"
	kindSettings    = "settings"
	kindCompact     = "compact"
	kindSnapshot    = "snapshot"
)

// new makes the operation of an action.
func (w *Writer) new(kind string, t meili.TaskType, a action, details json.RawMessage, uids ...string) *operation {
	return &operation{header: header{Kind: kind, Type: t, Indexes: uids, Details: details, Params: must(a)}, action: a}
}

// whether gives single for an index that does not exist, since making it or
// missing it depends on all before; otherwise the manner given.
func (w *Writer) whether(uid string, exists manner) manner {
	if _, ok := w.opts.Catalog.Get(uid); !ok {
		return single
	}
	return exists
}

// errTaken makes an operation wait until a physical name is free again.
var errTaken = errors.New("the physical name is being used")

// making begins the binding of an operation that makes the index uid.
func (w *Writer) making(uid string) (*binding, error) {
	shards := w.opts.Shards()
	physical := w.opts.Catalog.FreePhysical(uid)
	w.mutex.Lock()
	taken := w.reserved[physical]
	w.mutex.Unlock()
	if taken {
		return nil, errTaken
	}
	t := w.opts.Topology()
	p := cluster.Place(t, physical, shards)
	return &binding{Physical: physical, Shards: shards, New: p, placement: p, Targets: everyNode(t, p, shards)}, nil
}

// creation gives the requests that make an index on a node: the index itself,
// then the settings that every index has on nodes.
func creation(o *operation, logical *settings.Settings, primaryKey string) []*outbox.Step {
	body := map[string]any{"uid": o.bind.Physical}
	if primaryKey != "" {
		body["primaryKey"] = primaryKey
	}
	create := o.request(0, http.MethodPost, "/indexes", meili.TypeIndexCreation, must(body))
	create.Accept = func(e *meili.Error) bool { return e.Code == "index_already_exists" }
	return []*outbox.Step{create, o.request(1, http.MethodPatch, indexPath(o.bind.Physical, "/settings"),
		meili.TypeSettingsUpdate, index.Physical(logical))}
}

// request makes a step with a small JSON body, nil for none.
func (o *operation) request(number int, method, path string, t meili.TaskType, body []byte) *outbox.Step {
	s := &outbox.Step{Op: o.op, Number: number, Method: method, Path: path, Type: t, Size: int64(len(body))}
	if body != nil {
		s.Body = func() (*node.Body, error) { return node.JSON(body), nil }
	}
	return s
}

// make enters an index that the nodes have into the catalog.
func (w *Writer) make(o *operation, primaryKey string) error {
	if ix, ok := w.opts.Catalog.Get(o.Indexes[0]); ok && ix.Physical == o.bind.Physical {
		return nil
	}
	_, err := w.opts.Catalog.Create(index.Spec{UID: o.Indexes[0], PrimaryKey: primaryKey, Shards: o.bind.Shards, At: w.opts.Now(),
		Place: func(string, int) *cluster.Placement { return o.bind.New }})
	return err
}

// createIndex makes an index.
type createIndex struct {
	PrimaryKey string `json:"primaryKey,omitempty"`
}

// CreateIndex makes an index on every node.
func (w *Writer) CreateIndex(ctx context.Context, call Call, uid string, primaryKey *string) (*Receipt, *meili.Error) {
	a := &createIndex{}
	if primaryKey != nil {
		a.PrimaryKey = *primaryKey
	}
	return w.submit(ctx, call, w.new(kindCreate, meili.TypeIndexCreation, a, primaryKeyDetails(primaryKey), uid))
}

func primaryKeyDetails(primaryKey *string) json.RawMessage {
	return must(struct {
		PrimaryKey *string `json:"primaryKey"`
	}{primaryKey})
}

func (a *createIndex) manner(*Writer, *operation) manner { return single }

func (a *createIndex) bind(w *Writer, o *operation) (*binding, error) {
	if _, ok := w.opts.Catalog.Get(o.Indexes[0]); ok {
		return &binding{Failure: meili.IndexAlreadyExists(o.Indexes[0])}, nil
	}
	return w.making(o.Indexes[0])
}

func (a *createIndex) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	return creation(o, settings.Default(), a.PrimaryKey)
}

func (a *createIndex) commit(w *Writer, o *operation) (json.RawMessage, error) {
	return o.Details, w.make(o, a.PrimaryKey)
}

func (a *createIndex) failed(o *operation) json.RawMessage { return o.Details }

// updateIndex changes the primary key or the uid of an index.
type updateIndex struct {
	PrimaryKey *string `json:"primaryKey,omitempty"`
	UID        *string `json:"uid,omitempty"`
}

// UpdateIndex sets the primary key of an index, renames it, or both.
func (w *Writer) UpdateIndex(ctx context.Context, call Call, uid string, u *request.IndexUpdate) (*Receipt, *meili.Error) {
	details := primaryKeyDetails(u.PrimaryKey)
	uids := []string{uid}
	if u.UID != nil {
		details = must(struct {
			PrimaryKey *string `json:"primaryKey"`
			Old        string  `json:"oldIndexUid"`
			New        string  `json:"newIndexUid"`
		}{u.PrimaryKey, uid, *u.UID})
		if *u.UID != uid {
			uids = append(uids, *u.UID)
		}
	}
	return w.submit(ctx, call, w.new(kindUpdate, meili.TypeIndexUpdate, &updateIndex{u.PrimaryKey, u.UID}, details, uids...))
}

func (a *updateIndex) manner(*Writer, *operation) manner { return single }

func (a *updateIndex) bind(w *Writer, o *operation) (*binding, error) {
	uid := o.Indexes[0]
	ix, ok := w.opts.Catalog.Get(uid)
	if !ok {
		return &binding{Failure: meili.IndexNotFound(uid)}, nil
	}
	b := onIndex(ix)
	if a.UID != nil && *a.UID != uid {
		if _, taken := w.opts.Catalog.Get(*a.UID); taken {
			b.Failure = meili.IndexAlreadyExists(*a.UID)
			return b, nil
		}
	}
	if a.PrimaryKey == nil || *a.PrimaryKey == ix.PrimaryKey {
		return b, nil
	}
	if ix.PrimaryKey != "" && w.holdsDocuments(ix) {
		b.Failure = meili.PrimaryKeyAlreadyExists(ix.PrimaryKey)
		b.Failure.Message = "Index `" + uid + "`: " + b.Failure.Message
		return b, nil
	}
	b.Targets = everyNode(w.opts.Topology(), ix.Placement, ix.Shards)
	return b, nil
}

// holdsDocuments asks one replica of each shard whether the index has documents;
// what nobody can tell counts as yes.
func (w *Writer) holdsDocuments(ix *index.Index) bool {
	asked := make(map[string]uint64)
	for s := range ix.Shards {
		known := false
		for _, g := range ix.Placement.Groups {
			for _, id := range g.Shards[s] {
				if known || !w.Readable(id, ix.Physical) {
					continue
				}
				n, ok := asked[id]
				if !ok {
					client, has := w.opts.Nodes(id)
					if !has {
						continue
					}
					stats, err := client.IndexStats(w.ctx, ix.Physical)
					if err != nil {
						continue
					}
					n = stats.NumberOfDocuments
					asked[id] = n
				}
				if n > 0 {
					return true
				}
				known = true
			}
		}
		if !known {
			return true
		}
	}
	return false
}

func (a *updateIndex) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	body := must(struct {
		PrimaryKey *string `json:"primaryKey"`
	}{a.PrimaryKey})
	s := o.request(0, http.MethodPatch, indexPath(o.bind.Physical, ""), meili.TypeIndexUpdate, body)
	s.Accept = isGone
	return []*outbox.Step{s}
}

func (a *updateIndex) commit(w *Writer, o *operation) (json.RawMessage, error) {
	uid := o.Indexes[0]
	ix, ok := w.opts.Catalog.Get(uid)
	if ok && ix.Physical == o.bind.Physical {
		if a.PrimaryKey != nil {
			if _, err := w.opts.Catalog.SetPrimaryKey(uid, *a.PrimaryKey, false, w.opts.Now()); err != nil {
				return nil, err
			}
		} else if err := w.opts.Catalog.Touch(uid, w.opts.Now()); err != nil {
			return nil, err
		}
		if a.UID != nil && *a.UID != uid {
			if _, err := w.opts.Catalog.Rename(uid, *a.UID, w.opts.Now()); err != nil {
				return nil, err
			}
			w.opts.Tasks.SwapIndexes(o.Task, [][2]string{{uid, *a.UID}})
		}
	}
	return o.Details, nil
}

func (a *updateIndex) failed(o *operation) json.RawMessage { return o.Details }

// deleteIndex drops an index.
type deleteIndex struct{}

// DeleteIndex drops an index from every node.
func (w *Writer) DeleteIndex(ctx context.Context, call Call, uid string) (*Receipt, *meili.Error) {
	return w.submit(ctx, call, w.new(kindDeleteIndex, meili.TypeIndexDeletion, &deleteIndex{}, deleted(nil), uid))
}

// deleted are the details of an operation that only counts what it deleted.
func deleted(n *uint64) json.RawMessage {
	return must(struct {
		Deleted *uint64 `json:"deletedDocuments"`
	}{n})
}

var none uint64

func (a *deleteIndex) manner(*Writer, *operation) manner { return single }

func (a *deleteIndex) bind(w *Writer, o *operation) (*binding, error) {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}, nil
	}
	b := onIndex(ix)
	b.Targets = everyNode(w.opts.Topology(), ix.Placement, ix.Shards)
	return b, nil
}

func (a *deleteIndex) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	s := o.request(0, http.MethodDelete, indexPath(o.bind.Physical, ""), meili.TypeIndexDeletion, nil)
	s.Accept = isGone
	return []*outbox.Step{s}
}

func (a *deleteIndex) commit(w *Writer, o *operation) (json.RawMessage, error) {
	if ix, ok := w.opts.Catalog.Get(o.Indexes[0]); ok && ix.Physical == o.bind.Physical {
		if _, err := w.opts.Catalog.Drop(o.Indexes[0]); err != nil {
			return nil, err
		}
	}
	n := w.sum(o, "deletedDocuments")
	return deleted(&n), nil
}

func (a *deleteIndex) failed(*operation) json.RawMessage { return deleted(&none) }

// closed frees the physical name: no node has the index any more.
func (a *deleteIndex) closed(w *Writer, o *operation) {
	if o.bind.Physical == "" || o.outcome.Status != meili.StatusSucceeded {
		return
	}
	if err := w.opts.Catalog.Forget(o.bind.Physical); err != nil {
		w.log.Error("a dropped index could not be forgotten", "index", o.bind.Physical, "error", err)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.newest, o.bind.Physical)
	for p := range w.out {
		if p.physical == o.bind.Physical {
			delete(w.out, p)
		}
	}
}

// sum adds up a count that nodes report in their details: over one group whose
// nodes all reported, divided by the copies; where no group is complete, over
// all that reported, in proportion.
func (w *Writer) sum(o *operation, field string) uint64 {
	if o.bind.placement == nil {
		return 0
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	counts := make(map[string]uint64)
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		if !t.applied() || len(t.outcomes) == 0 {
			continue
		}
		var details map[string]json.RawMessage
		var n uint64
		if json.Unmarshal(t.outcomes[len(t.outcomes)-1].Details, &details) == nil && json.Unmarshal(details[field], &n) == nil {
			counts[t.Node] = n
		}
	}
	var all, parts, whole uint64
	for _, g := range o.bind.placement.Groups {
		nodes := make(map[string]bool)
		complete, copies := true, 0
		for _, s := range o.touched {
			copies = max(copies, len(g.Shards[s]))
			for _, id := range g.Shards[s] {
				nodes[id] = true
				whole++
				if _, ok := counts[id]; ok {
					parts++
				} else {
					complete = false
				}
			}
		}
		var total uint64
		for id := range nodes {
			total += counts[id]
		}
		if complete && copies > 0 {
			return total / uint64(copies)
		}
		all += total
	}
	if parts == 0 || len(o.touched) == 0 {
		return 0
	}
	return all * whole / parts / max(1, whole/uint64(len(o.touched)))
}

// swap exchanges the names of indexes.
type swap struct {
	Swaps []request.Swap `json:"swaps"`
}

// Swap exchanges indexes or renames them, all or none. Nodes are not told: only
// the gateway knows which of a node's indexes has which name.
func (w *Writer) Swap(ctx context.Context, call Call, swaps []request.Swap) (*Receipt, *meili.Error) {
	type shown struct {
		Indexes [2]string `json:"indexes"`
		Rename  bool      `json:"rename"`
	}
	list := make([]shown, len(swaps))
	var uids []string
	for i, s := range swaps {
		list[i] = shown{s.Indexes, s.Rename}
		uids = append(uids, s.Indexes[0], s.Indexes[1])
	}
	details := must(struct {
		Swaps []shown `json:"swaps"`
	}{list})
	return w.submit(ctx, call, w.new(kindSwap, meili.TypeIndexSwap, &swap{swaps}, details, uids...))
}

func (a *swap) manner(*Writer, *operation) manner { return single }

func (a *swap) bind(w *Writer, _ *operation) (*binding, error) {
	b := &binding{Before: make(map[string]string), Failure: w.opts.Catalog.CheckSwap(a.Swaps)}
	for _, s := range a.Swaps {
		for _, uid := range s.Indexes {
			if ix, ok := w.opts.Catalog.Get(uid); ok {
				b.Before[uid] = ix.Physical
			}
		}
	}
	return b, nil
}

func (a *swap) steps(*Writer, *operation, *target) []*outbox.Step { return nil }

func (a *swap) commit(w *Writer, o *operation) (json.RawMessage, error) {
	same := true
	for uid, physical := range o.bind.Before {
		ix, ok := w.opts.Catalog.Get(uid)
		same = same && ok && ix.Physical == physical
	}
	if !same || len(a.Swaps) == 0 { // done before a restart
		return o.Details, nil
	}
	if err := w.opts.Catalog.Swap(a.Swaps, w.opts.Now()); err != nil {
		return nil, err
	}
	var pairs [][2]string
	for _, s := range a.Swaps {
		pairs = append(pairs, s.Indexes)
	}
	w.opts.Tasks.SwapIndexes(o.Task, pairs)
	return o.Details, nil
}

func (a *swap) failed(o *operation) json.RawMessage { return o.Details }

// compact has nodes compact an index.
type compact struct{}

// Compact has every node that holds a part of the index compact it.
func (w *Writer) Compact(ctx context.Context, call Call, uid string) (*Receipt, *meili.Error) {
	return w.submit(ctx, call, w.new(kindCompact, meili.TypeIndexCompaction, &compact{}, json.RawMessage(`{}`), uid))
}

func (a *compact) manner(w *Writer, o *operation) manner { return w.whether(o.Indexes[0], flowing) }

func (a *compact) bind(w *Writer, o *operation) (*binding, error) {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}, nil
	}
	b := onIndex(ix)
	b.Targets = holders(ix.Placement, everyShard(ix.Shards))
	return b, nil
}

func (a *compact) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	s := o.request(0, http.MethodPost, indexPath(o.bind.Physical, "/compact"), meili.TypeIndexCompaction, nil)
	s.Accept = isGone
	return []*outbox.Step{s}
}

// commit adds up the sizes that the nodes report.
func (a *compact) commit(w *Writer, o *operation) (json.RawMessage, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var before, after float64
	for i := range o.bind.Targets {
		for _, out := range o.bind.Targets[i].outcomes {
			var d struct {
				Pre  string `json:"preCompactionSize"`
				Post string `json:"postCompactionSize"`
			}
			if json.Unmarshal(out.Details, &d) == nil {
				before += parseSize(d.Pre)
				after += parseSize(d.Post)
			}
		}
	}
	return must(struct {
		Pre  string `json:"preCompactionSize"`
		Post string `json:"postCompactionSize"`
	}{meili.FormatSize(int64(before)), meili.FormatSize(int64(after))}), nil
}

func (a *compact) failed(o *operation) json.RawMessage { return o.Details }

// parseSize reads a size as the server writes it: a number and a unit.
func parseSize(text string) float64 {
	i := slices.Index([]byte(text), ' ')
	if i < 0 {
		return 0
	}
	n, err := strconv.ParseFloat(text[:i], 64)
	if err != nil {
		return 0
	}
	for _, unit := range []struct {
		name string
		size float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}} {
		if text[i+1:] == unit.name {
			return n * unit.size
		}
	}
	return 0
}

// snapshot has every node write a snapshot.
type snapshot struct{}

// Snapshot has every node write a snapshot of itself.
func (w *Writer) Snapshot(ctx context.Context, call Call) (*Receipt, *meili.Error) {
	return w.submit(ctx, call, w.new(kindSnapshot, meili.TypeSnapshotCreation, &snapshot{}, nil))
}

func (a *snapshot) manner(*Writer, *operation) manner { return flowing }

func (a *snapshot) bind(w *Writer, _ *operation) (*binding, error) {
	return &binding{Targets: everyNode(w.opts.Topology(), nil, 0)}, nil
}

func (a *snapshot) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	return []*outbox.Step{o.request(0, http.MethodPost, "/snapshots", meili.TypeSnapshotCreation, nil)}
}

func (a *snapshot) commit(*Writer, *operation) (json.RawMessage, error) { return nil, nil }

func (a *snapshot) failed(*operation) json.RawMessage { return nil }
