package search

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// kindsFor is how long it is believed that a field holds numbers alone.
const kindsFor = time.Second

// mostKinds bounds how many fields are remembered.
const mostKinds = 10_000

// kinds remembers which fields of an index hold texts beside numbers. An answer
// shows it where a text is spelled like no number, and else hides it.
type kinds struct {
	mu     sync.Mutex
	fields map[field]kind
}

type field struct{ index, name string }

type kind struct {
	mixed bool
	asked time.Time
}

// known tells whether a field is mixed, if that is known.
func (k *kinds) known(f field, now time.Time) (mixed, known bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	x, ok := k.fields[f]
	return x.mixed, ok && (x.mixed || now.Sub(x.asked) < kindsFor)
}

func (k *kinds) learn(f field, x kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fields == nil || len(k.fields) >= mostKinds {
		k.fields = make(map[field]kind)
	}
	k.fields[f] = x
}

// mixed are the facets of a search that hold numbers and texts, in the documents
// found or in others: the nodes are asked where it is not known.
func (r *Reader) mixed(ctx context.Context, call Call, o *result) ([]string, *meili.Error) {
	now := r.o.Now()
	only := o.render().Only
	if o.p.client.RankingScoreThreshold != nil {
		return nil, nil // what it leaves out no filter does
	}
	list := slices.DeleteFunc(o.facets.Mixed(only), func(name string) bool { return !o.p.splits(name) })
	var ask []string
	for _, name := range o.facets.Numeric(only) {
		if slices.Contains(list, name) || !o.p.splits(name) {
			continue
		}
		switch mixed, known := r.kinds.known(field{o.p.ix.Physical, name}, now); {
		case mixed:
			list = append(list, name)
		case !known:
			ask = append(ask, name)
		}
	}
	if len(ask) == 0 {
		return list, nil
	}
	texts, err := r.texts(ctx, call, o.p, ask, inquiry{all: true})
	if err != nil {
		return nil, err
	}
	for i, name := range ask {
		mixed := len(texts[i]) > 0
		r.kinds.learn(field{o.p.ix.Physical, name}, kind{mixed, now})
		if mixed {
			list = append(list, name)
		}
	}
	return list, nil
}

// texts gives the texts of fields among what a search finds, or an inquiry of it.
// A facet search tells them apart from numbers; where a field allows none, the
// documents in which it is no number have them.
func (r *Reader) texts(ctx context.Context, call Call, p *prepared, names []string, in inquiry) ([][]merge.Text, *meili.Error) {
	out := make([][]merge.Text, len(names))
	errs := make([]*meili.Error, len(names))
	r.each(ctx, len(names), func(ctx context.Context, i int) bool {
		out[i], errs[i] = r.textsOf(ctx, call, p, names[i], in)
		return errs[i] == nil
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Reader) textsOf(ctx context.Context, call Call, p *prepared, name string, in inquiry) ([]merge.Text, *meili.Error) {
	if !facetSearchable(p.ix, name) {
		in.facets, in.only = []string{name}, joinFilters(in.only, numbersOf(name, false))
		answers, err := r.inquire(ctx, call, p, []inquiry{in})
		if err != nil {
			return nil, err
		}
		sum, err := sumOf(answers[0])
		if err != nil {
			return nil, err
		}
		return sum.Texts(name), nil
	}
	m := p.bare()
	q := request.FacetSearch{FacetName: name}
	client, tenant := json.RawMessage(nil), json.RawMessage(nil)
	if !in.all {
		client, tenant = p.client.Filter, p.tenant
		q.Q, q.Vector, q.Media, q.Hybrid, q.MatchingStrategy = m.Q, m.Vector, m.Media, m.Hybrid, m.MatchingStrategy
		q.AttributesToSearchOn, q.Locales = m.AttributesToSearchOn, m.Locales
	}
	g, err := r.gather(ctx, call, p.facetQuestion(&q, joinFilters(client, tenant, in.only)))
	if err != nil {
		return nil, err
	}
	defer g.release()
	hits, err := joinFacetHits(g)
	if err != nil {
		return nil, err
	}
	list := make([]merge.Text, len(hits))
	for i, h := range hits {
		list[i] = merge.Text{Text: h.Value, Norm: h.norm, Count: h.Count}
	}
	return list, nil
}

// facetQuestion asks the nodes for the values of a facet.
func (p *prepared) facetQuestion(q *request.FacetSearch, filter json.RawMessage) *question {
	return &question{
		ix: p.ix, method: http.MethodPost, path: "/indexes/" + p.ix.Physical + "/facet-search",
		body: func(leg plan.Leg, _ bool) []byte {
			return facetSearchBody(q, joinFilters(filter, shardFilter(leg, p.ix.Shards)))
		},
		read: func(body []byte, _ bool) (*hit.Answer, error) { return hit.Scan(body, &hit.Want{}) },
	}
}

// facetSearchable reports whether the values of a field can be searched.
func facetSearchable(ix *index.Index, name string) bool {
	rule, _ := settings.MatchFilterable(ix.Settings.Filterable(), name)
	return ix.Settings.FacetSearch() && rule != nil && rule.FacetSearch
}

// splits reports whether numbers and texts of a field can be asked for apart.
func (p *prepared) splits(name string) bool {
	return ranges(p.ix, name) && !strings.HasPrefix(name, "_geo") && !strings.HasPrefix(name, "_vectors")
}

// numberIs is a filter for the documents in which a field is that number, made as
// numbersOf is.
func numberIs(name, number string) []byte {
	from, to := number, "+"+number
	if rest, negative := strings.CutPrefix(number, "-"); negative {
		to = "-0" + rest
	}
	if from < to {
		from, to = to, from
	}
	return filterText(quoted(name) + " '" + from + "' TO '" + to + "'")
}

// numbersOf is a filter for the documents in which a field is a number, or is not.
// It is a range from a lower to a higher number of which the texts are the other
// way round, so that no text is in it.
func numbersOf(name string, are bool) []byte {
	text := quoted(name) + " '-9e307' TO '+9e307'"
	if !are {
		text = "NOT " + text
	}
	return filterText(text)
}

// ranges reports whether a field can be filtered by more than equality.
func ranges(ix *index.Index, attribute string) bool {
	rule, _ := settings.MatchFilterable(ix.Settings.Filterable(), attribute)
	return rule != nil && rule.Comparison
}
