package engine

import (
	"cmp"
	"slices"
)

// store is the documents of an index and the indexes over them.
type store struct {
	fields   []string // by field id, in the order they were first seen
	fieldIDs map[string]uint16

	docs  []*document // by internal id; nil is a free one
	ids   map[string]uint32
	all   docSet
	words map[string]*posting
	facet map[uint16]*facetField

	// counts[field][n] are the documents with n words in the field, n ≤ 30.
	counts map[uint16]map[int]*docSet
	geo    map[uint32][2]float64
	points docSet // documents with a place

	vectors map[string]*vectorStore // by embedder

	dict *dictionary // of the words that tolerate typos; nil after a change
}

// document is one stored document.
type document struct {
	id     string
	docid  uint32
	body   *object // top-level members in field id order
	size   int     // bytes of the stored JSON
	terms  []*posting
	counts map[uint16]int
	facets map[uint16]*docFacets
}

func (s *store) reset() {
	*s = store{
		fields: s.fields, fieldIDs: s.fieldIDs,
		ids: map[string]uint32{}, geo: map[uint32][2]float64{}, vectors: map[string]*vectorStore{},
	}
	if s.fieldIDs == nil {
		s.fieldIDs = map[string]uint16{}
	}
	s.resetIndexes()
}

// resetIndexes forgets all that is derived from documents.
func (s *store) resetIndexes() {
	s.words = map[string]*posting{}
	s.facet = map[uint16]*facetField{}
	s.counts = map[uint16]map[int]*docSet{}
	s.geo = map[uint32][2]float64{}
	s.points = docSet{}
	s.dict = nil
}

// fieldID gives the id of a field, a new one when it was never seen.
func (s *store) fieldID(name string) uint16 {
	if id, ok := s.fieldIDs[name]; ok {
		return id
	}
	id := uint16(len(s.fields))
	s.fields = append(s.fields, name)
	s.fieldIDs[name] = id
	return id
}

// freeIDs hands out the internal ids that are free when a batch starts: holes
// from the lowest on, then new ones. Ids freed by the batch itself are not
// handed out.
type freeIDs struct {
	used docSet
	next uint32
}

func (s *store) freeIDs() *freeIDs { return &freeIDs{used: s.all.clone()} }

func (f *freeIDs) take() uint32 {
	for f.used.has(f.next) {
		f.next++
	}
	f.next++
	return f.next - 1
}

// sortFields puts the top-level members of a document in field id order.
func (s *store) sortFields(o *object) {
	slices.SortStableFunc(o.members, func(a, b member) int {
		return cmp.Compare(s.fieldID(a.key), s.fieldID(b.key))
	})
}

// put stores a document and indexes it; one under the same internal id is replaced.
func (ix *Index) put(d *document) {
	if old := ix.at(d.docid); old != nil {
		ix.unindex(old)
	}
	for int(d.docid) >= len(ix.docs) {
		ix.docs = append(ix.docs, nil)
	}
	ix.docs[d.docid] = d
	ix.ids[d.id] = d.docid
	ix.all.add(d.docid)
	ix.index(d)
}

func (s *store) at(docid uint32) *document {
	if int(docid) < len(s.docs) {
		return s.docs[docid]
	}
	return nil
}

// drop removes a document for good.
func (ix *Index) drop(d *document) {
	ix.unindex(d)
	ix.docs[d.docid] = nil
	delete(ix.ids, d.id)
	ix.all.remove(d.docid)
	for _, v := range ix.vectors {
		v.remove(d.docid)
	}
}

func (ix *Index) index(d *document) {
	ix.indexWords(d)
	ix.indexFacets(d)
	ix.indexPlace(d)
}

func (ix *Index) unindex(d *document) {
	ix.unindexWords(d)
	ix.unindexFacets(d)
	delete(ix.geo, d.docid)
	ix.points.remove(d.docid)
}

// reindex builds all indexes again, as after a change of settings.
func (ix *Index) reindex() {
	ix.resetIndexes()
	for _, d := range ix.docs {
		if d != nil {
			ix.index(d)
		}
	}
}
