package filter

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

const defaultCode = "invalid_search_filter"

// Parse reads a filter: a text, or an array of texts and of arrays of texts. A
// filter that says nothing gives nil. Errors have the code invalid_search_filter.
func Parse(raw json.RawMessage) (*Expr, *meili.Error) { return ParseAs(defaultCode, raw) }

// ParseAs is Parse with the errors' code given.
func ParseAs(code string, raw json.RawMessage) (*Expr, *meili.Error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, syntax := decode.Parse(raw)
	if syntax != nil {
		return nil, meili.MalformedJSON(syntax.Error())
	}
	switch v.Kind {
	case decode.Null:
		return nil, nil
	case decode.String:
		return ParseText(code, v.Text)
	case decode.Array:
		return parseArray(code, v.Elems)
	}
	return nil, notFilter(code, &v, "String, Array")
}

func notFilter(code string, v *decode.Value, expected string) *meili.Error {
	return meili.NewError(code, "Invalid syntax for the filter parameter: `expected %s, found: %s`.", expected, v.JSON())
}

// parseArray reads all texts, then joins those that say something: the outer
// ones by and, the inner ones by or.
func parseArray(code string, elems []decode.Value) (*Expr, *meili.Error) {
	for i := range elems {
		switch elems[i].Kind {
		case decode.String:
		case decode.Array:
			for j := range elems[i].Elems {
				if inner := &elems[i].Elems[j]; inner.Kind != decode.String {
					return nil, notFilter(code, inner, "String")
				}
			}
		default:
			return nil, notFilter(code, &elems[i], "String, [String]")
		}
	}
	var ands []*Expr
	for i := range elems {
		texts := elems[i].Elems
		if elems[i].Kind == decode.String {
			texts = elems[i : i+1]
		}
		var ors []*Expr
		for j := range texts {
			e, err := ParseText(code, texts[j].Text)
			if err != nil {
				return nil, err
			}
			if e != nil {
				ors = append(ors, e)
			}
		}
		switch len(ors) {
		case 0:
		case 1:
			ands = append(ands, ors[0])
		default:
			ands = append(ands, &Expr{Op: Or, Children: ors})
		}
	}
	return Join(ands...), nil
}

// ParseText reads a filter's text; one that is blank gives nil.
func ParseText(code, text string) (*Expr, *meili.Error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	s := scanner{text: text, source: text, column: 1}
	e, pos, f := s.or(0, 0)
	if f == nil && pos < len(text) {
		f = s.fault(trailing, "", pos)
	}
	if f != nil {
		return nil, meili.NewError(code, "%s", f.message(text))
	}
	return e, nil
}

// scanner reads one filter's text. Its methods take a position and give the one
// behind what they read.
type scanner struct {
	text   string
	source string // what tokens and faults show: the text, or a part of it

	counted, column int // up to where columns have been counted
}

func (s *scanner) fault(k kind, words string, from int) *fault {
	return &fault{kind: k, words: words, from: from, to: len(s.text), source: s.source}
}

func (s *scanner) fatal(k kind, words string, from int) *fault { return s.fault(k, words, from).cut() }

func (s *scanner) token(from, to int) Token {
	if from < s.counted {
		s.counted, s.column = 0, 1
	}
	between := s.text[s.counted:from]
	if line := strings.LastIndexByte(between, '\n'); line >= 0 {
		s.column = 1
		between = between[line+1:]
	}
	s.column += utf8.RuneCountInString(between)
	s.counted = from
	raw := s.text[from:to]
	return Token{Text: raw, Raw: raw, Column: s.column, source: s.source}
}

func (s *scanner) space(pos int) int {
	for pos < len(s.text) && isBlank(s.text[pos]) {
		pos++
	}
	return pos
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// word gives the end of the word at pos, which is pos when there is none.
func (s *scanner) word(pos int) int {
	for pos < len(s.text) {
		r, size := rune(s.text[pos]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s.text[pos:])
		}
		if !isWordRune(r) {
			break
		}
		pos += size
	}
	return pos
}

func isWordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Other_Alphabetic, r)
}

// exact gives the end of the word at pos if it is the given one.
func (s *scanner) exact(pos int, word string) (int, bool) {
	if !s.has(pos, word) {
		return pos, false
	}
	end := s.word(pos)
	return end, end-pos == len(word)
}

func (s *scanner) has(pos int, prefix string) bool { return strings.HasPrefix(s.text[pos:], prefix) }

// keyword reads a keyword with the blanks around it.
func (s *scanner) keyword(pos int, word string) (int, bool) {
	end, ok := s.exact(s.space(pos), word)
	if !ok {
		return pos, false
	}
	return s.space(end), true
}

// phrase reads words with blanks between them; what follows does not matter.
func (s *scanner) phrase(pos int, words ...string) (int, bool) {
	start := pos
	for i, word := range words {
		if i > 0 {
			next := s.space(pos)
			if next == pos {
				return start, false
			}
			pos = next
		}
		if !s.has(pos, word) {
			return start, false
		}
		pos += len(word)
	}
	return pos, true
}

// maxDepth bounds how deep expressions nest; each parenthesis counts several times.
const maxDepth = 150

func (s *scanner) or(pos, depth int) (*Expr, int, *fault) {
	return s.chain(pos, depth, Or, "OR", s.and)
}

func (s *scanner) and(pos, depth int) (*Expr, int, *fault) {
	return s.chain(pos, depth, And, "AND", s.not)
}

// chain reads one expression or several joined by a keyword.
func (s *scanner) chain(pos, depth int, op Op, word string, next func(int, int) (*Expr, int, *fault)) (*Expr, int, *fault) {
	if depth > maxDepth {
		return nil, pos, s.fault(tooDeep, "", pos)
	}
	first, pos, f := next(pos, depth+1)
	if f != nil {
		return nil, pos, f
	}
	var all []*Expr
	for {
		after, ok := s.keyword(pos, word)
		if !ok {
			break
		}
		e, end, f := next(after, depth+1)
		if f != nil {
			return nil, pos, f.cut()
		}
		if all == nil {
			all = append(all, first)
		}
		all = append(all, e)
		pos = end
	}
	if all == nil {
		return first, pos, nil
	}
	return &Expr{Op: op, Children: all}, pos, nil
}

func (s *scanner) not(pos, depth int) (*Expr, int, *fault) {
	if depth > maxDepth {
		return nil, pos, s.fault(tooDeep, "", pos)
	}
	after, ok := s.keyword(pos, "NOT")
	if !ok {
		return s.primary(pos, depth+1)
	}
	e, end, f := s.not(after, depth+1)
	if f != nil {
		return nil, pos, f.cut()
	}
	return negate(e), end, nil
}

// negate undoes a negation or makes one.
func negate(e *Expr) *Expr {
	if e.Op == Not {
		return e.Children[0]
	}
	return plainNot(e)
}

func plainNot(e *Expr) *Expr { return &Expr{Op: Not, Children: []*Expr{e}} }

// primary reads an expression in parentheses or a single condition.
func (s *scanner) primary(pos, depth int) (*Expr, int, *fault) {
	if depth > maxDepth {
		return nil, pos, s.fault(tooDeep, "", pos)
	}
	if open := s.space(pos); open < len(s.text) && s.text[open] == '(' {
		e, end, f := s.or(s.space(open+1), depth+1)
		if f != nil {
			return nil, pos, f.cut()
		}
		end = s.space(end)
		if end >= len(s.text) || s.text[end] != ')' {
			return nil, pos, s.fatal(unclosed, ")", pos)
		}
		return e, s.space(end + 1), nil
	}
	if e, end, f, ok := s.geo(pos); ok {
		return e, end, f
	}
	e, end, f := s.condition(pos, depth)
	if f != nil && !f.fatal {
		f = s.fault(wantOperation, "", pos)
	}
	return e, end, f
}
