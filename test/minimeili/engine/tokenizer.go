package engine

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind says what a token is to the index and to a query.
type tokenKind uint8

const (
	wordToken tokenKind = iota
	stopWordToken
	softSeparator
	hardSeparator
)

func (k tokenKind) separator() bool { return k >= softSeparator }

// token is a piece of text. Offsets are bytes of the original text.
type token struct {
	kind       tokenKind
	lemma      string
	start, end int
	chars      int // characters of the original text
	// lengths maps each original character to its length in bytes before and
	// after normalisation; only filled on demand of the highlighter.
	lengths [][2]uint8
}

// tokenizer cuts a text into words and separators and normalises the words.
type tokenizer struct {
	stopWords  map[string]bool
	separators map[string]bool // nil: the default ones
	patterns   map[rune][]string
	charMap    bool
}

var (
	defaultSeparators = expand(separatorRanges)
	hardSeparators    = expand(hardSeparatorRanges)
	defaultPatterns   = patternsOf(defaultSeparators)
)

func expand(ranges [][2]rune) map[string]bool {
	set := map[string]bool{}
	for _, r := range ranges {
		for c := r[0]; c <= r[1]; c++ {
			set[string(c)] = true
		}
	}
	for _, s := range longSeparators {
		set[s] = true
	}
	return set
}

// patternsOf groups strings by first rune, longest first, for a leftmost-longest search.
func patternsOf(set map[string]bool) map[rune][]string {
	p := map[rune][]string{}
	for s := range set {
		if s == "" {
			continue
		}
		r, _ := utf8.DecodeRuneInString(s)
		p[r] = append(p[r], s)
	}
	for _, l := range p {
		slices.SortFunc(l, func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		})
	}
	return p
}

// newTokenizer builds the tokenizer of an index. Queries and documents see stop
// words; the highlighter of hits does not.
func newTokenizer(c *config, stopWords, charMap bool) *tokenizer {
	t := &tokenizer{patterns: defaultPatterns, charMap: charMap}
	if stopWords {
		t.stopWords = c.stopWords
	}
	if len(c.separatorTokens) > 0 || len(c.nonSeparatorTokens) > 0 {
		t.separators = map[string]bool{}
		for s := range defaultSeparators {
			t.separators[s] = true
		}
		for _, s := range c.separatorTokens {
			t.separators[s] = true
		}
		for _, s := range c.nonSeparatorTokens {
			delete(t.separators, s)
		}
	}
	if t.separators != nil || len(c.dictionary) > 0 {
		all := map[string]bool{}
		base := t.separators
		if base == nil {
			base = defaultSeparators
		}
		for s := range base {
			all[s] = true
		}
		for _, s := range c.dictionary {
			all[s] = true
		}
		t.patterns = patternsOf(all)
	}
	return t
}

// tokenize gives the tokens of a text in order; together they cover it.
func (t *tokenizer) tokenize(text string) []token {
	tokens := make([]token, 0, len(text)/3+1)
	for start := 0; start < len(text); {
		end, sc := scriptRun(text, start)
		tokens = t.segment(tokens, text, start, end, sc)
		start = end
	}
	return tokens
}

// scriptRun finds the end of the run of one script that starts at start.
// Characters of no script belong to the run before them.
func scriptRun(text string, start int) (int, script) {
	current := scriptOther
	for i, r := range text[start:] {
		if s := scriptOf(r); s != scriptOther && s != current {
			if current != scriptOther {
				return start + i, current
			}
			current = s
		}
	}
	return len(text), current
}

func (t *tokenizer) segment(tokens []token, text string, start, end int, sc script) []token {
	wordStart := start
	for i := start; i < end; {
		r, size := utf8.DecodeRuneInString(text[i:end])
		match := ""
		for _, p := range t.patterns[r] {
			if strings.HasPrefix(text[i:end], p) {
				match = p
				break
			}
		}
		if match == "" {
			i += size
			continue
		}
		tokens = t.words(tokens, text, wordStart, i, sc)
		tokens = append(tokens, t.token(text, i, i+len(match), sc))
		i += len(match)
		wordStart = i
	}
	return t.words(tokens, text, wordStart, end, sc)
}

// words appends the word between two separators, if any. The article of Arabic
// words is cut off.
func (t *tokenizer) words(tokens []token, text string, start, end int, sc script) []token {
	if start >= end {
		return tokens
	}
	if s := text[start:end]; sc == scriptArabic && len(s) > 4 {
		for _, article := range []string{"ال", "أل", "إل", "آل", "ٱل"} {
			if strings.HasPrefix(s, article) {
				tokens = append(tokens, t.token(text, start, start+4, sc))
				return append(tokens, t.token(text, start+4, end, sc))
			}
		}
	}
	return append(tokens, t.token(text, start, end, sc))
}

func (t *tokenizer) token(text string, start, end int, sc script) token {
	original := text[start:end]
	tok := token{start: start, end: end, chars: utf8.RuneCountInString(original)}
	decomposed := decompose(original)
	tok.kind = t.kindOf(decomposed)
	tok.lemma = simplify(decomposed, sc)
	if t.charMap && (tok.lemma != original || !isASCII(original)) {
		tok.lengths = make([][2]uint8, 0, tok.chars)
		for _, r := range original {
			c := string(r)
			tok.lengths = append(tok.lengths, [2]uint8{uint8(len(c)), uint8(len(simplify(decompose(c), sc)))})
		}
	}
	return tok
}

func (t *tokenizer) kindOf(lemma string) tokenKind {
	if t.stopWords[lemma] {
		return stopWordToken
	}
	set := t.separators
	if set == nil {
		set = defaultSeparators
	}
	if !set[lemma] {
		return wordToken
	}
	if hardSeparators[lemma] {
		return hardSeparator
	}
	return softSeparator
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decompose applies the compatibility decomposition, character by character,
// and drops control characters.
func decompose(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' || s[i] == 0x7f {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		d := string(r)
		if r >= utf8.RuneSelf {
			d = nfkd(d)
		}
		for _, c := range d {
			if !isControl(c) {
				b.WriteRune(c)
			}
		}
	}
	return b.String()
}

// simplify applies the normalisations that lose something: case, quotes,
// ligatures and marks.
func simplify(s string, sc script) string {
	changed := false
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			changed = true
			break
		}
	}
	if !changed {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		if sc.cased() {
			if r == 'İ' { // the one letter whose lower case takes two characters
				b.WriteRune('i')
				if !sc.stripsMarks() {
					b.WriteRune(0x307)
				}
				continue
			}
			r = unicode.ToLower(r)
		}
		if sc == scriptLatin {
			switch r {
			case '’', '‘', '‛':
				r = '\''
			case 'œ', 'Œ':
				b.WriteString("oe")
				continue
			case 'æ', 'Æ':
				b.WriteString("ae")
				continue
			}
		}
		if sc == scriptArabic {
			switch r {
			case 'ـ':
				continue
			case 'أ', 'إ', 'آ', 'ٱ':
				r = 'ا'
			case 'ى':
				r = 'ي'
			case 'ة':
				r = 'ه'
			}
		}
		if sc.stripsMarks() && unicode.Is(unicode.Mn, r) {
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// originalChars gives how many characters of the original token make the first
// n bytes of its lemma.
func (t *token) originalChars(n int) int {
	if t.lengths == nil {
		count := 0
		for i := range t.lemma {
			if i >= n {
				break
			}
			count++
		}
		return count
	}
	normalized, count := 0, 0
	for _, l := range t.lengths {
		if normalized >= n {
			break
		}
		normalized += int(l[1])
		count++
	}
	return count
}

// normalizeFacet is the form in which facet values are compared.
func normalizeFacet(s string) string {
	s = strings.TrimSpace(s)
	if !isASCII(s) {
		s = nfkd(s)
	}
	return truncateFacet(strings.ToLower(s))
}

const maxFacetLength = 468

func truncateFacet(s string) string {
	if len(s) <= maxFacetLength {
		return s
	}
	n := maxFacetLength
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// wordsOf gives the normalised words of a text.
func (t *tokenizer) wordsOf(text string) []string {
	var words []string
	for _, tok := range t.tokenize(text) {
		if tok.kind == wordToken && tok.lemma != "" {
			words = append(words, tok.lemma)
		}
	}
	return words
}
