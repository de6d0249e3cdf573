package engine

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Similar answers a search for documents like one of the index. within, the
// filter of a tenant token, may be nil; it hides the document itself too.
func (ix *Index) Similar(r *request.Similar, within json.RawMessage) (*SimilarResult, *meili.Error) {
	const code = "invalid_similar_filter"
	expr, err := filter.ParseAs(code, r.Filter)
	if err != nil {
		return nil, err
	}
	allowed, err := filter.ParseAs(code, within)
	if err != nil {
		return nil, err
	}
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	e, err := ix.findEmbedder(r.Embedder, "invalid_similar_embedder", nil)
	if err != nil {
		return nil, err
	}
	visible, err := ix.filtered(allowed, code, true)
	if err != nil {
		return nil, err
	}
	docid, ok := ix.ids[r.ID]
	if !ok || !visible.has(docid) {
		return nil, meili.NewError("not_found_similar_id", "Document `%s` not found.", r.ID)
	}
	universe, err := ix.filtered(expr, code, true)
	if err != nil {
		return nil, err
	}
	universe.and(visible)
	universe.remove(docid)
	q := &request.Search{
		AttributesToRetrieve: r.AttributesToRetrieve, RetrieveVectors: r.RetrieveVectors,
		ShowRankingScore: r.ShowRankingScore, ShowRankingScoreDetails: r.ShowRankingScoreDetails,
	}
	maker := ix.newHitMaker(q, newMatchingWords(nil))
	res := &SimilarResult{Hits: emptyHits, ID: r.ID, Limit: r.Limit, Offset: r.Offset}
	seen := newDocSet(docid)
	at := 0
	for _, n := range ix.neighbours(e, docid, r.Limit+r.Offset+1, universe) {
		if seen.has(n.docid) {
			continue
		}
		seen.add(n.docid)
		if at++; at <= r.Offset {
			continue
		}
		if len(res.Hits) == r.Limit {
			break
		}
		similarity := e.shift.apply(1 - n.distance)
		details := []scoreDetail{{kind: vectorDetail, similarity: &similarity}}
		if r.RankingScoreThreshold != nil && float64(similarity) < *r.RankingScoreThreshold {
			universe.remove(n.docid)
			universe.and(seen)
			break
		}
		res.Hits = append(res.Hits, maker.hit(n.docid, details, nil))
	}
	res.EstimatedTotalHits = min(universe.len(), ix.cfg.maxTotalHits)
	return res, nil
}

// neighbours are the documents nearest to any of a document's embeddings, each
// compared with those of the same place in the other documents.
func (ix *Index) neighbours(e *embedder, docid uint32, limit int, universe docSet) []neighbour {
	emb := ix.embeddingsOf(e.name)[docid]
	if emb == nil {
		return nil
	}
	var out []neighbour
	for rank, v := range emb.vectors {
		out = append(out, ix.nearest(e, v, limit, rank, universe)...)
	}
	sortNeighbours(out)
	return out
}
