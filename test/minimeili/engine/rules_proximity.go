package engine

import "strconv"

// maxDistance is the cost of words that are not near each other.
const maxDistance = 4

// proximityCondition asks for two terms at a proximity.
type proximityCondition struct {
	left, right *termSubset
	cost        int
}

func (p proximityCondition) key() string {
	return conditionKey("proximity", p.left.key(), p.right.key(), strconv.Itoa(p.cost))
}

// proximityEdges gives two neighbouring terms an edge for each proximity, and
// one for terms anywhere.
func proximityEdges(_ *searchContext, left, right *termSubset) []costedCondition {
	base := right.size() - 1
	anywhere := termCondition{"proximity", right}
	if left == nil || left.end+1 != right.start {
		return []costedCondition{{base, anywhere}}
	}
	var edges []costedCondition
	for cost := base; cost < maxDistance-1+base; cost++ {
		edges = append(edges, costedCondition{cost, proximityCondition{left, right, cost + 1}})
	}
	return append(edges, costedCondition{maxDistance - 1 + base, anywhere})
}

func (p proximityCondition) resolve(c *searchContext, universe docSet) (docSet, step) {
	forward := 1 + p.cost - p.right.size()
	backward := p.cost - p.right.size()
	var set docSet
	lefts := lastWords(c, p.left)
	if prefix, ok := p.right.prefix(); ok {
		for _, l := range lefts {
			c.prefixPairs(&set, l, prefix.word, forward, backward, universe)
		}
	}
	rights := firstWords(c, p.right)
	for _, l := range lefts {
		if len(rights) > 1 && !l.within(c, universe) {
			continue
		}
		for _, r := range rights {
			c.wordPairs(&set, l, r, forward, backward, universe)
		}
	}
	set.and(universe)
	return set, step{from: p.left, to: p.right}
}

// edgeWord is the word of a term next to its neighbour; phrase is the phrase it
// belongs to, if any.
type edgeWord struct {
	word   derivedWord
	phrase *phrase
}

// within tells whether documents of the universe have the word.
func (e edgeWord) within(c *searchContext, universe docSet) bool {
	if e.phrase != nil {
		return !disjoint(universe, c.phraseDocs(e.phrase))
	}
	docs := c.wordDocs(e.word)
	return !disjoint(universe, docs)
}

func lastWords(c *searchContext, t *termSubset) []edgeWord {
	var out []edgeWord
	for _, w := range t.words(c) {
		out = append(out, edgeWord{word: w})
	}
	for _, p := range t.phrases(c) {
		if w := p.words[len(p.words)-1]; w != "" {
			out = append(out, edgeWord{derivedWord{w, true}, p})
		}
	}
	return out
}

func firstWords(c *searchContext, t *termSubset) []edgeWord {
	var out []edgeWord
	for _, w := range t.words(c) {
		out = append(out, edgeWord{word: w})
	}
	for _, p := range t.phrases(c) {
		if w := p.words[0]; w != "" {
			out = append(out, edgeWord{derivedWord{w, true}, p})
		}
	}
	return out
}

// prefixPairs adds the documents where a word starting with the prefix is near
// the left word. In front of it only the prefix as a whole word counts.
func (c *searchContext) prefixPairs(set *docSet, left edgeWord, prefix string, forward, backward int, universe docSet) {
	if left.phrase != nil {
		universe = intersection(universe, c.phraseDocs(left.phrase))
		if universe.empty() {
			return
		}
	}
	var near docSet // not narrowed to the phrase's documents: neither does the real server
	for _, w := range c.allWithPrefix(prefix) {
		near.or(c.pairDocs(left.word.word, w, forward, &universe))
	}
	set.or(near)
	if left.phrase == nil && (backward >= 1 || c.ix.cfg.byAttribute) {
		set.or(intersection(c.pairDocs(prefix, left.word.word, backward, &universe), universe))
	}
}

// allWithPrefix lists every word of the index that starts with a prefix.
func (c *searchContext) allWithPrefix(prefix string) []string {
	if !c.ix.hasExactness() {
		return c.dict.withPrefix(prefix)
	}
	var out []string
	for w := range c.ix.words {
		if len(w) >= len(prefix) && w[:len(prefix)] == prefix {
			out = append(out, w)
		}
	}
	return out
}

func (c *searchContext) wordPairs(set *docSet, left, right edgeWord, forward, backward int, universe docSet) {
	for _, p := range []*phrase{left.phrase, right.phrase} {
		if p == nil {
			continue
		}
		if universe = intersection(universe, c.phraseDocs(p)); universe.empty() {
			return
		}
	}
	a, b := left.word.word, right.word.word
	set.or(intersection(c.pairDocs(a, b, forward, &universe), universe))
	if backward >= 1 && left.phrase == nil && right.phrase == nil {
		set.or(intersection(c.pairDocs(b, a, backward, &universe), universe))
	}
}
