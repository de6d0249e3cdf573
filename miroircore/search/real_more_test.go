package search

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// route runs a request on the one server and through the reader.
func (f *fleet) route(path, body string) (want, got map[string]any, one, raw []byte) {
	f.t.Helper()
	_, one = f.single.call(http.MethodPost, path, body)
	a, err := f.read(path, body)
	if err != nil {
		raw, _ = json.Marshal(err)
	} else {
		raw = a.Body
	}
	return decode(f.t, one), decode(f.t, raw), one, raw
}

// facetsOf is the text of an answer's facets, of which the order counts.
func facetsOf(t *testing.T, raw []byte) string {
	t.Helper()
	var m struct{ FacetDistribution, FacetStats, FacetsByIndex json.RawMessage }
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return string(m.FacetDistribution) + string(m.FacetStats) + string(m.FacetsByIndex)
}

func (f *fleet) read(path, body string) (*Answer, *meili.Error) {
	ctx, call := context.Background(), Call{}
	switch {
	case strings.HasSuffix(path, "/multi-search"):
		q, err := request.ParseMultiSearch([]byte(body))
		if err != nil {
			return nil, err
		}
		return f.reader.MultiSearch(ctx, call, f.resolve, q)
	case strings.HasSuffix(path, "/facet-search"):
		q, err := request.ParseFacetSearch([]byte(body))
		if err != nil {
			return nil, err
		}
		return f.reader.FacetSearch(ctx, call, f.ix, q)
	case strings.HasSuffix(path, "/similar"):
		q, err := request.ParseSimilar([]byte(body))
		if err != nil {
			return nil, err
		}
		return f.reader.Similar(ctx, call, f.ix, q)
	case strings.HasSuffix(path, "/documents/fetch"):
		q, err := request.ParseDocumentsFetch([]byte(body))
		if err != nil {
			return nil, err
		}
		return f.reader.Documents(ctx, call, f.ix, q)
	}
	q, err := request.ParseSearch([]byte(body))
	if err != nil {
		return nil, err
	}
	return f.reader.Search(ctx, call, f.ix, q)
}

func (f *fleet) resolve(uid string) (*index.Index, *meili.Error) {
	if uid == f.ix.UID {
		return f.ix, nil
	}
	return nil, meili.IndexNotFound(uid)
}

// same holds each request's answer against the one server's.
func (f *fleet) same(t *testing.T, path string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		want, got, one, raw := f.route(path, body)
		for _, m := range []map[string]any{want, got} {
			if results, ok := m["results"].([]any); ok {
				for _, r := range results {
					if inner, ok := r.(map[string]any); ok {
						delete(inner, "processingTimeMs")
						delete(inner, "requestUid")
					}
				}
			}
		}
		if strings.Contains(string(raw), hidden.Prefix) && !strings.Contains(body, hidden.Prefix) {
			t.Errorf("%s: a hidden field shows: %.300s", body, raw)
		}
		if !reflect.DeepEqual(want, got) || facetsOf(t, one) != facetsOf(t, raw) {
			a, _ := json.Marshal(want)
			b, _ := json.Marshal(got)
			t.Errorf("%s %s\n want %.1500s\n got  %.1500s", path, body, a, b)
		}
	}
}

func TestHiddenAttributesStayHidden(t *testing.T) {
	for _, bin := range binaries() {
		for _, copies := range []int{1, 3} {
			f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, copies)
			f.configure(`{"displayedAttributes":["id","title","author.name","tags"],"filterableAttributes":["genre","score"],` +
				`"sortableAttributes":["score","title","_geo"],"distinctAttribute":"series"}`)
			var ids, docs []string
			for i := range 60 {
				ids = append(ids, strconv.Itoa(i))
				series := ""
				if i%3 > 0 {
					series = fmt.Sprintf(`,"series":"S%d"`, i%12)
				}
				docs = append(docs, fmt.Sprintf(`"id":%d,"title":"The %s book","author":{"name":"Ada %d","born":%d},"score":%d,"genre":"g%d","tags":[{"a":1,"b":2}],"_geo":{"lat":%d,"lng":1}%s`,
					i, nouns[i], i%7, i, i%9, i%4, i%50, series))
			}
			f.load(ids, docs)
			f.same(t, "/indexes/books/search",
				`{"q":"book"}`, `{"q":"","limit":100}`, `{"q":"ada","attributesToRetrieve":["title","author","author.born","_miroir_shard"]}`,
				`{"q":"the b","sort":["score:desc"],"showRankingScoreDetails":true}`,
				`{"q":"book","attributesToHighlight":["*"],"showMatchesPosition":true,"attributesToRetrieve":["id"]}`,
				`{"q":"book","attributesToHighlight":["title","author"],"attributesToCrop":["*:2"],"attributesToRetrieve":["title"]}`,
				`{"q":"ada","showMatchesPosition":true,"showRankingScore":true}`,
				`{"q":"book","sort":["_geoPoint(0,1):asc"],"attributesToRetrieve":["id"],"showRankingScore":true}`,
				`{"q":"book","attributesToRetrieve":["_miroir_version"]}`,
				`{"q":"book","hitsPerPage":3}`,
				`{"q":"book","hitsPerPage":5,"page":2}`,
				`{"q":"book","facets":["series"]}`, `{"q":"book","filter":"series = S1"}`, `{"q":"book","distinct":"title"}`,
				`{"q":"book","sort":["genre:asc"]}`, `{"q":"book","filter":"_miroir_shard = x"}`, `{"q":"book","facets":["_miroir_shard"]}`)
			f.same(t, "/indexes/books/facet-search", `{"facetName":"series"}`, `{"facetName":"_miroir_version"}`)
			if copies == 3 { // over several shards a value counts once in each
				f.same(t, "/indexes/books/facet-search", `{"facetName":"genre"}`, `{"facetName":"genre","facetQuery":"g1","q":"book"}`)
				f.same(t, "/indexes/books/search", `{"q":"book","facets":["genre"],"hitsPerPage":3}`)
			}
		}
	}
}

func TestDocumentsAreReadAsFromOneServer(t *testing.T) {
	for _, bin := range binaries() {
		for _, copies := range []int{1, 2, 3} {
			f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, copies)
			f.loadCorpus(120)
			f.same(t, "/indexes/books/documents/fetch",
				`{}`, `{"limit":7,"offset":33}`, `{"limit":0}`, `{"offset":119}`, `{"offset":500}`, `{"fields":["id","topic"]}`, `{"fields":[]}`,
				`{"fields":["_miroir_shard"],"limit":2}`, `{"filter":"score > 25","limit":5}`, `{"filter":"nope = 1"}`,
				`{"sort":["score:desc"],"limit":30}`, `{"sort":["title:asc","score:desc"],"fields":["id"],"offset":3}`, `{"sort":["price:asc"],"limit":120,"fields":["id","price"]}`,
				`{"sort":["_geoPoint(1, 2):asc"],"limit":10}`, `{"sort":["topic:asc"]}`, `{"filter":["score > 5",["topic = fantasy","topic = travel"]],"sort":["day:asc"]}`)
			want, got, _, _ := f.route("/indexes/books/documents/fetch", `{"ids":["1","5",77,"nope"],"fields":["id"]}`)
			if !reflect.DeepEqual(want, got) {
				t.Errorf("by ids: want %v, got %v", want, got)
			}
			for _, id := range []string{"0", "5", "119", "120", "no such"} {
				_, one := f.single.call(http.MethodGet, "/indexes/books/documents/"+strings.ReplaceAll(id, " ", "%20"), "")
				a, err := f.reader.Document(context.Background(), Call{}, f.ix, id, &request.Document{})
				var raw []byte
				if err != nil {
					raw, _ = json.Marshal(err)
				} else {
					raw = a.Body
				}
				if !reflect.DeepEqual(decode(t, one), decode(t, raw)) {
					t.Errorf("document %s: want %s, got %s", id, one, raw)
				}
			}
		}
	}
}

func TestMultiSearchAnswersAsOneServer(t *testing.T) {
	for _, bin := range binaries() {
		for _, copies := range []int{1, 3} {
			f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, copies)
			f.loadCorpus(1000)
			f.same(t, "/multi-search",
				`{"queries":[]}`,
				`{"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"books","q":"silver","facets":["topic"],"limit":3}]}`,
				`{"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"nope","q":"silver"}]}`,
				`{"queries":[{"indexUid":"books","filter":"body = x"}]}`,
				`{"federation":{},"queries":[{"indexUid":"books","q":"golden"}]}`,
				`{"federation":{"limit":5,"offset":3},"queries":[{"indexUid":"books","q":"golden dragon"},{"indexUid":"books","q":"silver","federationOptions":{"weight":0.5}}]}`,
				`{"federation":{"hitsPerPage":4,"page":2},"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"books","q":"silver","showRankingScore":true,"attributesToHighlight":["title"]}]}`,
				`{"federation":{"facetsByIndex":{"books":["topic","score"]}},"queries":[{"indexUid":"books","q":"golden"}]}`,
				`{"federation":{"facetsByIndex":{"books":["topic"]}},"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"books","q":"silver"}]}`,
				`{"federation":{"facetsByIndex":{"books":["topic"]},"mergeFacets":{}},"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"books","q":"silver"}]}`,
				`{"federation":{},"queries":[{"indexUid":"books","q":"golden","sort":["score:asc"]},{"indexUid":"books","q":"silver","sort":["score:desc"]}]}`,
				`{"federation":{},"queries":[{"indexUid":"books","q":"golden","limit":3}]}`,
				`{"federation":{},"queries":[]}`, `{"federation":{"distinct":"nope"},"queries":[{"indexUid":"books"}]}`,
				`{"federation":{"facetsByIndex":{"zz":["a"]}},"queries":[{"indexUid":"books"}]}`, `{"federation":{"facetsByIndex":{"books":["a"]}},"queries":[{"indexUid":"books"}]}`,
				`{"federation":{"distinct":"topic"},"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"books","q":"silver"}]}`,
				`{"federation":{"limit":0},"queries":[{"indexUid":"books","q":"golden"},{"indexUid":"books","q":"golden dragon"}]}`)
		}
	}
}

func TestVectorsAreSearchedAsOnOneServer(t *testing.T) {
	for _, bin := range binaries() {
		for _, copies := range []int{1, 3} {
			f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, copies)
			f.configure(`{"embedders":{"m":{"source":"userProvided","dimensions":4}},"filterableAttributes":["kind"],"searchableAttributes":["title"]}`)
			var ids, docs []string
			for i := range 90 {
				ids = append(ids, strconv.Itoa(i))
				x := float64(i%11)/11 - 0.5
				y := float64(i%7)/7 - 0.3
				z := float64(i%13)/13 - 0.4
				v := fmt.Sprintf(`,"_vectors":{"m":[%g,%g,%g,%g]}`, x, y, z, float64(i)/90)
				if i == 8 {
					v = `,"_vectors":{"m":null}`
				}
				docs = append(docs, fmt.Sprintf(`"id":%d,"title":"The %s %s","kind":%d%s`, i, adjectives[i%20], nouns[i%30], i%3, v))
			}
			f.load(ids, docs)
			f.same(t, "/indexes/books/search",
				`{"vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m","semanticRatio":1},"showRankingScore":true}`,
				`{"vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m","semanticRatio":1},"filter":"kind = 1","limit":50}`,
				`{"q":"amber","vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m"},"showRankingScoreDetails":true,"limit":30}`,
				`{"q":"ancient arch","vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m","semanticRatio":0.9},"showRankingScore":true}`,
				`{"q":"ancient","vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m","semanticRatio":0.1},"showRankingScore":true,"limit":3}`,
				`{"q":"ancient","vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m","semanticRatio":0}}`,
				`{"q":"blue","vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"m"},"retrieveVectors":true,"limit":4}`,
				`{"q":"blue","hybrid":{"embedder":"m"},"limit":4}`,
				`{"vector":[1,2],"hybrid":{"embedder":"m"}}`, `{"vector":[0.1,-0.4,0.7,0.2],"hybrid":{"embedder":"zz"}}`)
			f.same(t, "/indexes/books/similar",
				`{"id":3,"embedder":"m"}`, `{"id":3,"embedder":"m","limit":3,"filter":"kind = 1","showRankingScore":true,"attributesToRetrieve":["title"]}`,
				`{"id":8,"embedder":"m"}`, `{"id":999,"embedder":"m"}`, `{"id":3,"embedder":"m","filter":"nope = 1"}`, `{"id":3,"embedder":"m","limit":0}`, `{"id":3,"embedder":"m","showRankingScoreDetails":true,"retrieveVectors":true,"limit":2}`, `{"id":3,"embedder":"x"}`, `{"id":3,"embedder":"m","rankingScoreThreshold":0.8,"offset":2,"limit":5}`)
		}
	}
}

func TestDeepPagesAreThoseOfOneServer(t *testing.T) {
	for _, bin := range binaries() {
		f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, 1)
		f.loadCorpus(1500)
		fetched := 0
		f.reader.o.Metrics = countLegs{&fetched}
		bodies := []string{
			`{"offset":900,"limit":20}`, `{"offset":990,"limit":50}`, `{"q":"the","offset":300,"limit":10,"showRankingScore":true,"showRankingScoreDetails":true}`,
			`{"page":40,"hitsPerPage":10,"attributesToRetrieve":["title","score"],"facets":["topic"]}`, `{"offset":400,"attributesToRetrieve":[]}`,
			`{"offset":300,"sort":["score:desc"],"attributesToRetrieve":["id","_geo.lat"],"showRankingScore":true}`,
			`{"offset":250,"distinct":"day","limit":5}`, `{"offset":5000}`,
		}
		for _, body := range bodies {
			want, got, _ := f.answers(body)
			delete(want, "estimatedTotalHits") // of a distinct search it depends on how far the server went
			delete(got, "estimatedTotalHits")
			if v := verdict(want, got); v != "same" {
				t.Errorf("%s: %s differs\n want %.900v\n got  %.900v", body, v, want[v], got[v])
			}
		}
		if fetched < 6*len(bodies)-12 {
			t.Errorf("%d requests: the pages were not read in two phases", fetched)
		}
	}
}

type countLegs struct{ n *int }

var legsMu sync.Mutex

func (c countLegs) Leg(string, string, time.Duration) {
	legsMu.Lock()
	defer legsMu.Unlock()
	*c.n++
}
func (countLegs) Partial()                          {}
func (countLegs) Extra(string)                      {}
func (countLegs) Merged(string, int, time.Duration) {}

func TestTheEdgesOfASearch(t *testing.T) {
	for _, bin := range binaries() {
		for _, copies := range []int{1, 2, 3} {
			f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, copies)
			f.loadCorpus(1200)
			f.same(t, "/indexes/books/search",
				`{"page":0}`, `{"hitsPerPage":0}`, `{"page":0,"hitsPerPage":5}`, `{"limit":0}`, `{"limit":0,"facets":["topic"]}`, `{"offset":1001,"limit":5}`,
				`{"page":400,"hitsPerPage":5}`, `{"page":200,"hitsPerPage":5,"q":""}`, `{"q":"gold","facets":[]}`, `{"q":"zzzz","facets":["topic","score"]}`,
				`{"q":"⊰⊱","limit":3}`, `{"q":"gold","filter":""}`, `{"q":"gold","filter":[]}`, `{"filter":["score > 40","topic = travel"],"limit":5}`,
				`{"filter":"score > 40 OR topic = travel","limit":3}`, `{"filter":"nope = 1"}`, `{"filter":"score >"}`, `{"sort":["nope:asc"]}`, `{"sort":["score"]}`,
				`{"facets":["nope"]}`, `{"facets":["to*"],"limit":1}`, `{"distinct":"nope"}`, `{"attributesToSearchOn":["nope"],"q":"x"}`, `{"attributesToRetrieve":["*"],"limit":2}`,
				`{"attributesToRetrieve":["_geo.lat"],"limit":2}`, `{"sort":["_geoPoint(1,1):asc"],"attributesToRetrieve":["id"],"limit":4,"showRankingScoreDetails":false}`,
				`{"q":"gold","personalize":{"userContext":"x"}}`, `{"hybrid":{"embedder":"x"},"q":"a"}`, `{"q":"golden","showRankingScore":true,"rankingScoreThreshold":0.1,"limit":7}`,
				`{"locales":["eng"],"q":"gold","limit":3}`, `{"q":"gold","matchingStrategy":"all","cropLength":3,"attributesToCrop":["body"],"limit":2,"highlightPreTag":"<","highlightPostTag":">"}`,
				`{"q":"gold","sort":["price:desc"],"limit":200,"attributesToRetrieve":["id"]}`, `{"q":"gold silver","limit":200,"attributesToRetrieve":["id"],"showRankingScore":true}`)
			f.same(t, "/indexes/books/facet-search", `{"facetName":"topic","facetQuery":"f"}`, `{"facetName":"shelf"}`, `{"facetName":"topic","q":"golden","filter":"score > 10"}`,
				`{"facetName":"nope"}`, `{"facetName":"score"}`, `{"facetName":"topic","filter":"nope = 1"}`, `{"facetName":"shelf","facetQuery":"s1"}`)
		}
	}
}
