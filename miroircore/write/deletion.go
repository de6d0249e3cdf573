package write

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// deletion shows what the nodes' deletions come to.
type deletion struct {
	Provided int     `json:"providedIds"`
	Deleted  *uint64 `json:"deletedDocuments"`
	Filter   *string `json:"originalFilter"`
}

// isGone accepts that a node does not have the index: whatever was there to
// delete went with it, when the deletion of the index was sent a second time.
func isGone(e *meili.Error) bool { return e.Code == "index_not_found" }

// removed ends an operation that may have removed documents.
func (w *Writer) removed(o *operation) error {
	ix, ok := w.opts.Catalog.ByPhysical(o.bind.Physical)
	if !ok {
		return nil
	}
	if !ix.Deletes {
		if err := w.opts.Catalog.MarkDeletes(ix.UID); err != nil {
			return err
		}
	}
	return w.touch(ix.UID)
}

// everything binds an operation that concerns all documents of an index.
func (w *Writer) everything(o *operation) *binding {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}
	}
	b := onIndex(ix)
	b.Targets = holders(ix.Placement, everyShard(ix.Shards))
	return b
}

// deleteDocuments deletes documents by their ids.
type deleteDocuments struct {
	IDs []string `json:"ids"`
}

// DeleteDocuments deletes documents by their ids, given as text.
func (w *Writer) DeleteDocuments(ctx context.Context, call Call, uid string, ids []string) (*Receipt, *meili.Error) {
	if ids == nil {
		ids = []string{}
	}
	return w.submit(ctx, call, w.new(kindDelete, meili.TypeDocumentDeletion, &deleteDocuments{ids},
		must(deletion{Provided: len(ids)}), uid))
}

func (a *deleteDocuments) shards(shards int) []int {
	touched := make(map[int]bool)
	for _, id := range a.IDs {
		touched[document.Shard([]byte(id), shards)] = true
	}
	return slices.Sorted(maps.Keys(touched))
}

func (a *deleteDocuments) ready(*Writer, *operation) bool { return true }

func (a *deleteDocuments) manner(w *Writer, o *operation) manner {
	return w.whether(o.Indexes[0], flowing)
}

func (a *deleteDocuments) bind(w *Writer, o *operation) (*binding, error) {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok {
		return &binding{Failure: meili.IndexNotFound(o.Indexes[0])}, nil
	}
	b := onIndex(ix)
	b.Targets = holders(ix.Placement, a.shards(ix.Shards))
	return b, nil
}

func (a *deleteDocuments) steps(_ *Writer, o *operation, t *target) []*outbox.Step {
	mine := make(map[int]bool, len(t.Shards))
	for _, s := range t.Shards {
		mine[s] = true
	}
	ids := []string{}
	for _, id := range a.IDs {
		if mine[document.Shard([]byte(id), o.bind.Shards)] {
			ids = append(ids, id)
		}
	}
	s := o.request(0, http.MethodPost, indexPath(o.bind.Physical, "/documents/delete-batch"), meili.TypeDocumentDeletion, must(ids))
	s.Metadata, s.Accept = true, isGone
	return []*outbox.Step{s}
}

func (a *deleteDocuments) commit(w *Writer, o *operation) (json.RawMessage, error) {
	n := w.sum(o, "deletedDocuments")
	return must(deletion{Provided: len(a.IDs), Deleted: &n}), w.removed(o)
}

func (a *deleteDocuments) failed(*operation) json.RawMessage {
	return must(deletion{Provided: len(a.IDs), Deleted: &none})
}

// deleteAll deletes all documents of an index.
type deleteAll struct{}

// DeleteAll deletes all documents of an index.
func (w *Writer) DeleteAll(ctx context.Context, call Call, uid string) (*Receipt, *meili.Error) {
	return w.submit(ctx, call, w.new(kindDeleteAll, meili.TypeDocumentDeletion, &deleteAll{}, deleted(nil), uid))
}

func (a *deleteAll) ready(*Writer, *operation) bool { return true }

func (a *deleteAll) manner(w *Writer, o *operation) manner { return w.whether(o.Indexes[0], flowing) }

func (a *deleteAll) bind(w *Writer, o *operation) (*binding, error) { return w.everything(o), nil }

func (a *deleteAll) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	s := o.request(0, http.MethodDelete, indexPath(o.bind.Physical, "/documents"), meili.TypeDocumentDeletion, nil)
	s.Metadata, s.Accept = true, isGone
	return []*outbox.Step{s}
}

func (a *deleteAll) commit(w *Writer, o *operation) (json.RawMessage, error) {
	n := w.sum(o, "deletedDocuments")
	return deleted(&n), w.removed(o)
}

func (a *deleteAll) failed(*operation) json.RawMessage { return deleted(&none) }

// deleteByFilter deletes the documents that a filter matches.
type deleteByFilter struct {
	Filter json.RawMessage `json:"filter"`
}

// DeleteByFilter deletes the documents that a filter matches. The filter is
// checked against the committed settings, so it waits for a change of them.
func (w *Writer) DeleteByFilter(ctx context.Context, call Call, uid string, condition json.RawMessage) (*Receipt, *meili.Error) {
	a := &deleteByFilter{condition}
	return w.submit(ctx, call, w.new(kindFilter, meili.TypeDocumentDeletion, a, must(deletion{Filter: a.shown()}), uid))
}

func (a *deleteByFilter) shown() *string {
	text := string(a.Filter)
	return &text
}

func (a *deleteByFilter) ready(*Writer, *operation) bool { return true }

func (a *deleteByFilter) manner(w *Writer, o *operation) manner {
	return w.whether(o.Indexes[0], ordered)
}

func (a *deleteByFilter) bind(w *Writer, o *operation) (*binding, error) {
	b := w.everything(o)
	if b.Failure == nil {
		ix, _ := w.opts.Catalog.Get(o.Indexes[0])
		if b.Failure = w.checkFilter(ix, a.Filter, "invalid_document_filter"); b.Failure != nil {
			b.Targets = nil
		}
	}
	return b, nil
}

// checkFilter gives what the server would refuse a filter with in the task.
func (w *Writer) checkFilter(ix *index.Index, condition json.RawMessage, code string) *meili.Error {
	expr, err := filter.ParseAs(code, condition)
	if err != nil || expr == nil {
		return err
	}
	return expr.Check(filter.Rules{Index: ix.UID, Code: code, Filterable: ix.Settings.Filterable(), Features: w.opts.Features(), Original: true})
}

func (a *deleteByFilter) steps(_ *Writer, o *operation, _ *target) []*outbox.Step {
	body := must(struct {
		Filter json.RawMessage `json:"filter"`
	}{a.Filter})
	s := o.request(0, http.MethodPost, indexPath(o.bind.Physical, "/documents/delete"), meili.TypeDocumentDeletion, body)
	s.Metadata, s.Accept, s.Filtered = true, isGone, true
	return []*outbox.Step{s}
}

func (a *deleteByFilter) commit(w *Writer, o *operation) (json.RawMessage, error) {
	n := w.sum(o, "deletedDocuments")
	return must(deletion{Deleted: &n, Filter: a.shown()}), w.removed(o)
}

func (a *deleteByFilter) failed(*operation) json.RawMessage {
	return must(deletion{Deleted: &none, Filter: a.shown()})
}
