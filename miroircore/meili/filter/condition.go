package filter

// comparisons are tried in this order: the longer ones first.
var comparisons = []Op{LessOrEqual, GreaterOrEqual, NotEqual, Less, Greater, Equal}

// condition reads an attribute and what is asked of it. The order of the forms
// decides which of several faults is told.
func (s *scanner) condition(pos, depth int) (*Expr, int, *fault) {
	attr, after, f := s.value(pos)
	if f != nil && (f.fatal || f.kind == wantValueNotKeyword) {
		return nil, pos, f.cut()
	}
	if f != nil {
		if e, end, f, ok := s.vectors(pos); ok {
			return e, end, f
		}
		return nil, pos, f
	}
	if e, end, f, ok := s.simple(attr, after); ok {
		return e, end, f
	}
	if e, end, f, ok := s.vectors(pos); ok {
		return e, end, f
	}
	if e, end, f, ok := s.rest(attr, after); ok {
		return e, end, f
	}
	if e, end, f, ok := s.foreign(pos, depth); ok {
		return e, end, f
	}
	return nil, pos, s.fault(wantOperation, "", pos)
}

// simple reads IN, the comparisons and IS.
func (s *scanner) simple(attr Token, pos int) (*Expr, int, *fault, bool) {
	if end, ok := s.keyword(pos, "IN"); ok {
		e, end, f := s.list(attr, end)
		return e, end, f, true
	}
	if end, ok := s.exact(pos, "NOT"); ok {
		if end, ok = s.keyword(end, "IN"); ok {
			e, end, f := s.list(attr, end)
			if f != nil {
				return nil, pos, f, true
			}
			return plainNot(e), end, nil, true
		}
	}
	for _, op := range comparisons {
		if s.has(pos, string(op)) {
			value, end, f := s.value(pos + len(op))
			return &Expr{Op: op, Attr: attr, Values: []Token{value}}, end, f.cut(), true
		}
	}
	for _, is := range []struct {
		word string
		op   Op
	}{{"NULL", Null}, {"EMPTY", Empty}} {
		if end, ok := s.phrase(pos, "IS", is.word); ok {
			return &Expr{Op: is.op, Attr: attr}, end, nil, true
		}
		if end, ok := s.phrase(pos, "IS", "NOT", is.word); ok {
			return plainNot(&Expr{Op: is.op, Attr: attr}), end, nil, true
		}
	}
	return nil, pos, nil, false
}

// rest reads EXISTS, TO, CONTAINS and STARTS WITH.
func (s *scanner) rest(attr Token, pos int) (*Expr, int, *fault, bool) {
	if end, ok := s.phrase(pos, "EXISTS"); ok {
		return &Expr{Op: Exists, Attr: attr}, end, nil, true
	}
	if end, ok := s.phrase(pos, "NOT", "EXISTS"); ok {
		return plainNot(&Expr{Op: Exists, Attr: attr}), end, nil, true
	}
	from, after, f := s.value(pos)
	if f != nil && f.fatal {
		return nil, pos, f, true
	}
	if f == nil && s.has(after, "TO") && s.space(after+2) > after+2 {
		to, end, f := s.value(s.space(after + 2))
		return &Expr{Op: Between, Attr: attr, Values: []Token{from, to}}, end, f.cut(), true
	}
	for _, op := range []Op{Contains, StartsWith} {
		word := names[op]
		if s.has(pos, word) {
			e, end, f := s.keyed(op, attr, pos, pos+len(word))
			return e, end, f, true
		}
		if end, ok := s.phrase(pos, "NOT", word); ok {
			e, end, f := s.keyed(op, attr, end-len(word), end)
			if f != nil {
				return nil, pos, f, true
			}
			return plainNot(e), end, nil, true
		}
	}
	return nil, pos, nil, false
}

// keyed reads the value behind a keyword that messages may point to.
func (s *scanner) keyed(op Op, attr Token, from, to int) (*Expr, int, *fault) {
	keyword := s.token(from, to)
	value, end, f := s.value(to)
	return &Expr{Op: op, Attr: attr, Keyword: keyword, Values: []Token{value}}, end, f.cut()
}

// list reads the values behind IN.
func (s *scanner) list(attr Token, pos int) (*Expr, int, *fault) {
	if !s.has(pos, "[") {
		return nil, pos, s.fatal(wantBracket, "", pos)
	}
	e := &Expr{Op: In, Attr: attr}
	pos++
	value, end, f := s.value(pos)
	for f == nil {
		e.Values = append(e.Values, value)
		pos = end
		if end = s.space(pos); !s.has(end, ",") {
			break
		}
		value, end, f = s.value(s.space(end + 1))
	}
	if f != nil && f.fatal {
		return nil, pos, f
	}
	if comma := s.space(pos); len(e.Values) > 0 && s.has(comma, ",") {
		pos = s.space(comma + 1)
	}
	if end = s.space(pos); !s.has(end, "]") {
		if pos == len(s.text) {
			return nil, pos, s.fatal(wantClosingBracket, "", pos)
		}
		return nil, pos, s.fatal(badListItem, "", pos)
	}
	return e, s.space(end + 1), nil
}

// foreign reads a condition on documents of another index. From its name on,
// faults and tokens show only this part of the filter.
func (s *scanner) foreign(pos, depth int) (*Expr, int, *fault, bool) {
	open, ok := s.exact(s.space(pos), "_foreign")
	if !ok {
		return nil, pos, nil, false
	}
	outer := s.source
	s.source = s.text[pos:]
	defer func() { s.source = outer }()
	bad := func(at int) (*Expr, int, *fault, bool) { return nil, pos, s.fatal(badForeign, "", at), true }
	inside := func(f *fault) (*Expr, int, *fault, bool) {
		f.kind = badForeign
		return nil, pos, f.cut(), true
	}
	if !s.has(open, "(") {
		return bad(open)
	}
	attr, end, f := s.value(s.space(open + 1))
	if f != nil {
		return inside(f)
	}
	comma := s.space(end)
	if !s.has(comma, ",") {
		return bad(comma)
	}
	child, end, f := s.or(s.space(comma+1), depth)
	if f != nil {
		return inside(f)
	}
	if end = s.space(end); !s.has(end, ")") {
		return bad(end)
	}
	return &Expr{Op: Foreign, Attr: attr, Children: []*Expr{child}}, end + 1, nil, true
}
