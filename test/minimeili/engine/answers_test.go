package engine

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// answered is a line of testdata: a change of an index, or a query with what a
// real server answered. The queries were made at random.
type answered struct {
	Kind, Name, Route string
	Settings          json.RawMessage
	Docs              []json.RawMessage
	IDs               []string
	Update            bool
	Features          map[string]bool
	Body, Answer      json.RawMessage
}

func TestRandomQueriesAnswerAsARealServerDoes(t *testing.T) {
	for _, name := range []string{"ranking", "vectors", "text"} {
		t.Run(name, func(t *testing.T) {
			a := asker{t: t, indexes: map[string]*Index{}}
			forEachLine(t, "testdata/"+name+".jsonl.gz", a.line)
		})
	}
}

func forEachLine(t *testing.T, file string, do func(n int, l *answered)) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<26)
	for n := 1; lines.Scan(); n++ {
		var l answered
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		do(n, &l)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

type asker struct {
	t        *testing.T
	indexes  map[string]*Index
	features meili.Features
}

func (a *asker) line(n int, l *answered) {
	ix := a.indexes[l.Name]
	switch l.Kind {
	case "features":
		for k, v := range l.Features {
			a.features.Set(k, v)
		}
		for _, ix := range a.indexes {
			ix.SetFeatures(a.features)
		}
	case "index":
		ix = New(l.Name)
		ix.SetFeatures(a.features)
		ix.SetPrimaryKey("id")
		a.indexes[l.Name] = ix
		a.configure(ix, l)
		_ = ix.Add(identified(l.Docs), false, false)
	case "settings":
		a.configure(ix, l)
	case "docs":
		_ = ix.Add(identified(l.Docs), l.Update, false) // some batches failed in the real server too
	case "delete":
		ix.Delete(l.IDs)
	case "query":
		got, err := a.ask(ix, l)
		if d := differ(a.t, l.Answer, got, err); d != "" {
			a.t.Errorf("line %d %s %s\n%s", n, l.Route, l.Body, d)
		}
	}
}

func (a *asker) configure(ix *Index, l *answered) {
	patch, err := settings.Parse(l.Settings)
	if err == nil {
		err = adopt(ix, patch)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *asker) ask(ix *Index, l *answered) (any, *meili.Error) {
	switch l.Route {
	case "facet-search":
		return ask(request.ParseFacetSearch, []byte(l.Body), ix.FacetSearch)
	case "similar":
		return ask(request.ParseSimilar, []byte(l.Body), ix.similar)
	case "documents/fetch":
		return ask(request.ParseDocumentsFetch, []byte(l.Body), ix.Fetch)
	}
	return ask(request.ParseSearch, []byte(l.Body), ix.Search)
}
