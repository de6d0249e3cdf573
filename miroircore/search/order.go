package search

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// ordering is how a search's hits are put in one order.
type ordering struct {
	merger merge.Merger // nil is merge.Details
	needs  merge.Needs
	terms  []merge.Term
	total  int // documents of the index, where terms were counted
}

// chooseOrder has a search that stands alone ordered by the merger of the
// configuration, and asks the nodes for what that has to know. Searches whose
// hits are compared with those of others are ordered by their details.
func (r *Reader) chooseOrder(ctx context.Context, call Call, p *prepared) {
	m := r.tuning.Load().Merger
	if _, plain := m.(merge.Details); plain || p.federated || p.client.Personalize != nil {
		return
	}
	if _, fuses := m.(merge.Fuser); p.semantic() && !fuses {
		return
	}
	needs := m.Needs()
	if needs.Frequencies {
		if p.order.terms, p.order.total = r.frequencies(ctx, call, p); len(p.order.terms) == 0 {
			return
		}
	}
	p.order.merger, p.order.needs = m, needs
	p.mergeWant.Rules = needs.Rules
	if p.from < p.to {
		depth := min(p.depth(), p.ix.Settings.MaxTotalHits())
		if p.paged {
			p.merge.HitsPerPage = &depth
		} else {
			p.merge.Limit = depth
		}
	}
}

// depth is how many hits each node is asked for.
func (p *prepared) depth() int { return max(p.to, p.order.needs.Depth) }

// page gives the hits of a window.
func (o *ordering) page(dst []*hit.Hit, answers []*hit.Answer, w merge.Window) ([]*hit.Hit, int) {
	if o.merger == nil {
		return merge.Page(dst, answers, w)
	}
	return o.merger.Merge(dst, merge.Lists{Answers: answers, Window: w, Terms: o.terms, Documents: o.total})
}

// fuse joins the lists of a hybrid search.
func (o *ordering) fuse(lists []merge.List, w merge.Window) []merge.Chosen {
	if f, ok := o.merger.(merge.Fuser); ok {
		return f.Fuse(lists, w)
	}
	chosen, _ := merge.Federated(lists, w)
	return chosen
}

// maxTerms is how many words of a query Meilisearch searches for.
const maxTerms = 10

// frequencies asks the nodes how many documents have each word of the query,
// and how many there are: searches for nothing but the word that want no hits,
// all in one request a node. The client's own filter plays no part, so that the
// order of two documents does not depend on it; what its key may not see does.
// It gives none where there is nothing to weigh or the nodes did not tell.
func (r *Reader) frequencies(ctx context.Context, call Call, p *prepared) ([]merge.Term, int) {
	if p.client.MatchingStrategy == "all" || len(p.client.Sort) > 0 || blank(p.client) {
		return nil, 0
	}
	terms := queryTerms(*p.client.Q, p.ix.Settings.StopWords())
	if len(terms) < 2 || len(terms) > maxTerms { // one word weighs what it weighs
		return nil, 0
	}
	totals := func(body []byte) ([]int, bool) {
		var answer struct {
			Results []struct{ EstimatedTotalHits int }
		}
		if json.Unmarshal(body, &answer) != nil || len(answer.Results) != len(terms)+1 {
			return nil, false
		}
		out := make([]int, len(answer.Results))
		for i, result := range answer.Results {
			out[i] = result.EstimatedTotalHits
		}
		return out, true
	}
	g, err := r.gather(ctx, call, &question{
		ix: p.ix, method: http.MethodPost, path: "/multi-search",
		body: func(leg plan.Leg, _ bool) []byte { return p.countingBody(terms, leg) },
		read: func(body []byte, _ bool) (*hit.Answer, error) {
			if _, ok := totals(body); !ok {
				return nil, hit.ErrMalformed
			}
			return nil, nil
		},
	})
	if err != nil {
		return nil, 0 // the search itself will tell
	}
	defer g.release()
	documents := 0
	for _, part := range g.parts {
		counts, _ := totals(part.resp.Body)
		documents += counts[0]
		for i, n := range counts[1:] {
			terms[i].Documents += n
		}
	}
	keptLast(terms, p.client.MatchingStrategy)
	return terms, documents
}

// countingBody writes a search for everything and one for each term.
func (p *prepared) countingBody(terms []merge.Term, leg plan.Leg) []byte {
	all := ""
	q := request.Search{Q: &all, AttributesToRetrieve: []string{}, AttributesToSearchOn: p.client.AttributesToSearchOn, Locales: p.client.Locales,
		Filter: joinFilters(nil, p.tenant, shardFilter(leg, p.ix.Shards))}
	defaults(&q)
	q.Limit, q.MatchingStrategy = 0, "all"
	dst := append(make([]byte, 0, 1024), `{"queries":[`...)
	for i := range len(terms) + 1 {
		if i > 0 {
			q.Q = &terms[i-1].Text
			dst = append(dst, ',')
		}
		dst = meili.AppendString(append(dst, `{"indexUid":`...), p.ix.Physical)
		dst = append(append(dst, ','), q.AppendJSON(nil)[1:]...)
	}
	return append(dst, "]}"...)
}

// keptLast puts terms in the order in which the server gives them up last.
// Phrases must match whatever the strategy.
func keptLast(terms []merge.Term, strategy string) {
	slices.SortStableFunc(terms, func(a, b merge.Term) int {
		pa, pb := strings.HasPrefix(a.Text, `"`), strings.HasPrefix(b.Text, `"`)
		switch {
		case pa && !pb:
			return -1
		case pb && !pa:
			return 1
		case strategy == "frequency":
			return a.Documents - b.Documents
		}
		return 0
	})
}

// queryTerms splits a query into words and phrases, without what is excluded.
// A space behind a word says that it is whole, so that it is not taken for the
// beginning of others; the query's last word may be one.
func queryTerms(query string, stopWords []string) []merge.Term {
	var terms []merge.Term
	excluded := false
	for i, piece := range strings.Split(query, `"`) {
		words := strings.FieldsFunc(piece, func(c rune) bool {
			return c != '-' && !unicode.IsLetter(c) && !unicode.IsNumber(c) && !unicode.IsMark(c)
		})
		if i%2 == 1 {
			if inner := splitWords(words); len(inner) > 0 && !excluded {
				terms = append(terms, merge.Term{Text: `"` + piece + `"`, Words: len(inner)})
			}
			continue
		}
		excluded = strings.HasSuffix(piece, "-")
		for _, w := range words {
			if strings.HasPrefix(w, "-") {
				continue
			}
			for _, part := range splitWords([]string{w}) {
				if !slices.Contains(stopWords, strings.ToLower(part)) {
					terms = append(terms, merge.Term{Text: part + " ", Words: 1})
				}
			}
		}
	}
	if n := len(terms); n > 0 && strings.HasSuffix(query, strings.TrimSuffix(terms[n-1].Text, " ")) {
		terms[n-1].Text = strings.TrimSuffix(terms[n-1].Text, " ")
	}
	return terms
}

func splitWords(words []string) []string {
	var out []string
	for _, w := range words {
		for _, part := range strings.Split(w, "-") {
			if part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}
