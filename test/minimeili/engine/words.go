package engine

import (
	"cmp"
	"slices"
	"strings"
)

// posting lists the documents with a word and where the word stands in them.
type posting struct {
	word string
	docs []uint32   // ascending
	occ  [][]uint32 // per document: field id << 16 | position
}

func (p *posting) find(docid uint32) (int, bool) { return slices.BinarySearch(p.docs, docid) }

func (p *posting) insert(docid uint32, occ []uint32) {
	i, _ := p.find(docid)
	p.docs = slices.Insert(p.docs, i, docid)
	p.occ = slices.Insert(p.occ, i, occ)
}

func (p *posting) remove(docid uint32) {
	if i, ok := p.find(docid); ok {
		p.docs = slices.Delete(p.docs, i, i+1)
		p.occ = slices.Delete(p.occ, i, i+1)
	}
}

const (
	maxWordLength   = 250
	maxPosition     = 1<<16 - 1
	maxCountedWords = 30
	// fieldGap separates the words of two values of a field, and of two sentences.
	fieldGap = 8
)

// searchWeight gives the rank of a field among the searchable attributes.
func (c *config) searchWeight(field string) (int, bool) {
	if reservedField(field) {
		return 0, false
	}
	if c.searchable == nil {
		return 0, true
	}
	for i, s := range c.searchable {
		if under(field, s) {
			return i, true
		}
	}
	return 0, false
}

// reservedField tells whether a field has a meaning of its own and no words.
func reservedField(field string) bool {
	return under(field, "_vectors") || under(field, "_geo") || under(field, "_geojson")
}

// occurrence is a word at a place in a document.
type occurrence struct {
	word string
	at   uint32
}

// wordReader walks a document and collects the words of its searchable fields.
type wordReader struct {
	ix       *Index
	tok      *tokenizer
	position map[uint16]int
	words    []occurrence
	counts   map[uint16]int
}

func (ix *Index) indexWords(d *document) {
	r := wordReader{ix: ix, tok: ix.cfg.tok, position: map[uint16]int{}, counts: map[uint16]int{}}
	for _, m := range d.body.members {
		if !reservedField(m.key) {
			r.topLevel(m.key, m.value)
		}
	}
	d.counts = r.counts
	ix.addWords(d, r.words)
	for fid, n := range r.counts {
		if n <= maxCountedWords {
			ix.countSet(fid, n).add(d.docid)
		}
	}
}

func (s *store) countSet(fid uint16, n int) *docSet {
	m := s.counts[fid]
	if m == nil {
		m = map[int]*docSet{}
		s.counts[fid] = m
	}
	if m[n] == nil {
		m[n] = &docSet{}
	}
	return m[n]
}

func (ix *Index) addWords(d *document, words []occurrence) {
	slices.SortStableFunc(words, func(a, b occurrence) int { return cmp.Compare(a.word, b.word) })
	places := make([]uint32, len(words))
	for i, w := range words {
		places[i] = w.at
	}
	d.terms = d.terms[:0]
	for i := 0; i < len(words); {
		j := i + 1
		for j < len(words) && words[j].word == words[i].word {
			j++
		}
		p := ix.words[words[i].word]
		if p == nil {
			p = &posting{word: strings.Clone(words[i].word)}
			ix.words[p.word] = p
			ix.dict = nil
		} else if len(ix.cfg.exactAttributes) > 0 {
			ix.dict = nil // a word may only now occur where typos are tolerated
		}
		p.insert(d.docid, places[i:j:j])
		d.terms = append(d.terms, p)
		i = j
	}
}

func (ix *Index) unindexWords(d *document) {
	for _, p := range d.terms {
		p.remove(d.docid)
		if len(p.docs) == 0 {
			delete(ix.words, p.word)
			ix.dict = nil
		} else if len(ix.cfg.exactAttributes) > 0 {
			ix.dict = nil
		}
	}
	d.terms = nil
	for fid, n := range d.counts {
		if n <= maxCountedWords {
			ix.countSet(fid, n).remove(d.docid)
		}
	}
}

func (r *wordReader) topLevel(field string, v any) {
	r.ix.fieldID(field)
	switch v := v.(type) {
	case *object:
		r.object(v, field)
	case []any:
		r.array(v, field)
	default:
		r.leaf(field, v)
	}
}

func (r *wordReader) object(o *object, base string) {
	if len(o.members) == 0 {
		r.leaf(base, o)
	}
	for _, m := range o.members {
		field := base + "." + m.key
		r.leaf(field, m.value)
		switch v := m.value.(type) {
		case *object:
			r.object(v, field)
		case []any:
			r.array(v, field)
		}
	}
}

func (r *wordReader) array(a []any, base string) {
	if len(a) == 0 {
		r.leaf(base, a)
	}
	for _, e := range a {
		switch v := e.(type) {
		case *object:
			r.object(v, base)
		case []any:
			r.array(v, base)
		default:
			r.leaf(base, v)
		}
	}
}

// leaf reads the words of one value. Every value of a field, empty or not,
// starts well after the one before it.
func (r *wordReader) leaf(field string, v any) {
	fid := r.ix.fieldID(field)
	if _, ok := r.ix.cfg.searchWeight(field); !ok {
		return
	}
	start, seen := r.position[fid]
	if seen {
		start += fieldGap
	}
	r.position[fid] = start
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case number:
		text = v.text
	case bool:
		text = "false"
		if v {
			text = "true"
		}
	default:
		return
	}
	previous := tokenKind(255)
	const none = tokenKind(255)
	position := start
	for _, t := range r.tok.tokenize(text) {
		switch {
		case t.kind.separator():
			if previous != none && previous != hardSeparator {
				previous = t.kind
			}
			continue
		case t.lemma == "":
			continue
		case previous == hardSeparator:
			position += fieldGap
		case previous != none:
			position++
		}
		previous = t.kind
		if position > maxPosition {
			return
		}
		word := strings.TrimSpace(t.lemma)
		if t.kind == stopWordToken || word == "" || len(word) > maxWordLength {
			continue
		}
		r.position[fid] = position
		r.counts[fid]++
		r.words = append(r.words, occurrence{word, uint32(fid)<<16 | uint32(position)})
	}
}

// bucketPosition is the coarser position that the wordPosition rule works with.
func bucketPosition(p int) int {
	switch {
	case p < 16:
		return p
	case p < 24:
		return 24
	}
	b := 32
	for b < p {
		b *= 2
	}
	return b
}

// exactOccurrence tells whether an occurrence only matches without typos.
func (ix *Index) exactOccurrence(word string, at uint32) bool {
	for _, a := range ix.cfg.exactAttributes {
		if under(ix.fields[at>>16], a) {
			return true
		}
	}
	return ix.cfg.exactNumbers && isNumeric(word)
}

func (ix *Index) hasExactness() bool { return len(ix.cfg.exactAttributes) > 0 || ix.cfg.exactNumbers }
