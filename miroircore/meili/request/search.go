package request

import (
	"encoding/json"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// Defaults of searches.
const (
	DefaultLimit         = 20
	DefaultCropLength    = 10
	DefaultCropMarker    = "…"
	DefaultPreTag        = "<em>"
	DefaultPostTag       = "</em>"
	DefaultSemanticRatio = 0.5
	DefaultStrategy      = "last"
)

var strategies = []string{"last", "all", "frequency"}

func newSearch() Search {
	return Search{
		Limit: DefaultLimit, CropLength: DefaultCropLength, CropMarker: DefaultCropMarker,
		HighlightPreTag: DefaultPreTag, HighlightPostTag: DefaultPostTag, MatchingStrategy: DefaultStrategy,
	}
}

// ParseSearch reads the body of a search. It leaves the filter's and the sort's
// grammar to package filter.
func ParseSearch(body []byte) (*Search, *meili.Error) {
	v, err := decode.ParseBody(body)
	if err != nil {
		return nil, err
	}
	s := newSearch()
	if err := searchFields.Read(&s, decode.Body(v)); err != nil {
		return nil, err
	}
	return &s, nil
}

// CheckHybrid refuses a vector or a media without an embedder to use it with.
// The server does so once it knows that the index exists.
func (s *Search) CheckHybrid() *meili.Error { return checkHybrid(s.Vector, s.Media, s.Hybrid) }

// CheckHybrid refuses a vector or a media without an embedder to use it with.
// The server does so once it knows that the index exists.
func (s *FacetSearch) CheckHybrid() *meili.Error { return checkHybrid(s.Vector, s.Media, s.Hybrid) }

func checkHybrid(vector []float32, media json.RawMessage, hybrid *Hybrid) *meili.Error {
	switch {
	case media != nil && vector != nil:
		return meili.NewError("invalid_search_media_and_vector",
			"Invalid request: both `media` and `vector` parameters are present.")
	case hybrid == nil && (media != nil || vector != nil):
		return meili.NewError("missing_search_hybrid",
			"Invalid request: missing `hybrid` parameter when `vector` or `media` are present.")
	}
	return nil
}

type searchField = decode.Field[Search]

// in reads an option: null stands for not given.
func option[S, T any](at func(*S) **T, read func(decode.In, *T) *meili.Error) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error {
		return decode.Optional(in, at(s), func(v *T) *meili.Error { return read(in, v) })
	}
}

func value[S, T any](at func(*S) *T, read func(decode.In, *T) *meili.Error) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error { return read(in, at(s)) }
}

// list reads an optional array of strings; null gives nil, an empty array does not.
func list[S any](at func(*S) *[]string) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error {
		if in.Null() {
			*at(s) = nil
			return nil
		}
		return in.Strings(at(s))
	}
}

// raw reads an optional value of any kind; null gives nil.
func raw[S any](at func(*S) *json.RawMessage) func(*S, decode.In) *meili.Error {
	return func(s *S, in decode.In) *meili.Error {
		*at(s) = nil
		if !in.Null() {
			*at(s) = in.Value.JSON()
		}
		return nil
	}
}

var (
	readString = decode.In.String
	readBool   = decode.In.Bool
	readInt    = decode.In.Int
)

var searchFields = decode.NewFields(commonFields()...)

// queryFields are the fields of a query in a multi-search.
var queryFields = decode.NewFields(slices.Concat(
	[]searchField{{Name: "indexUid", Code: "invalid_index_uid", Missing: "missing_index_uid",
		Read: value(func(s *Search) *string { return &s.IndexUID }, readIndexUID)}},
	commonFields(),
	[]searchField{{Name: "federationOptions", Read: option(
		func(s *Search) **FederationOptions { return &s.FederationOptions }, readFederationOptions)}},
)...)

func commonFields() []searchField {
	return slices.Concat(pageFields(), formatFields(), chooseFields(), vectorFields(), showFields())
}

func pageFields() []searchField {
	return []searchField{
		{Name: "q", Code: "invalid_search_q", Read: option(func(s *Search) **string { return &s.Q }, readString)},
		{Name: "offset", Code: "invalid_search_offset", Read: func(s *Search, in decode.In) *meili.Error {
			if in.Null() && s.inMulti {
				return nil
			}
			s.sent.offset = true
			return in.Int(&s.Offset)
		}},
		{Name: "limit", Code: "invalid_search_limit", Read: func(s *Search, in decode.In) *meili.Error {
			if in.Null() && s.inMulti {
				return nil
			}
			s.sent.limit = true
			return in.Int(&s.Limit)
		}},
		{Name: "page", Code: "invalid_search_page", Read: option(func(s *Search) **int { return &s.Page }, readInt)},
		{Name: "hitsPerPage", Code: "invalid_search_hits_per_page",
			Read: option(func(s *Search) **int { return &s.HitsPerPage }, readInt)},
	}
}

func formatFields() []searchField {
	return []searchField{
		{Name: "attributesToRetrieve", Code: "invalid_search_attributes_to_retrieve",
			Read: func(s *Search, in decode.In) *meili.Error { return readSet(in, &s.AttributesToRetrieve) }},
		{Name: "attributesToCrop", Code: "invalid_search_attributes_to_crop",
			Read: list(func(s *Search) *[]string { return &s.AttributesToCrop })},
		{Name: "cropLength", Code: "invalid_search_crop_length",
			Read: value(func(s *Search) *int { return &s.CropLength }, readInt)},
		{Name: "cropMarker", Code: "invalid_search_crop_marker",
			Read: value(func(s *Search) *string { return &s.CropMarker }, readString)},
		{Name: "attributesToHighlight", Code: "invalid_search_attributes_to_highlight",
			Read: list(func(s *Search) *[]string { return &s.AttributesToHighlight })},
		{Name: "highlightPreTag", Code: "invalid_search_highlight_pre_tag",
			Read: value(func(s *Search) *string { return &s.HighlightPreTag }, readString)},
		{Name: "highlightPostTag", Code: "invalid_search_highlight_post_tag",
			Read: value(func(s *Search) *string { return &s.HighlightPostTag }, readString)},
		{Name: "showMatchesPosition", Code: "invalid_search_show_matches_position",
			Read: value(func(s *Search) *bool { return &s.ShowMatchesPosition }, readBool)},
	}
}

func chooseFields() []searchField {
	return []searchField{
		{Name: "filter", Code: "invalid_search_filter", Read: raw(func(s *Search) *json.RawMessage { return &s.Filter })},
		{Name: "sort", Code: "invalid_search_sort", Read: list(func(s *Search) *[]string { return &s.Sort })},
		{Name: "distinct", Code: "invalid_search_distinct",
			Read: option(func(s *Search) **string { return &s.Distinct }, readString)},
		{Name: "facets", Code: "invalid_search_facets", Read: list(func(s *Search) *[]string { return &s.Facets })},
		{Name: "matchingStrategy", Code: "invalid_search_matching_strategy",
			Read: value(func(s *Search) *string { return &s.MatchingStrategy }, readStrategy)},
		{Name: "attributesToSearchOn", Code: "invalid_search_attributes_to_search_on",
			Read: list(func(s *Search) *[]string { return &s.AttributesToSearchOn })},
		{Name: "rankingScoreThreshold", Code: "invalid_search_ranking_score_threshold",
			Read: option(func(s *Search) **float64 { return &s.RankingScoreThreshold }, readThreshold)},
		{Name: "locales", Code: "invalid_search_locales",
			Read: func(s *Search, in decode.In) *meili.Error { return readLocales(in, &s.Locales) }},
	}
}

func vectorFields() []searchField {
	return []searchField{
		{Name: "hybrid", Code: "invalid_search_hybrid_query",
			Read: option(func(s *Search) **Hybrid { return &s.Hybrid }, readHybrid)},
		{Name: "vector", Code: "invalid_search_vector",
			Read: func(s *Search, in decode.In) *meili.Error { return readVector(in, &s.Vector) }},
		{Name: "retrieveVectors", Code: "invalid_search_retrieve_vectors",
			Read: value(func(s *Search) *bool { return &s.RetrieveVectors }, readBool)},
		{Name: "media", Code: "invalid_search_media", Read: raw(func(s *Search) *json.RawMessage { return &s.Media })},
		{Name: "personalize", Code: "invalid_search_personalize",
			Read: option(func(s *Search) **string { return &s.Personalize }, readPersonalize)},
		{Name: "useNetwork", Code: "invalid_search_use_network",
			Read: option(func(s *Search) **bool { return &s.UseNetwork }, readBool)},
	}
}

func showFields() []searchField {
	return []searchField{
		{Name: "showRankingScore", Code: "invalid_search_show_ranking_score",
			Read: value(func(s *Search) *bool { return &s.ShowRankingScore }, readBool)},
		{Name: "showRankingScoreDetails", Code: "invalid_search_show_ranking_score_details",
			Read: value(func(s *Search) *bool { return &s.ShowRankingScoreDetails }, readBool)},
		{Name: "showPerformanceDetails", Code: "invalid_search_show_performance_details",
			Read: func(s *Search, in decode.In) *meili.Error {
				if in.Null() && s.inMulti {
					return nil
				}
				s.sent.performance = true
				return in.Bool(&s.ShowPerformanceDetails)
			}},
	}
}

func readStrategy(in decode.In, dst *string) *meili.Error { return in.Enum(dst, strategies) }

// readSet reads an optional array of strings of which the order does not matter.
func readSet(in decode.In, dst *[]string) *meili.Error {
	if in.Null() {
		*dst = nil
		return nil
	}
	if err := in.Strings(dst); err != nil {
		return err
	}
	slices.Sort(*dst)
	*dst = slices.Compact(*dst)
	return nil
}

const thresholdMessage = "the value of `rankingScoreThreshold` is invalid, expected a float between `0.0` and `1.0`."

func readThreshold(in decode.In, dst *float64) *meili.Error {
	if err := in.Float(dst); err != nil {
		return err
	}
	if *dst > 1 || *dst < 0 {
		return in.Invalid(thresholdMessage)
	}
	return nil
}

func readLocales(in decode.In, dst *[]string) *meili.Error {
	*dst = nil
	if in.Null() {
		return nil
	}
	*dst = []string{}
	return in.Each(func(_ int, in decode.In) *meili.Error {
		var locale string
		err := in.Enum(&locale, Locales)
		*dst = append(*dst, locale)
		return err
	})
}

const ratioMessage = "the value of `semanticRatio` is invalid, expected a float between `0.0` and `1.0`."

var hybridFields = decode.NewFields(
	decode.Field[Hybrid]{Name: "semanticRatio", Code: "invalid_search_semantic_ratio",
		Read: func(h *Hybrid, in decode.In) *meili.Error {
			var f float64
			if err := in.Float(&f); err != nil {
				return err
			}
			h.SemanticRatio = float32(f)
			if h.SemanticRatio > 1 || h.SemanticRatio < 0 {
				return in.Invalid(ratioMessage)
			}
			return nil
		}},
	decode.Field[Hybrid]{Name: "embedder", Code: "invalid_search_embedder", Missing: "-",
		Read: value(func(h *Hybrid) *string { return &h.Embedder }, readString)},
)

func readHybrid(in decode.In, dst *Hybrid) *meili.Error {
	dst.SemanticRatio = DefaultSemanticRatio
	return hybridFields.Read(dst, in)
}

func readVector(in decode.In, dst *[]float32) *meili.Error {
	*dst = nil
	if in.Null() {
		return nil
	}
	*dst = make([]float32, len(in.Value.Elems))
	return in.Each(func(i int, in decode.In) *meili.Error {
		var f float64
		err := in.Float(&f)
		(*dst)[i] = float32(f)
		return err
	})
}

var personalizeFields = decode.NewFields(decode.Field[string]{
	Name: "userContext", Code: "invalid_search_personalize_user_context", Missing: "-",
	Read: func(s *string, in decode.In) *meili.Error { return in.String(s) },
})

func readPersonalize(in decode.In, dst *string) *meili.Error { return personalizeFields.Read(dst, in) }
