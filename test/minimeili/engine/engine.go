// Package engine is the search engine of the Meilisearch double: an index in
// memory that answers searches with the hits, the order, the scores and the
// counts of the real server. It knows nothing of HTTP and of tasks.
//
// An Index may be used by several goroutines; changes of one index exclude
// everything else on it.
package engine

import (
	"encoding/json"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// Document is a document to add: its id as text and the whole JSON object.
type Document struct {
	ID  string
	Raw json.RawMessage
}

// Result is the answer to a search, in the server's field order. What the
// engine cannot know (durations, ids of the request, metadata) is left to the
// caller; marshal it without escaping HTML.
type Result struct {
	Hits               []json.RawMessage `json:"hits"`
	Query              string            `json:"query"`
	QueryVector        json.RawMessage   `json:"queryVector,omitempty"`
	ProcessingTimeMs   int64             `json:"processingTimeMs"`
	HitsPerPage        *int              `json:"hitsPerPage,omitempty"`
	Page               *int              `json:"page,omitempty"`
	TotalPages         *int              `json:"totalPages,omitempty"`
	TotalHits          *int              `json:"totalHits,omitempty"`
	Limit              *int              `json:"limit,omitempty"`
	Offset             *int              `json:"offset,omitempty"`
	EstimatedTotalHits *int              `json:"estimatedTotalHits,omitempty"`
	FacetDistribution  json.RawMessage   `json:"facetDistribution,omitempty"`
	FacetStats         json.RawMessage   `json:"facetStats,omitempty"`
	RequestUID         string            `json:"requestUid,omitempty"`
	Metadata           any               `json:"metadata,omitempty"`
	PerformanceDetails any               `json:"performanceDetails,omitempty"`
	SemanticHitCount   *int              `json:"semanticHitCount,omitempty"`
}

// FederatedResult is the answer to a federated multi-search.
type FederatedResult struct {
	Hits               []json.RawMessage `json:"hits"`
	QueryVectors       json.RawMessage   `json:"queryVectors,omitempty"`
	ProcessingTimeMs   int64             `json:"processingTimeMs"`
	HitsPerPage        *int              `json:"hitsPerPage,omitempty"`
	Page               *int              `json:"page,omitempty"`
	TotalPages         *int              `json:"totalPages,omitempty"`
	TotalHits          *int              `json:"totalHits,omitempty"`
	Limit              *int              `json:"limit,omitempty"`
	Offset             *int              `json:"offset,omitempty"`
	EstimatedTotalHits *int              `json:"estimatedTotalHits,omitempty"`
	FacetDistribution  json.RawMessage   `json:"facetDistribution,omitempty"`
	FacetStats         json.RawMessage   `json:"facetStats,omitempty"`
	FacetsByIndex      json.RawMessage   `json:"facetsByIndex,omitempty"`
	RequestUID         string            `json:"requestUid,omitempty"`
	Metadata           any               `json:"metadata,omitempty"`
	SemanticHitCount   *int              `json:"semanticHitCount,omitempty"`
	PerformanceDetails any               `json:"performanceDetails,omitempty"`
}

// FacetResult is the answer to a facet search.
type FacetResult struct {
	FacetHits        []FacetHit `json:"facetHits"`
	FacetQuery       *string    `json:"facetQuery"`
	ProcessingTimeMs int64      `json:"processingTimeMs"`
}

// FacetHit is a facet value and how many documents have it.
type FacetHit struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// SimilarResult is the answer to a search for similar documents.
type SimilarResult struct {
	Hits               []json.RawMessage `json:"hits"`
	ID                 string            `json:"id"`
	ProcessingTimeMs   int64             `json:"processingTimeMs"`
	Limit              int               `json:"limit"`
	Offset             int               `json:"offset"`
	EstimatedTotalHits int               `json:"estimatedTotalHits"`
	PerformanceDetails any               `json:"performanceDetails,omitempty"`
}

// DocumentsResult is a page of documents.
type DocumentsResult struct {
	Results []json.RawMessage `json:"results"`
	Offset  int               `json:"offset"`
	Limit   int               `json:"limit"`
	Total   int               `json:"total"`
}

// Stats are the figures of an index.
type Stats struct {
	Documents         int
	RawSize           int64 // bytes of all documents
	FieldDistribution json.RawMessage
	Embeddings        int
	EmbeddedDocuments int
	HasEmbedders      bool
}

// FieldsResult is a page of the fields of an index.
type FieldsResult struct {
	Results []json.RawMessage `json:"results"`
	Offset  int               `json:"offset"`
	Limit   int               `json:"limit"`
	Total   int               `json:"total"`
}

// Index is an index: its settings, its documents and what makes them searchable.
type Index struct {
	mu sync.RWMutex

	dictMu sync.Mutex

	uid        string // only named in messages
	primaryKey string
	features   meili.Features
	settings   *settings.Settings
	cfg        *config

	store
}

// New makes an empty index; uid is what messages call it.
func New(uid string) *Index {
	ix := &Index{uid: uid, settings: settings.Default(), cfg: defaultConfig()}
	ix.store.reset()
	return ix
}

// SetUID changes what messages call the index, after a rename or a swap.
func (ix *Index) SetUID(uid string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.uid = uid
}

// SetFeatures tells the index which experimental features are on.
func (ix *Index) SetFeatures(f meili.Features) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.features = f
}

// SetPrimaryKey names the field that identifies documents.
func (ix *Index) SetPrimaryKey(field string) {
	ix.mu.Lock()
	defer ix.mu.Unlock()
	ix.primaryKey = field
	if field != "" {
		ix.fieldID(field)
	}
}

// PrimaryKey gives the field that identifies documents, or nothing.
func (ix *Index) PrimaryKey() string {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.primaryKey
}

// Settings gives the index's settings.
func (ix *Index) Settings() *settings.Settings {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	return ix.settings
}

// SetSettings changes the settings and indexes all documents again under them.
func (ix *Index) SetSettings(s *settings.Settings) *meili.Error {
	cfg, err := parseConfig(s.Raw())
	if err != nil {
		return meili.NewError("internal", "%v", err)
	}
	return ix.configure(s, cfg)
}
