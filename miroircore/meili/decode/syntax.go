package decode

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how many arrays and objects may stand inside each other.
const maxDepth = 127

// SyntaxError tells why and where a text is not JSON.
type SyntaxError struct {
	Reason string
	Line   int
	Column int
}

// Error implements error, in the words of the server's parser.
func (e *SyntaxError) Error() string {
	return e.Reason + " at line " + strconv.Itoa(e.Line) + " column " + strconv.Itoa(e.Column)
}

// EOF says whether the text ended too early, rather than being wrong.
func (e *SyntaxError) EOF() bool { return strings.HasPrefix(e.Reason, "EOF ") }

// The reasons, as the server's parser words them.
const (
	eofList        = "EOF while parsing a list"
	eofObject      = "EOF while parsing an object"
	eofString      = "EOF while parsing a string"
	eofValue       = "EOF while parsing a value"
	wantColon      = "expected `:`"
	wantCommaList  = "expected `,` or `]`"
	wantCommaMap   = "expected `,` or `}`"
	wantIdent      = "expected ident"
	wantValue      = "expected value"
	badEscape      = "invalid escape"
	badNumber      = "invalid number"
	hugeNumber     = "number out of range"
	badCodePoint   = "invalid unicode code point"
	controlChar    = "control character (\\u0000-\\u001F) found while parsing a string"
	keyNotString   = "key must be a string"
	loneSurrogate  = "lone leading surrogate in hex escape"
	trailingComma  = "trailing comma"
	trailingChars  = "trailing characters"
	hexEndedEarly  = "unexpected end of hex escape"
	recursionLimit = "recursion limit exceeded"
)

// parser reads one JSON text. Its errors point either at the byte just read
// (fail) or at the one about to be (failPeek), as the server's do.
type parser struct {
	text  string
	pos   int
	depth int
	err   *SyntaxError
}

// Parse reads a JSON text.
func Parse(text []byte) (Value, *SyntaxError) {
	p := parser{text: string(text)}
	var v Value
	if p.value(&v) {
		if p.space(); p.pos < len(p.text) {
			p.failPeek(trailingChars)
		}
	}
	return v, p.err
}

// Prefix reads the JSON value that text begins with, and tells where it ends.
func Prefix(text []byte) (Value, int, *SyntaxError) {
	p := parser{text: string(text)}
	var v Value
	p.value(&v)
	return v, p.pos, p.err
}

func (p *parser) fail(reason string) bool { return p.failAt(reason, p.pos) }

func (p *parser) failPeek(reason string) bool {
	return p.failAt(reason, min(len(p.text), p.pos+1))
}

func (p *parser) failAt(reason string, at int) bool {
	before := p.text[:at]
	start := strings.LastIndexByte(before, '\n') + 1
	p.err = &SyntaxError{Reason: reason, Line: 1 + strings.Count(before[:start], "\n"), Column: at - start}
	return false
}

func (p *parser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\n', '\t', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek gives the next byte, or 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) value(v *Value) bool {
	p.space()
	if p.pos >= len(p.text) {
		return p.failPeek(eofValue)
	}
	switch c := p.text[p.pos]; c {
	case 'n':
		v.Kind = Null
		return p.ident("null")
	case 't':
		v.Kind, v.num = Bool, 1
		return p.ident("true")
	case 'f':
		v.Kind, v.num = Bool, 0
		return p.ident("false")
	case '"':
		p.pos++
		v.Kind = String
		var ok bool
		v.Text, ok = p.str()
		return ok
	case '[', '{':
		if p.depth == maxDepth {
			return p.failPeek(recursionLimit)
		}
		p.depth++
		p.pos++
		ok := false
		if c == '[' {
			ok = p.array(v)
		} else {
			ok = p.object(v)
		}
		p.depth--
		return ok
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return p.number(v)
		}
	}
	return p.failPeek(wantValue)
}

func (p *parser) ident(word string) bool {
	for i := 1; i < len(word); i++ {
		p.pos++
		if p.pos >= len(p.text) {
			return p.fail(eofValue)
		}
		if p.text[p.pos] != word[i] {
			p.pos++
			return p.fail(wantIdent)
		}
	}
	p.pos++
	return true
}

func (p *parser) array(v *Value) bool {
	v.Kind = Array
	for first := true; ; first = false {
		p.space()
		switch {
		case p.pos >= len(p.text):
			return p.failPeek(eofList)
		case p.text[p.pos] == ']':
			p.pos++
			return true
		case first:
		case p.text[p.pos] != ',':
			return p.failPeek(wantCommaList)
		default:
			p.pos++
			p.space()
			if p.pos >= len(p.text) {
				return p.failPeek(eofValue)
			}
			if p.text[p.pos] == ']' {
				return p.failPeek(trailingComma)
			}
		}
		v.Elems = append(v.Elems, Value{})
		if !p.value(&v.Elems[len(v.Elems)-1]) {
			return false
		}
	}
}

func (p *parser) object(v *Value) bool {
	v.Kind = Object
	var index map[string]int
	for first := true; ; first = false {
		more, ok := p.member(first)
		if !more || !ok {
			return ok
		}
		name, ok := p.str()
		if !ok {
			return false
		}
		p.space()
		if p.pos >= len(p.text) {
			return p.failPeek(eofObject)
		}
		if p.text[p.pos] != ':' {
			return p.failPeek(wantColon)
		}
		p.pos++
		at := place(v, name, &index)
		if at == len(v.Members) {
			v.Members = append(v.Members, Member{Name: name})
		}
		var value Value
		if !p.value(&value) {
			return false
		}
		v.Members[at].Value = value
	}
}

// member reads up to and with the quote that begins the next member's name.
func (p *parser) member(first bool) (more, ok bool) {
	p.space()
	if p.pos >= len(p.text) {
		return false, p.failPeek(eofObject)
	}
	c := p.text[p.pos]
	if c == '}' {
		p.pos++
		return false, true
	}
	if !first {
		if c != ',' {
			return false, p.failPeek(wantCommaMap)
		}
		p.pos++
		p.space()
		if p.pos >= len(p.text) {
			return false, p.failPeek(eofValue)
		}
		if c = p.text[p.pos]; c == '}' {
			return false, p.failPeek(trailingComma)
		}
	}
	if c != '"' {
		return false, p.failPeek(keyNotString)
	}
	p.pos++
	return true, true
}

// place finds where the member of that name goes; big objects get an index, so
// that a hostile body costs no quadratic time.
func place(v *Value, name string, index *map[string]int) int {
	const small = 32
	if len(v.Members) < small {
		for i := range v.Members {
			if v.Members[i].Name == name {
				return i
			}
		}
		return len(v.Members)
	}
	if *index == nil {
		*index = make(map[string]int, 2*small)
		for i := range v.Members {
			(*index)[v.Members[i].Name] = i
		}
	}
	if i, ok := (*index)[name]; ok {
		return i
	}
	(*index)[name] = len(v.Members)
	return len(v.Members)
}

// str reads a string after its opening quote.
func (p *parser) str() (string, bool) {
	start := p.pos
	ascii := true
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '"':
			s := p.text[start:p.pos]
			p.pos++
			if !ascii && !utf8.ValidString(s) {
				return "", p.fail(badCodePoint)
			}
			return s, true
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			p.pos++
			return "", p.fail(controlChar)
		case c >= utf8.RuneSelf:
			ascii = false
		}
		p.pos++
	}
	return "", p.fail(eofString)
}

// escaped reads the rest of a string that has an escape at p.pos.
func (p *parser) escaped(start int) (string, bool) {
	out := append(make([]byte, 0, p.pos-start+32), p.text[start:p.pos]...)
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		p.pos++
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", p.fail(badCodePoint)
			}
			return string(out), true
		case c < 0x20:
			return "", p.fail(controlChar)
		case c != '\\':
			out = append(out, c)
			continue
		}
		var ok bool
		if out, ok = p.escape(out); !ok {
			return "", false
		}
	}
	return "", p.fail(eofString)
}

func (p *parser) escape(out []byte) ([]byte, bool) {
	if p.pos >= len(p.text) {
		return nil, p.fail(eofString)
	}
	c := p.text[p.pos]
	p.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c), true
	case 'b':
		return append(out, '\b'), true
	case 'f':
		return append(out, '\f'), true
	case 'n':
		return append(out, '\n'), true
	case 'r':
		return append(out, '\r'), true
	case 't':
		return append(out, '\t'), true
	case 'u':
		return p.unicode(out)
	}
	return nil, p.fail(badEscape)
}

func (p *parser) unicode(out []byte) ([]byte, bool) {
	r, ok := p.hex()
	switch {
	case !ok:
		return nil, false
	case 0xDC00 <= r && r <= 0xDFFF:
		return nil, p.fail(loneSurrogate)
	case r < 0xD800 || r > 0xDBFF:
		return utf8.AppendRune(out, r), true
	}
	for _, want := range []byte{'\\', 'u'} {
		if p.pos >= len(p.text) {
			return nil, p.fail(eofString)
		}
		p.pos++
		if p.text[p.pos-1] != want {
			return nil, p.fail(hexEndedEarly)
		}
	}
	low, ok := p.hex()
	if !ok {
		return nil, false
	}
	if low < 0xDC00 || low > 0xDFFF {
		return nil, p.fail(loneSurrogate)
	}
	return utf8.AppendRune(out, utf16.DecodeRune(r, low)), true
}

func (p *parser) hex() (rune, bool) {
	if len(p.text)-p.pos < 4 {
		p.pos = len(p.text)
		return 0, p.fail(eofString)
	}
	var r rune
	for _, c := range []byte(p.text[p.pos : p.pos+4]) {
		r <<= 4
		switch {
		case '0' <= c && c <= '9':
			r |= rune(c - '0')
		case 'a' <= c && c <= 'f':
			r |= rune(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			r |= rune(c - 'A' + 10)
		default:
			p.pos += 4
			return 0, p.fail(badEscape)
		}
	}
	p.pos += 4
	return r, true
}

// powers are the powers of ten a double has.
var powers = func() (t [309]float64) {
	for i := range t {
		t[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64) // in range by construction
	}
	return t
}()

// number reads a number. Floats are made of the digits that fit 64 bits and a
// power of ten, which may differ in the last place from the nearest double: so
// does the server's.
func (p *parser) number(v *Value) bool {
	negative := p.text[p.pos] == '-'
	if negative {
		p.pos++
	}
	if p.pos >= len(p.text) {
		return p.fail(eofValue)
	}
	c := p.text[p.pos]
	p.pos++
	if c < '0' || c > '9' {
		return p.fail(badNumber)
	}
	if c == '0' && isDigit(p.peek()) {
		return p.failPeek(badNumber)
	}
	digits, exponent, long := uint64(c-'0'), 0, false
	for c != '0' || digits != 0 {
		d := p.peek()
		if !isDigit(d) {
			break
		}
		if long || !fits(digits, d) {
			long = true
			exponent++
		} else {
			digits = digits*10 + uint64(d-'0')
		}
		p.pos++
	}
	if next := p.peek(); long || next == '.' || next == 'e' || next == 'E' {
		return p.float(v, negative, digits, exponent)
	}
	switch {
	case !negative:
		v.Kind, v.num = Integer, digits
	case digits == 0 || digits > 1<<63:
		v.Kind, v.num = Float, math.Float64bits(-float64(digits))
	default:
		v.Kind, v.num = Negative, -digits
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func fits(digits uint64, d byte) bool {
	const top = math.MaxUint64 / 10
	return digits < top || digits == top && uint64(d-'0') <= math.MaxUint64%10
}

func (p *parser) float(v *Value, negative bool, digits uint64, exponent int) bool {
	v.Kind = Float
	if p.peek() == '.' {
		p.pos++
		start := p.pos
		for dropping := false; isDigit(p.peek()); p.pos++ {
			if dropping = dropping || !fits(digits, p.text[p.pos]); !dropping {
				digits = digits*10 + uint64(p.text[p.pos]-'0')
				exponent--
			}
		}
		if p.pos == start {
			if p.pos < len(p.text) {
				return p.failPeek(badNumber)
			}
			return p.failPeek(eofValue)
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		exp, ok, over := p.exponent()
		if !ok {
			return false
		}
		if over {
			if exp > 0 && digits != 0 {
				return p.fail(hugeNumber)
			}
			for isDigit(p.peek()) {
				p.pos++
			}
			digits, exponent, exp = 0, 0, 0
		}
		exponent += exp
	}
	f, ok := scale(float64(digits), exponent)
	if !ok {
		return p.fail(hugeNumber)
	}
	if negative {
		f = -f
	}
	v.num = math.Float64bits(f)
	return true
}

// exponent reads an exponent; over says that it does not fit 32 bits, and then
// only its sign counts.
func (p *parser) exponent() (exp int, ok, over bool) {
	p.pos++
	sign := 1
	switch p.peek() {
	case '+':
		p.pos++
	case '-':
		p.pos++
		sign = -1
	}
	if p.pos >= len(p.text) {
		return 0, p.fail(eofValue), false
	}
	if p.pos++; !isDigit(p.text[p.pos-1]) {
		return 0, p.fail(badNumber), false
	}
	exp = int(p.text[p.pos-1] - '0')
	for isDigit(p.peek()) {
		exp = exp*10 + int(p.text[p.pos]-'0')
		p.pos++
		if exp > math.MaxInt32 {
			return sign, true, true
		}
	}
	return sign * exp, true, false
}

func scale(f float64, exponent int) (float64, bool) {
	for exponent < -308 {
		if f == 0 {
			return f, true
		}
		f /= 1e308
		exponent += 308
	}
	if exponent < 0 {
		return f / powers[-exponent], true
	}
	if exponent > 308 {
		return f, f == 0
	}
	f *= powers[exponent]
	return f, !math.IsInf(f, 0)
}
