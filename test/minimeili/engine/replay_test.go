package engine

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/test/recordings"
)

// outside lists the steps that are not answered by the engine but by the server
// around it.
var outside = map[string]map[int]string{
	"search": {
		134: "metadata is asked for in a header",
		149: "the network is the server's",
		151: "no payload", 152: "not JSON", 153: "content type",
	},
	"multi": {24: "options refused in federated queries", 25: "options refused in federated queries"},
}

// player replays the steps of a recording that concern the engine.
type player struct {
	t       *testing.T
	indexes map[string]*Index
}

func TestSearchesAnswerAsRecorded(t *testing.T) {
	for _, scenario := range []string{"search", "ranking", "multi", "vectors"} {
		t.Run(scenario, func(t *testing.T) {
			steps, err := recordings.Load(scenario)
			if err != nil {
				t.Fatal(err)
			}
			p := &player{t: t, indexes: map[string]*Index{}}
			compared := 0
			for i := range steps {
				if steps[i].Request == nil || outside[scenario][steps[i].Step] != "" {
					continue
				}
				if got, err := p.play(&steps[i]); got != nil || err != nil {
					compared++
					p.compare(&steps[i], got, err)
				}
			}
			if compared < 10 {
				t.Errorf("only %d steps compared", compared)
			}
		})
	}
}

// play carries a step out; without an answer and an error there is nothing to compare.
func (p *player) play(s *recordings.Step) (any, *meili.Error) {
	u, err := url.Parse(s.Request.Path)
	if err != nil {
		p.t.Fatal(err)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if parts[0] == "multi-search" {
		return p.multi(s)
	}
	if parts[0] != "indexes" || len(parts) < 3 || p.indexes[parts[1]] == nil && s.Status >= 400 {
		return nil, nil
	}
	ix := p.indexes[parts[1]]
	if ix == nil {
		ix = New(parts[1])
		p.indexes[parts[1]] = ix
	}
	switch {
	case parts[2] == "settings":
		p.settings(ix, parts, s)
	case parts[2] == "documents" && s.Status == 202 && len(parts) == 3:
		p.documents(ix, s)
	case parts[2] == "search" && s.Request.Method == "GET":
		return ask(request.ParseSearchQuery, u.RawQuery, ix.Search)
	case parts[2] == "search":
		return ask(request.ParseSearch, []byte(s.Request.Body), ix.Search)
	case parts[2] == "facet-search":
		return ask(request.ParseFacetSearch, []byte(s.Request.Body), ix.FacetSearch)
	case parts[2] == "similar" && s.Request.Method == "GET":
		return ask(request.ParseSimilarQuery, u.RawQuery, ix.similar)
	case parts[2] == "similar":
		return ask(request.ParseSimilar, []byte(s.Request.Body), ix.similar)
	case parts[2] == "documents" && len(parts) == 3:
		return ask(request.ParseDocumentsQuery, u.RawQuery, ix.Fetch)
	case parts[2] == "documents" && parts[3] == "fetch":
		return ask(request.ParseDocumentsFetch, []byte(s.Request.Body), ix.Fetch)
	}
	return nil, nil
}

func (ix *Index) similar(q *request.Similar) (*SimilarResult, *meili.Error) {
	return ix.Similar(q, nil)
}

// ask reads a request and answers it.
func ask[In, Query, Answer any](parse func(In) (*Query, *meili.Error), in In, answer func(*Query) (*Answer, *meili.Error)) (any, *meili.Error) {
	q, err := parse(in)
	if err != nil {
		return nil, err
	}
	a, err := answer(q)
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (p *player) multi(s *recordings.Step) (any, *meili.Error) {
	m, err := request.ParseMultiSearch(s.Request.Body)
	if err != nil {
		return nil, err
	}
	if m.Federation == nil {
		return nil, nil // the server searches one index after the other
	}
	r, err := Federate(m, func(uid string) *Index { return p.indexes[uid] })
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (p *player) settings(ix *Index, parts []string, s *recordings.Step) {
	var patch *settings.Patch
	var err *meili.Error
	switch {
	case s.Request.Method == "PATCH" && len(parts) == 3:
		patch, err = settings.Parse(s.Request.Body)
	case s.Request.Method == "PUT" || s.Request.Method == "PATCH":
		patch, err = settings.ParseSub(parts[3], s.Request.Body)
	default:
		return
	}
	if err == nil && s.Status == 202 {
		err = adopt(ix, patch)
	}
	if err != nil && s.Status == 202 {
		p.t.Error(err)
	}
}

func adopt(ix *Index, patch *settings.Patch) *meili.Error {
	next, err := patch.Apply(ix.Settings())
	if err != nil {
		return err
	}
	return ix.SetSettings(next)
}

func (p *player) documents(ix *Index, s *recordings.Step) {
	var docs []json.RawMessage
	if json.Unmarshal(s.Request.Body, &docs) != nil {
		return
	}
	if err := ix.Add(identified(docs), s.Request.Method == "PUT", false); err != nil {
		p.t.Error(err)
	}
}

// identified are documents with the text of their field id.
func identified(docs []json.RawMessage) []Document {
	var list []Document
	for _, raw := range docs {
		var fields struct{ ID json.RawMessage }
		if json.Unmarshal(raw, &fields) != nil {
			continue
		}
		list = append(list, Document{strings.Trim(string(fields.ID), `"`), raw})
	}
	return list
}

func (p *player) compare(s *recordings.Step, got any, err *meili.Error) {
	p.t.Helper()
	if difference := differ(p.t, s.Body, got, err); difference != "" {
		p.t.Errorf("step %d %s %s\n%s", s.Step, s.Request.Path, s.Request.Body, difference)
	}
}

// differ shows where an answer begins to be another than the wanted one.
func differ(t *testing.T, wanted json.RawMessage, got any, failure *meili.Error) string {
	t.Helper()
	if failure != nil {
		got = failure
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(got); err != nil {
		t.Fatal(err)
	}
	want, have := normal(wanted), normal(b.Bytes())
	if bytes.Equal(want, have) {
		return ""
	}
	at := 0
	for at < len(want) && at < len(have) && want[at] == have[at] {
		at++
	}
	around := func(b []byte) []byte { return b[max(0, at-300):min(len(b), at+500)] }
	return " want …" + string(around(want)) + "\n got  …" + string(around(have))
}

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
