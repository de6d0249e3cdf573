package decode

import (
	"math"
	"strconv"
)

// powers are the powers of ten a double has.
var powers = func() (t [309]float64) {
	for i := range t {
		t[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64) // in range by construction
	}
	return t
}()

// ParseFloat gives what the server makes of a number that stands in a document, to
// the last place; false where it takes it for none.
func ParseFloat(number string) (float64, bool) {
	var v Value
	p := parser{text: number}
	if number == "" || !p.number(&v) || p.pos != len(number) {
		return 0, false
	}
	return v.Float(), true
}

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
