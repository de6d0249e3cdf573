package client

import (
	"testing"

	"github.com/meilisearch/meilisearch-go"
)

func TestServer(t *testing.T) {
	client := master(t)
	if !client.IsHealthy() {
		t.Error("the server is not healthy")
	}
	version, err := client.Version()
	if err != nil || version.PkgVersion == "" {
		t.Errorf("version: %v, %v", version, err)
	}
}

func TestIndexes(t *testing.T) {
	client := master(t)
	wait := done(t, client)
	task := wait(client.CreateIndex(&meilisearch.IndexConfig{Uid: "go-indexes", PrimaryKey: "key"}))
	same(t, "type", task.Type, meilisearch.TaskTypeIndexCreation)
	same(t, "details", task.Details.PrimaryKey, "key")

	wait(client.Index("go-indexes").UpdateIndex(&meilisearch.UpdateIndexRequestParams{PrimaryKey: "id"}))
	info, err := client.GetIndex("go-indexes")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "primary key", info.PrimaryKey, "id")

	failed := finished(t, client)(client.CreateIndex(&meilisearch.IndexConfig{Uid: "go-indexes"}))
	same(t, "second creation", failed.Status, meilisearch.TaskStatusFailed)
	same(t, "its error", failed.Error.Code, "index_already_exists")

	list, err := client.ListIndexes(&meilisearch.IndexesQuery{Limit: 50})
	if err != nil || list.Total < 1 || int(list.Total) != len(list.Results) {
		t.Errorf("list of indexes: %v, %v", list, err)
	}
	wait(client.DeleteIndex("go-indexes"))
	_, err = client.GetIndex("go-indexes")
	refused(t, err, 404, "index_not_found")
}

func TestDocuments(t *testing.T) {
	client, index := library(t, "go-documents")
	wait := done(t, client)

	var one film
	if err := index.GetDocument("8", nil, &one); err != nil {
		t.Fatal(err)
	}
	same(t, "document", one, films(t)[7])
	err := index.GetDocument("800", nil, &one)
	refused(t, err, 404, "document_not_found")

	wait(index.UpdateDocuments([]map[string]any{{"id": 8, "rating": 9.5}}, nil))
	if err := index.GetDocument("8", nil, &one); err != nil {
		t.Fatal(err)
	}
	same(t, "updated rating", one.Rating, 9.5)
	same(t, "kept title", one.Title, "A Map of Rain")

	csv := "id,title,year:number\n30,First of a table,2001\n31,Second of a table,2002\n"
	task := wait(index.AddDocumentsCsv([]byte(csv), nil))
	same(t, "received of CSV", task.Details.ReceivedDocuments, int64(2))
	wait(index.AddDocumentsNdjson([]byte(`{"id":32,"title":"A line"}`+"\n"+`{"id":33,"title":"A line more"}`), nil))
	batches, err := index.AddDocumentsInBatches(films(t), 7, nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "batches", len(batches), 3)
	for _, batch := range batches {
		wait(&batch, nil)
	}

	var page meilisearch.DocumentsResult
	if err := index.GetDocuments(&meilisearch.DocumentsQuery{Limit: 100, Fields: []string{"id"}}, &page); err != nil {
		t.Fatal(err)
	}
	same(t, "documents", page.Total, int64(24))
	same(t, "results", len(page.Results), 24)
	err = index.GetDocuments(&meilisearch.DocumentsQuery{Filter: "year >= 2018", Sort: []string{"year:desc"}}, &page)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "filtered documents", ids(t, page.Results), []int{20, 16, 17})

	wait(index.DeleteDocument("30", nil))
	wait(index.DeleteDocuments([]string{"31", "32", "999"}, nil))
	wait(index.DeleteDocumentsByFilter("studio = Kite", nil))
	stats, err := index.GetStats(nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "left", stats.NumberOfDocuments, int64(15))
	same(t, "fields", stats.FieldDistribution, map[string]int64{
		"id": 15, "title": 15, "genres": 14, "year": 14, "rating": 14, "studio": 14, "overview": 14,
	})
	wait(index.DeleteAllDocuments(nil))
	all, err := client.GetStats(nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "after all were deleted", all.Indexes["go-documents"].NumberOfDocuments, int64(0))
}

func TestSettings(t *testing.T) {
	client, index := library(t, "go-settings")
	wait := done(t, client)
	wait(index.UpdateRankingRules(&[]string{"words", "sort", "rating:desc"}))
	wait(index.UpdateStopWords(&[]string{"the", "a"}))
	wait(index.UpdateSynonyms(&map[string][]string{"picture": {"film"}}))
	wait(index.UpdateDistinctAttribute("studio"))
	wait(index.UpdateSearchableAttributes(&[]string{"title", "overview"}))
	wait(index.UpdateDisplayedAttributes(&[]string{"id", "title", "studio"}))
	wait(index.UpdatePagination(&meilisearch.Pagination{MaxTotalHits: 500}))
	wait(index.UpdateFaceting(&meilisearch.Faceting{MaxValuesPerFacet: 2, SortFacetValuesBy: map[string]meilisearch.SortFacetType{"*": "count"}}))
	wait(index.UpdateSearchCutoffMs(1500))

	got, err := index.GetSettings()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ranking rules", got.RankingRules, []string{"words", "sort", "rating:desc"})
	same(t, "stop words", got.StopWords, []string{"a", "the"})
	same(t, "synonyms", got.Synonyms, map[string][]string{"picture": {"film"}})
	same(t, "distinct", *got.DistinctAttribute, "studio")
	same(t, "searchable", got.SearchableAttributes, []string{"title", "overview"})
	same(t, "displayed", got.DisplayedAttributes, []string{"id", "title", "studio"})
	same(t, "filterable", got.FilterableAttributes, []string{"genres", "year", "rating", "studio"})
	same(t, "pagination", got.Pagination.MaxTotalHits, int64(500))
	same(t, "faceting", got.Faceting.MaxValuesPerFacet, int64(2))
	same(t, "cutoff", got.SearchCutoffMs, int64(1500))

	found, err := index.Search("", &meilisearch.SearchRequest{Sort: []string{"rating:desc"}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "one of each studio", len(found.Hits), 3)
	same(t, "shown fields", len(found.Hits[0]), 3)

	wait(index.ResetSettings())
	rules, err := index.GetRankingRules()
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rules after reset", *rules, []string{"words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness"})
	_, err = index.UpdateRankingRules(&[]string{"nonsense rule"})
	refused(t, err, 400, "invalid_settings_ranking_rules")
}

func TestSwap(t *testing.T) {
	client := master(t)
	wait := done(t, client)
	for uid, title := range map[string]string{"go-left": "left", "go-right": "right"} {
		wait(client.Index(uid).AddDocuments([]map[string]any{{"id": 1, "title": title}}, nil))
	}
	task := wait(client.SwapIndexes([]*meilisearch.SwapIndexesParams{{Indexes: []string{"go-left", "go-right"}}}))
	same(t, "swaps", task.Details.Swaps[0].Indexes, []string{"go-left", "go-right"})
	var one film
	if err := client.Index("go-left").GetDocument("1", nil, &one); err != nil {
		t.Fatal(err)
	}
	same(t, "title", one.Title, "right")
}
