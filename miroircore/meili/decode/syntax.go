package decode

import (
	"strconv"
	"strings"
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
		if v.Members == nil {
			v.Members = make([]Member, 0, 8) // most requests' objects are no bigger
		}
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
