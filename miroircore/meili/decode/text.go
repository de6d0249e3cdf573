package decode

import (
	"unicode/utf16"
	"unicode/utf8"
)

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
