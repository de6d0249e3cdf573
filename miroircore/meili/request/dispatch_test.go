package request_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

func header(s *step) http.Header {
	h := http.Header{}
	for name, value := range s.Request.Headers {
		h.Set(name, value)
	}
	if h.Get("Content-Type") == "" && len(s.Request.Body) > 0 { // as the recording client did
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return h
}

// handle gives the error this package has for a request.
func (v *server) handle(s *step) *meili.Error {
	path, query, _ := strings.Cut(s.Request.Path, "?")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	body := s.body()
	json := func(read func([]byte) *meili.Error) *meili.Error {
		if err := request.CheckJSON(header(s)); err != nil {
			return err
		}
		return read(body)
	}
	key := s.Request.Method + " " + parts[0]
	if parts[0] == "indexes" && len(parts) > 1 {
		return v.handleIndex(s, parts[1], s.Request.Method+" "+strings.Join(parts[2:], "/"), query, json)
	}
	switch key {
	case "GET indexes":
		return second(request.ParsePage(query, "index"))
	case "POST indexes":
		return json(func(b []byte) *meili.Error { return second(request.ParseIndexCreate(b)) })
	case "POST swap-indexes":
		return json(func(b []byte) *meili.Error { return second(request.ParseSwap(b)) })
	case "GET keys":
		return second(request.ParsePage(query, "api_key"))
	case "POST keys":
		return json(func(b []byte) *meili.Error { return second(request.ParseKeyCreate(b)) })
	case "PATCH keys":
		return json(func(b []byte) *meili.Error { return second(request.ParseKeyUpdate(b)) })
	case "PATCH experimental-features":
		return json(func(b []byte) *meili.Error {
			u, err := request.ParseFeatures(b)
			if err == nil {
				v.features = u.Apply(v.features)
			}
			return err
		})
	case "POST multi-search":
		return json(v.multiSearch)
	case "GET tasks", "GET batches":
		if len(parts) > 1 {
			if _, ok := request.Uint32Path(parts[1]); !ok {
				return meili.InvalidTaskUID(parts[1])
			}
			return nil
		}
		return second(request.ParseTasks(query))
	case "POST tasks":
		return second(request.ParseTaskFilter(query, "cancel"))
	case "DELETE tasks":
		return second(request.ParseTaskFilter(query, "delete"))
	case "GET stats":
		return second(request.ParseStats(query))
	case "POST webhooks":
		return json(func(b []byte) *meili.Error { return second(request.ParseWebhookCreate(b)) })
	case "POST export":
		return json(func(b []byte) *meili.Error { return second(request.ParseExport(b)) })
	case "GET metrics":
		return v.gate("metrics", "Getting metrics")
	case "GET network":
		return v.gate("network", "Using the /network route")
	case "GET chats":
		return v.gate("chatCompletions", "listing the chats")
	}
	return nil
}

func (v *server) gate(feature, action string) *meili.Error {
	if v.features.Get(feature) {
		return nil
	}
	return meili.FeatureNotEnabled(action, feature)
}

// tenantFilter joins a filter of a token with the request's.
func (v *server) tenantFilter(t *testing.T, want string) {
	t.Helper()
	sent, _ := filter.Parse(json.RawMessage(`"price > 20"`))
	added, _ := filter.Parse(json.RawMessage(`"nope = 1"`))
	err := filter.Join(sent, added).Check(filter.Rules{Index: "books", Filterable: v.index("books").Filterable()})
	if err == nil || err.Message != want {
		t.Errorf("joined filters: got %v, want %q", err, want)
	}
}

func second[T any](_ T, err *meili.Error) *meili.Error { return err }

func (v *server) handleIndex(s *step, uid, route, query string, json func(func([]byte) *meili.Error) *meili.Error) *meili.Error {
	if method, rest, ok := strings.Cut(route, " settings"); ok {
		return v.handleSettings(uid, method, strings.TrimPrefix(rest, "/"), json)
	}
	switch route {
	case "PATCH ":
		return json(func(b []byte) *meili.Error { return second(request.ParseIndexUpdate(b)) })
	case "GET stats":
		return second(request.ParseStats(query))
	case "POST fields":
		return json(func(b []byte) *meili.Error { return second(request.ParseFields(b)) })
	case "GET search":
		q, err := request.ParseSearchQuery(query)
		return v.search(uid, q, err)
	case "POST search":
		return json(func(b []byte) *meili.Error {
			q, err := request.ParseSearch(b)
			return v.search(uid, q, err)
		})
	case "POST facet-search":
		return json(func(b []byte) *meili.Error {
			q, err := request.ParseFacetSearch(b)
			if err != nil {
				return err
			}
			return second(filter.Parse(q.Filter))
		})
	case "GET similar":
		return second(request.ParseSimilarQuery(query))
	case "POST similar":
		return json(func(b []byte) *meili.Error { return second(request.ParseSimilar(b)) })
	case "GET documents":
		d, err := request.ParseDocumentsQuery(query)
		return v.fetch(uid, d, err)
	case "POST documents/fetch":
		return json(func(b []byte) *meili.Error {
			d, err := request.ParseDocumentsFetch(b)
			return v.fetch(uid, d, err)
		})
	case "POST documents", "PUT documents":
		return writeDocuments(s, uid, query)
	case "DELETE documents":
		return second(request.ParseCustomMetadata(query))
	case "POST documents/delete-batch":
		return json(func(b []byte) *meili.Error { return second(request.ParseDeleteBatch(b)) })
	case "POST documents/delete":
		return json(func(b []byte) *meili.Error {
			raw, err := request.ParseDeleteByFilter(b)
			if err != nil {
				return err
			}
			e, _ := filter.Parse(raw)
			return e.Allowed(v.features)
		})
	case "POST documents/edit":
		return json(func(b []byte) *meili.Error {
			if _, err := request.ParseEdit(b); err != nil {
				return err
			}
			return v.gate("editDocumentsByFunction", "Using the documents edit route")
		})
	}
	if method, rest, ok := strings.Cut(route, " documents/"); ok && method == "GET" && rest != "" {
		return second(request.ParseDocumentQuery(query))
	}
	return nil
}

func writeDocuments(s *step, uid, query string) *meili.Error {
	p, err := request.ParseDocuments(query)
	if err != nil {
		return err
	}
	if err := request.IndexUID(uid); err != nil {
		return err
	}
	format, err := request.DocumentFormat(header(s), p)
	if err != nil {
		return err
	}
	return documentsError(format, s.body())
}

// documentsError has the server's words for the few broken bodies on record; the
// package that reads documents finds such faults.
func documentsError(format request.Format, body []byte) *meili.Error {
	switch string(body) {
	case "":
		return meili.MissingPayload(format.String())
	case "[{":
		return meili.MalformedDocuments("json", "EOF while parsing an object at line 1 column 2")
	case "12", `"s"`:
		return meili.MalformedDocuments("json", "data are neither an object nor a list of objects")
	case "a,b\n1":
		return meili.MalformedCSV("CSV error: record 1 (line: 2, byte: 4): found record with 1 fields, but the previous record has 2 fields")
	}
	return nil
}

func (v *server) search(uid string, q *request.Search, err *meili.Error) *meili.Error {
	if err != nil {
		return err
	}
	if q.UseNetwork != nil {
		return meili.FeatureNotEnabled("passing `useNetwork` in a search query", "network")
	}
	if err := q.CheckHybrid(); err != nil {
		return err
	}
	e, err := filter.Parse(q.Filter)
	if err != nil {
		return err
	}
	sorts, err := filter.ParseSort(q.Sort)
	if err != nil {
		return err
	}
	ix := v.index(uid)
	if err := filter.CheckSort(sorts, filter.SortRules{Index: uid, Sortable: ix.Sortable(), Displayed: ix.Displayed(),
		RankingRules: ix.RankingRules()}); err != nil {
		return err
	}
	return e.Check(filter.Rules{Index: uid, Filterable: ix.Filterable(), Features: v.features})
}

func (v *server) fetch(uid string, d *request.DocumentsFetch, err *meili.Error) *meili.Error {
	if err != nil {
		return err
	}
	const sortCode = "invalid_document_sort"
	sorts, err := filter.ParseSortAs(sortCode, d.Sort)
	if err != nil {
		return err
	}
	e, err := filter.ParseAs("invalid_document_filter", d.Filter)
	if err != nil {
		return err
	}
	if err := filter.CheckSort(sorts, filter.SortRules{Code: sortCode, Sortable: v.index(uid).Sortable()}); err != nil {
		return err
	}
	return e.Check(filter.Rules{Code: "invalid_document_filter", Filterable: v.index(uid).Filterable(),
		Features: v.features, Original: true})
}

func (v *server) multiSearch(body []byte) *meili.Error {
	m, err := request.ParseMultiSearch(body)
	if err != nil {
		return err
	}
	for i := range m.Queries {
		if err := m.Check(i); err != nil {
			return err
		}
		if err := v.search(m.Queries[i].IndexUID, &m.Queries[i], nil); err != nil {
			return request.Inside(i, err)
		}
	}
	return nil
}

func (v *server) handleSettings(uid, method, name string, json func(func([]byte) *meili.Error) *meili.Error) *meili.Error {
	var p *settings.Patch
	var err *meili.Error
	switch {
	case method == "GET":
		return nil
	case method == "DELETE" && name == "":
		p = settings.ResetAll()
	case method == "DELETE":
		p = settings.ResetSub(name)
	default:
		err = json(func(b []byte) (err *meili.Error) {
			if name == "" {
				p, err = settings.Parse(b)
			} else {
				p, err = settings.ParseSub(name, b)
			}
			return err
		})
		if err == nil {
			err = p.Check(v.features)
		}
	}
	if err != nil {
		return err
	}
	v.details = p.Details()
	next, failed := p.Apply(v.index(uid))
	if v.failed = failed; failed == nil {
		v.settings[uid] = next
	}
	return nil
}
