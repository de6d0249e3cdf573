package filter

import (
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

var vectorWords = []string{"fragments", "userProvided", "documentTemplate", "regenerate"}

// vectors reads a question about a document's vectors. ok says that nothing else
// can be meant.
func (s *scanner) vectors(pos int) (*Expr, int, *fault, bool) {
	start := s.space(pos)
	if !s.has(start, "_vectors") {
		return nil, pos, nil, false
	}
	after := start + len("_vectors")
	e := &Expr{Op: Vectors, Attr: s.token(start, after)}
	if next := s.space(after); next > after {
		return s.vectorsExist(e, next)
	}
	if !s.has(after, ".") {
		return nil, pos, nil, false
	}
	after++
	fail := func(f *fault) (*Expr, int, *fault, bool) { return nil, pos, f.cut(), true }
	if s.has(after, " ") {
		return fail(s.faultAt(place{after, after + 1}, "Was expecting embedder name but found nothing."))
	}
	embedder, end, f := s.vectorName(after, "The vector filter's embedder name is invalid.")
	if f != nil {
		return fail(f)
	}
	e.Embedder = &embedder
	if end, f = s.vectorKind(e, end); f != nil {
		return fail(f)
	}
	next := s.space(end)
	if next == end {
		return fail(s.fault(other, "The vector filter has leftover tokens.", end))
	}
	return s.vectorsExist(e, next)
}

func (s *scanner) vectorsExist(e *Expr, pos int) (*Expr, int, *fault, bool) {
	if end, ok := s.phrase(pos, "EXISTS"); ok {
		return e, end, nil, true
	}
	if end, ok := s.phrase(pos, "NOT", "EXISTS"); ok {
		return plainNot(e), end, nil, true
	}
	return nil, pos, s.fatal(other,
		"Was expecting an operation like `EXISTS` or `NOT EXISTS` after the vector filter.", pos), true
}

// vectorKind reads what follows the embedder's name.
func (s *scanner) vectorKind(e *Expr, pos int) (int, *fault) {
	for _, word := range vectorWords {
		if !s.has(pos, "."+word) {
			continue
		}
		e.Vector = word
		pos += 1 + len(word)
		if word != "fragments" {
			break
		}
		if !s.has(pos, ".") {
			return pos, s.fault(other, "The vector filter is missing a fragment name.", pos)
		}
		var f *fault
		if e.Fragment, pos, f = s.vectorName(pos+1, "The vector filter's fragment name is invalid."); f != nil {
			return pos, f
		}
		break
	}
	if s.has(pos, ".") {
		return pos, s.vectorSuffix(e.Vector, pos)
	}
	return pos, nil
}

// vectorSuffix tells what is wrong with a point behind the last word there may be.
func (s *scanner) vectorSuffix(before string, pos int) *fault {
	where, value := place{pos, pos + 1}, "."
	if name, end, f := s.vectorName(pos+1, ""); f == nil {
		value = name.Text
		where = place{pos + 1, end}
		if quote := s.text[pos+1]; quote == '"' || quote == '\'' {
			where = place{pos + 2, end - 1}
		}
	}
	list := "`" + strings.Join(vectorWords, "`, `") + "`"
	switch {
	case value == ".":
		return s.faultAt(where, "Was expecting one of `.fragments`, `.userProvided`, `.documentTemplate`, `.regenerate` or "+
			"nothing, but instead found a point without a valid value.")
	case before == "" && slices.Contains(vectorWords, value):
		return s.faultAt(where, "Was expecting this part to be unquoted.")
	case before == "":
		words := "Was expecting one of " + list + " or nothing, but instead found `" + value + "`."
		for _, word := range vectorWords {
			if decode.Distance(value, word) <= 2 {
				words += " Did you mean `" + word + "`?"
				break
			}
		}
		return s.faultAt(where, words)
	}
	return s.faultAt(where, "Vector filter can only accept one of `fragments`, `userProvided`, `documentTemplate` or "+
		"`regenerate`, but found both `"+before+"` and `"+value+"`.")
}

// vectorName reads a name that ends at a point unless it is in quotes.
func (s *scanner) vectorName(pos int, invalid string) (Token, int, *fault) {
	if s.has(pos, "'") || s.has(pos, `"`) {
		name, end, f := s.quoted(pos)
		if f != nil && f.kind == unclosed {
			return Token{}, pos, s.fault(other, "The quotes in one of the values are inconsistent.", pos)
		}
		if f != nil || s.unescape(&name, pos, end) != nil {
			return Token{}, pos, s.fault(other, invalid, pos)
		}
		return name, end, nil
	}
	end := s.word(pos)
	if point := strings.IndexByte(s.text[pos:end], '.'); point >= 0 {
		end = pos + point
	}
	if end == pos {
		return Token{}, pos, s.fault(other, invalid, pos)
	}
	return s.token(pos, end), end, nil
}
