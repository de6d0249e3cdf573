package document

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// The scanner walks over JSON and says whether it is well formed, exactly as
// the server's parser does when it skips a value: escapes have to be escapes,
// but need not be a character; numbers may be of any size; nesting may be of
// any depth. It does not say what is wrong: grammar.go does that, where it
// matters, at leisure.

const (
	// more means that the text ended before the value did.
	more = -1
	// bad means that the text is not well formed.
	bad = -2
)

// scanner holds what is used again from value to value.
type scanner struct {
	stack    []byte // what encloses the current value, '[' or '{'
	nonASCII uint64 // high bits of the strings' bytes: not 0 if one of them is beyond ASCII
	// doubtful is set by what may be skipped but perhaps not be read: an escape
	// that may be half a character, a number that may be too large, depth.
	doubtful bool
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str gives the index after a string whose opening quote is before i.
func (s *scanner) str(buf []byte, i int) int {
	for {
		// Eight bytes at a time, until one is a quote, a backslash or a control character.
		for i+8 <= len(buf) {
			x := binary.LittleEndian.Uint64(buf[i:])
			quote := x ^ ones*'"'
			slash := x ^ ones*'\\'
			found := ((x - ones*0x20) &^ x) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
			if found &= highs; found != 0 {
				at := uint(bits.TrailingZeros64(found)) &^ 7
				s.nonASCII |= x & (1<<at - 1)
				i += int(at / 8)
				break
			}
			s.nonASCII |= x
			i += 8
		}
		for i < len(buf) && plainByte[buf[i]] {
			s.nonASCII |= uint64(buf[i])
			i++
		}
		if i >= len(buf) {
			return more
		}
		switch buf[i] {
		case '"':
			return i + 1
		case '\\':
			i++
			if i+1 < len(buf) && buf[i] == 'u' && buf[i+1]|0x20 == 'd' { // where surrogates are
				s.doubtful = true
			}
			if i = skipEscape(buf, i); i < 0 {
				return i
			}
		default:
			return bad
		}
	}
}

// plainLength gives how many bytes at the start of a text stand for themselves
// inside a string.
func plainLength(text []byte) int {
	i := 0
	for i+8 <= len(text) {
		x := binary.LittleEndian.Uint64(text[i:])
		quote := x ^ ones*'"'
		slash := x ^ ones*'\\'
		found := ((x - ones*0x20) &^ x) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
		if found&highs != 0 {
			break
		}
		i += 8
	}
	for i < len(text) && plainByte[text[i]] {
		i++
	}
	return i
}

// plainByte says which bytes stand for themselves inside a string.
var plainByte = func() (t [256]bool) {
	for c := 0x20; c < 256; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// skipEscape gives the index after an escape whose backslash is before i.
func skipEscape(buf []byte, i int) int {
	if i >= len(buf) {
		return more
	}
	switch buf[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for k := 1; k <= 4; k++ {
			if i+k >= len(buf) {
				return more
			}
			if !isHex(buf[i+k]) {
				return bad
			}
		}
		return i + 5
	default:
		return bad
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// skipSpace gives the index of the first byte from i on that is no white space.
func skipSpace(buf []byte, i int) int {
	for i < len(buf) && (buf[i] == ' ' || buf[i] == '\n' || buf[i] == '\t' || buf[i] == '\r') {
		i++
	}
	return i
}

// number gives the index after the number that begins at i. A number at the
// end of buf may go on behind it, which only the caller knows.
func (s *scanner) number(buf []byte, i int) int {
	start := i
	if buf[i] == '-' {
		i++
		if i >= len(buf) {
			return more
		}
	}
	switch {
	case buf[i] == '0':
		i++
		if i < len(buf) && isDigit(buf[i]) {
			return bad
		}
	case isDigit(buf[i]):
		for i++; i < len(buf) && isDigit(buf[i]); i++ {
		}
	default:
		return bad
	}
	if i < len(buf) && buf[i] == '.' {
		if i = skipDigits(buf, i+1); i < 0 {
			return i
		}
	}
	if i < len(buf) && buf[i]|0x20 == 'e' {
		i++
		if i < len(buf) && (buf[i] == '+' || buf[i] == '-') {
			i++
		}
		end := skipDigits(buf, i)
		s.doubtful = s.doubtful || end-i >= 3
		return end
	}
	s.doubtful = s.doubtful || i-start > 300
	return i
}

// skipDigits gives the index after one digit or more.
func skipDigits(buf []byte, i int) int {
	if i >= len(buf) {
		return more
	}
	if !isDigit(buf[i]) {
		return bad
	}
	for i++; i < len(buf) && isDigit(buf[i]); i++ {
	}
	return i
}

// skipWord gives the index after true, false or null, of which the first
// letter is at i.
func skipWord(buf []byte, i int, word string) int {
	for k := 1; k < len(word); k++ {
		if i+k >= len(buf) {
			return more
		}
		if buf[i+k] != word[k] {
			return bad
		}
	}
	return i + len(word)
}

// scalar gives the index after the string, number or word that begins at i.
func (s *scanner) scalar(buf []byte, i int) int {
	switch c := buf[i]; {
	case c == '"':
		return s.str(buf, i+1)
	case isDigit(c), c == '-':
		return s.number(buf, i)
	case c == 't':
		return skipWord(buf, i, "true")
	case c == 'f':
		return skipWord(buf, i, "false")
	case c == 'n':
		return skipWord(buf, i, "null")
	default:
		return bad
	}
}

// value gives the index after the value that begins at i, which is no space.
func (s *scanner) value(buf []byte, i int) int {
	s.stack = s.stack[:0]
	for {
		if c := buf[i]; c == '{' || c == '[' {
			if i = skipSpace(buf, i+1); i >= len(buf) {
				return more
			}
			if buf[i] != c+2 { // ']' is '['+2 and '}' is '{'+2
				s.stack = append(s.stack, c)
				s.doubtful = s.doubtful || len(s.stack) >= maxDepth
				if c == '{' {
					if i = s.key(buf, i); i < 0 {
						return i
					}
				}
				continue
			}
			i++
		} else if i = s.scalar(buf, i); i < 0 {
			return i
		}
		if i = s.leave(buf, i); i < 0 || len(s.stack) == 0 {
			return i
		}
	}
}

// leave goes from the end of a value to the beginning of the next one or, with
// an empty stack, behind the outermost.
func (s *scanner) leave(buf []byte, i int) int {
	for len(s.stack) > 0 {
		top := s.stack[len(s.stack)-1]
		if i = skipSpace(buf, i); i >= len(buf) {
			return more
		}
		switch buf[i] {
		case ',':
			if i = skipSpace(buf, i+1); top == '{' {
				return s.key(buf, i)
			}
			if i >= len(buf) {
				return more
			}
			return i
		case top + 2:
			s.stack = s.stack[:len(s.stack)-1]
			i++
		default:
			return bad
		}
	}
	return i
}

// key gives the index of the value behind the key that begins at i.
func (s *scanner) key(buf []byte, i int) int {
	if i >= len(buf) {
		return more
	}
	if buf[i] != '"' {
		return bad
	}
	if i = s.str(buf, i+1); i < 0 {
		return i
	}
	return skipColon(buf, i)
}

// skipColon gives the index of the value behind the colon that follows at i.
func skipColon(buf []byte, i int) int {
	if i = skipSpace(buf, i); i >= len(buf) {
		return more
	}
	if buf[i] != ':' {
		return bad
	}
	if i = skipSpace(buf, i+1); i >= len(buf) {
		return more
	}
	return i
}

// encodedWell says whether the text is UTF-8, given that the scanner went over it.
func (s *scanner) encodedWell(text []byte) bool {
	return s.nonASCII&highs == 0 || utf8.Valid(text)
}
