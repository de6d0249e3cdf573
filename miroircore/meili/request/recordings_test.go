package request_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// step is one line of a recorded scenario.
type step struct {
	Step    int `json:"step"`
	Wait    *int
	Request struct {
		Method  string
		Path    string
		Headers map[string]string
		Body    json.RawMessage
	}
	Status int
	Body   json.RawMessage
}

func (s *step) body() []byte {
	var text string
	if json.Unmarshal(s.Request.Body, &text) == nil {
		return []byte(text)
	}
	return s.Request.Body
}

func scenarios(t *testing.T) map[string][]step {
	t.Helper()
	files, err := filepath.Glob("../../../test/recordings/data/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	all := make(map[string][]step)
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<24)
		key := strings.TrimSuffix(filepath.Base(name), ".jsonl")
		for lines.Scan() {
			var s step
			if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
				t.Fatal(err)
			}
			all[key] = append(all[key], s)
		}
		if err := file.Close(); err != nil || lines.Err() != nil {
			t.Fatal(err, lines.Err())
		}
	}
	return all
}

// server keeps what the recorded server knew that its errors depend on.
type server struct {
	settings map[string]*settings.Settings
	features meili.Features
	failed   *meili.Error // what the last settings task fails with
	details  json.RawMessage
}

func (v *server) index(uid string) *settings.Settings {
	if s := v.settings[uid]; s != nil {
		return s
	}
	return settings.Default()
}

// elsewhere are the codes of recorded errors that other packages tell, since
// they need documents, keys, embedders, or the text of a CSV file.
var elsewhere = map[string]string{
	"index_not_found": "needs the indexes", "invalid_search_embedder": "needs the embedders",
	"invalid_vector_dimensions": "needs the embedders", "not_found_similar_id": "needs the documents",
	"invalid_search_facets": "needs the settings and is about facets", "invalid_facet_search_facet_name": "needs the settings",
	"invalid_search_distinct": "needs the settings", "invalid_search_attributes_to_search_on": "needs the settings",
	"invalid_multi_search_query_ranking_rules": "needs the settings of several indexes",
	"invalid_multi_search_facets":              "needs the settings", "index_primary_key_already_exists": "needs the index",
}

// TestRecordedErrors holds what this package says of bad requests to what a
// real server said.
func TestRecordedErrors(t *testing.T) {
	told, skipped := 0, map[string]int{}
	for name, steps := range scenarios(t) {
		v := &server{settings: make(map[string]*settings.Settings)}
		for _, s := range steps {
			if s.Wait != nil {
				continue
			}
			got := v.handle(&s)
			if s.Status != 400 && s.Status != 415 {
				if got != nil {
					t.Errorf("%s %d: %s %s %s: refused with %q, was answered %d", name, s.Step, s.Request.Method, s.Request.Path,
						s.Request.Body, got.Message, s.Status)
				}
				continue
			}
			var want meili.Error
			if err := json.Unmarshal(s.Body, &want); err != nil {
				t.Fatal(err)
			}
			if got == nil {
				skipped[want.Code]++
				if name == "keys" && s.Step == 50 { // a tenant token adds a filter
					v.tenantFilter(t, want.Message)
					continue
				}
				if _, ok := elsewhere[want.Code]; !ok {
					t.Errorf("%s %d: %s %s %s: not refused, want %q", name, s.Step, s.Request.Method, s.Request.Path,
						s.Request.Body, want.Message)
				}
				continue
			}
			told++
			text, err := meili.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if !sameJSON(text, s.Body) || got.Status != s.Status {
				t.Errorf("%s %d: %s %s %s:\n got %d %s\nwant %d %s", name, s.Step, s.Request.Method, s.Request.Path, s.Request.Body,
					got.Status, text, s.Status, s.Body)
			}
		}
	}
	t.Logf("%d errors told here, elsewhere %v", told, skipped)
	if told < 90 {
		t.Errorf("only %d errors were compared", told)
	}
}

// sameJSON compares but for spaces; order counts.
func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	if json.Compact(&x, a) != nil || json.Compact(&y, b) != nil {
		return false
	}
	var p, q any
	_ = json.Unmarshal(x.Bytes(), &p)
	_ = json.Unmarshal(y.Bytes(), &q)
	r1, _ := meili.Marshal(p)
	r2, _ := meili.Marshal(q)
	return bytes.Equal(r1, r2) && order(x.Bytes()) == order(y.Bytes())
}

// order lists all names of members in the order they stand in.
func order(text []byte) string {
	dec := json.NewDecoder(bytes.NewReader(text))
	var b strings.Builder
	for {
		token, err := dec.Token()
		if err != nil {
			return b.String()
		}
		if s, ok := token.(string); ok {
			b.WriteString(s + "\x00")
		}
	}
}

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

// TestRecordedSettings holds settings, as they are shown after each change, and
// the details of the tasks that change them, to a real server's.
func TestRecordedSettings(t *testing.T) {
	shown, tasks := 0, 0
	for name, steps := range scenarios(t) {
		v := &server{settings: make(map[string]*settings.Settings)}
		for _, s := range steps {
			if s.Wait != nil {
				var task struct {
					Type    string
					Details json.RawMessage
					Error   *meili.Error
				}
				if err := json.Unmarshal(s.Body, &task); err != nil {
					t.Fatal(err)
				}
				if task.Type != "settingsUpdate" || v.details == nil {
					continue
				}
				tasks++
				if !sameJSON(v.details, task.Details) {
					t.Errorf("%s %d: details\n got %s\nwant %s", name, s.Step, v.details, task.Details)
				}
				if v.failed != nil && (task.Error == nil || !strings.HasSuffix(task.Error.Message, v.failed.Message)) {
					t.Errorf("%s %d: task fails with %q, want %+v", name, s.Step, v.failed.Message, task.Error)
				}
				v.details = nil
				continue
			}
			if err := v.handle(&s); err != nil {
				continue
			}
			parts := strings.Split(s.Request.Path, "/")
			if s.Request.Method != "GET" || s.Status != 200 || len(parts) < 4 || parts[3] != "settings" {
				continue
			}
			shown++
			got := v.index(parts[2]).JSON(v.features)
			if len(parts) > 4 {
				got = v.index(parts[2]).Sub(parts[4])
			}
			if !sameJSON(got, s.Body) {
				t.Errorf("%s %d: %s\n got %s\nwant %s", name, s.Step, s.Request.Path, got, s.Body)
			}
		}
	}
	if shown < 40 || tasks < 30 {
		t.Errorf("only %d settings and %d tasks were compared", shown, tasks)
	}
}
