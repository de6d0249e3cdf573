package client

import (
	"encoding/json"
	"sort"
	"testing"

	"github.com/meilisearch/meilisearch-go"
)

func search(t *testing.T, index meilisearch.IndexManager, q string, r meilisearch.SearchRequest) *meilisearch.SearchResponse {
	t.Helper()
	found, err := index.Search(q, &r)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestSearch(t *testing.T) {
	_, index := library(t, "go-search")
	dramas := []int{20, 8, 3, 6, 1, 17, 14}

	found := search(t, index, "", meilisearch.SearchRequest{Filter: "genres = Drama", Sort: []string{"rating:desc"}})
	same(t, "filter and sort", ids(t, found.Hits), dramas)
	same(t, "estimate", found.EstimatedTotalHits, int64(7))
	found = search(t, index, "", meilisearch.SearchRequest{Filter: "genres = Drama", Sort: []string{"rating:desc"}, Offset: 2, Limit: 3})
	same(t, "offset and limit", ids(t, found.Hits), dramas[2:5])
	found = search(t, index, "", meilisearch.SearchRequest{Filter: []any{"genres = Drama"}, Sort: []string{"rating:desc"}, Page: 2, HitsPerPage: meilisearch.Int64Ptr(3)})
	same(t, "page", ids(t, found.Hits), dramas[3:6])
	same(t, "exact total", found.TotalHits, int64(7))
	same(t, "pages", found.TotalPages, int64(3))
	found = search(t, index, "", meilisearch.SearchRequest{Filter: []any{"year >= 2000", []string{"studio = Kite", "studio = None"}}, Sort: []string{"year:desc"}})
	same(t, "nested filter", ids(t, found.Hits), []int{11, 9, 18, 8})

	found = search(t, index, "winter", meilisearch.SearchRequest{
		AttributesToRetrieve: []string{"id"}, AttributesToHighlight: []string{"*"}, HighlightPreTag: "<b>", HighlightPostTag: "</b>",
		AttributesToCrop: []string{"overview"}, CropLength: 4, ShowMatchesPosition: true, ShowRankingScore: true,
	})
	got := ids(t, found.Hits)
	sort.Ints(got)
	same(t, "words and prefixes", got, []int{3, 19})
	for _, hit := range found.Hits {
		var formatted struct{ ID, Title, Overview string }
		if err := json.Unmarshal(hit["_formatted"], &formatted); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"3": "Nine <b>Winter</b>s", "19": "<b>Winter</b> Engine"}
		same(t, "highlight", formatted.Title, want[formatted.ID])
		same(t, "fields", len(hit), 4)
	}

	found = search(t, index, "", meilisearch.SearchRequest{Facets: []string{"studio", "year"}, Limit: 1})
	var facets map[string]map[string]int
	var bounds map[string]struct{ Min, Max float64 }
	if err := json.Unmarshal(found.FacetDistribution, &facets); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(found.FacetStats, &bounds); err != nil {
		t.Fatal(err)
	}
	same(t, "facets", facets["studio"], map[string]int{"Harbour": 7, "Kite": 6, "Northlight": 7})
	same(t, "bounds", bounds["year"], struct{ Min, Max float64 }{1951, 2023})

	raw, err := index.FacetSearch(&meilisearch.FacetSearchRequest{FacetName: "genres", FacetQuery: "dra"})
	if err != nil {
		t.Fatal(err)
	}
	var values struct{ FacetHits []map[string]any }
	if err := json.Unmarshal(*raw, &values); err != nil {
		t.Fatal(err)
	}
	same(t, "facet search", values.FacetHits, []map[string]any{{"value": "Drama", "count": 7.0}})

	_, err = index.Search("", &meilisearch.SearchRequest{Filter: "overview = x"})
	refused(t, err, 400, "invalid_search_filter")
}

func TestMultiSearch(t *testing.T) {
	client, _ := library(t, "go-multi")
	query := func(studio string) *meilisearch.SearchRequest {
		return &meilisearch.SearchRequest{IndexUID: "go-multi", Filter: "studio = " + studio, Sort: []string{"rating:desc"}}
	}
	found, err := client.MultiSearch(&meilisearch.MultiSearchRequest{Queries: []*meilisearch.SearchRequest{query("Kite"), query("Harbour")}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "results", len(found.Results), 2)
	same(t, "first", ids(t, found.Results[0].Hits), []int{8, 11, 9, 18, 4, 14})
	same(t, "second", ids(t, found.Results[1].Hits), []int{13, 16, 6, 1, 17, 2, 7})

	found, err = client.MultiSearch(&meilisearch.MultiSearchRequest{
		Federation: &meilisearch.MultiSearchFederation{
			Limit: 5, FacetsByIndex: map[string][]string{"go-multi": {"studio"}}, MergeFacets: &meilisearch.MultiSearchFederationMergeFacets{},
		},
		Queries: []*meilisearch.SearchRequest{query("Kite"), query("Harbour")},
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "federated", ids(t, found.Hits), []int{8, 13, 16, 11, 9})
	same(t, "federated total", found.EstimatedTotalHits, int64(13))
	var merged map[string]int
	if err := json.Unmarshal(found.FacetDistribution["studio"], &merged); err != nil {
		t.Fatal(err)
	}
	same(t, "merged facets", merged, map[string]int{"Harbour": 7, "Kite": 6})
}
