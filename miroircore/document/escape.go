package document

import "unicode/utf8"

// unescapeOne appends the character of the escape whose backslash stood before
// raw and gives what follows the escape.
func unescapeOne(dst, raw []byte) (out, rest []byte, ok bool) {
	c, rest := raw[0], raw[1:]
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return unescapeUnicode(dst, rest)
	}
	return append(dst, c), rest, true
}

func unescapeUnicode(dst, raw []byte) (out, rest []byte, ok bool) {
	r, rest := hex4(raw), raw[4:]
	switch {
	case r >= 0xDC00 && r <= 0xDFFF:
		return dst, rest, false
	case r < 0xD800 || r > 0xDFFF:
		return utf8.AppendRune(dst, r), rest, true
	}
	if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
		return dst, rest, false
	}
	low := hex4(rest[2:])
	if low < 0xDC00 || low > 0xDFFF {
		return dst, rest, false
	}
	return utf8.AppendRune(dst, 0x10000+(r-0xD800)<<10+(low-0xDC00)), rest[6:], true
}

// hex4 gives the value of four hexadecimal digits.
func hex4(raw []byte) rune {
	var r rune
	for _, c := range raw[:4] {
		switch {
		case isDigit(c):
			r = r<<4 + rune(c-'0')
		default:
			r = r<<4 + rune(c|0x20-'a') + 10
		}
	}
	return r
}
