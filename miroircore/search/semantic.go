package search

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// blank reports whether a query searches for nothing, which shows everything.
func blank(q *request.Search) bool { return q.Q == nil || strings.TrimSpace(*q.Q) == "" }

// semantic reports whether a vector plays a part in the search.
func (p *prepared) semantic() bool {
	h := p.client.Hybrid
	if h == nil || h.SemanticRatio <= 0 {
		return false
	}
	return !blank(p.client) || p.client.Vector != nil || p.client.Media != nil
}

// onlySemantic reports whether words play no part in a semantic search.
func (p *prepared) onlySemantic() bool {
	return p.client.Hybrid.SemanticRatio >= 1 || blank(p.client)
}

// semantic answers a search by meaning over several nodes. The query is
// embedded once: each node would call the embedder for itself, and where the
// call fails on one of them that one alone would fall back to words.
func (r *Reader) semantic(ctx context.Context, call Call, p *prepared) (*result, *meili.Error) {
	ratio := p.client.Hybrid.SemanticRatio
	only := p.onlySemantic()
	vector := p.client.Vector
	var raw json.RawMessage
	if vector == nil {
		var err *meili.Error
		vector, raw, err = r.embed(ctx, call, p)
		switch {
		case err != nil && (only || err.Status < 500 && err.Code != "vector_embedding_error"):
			return nil, err
		case err != nil || vector == nil:
			return r.keyword(ctx, call, p)
		}
	}
	p.merge.Vector, p.merge.Media = vector, nil
	p.merge.Hybrid = &request.Hybrid{Embedder: p.client.Hybrid.Embedder, SemanticRatio: 1}
	if only {
		out, err := r.collect(ctx, call, p)
		if err != nil {
			return nil, err
		}
		out.vector = raw
		return out, nil
	}
	return r.hybrid(ctx, call, p, ratio, raw)
}

// embed has one node embed the query.
func (r *Reader) embed(ctx context.Context, call Call, p *prepared) ([]float32, json.RawMessage, *meili.Error) {
	q := request.Search{Q: p.client.Q, Media: p.client.Media, RetrieveVectors: true, AttributesToRetrieve: []string{},
		Hybrid: &request.Hybrid{Embedder: p.client.Hybrid.Embedder, SemanticRatio: 1}}
	defaults(&q)
	q.Limit = 1
	ask := p.question()
	ask.shards = r.layout(p.ix).One(0)
	ask.body = func(plan.Leg, bool) []byte { return q.AppendJSON(nil) }
	g, err := r.gather(ctx, call, ask)
	if err != nil {
		return nil, nil, err
	}
	defer g.release()
	if len(g.parts) == 0 {
		return nil, nil, nil
	}
	a := g.parts[0].answer
	raw := append(json.RawMessage(nil), a.Bytes(a.QueryVector)...)
	if len(raw) == 0 {
		return nil, nil, nil
	}
	var vector []float32
	if err := json.Unmarshal(raw, &vector); err != nil {
		return nil, nil, meili.NewError("internal", "reading the query's vector: %v", err)
	}
	return vector, raw, nil
}

// defaults fills in what a parsed search would have.
func defaults(q *request.Search) {
	q.Limit, q.CropLength, q.MatchingStrategy = 20, 10, "last"
	q.HighlightPreTag, q.HighlightPostTag, q.CropMarker = "<em>", "</em>", "…"
}

// keyword answers by words alone, as a server does whose embedder fails.
func (r *Reader) keyword(ctx context.Context, call Call, p *prepared) (*result, *meili.Error) {
	p.merge.Hybrid, p.merge.Vector, p.merge.Media = nil, nil, nil
	out, err := r.collect(ctx, call, p)
	if err != nil {
		return nil, err
	}
	out.semantic = 0
	return out, nil
}

// collect runs the merging form of a search and merges.
func (r *Reader) collect(ctx context.Context, call Call, p *prepared) (*result, *meili.Error) {
	g, err := r.gather(ctx, call, p.mergeQuestion())
	if err != nil {
		return nil, err
	}
	return r.combine(ctx, call, &result{p: p, g: g, semantic: -1})
}

// mergeQuestion is the search in the form whose answers can be merged, even if
// there is one alone.
func (p *prepared) mergeQuestion() *question {
	return &question{
		ix: p.ix, method: http.MethodPost, path: "/indexes/" + p.ix.Physical + "/search", sticky: p.order.needs.SameCopies,
		body: func(leg plan.Leg, _ bool) []byte { return p.body(&p.merge, leg) },
		read: func(body []byte, _ bool) (*hit.Answer, error) { return hit.Scan(body, &p.mergeWant) },
	}
}

// goodEnough is what every keyword hit has to score, times its share, for the
// semantic search to be left out. It is Meilisearch's constant.
const goodEnough = 0.45

// hybrid merges a search by words with one by meaning, as a server does with
// the two lists it makes itself.
func (r *Reader) hybrid(ctx context.Context, call Call, p *prepared, ratio float32, vector json.RawMessage) (*result, *meili.Error) {
	words, meaning := *p, *p
	words.merge.Hybrid, words.merge.Vector, words.merge.Media = nil, nil, nil
	for _, half := range []*prepared{&words, &meaning} {
		half.from = 0
		half.mergeWant.Values = true
		half.merge.ShowRankingScore = true
	}
	var byMeaning *result
	var failure *meili.Error
	done := make(chan struct{})
	go func() {
		defer close(done)
		byMeaning, failure = r.collect(ctx, call, &meaning)
	}()
	byWords, err := r.collect(ctx, call, &words)
	<-done
	if err == nil && failure != nil && failure.Status < 500 {
		err = failure
	}
	if err != nil {
		releaseAll(byWords, byMeaning)
		return nil, err
	}
	share := float64(1 - ratio)
	if _, fuses := p.order.merger.(merge.Fuser); failure != nil || !fuses && enough(byWords.hits, p.to, share) {
		releaseAll(byMeaning)
		byWords.p, byWords.vector, byWords.semantic = p, vector, 0
		byWords.hits = byWords.hits[min(p.from, len(byWords.hits)):]
		return byWords, nil
	}
	w := p.mergeWindow()
	w.From = 0
	chosen := p.order.fuse([]merge.List{
		{Hits: byMeaning.hits, Weight: float64(ratio), Position: 0},
		{Hits: byWords.hits, Weight: share, Position: 1},
	}, w)
	// What either search finds is found: where all documents have vectors that
	// is what the search by meaning does.
	out, also := byMeaning, byWords
	if byWords.total > byMeaning.total {
		out, also = byWords, byMeaning
	}
	out.p, out.vector, out.also, out.hits = p, vector, also, nil
	for _, c := range chosen[min(p.from, len(chosen)):] {
		out.hits = append(out.hits, c.Hit)
	}
	out.semantic = semanticHits(out.hits)
	if p.distinct != "" && !p.federated {
		if err := r.settleHybrid(ctx, call, out, &words, &meaning, chosen); err != nil {
			out.release()
			return nil, err
		}
	}
	return r.settled(ctx, call, out)
}

func releaseAll(results ...*result) {
	for _, o := range results {
		if o != nil {
			o.release()
		}
	}
}

func enough(hits []*hit.Hit, wanted int, share float64) bool {
	if len(hits) < wanted {
		return false
	}
	for _, h := range hits {
		if h.Score*share < goodEnough {
			return false
		}
	}
	return true
}

// Similar answers a search for documents like one of the index.
func (r *Reader) Similar(ctx context.Context, call Call, ix *index.Index, q *request.Similar) (*Answer, *meili.Error) {
	start := r.o.Now()
	tenant, err := call.tenant(ix.UID)
	if err != nil {
		return nil, err
	}
	if err := r.checkFilter(ix, q.Filter, "invalid_similar_filter", true); err != nil {
		return nil, err
	}
	vectors, err := r.vectorsOf(ctx, call, ix, q)
	if err != nil {
		return nil, err
	}
	if len(vectors) == 0 {
		vectors = [][]float32{nil}
	}
	s := similar{r: r, call: call, ix: ix, q: q, tenant: tenant}
	defer s.release()
	for _, v := range vectors {
		if err := s.add(ctx, v); err != nil {
			return nil, similarError(err)
		}
	}
	return s.finish(start), nil
}

// similarError gives an error of the search that stands in for a similarity
// search the code that the latter has.
func similarError(e *meili.Error) *meili.Error {
	if code, ok := strings.CutPrefix(e.Code, "invalid_search_"); ok {
		renamed := meili.NewError("invalid_similar_"+code, "%s", e.Message)
		renamed.Status = e.Status
		return renamed
	}
	return e
}

// similar gathers the neighbours of each of a document's vectors.
type similar struct {
	r      *Reader
	call   Call
	ix     *index.Index
	q      *request.Similar
	tenant json.RawMessage
	lists  []merge.List
	outs   []*result
	total  int
	self   bool // the document itself is among those counted
}

func (s *similar) release() {
	for _, o := range s.outs {
		o.release()
	}
}

// add searches with one vector; without one it only counts.
func (s *similar) add(ctx context.Context, vector []float32) *meili.Error {
	search := request.Search{AttributesToRetrieve: s.q.AttributesToRetrieve, RetrieveVectors: s.q.RetrieveVectors,
		ShowRankingScore: s.q.ShowRankingScore, ShowRankingScoreDetails: s.q.ShowRankingScoreDetails,
		RankingScoreThreshold: s.q.RankingScoreThreshold, Filter: s.q.Filter}
	defaults(&search)
	search.Offset, search.Limit = 0, saturated(saturated(s.q.Offset, s.q.Limit), 1)
	if vector == nil {
		search.Limit = 0
	} else {
		search.Vector = vector
		search.Hybrid = &request.Hybrid{Embedder: s.q.Embedder, SemanticRatio: 1}
	}
	p := &prepared{ix: s.ix, client: &search, tenant: s.tenant, displayed: displayed(s.ix.Settings)}
	p.window()
	p.to++ // the document itself is found as well
	p.rewrite()
	p.mergeWant.PrimaryKey, p.mergeWant.Values = s.ix.PrimaryKey, true
	if asked := p.merge.AttributesToRetrieve; asked != nil && !covered(asked, s.ix.PrimaryKey) {
		p.mergeWant.Keep = asked
		p.merge.AttributesToRetrieve = append(asked[:len(asked):len(asked)], s.ix.PrimaryKey)
	}
	p.distinct, p.merge.Distinct = "", nil
	out, err := s.r.collect(ctx, s.call, p)
	if err != nil {
		return err
	}
	s.outs = append(s.outs, out)
	near := make([]*hit.Hit, 0, len(out.hits))
	s.self = s.self || vector == nil
	for _, h := range out.hits {
		switch {
		case idText(h.ID()) == s.q.ID:
			s.self = true
		case h.Semantic():
			near = append(near, h)
		}
	}
	s.lists = append(s.lists, merge.List{Hits: near, Weight: 1, Position: len(s.lists)})
	s.total = max(s.total, out.total)
	return nil
}

// idText is the text of a document id as it stands in a document: a number's
// digits, or a string, which needs no escapes.
func idText(raw []byte) string { return strings.Trim(string(raw), `"`) }

func (s *similar) finish(start time.Time) *Answer {
	q := s.q
	most := s.ix.Settings.MaxTotalHits()
	w := merge.Window{From: min(q.Offset, most), To: min(saturated(q.Offset, q.Limit), most)}
	chosen, _ := merge.Federated(s.lists, w)
	first := s.outs[0]
	dst := append(make([]byte, 0, 4096), `{"hits":[`...)
	for i, c := range chosen {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.Hit.Append(dst)
	}
	total := s.total
	if s.self {
		total--
	}
	took := s.r.o.Now().Sub(start)
	dst = meili.AppendString(append(dst, `],"id":`...), q.ID)
	dst = appendInt(dst, `,"processingTimeMs":`, int(took.Milliseconds()))
	dst = appendInt(dst, `,"limit":`, q.Limit)
	dst = appendInt(dst, `,"offset":`, q.Offset)
	dst = appendInt(dst, `,"estimatedTotalHits":`, min(max(total, 0), most))
	a := &Answer{Status: http.StatusOK, Body: append(dst, '}'), Degraded: first.g.degraded(), Nodes: len(first.g.parts)}
	s.r.o.Metrics.Merged("similar", a.Nodes, took)
	return a
}

// vectorsOf gives a document's vectors of the embedder.
func (r *Reader) vectorsOf(ctx context.Context, call Call, ix *index.Index, q *request.Similar) ([][]float32, *meili.Error) {
	if !embedderKnown(ix, q.Embedder) {
		return nil, meili.NewError("invalid_similar_embedder", "Cannot find embedder with name `%s`.", q.Embedder)
	}
	body, _, err := r.document(ctx, call, ix, q.ID, &request.Document{Fields: []string{"_vectors"}, RetrieveVectors: true})
	if err != nil {
		if err.Code == "document_not_found" {
			return nil, meili.NewError("not_found_similar_id", "Document `%s` not found.", q.ID)
		}
		return nil, err
	}
	var doc struct {
		Vectors map[string]struct {
			Embeddings json.RawMessage `json:"embeddings"`
		} `json:"_vectors"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, meili.NewError("internal", "reading a document's vectors: %v", err)
	}
	raw := doc.Vectors[q.Embedder].Embeddings
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var many [][]float32
	if json.Unmarshal(raw, &many) == nil {
		return many, nil
	}
	var one []float32
	if err := json.Unmarshal(raw, &one); err != nil {
		return nil, meili.NewError("internal", "reading a document's vectors: %v", err)
	}
	return [][]float32{one}, nil
}

func embedderKnown(ix *index.Index, name string) bool {
	for _, e := range ix.Settings.Embedders() {
		if e.Name == name {
			return true
		}
	}
	return false
}
