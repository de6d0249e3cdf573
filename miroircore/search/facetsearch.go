package search

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

func facetMatches(asked, name string) bool {
	return asked == "*" || asked == name || settings.Match(asked, name)
}

// FacetSearch answers a search in the values of a facet.
func (r *Reader) FacetSearch(ctx context.Context, call Call, ix *index.Index, q *request.FacetSearch) (*Answer, *meili.Error) {
	start := r.o.Now()
	tenant, err := call.tenant(ix.UID)
	if err != nil {
		return nil, err
	}
	if err := checkFacetName(ix, q.FacetName); err != nil {
		return nil, err
	}
	if err := r.checkFilter(ix, q.Filter, "invalid_search_filter", true); err != nil {
		return nil, err
	}
	p := &prepared{ix: ix, client: &request.Search{}, tenant: tenant}
	g, err := r.gather(ctx, call, p.facetQuestion(q, joinFilters(q.Filter, tenant)))
	if err != nil {
		return nil, err
	}
	defer g.release()
	hits, err := joinFacetHits(g)
	if err == nil {
		err = r.spell(ctx, call, p, q.FacetName, hits)
	}
	if err == nil && ix.Settings.Distinct() != "" {
		hits, err = r.countOnce(ctx, call, ix, q, tenant, hits)
	}
	if err != nil {
		return nil, err
	}
	if len(g.parts) > 1 || ix.Settings.Distinct() != "" {
		order(hits, ix.Settings.SortFacetValuesBy(q.FacetName) == "count")
	}
	hits = hits[:min(len(hits), ix.Settings.MaxValuesPerFacet())]
	dst := append(make([]byte, 0, 256+48*len(hits)), `{"facetHits":[`...)
	for i, h := range hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = meili.AppendString(append(dst, `{"value":`...), h.Value)
		dst = append(strconv.AppendInt(append(dst, `,"count":`...), int64(h.Count), 10), '}')
	}
	dst = append(dst, `],"facetQuery":`...)
	if q.FacetQuery == nil {
		dst = append(dst, "null"...)
	} else {
		dst = meili.AppendString(dst, *q.FacetQuery)
	}
	took := r.o.Now().Sub(start)
	dst = append(appendInt(dst, `,"processingTimeMs":`, int(took.Milliseconds())), '}')
	a := &Answer{Status: http.StatusOK, Body: dst, Degraded: g.degraded(), Nodes: len(g.parts)}
	a.Retries = g.asked - a.Nodes
	r.o.Metrics.Merged("facet-search", a.Nodes, took)
	return a, nil
}

// checkFacetName refuses attributes that clients may not search the values of,
// though nodes would let them.
func checkFacetName(ix *index.Index, name string) *meili.Error {
	if !ix.Settings.FacetSearch() {
		return nil // which the node refuses by itself
	}
	rule, _ := settings.MatchFilterable(ix.Settings.Filterable(), name)
	if rule != nil && rule.FacetSearch && !strings.HasPrefix(name, hidden.Prefix) {
		return nil
	}
	list, some := patterns(ix, true, false)
	names := strings.Join(list, ", ")
	if some {
		names += ", <..hidden-attributes>"
	}
	available := "Available facet-searchable attributes patterns are: `" + names + "`."
	if len(list) == 0 {
		available = "This index does not have configured facet-searchable attributes."
	}
	return meili.NewError("invalid_facet_search_facet_name", "%s", "Attribute `"+name+"` is not facet-searchable. "+available+
		" To make it facet-searchable add it to the `filterableAttributes` index settings.")
}

type facetHit struct {
	Value string `json:"value"`
	Count int    `json:"count"`
	norm  string
	// disputed says that nodes spell the value in different ways.
	disputed bool
}

// joinFacetHits adds up the counts of values that several nodes have.
func joinFacetHits(g *gathered) ([]facetHit, *meili.Error) {
	var all []facetHit
	at := make(map[string]int)
	for _, p := range g.parts {
		var hits []facetHit
		if err := json.Unmarshal(p.answer.Bytes(p.answer.FacetHits), &hits); err != nil {
			return nil, meili.NewError("internal", "reading facet hits: %v", err)
		}
		for _, h := range hits {
			h.norm = hit.Normalize(h.Value)
			if i, ok := at[h.norm]; ok {
				all[i].Count += h.Count
				all[i].disputed = all[i].disputed || all[i].Value != h.Value
				continue
			}
			at[h.norm] = len(all)
			all = append(all, h)
		}
	}
	return all, nil
}

// spell finds how the first document that has a value spells it, where nodes spell
// it in different ways.
func (r *Reader) spell(ctx context.Context, call Call, p *prepared, name string, hits []facetHit) *meili.Error {
	most := r.tuning.Load().ExactFacets
	var list []inquiry
	var at []int
	for i, h := range hits {
		if h.disputed && len(list) < most {
			list = append(list, inquiry{facets: []string{name, hidden.VersionField}, only: filterText(quoted(name) + " = " + quoted(h.norm)), all: true})
			at = append(at, i)
		}
	}
	if len(list) == 0 {
		return nil
	}
	answers, err := r.inquire(ctx, call, p, list)
	if err != nil {
		return err
	}
	for n, i := range at {
		if text, ok := earliest(dispute{name, hits[i].norm}, answers[n]); ok {
			hits[i].Value = text
		}
	}
	return nil
}

// order puts facet hits in the order that the settings want.
func order(hits []facetHit, byCount bool) {
	slices.SortFunc(hits, func(a, b facetHit) int {
		switch {
		case byCount && a.Count != b.Count:
			return b.Count - a.Count
		case byCount:
			return strings.Compare(b.Value, a.Value)
		}
		return strings.Compare(a.norm, b.norm)
	})
}

// countOnce counts facet hits as an index with a distinct attribute does: of
// the documents that share its value one alone counts. Nodes have no such
// attribute in their settings, and a facet search cannot name one, so a search
// counts.
func (r *Reader) countOnce(ctx context.Context, call Call, ix *index.Index, q *request.FacetSearch, tenant json.RawMessage, hits []facetHit) ([]facetHit, *meili.Error) {
	one := 1
	search := request.Search{Q: q.Q, Vector: q.Vector, Media: q.Media, Hybrid: q.Hybrid, Filter: q.Filter, AttributesToSearchOn: q.AttributesToSearchOn,
		RankingScoreThreshold: q.RankingScoreThreshold, Locales: q.Locales, Facets: []string{q.FacetName}, AttributesToRetrieve: []string{}}
	defaults(&search)
	search.Page, search.HitsPerPage = &one, &one
	if q.MatchingStrategy != "" {
		search.MatchingStrategy = q.MatchingStrategy
	}
	p, err := r.prepare(ix, &search, tenant)
	if err != nil {
		return nil, err
	}
	out, err := r.collect(ctx, call, p)
	if err != nil {
		return nil, err
	}
	defer out.release()
	kept := hits[:0]
	for _, h := range hits {
		if h.Count = out.facets.Count(q.FacetName, h.norm); h.Count > 0 {
			kept = append(kept, h)
		}
	}
	return kept, nil
}

// facetSearchBody writes a facet search for a node.
func facetSearchBody(q *request.FacetSearch, filter json.RawMessage) []byte {
	type hybrid struct {
		Embedder      string  `json:"embedder"`
		SemanticRatio float32 `json:"semanticRatio"`
	}
	body := struct {
		FacetName             string          `json:"facetName"`
		FacetQuery            *string         `json:"facetQuery,omitempty"`
		Q                     *string         `json:"q,omitempty"`
		Vector                []float32       `json:"vector,omitempty"`
		Media                 json.RawMessage `json:"media,omitempty"`
		Hybrid                *hybrid         `json:"hybrid,omitempty"`
		Filter                json.RawMessage `json:"filter,omitempty"`
		MatchingStrategy      string          `json:"matchingStrategy,omitempty"`
		AttributesToSearchOn  []string        `json:"attributesToSearchOn,omitempty"`
		RankingScoreThreshold *float64        `json:"rankingScoreThreshold,omitempty"`
		Locales               []string        `json:"locales,omitempty"`
		ExhaustiveFacetCount  *bool           `json:"exhaustiveFacetCount,omitempty"`
	}{q.FacetName, q.FacetQuery, q.Q, q.Vector, q.Media, nil, filter, q.MatchingStrategy, q.AttributesToSearchOn,
		q.RankingScoreThreshold, q.Locales, q.ExhaustiveFacetCount}
	if q.Hybrid != nil {
		body.Hybrid = &hybrid{q.Hybrid.Embedder, q.Hybrid.SemanticRatio}
	}
	out, err := json.Marshal(body)
	if err != nil { // raw members were validated when the request was read
		panic(err)
	}
	return out
}
