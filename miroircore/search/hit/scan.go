package hit

import (
	"fmt"
	"strings"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

var answers = sync.Pool{New: func() any { return new(Answer) }}

// Release gives the answer's memory back for another scan. Neither the answer
// nor its hits may be used afterwards.
func (a *Answer) Release() {
	const keep = 1 << 16
	if cap(a.Hits) > keep {
		return
	}
	a.Body = nil
	clear(a.Hits)
	clear(a.distinct)
	answers.Put(a)
}

// scanner is one pass over one answer.
type scanner struct {
	cursor
	a     *Answer
	want  *Want
	memos []memo // by place in the details
}

// Scan reads a node's answer to a search, to a similarity search or to a
// request for documents.
func Scan(body []byte, want *Want) (*Answer, error) { return scan(body, want, false) }

// ScanOne reads a node's answer that is a single document; it is the one hit.
func ScanOne(body []byte, want *Want) (*Answer, error) { return scan(body, want, true) }

func scan(body []byte, want *Want, single bool) (*Answer, error) {
	if len(body) > 1<<31-1 {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(body))
	}
	a := answers.Get().(*Answer)
	*a = Answer{Body: body, Total: -1, Semantic: -1, Hits: a.Hits[:0], edits: a.edits[:0], keys: a.keys[:0],
		geo: a.geo[:0], distinct: a.distinct[:0], values: a.values[:0], rules: a.rules[:0], memos: a.memos[:0]}
	s := scanner{cursor: cursor{b: body}, a: a, want: want, memos: a.memos[:0]}
	var ok bool
	if single {
		ok = s.alone()
	} else {
		ok = s.envelope()
	}
	a.memos = s.memos
	if !ok {
		at := min(s.i, len(body))
		a.Release()
		return nil, fmt.Errorf("%w at byte %d of %d", ErrMalformed, at, len(body))
	}
	return a, nil
}

// alone reads a body that is one document.
func (s *scanner) alone() bool {
	if !s.hit() {
		return false
	}
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) envelope() bool {
	if !s.take('{') {
		return false
	}
	hits := false
	for first := true; ; first = false {
		if first && s.peek() == '}' {
			break
		}
		name, _, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		s.space()
		from := s.i
		switch string(s.a.Bytes(name)) {
		case "hits", "results":
			ok = s.hits()
			hits = true
		case "facetHits":
			ok = s.skip(0)
			s.a.FacetHits = Span{int32(from), int32(s.i)}
			hits = true
		case "estimatedTotalHits", "totalHits", "total":
			s.a.Total, ok = s.integer()
		case "semanticHitCount":
			s.a.Semantic, ok = s.integer()
		default:
			ok = s.skip(0)
			s.note(string(s.a.Bytes(name)), Span{int32(from), int32(s.i)})
		}
		if !ok {
			return false
		}
		if s.peek() != ',' {
			break
		}
		s.i++
	}
	if !hits || !s.take('}') {
		return false
	}
	s.space()
	return s.i == len(s.b)
}

func (s *scanner) note(name string, value Span) {
	switch name {
	case "facetDistribution":
		s.a.FacetDistribution = value
	case "facetStats":
		s.a.FacetStats = value
	case "facetsByIndex":
		s.a.FacetsByIndex = value
	case "queryVector":
		s.a.QueryVector = value
	case "performanceDetails":
		s.a.Performance = value
	}
}

func (s *scanner) hits() bool {
	if !s.take('[') {
		return false
	}
	if s.take(']') {
		return true
	}
	for {
		if !s.hit() {
			return false
		}
		switch s.peek() {
		case ',':
			s.i++
		case ']':
			s.i++
			return true
		default:
			return false
		}
	}
}

// omission leaves members out of one object or elements out of one array, each
// with the comma that goes with it.
type omission struct {
	s     *scanner
	base  int // edits there were before
	kept  int // where the last member that stays ends, 0 while there is none
	open  int // where the members that go began, while none has stayed
	count int // how many stay
}

func (o *omission) keep(from, to int) {
	if o.kept == 0 && o.open > 0 {
		// Edits stand in the order of their places: this one comes before
		// those inside the member that stays.
		o.s.cut(o.open, from, "")
		edits := o.s.a.edits[o.base:]
		last := edits[len(edits)-1]
		copy(edits[1:], edits)
		edits[0] = last
	}
	o.kept = to
	o.count++
}

func (o *omission) drop(mark, from, to int) {
	o.s.a.edits = o.s.a.edits[:mark] // what was edited inside goes with it
	switch {
	case o.kept > 0:
		o.s.cut(o.kept, to, "")
		o.kept = to
	case o.open == 0:
		o.open = from
	}
}

func (o *omission) end(to int) {
	if o.kept == 0 && o.open > 0 {
		o.s.cut(o.open, to, "")
	}
}

func (s *scanner) cut(from, to int, text string) {
	s.a.edits = append(s.a.edits, edit{Span{int32(from), int32(to)}, text})
}

func (s *scanner) hit() bool {
	s.space()
	a := s.a
	h := Hit{answer: a, Score: -1, Pin: -1, tail: -1}
	h.span.From = int32(s.i)
	h.edits.From = int32(len(a.edits))
	h.key.From, h.geo.From = int32(len(a.keys)), int32(len(a.geo))
	h.distinct.From, h.values.From, h.rules.From = int32(len(a.distinct)), int32(len(a.values)), int32(len(a.rules))
	if _, ok := s.object(func(key []byte, from int) (bool, bool) { return s.member(&h, key, from) }); !ok {
		return false
	}
	h.span.To = int32(s.i)
	if h.tail < 0 {
		h.tail = h.span.To - 1
	}
	if s.want.Version {
		h.key.From = int32(len(a.keys))
		s.sortKey(&h)
	}
	h.edits.To = int32(len(a.edits))
	h.key.To, h.geo.To = int32(len(a.keys)), int32(len(a.geo))
	h.distinct.To, h.values.To, h.rules.To = int32(len(a.distinct)), int32(len(a.values)), int32(len(a.rules))
	if s.want.Values {
		h.exactValues()
	}
	a.special = a.special || h.Pin >= 0 || h.geo.To > h.geo.From
	a.Hits = append(a.Hits, h)
	return true
}

// object walks over an object's members and leaves out those that visit does
// not want to stay. It gives the number of those that do.
func (s *scanner) object(visit func(key []byte, from int) (stay, ok bool)) (int, bool) {
	if !s.take('{') {
		return 0, false
	}
	if s.take('}') {
		return 0, true
	}
	out := omission{s: s, base: len(s.a.edits)}
	for {
		s.space()
		from, mark := s.i, len(s.a.edits)
		name, escaped, ok := s.text()
		if !ok || !s.take(':') {
			return 0, false
		}
		s.space()
		key := s.b[name.From:name.To]
		if escaped {
			key = Unescape(nil, key)
		}
		stay, ok := visit(key, from)
		if !ok {
			return 0, false
		}
		if stay {
			out.keep(from, s.i)
		} else {
			out.drop(mark, from, s.i)
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			out.end(s.i)
			s.i++
			return out.count, true
		default:
			return 0, false
		}
	}
}

// member reads one member of a hit and reports whether it stays.
func (s *scanner) member(h *Hit, key []byte, from int) (stay, ok bool) {
	if len(key) > 0 && key[0] == '_' {
		if stay, ok, known := s.added(h, string(key), from); known {
			return stay, ok
		}
	}
	value := s.i
	if s.want.Keep == nil {
		stay, ok = true, s.skip(1)
	} else {
		stay, ok = s.selected(s.want.Keep, key, 1)
	}
	if !ok {
		return false, false
	}
	if s.want.Distinct != "" {
		s.collect(h, s.want.Distinct, key, value)
	}
	if s.want.PrimaryKey != "" && string(key) == s.want.PrimaryKey {
		h.id = Span{int32(value), int32(s.i)}
	}
	return stay, true
}

// added reads the members that begin with an underscore: what Meilisearch adds
// to a document, and what the gateway does.
func (s *scanner) added(h *Hit, key string, from int) (stay, ok, known bool) {
	tail := func() {
		if h.tail < 0 {
			h.tail = int32(from)
		}
	}
	switch key {
	case "_rankingScoreDetails":
		tail()
		ok = s.details(h)
		return s.want.Details, ok, true
	case "_rankingScore":
		tail()
		h.Score, ok = s.float()
		return s.want.Score, ok, true
	case "_formatted":
		tail()
		stay, ok = s.formatted()
		return stay, ok, true
	case "_matchesPosition":
		tail()
		return true, s.matches(), true
	case "_geoDistance":
		return !s.want.DropGeoDistance, s.skip(0), true
	case "_geo":
		if s.want.Geo {
			at := s.i
			s.place(h)
			s.i = at
		}
		return false, false, false
	case hidden.VersionField:
		span, _, isText := s.text()
		if isText {
			h.version = span
			return false, true, true
		}
		return false, s.skip(0), true
	}
	if strings.HasPrefix(key, hidden.Prefix) {
		return false, s.skip(0), true
	}
	return false, false, false
}

// formatted reads _formatted; where nothing of it stays it goes as a whole, as
// Meilisearch leaves out an empty one.
func (s *scanner) formatted() (stay, ok bool) {
	if s.peek() != '{' {
		return true, s.skip(0)
	}
	count, ok := s.object(func(key []byte, _ int) (bool, bool) {
		if strings.HasPrefix(string(key), hidden.Prefix) {
			return false, s.skip(1)
		}
		if s.want.Formatted == nil {
			return true, s.skip(1)
		}
		return s.selected(s.want.Formatted, key, 1)
	})
	return count > 0, ok
}

func (s *scanner) matches() bool {
	if s.peek() != '{' {
		return s.skip(0)
	}
	_, ok := s.object(func(key []byte, _ int) (bool, bool) {
		shown := !strings.HasPrefix(string(key), hidden.Prefix) && displays(s.want.Displayed, string(key))
		return shown, s.skip(1)
	})
	return ok
}

// displays reports whether a dotted key is one of the displayed attributes or
// lies inside one.
func displays(displayed []string, key string) bool {
	if displayed == nil {
		return true
	}
	for _, d := range displayed {
		if strings.HasPrefix(key, d) && (len(key) == len(d) || key[len(d)] == '.') {
			return true
		}
	}
	return false
}
