package engine

import (
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
)

// bucket is documents that a rule holds for equal, with the part of the query
// they match.
type bucket struct {
	query *queryGraph
	docs  docSet
	score scoreDetail
}

// rankingRule sorts documents in buckets, best first.
type rankingRule interface {
	// start begins with the documents and the query of a bucket of the rule before.
	start(c *searchContext, universe docSet, q *queryGraph)
	// next gives the next bucket out of the documents that are left; none when
	// there is nothing more to tell.
	next(c *searchContext, universe docSet) (bucket, bool)
	end()
}

// ranked are the documents of a search in order, with what each rule said.
type ranked struct {
	docs       []uint32
	scores     [][]scoreDetail
	candidates docSet
}

// bucketSort runs rules over documents, each rule within the buckets of the one
// before, until it has enough of them.
type bucketSort struct {
	c          *searchContext
	rules      []rankingRule
	distinct   int // field id, -1: none
	from       int
	length     int
	threshold  *float64
	exhaustive bool
	maxHits    int

	universes []docSet
	details   []scoreDetail
	at        int
	offset    int
	out       ranked
}

func (s *bucketSort) run(universe docSet, q *queryGraph) ranked {
	s.out.candidates = universe.clone()
	if universe.len() < s.from {
		return s.out
	}
	if len(s.rules) == 0 {
		return s.unranked(universe)
	}
	s.universes = make([]docSet, len(s.rules))
	s.universes[0] = universe.clone()
	s.rules[0].start(s.c, universe, q)
	wanted := s.length
	if s.exhaustive && s.threshold != nil {
		wanted = s.maxHits
	}
	for len(s.out.docs) < wanted {
		if s.universes[s.at].empty() {
			if !s.back() {
				break
			}
			continue
		}
		b, ok := s.rules[s.at].next(s.c, s.universes[s.at])
		if !ok {
			if !s.back() {
				break
			}
			continue
		}
		s.take(b)
	}
	return s.out
}

// take adds a bucket to the results or hands it to the next rule.
func (s *bucketSort) take(b bucket) {
	s.details = append(s.details, b.score)
	below := s.threshold != nil && globalScore(s.details) < *s.threshold
	s.universes[s.at].sub(b.docs)
	if below {
		s.out.candidates.sub(b.docs)
		s.out.candidates.sub(s.universes[s.at])
		s.details = s.details[:len(s.details)-1]
		return
	}
	if s.at == len(s.rules)-1 || s.offset+b.docs.len() < s.from {
		s.add(b.docs)
		s.details = s.details[:len(s.details)-1]
		return
	}
	s.at++
	s.universes[s.at] = b.docs.clone()
	s.rules[s.at].start(s.c, b.docs, b.query)
}

// back returns to the rule before. It tells whether there is one.
func (s *bucketSort) back() bool {
	s.universes[s.at] = docSet{}
	s.rules[s.at].end()
	if s.at == 0 {
		return false
	}
	s.at--
	if len(s.details) > s.at {
		s.details = s.details[:len(s.details)-1]
	}
	return true
}

func (s *bucketSort) add(docs docSet) {
	if s.distinct >= 0 {
		remaining, excluded := s.c.ix.distinctDocs(docs, uint16(s.distinct))
		for i := range s.universes {
			s.universes[i].sub(excluded)
		}
		s.out.candidates.sub(excluded)
		docs = remaining
	}
	s.out.candidates.or(docs)
	n := docs.len()
	if n == 0 {
		return
	}
	skip := max(0, s.from-s.offset)
	for docid := range docs.all {
		if skip > 0 {
			skip--
			continue
		}
		if len(s.out.docs) >= s.length {
			break
		}
		s.out.docs = append(s.out.docs, docid)
		s.out.scores = append(s.out.scores, slices.Clone(s.details))
	}
	s.offset += n
}

// unranked gives documents in the order of their ids.
func (s *bucketSort) unranked(universe docSet) ranked {
	if s.distinct < 0 {
		for docid := range universe.all {
			if len(s.out.docs) == s.from+s.length {
				break
			}
			s.out.docs = append(s.out.docs, docid)
		}
	} else {
		var excluded docSet
		for docid := range universe.all {
			if len(s.out.docs) == s.from+s.length {
				break
			}
			if excluded.has(docid) {
				continue
			}
			s.c.ix.exclude(&excluded, docid, uint16(s.distinct))
			s.out.docs = append(s.out.docs, docid)
		}
		s.out.candidates.sub(excluded)
		for _, docid := range s.out.docs {
			s.out.candidates.add(docid)
		}
	}
	s.out.docs = s.out.docs[min(s.from, len(s.out.docs)):]
	s.out.scores = make([][]scoreDetail, len(s.out.docs))
	return s.out
}

// exclude adds the documents that share a value of the field with a document.
func (ix *Index) exclude(excluded *docSet, docid uint32, fid uint16) {
	values := ix.docs[docid].facets[fid]
	if values == nil {
		return
	}
	f := ix.facet[fid]
	for s := range values.strings {
		excluded.addAll(f.strings[s].docs)
	}
	for _, n := range values.numbers {
		excluded.addAll(f.numbers[n].docs)
	}
}

// distinctDocs keeps one document for each value of a field.
func (ix *Index) distinctDocs(docs docSet, fid uint16) (remaining, excluded docSet) {
	for docid := range docs.all {
		if excluded.has(docid) {
			continue
		}
		ix.exclude(&excluded, docid, fid)
		remaining.add(docid)
	}
	return remaining, excluded
}

// searchKind says what a search goes by.
type searchKind uint8

const (
	placeholderSearch searchKind = iota
	keywordSearch
	vectorSearch
)

// ruleOptions is what the list of rules depends on besides the settings.
type ruleOptions struct {
	kind     searchKind
	strategy string
	sort     []filter.Sort
	vector   func() rankingRule
}

// rankingRules makes the rules of a search.
func (ix *Index) rankingRules(o ruleOptions) []rankingRule {
	b := ruleBuilder{ix: ix, o: o, sorted: map[string]bool{}, seen: map[string]bool{}}
	if o.strategy == "all" {
		b.seen["words"] = true
	}
	for _, rule := range ix.cfg.rankingRules {
		if field, desc, ok := customRule(rule); ok {
			b.sortBy(field, desc)
		} else if rule == "sort" {
			b.sort()
		} else {
			b.relevancy(rule)
		}
	}
	return b.rules
}

type ruleBuilder struct {
	ix     *Index
	o      ruleOptions
	rules  []rankingRule
	seen   map[string]bool
	sorted map[string]bool
}

func (b *ruleBuilder) once(rule string) bool {
	if b.seen[rule] {
		return false
	}
	b.seen[rule] = true
	return true
}

func (b *ruleBuilder) sortBy(field string, desc bool) {
	if b.sorted[field] {
		return
	}
	b.sorted[field] = true
	hidden := b.ix.cfg.displayed != nil && !slices.Contains(b.ix.cfg.displayed, field)
	b.rules = append(b.rules, &sortRule{field: field, desc: desc, redacted: hidden})
}

func (b *ruleBuilder) sort() {
	if !b.once("sort") {
		return
	}
	for _, s := range b.o.sort {
		if s.Geo != nil {
			b.rules = append(b.rules, &geoRule{target: *s.Geo, desc: s.Desc})
		} else {
			b.sortBy(s.Attr, s.Desc)
		}
	}
}

func (b *ruleBuilder) relevancy(rule string) {
	switch b.o.kind {
	case placeholderSearch:
		return
	case vectorSearch:
		if b.once("vector") {
			b.rules = append(b.rules, b.o.vector())
		}
		return
	}
	if b.once("words") {
		b.rules = append(b.rules, wordsRule(b.o.strategy))
	}
	switch rule {
	case "typo":
		if b.once(rule) {
			b.rules = append(b.rules, typoRule())
		}
	case "proximity":
		if b.once(rule) {
			b.rules = append(b.rules, proximityRule())
		}
	case "attribute":
		if !b.seen["attributeRank"] && !b.seen["wordPosition"] && b.once(rule) {
			b.rules = append(b.rules, attributeRule(), positionRule())
		}
	case "attributeRank":
		if !b.seen["attribute"] && b.once(rule) {
			b.rules = append(b.rules, attributeRule())
		}
	case "wordPosition":
		if !b.seen["attribute"] && b.once(rule) {
			b.rules = append(b.rules, positionRule())
		}
	case "exactness":
		if b.once(rule) {
			b.rules = append(b.rules, &exactAttributeRule{}, exactWordsRule())
		}
	}
}
