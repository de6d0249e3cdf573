package engine

// searchContext holds what one search looks up, so that it is looked up once.
type searchContext struct {
	ix   *Index
	dict *dictionary
	tok  *tokenizer

	terms    []*queryTerm
	phrases  map[string]*phrase
	synonyms map[string][]string

	// restricted are the fields searched on; nil means all of them.
	restricted map[uint16]bool

	wordSets     map[derivedWord]docSet
	prefixSets   map[derivedWord]docSet
	phraseSets   map[*phrase]docSet
	pairs        map[[2]string]*pairSets
	attributes   map[[2]string]docSet
	subsetSets   map[string]docSet
	fieldSets    map[string]map[uint16]docSet
	positionSets map[string]map[int]docSet
}

// pairSets are the documents where two words stand at a proximity of 1 to 3.
type pairSets [4]docSet

func (ix *Index) newSearchContext() *searchContext {
	return &searchContext{
		ix: ix, dict: ix.dictionary(), tok: ix.cfg.tok,
		phrases: map[string]*phrase{}, wordSets: map[derivedWord]docSet{}, prefixSets: map[derivedWord]docSet{},
		phraseSets: map[*phrase]docSet{}, pairs: map[[2]string]*pairSets{}, attributes: map[[2]string]docSet{},
		subsetSets: map[string]docSet{}, fieldSets: map[string]map[uint16]docSet{}, positionSets: map[string]map[int]docSet{},
	}
}

// addDocs adds the documents with a word to a set. A word that is not literal
// does not match where typos are not tolerated.
func (c *searchContext) addDocs(set *docSet, w derivedWord) {
	p := c.ix.words[w.word]
	if p == nil {
		return
	}
	if c.restricted == nil && (w.literal || !c.ix.hasExactness()) {
		set.addAll(p.docs)
		return
	}
	for i, docid := range p.docs {
		for _, at := range p.occ[i] {
			if c.searched(uint16(at>>16)) && (w.literal || !c.ix.exactOccurrence(w.word, at)) {
				set.add(docid)
				break
			}
		}
	}
}

func (c *searchContext) searched(fid uint16) bool { return c.restricted == nil || c.restricted[fid] }

func (c *searchContext) wordDocs(w derivedWord) docSet {
	if s, ok := c.wordSets[w]; ok {
		return s
	}
	var s docSet
	c.addDocs(&s, w)
	c.wordSets[w] = s
	return s
}

// prefixDocs are the documents with a word that starts with a prefix.
func (c *searchContext) prefixDocs(prefix derivedWord) docSet {
	if s, ok := c.prefixSets[prefix]; ok {
		return s
	}
	var s docSet
	for _, w := range c.prefixWords(prefix) {
		c.addDocs(&s, w)
	}
	c.prefixSets[prefix] = s
	return s
}

// prefixWords are the words behind the postings of a prefix.
func (c *searchContext) prefixWords(prefix derivedWord) []derivedWord {
	words := c.dict.withPrefix(prefix.word)
	out := make([]derivedWord, len(words))
	for i, w := range words {
		out[i] = derivedWord{w, prefix.literal}
	}
	if prefix.literal && c.ix.hasExactness() {
		for w, p := range c.ix.words {
			if len(w) >= len(prefix.word) && w[:len(prefix.word)] == prefix.word && !c.ix.tolerant(p) {
				out = append(out, derivedWord{w, true})
			}
		}
	}
	return out
}

// fieldDocs are the documents with a word in a field.
func (c *searchContext) fieldDocs(word string, fid uint16) docSet {
	var s docSet
	p := c.ix.words[word]
	if p == nil || !c.searched(fid) {
		return s
	}
	for i, docid := range p.docs {
		for _, at := range p.occ[i] {
			if uint16(at>>16) == fid {
				s.add(docid)
				break
			}
		}
	}
	return s
}

// positionDocs are the documents with a word at a bucketed position, in any field.
func (c *searchContext) positionDocs(word string, position int) docSet {
	var s docSet
	if p := c.ix.words[word]; p != nil {
		for i, docid := range p.docs {
			for _, at := range p.occ[i] {
				if bucketPosition(int(at&maxPosition)) == position {
					s.add(docid)
					break
				}
			}
		}
	}
	return s
}

// subsetDocs are the documents that match a subset of a term.
func (c *searchContext) subsetDocs(t *termSubset) docSet {
	key := t.key()
	if s, ok := c.subsetSets[key]; ok {
		return s
	}
	var s docSet
	for _, w := range t.words(c) {
		c.addDocs(&s, w)
	}
	for _, p := range t.phrases(c) {
		s.or(c.phraseDocs(p))
	}
	if prefix, ok := t.prefix(); ok {
		s.or(c.prefixDocs(prefix))
	}
	c.subsetSets[key] = s
	return s
}

// phraseDocs are the documents with all words of a phrase side by side. Like
// the real server it only looks at pairs, within windows of three words.
func (c *searchContext) phraseDocs(p *phrase) docSet {
	if s, ok := c.phraseSets[p]; ok {
		return s
	}
	s := c.computePhrase(p.words)
	c.phraseSets[p] = s
	return s
}

func (c *searchContext) computePhrase(words []string) docSet {
	var set docSet
	started := false
	for _, w := range words {
		if w == "" {
			continue
		}
		docs := c.wordDocs(derivedWord{w, true})
		if docs.empty() {
			return docSet{}
		}
		if !started {
			set, started = docs.clone(), true
		} else {
			set.and(docs)
		}
	}
	window := min(len(words), 3)
	for at := 0; started && at+window <= len(words); at++ {
		win := words[at : at+window]
		for i, a := range win {
			for j, b := range win[i+1:] {
				if a == "" || b == "" {
					continue
				}
				var near docSet
				for d := 1; d <= j+1; d++ {
					near.or(c.pairDocs(a, b, d, nil))
				}
				set.and(near)
			}
		}
	}
	return set
}

// pairDocs are the documents where b follows a at a proximity. With proximity by
// attribute any field with both will do; then, as in the real server, the first
// universe asked about is remembered for the whole search.
func (c *searchContext) pairDocs(a, b string, proximity int, universe *docSet) docSet {
	key := [2]string{a, b}
	if c.ix.cfg.byAttribute {
		if s, ok := c.attributes[key]; ok {
			return s
		}
		s := c.sameField(a, b)
		if universe != nil {
			s.and(*universe)
		}
		c.attributes[key] = s
		return s
	}
	if proximity < 1 || proximity > 3 {
		return docSet{}
	}
	sets := c.pairs[key]
	if sets == nil {
		sets = &pairSets{}
		c.computePair(sets, a, b)
		c.pairs[key] = sets
	}
	return sets[proximity]
}

func (c *searchContext) computePair(sets *pairSets, a, b string) {
	p, q := c.ix.words[a], c.ix.words[b]
	if p == nil || q == nil {
		return
	}
	commonDocs(p, q, func(docid uint32, x, y []uint32) {
		best := 4
		for _, i := range x {
			for _, j := range y {
				if j > i && i>>16 == j>>16 {
					best = min(best, int(j-i))
				}
			}
		}
		if best < 4 {
			sets[best].add(docid)
		}
	})
}

// commonDocs visits the documents with both words.
func commonDocs(p, q *posting, visit func(docid uint32, x, y []uint32)) {
	if len(p.docs) > 8*len(q.docs) || len(q.docs) > 8*len(p.docs) {
		small, large, swapped := p, q, false
		if len(p.docs) > len(q.docs) {
			small, large, swapped = q, p, true
		}
		for i, docid := range small.docs {
			if j, ok := large.find(docid); ok {
				if swapped {
					visit(docid, large.occ[j], small.occ[i])
				} else {
					visit(docid, small.occ[i], large.occ[j])
				}
			}
		}
		return
	}
	for i, j := 0, 0; i < len(p.docs) && j < len(q.docs); {
		switch {
		case p.docs[i] < q.docs[j]:
			i++
		case p.docs[i] > q.docs[j]:
			j++
		default:
			visit(p.docs[i], p.occ[i], q.occ[j])
			i++
			j++
		}
	}
}

func (c *searchContext) sameField(a, b string) docSet {
	var s docSet
	p, q := c.ix.words[a], c.ix.words[b]
	if p == nil || q == nil {
		return s
	}
	commonDocs(p, q, func(docid uint32, x, y []uint32) {
		for _, i := range x {
			for _, j := range y {
				if i>>16 == j>>16 && c.searched(uint16(i>>16)) {
					s.add(docid)
					return
				}
			}
		}
	})
	return s
}

// pairFrequency counts the documents where b directly follows a.
func (c *searchContext) pairFrequency(a, b string) (int, bool) {
	s := c.pairDocs(a, b, 1, nil)
	n := s.len()
	return n, n > 0 || c.ix.cfg.byAttribute
}
