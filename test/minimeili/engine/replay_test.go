package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/test/recordings"
)

// player replays the steps of a recording that concern the engine.
type player struct {
	t       *testing.T
	indexes map[string]*Index
	raw     map[string]map[string]any
}

func TestRecordings(t *testing.T) {
	for _, scenario := range []string{"search", "ranking", "multi", "vectors", "documents"} {
		t.Run(scenario, func(t *testing.T) {
			steps, err := recordings.Load(scenario)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{t: t, indexes: map[string]*Index{}, raw: map[string]map[string]any{}}
			good, bad := 0, 0
			for i := range steps {
				if steps[i].Request == nil {
					continue
				}
				if p.play(&steps[i]) {
					good++
				} else {
					bad++
				}
			}
			t.Logf("%d steps equal, %d differ", good, bad)
		})
	}
}

func (p *player) index(uid string) *Index {
	if p.indexes[uid] == nil {
		p.indexes[uid] = New(uid)
		p.raw[uid] = map[string]any{}
	}
	return p.indexes[uid]
}

func (p *player) play(s *recordings.Step) bool {
	u, _ := url.Parse(s.Request.Path)
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	var got any
	var err *meili.Error
	switch {
	case parts[0] == "multi-search":
		return p.multi(s)
	case parts[0] != "indexes" || len(parts) < 3:
		return true
	case p.indexes[parts[1]] == nil && s.Status >= 400:
		return true
	}
	ix := p.index(parts[1])
	switch {
	case parts[2] == "settings":
		p.settings(ix, parts, s)
		return true
	case parts[2] == "documents" && s.Status == 202 && len(parts) == 3:
		p.documents(ix, s)
		return true
	case parts[2] == "search":
		var q *request.Search
		if s.Request.Method == "GET" {
			q, err = request.ParseSearchQuery(u.RawQuery)
		} else {
			q, err = request.ParseSearch(s.Request.Body)
		}
		if err == nil {
			var r *Result
			if r, err = ix.Search(q); r != nil {
				r.RequestUID = "<uuid>"
				got = r
			}
		}
	default:
		if got, err = p.other(ix, parts, u.RawQuery, s); got == nil && err == nil {
			return true
		}
	}
	return p.compare(s, got, err)
}

func (p *player) other(ix *Index, parts []string, query string, s *recordings.Step) (any, *meili.Error) {
	switch route := parts[2] + "/" + strings.Join(parts[3:], "/"); {
	case route == "facet-search/":
		q, err := request.ParseFacetSearch(s.Request.Body)
		if err != nil {
			return nil, err
		}
		r, err := ix.FacetSearch(q)
		return answer(r, r == nil, err)
	case route == "similar/":
		var q *request.Similar
		var err *meili.Error
		if s.Request.Method == "GET" {
			q, err = request.ParseSimilarQuery(query)
		} else {
			q, err = request.ParseSimilar(s.Request.Body)
		}
		if err != nil {
			return nil, err
		}
		r, err := ix.Similar(q, nil)
		return answer(r, r == nil, err)
	case parts[2] == "documents" && (s.Request.Method == "GET" && len(parts) == 3 || route == "documents/fetch"):
		var q *request.DocumentsFetch
		var err *meili.Error
		if s.Request.Method == "GET" {
			q, err = request.ParseDocumentsQuery(query)
		} else {
			q, err = request.ParseDocumentsFetch(s.Request.Body)
		}
		if err != nil {
			return nil, err
		}
		r, err := ix.Fetch(q)
		return answer(r, r == nil, err)
	case parts[2] == "documents" && s.Request.Method == "GET":
		q, err := request.ParseDocumentQuery(query)
		if err != nil {
			return nil, err
		}
		if raw, ok := ix.Get(parts[3], q.Fields, q.RetrieveVectors); ok {
			return raw, nil
		}
		return nil, meili.DocumentNotFound(parts[3])
	}
	return nil, nil
}

func answer(r any, none bool, err *meili.Error) (any, *meili.Error) {
	if none {
		return nil, err
	}
	return r, err
}

func (p *player) multi(s *recordings.Step) bool {
	m, err := request.ParseMultiSearch(s.Request.Body)
	if err != nil {
		return p.compare(s, nil, err)
	}
	if m.Federation == nil {
		return true
	}
	r, err := Federate(m, func(uid string) *Index { return p.indexes[uid] })
	if err != nil {
		return p.compare(s, nil, err)
	}
	return p.compare(s, r, nil)
}

func (p *player) compare(s *recordings.Step, got any, err *meili.Error) bool {
	if err != nil {
		got = err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(got); err != nil {
		p.t.Fatal(err)
	}
	want, have := normal(s.Body), normal(b.Bytes())
	if bytes.Equal(want, have) {
		return true
	}
	at := 0
	for at < len(want) && at < len(have) && want[at] == have[at] {
		at++
	}
	p.t.Errorf("step %d %s %s\n want …%s\n got  …%s", s.Step, s.Request.Path, s.Request.Body, around(want, at), around(have, at))
	return false
}

func around(b []byte, at int) []byte { return b[max(0, at-300):min(len(b), at+500)] }

// normal rewrites a body so that equal bodies have equal bytes.
func normal(raw []byte) []byte {
	v, err := parseValue(raw)
	if err != nil {
		return raw
	}
	if o, ok := v.(*object); ok {
		for _, k := range []string{"processingTimeMs", "requestUid", "performanceDetails"} {
			o.remove(k)
		}
	}
	return appendValue(nil, v)
}

func (p *player) settings(ix *Index, parts []string, s *recordings.Step) {
	raw := p.raw[parts[1]]
	var m map[string]any
	if len(parts) == 3 && s.Request.Method == "PATCH" {
		_ = json.Unmarshal(s.Request.Body, &m)
	} else if len(parts) == 4 && s.Request.Method == "PUT" {
		var v any
		_ = json.Unmarshal(s.Request.Body, &v)
		m = map[string]any{map[string]string{"filterable-attributes": "filterableAttributes", "sortable-attributes": "sortableAttributes"}[parts[3]]: v}
	}
	for k, v := range m {
		raw[k] = v
	}
	b, _ := json.Marshal(raw)
	cfg, err := parseConfig(b)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := ix.configure(ix.settings, cfg); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) documents(ix *Index, s *recordings.Step) {
	var docs []json.RawMessage
	if json.Unmarshal(s.Request.Body, &docs) != nil {
		return
	}
	var list []Document
	for _, d := range docs {
		var m map[string]any
		_ = json.Unmarshal(d, &m)
		id := m["id"]
		if f, ok := id.(float64); ok {
			id = fmt.Sprint(f)
		}
		text, ok := id.(string)
		if !ok {
			return
		}
		list = append(list, Document{text, d})
	}
	if err := ix.Add(list, s.Request.Method == "PUT", strings.Contains(s.Request.Path, "skipCreation=true")); err != nil {
		p.t.Error(err)
	}
}

var _ = reflect.DeepEqual
