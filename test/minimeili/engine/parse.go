package engine

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxQueryTokens    = 1000
	maxQueryTerms     = 10
	maxSynonymPhrases = 50
	maxSynonymWords   = 100
)

// parsedQuery is what a query's text says.
type parsedQuery struct {
	terms           []*termSubset // in the order of the text
	negativeWords   []string
	negativePhrases []*phrase
}

// queryParser reads a query's tokens.
type queryParser struct {
	c        *searchContext
	out      parsedQuery
	position int

	phrase         []string // words of the open phrase; nil when none is open
	inPhrase       bool
	phraseStart    int
	phraseEnd      int
	negativePhrase bool
	negativeNext   bool
	afterSpace     bool
}

func (c *searchContext) parse(query string) parsedQuery {
	p := queryParser{c: c, position: -1, afterSpace: true}
	tokens := c.tok.tokenize(query)
	tokens = tokens[:min(len(tokens), maxQueryTokens)]
	for i := range tokens {
		t := &tokens[i]
		if t.lemma == "" {
			continue
		}
		if len(p.out.terms) >= maxQueryTerms {
			return p.out
		}
		if t.kind.separator() {
			p.separator(t)
		} else {
			p.word(t, i == len(tokens)-1)
		}
		last, _ := utf8.DecodeLastRuneInString(t.lemma)
		p.afterSpace = unicode.IsSpace(last)
	}
	if p.inPhrase {
		p.closePhrase()
	}
	return p.out
}

func (p *queryParser) word(t *token, last bool) {
	p.position++
	switch {
	case p.inPhrase:
		word := t.lemma
		if t.kind == stopWordToken {
			word = ""
		}
		if !slices.ContainsFunc(p.phrase, func(w string) bool { return w != "" }) {
			p.phraseStart = p.position
		}
		p.phraseEnd = p.position
		p.phrase = append(p.phrase, word)
	case p.negativeNext:
		p.out.negativeWords = append(p.out.negativeWords, t.lemma)
		p.negativeNext = false
	case last:
		p.add(p.c.wordTerm(t.lemma, p.c.allowedTypos(t.lemma), p.c.ix.cfg.prefixSearch, false), p.position, p.position)
	case t.kind == wordToken:
		p.add(p.c.wordTerm(t.lemma, p.c.allowedTypos(t.lemma), false, false), p.position, p.position)
	}
}

func (p *queryParser) add(t *queryTerm, start, end int) {
	n := len(p.out.terms)
	p.out.terms = append(p.out.terms, fullSubset(t, start, end, n, n))
}

func (p *queryParser) separator(t *token) {
	if t.kind == hardSeparator {
		p.position += 7
		if p.inPhrase { // a phrase goes on in another one
			negative := p.negativePhrase
			p.closePhrase()
			p.inPhrase, p.negativePhrase = true, negative
		}
	}
	if quotes := strings.Count(t.lemma, `"`); quotes > 0 {
		if p.inPhrase {
			quotes--
			p.closePhrase()
		}
		if quotes%2 == 1 {
			p.inPhrase = true
			p.negativePhrase = p.negativeNext
		}
	}
	p.negativeNext = !p.inPhrase && t.lemma == "-" && p.afterSpace
}

func (p *queryParser) closePhrase() {
	words := p.phrase
	p.phrase, p.inPhrase = nil, false
	negative := p.negativePhrase
	p.negativePhrase = false
	if !slices.ContainsFunc(words, func(w string) bool { return w != "" }) {
		p.negativePhrase = negative
		return
	}
	ph := p.c.internPhrase(words)
	if negative {
		p.out.negativePhrases = append(p.out.negativePhrases, ph)
		return
	}
	t := p.c.newTerm(&queryTerm{original: joinWords(words), phrase: ph})
	p.add(t, p.phraseStart, p.phraseEnd)
}

func joinWords(words []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), " ")
}

func (c *searchContext) newTerm(t *queryTerm) *queryTerm {
	t.id = len(c.terms)
	c.terms = append(c.terms, t)
	return t
}

func (c *searchContext) internPhrase(words []string) *phrase {
	key := strings.Join(words, "\x00")
	if p := c.phrases[key]; p != nil {
		return p
	}
	p := &phrase{id: len(c.phrases), words: words}
	c.phrases[key] = p
	return p
}

// allowedTypos gives how many typos a word of the query may have.
func (c *searchContext) allowedTypos(word string) int {
	cfg := c.ix.cfg
	n := utf8.RuneCountInString(word)
	switch {
	case !cfg.typos || n < cfg.oneTypo || cfg.exactWords[word]:
		return 0
	case n < cfg.twoTypos:
		return 1
	}
	return 2
}

// wordTerm looks up what a word stands for without typos.
func (c *searchContext) wordTerm(word string, typos int, prefix, ngram bool) *queryTerm {
	t := c.newTerm(&queryTerm{original: word, maxTypos: typos, isPrefix: prefix})
	if len(word) > maxWordLength {
		t.isPrefix, t.maxTypos, t.computed = false, 0, true
		return t
	}
	t.exact = c.ix.words[word] != nil
	if prefix {
		t.usePrefixDB = c.dict.hasPrefixPostings(word)
		if !t.usePrefixDB {
			t.prefixOf = c.prefixDerivations(word)
		}
	}
	count := 0
	for _, s := range c.synonymsOf(word) {
		if count+len(s.words) > maxSynonymWords {
			continue
		}
		count += len(s.words)
		t.synonyms = append(t.synonyms, s)
	}
	return t
}

func (c *searchContext) prefixDerivations(word string) []string {
	words := c.dict.withPrefix(word)
	if c.ix.hasExactness() {
		words = nil
		for w := range c.ix.words {
			if strings.HasPrefix(w, word) {
				words = append(words, w)
			}
		}
		slices.Sort(words)
	}
	out := make([]string, 0, len(words))
	for _, w := range words {
		if w != word {
			if out = append(out, w); len(out) >= maxPrefixWords {
				break
			}
		}
	}
	return out
}

// synonymsOf gives the synonyms of words in a row, as phrases.
func (c *searchContext) synonymsOf(words ...string) []*phrase {
	if len(c.ix.cfg.synonyms) == 0 {
		return nil
	}
	if c.synonyms == nil {
		c.synonyms = map[string][]string{}
		for from, to := range c.ix.cfg.synonyms {
			if key := strings.Join(c.tok.wordsOf(from), "\x00"); key != "" {
				c.synonyms[key] = append(c.synonyms[key], to...)
			}
		}
	}
	to := slices.Clone(c.synonyms[strings.Join(words, "\x00")])
	slices.Sort(to)
	var out []*phrase
	for _, s := range slices.Compact(to) {
		if w := c.tok.wordsOf(s); len(w) > 0 && (len(words) > 1 || len(out) < maxSynonymPhrases) {
			if p := c.internPhrase(w); !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// ngram joins two or three neighbouring words of the query.
func (c *searchContext) ngram(terms []*termSubset) *termSubset {
	var words []string
	for i, t := range terms {
		if t.term.phrase != nil || t.term.ngramWords != nil || i > 0 && terms[i-1].end != t.start-1 {
			return nil
		}
		words = append(words, t.term.original)
	}
	joined := strings.Join(words, "")
	if len(joined) > maxWordLength {
		return nil
	}
	last := terms[len(terms)-1]
	t := c.wordTerm(joined, max(0, c.allowedTypos(joined)-(len(terms)-1)), last.term.isPrefix, true)
	t.ngramWords = words
	for _, s := range c.synonymsOf(words...) {
		if !slices.Contains(t.synonyms, s) {
			t.synonyms = append(t.synonyms, s)
		}
	}
	return fullSubset(t, terms[0].start, last.end, terms[0].first, last.last)
}

// compute looks up what a term stands for with typos.
func (c *searchContext) compute(t *queryTerm) {
	if t.computed {
		return
	}
	t.computed = true
	switch t.maxTypos {
	case 0:
	case 1:
		t.oneTypo = c.dict.oneTypo(t.original, t.isPrefix)
	default:
		t.oneTypo, t.twoTypo = c.dict.twoTypos(t.original, t.isPrefix)
	}
	if t.maxTypos > 1 || t.allowsSplit() {
		t.split = c.splitWord(t)
	}
}

// splitWord cuts a word into the two words most often found side by side.
func (c *searchContext) splitWord(t *queryTerm) *phrase {
	best, left, right := -1, "", ""
	for i := range t.original {
		if i == 0 {
			continue
		}
		if n, ok := c.pairFrequency(t.original[:i], t.original[i:]); ok && n > best {
			best, left, right = n, t.original[:i], t.original[i:]
		}
	}
	if best < 0 || t.maxTypos <= 1 && slices.Equal(t.ngramWords, []string{left, right}) {
		return nil
	}
	return c.internPhrase([]string{left, right})
}
