package engine

import (
	"encoding/json"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// configure puts settings in place and indexes everything again.
func (ix *Index) configure(s *settings.Settings, cfg *config) *meili.Error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	old := ix.cfg
	before := ix.settings
	ix.settings, ix.cfg = s, cfg
	if cfg.usesPlaces() {
		for _, d := range ix.docs {
			if d == nil {
				continue
			}
			if err := checkPlace(d.id, d.body); err != nil {
				ix.settings, ix.cfg = before, old
				return err
			}
		}
		ix.fieldID("_geo.lat")
		ix.fieldID("_geo.lng")
	}
	if err := ix.changeEmbedders(old.embedders, cfg.embedders); err != nil {
		ix.settings, ix.cfg = before, old
		return err
	}
	ix.reindex()
	return nil
}

// change is what a batch makes of one document.
type change struct {
	id      string
	docid   uint32
	body    *object
	missing bool // there was no such document before the batch
}

// Add adds documents, one batch. update merges top-level fields into a document
// that exists; skipCreation leaves out documents that do not exist. When one
// document cannot be indexed nothing of the batch is.
func (ix *Index) Add(docs []Document, update, skipCreation bool) *meili.Error {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	changes := map[string]*change{}
	var order []*change
	free := ix.freeIDs()
	for _, doc := range docs {
		v, err := parseValue(doc.Raw)
		body, ok := v.(*object)
		if err != nil || !ok {
			return meili.NewError("internal", "document `%s` is not an object", doc.ID)
		}
		for _, m := range body.members {
			if m.key != "_vectors" {
				ix.fieldID(m.key)
			}
		}
		c := changes[doc.ID]
		if c == nil {
			c = &change{id: doc.ID}
			if docid, ok := ix.ids[doc.ID]; ok {
				c.docid = docid
			} else {
				c.docid, c.missing = free.take(), true
			}
			changes[doc.ID] = c
			order = append(order, c)
		}
		if skipCreation && c.missing {
			continue
		}
		c.merge(ix, body, update)
	}
	return ix.apply(order)
}

func (c *change) merge(ix *Index, body *object, update bool) {
	if !update {
		c.body = body
		return
	}
	if c.body == nil {
		c.body = &object{}
		if old := ix.at(c.docid); old != nil && !c.missing {
			c.body = old.body
		}
	}
	merged := &object{members: slices.Clone(c.body.members)}
	for _, m := range body.members {
		if m.key == "_vectors" {
			m.value = mergeVectors(merged, m.value)
		}
		merged.set(m.key, m.value)
	}
	c.body = merged
}

// apply stores the documents of a batch, or none of them.
func (ix *Index) apply(order []*change) *meili.Error {
	vectors := make([]docVectors, len(order))
	for i, c := range order {
		if c.body == nil {
			continue
		}
		if ix.cfg.usesPlaces() {
			if err := checkPlace(c.id, c.body); err != nil {
				return err
			}
		}
		var err *meili.Error
		if vectors[i], err = ix.takeVectors(c); err != nil {
			return err
		}
	}
	if err := ix.completeVectors(order, vectors); err != nil {
		return err
	}
	for i, c := range order {
		if c.body == nil {
			continue
		}
		ix.sortFields(c.body)
		ix.put(&document{id: c.id, docid: c.docid, body: c.body, size: len(appendValue(nil, c.body))})
		ix.putVectors(c.docid, vectors[i])
	}
	return nil
}

// completeVectors keeps the vectors of documents that bring none, and fails when
// some should have brought them.
func (ix *Index) completeVectors(order []*change, vectors []docVectors) *meili.Error {
	for i := range ix.cfg.embedders {
		e := &ix.cfg.embedders[i]
		if e.source != "userProvided" {
			continue
		}
		first, lacking := "", 0
		for j, c := range order {
			if c.body == nil {
				continue
			}
			if vectors[j] == nil {
				vectors[j] = docVectors{}
			}
			if ix.keepVectors(c, vectors[j], e) {
				if lacking++; lacking == 1 {
					first = c.id
				}
			}
		}
		if lacking > 0 {
			return ix.lackOfVectors(e, first, lacking)
		}
	}
	return nil
}

// Delete deletes documents by id and gives how many there were.
func (ix *Index) Delete(ids []string) int {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	n := 0
	for _, id := range ids {
		if docid, ok := ix.ids[id]; ok {
			ix.drop(ix.docs[docid])
			n++
		}
	}
	return n
}

// DeleteAll deletes every document and gives how many there were.
func (ix *Index) DeleteAll() int {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	n := len(ix.ids)
	ix.store.reset()
	return n
}

// DeleteWhere deletes the documents a filter selects and gives how many there were.
func (ix *Index) DeleteWhere(e *filter.Expr) (int, *meili.Error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	set, err := ix.filtered(e, "invalid_document_filter", true)
	if err != nil {
		return 0, err
	}
	n := 0
	for docid := range set.all {
		ix.drop(ix.docs[docid])
		n++
	}
	return n, nil
}

// Edit runs a function over the documents a filter selects (nil: all of them)
// and stores what it makes of them. The function gets a document's JSON object
// and gives the new one, or nil to delete the document. It gives how many
// documents were edited and how many deleted.
func (ix *Index) Edit(e *filter.Expr, function func(doc json.RawMessage) (json.RawMessage, error)) (edited, deleted int, err *meili.Error) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	set := ix.all.clone()
	if e != nil {
		if set, err = ix.filtered(e, "invalid_document_filter", true); err != nil {
			return 0, 0, err
		}
	}
	var order []*change
	var gone []*document
	for docid := range set.all {
		d := ix.docs[docid]
		before := appendValue(nil, d.body)
		after, failure := function(before)
		if failure != nil {
			return 0, 0, meili.NewError("edit_documents_by_function_error", "%s", failure.Error())
		}
		if after == nil {
			gone = append(gone, d)
			continue
		}
		v, _ := parseValue(after)
		body, ok := v.(*object)
		if !ok {
			return 0, 0, meili.NewError("edit_documents_by_function_error", "Document editions must keep documents as objects")
		}
		if equalValue(d.body, body) {
			continue
		}
		for _, m := range body.members {
			ix.fieldID(m.key)
		}
		if ix.primaryKey != "" && lookup(body, ix.primaryKey) == nil {
			return 0, 0, meili.NewError("missing_document_id", "Document doesn't have a `%s` attribute: `%s`.", ix.primaryKey, appendValue(nil, body))
		}
		if ix.primaryKey != "" && !equalValue(lookup(body, ix.primaryKey), lookup(d.body, ix.primaryKey)) {
			return 0, 0, meili.NewError("edit_documents_by_function_error", "Document editions cannot modify a document's primary key")
		}
		order = append(order, &change{id: d.id, docid: docid, body: body})
	}
	if err := ix.apply(order); err != nil {
		return 0, 0, err
	}
	for _, d := range gone {
		ix.drop(d)
	}
	return len(order) + len(gone), len(gone), nil
}

// lookup follows a dotted name into a document.
func lookup(o *object, path string) any {
	if v, ok := o.get(path); ok {
		return v
	}
	for i := range path {
		if path[i] != '.' {
			continue
		}
		if v, ok := o.get(path[:i]); ok {
			if child, ok := v.(*object); ok {
				return lookup(child, path[i+1:])
			}
		}
	}
	return nil
}

// Len gives the number of documents.
func (ix *Index) Len() int {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return len(ix.ids)
}
