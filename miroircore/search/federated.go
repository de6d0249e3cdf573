package search

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// federation is a federated search under way.
type federation struct {
	r       *Reader
	call    Call
	q       *request.MultiSearch
	f       *request.Federation
	paged   bool
	from    int
	to      int
	queries []*prepared
	indexes []*member // in the order of their uids
}

// member is one index of a federated search.
type member struct {
	ix      *index.Index
	queries []int
	facets  []string
	total   int
	counts  merge.Facets
	// rejected is how many hits of the queries the member's list leaves out.
	rejected int
	settled  bool // the total and the facets are those of distinct values
}

// federated answers several searches whose hits make one list.
func (r *Reader) federated(ctx context.Context, call Call, resolve Resolve, q *request.MultiSearch) (*Answer, *meili.Error) {
	start := r.o.Now()
	f := &federation{r: r, call: call, q: q, f: q.Federation}
	f.window()
	if err := f.prepare(resolve); err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	refused := make(chan *meili.Error, 1)
	go func() {
		err := f.compatible(own)
		if err != nil {
			cancel()
		}
		refused <- err
	}()
	results := make([]*result, len(f.queries))
	errs := make([]*meili.Error, len(f.queries))
	r.each(own, len(f.queries), func(ctx context.Context, i int) bool {
		results[i], errs[i] = r.run(ctx, call, f.queries[i])
		return errs[i] == nil
	})
	defer releaseAll(results...)
	if err := <-refused; err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err != nil {
			return nil, inside(i, err)
		}
	}
	if err := f.count(own, results); err != nil {
		return nil, err
	}
	return f.finish(results, start), nil
}

func (f *federation) window() {
	fed := f.f
	f.paged = fed.Page != nil || fed.HitsPerPage != nil
	if !f.paged {
		f.from, f.to = fed.Offset, saturated(fed.Offset, fed.Limit)
		return
	}
	page, size := f.page()
	if page > 0 {
		f.to = saturatedTimes(page, size)
		f.from = f.to - min(size, f.to)
	}
}

func (f *federation) page() (page, size int) {
	page, size = 1, 20
	if f.f.Page != nil {
		page = *f.f.Page
	}
	if f.f.HitsPerPage != nil {
		size = *f.f.HitsPerPage
	}
	return page, size
}

// prepare checks the queries and rewrites each as if it stood alone.
func (f *federation) prepare(resolve Resolve) *meili.Error {
	for i := range f.q.Queries {
		if err := f.q.Check(i); err != nil {
			return err
		}
		ix, err := resolve(f.q.Queries[i].IndexUID)
		if err != nil {
			return inside(i, err)
		}
		p, err := f.query(i, ix)
		if err != nil {
			return inside(i, err)
		}
		f.queries = append(f.queries, p)
		f.join(i, ix)
	}
	return f.facets(resolve)
}

func (f *federation) query(i int, ix *index.Index) (*prepared, *meili.Error) {
	q := f.q.Queries[i]
	if f.paged {
		one, size := 1, f.to
		q.Page, q.HitsPerPage = &one, &size
	} else {
		q.Offset, q.Limit = 0, f.to
	}
	if f.f.Distinct != nil {
		q.Distinct = f.f.Distinct
	}
	tenant, err := f.call.tenant(ix.UID)
	if err != nil {
		return nil, err
	}
	p, err := f.r.prepare(ix, &q, tenant)
	if err != nil {
		return nil, err
	}
	p.federated = true
	p.merge.ShowRankingScore = true
	p.mergeWant.Values = true
	return p, nil
}

func (f *federation) join(i int, ix *index.Index) {
	at, ok := slices.BinarySearchFunc(f.indexes, ix.UID, func(m *member, uid string) int { return strings.Compare(m.ix.UID, uid) })
	if !ok {
		f.indexes = slices.Insert(f.indexes, at, &member{ix: ix})
	}
	f.indexes[at].queries = append(f.indexes[at].queries, i)
}

// facets takes the facets asked for of each index.
func (f *federation) facets(resolve Resolve) *meili.Error {
	for _, want := range f.f.FacetsByIndex {
		if want.Facets == nil {
			continue
		}
		at, ok := slices.BinarySearchFunc(f.indexes, want.Index, func(m *member, uid string) int { return strings.Compare(m.ix.UID, uid) })
		if !ok {
			if _, err := resolve(want.Index); err != nil {
				told := *err
				told.Message = "Inside `.federation.facetsByIndex." + want.Index + "`: " + err.Message + "\n - Note: index `" + want.Index + "` is not used in queries"
				told.Status = http.StatusBadRequest
				return &told
			}
			continue
		}
		m := f.indexes[at]
		if err := checkFacets(m.ix, want.Facets); err != nil {
			return inside(m.queries[0], meili.NewError(err.Code, "%s", "Inside `.federation.facetsByIndex."+want.Index+"`: "+err.Message))
		}
		m.facets = want.Facets
		if len(m.queries) == 1 {
			p := f.queries[m.queries[0]]
			client := *p.client
			client.Facets, p.merge.Facets = want.Facets, want.Facets
			p.client = &client
			p.countDistinctIf(f.paged)
		}
	}
	return nil
}

func (p *prepared) countDistinctIf(paged bool) {
	if paged {
		p.countDistinct(&p.merge)
	}
}

// compatible has a node say whether the hits of the queries can be compared:
// the rules by which that is told fill a page, and the server knows them.
func (f *federation) compatible(ctx context.Context) *meili.Error {
	if f.alike() {
		return nil
	}
	id, ok := f.witness()
	if !ok {
		return nil
	}
	client, ok := f.r.o.Client(id)
	if !ok {
		return nil
	}
	own, cancel := detached(ctx, f.call)
	defer cancel()
	body := f.request(f.everyQuery(), nil, func(*prepared) plan.Leg { return plan.Leg{Node: id} })
	resp, err := client.Call(own, http.MethodPost, "/multi-search", node.JSON(body), f.r.o.MaxAnswer)
	if err != nil || resp.Status != http.StatusBadRequest {
		return nil // the queries themselves will tell
	}
	var answer meili.Error
	if json.Unmarshal(resp.Body, &answer) != nil || answer.Code != "invalid_multi_search_query_ranking_rules" {
		return nil
	}
	answer.Status = resp.Status
	refusal := &answer
	for _, m := range f.indexes {
		refusal = index.Scrub(m.ix, refusal)
	}
	return refusal
}

// alike reports whether all queries rank by the same rules in the same way.
func (f *federation) alike() bool {
	for _, p := range f.queries[min(1, len(f.queries)):] {
		first := f.queries[0]
		if !slices.Equal(p.client.Sort, first.client.Sort) || blank(p.client) != blank(first.client) || p.semantic() != first.semantic() ||
			p.client.MatchingStrategy != first.client.MatchingStrategy ||
			!slices.Equal(p.ix.Settings.RankingRules(), first.ix.Settings.RankingRules()) {
			return false
		}
	}
	return true
}

// witness is a node that has all indexes of the search.
func (f *federation) witness() (string, bool) {
	for _, id := range f.r.layout(f.indexes[0].ix).Nodes() {
		all := true
		for _, m := range f.indexes {
			all = all && f.r.o.Readable(id, m.ix.Physical)
		}
		if all {
			return id, true
		}
	}
	return "", false
}

func (f *federation) everyQuery() []int {
	all := make([]int, len(f.queries))
	for i := range all {
		all[i] = i
	}
	return all
}

// request writes a federated search for a node that wants no hits.
func (f *federation) request(queries []int, facets []byte, leg func(*prepared) plan.Leg) []byte {
	dst := append(make([]byte, 0, 1024), `{"federation":{`...)
	if f.paged {
		dst = append(dst, `"hitsPerPage":0,"page":1`...)
	} else {
		dst = append(dst, `"limit":0`...)
	}
	if facets != nil {
		dst = append(append(dst, `,"facetsByIndex":`...), facets...)
	}
	dst = append(dst, `},"queries":[`...)
	for n, i := range queries {
		if n > 0 {
			dst = append(dst, ',')
		}
		p := f.queries[i]
		q := p.merge
		q.Page, q.HitsPerPage, q.Offset, q.Limit, q.Facets = nil, nil, 0, request.DefaultLimit, nil
		q.ShowPerformanceDetails = false
		body := p.body(&q, leg(p))
		dst = meili.AppendString(append(dst, `{"indexUid":`...), p.ix.Physical)
		if inner := body[1 : len(body)-1]; len(inner) > 0 {
			dst = append(append(dst, ','), inner...)
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// count adds up totals and facets. Documents that several queries of an index
// find count once, which only the nodes can tell.
func (f *federation) count(ctx context.Context, results []*result) *meili.Error {
	for _, m := range f.indexes {
		if f.distinct(m) {
			ok, err := f.settleDistinct(ctx, m, results)
			if err != nil {
				return err
			}
			if ok {
				continue
			}
		}
		if len(m.queries) == 1 {
			o := results[m.queries[0]]
			m.total = o.total
			if o.facets != nil {
				m.counts = *o.facets
			}
			continue
		}
		if err := f.countOnNodes(ctx, m); err != nil {
			return err
		}
		if err := f.settleCut(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// distinct reports whether a query of the member shows distinct values.
func (f *federation) distinct(m *member) bool {
	return slices.ContainsFunc(m.queries, func(i int) bool { return f.queries[i].distinct != "" })
}

func (f *federation) countOnNodes(ctx context.Context, m *member) *meili.Error {
	var facets []byte
	if m.facets != nil {
		list, err := json.Marshal(map[string][]string{m.ix.Physical: m.facets})
		if err != nil {
			return meili.NewError("internal", "writing facets: %v", err)
		}
		facets = list
	}
	g, err := f.r.gather(ctx, f.call, &question{
		ix: m.ix, method: http.MethodPost, path: "/multi-search",
		body: func(leg plan.Leg, _ bool) []byte {
			return f.request(m.queries, facets, func(*prepared) plan.Leg { return leg })
		},
		read: func(body []byte, _ bool) (*hit.Answer, error) { return hit.Scan(body, &hit.Want{}) },
	})
	if err != nil {
		return err
	}
	defer g.release()
	for _, part := range g.parts {
		a := part.answer
		m.total += max(a.Total, 0)
		if a.FacetsByIndex.Empty() {
			continue
		}
		var by map[string]struct{ Distribution, Stats json.RawMessage }
		if err := json.Unmarshal(a.Bytes(a.FacetsByIndex), &by); err != nil {
			return meili.NewError("internal", "reading facets: %v", err)
		}
		for _, facets := range by {
			if err := m.counts.Add(facets.Distribution, facets.Stats); err != nil {
				return meili.NewError("internal", "merging facets: %v", err)
			}
		}
	}
	return nil
}
