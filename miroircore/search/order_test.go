package search

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// weighing is a node that counts words and finds hits: each as id, words matched
// of two and the score of proximity.
type weighing struct {
	mu     sync.Mutex
	counts string
	hits   [][3]float64
	bodies []string // what it was asked
}

func (n *weighing) act(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.GetBody != nil {
		r, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	n.bodies = append(n.bodies, string(body))
	n.mu.Unlock()
	if strings.HasSuffix(req.URL.Path, "/multi-search") {
		return respond(200, n.counts)(req)
	}
	var b strings.Builder
	b.WriteString(`{"hits":[`)
	for i, h := range n.hits {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%v,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":%v,"maxMatchingWords":2,"score":1},"proximity":{"order":1,"score":%v},"_miroir_version:asc":{"order":2,"value":"%s"}}}`,
			h[0], h[1], h[2], hidden.AppendVersion(nil, uint64(h[0])))
	}
	b.WriteString(`],"query":"zebra the","processingTimeMs":0,"limit":20,"offset":0,"estimatedTotalHits":9}`)
	return respond(200, b.String())(req)
}

func countsOf(n ...int) string {
	parts := make([]string, len(n))
	for i, c := range n {
		parts[i] = fmt.Sprintf(`{"indexUid":"books","hits":[],"estimatedTotalHits":%d}`, c)
	}
	return `{"results":[` + strings.Join(parts, ",") + `]}`
}

func found3(t *testing.T, answer *Answer) []string {
	t.Helper()
	if answer == nil {
		t.Fatal("there is no answer")
	}
	hits, ok := decode(t, answer.Body)["hits"].([]any)
	if !ok {
		t.Fatalf("no hits in %s", answer.Body)
	}
	var out []string
	for _, h := range hits {
		if m, ok := h.(map[string]any); ok {
			out = append(out, fmt.Sprint(m["id"]))
		}
	}
	return out
}

func newWeighing(t *testing.T, m merge.Merger) (*stand, *weighing, *weighing) {
	s := newStand(t, [][]string{{"a", "b"}}, 1, func(o *Options) { o.Merger = m })
	logical, err := settings.FromRaw(json.RawMessage(`{"filterableAttributes":["id"]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.ix.Settings = logical
	a := &weighing{counts: countsOf(500, 2, 495), hits: [][3]float64{{1, 2, 0.2}, {3, 2, 0.1}}}
	b := &weighing{counts: countsOf(500, 1, 495), hits: [][3]float64{{2, 1, 1}, {4, 1, 0.9}}}
	s.nodes["a"].set(a.act)
	s.nodes["b"].set(b.act)
	return s, a, b
}

func TestFrequenciesOfAllNodesWeighTheWords(t *testing.T) {
	s, a, _ := newWeighing(t, &merge.DFS{Depth: 30})
	answer, _ := s.search(context.Background(), Call{}, `{"q":"zebra the","limit":2,"offset":1,"filter":"id = 3"}`)
	if got := found3(t, answer); !slices.Equal(got, []string{"4", "1"}) {
		t.Errorf("the page is %v", got)
	}
	if len(a.bodies) != 2 {
		t.Fatalf("node a was asked %q", a.bodies)
	}
	for _, want := range []string{`"indexUid":"books"`, `"q":"zebra "`, `"q":"the"`, `"limit":0`, `"matchingStrategy":"all"`} {
		if !strings.Contains(a.bodies[0], want) {
			t.Errorf("frequencies are asked for by %s, without %s", a.bodies[0], want)
		}
	}
	if strings.Contains(a.bodies[0], "id = 3") {
		t.Errorf("the client's filter changes what a word weighs: %s", a.bodies[0])
	}
	if !strings.Contains(a.bodies[1], `"limit":30`) {
		t.Errorf("hits to weigh are asked for by %s", a.bodies[1])
	}
}

func TestPagesAreOfOneOrderWhateverMerges(t *testing.T) {
	for name, m := range map[string]merge.Merger{"details": merge.Details{}, "rrf": &merge.RRF{}, "dfs": &merge.DFS{}} {
		s, _, _ := newWeighing(t, m)
		whole, _ := s.search(context.Background(), Call{}, `{"q":"zebra the"}`)
		var turned []string
		for from := range 4 {
			page, _ := s.search(context.Background(), Call{}, fmt.Sprintf(`{"q":"zebra the","offset":%d,"limit":1}`, from))
			turned = append(turned, found3(t, page)...)
		}
		if all := found3(t, whole); !slices.Equal(turned, all) || len(all) != 4 {
			t.Errorf("%s: page by page %v, at once %v", name, turned, all)
		}
	}
}

func TestSearchesWithNothingToWeighAskForNoFrequencies(t *testing.T) {
	for _, body := range []string{`{}`, `{"q":"zebra"}`, `{"q":"zebra the","matchingStrategy":"all"}`, `{"q":"a b c d e f g h i j k"}`} {
		s, a, _ := newWeighing(t, &merge.DFS{})
		answer, _ := s.search(context.Background(), Call{}, body)
		if got := found3(t, answer); got[0] != "1" || len(a.bodies) != 1 {
			t.Errorf("%s: hits %v, asked %q", body, got, a.bodies)
		}
	}
}

func TestNodesThatDoNotTellFrequenciesLeaveTheOrderToTheDetails(t *testing.T) {
	s, a, b := newWeighing(t, &merge.DFS{})
	a.counts, b.counts = `{"results":[]}`, `garbage`
	answer, _ := s.search(context.Background(), Call{}, `{"q":"zebra the"}`)
	if got := found3(t, answer); got[0] != "1" {
		t.Errorf("hits are %v", got)
	}
}

func TestAConfigurationChangesMergerAndPolicy(t *testing.T) {
	s, _, _ := newWeighing(t, nil)
	first := func() string {
		answer, _ := s.search(context.Background(), Call{}, `{"q":"zebra the"}`)
		return strings.Join(found3(t, answer), " ")
	}
	if got := first(); got != "1 3 2 4" {
		t.Errorf("at first %s", got)
	}
	s.Tune(Tuning{Merger: &merge.RRF{}, Policy: plan.NewRoundRobin()})
	if got := first(); got != "1 2 3 4" {
		t.Errorf("by ranks %s", got)
	}
	s.Tune(Tuning{Merger: &merge.DFS{}})
	if got := first(); got != "2 4 1 3" {
		t.Errorf("by frequencies %s", got)
	}
	s.Tune(Tuning{FailoverAfter: time.Second})
	if got := first(); got != "1 3 2 4" {
		t.Errorf("by default %s", got)
	}
}

func TestQueryTerms(t *testing.T) {
	word := func(text string) merge.Term { return merge.Term{Text: text, Words: 1} }
	for query, want := range map[string][]merge.Term{
		"":                     nil,
		"zebra":                {word("zebra")},
		"zebra ":               {word("zebra ")},
		"The quick, brown-fox": {word("quick "), word("brown "), word("fox")},
		"l'été 2024!":          {word("l "), word("été "), word("2024 ")},
		"fox -hound":           {word("fox ")},
		`fox -"red hound" den`: {word("fox "), word("den")},
		`"red fox" den`:        {{Text: `"red fox"`, Words: 2}, word("den")},
		`den "red fox"`:        {word("den "), {Text: `"red fox"`, Words: 2}},
		`"" - "!" a`:           {word("a")},
	} {
		if got := queryTerms(query, []string{"the"}); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	terms := []merge.Term{{Text: "a ", Documents: 9}, {Text: "b ", Documents: 1}, {Text: `"c d"`, Documents: 5}}
	keptLast(terms, "frequency")
	if terms[0].Text != `"c d"` || terms[1].Text != "b " || terms[2].Text != "a " {
		t.Errorf("given up last: %v", terms)
	}
}
