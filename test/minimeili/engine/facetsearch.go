package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// FacetSearch answers a search among the values of a facet.
func (ix *Index) FacetSearch(r *request.FacetSearch) (*FacetResult, *meili.Error) {
	expr, err := filter.Parse(r.Filter)
	if err != nil {
		return nil, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	q := &request.Search{
		Q: r.Q, Vector: r.Vector, Media: r.Media, Hybrid: r.Hybrid, Limit: 20, MatchingStrategy: r.MatchingStrategy,
		AttributesToSearchOn: r.AttributesToSearchOn, RankingScoreThreshold: r.RankingScoreThreshold, Locales: r.Locales,
	}
	x, err := ix.prepare(q, expr)
	if err != nil {
		return nil, err
	}
	if !ix.cfg.facetSearch {
		return nil, meili.NewError("facet_search_disabled", "The facet search is disabled for this index")
	}
	x.length = min(q.Limit, ix.cfg.maxTotalHits)
	x.exhaustive = r.ExhaustiveFacetCount != nil && *r.ExhaustiveFacetCount
	if x.exhaustive {
		x.length = 0
	}
	candidates, err := x.candidates()
	if err != nil {
		return nil, err
	}
	if err := ix.checkFacetSearch(r.FacetName); err != nil {
		return nil, err
	}
	res := &FacetResult{FacetHits: []FacetHit{}, FacetQuery: r.FacetQuery}
	fid, ok := ix.fieldIDs[r.FacetName]
	if f := ix.facet[fid]; ok && f != nil {
		res.FacetHits = append(res.FacetHits, ix.searchFacet(f, fid, r.FacetQuery, candidates)...)
	}
	return res, nil
}

// candidates are the documents of which the facet values are counted.
func (x *execution) candidates() (docSet, *meili.Error) {
	if x.kind.hybrid || x.kind.semantic {
		return x.ix.filtered(x.filter, "invalid_search_filter", false)
	}
	out, err := x.run()
	return out.candidates, err
}

func (ix *Index) searchFacet(f *facetField, fid uint16, query *string, candidates docSet) []FacetHit {
	byCount := ix.cfg.facetOrder(ix.fields[fid]) == "count"
	limit := ix.cfg.maxValuesPerFacet
	var hits []FacetHit
	for _, value := range ix.facetValues(f, fid, query) {
		if !byCount && len(hits) == limit {
			break
		}
		v := f.strings[value]
		if n := v.countIn(candidates); n > 0 {
			hits = append(hits, FacetHit{ix.docs[v.docs[0]].facets[fid].strings[value], n})
		}
	}
	if byCount {
		slices.SortStableFunc(hits, func(a, b FacetHit) int {
			return cmp.Or(-cmp.Compare(a.Count, b.Count), -strings.Compare(a.Value, b.Value))
		})
	}
	return cut(hits, limit)
}

// facetValues lists the values that match a facet query, in the order of their
// search form: lower-cased, without accents.
func (ix *Index) facetValues(f *facetField, fid uint16, query *string) []string {
	values := ix.stringsOf(f)
	if query == nil {
		return values
	}
	forms := map[string][]string{}
	var order []string
	for _, v := range values {
		form := searchForm(v)
		if forms[form] == nil {
			order = append(order, form)
		}
		forms[form] = append(forms[form], v)
	}
	slices.Sort(order)
	var out []string
	ix.matchForms(&dictionary{words: order}, searchForm(*query), fid, func(form string) {
		out = append(out, forms[form]...)
	})
	return out
}

func (ix *Index) matchForms(d *dictionary, query string, fid uint16, found func(string)) {
	limit := 2
	switch {
	case !ix.cfg.typos || slices.Contains(ix.cfg.exactAttributes, ix.fields[fid]) || len(query) < ix.cfg.oneTypo:
		limit = 0
	case ix.cfg.exactWords[query]:
		if _, ok := slices.BinarySearch(d.words, query); ok {
			found(query)
		}
		return
	case len(query) < ix.cfg.twoTypos:
		limit = 1
	}
	if limit == 0 {
		for _, w := range d.withPrefix(query) {
			found(w)
		}
		return
	}
	d.visit(newTypoSearch(query, limit, true), func(w string, _ int) bool {
		found(w)
		return true
	})
}

// searchForm is the form in which facet values are searched.
func searchForm(s string) string {
	_, sc := scriptRun(s, 0)
	return simplify(decompose(s), sc)
}
