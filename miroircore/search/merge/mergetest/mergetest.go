// Package mergetest holds mergers to what the search expects of them.
package mergetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// Merger runs the suite.
func Merger(t *testing.T, m merge.Merger) {
	check := func(name string, property func(*rapid.T, merge.Merger)) {
		t.Run(name, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { property(t, m) }) })
	}
	check("each hit once", eachOnce)
	check("pages make up the whole", pages)
	check("the same order whichever node is named first", permuted)
	check("distinct values and a threshold", chosen)
	check("what was there stays", appended)
	if f, ok := m.(merge.Fuser); ok {
		t.Run("fused lists", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { fused(t, f) }) })
	}
}

// document is what a hit is made of.
type document struct {
	id, words, typos, kind int
	proximity              float64
}

const (
	most  = 3 // words of the query
	every = 1 << 20
)

// corpus makes documents, each on one of several nodes, in order there.
func corpus(t *rapid.T) [][]document {
	nodes := make([][]document, rapid.IntRange(1, 4).Draw(t, "nodes"))
	for id := range rapid.IntRange(0, 60).Draw(t, "documents") {
		n := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
		nodes[n] = append(nodes[n], document{
			id: id, words: rapid.IntRange(1, most).Draw(t, "words"), typos: rapid.IntRange(0, 2).Draw(t, "typos"),
			kind: rapid.IntRange(0, 9).Draw(t, "kind"), proximity: float64(rapid.IntRange(1, 4).Draw(t, "proximity")) / 4,
		})
	}
	for _, list := range nodes {
		slices.SortFunc(list, func(a, b document) int {
			switch {
			case a.words != b.words:
				return b.words - a.words
			case a.typos != b.typos:
				return a.typos - b.typos
			case a.proximity != b.proximity:
				return int(4*b.proximity) - int(4*a.proximity)
			}
			return a.id - b.id
		})
	}
	return nodes
}

// terms draws how often each word of the query occurs.
func terms(t *rapid.T) []merge.Term {
	list := make([]merge.Term, most)
	for i := range list {
		list[i] = merge.Term{Text: fmt.Sprint("word", i), Words: 1, Documents: rapid.IntRange(0, 60).Draw(t, "frequency")}
	}
	return list
}

// lists scans the nodes' answers of the hits up to the end of the window, as
// the search asks for them.
func lists(t *rapid.T, m merge.Merger, nodes [][]document, terms []merge.Term, w merge.Window) merge.Lists {
	in := merge.Lists{Window: w, Terms: terms, Documents: 60}
	depth := max(w.To, m.Needs().Depth)
	for _, list := range nodes {
		var b strings.Builder
		b.WriteString(`{"hits":[`)
		for i, d := range list[:min(depth, len(list))] {
			if i > 0 {
				b.WriteByte(',')
			}
			score := float64(d.words)/most - float64(d.typos)/10 - (1-d.proximity)/100
			fmt.Fprintf(&b, `{"id":%d,"kind":%d,"_rankingScore":%v,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":%d,"maxMatchingWords":%d,"score":%v},`+
				`"typo":{"order":1,"typoCount":%d,"maxTypoCount":3,"score":%v},"proximity":{"order":2,"score":%v},"%s":{"order":3,"value":"%s"}}}`,
				d.id, d.kind, score, d.words, most, float64(d.words)/most, d.typos, float64(4-d.typos)/4, d.proximity,
				hit.VersionRule, hidden.AppendVersion(nil, uint64(d.id)))
		}
		fmt.Fprintf(&b, `],"estimatedTotalHits":%d}`, len(list))
		a, err := hit.Scan([]byte(b.String()), &hit.Want{PrimaryKey: "id", Distinct: "kind", Rules: m.Needs().Rules, Score: true})
		if err != nil {
			t.Fatal(err)
		}
		in.Answers = append(in.Answers, a)
	}
	return in
}

func ids(hits []*hit.Hit) []string {
	out := make([]string, len(hits))
	for i, h := range hits {
		out[i] = string(h.ID())
	}
	return out
}

func order(t *rapid.T, m merge.Merger, nodes [][]document, terms []merge.Term, w merge.Window) []string {
	hits, _ := m.Merge(nil, lists(t, m, nodes, terms, w))
	return ids(hits)
}

func eachOnce(t *rapid.T, m merge.Merger) {
	nodes := corpus(t)
	got := order(t, m, nodes, terms(t), merge.Window{To: every})
	var want []string
	for _, list := range nodes {
		for _, d := range list {
			want = append(want, fmt.Sprint(d.id))
		}
	}
	slices.Sort(want)
	sorted := slices.Sorted(slices.Values(got))
	if !slices.Equal(sorted, want) {
		t.Fatalf("%v are given of %v", got, want)
	}
	if empty := order(t, m, nodes, nil, merge.Window{From: 5, To: 5}); len(empty) > 0 {
		t.Fatalf("an empty window has %v", empty)
	}
}

func pages(t *rapid.T, m merge.Merger) {
	nodes, words := corpus(t), terms(t)
	whole := order(t, m, nodes, words, merge.Window{To: every})
	var turned []string
	for from := 0; from <= len(whole); {
		to := from + rapid.IntRange(1, 25).Draw(t, "page")
		page := order(t, m, nodes, words, merge.Window{From: from, To: to})
		if len(page) > to-from {
			t.Fatalf("a page of %d has %d hits", to-from, len(page))
		}
		turned = append(turned, page...)
		from = to
	}
	if !slices.Equal(turned, whole) {
		t.Fatalf("page by page\n%v, at once\n%v", turned, whole)
	}
}

func permuted(t *rapid.T, m merge.Merger) {
	nodes, words := corpus(t), terms(t)
	w := merge.Window{From: rapid.IntRange(0, 10).Draw(t, "from"), To: rapid.IntRange(10, 40).Draw(t, "to")}
	one := order(t, m, nodes, words, w)
	if two := order(t, m, rapid.Permutation(nodes).Draw(t, "permutation"), words, w); !slices.Equal(one, two) {
		t.Fatalf("%v, with the nodes named in another order %v", one, two)
	}
}

func chosen(t *rapid.T, m merge.Merger) {
	nodes, words := corpus(t), terms(t)
	w := merge.Window{To: every, Distinct: true, Threshold: rapid.Float64Range(0, 1).Draw(t, "threshold")}
	in := lists(t, m, nodes, words, w)
	hits, repeated := m.Merge(nil, in)
	kinds, eligible := map[string]bool{}, 0
	for _, a := range in.Answers {
		for i := range a.Hits {
			if a.Hits[i].Score >= w.Threshold {
				eligible++
				kinds[a.Hits[i].Distinct()[0]] = true
			}
		}
	}
	if len(hits) != len(kinds) || repeated != eligible-len(hits) {
		t.Fatalf("%d hits and %d repeated, of %d with %d values", len(hits), repeated, eligible, len(kinds))
	}
	for _, h := range hits {
		if h.Score < w.Threshold {
			t.Fatalf("a hit scores %v, below %v", h.Score, w.Threshold)
		}
		delete(kinds, h.Distinct()[0])
	}
	if len(kinds) > 0 {
		t.Fatalf("no hit has %v", kinds)
	}
}

func appended(t *rapid.T, m merge.Merger) {
	in := lists(t, m, corpus(t), terms(t), merge.Window{To: every})
	first := &hit.Hit{}
	before := slices.Clone(in.Terms)
	hits, _ := m.Merge([]*hit.Hit{first}, in)
	if hits[0] != first || !slices.Equal(before, in.Terms) {
		t.Fatal("what was given is changed")
	}
	again, _ := m.Merge(nil, in)
	if !slices.Equal(hits[1:], again) {
		t.Fatal("the same lists are merged in two ways")
	}
}

func fused(t *rapid.T, f merge.Fuser) {
	nodes := corpus(t)
	in := lists(t, merge.Details{}, nodes, nil, merge.Window{To: every})
	both := make([]merge.List, 2)
	want := map[string]bool{}
	for l := range both {
		both[l] = merge.List{Position: l, Weight: rapid.Float64Range(0, 1).Draw(t, "weight")}
		all, _ := merge.Details{}.Merge(nil, in)
		for _, h := range all {
			if rapid.Bool().Draw(t, "found") {
				both[l].Hits = append(both[l].Hits, h)
				want[string(h.ID())] = true
			}
		}
	}
	whole := f.Fuse(both, merge.Window{To: every})
	var turned []merge.Chosen
	for from := 0; from <= len(whole); from += 7 {
		turned = append(turned, f.Fuse(both, merge.Window{From: from, To: from + 7})...)
	}
	if len(whole) != len(want) || len(turned) != len(whole) {
		t.Fatalf("%d hits at once and %d page by page, of %d", len(whole), len(turned), len(want))
	}
	for i, c := range whole {
		if turned[i].Hit != c.Hit {
			t.Fatalf("hit %d differs page by page", i)
		}
		if !want[string(c.Hit.ID())] {
			t.Fatalf("document %s is given twice, or was not found", c.Hit.ID())
		}
		delete(want, string(c.Hit.ID()))
	}
}
