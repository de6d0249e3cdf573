package search

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/requestuid"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// finish merges the hits and writes the answer.
func (f *federation) finish(results []*result, start time.Time) *Answer {
	lists := make([]merge.List, len(results))
	total, semantic := 0, -1
	for i, o := range results {
		lists[i] = f.list(i, o)
		if o.semantic >= 0 {
			semantic = 0
		}
	}
	settled, rejected := true, 0
	for _, m := range f.indexes {
		total += m.total
		settled = settled && m.settled
		rejected += m.rejected
	}
	chosen, tally := merge.Federated(lists, merge.Window{From: f.from, To: f.to, Distinct: f.f.Distinct != nil})
	switch {
	case settled:
		total -= max(len(tally.Rejected)-rejected, 0)
	case f.f.Distinct != nil && f.to > 0 && !tally.Full:
		total = tally.Taken // that was all there is
	default:
		total = max(total-len(tally.Rejected), len(chosen))
	}
	dst := append(make([]byte, 0, 4096), `{"hits":[`...)
	var extra []byte
	for i, c := range chosen {
		if i > 0 {
			dst = append(dst, ',')
		}
		if c.Hit.Semantic() && semantic >= 0 {
			semantic++
		}
		extra = f.stamp(extra[:0], c)
		dst = c.Hit.AppendWith(dst, extra)
	}
	dst = append(dst, ']')
	dst = f.vectors(dst, results)
	took := f.r.o.Now().Sub(start)
	dst = appendInt(dst, `,"processingTimeMs":`, int(took.Milliseconds()))
	dst = f.totals(dst, total)
	dst = f.appendFacets(dst, total)
	dst = append(append(append(dst, `,"requestUid":"`...), requestuid.New()...), '"')
	if f.call.IncludeMetadata {
		dst = append(dst, `,"metadata":[`...)
		for i, p := range f.queries {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendMetadata(dst, p)
		}
		dst = append(dst, ']')
	}
	if semantic >= 0 {
		dst = appendInt(dst, `,"semanticHitCount":`, semantic)
	}
	out := &Answer{Status: http.StatusOK, Body: append(dst, '}')}
	for _, o := range results {
		out.add(&Answer{Degraded: o.g.degraded(), Nodes: len(o.g.parts), Retries: o.g.asked - len(o.g.parts)})
	}
	f.r.o.Metrics.Merged("federated", out.Nodes, took)
	return out
}

// list is the hits of a query with what they are compared by.
func (f *federation) list(i int, o *result) merge.List {
	weight := 1.0
	if options := f.q.Queries[i].FederationOptions; options != nil {
		weight = options.Weight
	}
	return merge.List{Hits: o.hits, Weight: weight, Position: i, Index: o.p.ix.UID, Limit: o.p.ix.Settings.MaxTotalHits()}
}

// stamp is what a hit tells of where it was found.
func (f *federation) stamp(dst []byte, c merge.Chosen) []byte {
	position := c.List.Position
	if o := f.q.Queries[position].FederationOptions; o != nil && o.QueryPosition != nil {
		position = *o.QueryPosition
	}
	dst = meili.AppendString(append(dst, `"_federation":{"indexUid":`...), c.List.Index)
	dst = appendInt(dst, `,"queriesPosition":`, position)
	dst = append(dst, `,"weightedRankingScore":`...)
	return append(appendFloat(dst, c.Hit.Score*c.List.Weight), '}')
}

// appendFloat writes a number as the server does: a whole one with a decimal.
func appendFloat(dst []byte, x float64) []byte {
	mark := len(dst)
	dst = strconv.AppendFloat(dst, x, 'g', -1, 64)
	if !strings.ContainsAny(string(dst[mark:]), ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

func (f *federation) vectors(dst []byte, results []*result) []byte {
	open := false
	for i, o := range results {
		v := o.queryVector()
		if !o.p.client.RetrieveVectors || len(v) == 0 {
			continue
		}
		if !open {
			dst = append(dst, `,"queryVectors":{`...)
		} else {
			dst = append(dst, ',')
		}
		open = true
		dst = append(strconv.AppendInt(append(dst, '"'), int64(i), 10), `":`...)
		dst = append(dst, v...)
	}
	if open {
		dst = append(dst, '}')
	}
	return dst
}

func (f *federation) totals(dst []byte, total int) []byte {
	if !f.paged {
		dst = appendInt(dst, `,"limit":`, f.f.Limit)
		dst = appendInt(dst, `,"offset":`, f.f.Offset)
		return appendInt(dst, `,"estimatedTotalHits":`, total)
	}
	page, size := f.page()
	pages := 0
	if size > 0 {
		pages = (total + size - 1) / size
	}
	dst = appendInt(dst, `,"hitsPerPage":`, size)
	dst = appendInt(dst, `,"page":`, page)
	dst = appendInt(dst, `,"totalPages":`, pages)
	return appendInt(dst, `,"totalHits":`, total)
}

func (f *federation) appendFacets(dst []byte, total int) []byte {
	if f.f.MergeFacets != nil {
		return f.appendMergedFacets(dst, total)
	}
	open := false
	for _, m := range f.indexes {
		if m.facets == nil {
			continue
		}
		if !open {
			dst = append(dst, `,"facetsByIndex":{`...)
		} else {
			dst = append(dst, ',')
		}
		open = true
		only := facetsShown(m.ix, m.facets)
		dst = append(meili.AppendString(dst, m.ix.UID), `:{"distribution":`...)
		dst = m.counts.AppendDistribution(dst, merge.Render{Max: m.ix.Settings.MaxValuesPerFacet(), ByCount: byCount(m.ix), Candidates: m.total, Only: only})
		dst = append(m.counts.AppendStats(append(dst, `,"stats":`...), only), '}')
	}
	if open {
		dst = append(dst, '}')
	}
	return dst
}

// appendMergedFacets writes one list of facets over all indexes.
func (f *federation) appendMergedFacets(dst []byte, total int) []byte {
	var sum merge.Facets
	most := 100
	if n := f.f.MergeFacets.MaxValuesPerFacet; n != nil {
		most = *n
	}
	order := func(string) bool { return false }
	for _, m := range f.indexes {
		if m.facets == nil {
			continue
		}
		order = byCount(m.ix)
		sum.Join(&m.counts, merge.Render{Max: m.ix.Settings.MaxValuesPerFacet(), ByCount: order, Candidates: m.total, Only: facetsShown(m.ix, m.facets)})
	}
	dst = sum.AppendDistribution(append(dst, `,"facetDistribution":`...), merge.Render{Max: most, ByCount: order, Candidates: total})
	return sum.AppendStats(append(dst, `,"facetStats":`...), nil)
}
