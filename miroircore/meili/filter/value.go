package filter

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const reservedGeoHelp = "` is a reserved keyword and thus can't be used as a filter expression. Use the " +
	"`_geoRadius(latitude, longitude, distance)` or `_geoBoundingBox([latitude, longitude], [latitude, longitude])` " +
	"built-in rules to filter on `_geo` coordinates."

// value reads an attribute's name or a value, and the blanks around it.
func (s *scanner) value(pos int) (Token, int, *fault) {
	pos += len(s.text[pos:]) - len(strings.TrimLeftFunc(s.text[pos:], unicode.IsSpace))
	if f := s.reserved(pos); f != nil {
		return Token{}, pos, f
	}
	if pos < len(s.text) && (s.text[pos] == '\'' || s.text[pos] == '"') {
		token, end, f := s.quoted(pos)
		if f == nil {
			f = s.unescape(&token, pos+1, end-1)
		}
		return token, s.space(end), f
	}
	end := s.word(pos)
	if end == pos || isKeyword(s.text[pos:end]) {
		f := s.fault(wantValue, "", pos)
		if end > pos {
			f.kind = wantValueNotKeyword
		}
		f.to = pos + strings.IndexFunc(s.text[pos:]+" ", isSyntaxRune)
		return Token{}, pos, f
	}
	return s.token(pos, end), s.space(end), nil
}

// reserved refuses geo words where a value has to be.
func (s *scanner) reserved(pos int) *fault {
	if !s.has(pos, "_geo") {
		return nil
	}
	for _, name := range []string{"_geoPoint", "_geoDistance"} {
		if s.has(pos, name) {
			return s.fatal(other, "`"+name+reservedGeoHelp, pos)
		}
	}
	switch s.text[pos:s.word(pos)] {
	case "_geo":
		return s.fatal(other, "`_geo"+reservedGeoHelp, pos)
	case "_geoRadius":
		return s.fatal(other, "The `_geoRadius` filter is an operation and can't be used as a value.", pos)
	case "_geoBoundingBox":
		return s.fatal(other, "The `_geoBoundingBox` filter is an operation and can't be used as a value.", pos)
	}
	return nil
}

func isKeyword(word string) bool {
	switch word {
	case "AND", "OR", "IN", "NOT", "TO", "EXISTS", "IS", "NULL", "EMPTY", "CONTAINS", "STARTS", "WITH",
		"_geoRadius", "_geoBoundingBox":
		return true
	}
	return false
}

func isSyntaxRune(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("()=<>!", r) }

// quoted reads a word in quotes; a backslash before the quote keeps the quote in it.
func (s *scanner) quoted(pos int) (Token, int, *fault) {
	quote := s.text[pos]
	escaped := false
	for i := pos + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case quote:
			token := s.token(pos+1, i)
			if escaped {
				token.Text = strings.ReplaceAll(token.Raw, `\`+string(quote), string(quote))
			}
			return token, i + 1, nil
		case '\\':
			if i++; i == len(s.text) {
				return Token{}, pos, s.fatal(malformed, "", pos+1)
			}
			escaped = escaped || s.text[i] == quote
		}
	}
	return Token{}, pos, s.fatal(unclosed, string(quote), pos)
}

// unescape replaces the escapes of a quoted word; from and to are its place.
func (s *scanner) unescape(token *Token, from, to int) *fault {
	if strings.IndexByte(token.Text, '\\') < 0 {
		return nil
	}
	text, wrong := unescape(token.Text)
	switch wrong {
	case escapeOK:
		if len(text) != len(token.Text) {
			token.Text = text
		}
		return nil
	case escapeCut:
		f := s.fatal(other, "The filter is incomplete and requires Unknown additional bytes to be parsed.", 0)
		f.source = s.text
		return f
	case escapeNumber:
		return &fault{kind: badEscapedNumber, from: from, to: to, source: s.source}
	}
	return &fault{kind: malformed, from: from, to: to, source: s.source}
}

// What may be wrong with an escape.
type escapeFault int

const (
	escapeOK escapeFault = iota
	escapeCut
	escapeNumber
	escapeUnknown
)

// unescape replaces backslash escapes: the usual letters, \uXXXX, \u{X}, \xXX
// and up to three octal digits.
func unescape(s string) (string, escapeFault) {
	var b strings.Builder
	runes := []rune(s)
	for i := 0; i < len(runes); i++ {
		if runes[i] != '\\' {
			b.WriteRune(runes[i])
			continue
		}
		if i++; i == len(runes) {
			return "", escapeCut
		}
		r, used, wrong := escape(runes[i:])
		if wrong != escapeOK {
			return "", wrong
		}
		b.WriteRune(r)
		i += used - 1
	}
	return b.String(), escapeOK
}

func escape(rest []rune) (r rune, used int, wrong escapeFault) {
	switch rest[0] {
	case 'b':
		return '\b', 1, escapeOK
	case 'f':
		return '\f', 1, escapeOK
	case 'n':
		return '\n', 1, escapeOK
	case 'r':
		return '\r', 1, escapeOK
	case 't':
		return '\t', 1, escapeOK
	case '\'', '"', '\\', '/':
		return rest[0], 1, escapeOK
	case 'u':
		return escapeUnicode(rest)
	case 'x':
		if len(rest) < 3 {
			return 0, 0, escapeCut
		}
		n, err := parseHex(rest[1:3], 8)
		return rune(n), 3, err
	}
	most := 0
	switch {
	case '0' <= rest[0] && rest[0] <= '3':
		most = 3
	case '4' <= rest[0] && rest[0] <= '7':
		most = 2
	default:
		return 0, 0, escapeUnknown
	}
	for used < min(most, len(rest)) && '0' <= rest[used] && rest[used] <= '7' {
		r = r*8 + rest[used] - '0'
		used++
	}
	return r, used, escapeOK
}

func escapeUnicode(rest []rune) (rune, int, escapeFault) {
	var digits []rune
	used := 5
	if len(rest) > 1 && rest[1] == '{' {
		for used = 2; used < len(rest) && rest[used] != '}'; used++ {
		}
		digits = rest[2:used]
		used = min(used+1, len(rest))
	} else {
		if len(rest) < 5 {
			return 0, 0, escapeCut
		}
		digits = rest[1:5]
	}
	n, wrong := parseHex(digits, 32)
	if wrong == escapeOK && !utf8.ValidRune(rune(n)) {
		wrong = escapeUnknown
	}
	return rune(n), used, wrong
}

func parseHex(digits []rune, bits int) (uint64, escapeFault) {
	n, err := strconv.ParseUint(strings.TrimPrefix(string(digits), "+"), 16, bits)
	if err != nil {
		return 0, escapeNumber
	}
	if n > unicode.MaxRune {
		return 0, escapeUnknown
	}
	return n, escapeOK
}
