package search

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

// settled corrects what no node can know of a search by itself. On an error it
// releases the result.
func (r *Reader) settled(ctx context.Context, call Call, out *result) (*result, *meili.Error) {
	err := r.settleDistinct(ctx, call, out)
	if err == nil {
		err = r.settleFacets(ctx, call, out)
	}
	if err != nil && err.Status < http.StatusInternalServerError {
		// The search itself was not refused, so it is not for what is asked besides.
		r.o.Logger.LogAttrs(ctx, slog.LevelDebug, "a search's totals and facets stay estimates", slog.String("index", out.p.ix.UID), slog.Any("error", err))
		err = nil
	}
	if err != nil {
		out.release()
		return nil, err
	}
	return out, nil
}

// recount corrects totals and facets of a search with a score threshold. A
// server stops once its page is full, and then has not met the hits below the
// threshold that it would take off the count; each shard, of which the page
// holds but a part, has met its own.
func (r *Reader) recount(ctx context.Context, call Call, out *result) *meili.Error {
	p := out.p
	if p.client.RankingScoreThreshold == nil || p.paged || p.to == 0 || p.distinct != "" || len(out.hits) < p.to-p.from {
		return nil
	}
	all := *p
	all.merge.RankingScoreThreshold, all.merge.Limit = nil, 0
	g, err := r.gather(ctx, call, all.mergeQuestion())
	if err != nil {
		return err
	}
	defer g.release()
	out.total = 0
	for _, a := range g.answers() {
		out.total += max(a.Total, 0)
	}
	return out.addFacets(g.answers())
}

// distinctTotal counts a value that several nodes have once. Each node has told
// how many hits it has, each of another value, and which values those are.
func (o *result) distinctTotal(answers []*hit.Answer) {
	each := 0
	for _, a := range answers {
		var f merge.Facets
		if f.Add(a.Bytes(a.FacetDistribution), nil) == nil {
			each += f.Values(o.p.distinct)
		}
	}
	o.total -= each - o.facets.Values(o.p.distinct)
}
