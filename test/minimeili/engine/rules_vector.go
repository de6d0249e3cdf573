package engine

// vectorRule sorts documents by the similarity of their embeddings to a vector;
// documents without embedding come last.
type vectorRule struct {
	embedder *embedder
	target   []float32
	limit    int

	query *queryGraph
	queue []neighbour
}

func (r *vectorRule) start(c *searchContext, universe docSet, q *queryGraph) {
	r.query = q
	r.fill(c, universe)
}

func (r *vectorRule) end() { r.query, r.queue = nil, nil }

func (r *vectorRule) fill(c *searchContext, universe docSet) {
	r.queue = c.ix.nearest(r.embedder, r.target, r.limit, -1, universe)
}

func (r *vectorRule) next(c *searchContext, universe docSet) (bucket, bool) {
	for {
		for len(r.queue) > 0 {
			distance := r.queue[0].distance
			var set docSet
			for len(r.queue) > 0 && r.queue[0].distance == distance {
				if universe.has(r.queue[0].docid) {
					set.add(r.queue[0].docid)
				}
				r.queue = r.queue[1:]
			}
			if !set.empty() {
				similarity := r.embedder.shift.apply(1 - distance)
				return bucket{r.query, set, scoreDetail{kind: vectorDetail, similarity: &similarity}}, true
			}
		}
		if r.fill(c, universe); len(r.queue) == 0 {
			return bucket{r.query, universe.clone(), scoreDetail{kind: vectorDetail}}, true
		}
	}
}
