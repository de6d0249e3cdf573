package engine

// sortRule sorts documents by the values of a field: numbers, then strings,
// then documents without either.
type sortRule struct {
	field    string
	desc     bool
	redacted bool

	query  *queryGraph
	facet  *facetField
	values []any // still to come
}

func (r *sortRule) start(c *searchContext, _ docSet, q *queryGraph) {
	r.query, r.values = q, nil
	fid, ok := c.ix.fieldIDs[r.field]
	if !ok {
		return
	}
	if r.facet = c.ix.facet[fid]; r.facet == nil {
		return
	}
	numbers, texts := c.ix.numbersOf(r.facet), c.ix.stringsOf(r.facet)
	r.values = make([]any, 0, len(numbers)+len(texts))
	for i := range numbers {
		if r.desc {
			i = len(numbers) - 1 - i
		}
		r.values = append(r.values, numbers[i])
	}
	for i := range texts {
		if r.desc {
			i = len(texts) - 1 - i
		}
		r.values = append(r.values, texts[i])
	}
}

func (r *sortRule) end() { r.query, r.facet, r.values = nil, nil, nil }

func (r *sortRule) next(_ *searchContext, universe docSet) (bucket, bool) {
	for len(r.values) > 0 {
		v := r.values[0]
		r.values = r.values[1:]
		var docs docSet
		switch v := v.(type) {
		case float64:
			docs = r.facet.numbers[v].within(universe)
		case string:
			docs = r.facet.strings[v].within(universe)
		}
		if !docs.empty() {
			if f, ok := v.(float64); ok {
				v = floatNumber(f)
			}
			return bucket{r.query, docs, r.detail(v)}, true
		}
	}
	return bucket{r.query, universe.clone(), r.detail(nil)}, true
}

func (r *sortRule) detail(value any) scoreDetail {
	return scoreDetail{kind: sortDetail, field: r.field, desc: r.desc, redacted: r.redacted, value: value}
}
