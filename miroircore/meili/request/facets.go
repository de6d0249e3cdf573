package request

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

type facetField = decode.Field[FacetSearch]

// facetFields is open: a whole search may be sent, of which only these fields count.
var facetFields = decode.NewFields(
	facetField{Name: "facetQuery", Code: "invalid_facet_search_query",
		Read: option(func(s *FacetSearch) **string { return &s.FacetQuery }, readString)},
	facetField{Name: "facetName", Code: "invalid_facet_search_facet_name", Missing: "missing_facet_search_facet_name",
		Read: value(func(s *FacetSearch) *string { return &s.FacetName }, readString)},
	facetField{Name: "q", Code: "invalid_search_q",
		Read: option(func(s *FacetSearch) **string { return &s.Q }, readString)},
	facetField{Name: "vector", Code: "invalid_search_vector",
		Read: func(s *FacetSearch, in decode.In) *meili.Error { return readVector(in, &s.Vector) }},
	facetField{Name: "media", Code: "invalid_search_media",
		Read: raw(func(s *FacetSearch) *json.RawMessage { return &s.Media })},
	facetField{Name: "hybrid", Code: "invalid_search_hybrid_query",
		Read: option(func(s *FacetSearch) **Hybrid { return &s.Hybrid }, readHybrid)},
	facetField{Name: "filter", Code: "invalid_search_filter",
		Read: raw(func(s *FacetSearch) *json.RawMessage { return &s.Filter })},
	facetField{Name: "matchingStrategy", Code: "invalid_search_matching_strategy",
		Read: value(func(s *FacetSearch) *string { return &s.MatchingStrategy }, readStrategy)},
	facetField{Name: "attributesToSearchOn", Code: "invalid_search_attributes_to_search_on",
		Read: list(func(s *FacetSearch) *[]string { return &s.AttributesToSearchOn })},
	facetField{Name: "rankingScoreThreshold", Code: "invalid_search_ranking_score_threshold",
		Read: option(func(s *FacetSearch) **float64 { return &s.RankingScoreThreshold }, readThreshold)},
	facetField{Name: "locales", Code: "invalid_search_locales",
		Read: func(s *FacetSearch, in decode.In) *meili.Error { return readLocales(in, &s.Locales) }},
	facetField{Name: "exhaustiveFacetCount", Code: "invalid_facet_search_exhaustive_facet_count",
		Read: option(func(s *FacetSearch) **bool { return &s.ExhaustiveFacetCount }, readBool)},
	facetField{Name: "useNetwork", Code: "invalid_search_use_network",
		Read: option(func(s *FacetSearch) **bool { return &s.UseNetwork }, readBool)},
).Open()

// ParseFacetSearch reads the body of a facet search.
func ParseFacetSearch(body []byte) (*FacetSearch, *meili.Error) {
	return parse(body, facetFields, FacetSearch{MatchingStrategy: DefaultStrategy})
}

type similarField = decode.Field[Similar]

var similarFields = decode.NewFields(
	similarField{Name: "id", Code: "invalid_similar_id", Missing: "-",
		Read: func(s *Similar, in decode.In) *meili.Error { s.sentID = in.Value; return nil }},
	similarField{Name: "offset", Code: "invalid_similar_offset",
		Read: value(func(s *Similar) *int { return &s.Offset }, readInt)},
	similarField{Name: "limit", Code: "invalid_similar_limit",
		Read: value(func(s *Similar) *int { return &s.Limit }, readInt)},
	similarField{Name: "filter", Code: "invalid_similar_filter",
		Read: raw(func(s *Similar) *json.RawMessage { return &s.Filter })},
	similarField{Name: "embedder", Code: "invalid_similar_embedder", Missing: "-",
		Read: value(func(s *Similar) *string { return &s.Embedder }, readString)},
	similarField{Name: "attributesToRetrieve", Code: "invalid_similar_attributes_to_retrieve",
		Read: func(s *Similar, in decode.In) *meili.Error { return readSet(in, &s.AttributesToRetrieve) }},
	similarField{Name: "retrieveVectors", Code: "invalid_similar_retrieve_vectors",
		Read: value(func(s *Similar) *bool { return &s.RetrieveVectors }, readBool)},
	similarField{Name: "showRankingScore", Code: "invalid_similar_show_ranking_score",
		Read: value(func(s *Similar) *bool { return &s.ShowRankingScore }, readBool)},
	similarField{Name: "showRankingScoreDetails", Code: "invalid_similar_show_ranking_score_details",
		Read: value(func(s *Similar) *bool { return &s.ShowRankingScoreDetails }, readBool)},
	similarField{Name: "showPerformanceDetails", Code: "invalid_similar_show_performance_details",
		Read: value(func(s *Similar) *bool { return &s.ShowPerformanceDetails }, readBool)},
	similarField{Name: "rankingScoreThreshold", Code: "invalid_similar_ranking_score_threshold",
		Read: option(func(s *Similar) **float64 { return &s.RankingScoreThreshold }, readThreshold)},
)

// ParseSimilar reads the body of a search for similar documents. It leaves what
// the id is to CheckID.
func ParseSimilar(body []byte) (*Similar, *meili.Error) {
	s, err := parse(body, similarFields, Similar{Limit: DefaultLimit})
	return s.withID(), err
}

// withID fills in the id, if what was sent can be one.
func (s *Similar) withID() *Similar {
	if s != nil {
		if id, ok := documentID(s.sentID); ok {
			s.ID = id
		}
	}
	return s
}

// CheckID refuses what cannot be a document's id. The server does so once it
// knows that the index and the embedder exist, and that the filter is good.
func (s *Similar) CheckID() *meili.Error {
	if _, ok := documentID(s.sentID); ok {
		return nil
	}
	return meili.NewError("invalid_similar_id", "Invalid value at `.id`: %s", meili.DocumentIDMessage(string(s.sentID.JSON())))
}

var similarQueryFields = decode.NewFields(
	similarField{Name: "id", Code: "invalid_similar_id", Missing: "-",
		Read: func(s *Similar, in decode.In) *meili.Error { s.sentID = in.Value; return nil }},
	similarField{Name: "embedder", Code: "invalid_similar_embedder", Missing: "-",
		Read: value(func(s *Similar) *string { return &s.Embedder }, readString)},
	similarField{Name: "offset", Code: "invalid_similar_offset",
		Read: value(func(s *Similar) *int { return &s.Offset }, paramInt)},
	similarField{Name: "limit", Code: "invalid_similar_limit",
		Read: value(func(s *Similar) *int { return &s.Limit }, paramInt)},
	similarField{Name: "attributesToRetrieve", Code: "invalid_similar_attributes_to_retrieve",
		Read: split(func(s *Similar) *[]string { return &s.AttributesToRetrieve })},
	similarField{Name: "retrieveVectors", Code: "invalid_similar_retrieve_vectors",
		Read: value(func(s *Similar) *bool { return &s.RetrieveVectors }, paramBool)},
	similarField{Name: "filter", Code: "invalid_similar_filter",
		Read: func(s *Similar, in decode.In) *meili.Error { s.Filter = paramFilter(in); return nil }},
	similarField{Name: "showRankingScore", Code: "invalid_similar_show_ranking_score",
		Read: value(func(s *Similar) *bool { return &s.ShowRankingScore }, paramBool)},
	similarField{Name: "showRankingScoreDetails", Code: "invalid_similar_show_ranking_score_details",
		Read: value(func(s *Similar) *bool { return &s.ShowRankingScoreDetails }, paramBool)},
	similarField{Name: "showPerformanceDetails", Code: "invalid_similar_show_performance_details",
		Read: value(func(s *Similar) *bool { return &s.ShowPerformanceDetails }, paramBool)},
	similarField{Name: "rankingScoreThreshold", Code: "invalid_similar_ranking_score_threshold",
		Read: option(func(s *Similar) **float64 { return &s.RankingScoreThreshold }, paramThreshold)},
)

// ParseSimilarQuery reads the query string of a search for similar documents. It
// leaves what the id is to CheckID.
func ParseSimilarQuery(rawQuery string) (*Similar, *meili.Error) {
	s, err := parseQuery(rawQuery, similarQueryFields, Similar{Limit: DefaultLimit})
	return s.withID(), err
}
