package engine

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// federatedHit is a hit of one of the queries, on its way to the merged list.
type federatedHit struct {
	ix      *Index
	docid   uint32
	details []scoreDetail
	weight  float64
	query   int
	maker   *hitMaker
}

// federatedIndex is what the queries on one index found together.
type federatedIndex struct {
	ix         *Index
	hits       []federatedHit
	candidates docSet
	facets     *computedFacets
}

// federator runs the queries of a federated search.
type federator struct {
	m        *request.MultiSearch
	required int
	paged    bool

	filters  []*filter.Expr
	previous *ruleShape
	facets   map[string][]string // asked, by index; taken out as they are computed
	orders   map[string][2]string
	vectors  *object
	semantic bool
}

// Federate answers a federated multi-search; index gives the index of a uid, or nil.
func Federate(m *request.MultiSearch, index func(uid string) *Index) (*FederatedResult, *meili.Error) {
	fed := m.Federation
	p := pageOf(fed.Page, fed.HitsPerPage, fed.Offset, fed.Limit)
	f := &federator{m: m, required: p.required(), paged: p.paged, facets: map[string][]string{}, orders: map[string][2]string{}, vectors: &object{}}
	for i := range m.Queries {
		expr, err := filter.Parse(m.Queries[i].Filter)
		if err != nil {
			return nil, insideQuery(err, i)
		}
		f.filters = append(f.filters, expr)
	}
	asked := []string{}
	for _, a := range fed.FacetsByIndex {
		f.facets[a.Index] = a.Facets
		asked = append(asked, a.Index)
	}
	byIndex := map[string][]int{}
	for i := range m.Queries {
		uid := m.Queries[i].IndexUID
		byIndex[uid] = append(byIndex[uid], i)
	}
	var found []*federatedIndex
	for _, uid := range sortedKeys(byIndex) {
		ix := index(uid)
		if ix == nil {
			return nil, insideQuery(missingIndex(uid), byIndex[uid][0])
		}
		ix.mu.RLock()
		defer ix.mu.RUnlock()
		fi, err := f.run(ix, byIndex[uid])
		if err != nil {
			return nil, err
		}
		found = append(found, fi)
	}
	for _, uid := range asked {
		if _, unused := f.facets[uid]; unused && byIndex[uid] == nil {
			if err := f.checkUnused(uid, index(uid)); err != nil {
				return nil, err
			}
		}
	}
	return f.answer(found, p), nil
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// missingIndex is the error about an index that is not part of the path.
func missingIndex(uid string) *meili.Error {
	err := meili.IndexNotFound(uid)
	err.Status = http.StatusBadRequest
	return err
}

func insideQuery(err *meili.Error, query int) *meili.Error {
	e := *err
	e.Message = fmt.Sprintf("Inside `.queries[%d]`: %s", query, err.Message)
	return &e
}

// run executes the queries on one index and merges what they found.
func (f *federator) run(ix *Index, queries []int) (*federatedIndex, *meili.Error) {
	fi := &federatedIndex{ix: ix}
	required := min(f.required, ix.cfg.maxTotalHits)
	patterns := f.facets[ix.uid]
	if err := f.checkOrder(ix, patterns); err != nil {
		return nil, insideFacets(err, ix.uid, "")
	}
	lists := make([][]federatedHit, len(queries))
	for i, n := range queries {
		hits, candidates, err := f.query(ix, n, required)
		if err != nil {
			return nil, insideQuery(err, n)
		}
		lists[i] = hits
		fi.candidates.or(candidates)
	}
	var seen docSet
	values := map[any]bool{}
	merge(lists, func(h federatedHit) bool {
		if len(fi.hits) >= required {
			return false
		}
		if seen.has(h.docid) {
			return true
		}
		seen.add(h.docid)
		if !f.distinct(h, values) {
			fi.candidates.remove(h.docid)
			return true
		}
		fi.hits = append(fi.hits, h)
		return true
	})
	if _, ok := f.facets[ix.uid]; ok {
		delete(f.facets, ix.uid)
		if patterns != nil {
			facets, err := ix.facets(patterns, fi.candidates)
			if err != nil {
				return nil, insideFacets(err, ix.uid, "")
			}
			fi.facets = facets
		}
	}
	return fi, nil
}

func insideFacets(err *meili.Error, uid, note string) *meili.Error {
	e := *err
	e.Message = fmt.Sprintf("Inside `.federation.facetsByIndex.%s`: %s%s", uid, err.Message, note)
	return &e
}

// query executes one query from its first hit on.
func (f *federator) query(ix *Index, n, required int) ([]federatedHit, docSet, *meili.Error) {
	q := &f.m.Queries[n]
	x, err := ix.prepare(q, f.filters[n])
	if err != nil {
		return nil, docSet{}, err
	}
	shape := shapeOf(x, n)
	if f.previous != nil {
		if err := shape.compatible(f.previous); err != nil {
			return nil, docSet{}, err
		}
	}
	if f.previous == nil || len(f.previous.groups) <= len(shape.groups) {
		f.previous = shape
	}
	if d := f.m.Federation.Distinct; d != nil {
		x.distinct = d
	}
	x.length, x.exhaustive = required, f.paged
	f.semantic = f.semantic || x.kind.semantic || x.kind.hybrid
	out, err := x.run()
	if err != nil {
		return nil, docSet{}, err
	}
	if out.queryVector != nil {
		f.vectors.set(strconv.Itoa(n), vectorF32(out.queryVector))
	}
	weight := 1.0
	if q.FederationOptions != nil {
		weight = q.FederationOptions.Weight
	}
	maker := ix.newHitMaker(q, out.words)
	hits := make([]federatedHit, len(out.docs))
	for i, docid := range out.docs {
		hits[i] = federatedHit{ix, docid, out.scores[i], weight, n, maker}
	}
	return hits, out.candidates, nil
}

// distinct tells whether a hit shares no value of the distinct attribute with
// the hits before it.
func (f *federator) distinct(h federatedHit, seen map[any]bool) bool {
	if f.m.Federation.Distinct == nil {
		return true
	}
	var values []any
	if facets := h.ix.docs[h.docid].facets[h.ix.fieldIDs[*f.m.Federation.Distinct]]; facets != nil {
		for s := range facets.strings {
			values = append(values, s)
		}
		for _, n := range facets.numbers {
			values = append(values, n)
		}
	}
	for _, v := range values {
		if seen[v] {
			return false
		}
	}
	for _, v := range values {
		seen[v] = true
	}
	return true
}

// merge visits the hits of sorted lists in the order of all of them.
func merge(lists [][]federatedHit, visit func(federatedHit) bool) {
	for {
		best := -1
		for i, l := range lists {
			if len(l) > 0 && (best < 0 || l[0].before(lists[best][0])) {
				best = i
			}
		}
		if best < 0 {
			return
		}
		h := lists[best][0]
		lists[best] = lists[best][1:]
		if !visit(h) {
			return
		}
	}
}

// before compares hits of different queries; equal hits come in the order of
// their queries.
func (h federatedHit) before(o federatedHit) bool {
	c, ok := compareFederated(h, o)
	if !ok {
		c = cmp.Compare(globalScore(h.details)*h.weight, globalScore(o.details)*o.weight)
	}
	return c > 0 || c == 0 && h.query < o.query
}

func compareFederated(a, b federatedHit) (int, bool) {
	left, right := scoreValues(a.details), scoreValues(b.details)
	for i := 0; ; i++ {
		switch {
		case i == len(left) && i == len(right):
			return 0, true
		case i == len(left):
			return -1, true
		case i == len(right):
			return 1, true
		}
		c, ok := compareValues(left[i], a.weight, right[i], b.weight)
		if !ok {
			c = cmp.Compare(len(left), len(right))
			return c, c != 0
		}
		if c != 0 {
			return c, true
		}
	}
}

func compareValues(l scoreValue, weightL float64, r scoreValue, weightR float64) (int, bool) {
	if l.detail == nil && r.detail == nil {
		d := l.score*weightL - r.score*weightR
		switch {
		case d > epsilon:
			return 1, true
		case d < -epsilon:
			return -1, true
		}
		return 0, true
	}
	if l.detail == nil || r.detail == nil {
		return 0, false
	}
	return compareSorts(l.detail, r.detail, false)
}

// checkOrder refuses facets that two indexes sort differently, when they are merged.
func (f *federator) checkOrder(ix *Index, patterns []string) *meili.Error {
	if f.m.Federation.MergeFacets == nil {
		return nil
	}
	words := map[string]string{"alpha": "alphabetically", "count": "by count"}
	for _, name := range ix.fields {
		if !matchesAny(patterns, name) || !ix.cfg.isFilterable(name) {
			continue
		}
		order := ix.cfg.facetOrder(name)
		previous, ok := f.orders[name]
		if !ok {
			f.orders[name] = [2]string{ix.uid, order}
		} else if previous[1] != order {
			return meili.NewError("invalid_multi_search_facet_order", "Inconsistent order for values in facet `%s`: index `%s` orders %s, but index `%s` orders %s.\n - Hint: Remove `federation.mergeFacets` or change `faceting.sortFacetValuesBy` to be consistent in settings.", name, previous[0], words[previous[1]], ix.uid, words[order])
		}
	}
	return nil
}

// checkUnused checks the facets asked of an index that no query is about.
func (f *federator) checkUnused(uid string, ix *Index) *meili.Error {
	note := fmt.Sprintf("\n - Note: index `%s` is not used in queries", uid)
	if ix == nil {
		return insideFacets(missingIndex(uid), uid, note)
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	err := f.checkOrder(ix, f.facets[uid])
	if err == nil {
		_, err = ix.facets(f.facets[uid], docSet{})
	}
	if err != nil {
		return insideFacets(err, uid, note)
	}
	return nil
}
