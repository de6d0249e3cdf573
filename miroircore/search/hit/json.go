package hit

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"strconv"
)

// ErrMalformed says that a node's answer is not the JSON it has to be: cut,
// garbled, or not an answer at all.
var ErrMalformed = errors.New("malformed answer")

// maxDepth bounds the nesting of a document, so that a hostile answer cannot
// exhaust the stack. Meilisearch itself reads no deeper than 128.
const maxDepth = 512

// cursor walks over JSON text. Its methods report false where the text is not
// JSON; the position is then meaningless.
type cursor struct {
	b []byte
	i int
}

func (c *cursor) space() {
	for c.i < len(c.b) {
		switch c.b[c.i] {
		case ' ', '\n', '\r', '\t':
			c.i++
		default:
			return
		}
	}
}

// peek gives the next byte that is not space, or 0 at the end of the text.
func (c *cursor) peek() byte {
	if c.i < len(c.b) && c.b[c.i] > ' ' {
		return c.b[c.i]
	}
	c.space()
	if c.i < len(c.b) {
		return c.b[c.i]
	}
	return 0
}

func (c *cursor) take(want byte) bool {
	if c.peek() != want {
		return false
	}
	c.i++
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes of a word that end a run of plain string text: a
// quote, a backslash or a control character. Only the lowest mark is exact.
func special(w uint64) uint64 {
	quote := w ^ (ones * '"')
	slash := w ^ (ones * '\\')
	return ((quote-ones)&^quote)&highs |
		((slash-ones)&^slash)&highs |
		((w-ones*0x20)&^w)&highs
}

// text reads a string and gives the span between its quotes and whether it
// holds escapes.
func (c *cursor) text() (span Span, escaped, ok bool) {
	if !c.take('"') {
		return Span{}, false, false
	}
	b, i := c.b, c.i
	from := i
	for {
		for i+8 <= len(b) {
			if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			return Span{}, false, false
		}
		switch ch := b[i]; {
		case ch == '"':
			c.i = i + 1
			return Span{int32(from), int32(i)}, escaped, true
		case ch == '\\':
			n := escapeLength(b[i:])
			if n == 0 {
				return Span{}, false, false
			}
			escaped = true
			i += n
		case ch < 0x20:
			return Span{}, false, false
		default:
			i++
		}
	}
}

// escapeLength is the length of the escape that b starts with, 0 for none.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, ch := range b[2:6] {
			if !isHex(ch) {
				return 0
			}
		}
		return 6
	}
	return 0
}

func isHex(ch byte) bool {
	return ch-'0' < 10 || (ch|0x20)-'a' < 6
}

// skip passes one value of any kind.
func (c *cursor) skip(depth int) bool {
	switch ch := c.peek(); {
	case ch == '"':
		_, _, ok := c.text()
		return ok
	case ch == '{':
		return c.skipObject(depth)
	case ch == '[':
		return c.skipArray(depth)
	case ch == '-' || ch-'0' < 10:
		return c.number()
	default:
		return c.literal()
	}
}

func (c *cursor) skipObject(depth int) bool {
	if depth >= maxDepth {
		return false
	}
	c.i++
	if c.take('}') {
		return true
	}
	for {
		if _, _, ok := c.text(); !ok || !c.take(':') || !c.skip(depth+1) {
			return false
		}
		switch c.peek() {
		case ',':
			c.i++
		case '}':
			c.i++
			return true
		default:
			return false
		}
	}
}

func (c *cursor) skipArray(depth int) bool {
	if depth >= maxDepth {
		return false
	}
	c.i++
	if c.take(']') {
		return true
	}
	for {
		if !c.skip(depth + 1) {
			return false
		}
		switch c.peek() {
		case ',':
			c.i++
		case ']':
			c.i++
			return true
		default:
			return false
		}
	}
}

// number passes a number, with JSON's grammar.
func (c *cursor) number() bool {
	b, i := c.b, c.i
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || b[i]-'0' > 9:
		return false
	case b[i] == '0':
		i++
	default:
		i = digits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		from := i + 1
		if i = digits(b, from); i == from {
			return false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = digits(b, from); i == from {
			return false
		}
	}
	c.i = i
	return true
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' < 10 {
		i++
	}
	return i
}

func (c *cursor) literal() bool {
	for _, word := range [...]string{"true", "false", "null"} {
		if len(c.b)-c.i >= len(word) && string(c.b[c.i:c.i+len(word)]) == word {
			c.i += len(word)
			return true
		}
	}
	return false
}

// float reads a number.
func (c *cursor) float() (float64, bool) {
	c.space()
	from := c.i
	if !c.number() {
		return 0, false
	}
	return parseFloat(c.b[from:c.i])
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseFloat has a short way for numbers of which mantissa and power of ten are
// exact doubles: one division then rounds as the standard library does.
func parseFloat(b []byte) (float64, bool) {
	var mantissa uint64
	var fraction int
	point := false
	for i, ch := range b {
		switch {
		case ch-'0' < 10 && mantissa < 1<<53/10:
			mantissa = mantissa*10 + uint64(ch-'0')
			if point {
				fraction++
			}
		case ch == '.':
			point = true
		case ch == '-' && i == 0:
		default:
			f, err := strconv.ParseFloat(string(b), 64)
			return f, err == nil
		}
	}
	f := float64(mantissa) / powers[fraction]
	if b[0] == '-' {
		f = -f
	}
	return f, true
}

// integer reads a number that is a whole one.
func (c *cursor) integer() (int, bool) {
	c.space()
	from := c.i
	if !c.number() {
		return 0, false
	}
	n := 0
	for _, ch := range c.b[from:c.i] {
		if ch-'0' > 9 || n > 1<<40 {
			return 0, false
		}
		n = n*10 + int(ch-'0')
	}
	return n, true
}

// null passes the word null if it comes next.
func (c *cursor) null() bool {
	if c.peek() == 'n' && len(c.b)-c.i >= 4 && string(c.b[c.i:c.i+4]) == "null" {
		c.i += 4
		return true
	}
	return false
}

// Counts walks over an object of which every member is a count, in its order.
func Counts(raw []byte, visit func(key []byte, escaped bool, count int)) error {
	c := cursor{b: raw}
	if !c.take('{') {
		return ErrMalformed
	}
	if c.take('}') {
		return nil
	}
	for {
		name, escaped, ok := c.text()
		if !ok || !c.take(':') {
			return ErrMalformed
		}
		n, ok := c.integer()
		if !ok {
			return ErrMalformed
		}
		visit(raw[name.From:name.To], escaped, n)
		switch c.peek() {
		case ',':
			c.i++
		case '}':
			return nil
		default:
			return ErrMalformed
		}
	}
}
