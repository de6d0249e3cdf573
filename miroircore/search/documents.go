package search

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// page is a request for documents on its way to the nodes.
type page struct {
	r    *Reader
	ix   *index.Index
	q    *request.DocumentsFetch
	sort []filter.Sort
	want hit.Want
	// asked are the client's fields, fields what nodes that have a part are asked
	// for; nil means all.
	asked, fields []string
	ids           map[int][]string // by shard; nil where no ids were given
}

// Documents answers a request for a page of documents.
func (r *Reader) Documents(ctx context.Context, call Call, ix *index.Index, q *request.DocumentsFetch) (*Answer, *meili.Error) {
	start := r.o.Now()
	if err := r.checkFilter(ix, q.Filter, "invalid_document_filter", true); err != nil {
		return nil, err
	}
	p := &page{r: r, ix: ix, q: q}
	if err := p.prepare(); err != nil {
		return nil, err
	}
	ask := &question{
		ix: ix, method: http.MethodPost, path: "/indexes/" + ix.Physical + "/documents/fetch", sticky: true,
		body: p.body,
		read: func(body []byte, whole bool) (*hit.Answer, error) {
			if whole {
				return hit.Scan(body, &hit.Want{})
			}
			return hit.Scan(body, &p.want)
		},
	}
	layout := r.layout(ix)
	if p.ids != nil {
		ask.shards = layout.None()
		for shard := range p.ids {
			ask.shards.Add(shard)
		}
		if len(p.ids) == 0 {
			ask.shards.Add(0) // somebody has to say whether the rest of the request is right
		}
	}
	g, err := r.gather(ctx, call, ask)
	if err != nil {
		return nil, err
	}
	defer g.release()
	a := p.finish(g)
	r.o.Metrics.Merged("documents", a.Nodes, r.o.Now().Sub(start))
	return a, nil
}

func (p *page) prepare() *meili.Error {
	q := p.q
	if q.Sort != nil {
		criteria, err := filter.ParseSort(q.Sort)
		if err != nil {
			return documentSortError(err)
		}
		rules := filter.SortRules{Code: "invalid_document_sort", Sortable: p.ix.Settings.Sortable(), Displayed: displayed(p.ix.Settings)}
		if err := filter.CheckSort(criteria, rules); err != nil {
			return err
		}
		p.sort = criteria
	}
	p.want.Version = true
	for _, s := range p.sort {
		rule := hit.SortRule{Path: s.Attr, Desc: s.Desc}
		if s.Geo != nil {
			rule.Geo, p.want.Geo = s.Geo, true
		}
		p.want.Sort = append(p.want.Sort, rule)
	}
	if q.Fields != nil && !slices.Contains(q.Fields, "*") {
		p.extend()
	}
	if q.IDs != nil {
		p.ids = make(map[int][]string)
		for _, id := range q.IDs {
			shard := document.ShardString(id, p.ix.Shards)
			p.ids[shard] = append(p.ids[shard], id)
		}
	}
	return nil
}

func documentSortError(e *meili.Error) *meili.Error {
	return meili.NewError("invalid_document_sort", "%s", e.Message)
}

// extend asks for what the merge needs besides the client's fields.
func (p *page) extend() {
	asked := []string{}
	for _, name := range p.q.Fields {
		if !strings.HasPrefix(name, hidden.Prefix) {
			asked = append(asked, name)
		}
	}
	p.asked = asked
	p.fields = append(slices.Clone(asked), hidden.VersionField)
	for _, s := range p.sort {
		name := s.Attr
		if s.Geo != nil {
			name = "_geo"
		}
		if !covered(asked, name) {
			p.fields = append(p.fields, name)
			p.want.Keep = asked
		}
	}
}

// alternate reports whether the next page may come from a copy that has its
// documents in another order, as every node does that holds other shards and was
// sent a document again. All agree on the versions. Nodes that hold everything
// took the same writes in the same order, which is a single server's.
func (p *page) alternate(whole bool) bool {
	if p.ids != nil || whole {
		return false
	}
	copies := 0
	for _, g := range p.ix.Placement.Groups {
		for _, nodes := range g.Shards {
			copies = max(copies, len(nodes))
		}
	}
	return copies > 1 || len(p.ix.Placement.Groups) > 1
}

func (p *page) body(leg plan.Leg, whole bool) []byte {
	type body struct {
		Offset          int             `json:"offset"`
		Limit           int             `json:"limit"`
		Fields          *[]string       `json:"fields,omitempty"`
		RetrieveVectors bool            `json:"retrieveVectors,omitempty"`
		IDs             *[]string       `json:"ids,omitempty"`
		Filter          json.RawMessage `json:"filter,omitempty"`
		Sort            []string        `json:"sort,omitempty"`
	}
	q := p.q
	b := body{Limit: saturated(q.Offset, q.Limit), RetrieveVectors: q.RetrieveVectors, Sort: q.Sort}
	if p.alternate(whole) {
		b.Sort = append(slices.Clone(q.Sort), hidden.VersionField+":asc")
	}
	if p.fields != nil {
		b.Fields = &p.fields
	}
	if whole {
		b.Offset, b.Limit = q.Offset, q.Limit
		if p.asked != nil {
			b.Fields = &p.asked
		}
	}
	if q.Limit == 0 {
		b.Limit = 0
	}
	var narrow json.RawMessage
	if p.ids == nil {
		narrow = shardFilter(leg, p.ix.Shards)
	} else {
		ids := []string{}
		for _, shard := range leg.Shards.Shards() {
			ids = append(ids, p.ids[shard]...)
		}
		b.IDs = &ids
	}
	b.Filter = joinFilters(q.Filter, narrow)
	out, err := json.Marshal(b)
	if err != nil { // raw members were validated when the request was read
		panic(err)
	}
	return out
}

func (p *page) finish(g *gathered) *Answer {
	var hits []*hit.Hit
	total := 0
	for _, part := range g.parts {
		total += max(part.answer.Total, 0)
	}
	if len(g.parts) == 1 && g.parts[0].whole {
		a := g.parts[0].answer
		for i := range a.Hits {
			hits = append(hits, &a.Hits[i])
		}
	} else if p.q.Limit > 0 {
		hits = merge.Hits(nil, g.answers(), merge.Window{From: p.q.Offset, To: saturated(p.q.Offset, p.q.Limit)})
	}
	size := 128
	for _, h := range hits {
		size += h.Size() + 1
	}
	dst := append(make([]byte, 0, size), `{"results":[`...)
	for i, h := range hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = h.Append(dst)
	}
	dst = appendInt(append(dst, ']'), `,"offset":`, p.q.Offset)
	dst = appendInt(dst, `,"limit":`, p.q.Limit)
	dst = append(appendInt(dst, `,"total":`, total), '}')
	return &Answer{Status: http.StatusOK, Body: dst, Degraded: g.degraded(), Nodes: len(g.parts), Retries: g.asked - len(g.parts)}
}

// Document answers a request for one document.
func (r *Reader) Document(ctx context.Context, call Call, ix *index.Index, id string, q *request.Document) (*Answer, *meili.Error) {
	start := r.o.Now()
	body, retries, err := r.document(ctx, call, ix, id, q)
	if err != nil {
		return nil, err
	}
	r.o.Metrics.Merged("document", 1, r.o.Now().Sub(start))
	return &Answer{Status: http.StatusOK, Body: body, Nodes: 1, Retries: retries}, nil
}

// document reads one document from a node that holds its shard.
func (r *Reader) document(ctx context.Context, call Call, ix *index.Index, id string, q *request.Document) ([]byte, int, *meili.Error) {
	path := "/indexes/" + ix.Physical + "/documents/" + url.PathEscape(id)
	values := url.Values{}
	if q.Fields != nil && !slices.Contains(q.Fields, "*") {
		var names []string
		for _, name := range q.Fields {
			if !strings.HasPrefix(name, hidden.Prefix) {
				names = append(names, name)
			}
		}
		values.Set("fields", strings.Join(names, ","))
	}
	if q.RetrieveVectors {
		values.Set("retrieveVectors", strconv.FormatBool(true))
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	call.Unavailable = "error" // there is no part of one document
	g, err := r.gather(ctx, call, &question{
		ix: ix, method: http.MethodGet, path: path,
		shards: r.layout(ix).One(document.ShardString(id, ix.Shards)),
		read:   func(body []byte, _ bool) (*hit.Answer, error) { return hit.ScanOne(body, &hit.Want{}) },
	})
	if err != nil {
		return nil, 0, err
	}
	defer g.release()
	h := &g.parts[0].answer.Hits[0]
	return h.Append(make([]byte, 0, h.Size())), g.asked - 1, nil
}
