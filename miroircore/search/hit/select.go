package hit

import (
	"bytes"
	"encoding/binary"
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
func (s *scanner) collect(path string, key []byte, at int) {
	if !strings.HasPrefix(path, string(key)) {
		return
	}
	c := cursor{b: s.b, i: at}
	switch {
	case len(path) == len(key):
		c.leaves(s.a)
	case path[len(key)] == '.':
		c.descend(s.a, path[len(key)+1:])
	}
}

// descend looks for path in an object or in the objects of an array.
func (c *cursor) descend(a *Answer, path string) {
	switch c.peek() {
	case '[':
		c.elements(func() { c.descend(a, path) })
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
				sub.leaves(a)
			case len(path) > len(key) && path[len(key)] == '.' && strings.HasPrefix(path, string(key)):
				sub.descend(a, path[len(key)+1:])
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

// leaves adds a value, or each of an array's, to the distinct values.
func (c *cursor) leaves(a *Answer) {
	switch ch := c.peek(); {
	case ch == '[':
		c.elements(func() { c.leaves(a) })
	case ch == '"':
		span, escaped, ok := c.text()
		if !ok {
			return
		}
		text := c.b[span.From:span.To]
		if escaped {
			text = Unescape(nil, text)
		}
		a.distinct = append(a.distinct, "s"+Normalize(string(text)))
	case ch == 't' || ch == 'f':
		from := c.i
		c.literal()
		a.distinct = append(a.distinct, "s"+string(c.b[from:c.i]))
	case ch == '-' || ch-'0' < 10:
		f, ok := c.float()
		if ok {
			a.distinct = append(a.distinct, "n"+strconv.FormatUint(math.Float64bits(f+0), 16))
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

// place reads a hit's _geo: an object with lat and lng, each a number or a
// number's text. Anything else is no place, as it is none to Meilisearch.
func (s *scanner) place(h *Hit) {
	c := cursor{b: s.b, i: s.i}
	if !c.take('{') {
		return
	}
	var found int
	for !c.take('}') {
		c.take(',')
		name, _, ok := c.text()
		if !ok || !c.take(':') {
			return
		}
		target := &h.lat
		switch string(c.b[name.From:name.To]) {
		case "lat":
		case "lng":
			target = &h.lng
		default:
			if !c.skip(1) {
				return
			}
			continue
		}
		if !c.coordinate(target) {
			return
		}
		found++
	}
	h.located = found == 2
}

func (c *cursor) coordinate(target *float64) (ok bool) {
	if c.peek() != '"' {
		*target, ok = c.float()
		return ok
	}
	span, _, ok := c.text()
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(string(c.b[span.From:span.To]), 64)
	*target = f
	return err == nil
}

// appendFloat appends a number so that the bytes compare as the numbers do.
func appendFloat(dst []byte, f float64, desc bool) []byte {
	u := math.Float64bits(f + 0) // -0 is 0
	if u>>63 == 1 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	if desc {
		u = ^u
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

// appendText appends a text so that the bytes compare as the texts do, even
// where one begins another: a zero is escaped and an end is marked.
func appendText(dst, text []byte, desc bool) []byte {
	mark := len(dst)
	for {
		i := bytes.IndexByte(text, 0)
		if i < 0 {
			break
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, 0, 0xFF)
		text = text[i+1:]
	}
	dst = append(dst, text...)
	dst = append(dst, 0, 0)
	if desc {
		for i := mark; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}
