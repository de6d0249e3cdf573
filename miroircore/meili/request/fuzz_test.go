package request_test

import (
	"encoding/json"
	"reflect"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// longNumber finds numbers that may be read as a neighbour of the nearest
// double, as the server reads them, and so may change when they are read again.
var longNumber = regexp.MustCompile(`[0-9.]{16}|[0-9][eE]`)

func FuzzParseSearch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"q":"a","limit":3,"filter":["a = 1",["b = 2"]],"sort":["a:asc"]}`, `{"hybrid":{"embedder":"e"},"vector":[1,2.5,-3]}`,
		`{"facets":["*"],"page":1,"hitsPerPage":2,"attributesToRetrieve":["b","a","a"]}`, `{"rankingScoreThreshold":0.1,"locales":["en"]}`,
		`{"q":"\ud83d\ude00","cropMarker":"\u0000","media":{"a":[null,1e300]}}`, `{"personalize":{"userContext":"x"},"offset":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := request.ParseSearch(body)
		if err != nil {
			return
		}
		written := s.AppendJSON(nil)
		if !json.Valid(written) {
			t.Fatalf("%q is written as %q", body, written)
		}
		again, err := request.ParseSearch(written)
		if err != nil {
			t.Fatalf("%q is written as %q: %s", body, written, err.Message)
		}
		if second := again.AppendJSON(nil); string(second) != string(written) && !longNumber.Match(body) {
			t.Fatalf("%q is written as %q, then as %q", body, written, second)
		}
	})
}

func FuzzQueries(f *testing.F) {
	for _, seed := range []string{"q=a&limit=1", "%zz=1", "vector=1,2&hybridEmbedder=e", "uids=1,2&types=*", "afterEnqueuedAt=2020-01-01", "fields=*,a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		if s, err := request.ParseSearchQuery(query); err == nil && !json.Valid(s.AppendJSON(nil)) {
			t.Fatalf("%q is written as %q", query, s.AppendJSON(nil))
		}
		_, _ = request.ParseTasks(query)
		_, _ = request.ParseDocumentsQuery(query)
		_, _ = request.ParseDocuments(query)
	})
}

// TestGetIsPost asks the same by query string and by body.
func TestGetIsPost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.StringMatching(`[a-z ]{0,8}`).Draw(t, "q")
		limit := rapid.IntRange(0, 50).Draw(t, "limit")
		threshold := rapid.SampledFrom([]string{"0", "0.25", "1"}).Draw(t, "threshold")
		get, err := request.ParseSearchQuery("q=" + replaceSpaces(q) + "&limit=" + itoa(limit) + "&facets=b,a&sort=a:asc,_geoPoint(1,2):desc" +
			"&rankingScoreThreshold=" + threshold + "&filter=a%20%3D%201&hybridEmbedder=e&hybridSemanticRatio=0.25&vector=1,2.5")
		if err != nil {
			t.Fatal(err)
		}
		post, err := request.ParseSearch([]byte(`{"q":"` + q + `","limit":` + itoa(limit) + `,"facets":["b","a"],
			"sort":["a:asc","_geoPoint(1,2):desc"],"rankingScoreThreshold":` + threshold + `,"filter":"a = 1",
			"hybrid":{"embedder":"e","semanticRatio":0.25},"vector":[1,2.5]}`))
		if err != nil {
			t.Fatal(err)
		}
		if a, b := get.AppendJSON(nil), post.AppendJSON(nil); !reflect.DeepEqual(a, b) {
			t.Fatalf("asked by query %s, by body %s", a, b)
		}
	})
}

func replaceSpaces(s string) string {
	out := []byte(s)
	for i := range out {
		if out[i] == ' ' {
			out[i] = '+'
		}
	}
	return string(out)
}

func itoa(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func BenchmarkParseSearch(b *testing.B) {
	body := []byte(`{"q":"the golden dragon","limit":20,"offset":0,"filter":"price > 20 AND genres = fantasy","sort":["price:asc"],` +
		`"facets":["genres","author"],"attributesToHighlight":["*"],"attributesToCrop":["description"],"showRankingScore":true}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := request.ParseSearch(body); err != nil {
			b.Fatal(err)
		}
	}
}
