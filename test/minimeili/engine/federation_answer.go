package engine

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// answer merges the indexes and renders the page.
func (f *federator) answer(found []*federatedIndex, p page) *FederatedResult {
	fed := f.m.Federation
	res := &FederatedResult{Hits: emptyHits}
	total, semantic, at := 0, 0, 0
	lists := make([][]federatedHit, len(found))
	for i, fi := range found {
		lists[i] = fi.hits
		total += fi.candidates.len()
	}
	seen := map[any]bool{}
	rejected := map[*Index][]uint32{}
	merge(lists, func(h federatedHit) bool {
		if !f.distinct(h, seen) {
			total--
			rejected[h.ix] = append(rejected[h.ix], h.docid)
			return true
		}
		if at++; at <= p.offset || at > p.required() {
			return fed.Distinct != nil || at < p.required()
		}
		if hasVector(h.details) {
			semantic++
		}
		res.Hits = append(res.Hits, h.json())
		return true
	})
	if len(f.vectors.members) > 0 || slices.ContainsFunc(f.m.Queries, func(q request.Search) bool { return q.RetrieveVectors }) {
		res.QueryVectors = appendValue(nil, f.vectors)
	}
	if f.semantic {
		res.SemanticHitCount = &semantic
	}
	for _, fi := range found {
		fi.forget(rejected[fi.ix])
	}
	f.addFacets(res, found)
	if !p.paged {
		res.Limit, res.Offset, res.EstimatedTotalHits = &p.limit, &p.offset, &total
	} else {
		pages := p.pages(total)
		res.HitsPerPage, res.Page, res.TotalPages, res.TotalHits = &p.hitsPerPage, &p.number, &pages, &total
	}
	return res
}

func (h federatedHit) json() json.RawMessage {
	return h.maker.hit(h.docid, h.details, &object{members: []member{
		{"indexUid", h.ix.uid}, {"queriesPosition", intNumber(h.query)},
		{"weightedRankingScore", floatNumber(globalScore(h.details) * h.weight)},
	}})
}

// forget takes the values of documents that were left out of the facets.
func (fi *federatedIndex) forget(docs []uint32) {
	if fi.facets == nil {
		return
	}
	for name, counts := range fi.facets.distribution {
		for _, docid := range docs {
			values := fi.ix.docs[docid].facets[fi.ix.fieldIDs[name]]
			if values == nil {
				continue
			}
			for i := range counts {
				n, ok := numeric(counts[i].value)
				_, text := values.strings[normalizeFacet(counts[i].value)]
				if text || ok && slices.Contains(values.numbers, n) {
					counts[i].count--
				}
			}
		}
		fi.facets.distribution[name] = slices.DeleteFunc(counts, func(c facetCount) bool { return c.count <= 0 })
	}
}

func (f *federator) addFacets(res *FederatedResult, found []*federatedIndex) {
	if m := f.m.Federation.MergeFacets; m != nil {
		if merged := f.mergeFacets(found, m.MaxValuesPerFacet); merged != nil {
			res.FacetDistribution, res.FacetStats = merged.distributionJSON(), merged.statsJSON()
		}
		return
	}
	byIndex := &object{}
	for _, fi := range found {
		if fi.facets != nil {
			byIndex.members = append(byIndex.members, member{fi.ix.uid, &object{members: []member{
				{"distribution", json.RawMessage(fi.facets.distributionJSON())}, {"stats", json.RawMessage(fi.facets.statsJSON())},
			}}})
		}
	}
	if len(byIndex.members) > 0 {
		res.FacetsByIndex = appendValue(nil, byIndex)
	}
}

func (f *federator) mergeFacets(found []*federatedIndex, limit *int) *computedFacets {
	var out *computedFacets
	for _, fi := range found {
		if fi.facets == nil {
			continue
		}
		if out == nil {
			out = &computedFacets{distribution: map[string][]facetCount{}, stats: map[string][2]float64{}}
		}
		for _, name := range fi.facets.names {
			if !slices.Contains(out.names, name) {
				out.names = append(out.names, name)
			}
			out.distribution[name] = addCounts(out.distribution[name], fi.facets.distribution[name])
			if s, ok := fi.facets.stats[name]; ok {
				if old, ok := out.stats[name]; ok {
					s = [2]float64{min(s[0], old[0]), max(s[1], old[1])}
				}
				out.stats[name] = s
			}
		}
	}
	if out == nil {
		return nil
	}
	slices.Sort(out.names)
	for name, counts := range out.distribution {
		if f.orders[name][1] == "count" {
			slices.SortStableFunc(counts, func(a, b facetCount) int { return b.count - a.count })
		} else {
			slices.SortStableFunc(counts, func(a, b facetCount) int { return cmp.Compare(a.value, b.value) })
		}
		if limit != nil {
			out.distribution[name] = cut(counts, *limit)
		}
	}
	return out
}

func addCounts(into, counts []facetCount) []facetCount {
	for _, c := range counts {
		if i := slices.IndexFunc(into, func(o facetCount) bool { return o.value == c.value }); i >= 0 {
			into[i].count += c.count
		} else {
			into = append(into, c)
		}
	}
	return into
}
