package engine

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// matchingWords is what a query highlights: the words and phrases it was found
// to stand for, as far as the search looked them up.
type matchingWords struct {
	phrases []locatedPhrase
	words   []locatedWords
}

type locatedPhrase struct {
	words []string
	ids   []int // positions in the query
}

type locatedWords struct {
	words  []string
	ids    []int
	prefix bool
	chars  int // characters of the word in the query
}

func newMatchingWords(terms []*termSubset) *matchingWords {
	m := &matchingWords{}
	for _, s := range terms {
		t := s.term
		var ids []int
		for i := s.start; i <= s.end; i++ {
			ids = append(ids, i)
		}
		phrases := slices.Clone(t.synonyms)
		if t.phrase != nil {
			phrases = append(phrases, t.phrase)
		}
		if t.split != nil {
			phrases = append(phrases, t.split)
		}
		slices.SortFunc(phrases, func(a, b *phrase) int { return a.id - b.id })
		for _, p := range phrases {
			m.phrases = append(m.phrases, locatedPhrase{p.words, ids})
		}
		var words []string
		if t.exact && t.phrase == nil {
			words = append(words, t.original)
		}
		words = append(append(append(words, t.prefixOf...), t.oneTypo...), t.twoTypo...)
		m.words = append(m.words, locatedWords{words, ids, t.isPrefix, utf8.RuneCountInString(t.original)})
	}
	slices.SortStableFunc(m.words, func(a, b locatedWords) int {
		if a.prefix != b.prefix {
			if a.prefix {
				return 1
			}
			return -1
		}
		return len(b.ids) - len(a.ids)
	})
	return m
}

// match is a stretch of a text that matches the query.
type match struct {
	chars                 int
	ids                   []int
	firstToken, lastToken int
	firstWord, lastWord   int
}

// matches finds what matches in the tokens of a text.
func (m *matchingWords) matches(tokens []token) []match {
	words := make([]int, 0, len(tokens)) // token numbers of the words
	for i := range tokens {
		if !tokens[i].kind.separator() {
			words = append(words, i)
		}
	}
	var out []match
	for at := 0; at < len(words); at++ {
		if n, ok := m.phraseAt(tokens, words, at, &out); ok {
			at += n - 1
			continue
		}
		t := &tokens[words[at]]
		if chars, ids, ok := m.wordAt(t); ok {
			out = append(out, match{chars, ids, words[at], words[at], at, at})
		}
	}
	return out
}

func (m *matchingWords) phraseAt(tokens []token, words []int, at int, out *[]match) (int, bool) {
	for _, p := range m.phrases {
		if at+len(p.words) > len(words) || !phraseMatches(p.words, tokens, words[at:]) {
			continue
		}
		last := at + len(p.words) - 1
		if last == at {
			*out = append(*out, match{tokens[words[at]].chars, p.ids, words[at], words[at], at, at})
			return 1, true
		}
		chars := 0
		for i := words[at]; i <= words[last]; i++ {
			chars += tokens[i].chars
		}
		*out = append(*out, match{chars, p.ids, words[at], words[last], at, last})
		return len(p.words), true
	}
	return 0, false
}

func phraseMatches(phrase []string, tokens []token, words []int) bool {
	for i, w := range phrase {
		t := &tokens[words[i]]
		if w == "" && t.kind != stopWordToken || w != "" && t.lemma != w {
			return false
		}
	}
	return true
}

func (m *matchingWords) wordAt(t *token) (chars int, ids []int, ok bool) {
	for i := range m.words {
		l := &m.words[i]
		for _, w := range l.words {
			switch {
			case l.prefix && strings.HasPrefix(t.lemma, w):
				n := prefixBytes(w, l.chars)
				if n == 0 {
					continue
				}
				return t.originalChars(n), l.ids, true
			case t.lemma == w:
				return t.chars, l.ids, true
			}
		}
	}
	return 0, nil, false
}

// prefixBytes is the length of the first n characters of a word.
func prefixBytes(w string, n int) int {
	size := 0
	for i, r := range w {
		if n == 0 {
			break
		}
		n--
		size = i + utf8.RuneLen(r)
	}
	return size
}

// bestInterval picks the run of matches within a number of words that matches
// the query best. It gives the numbers of its first and its last match.
func bestInterval(matches []match, size int) (int, int) {
	var best *[2]int
	var bestScore [3]int
	save := func(first, last int) {
		score := intervalScore(matches[first : last+1])
		if best == nil || slices.Compare(score[:], bestScore[:]) > 0 {
			best, bestScore = &[2]int{first, last}, score
		}
	}
	first := 0
	start := matches[0].firstWord
	for i, next := range matches {
		if next.lastWord-start < size {
			continue
		}
		if i != 0 {
			save(first, i-1)
		}
		for {
			first++
			if first == len(matches) {
				first--
				break
			}
			start = matches[first].firstWord
			if start > next.lastWord || next.lastWord-start < size {
				break
			}
		}
	}
	last := len(matches) - 1
	if first != last || matches[first].lastWord-matches[first].firstWord+1 < size {
		save(first, last)
	}
	if best == nil {
		return 0, 0
	}
	return best[0], best[1]
}

// intervalScore rates matches by how many words of the query they cover, how
// close to each other they are and how many are in order.
func intervalScore(matches []match) [3]int {
	ids := map[int]bool{}
	order, distance := 0, 0
	for i, m := range matches {
		for _, id := range m.ids {
			ids[id] = true
		}
		inner := m.lastWord - m.firstWord
		if m.firstToken != m.lastToken {
			order += inner
			distance -= inner
		}
		if i+1 < len(matches) {
			next := matches[i+1]
			if slices.Min(next.ids) > slices.Min(m.ids) {
				order++
			}
			distance -= min(next.firstWord-m.lastWord, 7)
		}
	}
	return [3]int{len(ids), distance, order}
}
