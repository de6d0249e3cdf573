package request

import (
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// writer writes the members of an object.
type writer struct {
	dst   []byte
	empty bool
}

func object(dst []byte) writer { return writer{append(dst, '{'), true} }

func (w *writer) name(name string) {
	if !w.empty {
		w.dst = append(w.dst, ',')
	}
	w.empty = false
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, '"', ':')
}

func (w *writer) str(name string, s *string) {
	if s != nil {
		w.name(name)
		w.dst = meili.AppendString(w.dst, *s)
	}
}

func (w *writer) text(name, s, usual string) {
	if s != usual {
		w.str(name, &s)
	}
}

func (w *writer) number(name string, n, usual int) {
	if n != usual {
		w.integer(name, &n)
	}
}

func (w *writer) integer(name string, n *int) {
	if n != nil {
		w.name(name)
		w.dst = strconv.AppendInt(w.dst, int64(*n), 10)
	}
}

func (w *writer) boolean(name string, b *bool) {
	if b != nil {
		w.name(name)
		w.dst = strconv.AppendBool(w.dst, *b)
	}
}

func (w *writer) flag(name string, b bool) {
	if b {
		w.boolean(name, &b)
	}
}

func (w *writer) list(name string, list []string) {
	if list == nil {
		return
	}
	w.name(name)
	w.dst = append(w.dst, '[')
	for i, s := range list {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = meili.AppendString(w.dst, s)
	}
	w.dst = append(w.dst, ']')
}

func (w *writer) raw(name string, raw []byte) {
	if raw != nil {
		w.name(name)
		w.dst = append(w.dst, raw...)
	}
}

func (w *writer) float(name string, f *float64) {
	if f != nil {
		w.name(name)
		w.dst = meili.AppendFloat(w.dst, *f)
	}
}

func (w *writer) hybrid(h *Hybrid) {
	if h == nil {
		return
	}
	w.name("hybrid")
	inner := object(w.dst)
	if h.SemanticRatio != DefaultSemanticRatio {
		inner.name("semanticRatio")
		inner.dst = meili.AppendFloat32(inner.dst, h.SemanticRatio)
	}
	inner.str("embedder", &h.Embedder)
	w.dst = append(inner.dst, '}')
}

func (w *writer) vector(v []float32) {
	if v == nil {
		return
	}
	w.name("vector")
	w.dst = append(w.dst, '[')
	for i, f := range v {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = meili.AppendFloat32(w.dst, f)
	}
	w.dst = append(w.dst, ']')
}

func (w *writer) personalize(context *string) {
	if context == nil {
		return
	}
	w.name("personalize")
	inner := object(w.dst)
	inner.str("userContext", context)
	w.dst = append(inner.dst, '}')
}

// AppendJSON appends the search as the body of a POST, without what is at its
// default. A query of a multi-search keeps its indexUid and federationOptions.
func (s *Search) AppendJSON(dst []byte) []byte {
	w := object(dst)
	w.text("indexUid", s.IndexUID, "")
	w.str("q", s.Q)
	w.number("offset", s.Offset, 0)
	w.number("limit", s.Limit, DefaultLimit)
	w.integer("page", s.Page)
	w.integer("hitsPerPage", s.HitsPerPage)
	w.list("attributesToRetrieve", s.AttributesToRetrieve)
	w.list("attributesToCrop", s.AttributesToCrop)
	w.number("cropLength", s.CropLength, DefaultCropLength)
	w.text("cropMarker", s.CropMarker, DefaultCropMarker)
	w.list("attributesToHighlight", s.AttributesToHighlight)
	w.text("highlightPreTag", s.HighlightPreTag, DefaultPreTag)
	w.text("highlightPostTag", s.HighlightPostTag, DefaultPostTag)
	w.flag("showMatchesPosition", s.ShowMatchesPosition)
	w.raw("filter", s.Filter)
	w.list("sort", s.Sort)
	w.str("distinct", s.Distinct)
	w.list("facets", s.Facets)
	w.text("matchingStrategy", s.MatchingStrategy, DefaultStrategy)
	w.list("attributesToSearchOn", s.AttributesToSearchOn)
	w.float("rankingScoreThreshold", s.RankingScoreThreshold)
	w.list("locales", s.Locales)
	w.hybrid(s.Hybrid)
	w.vector(s.Vector)
	w.flag("retrieveVectors", s.RetrieveVectors)
	w.raw("media", s.Media)
	w.personalize(s.Personalize)
	w.boolean("useNetwork", s.UseNetwork)
	w.flag("showRankingScore", s.ShowRankingScore)
	w.flag("showRankingScoreDetails", s.ShowRankingScoreDetails)
	w.flag("showPerformanceDetails", s.ShowPerformanceDetails)
	if o := s.FederationOptions; o != nil {
		w.name("federationOptions")
		inner := object(w.dst)
		if o.Weight != 1 {
			inner.float("weight", &o.Weight)
		}
		inner.str("remote", o.Remote)
		inner.integer("queryPosition", o.QueryPosition)
		w.dst = append(inner.dst, '}')
	}
	return append(w.dst, '}')
}

// AppendJSON appends the facet search as a body, without what is at its default.
func (s *FacetSearch) AppendJSON(dst []byte) []byte {
	w := object(dst)
	w.str("facetQuery", s.FacetQuery)
	w.str("facetName", &s.FacetName)
	w.str("q", s.Q)
	w.vector(s.Vector)
	w.raw("media", s.Media)
	w.hybrid(s.Hybrid)
	w.raw("filter", s.Filter)
	w.text("matchingStrategy", s.MatchingStrategy, DefaultStrategy)
	w.list("attributesToSearchOn", s.AttributesToSearchOn)
	w.float("rankingScoreThreshold", s.RankingScoreThreshold)
	w.list("locales", s.Locales)
	w.boolean("exhaustiveFacetCount", s.ExhaustiveFacetCount)
	w.boolean("useNetwork", s.UseNetwork)
	return append(w.dst, '}')
}

// AppendJSON appends the request for similar documents as the body of a POST,
// without what is at its default.
func (s *Similar) AppendJSON(dst []byte) []byte {
	w := object(dst)
	if s.ID != "" {
		w.str("id", &s.ID)
	} else if s.sentID != nil {
		w.raw("id", s.sentID.JSON())
	}
	w.number("offset", s.Offset, 0)
	w.number("limit", s.Limit, DefaultLimit)
	w.raw("filter", s.Filter)
	w.str("embedder", &s.Embedder)
	w.list("attributesToRetrieve", s.AttributesToRetrieve)
	w.flag("retrieveVectors", s.RetrieveVectors)
	w.flag("showRankingScore", s.ShowRankingScore)
	w.flag("showRankingScoreDetails", s.ShowRankingScoreDetails)
	w.flag("showPerformanceDetails", s.ShowPerformanceDetails)
	w.float("rankingScoreThreshold", s.RankingScoreThreshold)
	return append(w.dst, '}')
}

// AppendJSON appends the request for documents as the body of a POST, without
// what is at its default.
func (d *DocumentsFetch) AppendJSON(dst []byte) []byte {
	w := object(dst)
	w.number("offset", d.Offset, 0)
	w.number("limit", d.Limit, DefaultLimit)
	w.list("fields", d.Fields)
	w.flag("retrieveVectors", d.RetrieveVectors)
	w.list("ids", d.IDs)
	w.raw("filter", d.Filter)
	w.list("sort", d.Sort)
	w.boolean("useNetwork", d.UseNetwork)
	return append(w.dst, '}')
}
