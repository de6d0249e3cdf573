package search

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/room"
	"github.com/miroir-gateway/miroir/miroircore/requestuid"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// Search answers a search in one index.
func (r *Reader) Search(ctx context.Context, call Call, ix *index.Index, q *request.Search) (*Answer, *meili.Error) {
	tenant, err := call.tenant(ix.UID)
	if err != nil {
		return nil, err
	}
	key := flightKey{ix: ix, unavailable: call.Unavailable, metadata: call.IncludeMetadata,
		body: string(q.AppendJSON(nil)), tenant: string(tenant), name: q.IndexUID, identity: call.Identity}
	if r.o.Ended != nil {
		key.ended = r.o.Ended()
	}
	return r.flights.do(ctx, key, func(ctx context.Context) (*Answer, *meili.Error) {
		p, err := r.prepare(ix, q, tenant)
		if err != nil {
			return nil, err
		}
		return r.answer(ctx, call, p)
	})
}

// answer runs a prepared search and writes its answer.
func (r *Reader) answer(ctx context.Context, call Call, p *prepared) (*Answer, *meili.Error) {
	start := r.o.Now()
	out, err := r.run(ctx, call, p)
	if err != nil {
		return nil, err
	}
	defer out.release()
	return r.finish(call, out, start), nil
}

// run runs a prepared search.
func (r *Reader) run(ctx context.Context, call Call, p *prepared) (*result, *meili.Error) {
	r.chooseOrder(ctx, call, p)
	if p.semantic() && (p.federated || !r.wholeNode(p.ix)) {
		return r.semantic(ctx, call, p)
	}
	if p.federated {
		return r.collect(ctx, call, p)
	}
	if r.deep(p) {
		if out, err := r.inTwo(ctx, call, p); out != nil || err != nil {
			return out, err
		}
	}
	if p.order.needs.Alone {
		return r.collect(ctx, call, p)
	}
	g, err := r.gather(ctx, call, p.question())
	if err != nil {
		return nil, err
	}
	out := &result{p: p, g: g, semantic: -1}
	if len(g.parts) == 1 && g.parts[0].whole {
		if err := out.passed(g.parts[0].answer); err != nil {
			out.release()
			return nil, err
		}
		return r.settled(ctx, call, out)
	}
	return r.combine(ctx, call, out)
}

// combine puts the nodes' answers together. On an error it releases them.
func (r *Reader) combine(ctx context.Context, call Call, out *result) (*result, *meili.Error) {
	if out.p.client.Personalize != nil {
		// The nodes did not refuse it, and each has reranked its own part.
		out.release()
		return nil, meili.NewError("miroir_not_supported", "`personalize` is not supported in an index that no node has all of.")
	}
	if err := out.merged(); err != nil {
		out.release()
		return nil, err
	}
	if err := r.recount(ctx, call, out); err != nil {
		out.release()
		return nil, err
	}
	return r.settled(ctx, call, out)
}

// planned is the plan by which a search of the whole index would go now.
func (r *Reader) planned(ix *index.Index) plan.Plan {
	s := &scatter{r: r, q: &question{ix: ix}, layout: r.layout(ix), tuning: *r.tuning.Load()}
	return s.cover(nil, nil)
}

// wholeNode reports whether some node may answer for the index by itself.
func (r *Reader) wholeNode(ix *index.Index) bool { return r.planned(ix).Whole }

// question is what nodes are asked for the search.
func (p *prepared) question() *question {
	return &question{
		ix: p.ix, method: http.MethodPost, path: "/indexes/" + p.ix.Physical + "/search", sticky: p.order.needs.SameCopies,
		body: func(leg plan.Leg, whole bool) []byte {
			if whole {
				return p.body(&p.pass, leg)
			}
			return p.body(&p.merge, leg)
		},
		read: func(body []byte, whole bool) (*hit.Answer, error) {
			if whole {
				return hit.Scan(body, &p.passWant)
			}
			return hit.Scan(body, &p.mergeWant)
		},
	}
}

// result is what a search came to, before it is written.
type result struct {
	p        *prepared
	g        *gathered
	hits     []*hit.Hit
	total    int
	semantic int // -1 where the search was not semantic
	facets   *merge.Facets
	whole    *hit.Answer     // of the node that answered alone
	vector   json.RawMessage // of the query, where it was embedded for this search
	also     *result         // whose hits are used too
	narrow   json.RawMessage // the filter within which facets were counted, where it is another than the search's
	// documents are those of the hits, where they were read after the ranks.
	documents []*hit.Hit
}

func (o *result) release() {
	o.g.release()
	if o.also != nil {
		o.also.release()
	}
}

// passed takes the answer of a node that has all. Its facets are its own, but for
// those in which numbers and texts may hide each other.
func (o *result) passed(a *hit.Answer) *meili.Error {
	o.whole = a
	o.total, o.semantic = max(a.Total, 0), a.Semantic
	o.hits = make([]*hit.Hit, len(a.Hits))
	for i := range a.Hits {
		o.hits[i] = &a.Hits[i]
	}
	if stats := a.Bytes(a.FacetStats); len(stats) > len("{}") {
		return o.addFacets([]*hit.Answer{a})
	}
	return nil
}

// merged puts the nodes' answers together.
func (o *result) merged() *meili.Error {
	answers := o.g.answers()
	w := o.p.mergeWindow()
	var repeated int
	o.hits, repeated = o.p.order.page(make([]*hit.Hit, 0, max(w.To-w.From, 0)), answers, w)
	semantic := false
	for _, a := range answers {
		o.total += max(a.Total, 0)
		semantic = semantic || a.Semantic >= 0
	}
	if semantic {
		o.semantic = len(o.hits) // a search by meaning alone: those without vectors count too
	}
	if err := o.addFacets(answers); err != nil {
		return err
	}
	switch {
	case o.p.distinct == "":
	case o.p.paged:
		o.distinctTotal(answers)
	default:
		o.total = max(o.total-repeated, len(o.hits))
	}
	return nil
}

func (p *prepared) mergeWindow() merge.Window {
	w := merge.Window{From: p.from, To: p.to, Distinct: p.distinct != ""}
	if t := p.client.RankingScoreThreshold; t != nil {
		w.Threshold = *t
	}
	return w
}

func semanticHits(hits []*hit.Hit) int {
	n := 0
	for _, h := range hits {
		if h.Semantic() {
			n++
		}
	}
	return n
}

func (o *result) addFacets(answers []*hit.Answer) *meili.Error {
	if len(o.p.merge.Facets) == 0 {
		return nil
	}
	o.facets = &merge.Facets{}
	for _, a := range answers {
		if err := o.facets.Add(a.Bytes(a.FacetDistribution), a.Bytes(a.FacetStats)); err != nil {
			return meili.NewError("internal", "merging facets: %v", err)
		}
	}
	return nil
}

// finish writes the answer.
func (r *Reader) finish(call Call, o *result, start time.Time) *Answer {
	size := 512
	for _, h := range o.hits {
		size += h.Size() + 1
	}
	space := room.Take()
	dst := space.Of(size)
	if uid := o.p.client.IndexUID; uid != "" {
		dst = append(meili.AppendString(append(dst, `{"indexUid":`...), uid), `,"hits":[`...)
	} else {
		dst = append(dst, `{"hits":[`...)
	}
	for i := range o.hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = o.appendHit(dst, i)
	}
	a := &Answer{Status: http.StatusOK, Degraded: o.g.degraded(), Nodes: len(o.g.parts), total: o.total, room: space}
	a.Retries = o.g.asked - a.Nodes
	took := r.o.Now().Sub(start)
	a.Body = o.tail(append(dst, ']'), a, call, took)
	r.o.Metrics.Merged("search", a.Nodes, took)
	return a
}

// tail writes what follows the hits, in the server's order.
func (o *result) tail(dst []byte, a *Answer, call Call, took time.Duration) []byte {
	q := o.p.client
	text := ""
	if q.Q != nil {
		text = *q.Q
	}
	dst = meili.AppendString(append(dst, `,"query":`...), text)
	if v := o.queryVector(); q.RetrieveVectors && len(v) > 0 {
		dst = append(append(dst, `,"queryVector":`...), v...)
	}
	dst = appendInt(dst, `,"processingTimeMs":`, int(took.Milliseconds()))
	dst = o.totals(dst)
	dst = o.appendFacets(dst)
	dst = append(dst, `,"requestUid":"`...)
	a.uid = len(dst)
	dst = append(append(dst, requestuid.New()...), '"')
	if call.IncludeMetadata {
		dst = o.metadata(dst)
	}
	if q.ShowPerformanceDetails {
		for _, p := range o.g.parts {
			if v := p.answer.Bytes(p.answer.Performance); len(v) > 0 {
				dst = append(append(dst, `,"performanceDetails":`...), v...)
				break
			}
		}
	}
	if o.semantic >= 0 {
		dst = appendInt(dst, `,"semanticHitCount":`, o.semantic)
	}
	return append(dst, '}')
}

func (o *result) queryVector() []byte {
	if o.vector != nil {
		return o.vector
	}
	for _, p := range o.g.parts {
		if v := p.answer.Bytes(p.answer.QueryVector); len(v) > 0 {
			return v
		}
	}
	return nil
}

func (o *result) totals(dst []byte) []byte {
	if !o.p.paged {
		dst = appendInt(dst, `,"limit":`, o.p.client.Limit)
		dst = appendInt(dst, `,"offset":`, o.p.client.Offset)
		return appendInt(dst, `,"estimatedTotalHits":`, o.total)
	}
	page, size := o.p.page()
	pages := 0
	if size > 0 {
		pages = (o.total + size - 1) / size
	}
	dst = appendInt(dst, `,"hitsPerPage":`, size)
	dst = appendInt(dst, `,"page":`, page)
	dst = appendInt(dst, `,"totalPages":`, pages)
	return appendInt(dst, `,"totalHits":`, o.total)
}

func (o *result) appendFacets(dst []byte) []byte {
	if len(o.p.client.Facets) == 0 {
		return dst
	}
	only := facetsShown(o.p.ix, o.p.client.Facets)
	most := o.p.ix.Settings.MaxValuesPerFacet()
	if o.whole != nil && o.facets == nil {
		dst = append(dst, `,"facetDistribution":`...)
		dst = hit.AppendFacets(dst, o.whole.Bytes(o.whole.FacetDistribution), most, only)
		dst = append(dst, `,"facetStats":`...)
		return hit.AppendFacets(dst, o.whole.Bytes(o.whole.FacetStats), -1, only)
	}
	dst = append(dst, `,"facetDistribution":`...)
	dst = o.facets.AppendDistribution(dst, o.render())
	dst = append(dst, `,"facetStats":`...)
	return o.facets.AppendStats(dst, only)
}

func byCount(ix *index.Index) func(string) bool {
	return func(name string) bool { return ix.Settings.SortFacetValuesBy(name) == "count" }
}

// facetsShown tells the facets that a client may see from those that only the
// merge asked for.
func facetsShown(ix *index.Index, asked []string) func(string) bool {
	return func(name string) bool {
		if !filterable(ix, name) {
			return false
		}
		return slices.ContainsFunc(asked, func(a string) bool { return facetMatches(a, name) || strings.HasPrefix(name, a+".") })
	}
}

func (o *result) metadata(dst []byte) []byte {
	dst = append(dst, `,"metadata":`...)
	return appendMetadata(dst, o.p)
}

func appendMetadata(dst []byte, p *prepared) []byte {
	dst = append(dst, '{')
	if q := p.client.Q; q != nil {
		dst = append(meili.AppendString(append(dst, `"query":`...), *q), ',')
	}
	dst = append(append(dst, `"queryUid":"`...), requestuid.New()...)
	dst = meili.AppendString(append(dst, `","indexUid":`...), p.ix.UID)
	if p.ix.PrimaryKey != "" {
		dst = meili.AppendString(append(dst, `,"primaryKey":`...), p.ix.PrimaryKey)
	}
	return append(dst, '}')
}

func appendInt(dst []byte, name string, n int) []byte {
	return strconv.AppendInt(append(dst, name...), int64(n), 10)
}
