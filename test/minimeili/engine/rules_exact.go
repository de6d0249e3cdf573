package engine

import "slices"

// exactAttributeRule sorts documents with a field that is the query before those
// with a field that starts with it, and these before all others.
type exactAttributeRule struct {
	query  *queryGraph
	state  int // 3: exact match, 2: match at the start, 1: no match, 0: over
	fields []exactField
}

// exactField is what is known of the query in one field.
type exactField struct {
	start docSet // documents whose field starts with the query
	count docSet // documents whose field has as many words as the query
}

func (r *exactAttributeRule) end() { *r = exactAttributeRule{} }

func (r *exactAttributeRule) start(c *searchContext, universe docSet, q *queryGraph) {
	r.query, r.state, r.fields = q, 1, nil
	terms, positions, ok := exactSequence(q)
	if !ok {
		return
	}
	candidates := universe.clone()
	for _, t := range terms {
		for i, w := range t.words {
			if w != "" {
				candidates.and(c.positionDocs(w, bucketPosition(t.start+i)))
			}
		}
	}
	if candidates.empty() {
		return
	}
	r.state = 3
	for fid, name := range c.ix.fields {
		if _, ok := c.ix.cfg.searchWeight(name); !ok {
			continue
		}
		both := candidates.clone()
		for _, t := range terms {
			for _, w := range t.words {
				if w != "" {
					both.and(c.fieldDocs(w, uint16(fid)))
				}
			}
		}
		if both.empty() {
			continue
		}
		f := exactField{start: both}
		if s := c.ix.counts[uint16(fid)][positions]; s != nil && positions <= maxCountedWords {
			f.count = intersection(*s, universe)
		}
		r.fields = append(r.fields, f)
	}
}

// literalTerm is a term of the query as it was typed.
type literalTerm struct {
	words              []string
	start, first, size int
}

// exactSequence gives the literal terms of the query in order, and how many
// positions they take. It fails when one is missing before the last.
func exactSequence(q *queryGraph) ([]literalTerm, int, bool) {
	var terms []literalTerm
	for _, n := range q.nodes {
		if n.kind != termNode {
			continue
		}
		if words, _, ok := n.term.exactTerm(); ok {
			terms = append(terms, literalTerm{words, n.term.start, n.term.first, n.term.end - n.term.start + 1})
		}
	}
	slices.SortStableFunc(terms, func(a, b literalTerm) int { return a.first - b.first })
	terms = slices.CompactFunc(terms, func(a, b literalTerm) bool { return a.first == b.first })
	positions, previous := 0, 0
	for _, t := range terms {
		positions += t.size
		if t.first-previous > 1 {
			return nil, 0, false
		}
		previous = t.first
	}
	return terms, positions, len(terms) > 0 && terms[0].first == 0
}

func (r *exactAttributeRule) next(_ *searchContext, universe docSet) (bucket, bool) {
	if r.state == 0 {
		return bucket{}, false
	}
	b := bucket{query: r.query, score: scoreDetail{kind: exactAttributeDetail, rank: rank{r.state, 3}}}
	switch r.state {
	case 3:
		for _, f := range r.fields {
			b.docs.or(intersection(f.start, f.count))
		}
		r.state = 2
	case 2:
		for _, f := range r.fields {
			b.docs.or(difference(f.start, f.count))
		}
		r.state = 1
	case 1:
		b.docs = universe.clone()
	}
	b.docs.and(universe)
	return b, true
}
