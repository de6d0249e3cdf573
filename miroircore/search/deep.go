package search

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// deepPage is from how many hits over all nodes on it pays to ask for the ranks
// first and for the documents of the page afterwards.
const deepPage = 600

// deep reports whether a search is answered in two phases. Every node gives all
// hits up to the end of the page, of which the page is a small part; what is
// formatted or measured for the query has to come with the hit.
func (r *Reader) deep(p *prepared) bool {
	m := &p.merge
	if p.depth() <= deepPage/8 || p.federated || p.geo || p.semantic() || p.ix.PrimaryKey == "" || strings.Contains(p.ix.PrimaryKey, ".") ||
		m.RetrieveVectors || m.ShowMatchesPosition || len(m.AttributesToHighlight) > 0 || len(m.AttributesToCrop) > 0 {
		return false
	}
	if r.layout(p.ix).Spread()*p.depth() <= deepPage {
		return false // whichever nodes are asked
	}
	legs := len(r.planned(p.ix).Legs)
	return legs > 1 && legs*p.depth() > deepPage && 2*(p.to-p.from) < legs*p.depth()
}

// inTwo runs a deep search in two phases. It gives nil where a document changed
// in between, so that its rank and its text are not of one moment.
func (r *Reader) inTwo(ctx context.Context, call Call, p *prepared) (*result, *meili.Error) {
	ranks := *p
	ranks.merge.AttributesToRetrieve = []string{p.ix.PrimaryKey}
	if p.distinct != "" {
		ranks.merge.AttributesToRetrieve = append(ranks.merge.AttributesToRetrieve, p.distinct)
	}
	ranks.mergeWant.Keep, ranks.mergeWant.PrimaryKey = []string{}, p.ix.PrimaryKey
	out, err := r.collect(ctx, call, &ranks)
	if err != nil || len(out.hits) == 0 {
		return out, err
	}
	out.p = p
	g, err := r.fetch(ctx, call, p, out.hits)
	if err != nil {
		out.release()
		return nil, err
	}
	out.also = &result{g: g}
	if !out.attach(g) {
		out.release()
		return nil, nil
	}
	return out, nil
}

// fetch reads the documents of hits by their ids.
func (r *Reader) fetch(ctx context.Context, call Call, p *prepared, hits []*hit.Hit) (*gathered, *meili.Error) {
	ids := make(map[int][]json.RawMessage)
	shards := r.layout(p.ix).None()
	for _, h := range hits {
		shard := document.ShardString(idText(h.ID()), p.ix.Shards)
		shards.Add(shard)
		ids[shard] = append(ids[shard], h.ID())
	}
	want := hit.Want{PrimaryKey: p.ix.PrimaryKey, Version: true}
	fields := p.merge.AttributesToRetrieve
	if p.mergeWant.Keep != nil {
		fields = p.mergeWant.Keep
	}
	asked := fields
	if fields != nil {
		want.Keep = fields
		asked = append(append([]string{}, fields...), p.ix.PrimaryKey, hidden.VersionField)
	}
	return r.gather(ctx, call, &question{
		ix: p.ix, shards: shards, method: http.MethodPost, path: "/indexes/" + p.ix.Physical + "/documents/fetch",
		body: func(leg plan.Leg, _ bool) []byte {
			b := struct {
				IDs    []json.RawMessage `json:"ids"`
				Limit  int               `json:"limit"`
				Fields []string          `json:"fields,omitempty"`
			}{Fields: asked, Limit: len(hits)}
			for _, s := range leg.Shards.Shards() {
				b.IDs = append(b.IDs, ids[s]...)
			}
			text, err := json.Marshal(b)
			if err != nil { // ids are JSON that was scanned
				panic(err)
			}
			return text
		},
		read: func(body []byte, _ bool) (*hit.Answer, error) { return hit.Scan(body, &want) },
	})
}

// attach finds the document of each hit.
func (o *result) attach(g *gathered) bool {
	by := make(map[string]*hit.Hit, len(o.hits))
	for _, a := range g.answers() {
		for i := range a.Hits {
			by[string(a.Hits[i].ID())] = &a.Hits[i]
		}
	}
	o.documents = make([]*hit.Hit, len(o.hits))
	for i, h := range o.hits {
		d := by[string(h.ID())]
		if d == nil || !bytes.Equal(d.Version(), h.Version()) {
			return false
		}
		o.documents[i] = d
	}
	return true
}

// appendHit appends the i-th hit: its document, and what the search told of it.
func (o *result) appendHit(dst []byte, i int) []byte {
	if o.documents == nil {
		return o.hits[i].Append(dst)
	}
	told := o.hits[i].Append(nil)
	if told = told[1 : len(told)-1]; len(told) == 0 {
		return o.documents[i].Append(dst)
	}
	return o.documents[i].AppendWith(dst, told)
}
