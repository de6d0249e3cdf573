package write

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

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
	_, err := w.opts.Catalog.Create(index.Spec{UID: o.Indexes[0], Physical: o.bind.Physical, PrimaryKey: primaryKey, Shards: o.bind.Shards, At: w.opts.Now(),
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
		}
	}
	if a.UID != nil && *a.UID != uid { // it may have been renamed before a restart
		w.opts.Tasks.SwapIndexes(o.Task, [][2]string{{uid, *a.UID}})
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
	s.Accept, s.Last = isGone, true
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

// closed frees the physical name: no node has the index any more, unless a
// request for it that is still on its way makes it anew.
func (a *deleteIndex) closed(w *Writer, o *operation) {
	if o.bind.Physical == "" || o.outcome.Status != meili.StatusSucceeded {
		return
	}
	if w.watched(o.bind.Physical) {
		w.mutex.Lock()
		w.haunted[o.bind.Physical] = true
		w.mutex.Unlock()
	} else if err := w.opts.Catalog.Forget(o.bind.Physical); err != nil {
		w.log.Error("a dropped index could not be forgotten", "index", o.bind.Physical, "error", err)
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.newest, o.bind.Physical)
	for p := range w.out {
		if p.physical == o.bind.Physical {
			delete(w.out, p)
			w.unkept = true
		}
	}
}
