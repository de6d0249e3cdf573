package search

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// censusOf makes a census of hits: each ranks by n and has distinct values.
func censusOf(t *testing.T, scores []float64, hits ...[2]string) *census {
	t.Helper()
	var list []string
	for i, h := range hits {
		score := 1.0
		if scores != nil {
			score = scores[i]
		}
		version := string(hidden.AppendVersion(nil, uint64(i)))
		list = append(list, fmt.Sprintf(`{"id":%d,"g":%s,"_rankingScore":%v,"_rankingScoreDetails":{"n:asc":{"order":0,"value":%s},"%s":{"order":1,"value":%q}}}`,
			i, h[1], score, h[0], hit.VersionRule, version))
	}
	a, err := hit.Scan([]byte(`{"hits":[`+strings.Join(list, ",")+`],"estimatedTotalHits":9}`), &hit.Want{Distinct: "g"})
	if err != nil {
		t.Fatal(err)
	}
	c := &census{answers: []*hit.Answer{a}}
	c.hits = merge.Hits(nil, c.answers, merge.Window{To: maxInt})
	return c
}

func idsOf(hits []*hit.Hit) string {
	var ids []string
	for _, h := range hits {
		text := string(h.Append(nil))
		ids = append(ids, text[len(`{"id":`):strings.IndexByte(text, ',')])
	}
	return strings.Join(ids, " ")
}

func TestBucketsAreFinishedBeforeThePageIsFull(t *testing.T) {
	g := "g"
	hits := [][2]string{{"1", `"a"`}, {"1", `"a"`}, {"1", `"b"`}, {"1", `"c"`}, {"2", `"c"`}, {"2", `"d"`}, {"3", `"d"`}, {"3", `null`}}
	for _, c := range []struct {
		name   string
		p      prepared
		window string
		left   string
	}{
		// The bucket of the first hit is gone through whole: 4 falls to 3, but 6
		// is not known to fall to 5.
		{"one", prepared{to: 1, client: &request.Search{}}, "0", "0 2 3 5 6 7"},
		{"next bucket", prepared{from: 3, to: 4, client: &request.Search{}}, "5", "0 2 3 5 7"},
		{"page", prepared{to: 1, paged: true, distinct: "g", client: &request.Search{}}, "0", "0 2 3 5 7"},
		{"all", prepared{to: 9, client: &request.Search{Distinct: &g}}, "0 2 3 5 7", "0 2 3 5 7"},
	} {
		s := censusOf(t, nil, hits...).survivors(&c.p)
		if got := idsOf(s.window); got != c.window {
			t.Errorf("%s: window %s, want %s", c.name, got, c.window)
		}
		if got := idsOf(s.hits); got != c.left || s.total != len(s.hits) || s.total+len(s.gone) != len(hits) {
			t.Errorf("%s: left %s, want %s; %d", c.name, got, c.left, s.total)
		}
	}
}

func TestSeveralValuesExcludeByEach(t *testing.T) {
	c := censusOf(t, nil, [2]string{"1", `["a"]`}, [2]string{"2", `["a","b"]`}, [2]string{"3", `["b","c"]`}, [2]string{"4", `"c"`})
	s := c.survivors(&prepared{to: 9, client: &request.Search{}})
	if got := idsOf(s.hits); got != "0 2" {
		t.Errorf("left %s", got)
	}
}

func TestBlankValuesAreAlikeWhereTheQueryNamesTheAttribute(t *testing.T) {
	g := "g"
	hits := [][2]string{{"1", `""`}, {"2", `""`}, {"3", `"a"`}}
	if got := idsOf(censusOf(t, nil, hits...).survivors(&prepared{to: 9, client: &request.Search{}}).hits); got != "0 1 2" {
		t.Errorf("by the settings: %s", got)
	}
	if got := idsOf(censusOf(t, nil, hits...).survivors(&prepared{to: 9, client: &request.Search{Distinct: &g}}).hits); got != "0 2" {
		t.Errorf("by the query: %s", got)
	}
}

func TestWhatScoresTooLittleIsLeftOutWhereItIsMet(t *testing.T) {
	low := 0.75
	scores := []float64{1, 0.5, 0.9, 0.8} // a field sorts, too
	hits := [][2]string{{"1", `"a"`}, {"2", `"b"`}, {"3", `"c"`}, {"4", `"d"`}}
	for to, want := range map[int]string{1: "0 1 2 3", 2: "0 2 3", 9: "0 2 3"} {
		s := censusOf(t, scores, hits...).survivors(&prepared{to: to, client: &request.Search{RankingScoreThreshold: &low}})
		if got := idsOf(s.hits); got != want {
			t.Errorf("to %d: left %s, want %s", to, got, want)
		}
	}
}
