package search

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// settleDistinct gives a search with distinct values the total and the facets of
// one server. Which documents a server leaves out follows from the order in
// which it meets all of them: bucket by bucket until the page is full, in a
// bucket one after the other, and, where pages are counted, the rest as they were
// added. A node that ranks by versions has finer buckets, and one that has a part
// of the documents meets a part of them.
//
// With a score threshold it is as with distinct values: what scores less is left
// out where the server meets it before the page is full, which hits that are
// sorted by a field do not all come after.
func (r *Reader) settleDistinct(ctx context.Context, call Call, o *result) *meili.Error {
	p := o.p
	if p.distinct == "" && !o.interrupted() || p.mergeWant.Values || p.semantic() && !p.onlySemantic() || p.to == 0 && !p.paged || p.order.merger != nil {
		return nil
	}
	var left *survivors
	switch {
	case o.exhausted() && o.whole != nil && (o.facets == nil || p.semantic()) && (p.client.Distinct != nil || !o.several()), p.paged && len(p.client.Facets) == 0 && !o.several() && !p.semantic():
		return nil
	case o.exhausted() && o.whole == nil && !o.several():
		all, _ := merge.Page(nil, o.g.answers(), merge.Window{To: maxInt, Distinct: p.distinct != ""})
		if len(all) < p.to { // else the server stops at the end of the page
			left = &survivors{hits: all, total: len(all)}
		}
	}
	if left == nil {
		c, err := r.census(ctx, call, p)
		if err != nil || c == nil {
			return err
		}
		defer c.release()
		left = c.survivors(p)
		if err := r.replace(ctx, call, o, left); err != nil {
			return err
		}
	}
	return r.countSurvivors(ctx, call, o, left)
}

// countSurvivors takes the total, and counts the facets of what is left.
func (r *Reader) countSurvivors(ctx context.Context, call Call, o *result, left *survivors) *meili.Error {
	p := o.p
	o.total = left.total
	if len(p.client.Facets) == 0 {
		return nil
	}
	o.narrow = left.filter()
	answers, err := r.inquire(ctx, call, p, []inquiry{{facets: p.merge.Facets, only: o.narrow}})
	if err != nil {
		return err
	}
	o.facets, err = sumOf(answers[0])
	return err
}

// interrupted reports whether hits that score too little stand between others on
// a page that is full.
func (o *result) interrupted() bool {
	p := o.p
	return p.client.RankingScoreThreshold != nil && o.whole == nil && !p.paged && len(o.hits) > 0 && len(o.hits) == p.to-p.from && p.sorted()
}

// sorted reports whether something else than relevancy plays a part in the order.
func (p *prepared) sorted() bool {
	return len(p.client.Sort) > 0 || slices.ContainsFunc(p.ix.Settings.RankingRules(), func(rule string) bool { return strings.Contains(rule, ":") })
}

// exhausted reports whether the nodes gave all hits they have.
func (o *result) exhausted() bool {
	if o.whole != nil {
		return len(o.hits) < o.p.to-o.p.from && (len(o.hits) > 0 || o.p.from == 0)
	}
	for _, a := range o.g.answers() {
		if len(a.Hits) >= o.p.to {
			return false
		}
	}
	return true
}

// several reports whether a document may have more than one distinct value.
func (o *result) several() bool {
	if o.whole != nil {
		if asked := o.p.pass.AttributesToRetrieve; asked != nil && !covered(asked, o.p.distinct) {
			return true
		}
	}
	for _, a := range o.g.answers() {
		for i := range a.Hits {
			if len(a.Hits[i].Distinct()) > 1 || a.Hits[i].Blank() {
				return true
			}
		}
	}
	return false
}

// replace puts the hits in place that are in the window, where the nodes left
// out others.
func (r *Reader) replace(ctx context.Context, call Call, o *result, left *survivors) *meili.Error {
	p := *o.p
	if o.whole != nil && (p.client.Distinct != nil || !o.several()) || slices.EqualFunc(o.hits, left.window, func(a, b *hit.Hit) bool { return string(a.Version()) == string(b.Version()) }) {
		return nil
	}
	p.merge.Distinct, p.merge.Facets, p.merge.Page, p.merge.HitsPerPage = nil, nil, nil, nil
	p.merge.Offset, p.merge.Limit = 0, len(left.window)
	p.only = versions(left.window, "IN")
	g, err := r.gather(ctx, call, p.mergeQuestion())
	if err != nil {
		return err
	}
	o.also, o.documents = &result{g: g, also: o.also}, nil
	o.hits = merge.Hits(nil, g.answers(), merge.Window{To: len(left.window)})
	return nil
}

// census is all that a search finds, without regard to distinct values, in
// order.
type census struct {
	answers []*hit.Answer
	hits    []*hit.Hit
}

func (c *census) release() {
	for _, a := range c.answers {
		a.Release()
	}
}

// census asks the nodes for all that the search finds: for the hits that one
// search may give, and where there are more for those of a few shards at a time.
// It gives nil where there are too many.
func (r *Reader) census(ctx context.Context, call Call, p *prepared) (*census, *meili.Error) {
	most := p.ix.Settings.MaxTotalHits()
	for pieces := 1; pieces <= p.ix.Shards; {
		c, fullest, total, err := r.pieces(ctx, call, p, pieces)
		if err != nil {
			return nil, err
		}
		if fullest <= most {
			c.hits = merge.Hits(nil, c.answers, merge.Window{To: maxInt})
			return c, nil
		}
		c.release()
		if total > r.tuning.Load().ExactDistinct || pieces == p.ix.Shards {
			return nil, nil
		}
		// Shards are not equally full.
		pieces = min(max(pieces+1, (pieces*fullest*3/2+most-1)/most), p.ix.Shards)
	}
	return nil, nil
}

// pieces asks for the hits in so many pieces of each node's shards, and tells how
// many the fullest has and how many there are.
func (r *Reader) pieces(ctx context.Context, call Call, p *prepared, pieces int) (c *census, fullest, total int, err *meili.Error) {
	q := p.bare()
	q.Sort, q.ShowRankingScoreDetails, q.Limit = p.merge.Sort, true, p.ix.Settings.MaxTotalHits()
	q.ShowRankingScore = p.client.RankingScoreThreshold != nil
	if p.distinct != "" {
		q.AttributesToRetrieve = []string{p.distinct}
	}
	want := hit.Want{Keep: []string{}, Distinct: p.distinct, Geo: p.geo}
	if p.geo {
		q.AttributesToRetrieve = append(q.AttributesToRetrieve, "_geo")
	}
	g, err := r.gather(ctx, call, p.several(func(leg plan.Leg) []request.Search {
		var searches []request.Search
		for piece := range pieces {
			part := plan.Leg{Node: leg.Node, Shards: leg.Shards, Filter: leg.Filter}
			if pieces > 1 {
				part.Filter, part.Shards = true, r.layout(p.ix).None()
				for i, shard := range leg.Shards.Shards() {
					if i%pieces == piece {
						part.Shards.Add(shard)
					}
				}
			}
			one := q
			one.Filter = joinFilters(p.client.Filter, p.tenant, shardFilter(part, p.ix.Shards))
			searches = append(searches, one)
		}
		return searches
	}))
	if err != nil {
		return nil, 0, 0, err
	}
	defer g.release()
	c = &census{}
	for _, part := range g.parts {
		var answer struct{ Results []json.RawMessage }
		if e := json.Unmarshal(part.resp.Body, &answer); e != nil {
			return nil, 0, 0, meili.NewError("internal", "reading what a search finds: %v", e)
		}
		for _, body := range answer.Results {
			a, e := hit.Scan(body, &want)
			if e != nil {
				c.release()
				return nil, 0, 0, meili.NewError("internal", "reading what a search finds: %v", e)
			}
			c.answers = append(c.answers, a)
			fullest, total = max(fullest, a.Total), total+a.Total
		}
	}
	return c, fullest, total, nil
}

// survivors are the documents that a search with distinct values leaves.
type survivors struct {
	hits   []*hit.Hit // all of them, counted in total
	gone   []*hit.Hit // the others, nil where they are not known
	window []*hit.Hit // those of the page
	total  int
}

// survivors goes through the documents as a server does.
func (c *census) survivors(p *prepared) *survivors {
	low, most := 0.0, p.to
	if t := p.client.RankingScoreThreshold; t != nil {
		low = *t
		if p.paged {
			most = maxInt
		}
	}
	w := walk{taken: make(map[string]struct{}), kept: make(map[string]struct{}), below: make(map[string]struct{})}
	out := &survivors{gone: []*hit.Hit{}}
	for i, h := range c.hits {
		switch {
		case len(w.kept) >= most && (i == 0 || !h.SameBucket(c.hits[i-1])):
			most = -1
		case h.Score >= 0 && h.Score < low:
			w.below[string(h.Version())] = struct{}{}
		case w.free(h):
			if len(w.kept) < p.to {
				out.window = append(out.window, h)
			}
			w.take(h)
		}
		if most < 0 {
			break
		}
	}
	if p.client.Distinct != nil {
		out.window = w.oneBlank(out.window)
	}
	out.window = out.window[min(p.from, len(out.window)):]
	for _, h := range c.hits {
		if w.stays(h) {
			out.hits = append(out.hits, h)
		} else {
			out.gone = append(out.gone, h)
		}
	}
	if p.paged && p.distinct != "" && !p.semantic() {
		out.oneOfEach()
	}
	out.total = len(out.hits)
	return out
}

// oneOfEach leaves one document of each distinct value, the one that was added
// first.
func (s *survivors) oneOfEach() {
	rest := s.hits
	slices.SortStableFunc(rest, func(a, b *hit.Hit) int { return slices.Compare(a.Version(), b.Version()) })
	w := walk{taken: make(map[string]struct{}), kept: make(map[string]struct{})}
	s.hits = nil
	for _, h := range rest {
		if !w.free(h) {
			s.gone = append(s.gone, h)
			continue
		}
		s.hits = append(s.hits, h)
		w.take(h)
	}
}

// walk is what was met on the way through documents: their distinct values, and
// by their versions which of them were kept and which score too little.
type walk struct {
	taken, kept, below map[string]struct{}
}

func (w *walk) free(h *hit.Hit) bool {
	return !slices.ContainsFunc(h.Distinct(), func(v string) bool { _, ok := w.taken[v]; return ok })
}

func (w *walk) take(h *hit.Hit) {
	w.kept[string(h.Version())] = struct{}{}
	for _, v := range h.Distinct() {
		w.taken[v] = struct{}{}
	}
}

// oneBlank leaves out of a page's hits those that are blank as a hit before is.
// The index does not take these for alike, but what compares hits does where the
// query names the attribute.
func (w *walk) oneBlank(page []*hit.Hit) []*hit.Hit {
	kept, seen := page[:0:0], false
	for _, h := range page {
		if h.Blank() && seen {
			delete(w.kept, string(h.Version()))
			w.below[string(h.Version())] = struct{}{}
			continue
		}
		seen = seen || h.Blank()
		kept = append(kept, h)
	}
	return kept
}

// stays reports whether a document is still counted.
func (w *walk) stays(h *hit.Hit) bool {
	if _, ok := w.kept[string(h.Version())]; ok {
		return true
	}
	_, below := w.below[string(h.Version())]
	return !below && w.free(h)
}

// filter is a filter that holds for the survivors alone, of all that is found.
func (s *survivors) filter() json.RawMessage {
	switch {
	case s.gone == nil || len(s.gone) > len(s.hits):
		return versions(s.hits, "IN")
	case len(s.gone) == 0:
		return nil
	}
	return versions(s.gone, "NOT IN")
}

// versions is a filter by the hidden versions of documents.
func versions(hits []*hit.Hit, operator string) json.RawMessage {
	out := append(make([]byte, 0, 32+44*len(hits)), '"')
	out = append(append(append(out, hidden.VersionField+" "...), operator...), " ["...)
	for i, h := range hits {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '\''), h.Version()...), '\'')
	}
	return append(out, `]"`...)
}
