package search

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// inquiry asks for the facets of a part of what a search finds.
type inquiry struct {
	facets []string
	// only narrows the search by a filter.
	only json.RawMessage
	// all asks for all documents of the index instead, also of those that the key
	// may not see: of what they hold, nothing is shown.
	all bool
}

// told is what a node answers to one search of several.
type told struct {
	FacetDistribution, FacetStats json.RawMessage
	EstimatedTotalHits            int
}

// inquire asks the nodes several searches that want no hits, all in one request
// to each. It gives what they told by inquiry and by node.
func (r *Reader) inquire(ctx context.Context, call Call, p *prepared, list []inquiry) ([][]told, *meili.Error) {
	g, err := r.gather(ctx, call, p.several(func(leg plan.Leg) []request.Search {
		searches := make([]request.Search, len(list))
		for i, in := range list {
			q := p.bare()
			client, tenant := p.client.Filter, p.tenant
			if in.all {
				q = request.Search{AttributesToRetrieve: []string{}}
				defaults(&q)
				client, tenant = nil, nil
			}
			q.Limit, q.Facets = 0, in.facets
			q.Filter = joinFilters(client, tenant, shardFilter(leg, p.ix.Shards), in.only)
			searches[i] = q
		}
		return searches
	}))
	if err != nil {
		return nil, err
	}
	defer g.release()
	out := make([][]told, len(list))
	for _, part := range g.parts {
		var answer struct{ Results []told }
		if err := json.Unmarshal(part.resp.Body, &answer); err != nil || len(answer.Results) != len(list) {
			return nil, meili.NewError("internal", "counting what a search finds: node %s gave %d of %d answers", part.leg.Node, len(answer.Results), len(list))
		}
		for i, t := range answer.Results {
			out[i] = append(out[i], t)
		}
	}
	return out, nil
}

// bare is the search as nodes are asked it, without all that only says what is
// shown of its hits.
func (p *prepared) bare() request.Search {
	m := &p.merge
	q := request.Search{Q: m.Q, Vector: m.Vector, Media: m.Media, Hybrid: m.Hybrid, AttributesToSearchOn: m.AttributesToSearchOn,
		Locales: m.Locales, AttributesToRetrieve: []string{}}
	defaults(&q)
	q.MatchingStrategy = m.MatchingStrategy
	return q
}

// several is a question that asks each node several searches of the index.
func (p *prepared) several(searches func(plan.Leg) []request.Search) *question {
	return &question{
		ix: p.ix, method: http.MethodPost, path: "/multi-search",
		body: func(leg plan.Leg, _ bool) []byte {
			dst := append(make([]byte, 0, 1024), `{"queries":[`...)
			for i, q := range searches(leg) {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = meili.AppendString(append(dst, `{"indexUid":`...), p.ix.Physical)
				dst = append(append(dst, ','), q.AppendJSON(nil)[1:]...)
			}
			return append(dst, "]}"...)
		},
		read: func(body []byte, _ bool) (*hit.Answer, error) {
			if !json.Valid(body) {
				return nil, hit.ErrMalformed
			}
			return nil, nil
		},
	}
}
