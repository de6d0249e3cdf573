package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// sample is a hit as a server would rank it.
type sample struct {
	words, typo, match, exact int
	prox, fid                 float64
	num                       *float64
	text                      *string
	skipped                   bool
	version                   uint64
}

// less is the order of Meilisearch's rules, written down rule by rule.
func (a sample) less(b sample, desc bool) bool {
	switch {
	case a.words != b.words:
		return a.words > b.words
	case a.typo != b.typo:
		return a.typo < b.typo
	case a.skipped || b.skipped:
		if a.skipped != b.skipped {
			return b.skipped
		}
		return false
	case a.prox != b.prox:
		return a.prox > b.prox
	case a.fid != b.fid:
		return a.fid > b.fid
	}
	if c := a.sort(b, desc); c != 0 {
		return c < 0
	}
	switch {
	case a.match != b.match:
		return a.match > b.match
	case a.match == 1 && a.exact != b.exact:
		return a.exact > b.exact
	}
	return a.version < b.version
}

func (a sample) sort(b sample, desc bool) int {
	class := func(s sample) int {
		switch {
		case s.num != nil:
			return 0
		case s.text != nil:
			return 1
		}
		return 2
	}
	if ca, cb := class(a), class(b); ca != cb {
		return ca - cb
	}
	c := 0
	switch class(a) {
	case 0:
		c = compare(*a.num, *b.num)
	case 1:
		c = strings.Compare(*a.text, *b.text)
	}
	if desc {
		return -c
	}
	return c
}

func (a sample) json(desc bool) string {
	direction := map[bool]string{false: "asc", true: "desc"}[desc]
	value := "null"
	switch {
	case a.num != nil:
		value = fmt.Sprint(*a.num)
	case a.text != nil:
		value = string(meili.AppendString(nil, *a.text))
	}
	d := fmt.Sprintf(`"words":{"order":0,"matchingWords":%d,"maxMatchingWords":4,"score":%v},"typo":{"order":1,"typoCount":%d,"maxTypoCount":4,"score":%v}`,
		a.words, float64(a.words)/4, a.typo, float64(5-a.typo)/5)
	if a.skipped {
		d += `,"skipped":{"order":2}`
	} else {
		d += fmt.Sprintf(`,"proximity":{"order":2,"score":%v},"attributeRank":{"order":3,"score":%v},"field:%s":{"order":4,"value":%s}`, a.prox, a.fid, direction, value)
		match := [...]string{"", "noExactMatch", "matchesStart", "exactMatch"}[a.match]
		if a.match == 1 {
			d += fmt.Sprintf(`,"exactness":{"order":5,"matchType":%q,"matchingWords":%d,"maxMatchingWords":4,"score":0.1}`, match, a.exact)
		} else {
			d += fmt.Sprintf(`,"exactness":{"order":5,"matchType":%q,"score":%v}`, match, float64(a.match)/3)
		}
		d += fmt.Sprintf(`,"%s":{"order":6,"value":%q}`, hit.VersionRule, hidden.AppendVersion(nil, a.version))
	}
	return fmt.Sprintf(`{"id":%d,"_rankingScoreDetails":{%s}}`, a.version, d)
}

func answer(t interface{ Fatal(...any) }, want hit.Want, hits ...string) *hit.Answer {
	a, err := hit.Scan([]byte(`{"hits":[`+strings.Join(hits, ",")+`],"estimatedTotalHits":0}`), &want)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func ids(hits []*hit.Hit) string {
	out := make([]string, len(hits))
	for i, h := range hits {
		out[i] = strings.TrimSuffix(strings.TrimPrefix(string(h.Append(nil)), `{"id":`), "}")
	}
	return strings.Join(out, " ")
}

func TestMergedOrderIsTheOrderOfAllHitsSorted(t *testing.T) {
	texts := []string{"", "a", "ab", "a\x00", "a\x00b", "é", "b\"", "\u00ff"}
	rapid.Check(t, func(t *rapid.T) {
		desc := rapid.Bool().Draw(t, "desc")
		nodes := make([][]sample, rapid.IntRange(1, 10).Draw(t, "nodes"))
		var all []sample
		for i := range rapid.IntRange(0, 40).Draw(t, "hits") {
			s := sample{words: rapid.IntRange(1, 3).Draw(t, "words"), typo: rapid.IntRange(0, 2).Draw(t, "typo"), match: rapid.IntRange(1, 3).Draw(t, "match"),
				exact: rapid.IntRange(0, 2).Draw(t, "exact"), prox: float64(rapid.IntRange(1, 4).Draw(t, "prox")) / 7, fid: float64(rapid.IntRange(1, 3).Draw(t, "fid")) / 3,
				skipped: rapid.IntRange(0, 30).Draw(t, "cut") == 0, version: uint64(i)}
			switch rapid.IntRange(0, 2).Draw(t, "value") {
			case 0:
				f := rapid.SampledFrom([]float64{-2.5, -1, 0, 1e-9, 3, 1e20}).Draw(t, "number")
				s.num = &f
			case 1:
				x := rapid.SampledFrom(texts).Draw(t, "text")
				s.text = &x
			}
			n := rapid.IntRange(0, len(nodes)-1).Draw(t, "node")
			nodes[n] = append(nodes[n], s)
		}
		var answers []*hit.Answer
		for _, n := range nodes {
			slices.SortStableFunc(n, func(a, b sample) int { return boolean(b.less(a, desc)) - boolean(a.less(b, desc)) })
			var hits []string
			for _, s := range n {
				hits = append(hits, s.json(desc))
			}
			answers = append(answers, answer(t, hit.Want{}, hits...))
			all = append(all, n...)
		}
		slices.SortStableFunc(all, func(a, b sample) int { return boolean(b.less(a, desc)) - boolean(a.less(b, desc)) })
		w := Window{From: rapid.IntRange(0, 10).Draw(t, "from"), To: rapid.IntRange(0, 50).Draw(t, "to")}
		var want []string
		for i, s := range all {
			if i >= w.From && i < w.To {
				want = append(want, fmt.Sprint(s.version))
			}
		}
		if got := ids(Hits(nil, answers, w)); got != strings.Join(want, " ") {
			t.Fatalf("got %s, want %s", got, strings.Join(want, " "))
		}
	})
}

func placedHit(id int, lat float64, after string) string {
	return fmt.Sprintf(`{"id":%d,"_geo":{"lat":%v,"lng":0},"_rankingScoreDetails":{"_geoPoint(0, 0):asc":{"order":0,"value":{"lat":0,"lng":0},"distance":0.0},"x:asc":{"order":1,"value":%s}}}`, id, lat, after)
}

func TestNearPointsMakeOneBucketAcrossNodes(t *testing.T) {
	want := hit.Want{Geo: true, Keep: []string{"id"}}
	const metre = 1 / 111_226.0 // of latitude, in degrees
	a := answer(t, want, placedHit(1, 10*metre, "5"), placedHit(3, 20*metre, "1"), `{"id":9,"_rankingScoreDetails":{"_geoPoint(0, 0):asc":{"order":0,"value":null,"distance":null},"x:asc":{"order":1,"value":0}}}`)
	b := answer(t, want, placedHit(2, 10.5*metre, "4"), placedHit(4, 11.2*metre, "1"))
	// 1 and 2 share a bucket and are told apart by x; 4 is more than a metre from 1.
	if got := ids(Hits(nil, []*hit.Answer{a, b}, Window{To: 10})); got != "2 1 4 3 9" {
		t.Errorf("order is %s", got)
	}
}

func TestPinnedHitsTakeTheirPlaces(t *testing.T) {
	plain := func(id, n int) string {
		return fmt.Sprintf(`{"id":%d,"_rankingScoreDetails":{"n:asc":{"order":0,"value":%d}}}`, id, n)
	}
	pin := func(id, at int) string {
		return fmt.Sprintf(`{"id":%d,"_rankingScoreDetails":{"pin":{"order":0,"position":%d}}}`, id, at)
	}
	a := answer(t, hit.Want{}, plain(1, 1), pin(7, 1), plain(3, 3))
	b := answer(t, hit.Want{}, pin(8, 0), plain(2, 2), pin(9, 50))
	if got := ids(Hits(nil, []*hit.Answer{a, b}, Window{To: 10})); got != "8 7 1 2 3 9" {
		t.Errorf("order is %s", got)
	}
}

func TestDistinctKeepsTheBestAcrossNodes(t *testing.T) {
	h := func(id, rank int, group string) string {
		return fmt.Sprintf(`{"id":%d,"g":%s,"_rankingScoreDetails":{"n:asc":{"order":0,"value":%d}}}`, id, group, rank)
	}
	want := hit.Want{Distinct: "g", Keep: []string{"id"}}
	a := answer(t, want, h(1, 1, `"X"`), h(3, 3, `["y","z"]`), h(5, 5, `null`))
	b := answer(t, want, h(2, 2, `"x "`), h(4, 4, `"Z"`), h(6, 6, `null`), h(7, 7, `"x"`))
	hits, left := Page(nil, []*hit.Answer{a, b}, Window{To: 2, Distinct: true})
	if ids(hits) != "1 3" || left != 3 {
		t.Errorf("hits %s, %d left out", ids(hits), left)
	}
	if hits, _ = Page(nil, []*hit.Answer{a, b}, Window{From: 1, To: 10, Distinct: true}); ids(hits) != "3 5 6" {
		t.Errorf("hits %s", ids(hits))
	}
}

func TestFederatedHitsComeByWeightedScore(t *testing.T) {
	h := func(id int, score float64, version string) string {
		return fmt.Sprintf(`{"id":%d,"_rankingScore":%v,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":1,"maxMatchingWords":1,"score":1.0},"%s":{"order":1,"value":%q}}}`, id, score, hit.VersionRule, version)
	}
	want := hit.Want{Values: true}
	list := func(a *hit.Answer) (l []*hit.Hit) {
		for i := range a.Hits {
			l = append(l, &a.Hits[i])
		}
		return l
	}
	a := answer(t, want, h(1, 0.9, "⊰⊱"), h(2, 0.5, "⊰⊲"), h(3, 0.1, "⊰⊳"))
	b := answer(t, want, h(2, 0.8, "⊰⊲"), h(1, 0.45, "⊰⊱"), h(4, 0.2, "⊰⊴"))
	chosen, _ := Federated([]List{{Hits: list(a), Weight: 1, Index: "i"}, {Hits: list(b), Weight: 2, Position: 1, Index: "i"}}, Window{To: 10})
	var got []string
	for _, c := range chosen {
		got = append(got, fmt.Sprintf("%s@%d", ids([]*hit.Hit{c.Hit}), c.List.Position))
	}
	// 2 is worth 1.6 in the second query, 1 ties at 0.9 and goes to the first.
	if strings.Join(got, " ") != "2@1 1@0 4@1 3@0" {
		t.Errorf("order is %v", got)
	}
}

func TestValuesOfDifferentKinds(t *testing.T) {
	number := func(x float64) hit.Value { return hit.Value{Kind: hit.Field, Number: x} }
	null := hit.Value{Kind: hit.Field, Null: true}
	text := hit.Value{Kind: hit.Field, IsText: true, Text: []byte("a")}
	rank := func(x float64) hit.Value { return hit.Value{Number: x} }
	for _, c := range []struct {
		a, b []hit.Value
		want int
	}{
		{[]hit.Value{rank(0.5)}, []hit.Value{rank(0.4)}, -1},
		{[]hit.Value{rank(0.5)}, []hit.Value{{Kind: hit.Vector, Number: 0.6}}, 1},
		{[]hit.Value{number(1)}, []hit.Value{number(2)}, -1},
		{[]hit.Value{number(1)}, []hit.Value{text}, -1},
		{[]hit.Value{text}, []hit.Value{null}, -1},
		{[]hit.Value{null}, []hit.Value{null}, 0},
		{[]hit.Value{rank(0.5)}, []hit.Value{rank(0.5), number(1)}, 1},
		{[]hit.Value{rank(0.5)}, []hit.Value{number(1)}, Incomparable},
		{[]hit.Value{rank(0.5), rank(1)}, []hit.Value{number(1)}, -1},
	} {
		if got := Compare(c.a, 1, c.b, 1); got != c.want {
			t.Errorf("%v and %v: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestFacetsAddUp(t *testing.T) {
	var f Facets
	for _, a := range [][2]string{
		{`{"genre":{"2":1,"10":1,"Fantasy":3,"history":1},"empty":{},"_miroir_shard":{"⊰⊱":9}}`, `{"price":{"min":1.5,"max":3.0},"genre":{"min":2.0,"max":10.0}}`},
		{`{"genre":{"2":4,"fantasy":2,"poetry":6},"year":{"1999":1}}`, `{"price":{"min":0.5,"max":2.0},"genre":{"min":2.0,"max":2.0},"year":{"min":1999.0,"max":1999.0}}`},
	} {
		if err := f.Add([]byte(a[0]), []byte(a[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		r    Render
		want string
	}{
		{Render{Max: 100}, `{"empty":{},"genre":{"10":1,"2":5,"Fantasy":5,"history":1,"poetry":6},"year":{"1999":1}}`},
		{Render{Max: 100, Candidates: 3001}, `{"empty":{},"genre":{"2":5,"10":1,"Fantasy":5,"history":1,"poetry":6},"year":{"1999":1}}`},
		{Render{Max: 3, ByCount: func(string) bool { return true }}, `{"empty":{},"genre":{"2":5,"10":1,"poetry":6},"year":{"1999":1}}`},
		{Render{Max: 100, Only: func(n string) bool { return n == "year" }}, `{"year":{"1999":1}}`},
	} {
		if got := string(f.AppendDistribution(nil, c.r)); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	if got := string(f.AppendStats(nil, nil)); got != `{"genre":{"min":2.0,"max":10.0},"price":{"min":0.5,"max":3.0},"year":{"min":1999.0,"max":1999.0}}` {
		t.Errorf("stats are %s", got)
	}
	if f.Add([]byte(`{"a":1}`), nil) == nil || f.Add(nil, []byte(`[]`)) == nil {
		t.Error("what are no facets was added")
	}
}
