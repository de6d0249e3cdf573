package search

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

func TestDocumentsAreGoneThroughUpToALimit(t *testing.T) {
	for limit, more := range map[int]bool{1999: false, 2000: true, 0: true} {
		s := newStand(t, [][]string{{"a"}}, 1, func(o *Options) { o.ExactDistinct = limit })
		s.nodes["a"].set(respond(200, `{"results":[{"hits":[],"estimatedTotalHits":2000}]}`))
		q, err := request.ParseSearch([]byte(`{"distinct":"id"}`))
		if err != nil {
			t.Fatal(err)
		}
		p := &prepared{ix: s.ix, client: q, distinct: "id", to: 20}
		p.rewrite()
		if c, err := s.census(context.Background(), Call{}, p); c != nil || err != nil {
			t.Fatalf("a census of nodes that have more than they tell: %v, %v", c, err)
		}
		if n := s.nodes["a"].count(); n > 1 != more {
			t.Errorf("up to %d: %d requests for 2000 documents", limit, n)
		}
	}
}

func TestSpellingsAreAskedForUpToALimit(t *testing.T) {
	logical, err := settings.FromRaw(json.RawMessage(`{"filterableAttributes":["c"]}`))
	if err != nil {
		t.Fatal(err)
	}
	o := &result{p: &prepared{ix: &index.Index{Settings: logical}, client: &request.Search{Facets: []string{"c"}}}, facets: &merge.Facets{}}
	for _, told := range []string{`{"c":{"Red":1,"Blue":1,"Green":1}}`, `{"c":{"red":1,"blue":1,"green":1}}`} {
		if err := o.facets.Add([]byte(told), nil); err != nil {
			t.Fatal(err)
		}
	}
	for most, want := range map[int]int{1: 1, 2: 2, 100: 3} {
		if d := o.doubts(nil, most); len(d.disputed) != want {
			t.Errorf("at most %d: %d values", most, len(d.disputed))
		}
	}
}
