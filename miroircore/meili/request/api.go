// Package request reads the bodies and query strings of Meilisearch's API, and
// refuses bad ones in the server's words.
package request

import (
	"encoding/json"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Format is how the documents of a body are written.
type Format int

// The formats of documents.
const (
	JSON Format = iota
	NDJSON
	CSV
)

// String names the format as messages do.
func (f Format) String() string { return [...]string{"json", "ndjson", "csv"}[f] }

// CheckJSON refuses a request whose Content-Type is not JSON.
func CheckJSON(h http.Header) *meili.Error { return nil }

// DocumentFormat gives the format that Content-Type names.
func DocumentFormat(h http.Header, p *Documents) (Format, *meili.Error) { return JSON, nil }

// IndexUID refuses a uid that cannot name an index, as paths do.
func IndexUID(uid string) *meili.Error { return nil }

// ParseSearch reads the body of a search.
func ParseSearch(body []byte) (*Search, *meili.Error) { return nil, nil }

// ParseSearchQuery reads the query string of a search.
func ParseSearchQuery(rawQuery string) (*Search, *meili.Error) { return nil, nil }

// AppendJSON appends the search as the body of a POST, without what is at its default.
func (s *Search) AppendJSON(dst []byte) []byte { return dst }

// ParseMultiSearch reads the body of a multi-search.
func ParseMultiSearch(body []byte) (*MultiSearch, *meili.Error) { return nil, nil }

// ParseFacetSearch reads the body of a facet search.
func ParseFacetSearch(body []byte) (*FacetSearch, *meili.Error) { return nil, nil }

// ParseSimilar reads the body of a search for similar documents.
func ParseSimilar(body []byte) (*Similar, *meili.Error) { return nil, nil }

// ParseSimilarQuery reads the query string of a search for similar documents.
func ParseSimilarQuery(rawQuery string) (*Similar, *meili.Error) { return nil, nil }

// ParseDocumentsQuery reads the query string of a page of documents.
func ParseDocumentsQuery(rawQuery string) (*DocumentsFetch, *meili.Error) { return nil, nil }

// ParseDocumentsFetch reads the body of a page of documents.
func ParseDocumentsFetch(body []byte) (*DocumentsFetch, *meili.Error) { return nil, nil }

// ParseDocumentQuery reads the query string of one document.
func ParseDocumentQuery(rawQuery string) (*Document, *meili.Error) { return nil, nil }

// ParseDocuments reads the query string of a write of documents.
func ParseDocuments(rawQuery string) (*Documents, *meili.Error) { return nil, nil }

// ParseCustomMetadata reads the query string of a deletion or an edition.
func ParseCustomMetadata(rawQuery string) (*string, *meili.Error) { return nil, nil }

// ParseDeleteBatch reads the ids to delete; numbers become their text.
func ParseDeleteBatch(body []byte) ([]string, *meili.Error) { return nil, nil }

// ParseDeleteByFilter reads the filter of the documents to delete; its syntax is checked.
func ParseDeleteByFilter(body []byte) (json.RawMessage, *meili.Error) { return nil, nil }

// ParseEdit reads the body of an edition by function.
func ParseEdit(body []byte) (*Edit, *meili.Error) { return nil, nil }

// ParseIndexCreate reads the body of an index creation.
func ParseIndexCreate(body []byte) (*IndexCreate, *meili.Error) { return nil, nil }

// ParseIndexUpdate reads the body of an index update.
func ParseIndexUpdate(body []byte) (*IndexUpdate, *meili.Error) { return nil, nil }

// ParseSwap reads the body of a swap.
func ParseSwap(body []byte) ([]Swap, *meili.Error) { return nil, nil }

// ParsePage reads the query string of a list; kind is "index" or "api_key".
func ParsePage(rawQuery, kind string) (*Page, *meili.Error) { return nil, nil }

// ParseTasks reads the query string of a list of tasks or batches.
func ParseTasks(rawQuery string) (*Tasks, *meili.Error) { return nil, nil }

// ParseTaskFilter reads the query string of a cancelation or deletion of tasks;
// action is "cancel" or "delete".
func ParseTaskFilter(rawQuery, action string) (*TaskFilter, *meili.Error) { return nil, nil }

// ParseKeyCreate reads the body of a key's creation.
func ParseKeyCreate(body []byte) (*KeyCreate, *meili.Error) { return nil, nil }

// ParseKeyUpdate reads the body of a key's update.
func ParseKeyUpdate(body []byte) (*KeyUpdate, *meili.Error) { return nil, nil }

// ParseFeatures reads the body of a change of experimental features.
func ParseFeatures(body []byte) (FeaturesUpdate, *meili.Error) { return nil, nil }

// ParseWebhookCreate reads the body of a webhook's creation.
func ParseWebhookCreate(body []byte) (*WebhookChange, *meili.Error) { return nil, nil }

// ParseWebhookUpdate reads the body of a webhook's update.
func ParseWebhookUpdate(body []byte) (*WebhookChange, *meili.Error) { return nil, nil }

// ParseExport reads the body of an export.
func ParseExport(body []byte) (*Export, *meili.Error) { return nil, nil }

// ParseFields reads the body of a request for an index's fields.
func ParseFields(body []byte) (*Fields, *meili.Error) { return nil, nil }

// ParseStats reads the query string of the stats routes.
func ParseStats(rawQuery string) (*Stats, *meili.Error) { return nil, nil }
