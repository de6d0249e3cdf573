package request

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// getSearch is a search as its query string has it.
type getSearch struct {
	Search
	embedder *string
	ratio    *float32
}

// ParseSearchQuery reads the query string of a search.
func ParseSearchQuery(rawQuery string) (*Search, *meili.Error) {
	g := getSearch{Search: newSearch()}
	if err := getFields.Read(&g, decode.Query(rawQuery)); err != nil {
		return nil, err
	}
	if g.embedder != nil {
		g.Hybrid = &Hybrid{Embedder: *g.embedder, SemanticRatio: DefaultSemanticRatio}
		if g.ratio != nil {
			g.Hybrid.SemanticRatio = *g.ratio
		}
	} else if g.ratio != nil {
		return nil, meili.NewError("invalid_search_hybrid_query",
			"`hybridEmbedder` is mandatory when `hybridSemanticRatio` is present")
	}
	if g.Vector != nil && g.Hybrid == nil {
		return nil, meili.NewError("missing_search_hybrid", "`hybridEmbedder` is mandatory when `vector` is present")
	}
	return &g.Search, nil
}

type getField = decode.Field[getSearch]

var (
	paramInt  = decode.In.ParamInt
	paramBool = decode.In.ParamBool
)

var getFields = decode.NewFields(slices.Concat(getPageFields(), getChooseFields(), getVectorFields())...)

func getPageFields() []getField {
	return []getField{
		{Name: "q", Code: "invalid_search_q", Read: option(func(g *getSearch) **string { return &g.Q }, readString)},
		{Name: "offset", Code: "invalid_search_offset", Read: value(func(g *getSearch) *int { return &g.Offset }, paramInt)},
		{Name: "limit", Code: "invalid_search_limit", Read: value(func(g *getSearch) *int { return &g.Limit }, paramInt)},
		{Name: "page", Code: "invalid_search_page", Read: option(func(g *getSearch) **int { return &g.Page }, paramInt)},
		{Name: "hitsPerPage", Code: "invalid_search_hits_per_page",
			Read: option(func(g *getSearch) **int { return &g.HitsPerPage }, paramInt)},
		{Name: "attributesToRetrieve", Code: "invalid_search_attributes_to_retrieve",
			Read: func(g *getSearch, in decode.In) *meili.Error {
				g.AttributesToRetrieve = in.Split()
				slices.Sort(g.AttributesToRetrieve)
				g.AttributesToRetrieve = slices.Compact(g.AttributesToRetrieve)
				return nil
			}},
		{Name: "attributesToCrop", Code: "invalid_search_attributes_to_crop",
			Read: split(func(g *getSearch) *[]string { return &g.AttributesToCrop })},
		{Name: "cropLength", Code: "invalid_search_crop_length",
			Read: value(func(g *getSearch) *int { return &g.CropLength }, paramInt)},
		{Name: "cropMarker", Code: "invalid_search_crop_marker",
			Read: value(func(g *getSearch) *string { return &g.CropMarker }, readString)},
		{Name: "attributesToHighlight", Code: "invalid_search_attributes_to_highlight",
			Read: split(func(g *getSearch) *[]string { return &g.AttributesToHighlight })},
		{Name: "highlightPreTag", Code: "invalid_search_highlight_pre_tag",
			Read: value(func(g *getSearch) *string { return &g.HighlightPreTag }, readString)},
		{Name: "highlightPostTag", Code: "invalid_search_highlight_post_tag",
			Read: value(func(g *getSearch) *string { return &g.HighlightPostTag }, readString)},
		{Name: "showMatchesPosition", Code: "invalid_search_show_matches_position",
			Read: value(func(g *getSearch) *bool { return &g.ShowMatchesPosition }, paramBool)},
	}
}

func getChooseFields() []getField {
	return []getField{
		{Name: "filter", Code: "invalid_search_filter",
			Read: func(g *getSearch, in decode.In) *meili.Error { g.Filter = paramFilter(in); return nil }},
		{Name: "sort", Code: "invalid_search_sort",
			Read: func(g *getSearch, in decode.In) *meili.Error { g.Sort = paramSort(in.Value.Text); return nil }},
		{Name: "distinct", Code: "invalid_search_distinct",
			Read: option(func(g *getSearch) **string { return &g.Distinct }, readString)},
		{Name: "facets", Code: "invalid_search_facets", Read: split(func(g *getSearch) *[]string { return &g.Facets })},
		{Name: "matchingStrategy", Code: "invalid_search_matching_strategy",
			Read: value(func(g *getSearch) *string { return &g.MatchingStrategy }, readStrategy)},
		{Name: "attributesToSearchOn", Code: "invalid_search_attributes_to_search_on",
			Read: split(func(g *getSearch) *[]string { return &g.AttributesToSearchOn })},
		{Name: "rankingScoreThreshold", Code: "invalid_search_ranking_score_threshold",
			Read: option(func(g *getSearch) **float64 { return &g.RankingScoreThreshold }, paramThreshold)},
		{Name: "locales", Code: "invalid_search_locales", Read: func(g *getSearch, in decode.In) *meili.Error {
			g.Locales = in.Split()
			for _, locale := range g.Locales {
				if !slices.Contains(Locales, locale) {
					return in.Invalid("Unsupported locale `" + locale + "`, expected one of " + sortedLocales)
				}
			}
			return nil
		}},
	}
}

func getVectorFields() []getField {
	return []getField{
		{Name: "hybridEmbedder", Code: "invalid_search_embedder",
			Read: option(func(g *getSearch) **string { return &g.embedder }, readString)},
		{Name: "hybridSemanticRatio", Code: "invalid_search_semantic_ratio",
			Read: option(func(g *getSearch) **float32 { return &g.ratio }, paramRatio)},
		{Name: "vector", Code: "invalid_search_vector", Read: func(g *getSearch, in decode.In) *meili.Error {
			g.Vector = []float32{}
			for _, part := range in.Split() {
				f, ok := parseFloat(part, 32)
				if !ok {
					return in.Invalid("invalid float literal")
				}
				g.Vector = append(g.Vector, float32(f))
			}
			return nil
		}},
		{Name: "retrieveVectors", Code: "invalid_search_retrieve_vectors",
			Read: value(func(g *getSearch) *bool { return &g.RetrieveVectors }, paramBool)},
		{Name: "personalizeUserContext", Code: "invalid_search_personalize_user_context",
			Read: option(func(g *getSearch) **string { return &g.Personalize }, readString)},
		{Name: "useNetwork", Code: "invalid_search_use_network",
			Read: option(func(g *getSearch) **bool { return &g.UseNetwork }, paramBool)},
		{Name: "showRankingScore", Code: "invalid_search_show_ranking_score",
			Read: value(func(g *getSearch) *bool { return &g.ShowRankingScore }, paramBool)},
		{Name: "showRankingScoreDetails", Code: "invalid_search_show_ranking_score_details",
			Read: value(func(g *getSearch) *bool { return &g.ShowRankingScoreDetails }, paramBool)},
		{Name: "showPerformanceDetails", Code: "invalid_search_show_performance_details",
			Read: value(func(g *getSearch) *bool { return &g.ShowPerformanceDetails }, paramBool)},
	}
}

func split[S any](at func(*S) *[]string) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error {
		*at(s) = in.Split()
		return nil
	}
}

// paramFilter takes a parameter as JSON if it is, else as a filter's text.
func paramFilter(in decode.In) json.RawMessage {
	v, err := decode.Parse([]byte(in.Value.Text))
	if err != nil {
		return in.Value.JSON()
	}
	return v.JSON()
}

// paramSort cuts sort criteria at commas, but not inside of a _geoPoint.
func paramSort(text string) []string {
	var sort []string
	joining := false
	for part := range strings.SplitSeq(strings.Trim(text, `"`), ",") {
		part = strings.TrimSpace(part)
		switch {
		case strings.HasPrefix(part, "_geoPoint("):
			sort = append(sort, part)
			joining = true
		case joining:
			sort[len(sort)-1] += "," + part
			if strings.HasSuffix(part, "):desc") || strings.HasSuffix(part, "):asc") {
				joining = false
			}
		default:
			sort = append(sort, part)
		}
	}
	return sort
}

func paramThreshold(in decode.In, dst *float64) *meili.Error {
	f, ok := parseFloat(in.Value.Text, 64)
	if !ok || f > 1 || f < 0 {
		return in.Invalid(thresholdMessage)
	}
	*dst = f
	return nil
}

func paramRatio(in decode.In, dst *float32) *meili.Error {
	f, ok := parseFloat(in.Value.Text, 32)
	if !ok || f > 1 || f < 0 {
		return in.Invalid(ratioMessage)
	}
	*dst = float32(f)
	return nil
}

// parseFloat reads a float in decimal notation only, as the server does.
func parseFloat(s string, bits int) (float64, bool) {
	if strings.ContainsAny(s, "xXpP_") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, bits)
	if err != nil && f == 0 { // too great a number is infinite, not wrong
		return 0, false
	}
	return f, true
}
