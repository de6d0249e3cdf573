package merge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/merge/mergetest"
)

func TestMergers(t *testing.T) {
	for name, m := range map[string]merge.Merger{
		"details": merge.Details{}, "rrf": &merge.RRF{}, "rrf that favours the first": &merge.RRF{K: 1},
		"dfs": &merge.DFS{}, "dfs of few": &merge.DFS{Depth: 7},
	} {
		t.Run(name, func(t *testing.T) { mergetest.Merger(t, m) })
	}
}

// answer is a node's, of hits that are given as id, words matched of two and
// the score of proximity.
func answer(t *testing.T, hits ...[3]float64) *hit.Answer {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"hits":[`)
	for i, h := range hits {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%v,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":%v,"maxMatchingWords":2,"score":1},"proximity":{"order":1,"score":%v},%q:{"order":2,"value":"%s"}}}`,
			h[0], h[1], h[2], hit.VersionRule, hidden.AppendVersion(nil, uint64(h[0])))
	}
	b.WriteString(`],"estimatedTotalHits":9}`)
	a, err := hit.Scan([]byte(b.String()), &hit.Want{PrimaryKey: "id", Rules: true})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func merged(m merge.Merger, terms []merge.Term, answers ...*hit.Answer) []string {
	hits, _ := m.Merge(nil, merge.Lists{Answers: answers, Window: merge.Window{To: 10}, Terms: terms, Documents: 1000})
	return ids(hits)
}

func ids(hits []*hit.Hit) []string {
	out := make([]string, len(hits))
	for i, h := range hits {
		out[i] = string(h.ID())
	}
	return out
}

func TestRRFAlternatesBetweenNodesWhateverTheScores(t *testing.T) {
	a := answer(t, [3]float64{1, 2, 1}, [3]float64{2, 2, 0.9}, [3]float64{3, 2, 0.8})
	b := answer(t, [3]float64{4, 1, 0.5}, [3]float64{5, 1, 0.4})
	if got := merged(&merge.RRF{}, nil, b, a); !slices.Equal(got, []string{"1", "4", "2", "5", "3"}) {
		t.Errorf("order is %v", got)
	}
	if got := merged(merge.Details{}, nil, b, a); !slices.Equal(got, []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("by details the order is %v", got)
	}
}

func TestRRFFusesWhatBothListsHave(t *testing.T) {
	a := answer(t, [3]float64{1, 2, 1}, [3]float64{2, 2, 0.9}, [3]float64{3, 2, 0.8}, [3]float64{4, 2, 0.7})
	hits, _ := merge.Details{}.Merge(nil, merge.Lists{Answers: []*hit.Answer{a}, Window: merge.Window{To: 10}})
	lists := []merge.List{{Hits: []*hit.Hit{hits[0], hits[1], hits[2]}, Weight: 0.5}, {Hits: []*hit.Hit{hits[3], hits[2], hits[1]}, Weight: 0.5}}
	order := func(k float64) []string {
		var out []*hit.Hit
		for _, c := range (&merge.RRF{K: k}).Fuse(lists, merge.Window{To: 10}) {
			out = append(out, c.Hit)
		}
		return ids(out)
	}
	if got := order(60); !slices.Equal(got, []string{"2", "3", "1", "4"}) {
		t.Errorf("what both have comes first where ranks matter little; order is %v", got)
	}
	if got := order(0.1); !slices.Equal(got, []string{"1", "4", "2", "3"}) {
		t.Errorf("the first of each list come first where ranks matter much; order is %v", got)
	}
}

func TestDFSForgivesACommonWordAndNotARareOne(t *testing.T) {
	common := []merge.Term{{Text: "zebra", Words: 1, Documents: 3}, {Text: "the", Words: 1, Documents: 990}}
	rare := []merge.Term{{Text: "the", Words: 1, Documents: 990}, {Text: "zebra", Words: 1, Documents: 3}}
	a := answer(t, [3]float64{1, 2, 0.2})
	b := answer(t, [3]float64{2, 1, 1})
	if got := merged(&merge.DFS{}, common, a, b); got[0] != "2" {
		t.Errorf("a hit that only lacks a word of nearly all documents is %v", got)
	}
	if got := merged(&merge.DFS{}, rare, a, b); got[0] != "1" {
		t.Errorf("a hit that lacks the rare word is first: %v", got)
	}
	if got := merged(&merge.DFS{}, nil, a, b); got[0] != "1" {
		t.Errorf("without frequencies the order is %v", got)
	}
}

func TestDFSLeavesAloneWhatItCannotWeigh(t *testing.T) {
	a := answer(t, [3]float64{1, 2, 0.2}, [3]float64{2, 1, 1})
	one := []merge.Term{{Text: "zebra", Words: 1, Documents: 3}}
	if got := merged(&merge.DFS{}, one, a); got[0] != "1" {
		t.Errorf("a query of which the server counts two words is weighed as of one: %v", got)
	}
	sorted, err := hit.Scan([]byte(`{"hits":[`+
		`{"id":1,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":2,"maxMatchingWords":2,"score":1},"price:asc":{"order":1,"value":1},"proximity":{"order":2,"score":0.1}}},`+
		`{"id":2,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":1,"maxMatchingWords":2,"score":1},"price:asc":{"order":1,"value":2},"proximity":{"order":2,"score":1}}}`+
		`],"estimatedTotalHits":2}`), &hit.Want{PrimaryKey: "id", Rules: true})
	if err != nil {
		t.Fatal(err)
	}
	terms := []merge.Term{{Text: "zebra", Words: 1, Documents: 3}, {Text: "the", Words: 1, Documents: 990}}
	if got := merged(&merge.DFS{}, terms, sorted); got[0] != "1" {
		t.Errorf("a sorted search is weighed: %v", got)
	}
}
