package engine

import (
	"slices"
	"strconv"
)

func relevancy(kind detailKind) func(rank) scoreDetail {
	return func(r rank) scoreDetail { return scoreDetail{kind: kind, rank: r} }
}

func wordsRule(strategy string) *graphRule {
	return &graphRule{build: wordsEdges, score: relevancy(wordsDetail), strategy: strategy}
}

func typoRule() *graphRule {
	return &graphRule{build: typoEdges, score: relevancy(typoDetail)}
}

func proximityRule() *graphRule {
	return &graphRule{build: proximityEdges, score: relevancy(proximityDetail)}
}

func attributeRule() *graphRule {
	return &graphRule{build: attributeEdges, score: relevancy(attributeDetail)}
}

func positionRule() *graphRule {
	return &graphRule{build: positionEdges, score: relevancy(positionDetail)}
}

func exactWordsRule() *graphRule {
	return &graphRule{build: exactWordsEdges, score: relevancy(exactWordsDetail)}
}

// termCondition is satisfied by every document that matches a term's subset.
type termCondition struct {
	kind string
	term *termSubset
}

func (t termCondition) key() string { return conditionKey(t.kind, t.term.key()) }

func (t termCondition) resolve(c *searchContext, universe docSet) (docSet, step) {
	return intersection(c.subsetDocs(t.term), universe), step{to: t.term}
}

func wordsEdges(_ *searchContext, _, to *termSubset) []costedCondition {
	return []costedCondition{{0, termCondition{"words", to}}}
}

// typoEdges gives a term one edge for each number of typos. Words joined cost as
// if joining was a typo a word.
func typoEdges(_ *searchContext, _, to *termSubset) []costedCondition {
	base := 0
	if to.size() > 1 {
		base = to.size()
	}
	var edges []costedCondition
	for n := range to.maxTypoCost() + 1 {
		t := *to
		if n != 0 {
			t.zero = derivations{}
		}
		if n != 1 {
			t.one = derivations{}
		}
		if n != 2 {
			t.two = derivations{}
		}
		edges = append(edges, costedCondition{base + n, termCondition{"typo" + strconv.Itoa(n), &t}})
	}
	return edges
}

// attributeCondition asks for a term in one field. field -1 matches nothing: it
// is there to make the worst cost independent of the documents.
type attributeCondition struct {
	term  *termSubset
	field int
}

func (a attributeCondition) key() string {
	return conditionKey("attribute", a.term.key(), strconv.Itoa(a.field))
}

func (a attributeCondition) resolve(c *searchContext, universe docSet) (docSet, step) {
	var set docSet
	if a.field >= 0 {
		set = c.termFields(a.term)[uint16(a.field)].clone()
		set.and(universe)
	}
	return set, step{to: a.term}
}

// termFields gives the documents that match a term, by the fields of its words.
func (c *searchContext) termFields(t *termSubset) map[uint16]docSet {
	key := t.key()
	if m, ok := c.fieldSets[key]; ok {
		return m
	}
	sets := map[uint16]*docSet{}
	c.eachWord(t, func(p *posting) {
		for i, docid := range p.docs {
			for _, at := range p.occ[i] {
				if fid := uint16(at >> 16); c.searched(fid) {
					if sets[fid] == nil {
						sets[fid] = &docSet{}
					}
					sets[fid].add(docid)
				}
			}
		}
	})
	for _, ph := range t.phrases(c) {
		// Of a phrase only the first word says where it is, though the fields
		// of all of its words are asked about.
		first := ""
		for _, w := range ph.words {
			p := c.ix.words[w]
			if w == "" || p == nil {
				continue
			}
			for _, occ := range p.occ {
				for _, at := range occ {
					if fid := uint16(at >> 16); sets[fid] == nil {
						sets[fid] = &docSet{}
					}
				}
			}
		}
		for _, w := range ph.words {
			if w != "" {
				first = w
				break
			}
		}
		if first == "" {
			continue
		}
		docs := c.phraseDocs(ph)
		for fid, set := range sets {
			set.or(intersection(c.fieldDocs(first, fid), docs))
		}
	}
	m := make(map[uint16]docSet, len(sets))
	for fid, set := range sets {
		m[fid] = *set
	}
	c.fieldSets[key] = m
	return m
}

// eachWord visits the postings of the single words of a term, those behind a
// prefix included.
func (c *searchContext) eachWord(t *termSubset, visit func(p *posting)) {
	words := t.words(c)
	if prefix, ok := t.prefix(); ok {
		words = append(words, c.prefixWords(prefix)...)
	}
	seen := map[string]bool{}
	for _, w := range words {
		if p := c.ix.words[w.word]; p != nil && !seen[w.word] {
			seen[w.word] = true
			visit(p)
		}
	}
}

func attributeEdges(c *searchContext, _, to *termSubset) []costedCondition {
	var edges []costedCondition
	highest := 0
	fields := make([]int, 0, 8)
	for fid := range c.termFields(to) {
		fields = append(fields, int(fid))
	}
	slices.Sort(fields)
	for _, fid := range fields {
		weight, ok := c.ix.cfg.searchWeight(c.ix.fields[fid])
		if !ok {
			continue
		}
		highest = max(highest, weight)
		edges = append(edges, costedCondition{weight * to.size(), attributeCondition{to, fid}})
	}
	if n := len(c.ix.cfg.searchable) - 1; c.ix.cfg.searchable != nil && highest < n {
		edges = append(edges, costedCondition{n * to.size(), attributeCondition{to, -1}})
	}
	return edges
}

// positionCondition asks for a term at one of some positions of any field.
type positionCondition struct {
	term      *termSubset
	positions []int
}

func (p positionCondition) key() string {
	parts := []string{p.term.key()}
	for _, n := range p.positions {
		parts = append(parts, strconv.Itoa(n))
	}
	return conditionKey("position", parts...)
}

func (p positionCondition) resolve(c *searchContext, universe docSet) (docSet, step) {
	var set docSet
	sets := c.termPositions(p.term)
	for _, n := range p.positions {
		set.or(sets[n])
	}
	set.and(universe)
	return set, step{to: p.term}
}

// termPositions gives the documents that match a term, by the positions of its
// words. Of a phrase the position of its first word counts.
func (c *searchContext) termPositions(t *termSubset) map[int]docSet {
	key := t.key()
	if m, ok := c.positionSets[key]; ok {
		return m
	}
	sets := map[int]*docSet{}
	at := func(position int) *docSet {
		if sets[position] == nil {
			sets[position] = &docSet{}
		}
		return sets[position]
	}
	c.eachWord(t, func(p *posting) {
		for i, docid := range p.docs {
			for _, o := range p.occ[i] {
				at(bucketPosition(int(o & maxPosition))).add(docid)
			}
		}
	})
	for _, ph := range t.phrases(c) {
		i := slices.IndexFunc(ph.words, func(w string) bool { return w != "" })
		if i < 0 || c.ix.words[ph.words[i]] == nil {
			continue
		}
		docs := c.phraseDocs(ph)
		p := c.ix.words[ph.words[i]]
		for j, docid := range p.docs {
			for _, o := range p.occ[j] {
				set := at(bucketPosition(int(o & maxPosition)))
				if docs.has(docid) {
					set.add(docid)
				}
			}
		}
	}
	m := make(map[int]docSet, len(sets))
	for n, set := range sets {
		m[n] = *set
	}
	c.positionSets[key] = m
	return m
}

func positionEdges(c *searchContext, _, to *termSubset) []costedCondition {
	byCost := map[int][]int{}
	for position := range c.termPositions(to) {
		distance := position - to.start
		if distance < 0 {
			distance = -distance
		}
		cost := 0
		for i := range to.size() {
			cost += positionCost(distance + i)
		}
		byCost[cost] = append(byCost[cost], position)
	}
	worst := to.size() * 10
	if _, ok := byCost[worst]; !ok {
		byCost[worst] = nil
	}
	costs := make([]int, 0, len(byCost))
	for cost, positions := range byCost {
		slices.Sort(positions)
		costs = append(costs, cost)
	}
	slices.Sort(costs)
	var edges []costedCondition
	for _, cost := range costs {
		edges = append(edges, costedCondition{cost, positionCondition{to, byCost[cost]}})
	}
	return edges
}

// positionCost grows with the distance between the place of a word in the query
// and its place in the field, ever more slowly.
func positionCost(distance int) int {
	for cost, limit := range []int{0, 1, 4, 7, 11, 16, 24, 64, 256, 1024} {
		if distance <= limit {
			return cost
		}
	}
	return 10
}

// exactCondition asks for a term as it was typed.
type exactCondition struct{ term *termSubset }

func (e exactCondition) key() string { return conditionKey("exact", e.term.key()) }

func (e exactCondition) resolve(c *searchContext, universe docSet) (docSet, step) {
	t := *e.term
	t.keepExact()
	t.mandatory = true
	var set docSet
	if words, p, ok := e.term.exactTerm(); ok {
		if p != nil {
			set = intersection(c.phraseDocs(p), universe)
		} else {
			set = intersection(c.wordDocs(derivedWord{words[0], true}), universe)
		}
	}
	return set, step{to: &t}
}

func exactWordsEdges(_ *searchContext, _, to *termSubset) []costedCondition {
	return []costedCondition{{0, exactCondition{to}}, {to.size(), termCondition{"any", to}}}
}
