package rhai

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
)

type kind uint8

const (
	end kind = iota
	name
	number
	quoted
	template
	symbol
)

// token is a word of the source. A template holds its parts: texts and programs
// that were in ${…}.
type token struct {
	kind  kind
	text  string
	value any // of numbers
	parts []part
	at    place
}

type part struct {
	text  string
	inner []token // nil: just text
}

type scanner struct {
	src    []rune
	i      int
	at     place
	tokens []token
}

var symbols = []string{
	"??=", "**=", "<<=", ">>=", "..=",
	"==", "!=", "<=", ">=", "<<", ">>", "&&", "||", "+=", "-=", "*=", "/=", "%=", "**", "??", "?.", "..", "=>", "#{", "::",
	"+", "-", "*", "/", "%", "<", ">", "=", "!", "(", ")", "{", "}", "[", "]", ",", ";", ":", ".", "|", "?", "&", "^",
}

func scan(source string) ([]token, error) {
	s := &scanner{src: []rune(source), at: place{1, 1}}
	for {
		done, err := s.next()
		if err != nil {
			return nil, err
		}
		if done {
			s.tokens = append(s.tokens, token{kind: end, at: s.at})
			return s.tokens, nil
		}
	}
}

func (s *scanner) advance(n int) {
	for range n {
		if s.src[s.i] == '\n' {
			s.at = place{s.at.line + 1, 0}
		}
		s.at.column++
		s.i++
	}
}

func (s *scanner) has(prefix string) bool {
	return strings.HasPrefix(string(s.src[s.i:min(len(s.src), s.i+len(prefix))]), prefix)
}

func (s *scanner) add(t token) { s.tokens = append(s.tokens, t) }

func (s *scanner) next() (done bool, err error) {
	if s.i == len(s.src) {
		return true, nil
	}
	c := s.src[s.i]
	switch {
	case unicode.IsSpace(c):
		s.advance(1)
	case s.has("//"):
		for s.i < len(s.src) && s.src[s.i] != '\n' {
			s.advance(1)
		}
	case s.has("/*"):
		for s.i < len(s.src) && !s.has("*/") {
			s.advance(1)
		}
		s.advance(min(2, len(s.src)-s.i))
	case unicode.IsDigit(c):
		s.number()
	case c == '_' || unicode.IsLetter(c):
		return false, s.name()
	case c == '"' || c == '\'':
		return false, s.quoted(c)
	case c == '`':
		return false, s.template()
	default:
		return false, s.symbol()
	}
	return false, nil
}

// reserved are words that no name can be. Meilisearch knows no modules, and this
// package no methods that see their object as this.
var reserved = strings.Fields("as async await case default exit export go goto import is match module new nil null package private protected public shared spawn static super sync this thread use var void with yield")

func (s *scanner) name() error {
	at, start := s.at, s.i
	for s.i < len(s.src) && (s.src[s.i] == '_' || unicode.IsLetter(s.src[s.i]) || unicode.IsDigit(s.src[s.i])) {
		s.advance(1)
	}
	word := string(s.src[start:s.i])
	if slices.Contains(reserved, word) {
		return at.fail("'%s' is a reserved keyword", word)
	}
	s.add(token{kind: name, text: word, at: at})
	return nil
}

func (s *scanner) number() {
	at, start := s.at, s.i
	if s.has("0x") || s.has("0o") || s.has("0b") {
		s.advance(2)
		for s.i < len(s.src) && (s.src[s.i] == '_' || unicode.Is(unicode.ASCII_Hex_Digit, s.src[s.i])) {
			s.advance(1)
		}
		i, _ := strconv.ParseInt(string(s.src[start:s.i]), 0, 64)
		s.add(token{kind: number, text: string(s.src[start:s.i]), value: i, at: at})
		return
	}
	digits := func() {
		for s.i < len(s.src) && (unicode.IsDigit(s.src[s.i]) || s.src[s.i] == '_') {
			s.advance(1)
		}
	}
	digits()
	fraction := false
	if s.i+1 < len(s.src) && s.src[s.i] == '.' && unicode.IsDigit(s.src[s.i+1]) {
		fraction = true
		s.advance(1)
		digits()
	}
	if s.i < len(s.src) && (s.src[s.i] == 'e' || s.src[s.i] == 'E') {
		fraction = true
		s.advance(1)
		if s.i < len(s.src) && (s.src[s.i] == '-' || s.src[s.i] == '+') {
			s.advance(1)
		}
		digits()
	}
	written := strings.ReplaceAll(string(s.src[start:s.i]), "_", "")
	t := token{kind: number, text: written, at: at}
	if i, err := strconv.ParseInt(written, 10, 64); err == nil && !fraction {
		t.value = i
	} else {
		f, _ := strconv.ParseFloat(written, 64)
		t.value = f
	}
	s.add(t)
}

var escapes = map[rune]string{'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '"': "\"", '\'': "'"}

func (s *scanner) quoted(quote rune) error {
	at := s.at
	s.advance(1)
	var b strings.Builder
	for s.i < len(s.src) && s.src[s.i] != quote {
		if s.src[s.i] != '\\' || s.i+1 == len(s.src) {
			b.WriteRune(s.src[s.i])
			s.advance(1)
			continue
		}
		e := s.src[s.i+1]
		s.advance(2)
		width := map[rune]int{'x': 2, 'u': 4, 'U': 8}[e]
		if width > 0 && s.i+width <= len(s.src) {
			code, err := strconv.ParseUint(string(s.src[s.i:s.i+width]), 16, 32)
			if err != nil {
				return at.fail("Invalid escape sequence: '\\%c'", e)
			}
			b.WriteRune(rune(code))
			s.advance(width)
		} else if text, ok := escapes[e]; ok {
			b.WriteString(text)
		} else {
			return at.fail("Invalid escape sequence: '\\%c'", e)
		}
	}
	if s.i == len(s.src) {
		return at.fail("Open string is not terminated")
	}
	s.advance(1)
	s.add(token{kind: quoted, text: b.String(), at: at})
	return nil
}

func (s *scanner) template() error {
	at := s.at
	s.advance(1)
	t := token{kind: template, at: at}
	var b strings.Builder
	for s.i < len(s.src) && s.src[s.i] != '`' {
		if !s.has("${") {
			b.WriteRune(s.src[s.i])
			s.advance(1)
			continue
		}
		t.parts = append(t.parts, part{text: b.String()})
		b.Reset()
		s.advance(2)
		outer := s.tokens
		s.tokens = nil
		if err := s.inside(); err != nil {
			return at.fail("Open string is not terminated")
		}
		inner := append(s.tokens[:len(s.tokens)-1:len(s.tokens)-1], token{kind: end, at: s.at})
		s.tokens = outer
		t.parts = append(t.parts, part{inner: inner})
	}
	if s.i == len(s.src) {
		return at.fail("Open string is not terminated")
	}
	s.advance(1)
	t.parts = append(t.parts, part{text: b.String()})
	s.add(t)
	return nil
}

// inside scans what is in ${…}, its closing brace included.
func (s *scanner) inside() error {
	for depth := 0; ; {
		before := len(s.tokens)
		if done, err := s.next(); err != nil || done {
			return s.at.fail("Open string is not terminated")
		}
		if len(s.tokens) == before || s.tokens[before].kind != symbol {
			continue
		}
		switch s.tokens[before].text {
		case "{", "#{":
			depth++
		case "}":
			if depth == 0 {
				return nil
			}
			depth--
		}
	}
}

func (s *scanner) symbol() error {
	for _, sym := range symbols {
		if s.has(sym) {
			s.add(token{kind: symbol, text: sym, at: s.at})
			s.advance(len(sym))
			return nil
		}
	}
	return s.at.fail("Unexpected '%c'", s.src[s.i])
}
