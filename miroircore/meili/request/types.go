package request

import (
	"encoding/json"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// Hybrid says how much of a search is semantic, and by which embedder.
type Hybrid struct {
	Embedder      string
	SemanticRatio float32
}

// FederationOptions are a query's part in a federated search.
type FederationOptions struct {
	Weight        float64
	Remote        *string
	QueryPosition *int
}

// Search is a search query. Offset, Limit and CropLength have their defaults
// filled in; what else was not given is nil or zero.
type Search struct {
	IndexUID string // of a query in a multi-search

	Q                *string
	Vector           []float32 // nil when not given
	Media            json.RawMessage
	Hybrid           *Hybrid
	Offset           int
	Limit            int
	Page             *int
	HitsPerPage      *int
	RetrieveVectors  bool
	MatchingStrategy string // last, all or frequency

	AttributesToRetrieve  []string // nil means all
	AttributesToCrop      []string // nil when not given
	AttributesToHighlight []string // nil when not given
	CropLength            int
	HighlightPreTag       string
	HighlightPostTag      string
	CropMarker            string

	ShowMatchesPosition     bool
	ShowRankingScore        bool
	ShowRankingScoreDetails bool
	ShowPerformanceDetails  bool

	Filter                json.RawMessage // nil when none
	Sort                  []string        // nil when not given
	Distinct              *string
	Facets                []string // nil when not given
	AttributesToSearchOn  []string // nil when not given
	RankingScoreThreshold *float64
	Locales               []string // nil when not given
	Personalize           *string  // the user's context
	UseNetwork            *bool

	FederationOptions *FederationOptions // of a query in a multi-search

	inMulti bool // null is allowed for fields that a lone search wants a value for
	sent    sent
}

// sent says which fields were sent whose value alone does not tell.
type sent struct{ offset, limit, performance bool }

// Federation says how the queries of a multi-search are merged into one answer.
type Federation struct {
	Limit                  int
	Offset                 int
	Page                   *int
	HitsPerPage            *int
	FacetsByIndex          []IndexFacets
	MergeFacets            *MergeFacets
	Distinct               *string
	ShowPerformanceDetails bool
	Personalize            *string
}

// IndexFacets are the facets asked for of one index; nil means null was sent.
type IndexFacets struct {
	Index  string
	Facets []string
}

// MergeFacets asks for one list of facets over all indexes.
type MergeFacets struct {
	MaxValuesPerFacet *int
}

// MultiSearch is several search queries in one request.
type MultiSearch struct {
	Queries    []Search
	Federation *Federation // nil when the queries are answered one by one
}

// FacetSearch searches the values of a facet.
type FacetSearch struct {
	FacetName             string
	FacetQuery            *string
	Q                     *string
	Vector                []float32
	Media                 json.RawMessage
	Hybrid                *Hybrid
	Filter                json.RawMessage
	MatchingStrategy      string
	AttributesToSearchOn  []string
	RankingScoreThreshold *float64
	Locales               []string
	ExhaustiveFacetCount  *bool
	UseNetwork            *bool
}

// Similar asks for documents like one of the index.
type Similar struct {
	ID                      string // empty when what was sent cannot be one: see CheckID
	Embedder                string
	Offset                  int
	Limit                   int
	Filter                  json.RawMessage
	AttributesToRetrieve    []string // nil means all
	RetrieveVectors         bool
	ShowRankingScore        bool
	ShowRankingScoreDetails bool
	ShowPerformanceDetails  bool
	RankingScoreThreshold   *float64

	sentID *decode.Value
}

// DocumentsFetch asks for a page of documents.
type DocumentsFetch struct {
	Offset          int
	Limit           int
	Fields          []string // nil means all
	RetrieveVectors bool
	IDs             []string // nil when not given
	Filter          json.RawMessage
	Sort            []string // nil when not given
	UseNetwork      *bool

	sentIDs []decode.Value
}

// Document asks for one document.
type Document struct {
	Fields          []string // nil means all
	RetrieveVectors bool
}

// Documents are the query parameters of a write of documents.
type Documents struct {
	PrimaryKey     *string
	CSVDelimiter   byte // 0 when not given
	CustomMetadata *string
	SkipCreation   bool

	hasDelimiter bool
}

// Edit changes documents by a function.
type Edit struct {
	Function string
	Filter   json.RawMessage // nil when none
	Context  json.RawMessage // nil when none
}

// IndexCreate makes an index.
type IndexCreate struct {
	UID        string
	PrimaryKey *string
}

// IndexUpdate changes an index's primary key or renames it.
type IndexUpdate struct {
	PrimaryKey *string
	UID        *string
}

// Swap exchanges two indexes, or renames the first to the second.
type Swap struct {
	Indexes [2]string
	Rename  bool
}

// Page is a page by offset and limit.
type Page struct {
	Offset int
	Limit  int
}

// TaskFilter chooses tasks; nil lists choose any.
type TaskFilter struct {
	UIDs       []uint32
	BatchUIDs  []uint32
	CanceledBy []uint32
	Types      []meili.TaskType
	Statuses   []meili.TaskStatus
	IndexUIDs  []string

	AfterEnqueuedAt  *time.Time
	BeforeEnqueuedAt *time.Time
	AfterStartedAt   *time.Time
	BeforeStartedAt  *time.Time
	AfterFinishedAt  *time.Time
	BeforeFinishedAt *time.Time
}

// Tasks asks for a page of tasks or batches.
type Tasks struct {
	TaskFilter
	Limit   uint32
	From    *uint32
	Reverse bool
}

// KeyCreate makes an API key.
type KeyCreate struct {
	UID         *string
	Name        *string
	Description *string
	Actions     []string
	Indexes     []string
	ExpiresAt   *time.Time // nil means never
}

// KeyUpdate changes an API key; a field that was not sent stays as it is.
type KeyUpdate struct {
	Name        Optional[string]
	Description Optional[string]
}

// Optional is a value that was not sent, or was null, or was given.
type Optional[T any] struct {
	Sent  bool
	Value *T // nil when null was sent
}

// FeaturesUpdate turns experimental features on or off.
type FeaturesUpdate map[string]bool

// Apply gives the features f become by the update.
func (u FeaturesUpdate) Apply(f meili.Features) meili.Features {
	for name, on := range u {
		f.Set(name, on)
	}
	return f
}

// WebhookChange makes or changes a webhook.
type WebhookChange struct {
	URL     Optional[string]
	Headers []WebhookHeader // nil when not sent
	Reset   bool            // headers: null was sent
}

// WebhookHeader is a header of a webhook; a nil value removes it.
type WebhookHeader struct {
	Name  string
	Value *string
}

// Export copies indexes to another server.
type Export struct {
	URL         string
	APIKey      *string
	PayloadSize *uint64 // bytes
	PayloadText *string // how the size was written, when it was text
	Indexes     []ExportIndex
}

// ExportIndex is the part of an export about the indexes that match a pattern.
type ExportIndex struct {
	Pattern          string
	Filter           json.RawMessage // nil when none
	OverrideSettings bool
}

// Fields asks for a page of an index's fields; nil conditions are not asked.
type Fields struct {
	Offset            int
	Limit             int
	AttributePatterns []string
	Displayed         *bool
	Searchable        *bool
	Sortable          *bool
	Distinct          *bool
	RankingRule       *bool
	Filterable        *bool
}

// Stats are the parameters of the stats routes.
type Stats struct {
	ShowInternalDatabaseSizes bool
	Human                     bool
}
