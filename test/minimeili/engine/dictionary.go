package engine

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// dictionary is the sorted list of the words that tolerate typos.
type dictionary struct {
	words  []string
	counts map[string]int // of words by prefix of 1 to 4 bytes
}

const (
	prefixThreshold = 100 // words that make a prefix worth its own postings
	maxPrefixLength = 4

	maxPrefixWords  = 1000
	maxOneTypoWords = 150
	maxTwoTypoWords = 50
)

// dictionary builds the word list on first use after a change. Searches hold
// only the read lock, hence the mutex of its own.
func (ix *Index) dictionary() *dictionary {
	ix.dictMu.Lock()
	defer ix.dictMu.Unlock()
	if ix.dict != nil {
		return ix.dict
	}
	d := &dictionary{words: make([]string, 0, len(ix.words)), counts: map[string]int{}}
	for w, p := range ix.words {
		if ix.hasExactness() && !ix.tolerant(p) {
			continue
		}
		d.words = append(d.words, w)
		for n := 1; n <= min(maxPrefixLength, len(w)); n++ {
			if n == len(w) || utf8.RuneStart(w[n]) {
				d.counts[w[:n]]++
			}
		}
	}
	slices.Sort(d.words)
	ix.dict = d
	return d
}

// tolerant tells whether a word occurs anywhere that tolerates typos.
func (ix *Index) tolerant(p *posting) bool {
	for _, occ := range p.occ {
		for _, at := range occ {
			if !ix.exactOccurrence(p.word, at) {
				return true
			}
		}
	}
	return false
}

// withPrefix gives the dictionary's words that start with a prefix.
func (d *dictionary) withPrefix(prefix string) []string {
	start, _ := slices.BinarySearch(d.words, prefix)
	end := start
	for end < len(d.words) && strings.HasPrefix(d.words[end], prefix) {
		end++
	}
	return d.words[start:end]
}

// hasPrefixPostings tells whether the real server keeps postings of a prefix.
func (d *dictionary) hasPrefixPostings(prefix string) bool {
	return len(prefix) <= maxPrefixLength && d.counts[prefix] >= prefixThreshold
}

// typoSearch walks the dictionary for words within a number of edits of a word:
// insertions, deletions, substitutions and swaps of neighbours. With prefix set
// a word may go on after what matches.
type typoSearch struct {
	word   []rune
	max    int
	prefix bool
	rows   [][]int // rows[i] are the distances after i characters of the candidate
	chars  []rune
}

func newTypoSearch(word string, limit int, prefix bool) *typoSearch {
	s := &typoSearch{word: []rune(word), max: limit, prefix: prefix}
	first := make([]int, len(s.word)+1)
	for j := range first {
		first[j] = j
	}
	s.rows = [][]int{first}
	return s
}

// push computes the row of the next character. It tells whether any word going
// on from here can still match.
func (s *typoSearch) push(c rune) bool {
	i := len(s.chars)
	s.chars = append(s.chars, c)
	if len(s.rows) <= i+1 {
		s.rows = append(s.rows, make([]int, len(s.word)+1))
	}
	prev, row := s.rows[i], s.rows[i+1]
	row[0] = i + 1
	least := row[0]
	for j := 1; j <= len(s.word); j++ {
		cost := 1
		if s.word[j-1] == c {
			cost = 0
		}
		d := min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
		if i > 0 && j > 1 && s.word[j-1] == s.chars[i-1] && s.word[j-2] == c {
			d = min(d, s.rows[i-1][j-2]+1)
		}
		row[j] = d
		least = min(least, d)
	}
	if i > 0 { // a swap begun before the last character may still complete
		for _, d := range prev {
			least = min(least, d)
		}
	}
	return least <= s.max
}

// sink tells that what was read matches as well as it ever will, whatever follows.
func (s *typoSearch) sink() bool {
	row := s.rows[len(s.chars)]
	end := row[len(s.word)]
	if !s.prefix || end > s.max {
		return false
	}
	for _, d := range row[:len(s.word)] {
		if d < end {
			return false
		}
	}
	return true
}

func (s *typoSearch) distance() int { return s.rows[len(s.chars)][len(s.word)] }

// visit calls f with every word within the limit and its distance, in order,
// until f returns false.
func (d *dictionary) visit(s *typoSearch, f func(word string, distance int) bool) {
	s.descend(d.words, 0, f)
}

// descend handles words that share their first n bytes, already pushed.
func (s *typoSearch) descend(words []string, n int, f func(string, int) bool) bool {
	if s.sink() {
		distance := s.distance()
		for _, w := range words {
			if !f(w, distance) {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(words); {
		w := words[i]
		if len(w) == n {
			if distance := s.distance(); distance <= s.max && !f(w, distance) {
				return false
			}
			i++
			continue
		}
		c, size := utf8.DecodeRuneInString(w[n:])
		next := w[:n+size]
		j := i + searchEnd(words[i:], next)
		alive := s.push(c)
		if alive && !s.descend(words[i:j], n+size, f) {
			return false
		}
		s.chars = s.chars[:len(s.chars)-1]
		i = j
	}
	return true
}

// searchEnd counts the leading words that start with prefix.
func searchEnd(words []string, prefix string) int {
	low, high := 1, len(words)
	for low < high {
		mid := (low + high) / 2
		if strings.HasPrefix(words[mid], prefix) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// oneTypo lists words one edit away that start with the same letter.
func (d *dictionary) oneTypo(word string, prefix bool) []string {
	var found []string
	first := firstRune(word)
	d.visit(newTypoSearch(word, 1, prefix), func(w string, distance int) bool {
		if distance == 1 && firstRune(w) == first {
			found = append(found, w)
		}
		return len(found) < maxOneTypoWords
	})
	return found
}

// twoTypos lists words one edit away, and words two edits away. A wrong first
// letter counts twice.
func (d *dictionary) twoTypos(word string, prefix bool) (one, two []string) {
	first := firstRune(word)
	distances := map[string]int{}
	d.visit(newTypoSearch(word, 1, prefix), func(w string, distance int) bool {
		if firstRune(w) != first {
			distances[w] = 2
		}
		return true
	})
	d.visit(newTypoSearch(word, 2, prefix), func(w string, distance int) bool {
		if firstRune(w) == first {
			distances[w] = distance
		}
		return true
	})
	words := make([]string, 0, len(distances))
	for w := range distances {
		words = append(words, w)
	}
	slices.Sort(words)
	for _, w := range words {
		switch {
		case distances[w] == 1 && len(one) < maxOneTypoWords:
			one = append(one, w)
		case distances[w] == 2 && len(two) < maxTwoTypoWords:
			two = append(two, w)
		}
	}
	return one, two
}
