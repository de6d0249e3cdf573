package engine

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

type store struct{}

func (s *store) reset()                {}
func (s *store) fieldID(string) uint16 { return 0 }

func (ix *Index) configure(s *settings.Settings, cfg *config) *meili.Error {
	ix.settings, ix.cfg = s, cfg
	return nil
}

// Add adds documents, one batch. update merges top-level fields into a document
// that exists; skipCreation leaves out documents that do not.
func (ix *Index) Add(docs []Document, update, skipCreation bool) *meili.Error { return nil }

// Delete deletes documents by id and gives how many there were.
func (ix *Index) Delete(ids []string) int { return 0 }

// DeleteAll deletes every document and gives how many there were.
func (ix *Index) DeleteAll() int { return 0 }

// DeleteWhere deletes the documents a filter selects and gives how many there were.
func (ix *Index) DeleteWhere(e *filter.Expr) (int, *meili.Error) { return 0, nil }

// Get gives a document with the given fields (nil: all of them).
func (ix *Index) Get(id string, fields []string, vectors bool) (json.RawMessage, bool) {
	return nil, false
}

// Len gives the number of documents.
func (ix *Index) Len() int { return 0 }

// Fetch gives a page of documents.
func (ix *Index) Fetch(r *request.DocumentsFetch) (*DocumentsResult, *meili.Error) { return nil, nil }

// Search answers a search.
func (ix *Index) Search(q *request.Search) (*Result, *meili.Error) { return nil, nil }

// FacetSearch answers a search among facet values.
func (ix *Index) FacetSearch(q *request.FacetSearch) (*FacetResult, *meili.Error) { return nil, nil }

// Similar answers a search for documents like one of the index. within, the
// filter of a tenant token, may be nil; it hides the document itself too.
func (ix *Index) Similar(q *request.Similar, within json.RawMessage) (*SimilarResult, *meili.Error) {
	return nil, nil
}

// Federate answers a federated multi-search; index gives the index of a uid, or nil.
func Federate(m *request.MultiSearch, index func(uid string) *Index) (*FederatedResult, *meili.Error) {
	return nil, nil
}

// Stats gives the index's figures.
func (ix *Index) Stats() Stats { return Stats{} }

// Fields gives a page of the index's fields.
func (ix *Index) Fields(r *request.Fields) *FieldsResult { return nil }
