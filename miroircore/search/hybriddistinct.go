package search

import (
	"context"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// settleHybrid gives a hybrid search with distinct values the total and the
// facets of one server: what either of its two searches leaves, without what the
// hits up to the end of the page exclude, and with these hits again.
func (r *Reader) settleHybrid(ctx context.Context, call Call, o *result, words, meaning *prepared, chosen []merge.Chosen) *meili.Error {
	p := o.p
	if p.client.RankingScoreThreshold != nil || p.to == 0 {
		return nil
	}
	left := &survivors{gone: []*hit.Hit{}}
	merged := walk{taken: make(map[string]struct{}), kept: make(map[string]struct{})}
	page := make(map[string]struct{}, len(chosen))
	for _, c := range chosen {
		merged.take(c.Hit)
		page[string(c.Hit.Version())] = struct{}{}
	}
	counted := make(map[string]struct{})
	var all []*hit.Hit
	for _, half := range []*prepared{words, meaning} {
		c, err := r.census(ctx, call, half)
		if err != nil || c == nil {
			return err
		}
		defer c.release()
		alone := *half
		alone.from, alone.to = 0, p.to
		for _, h := range c.survivors(&alone).hits {
			counted[string(h.Version())] = struct{}{}
		}
		all = c.hits // of the search by meaning, which finds everything
	}
	for _, h := range all {
		_, stays := counted[string(h.Version())]
		_, shown := page[string(h.Version())]
		if shown || stays && merged.free(h) {
			left.hits = append(left.hits, h)
		} else {
			left.gone = append(left.gone, h)
		}
	}
	left.total = len(left.hits)
	return r.countSurvivors(ctx, call, o, left)
}
