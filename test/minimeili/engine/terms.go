package engine

import (
	"slices"
	"strconv"
	"strings"
)

// phrase is words side by side; "" stands for a stop word, which any may be.
type phrase struct {
	id    int
	words []string
}

// queryTerm is a word, a phrase or words joined, with all that stands for it in
// the index. What costs typos is only looked up when asked for.
type queryTerm struct {
	id         int
	original   string
	ngramWords []string // of words joined
	maxTypos   int
	isPrefix   bool

	phrase      *phrase
	exact       bool     // the word itself is in the index
	prefixOf    []string // words it begins
	synonyms    []*phrase
	usePrefixDB bool // the index has postings of the prefix

	computed bool // the rest is known
	split    *phrase
	oneTypo  []string
	twoTypo  []string
}

func (t *queryTerm) allowsSplit() bool { return t.phrase == nil }

// derivations is a choice among the derivations of a term of one typo count.
type derivations struct {
	kind    uint8 // none, some, every
	words   []string
	phrases []*phrase
}

const (
	none uint8 = iota
	some
	every
)

func (d derivations) empty() bool {
	return d.kind == none || d.kind == some && len(d.words) == 0 && len(d.phrases) == 0
}

func (d derivations) hasWord(w string) bool {
	return d.kind == every || d.kind == some && slices.Contains(d.words, w)
}

func (d derivations) hasPhrase(p *phrase) bool {
	return d.kind == every || d.kind == some && slices.Contains(d.phrases, p)
}

func (d derivations) intersect(o derivations) derivations {
	switch {
	case d.kind == none || o.kind == every:
		return d
	case d.kind == every || o.kind == none:
		return o
	}
	r := derivations{kind: some}
	for _, w := range d.words {
		if slices.Contains(o.words, w) {
			r.words = append(r.words, w)
		}
	}
	for _, p := range d.phrases {
		if slices.Contains(o.phrases, p) {
			r.phrases = append(r.phrases, p)
		}
	}
	return r
}

func (d derivations) key(b *strings.Builder) {
	b.WriteByte('0' + d.kind)
	for _, w := range d.words {
		b.WriteString(w)
		b.WriteByte(0)
	}
	for _, p := range d.phrases {
		b.WriteString(strconv.Itoa(p.id))
		b.WriteByte(1)
	}
}

// termSubset is a term with a choice of its derivations, at a place of the query.
type termSubset struct {
	term           *queryTerm
	zero, one, two derivations
	mandatory      bool // matching strategies may not drop it
	start, end     int  // positions in the query
	first, last    int  // numbers of the query's terms it stands for
}

func fullSubset(t *queryTerm, start, end, first, last int) *termSubset {
	all := derivations{kind: every}
	return &termSubset{term: t, zero: all, one: all, two: all, start: start, end: end, first: first, last: last}
}

func (s *termSubset) size() int { return s.last - s.first + 1 }

// key identifies the subset by its content.
func (s *termSubset) key() string {
	var b strings.Builder
	for _, n := range [...]int{s.term.id, s.start, s.end, s.first, s.last} {
		b.WriteString(strconv.Itoa(n))
		b.WriteByte(',')
	}
	s.zero.key(&b)
	s.one.key(&b)
	s.two.key(&b)
	if s.mandatory {
		b.WriteByte('m')
	}
	return b.String()
}

// exactTerm gives the word or the phrase that the term literally is, if it is
// among the chosen derivations.
func (s *termSubset) exactTerm() (words []string, p *phrase, ok bool) {
	t := s.term
	switch {
	case t.ngramWords != nil:
		return nil, nil, false
	case t.phrase != nil:
		return t.phrase.words, t.phrase, s.zero.hasPhrase(t.phrase)
	case t.exact:
		return []string{t.original}, nil, s.zero.hasWord(t.original)
	}
	return nil, nil, false
}

// keepExact leaves nothing but the literal term.
func (s *termSubset) keepExact() {
	words, p, ok := s.exactTerm()
	if !ok {
		return
	}
	if p != nil {
		s.zero = derivations{kind: some, phrases: []*phrase{p}}
	} else {
		s.zero = derivations{kind: some, words: words}
	}
	s.one, s.two = derivations{}, derivations{}
}

func (s *termSubset) originalPhrase() *phrase {
	if p := s.term.phrase; p != nil && s.zero.hasPhrase(p) {
		return p
	}
	return nil
}

// maxTypoCost is the most typos the chosen derivations can cost.
func (s *termSubset) maxTypoCost() int {
	switch s.term.maxTypos {
	case 0:
		if s.term.allowsSplit() {
			return 1
		}
		return 0
	case 1:
		if s.one.empty() {
			return 0
		}
		return 1
	}
	switch {
	case !s.two.empty():
		return 2
	case !s.one.empty():
		return 1
	}
	return 0
}

// derivedWord is a word standing for a term. A literal one also matches where
// typos are not tolerated.
type derivedWord struct {
	word    string
	literal bool
}

// words lists the single words of the subset, prefixes with postings apart.
func (s *termSubset) words(c *searchContext) []derivedWord {
	if !s.one.empty() || !s.two.empty() {
		c.compute(s.term)
	}
	t := s.term
	literal := t.ngramWords == nil
	var out []derivedWord
	if s.zero.kind != none {
		if t.exact && s.zero.hasWord(t.original) {
			out = append(out, derivedWord{t.original, literal})
		}
		for _, w := range t.prefixOf {
			if s.zero.hasWord(w) {
				out = append(out, derivedWord{w, literal})
			}
		}
	}
	for _, w := range t.oneTypo {
		if s.one.hasWord(w) {
			out = append(out, derivedWord{w, false})
		}
	}
	for _, w := range t.twoTypo {
		if s.two.hasWord(w) {
			out = append(out, derivedWord{w, false})
		}
	}
	return out
}

// phrases lists the phrases of the subset: the term itself, its synonyms, the
// words it splits into. The first two stay whatever was chosen.
func (s *termSubset) phrases(c *searchContext) []*phrase {
	if !s.one.empty() {
		c.compute(s.term)
	}
	t := s.term
	var out []*phrase
	if t.phrase != nil {
		out = append(out, t.phrase)
	}
	out = append(out, t.synonyms...)
	if t.split != nil && s.one.kind != none && s.one.hasPhrase(t.split) {
		out = append(out, t.split)
	}
	return out
}

// prefix gives the prefix with postings of its own that the subset uses.
func (s *termSubset) prefix() (derivedWord, bool) {
	if s.term.usePrefixDB && s.zero.hasWord(s.term.original) {
		return derivedWord{s.term.original, s.term.ngramWords == nil}, true
	}
	return derivedWord{}, false
}
