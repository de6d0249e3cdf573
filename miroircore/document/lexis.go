package document

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// word goes over true, false or null.
func (c *checker) word(word string) *fault {
	for k := range len(word) {
		if c.i >= len(c.text) {
			return c.failEnd(eofValue)
		}
		c.i++
		if c.text[c.i-1] != word[k] {
			return c.failHere(wantIdent)
		}
	}
	return nil
}

// number goes over a number.
func (c *checker) number() *fault {
	start := c.i
	if c.peek() == '-' {
		c.i++
	}
	if c.i >= len(c.text) {
		if c.strict {
			return c.failEnd(eofValue)
		}
		return &fault{reason: badNumber, at: c.i, eof: true}
	}
	switch b := c.text[c.i]; {
	case b == '0':
		c.i++
		if isDigit(c.peek()) {
			return c.failNext(badNumber)
		}
	case isDigit(b):
		c.digits()
	default:
		c.i++
		return c.failHere(badNumber)
	}
	if c.peek() == '.' {
		c.i++
		if !isDigit(c.peek()) {
			return c.noDigit(true)
		}
		c.digits()
	}
	mantissa := c.text[start:c.i]
	if c.peek()|0x20 == 'e' {
		c.i++
		negative := c.peek() == '-'
		if b := c.peek(); b == '+' || b == '-' {
			c.i++
		}
		if !isDigit(c.peek()) {
			return c.noDigit(false)
		}
		if f := c.exponent(negative || zero(mantissa)); f != nil {
			return f
		}
	}
	if !c.strict {
		return nil
	}
	if f, err := strconv.ParseFloat(string(c.text[start:c.i]), 64); err != nil && math.IsInf(f, 0) {
		return c.failHere(hugeNumber)
	}
	return nil
}

// exponent goes over the digits of an exponent. One that is no 32-bit number is
// out of range at the digit that makes it so, unless the number is tiny.
func (c *checker) exponent(tiny bool) *fault {
	var value int64
	for isDigit(c.peek()) {
		value = min(value*10+int64(c.peek()-'0'), math.MaxInt32+1)
		c.i++
		if c.strict && !tiny && value > math.MaxInt32 {
			return c.failHere(hugeNumber)
		}
	}
	return nil
}

// zero says whether all digits are zeros.
func zero(mantissa []byte) bool {
	for _, b := range mantissa {
		if b >= '1' && b <= '9' {
			return false
		}
	}
	return true
}

func (c *checker) digits() {
	for isDigit(c.peek()) {
		c.i++
	}
}

// noDigit is the fault of a fraction or an exponent without a digit.
func (c *checker) noDigit(fraction bool) *fault {
	if c.i >= len(c.text) {
		if c.strict {
			return c.failEnd(eofValue)
		}
		return &fault{reason: badNumber, at: c.i, eof: true}
	}
	if fraction {
		return c.failNext(badNumber)
	}
	c.i++
	return c.failHere(badNumber)
}

// str goes over a string whose opening quote has been taken and gives what it
// means, if strict.
func (c *checker) str() (string, *fault) {
	var out []byte
	start := c.i
	for {
		for c.i < len(c.text) && plainByte[c.text[c.i]] {
			c.i++
		}
		if c.i >= len(c.text) {
			return "", c.failEnd(eofString)
		}
		switch c.text[c.i] {
		case '"':
			out = append(out, c.text[start:c.i]...)
			c.i++
			if c.strict && !utf8.Valid(out) {
				return "", c.failHere(badUnicode)
			}
			return string(out), nil
		case '\\':
			out = append(out, c.text[start:c.i]...)
			c.i++
			var f *fault
			if out, f = c.escape(out); f != nil {
				return "", f
			}
			start = c.i
		default:
			if c.strict {
				c.i++
			}
			return "", c.failHere(controlChar)
		}
	}
}

func (c *checker) escape(out []byte) ([]byte, *fault) {
	if c.i >= len(c.text) {
		return out, c.failEnd(eofString)
	}
	at := c.i
	c.i++
	switch c.text[at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		out, _, _ = unescapeOne(out, c.text[at:])
		return out, nil
	case 'u':
	default:
		return out, c.failHere(badEscape)
	}
	high, f := c.hex()
	switch {
	case f != nil:
		return out, f
	case !c.strict:
		return out, nil
	case high >= 0xDC00 && high <= 0xDFFF:
		return out, c.failHere(loneHalf)
	case high < 0xD800 || high > 0xDFFF:
		return utf8.AppendRune(out, high), nil
	}
	for _, want := range []byte(`\u`) {
		if c.i >= len(c.text) {
			return out, c.failEnd(eofString)
		}
		c.i++
		if c.text[c.i-1] != want {
			return out, c.failHere(missingHalf)
		}
	}
	low, f := c.hex()
	if f != nil {
		return out, f
	}
	if low < 0xDC00 || low > 0xDFFF {
		return out, c.failHere(loneHalf)
	}
	return utf8.AppendRune(out, 0x10000+(high-0xD800)<<10+(low-0xDC00)), nil
}

func (c *checker) hex() (rune, *fault) {
	if len(c.text)-c.i < 4 {
		return 0, c.failEnd(eofString)
	}
	digits := c.text[c.i : c.i+4]
	c.i += 4
	for _, d := range digits {
		if !isHex(d) {
			return 0, c.failHere(badEscape)
		}
	}
	return hex4(digits), nil
}
