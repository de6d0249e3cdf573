package search

import (
	"context"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// settleDistinct gives the member the total and the facets of one server where
// its queries show distinct values: what any of its queries leaves, without what
// the queries' common list leaves out. It reports false where too much is found
// to go through.
func (f *federation) settleDistinct(ctx context.Context, m *member, results []*result) (bool, *meili.Error) {
	left := make(map[string]*hit.Hit)
	for _, i := range m.queries {
		p := f.queries[i]
		if p.distinct == "" || p.client.RankingScoreThreshold != nil || p.semantic() && !p.onlySemantic() || p.to == 0 && !p.paged {
			return false, nil
		}
		c, err := f.r.census(ctx, f.call, p)
		if err != nil || c == nil {
			return false, err
		}
		defer c.release()
		alone := *p
		query := *p.client // of which the list leaves out what is blank, not the query
		query.Distinct = nil
		alone.client = &query
		s := c.survivors(&alone)
		if err := f.r.replace(ctx, f.call, results[i], s); err != nil {
			return false, err
		}
		for _, h := range s.hits {
			left[string(h.Version())] = h
		}
	}
	rejected := f.rejected(m, results)
	for _, h := range rejected {
		delete(left, string(h.Version()))
	}
	m.rejected = len(rejected)
	m.total, m.settled = len(left), true
	if m.facets == nil {
		return true, nil
	}
	all := &survivors{}
	for _, h := range left {
		all.hits = append(all.hits, h)
	}
	// Documents that are known by their versions are found without the queries.
	o := &result{p: m.everything(), narrow: all.filter(), total: m.total}
	answers, err := f.r.inquire(ctx, f.call, o.p, []inquiry{{facets: m.facets, only: o.narrow}})
	if err != nil {
		return false, err
	}
	if o.facets, err = sumOf(answers[0]); err != nil {
		return false, err
	}
	if err := f.r.settleFacets(ctx, f.call, o); err != nil {
		return false, err
	}
	m.counts = *o.facets
	return true, nil
}

// everything is a search for all documents of the member's index.
func (m *member) everything() *prepared {
	p := &prepared{ix: m.ix, client: &request.Search{Facets: m.facets}}
	defaults(&p.merge)
	return p
}

// settleCut finds which of several equally frequent values the member's facets
// show, and how values are spelled: as the first document of the index does.
func (f *federation) settleCut(ctx context.Context, m *member) *meili.Error {
	if m.facets == nil {
		return nil
	}
	o := &result{p: m.everything(), total: m.total}
	o.facets = &m.counts
	d := o.doubts(nil, f.r.tuning.Load().ExactFacets)
	if d.none() {
		return nil
	}
	answers, err := f.r.inquire(ctx, f.call, o.p, o.inquiries(d))
	if err != nil {
		return err
	}
	return o.settle(d, answers, nil)
}

// rejected are the hits that the common list of a member's queries leaves out
// because of their distinct values.
func (f *federation) rejected(m *member, results []*result) []*hit.Hit {
	if f.f.Distinct == nil {
		return nil
	}
	var lists []merge.List
	for _, i := range m.queries {
		lists = append(lists, f.list(i, results[i]))
	}
	_, tally := merge.Federated(lists, merge.Window{To: f.to, Distinct: true})
	return tally.Rejected
}
