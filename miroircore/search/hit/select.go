package hit

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// selected reads the value of a member and leaves out of it what the selectors
// do not select, with Meilisearch's rules: a selector names a member, or
// members inside one after a dot, through arrays.
func (s *scanner) selected(selectors []string, key []byte, depth int) (stay, ok bool) {
	exact, deeper := false, false
	for _, sel := range selectors {
		if !strings.HasPrefix(sel, string(key)) {
			continue
		}
		switch {
		case len(sel) == len(key):
			exact = true
		case sel[len(key)] == '.':
			deeper = true
		}
	}
	if exact && (!deeper || bytes.IndexByte(key, '.') < 0) {
		return true, s.skip(depth)
	}
	if !deeper {
		return false, s.skip(depth)
	}
	var inner []string
	for _, sel := range selectors {
		if len(sel) > len(key) && sel[len(key)] == '.' && strings.HasPrefix(sel, string(key)) {
			inner = append(inner, sel[len(key)+1:])
		}
	}
	switch s.peek() {
	case '{':
		_, ok = s.selectObject(inner, depth)
		return true, ok
	case '[':
		return true, s.selectArray(inner, depth)
	default:
		return false, s.skip(depth)
	}
}

func (s *scanner) selectObject(selectors []string, depth int) (int, bool) {
	if depth >= maxDepth {
		return 0, false
	}
	return s.object(func(key []byte, _ int) (bool, bool) { return s.selected(selectors, key, depth+1) })
}

func (s *scanner) selectArray(selectors []string, depth int) bool {
	if depth >= maxDepth || !s.take('[') {
		return false
	}
	if s.take(']') {
		return true
	}
	out := omission{s: s, base: len(s.a.edits)}
	for {
		ch := s.peek()
		from, mark := s.i, len(s.a.edits)
		stay, ok := false, false
		switch ch {
		case '{':
			var n int
			n, ok = s.selectObject(selectors, depth+1)
			stay = n > 0
		case '[':
			stay, ok = true, s.selectArray(selectors, depth+1)
		default:
			ok = s.skip(depth + 1)
		}
		if !ok {
			return false
		}
		if stay {
			out.keep(from, s.i)
		} else {
			out.drop(mark, from, s.i)
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			out.end(s.i)
			s.i++
			return true
		default:
			return false
		}
	}
}

// collect adds the values that path selects of a member to the hit's distinct
// values. The member has been walked over already, so it is well formed.
func (s *scanner) collect(h *Hit, path string, key []byte, at int) {
	if !strings.HasPrefix(path, string(key)) {
		return
	}
	c := cursor{b: s.b, i: at}
	visit := func(l leaf) {
		h.blank = h.blank || l.isText && l.text == ""
		if !l.empty { // which is no value to Meilisearch's index
			s.a.distinct = append(s.a.distinct, l.facet())
		}
	}
	switch {
	case len(path) == len(key):
		c.leaves(visit)
	case path[len(key)] == '.':
		c.descend(path[len(key)+1:], visit)
	}
}

// leaf is a value as facets know it: a number or a text.
type leaf struct {
	number float64
	text   string // normalised
	isText bool
	empty  bool // a text without even a space
}

func (l leaf) facet() string {
	if l.isText {
		return "s" + l.text
	}
	return "n" + strconv.FormatUint(math.Float64bits(l.number+0), 16)
}

// descend looks for path in an object or in the objects of an array.
func (c *cursor) descend(path string, visit func(leaf)) {
	switch c.peek() {
	case '[':
		c.elements(func() { c.descend(path, visit) })
	case '{':
		c.i++
		for !c.take('}') {
			c.take(',')
			name, escaped, ok := c.text()
			if !ok || !c.take(':') {
				return
			}
			key := c.b[name.From:name.To]
			if escaped {
				key = Unescape(nil, key)
			}
			c.space()
			at := c.i
			if !c.skip(0) {
				return
			}
			sub := cursor{b: c.b, i: at}
			switch {
			case string(key) == path:
				sub.leaves(visit)
			case len(path) > len(key) && path[len(key)] == '.' && strings.HasPrefix(path, string(key)):
				sub.descend(path[len(key)+1:], visit)
			}
		}
	default:
		c.skip(0)
	}
}

func (c *cursor) elements(visit func()) {
	c.i++
	for !c.take(']') {
		c.take(',')
		before := c.i
		visit()
		if c.i == before {
			return
		}
	}
}

// leaves visits a value, or each of an array's.
func (c *cursor) leaves(visit func(leaf)) {
	switch ch := c.peek(); {
	case ch == '[':
		c.elements(func() { c.leaves(visit) })
	case ch == '"':
		span, escaped, ok := c.text()
		if !ok {
			return
		}
		text := c.b[span.From:span.To]
		if escaped {
			text = Unescape(nil, text)
		}
		visit(leaf{text: Normalize(string(text)), isText: true, empty: len(text) == 0})
	case ch == 't' || ch == 'f':
		from := c.i
		c.literal()
		visit(leaf{text: string(c.b[from:c.i]), isText: true})
	case ch == '-' || ch-'0' < 10:
		if f, ok := c.float(); ok {
			visit(leaf{number: f})
		}
	default:
		c.skip(0)
	}
}

// Normalize gives a facet's text as Meilisearch compares it: without space at
// its ends, decomposed and in lower case.
func Normalize(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] >= 0x80 {
			return strings.ToLower(norm.NFKD.String(strings.TrimFunc(text, unicode.IsSpace)))
		}
	}
	return strings.ToLower(strings.TrimSpace(text))
}
