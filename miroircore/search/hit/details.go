package hit

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// Marks in a ranking key. Where a rule gives a number, a text or nothing they
// come in this order, in both directions; a rule that the search did not get
// to is worse than any.
const (
	markNumber  = 0
	markText    = 1
	markNull    = 2
	markSkipped = 0xFF
)

// VersionRule is the entry of the rule that Miroir adds to every index.
const VersionRule = hidden.VersionField + ":asc"

// rule is what was read of one entry of _rankingScoreDetails.
type rule struct {
	order            int
	count, max       int // of words or typos
	score, fid, dist float64
	hasDist          bool
	match            byte
	value            Span
	kind             byte // of value: 'n', 's', 0 for null; 'o' for an object
	escaped          bool
	similarity       float64
	similar          bool
	start            int // where the entry begins
}

// memo is an entry that the hit before had at the same place, and what it made
// of the ranking key. Hits come in order, so most entries repeat: to compare
// the bytes is several times as fast as to read them.
type memo struct{ text, key Span }

// details reads _rankingScoreDetails: the ranking key is made of its entries,
// and those that a client may not see are left out or redacted.
func (s *scanner) details(h *Hit) bool {
	h.key.From = int32(len(s.a.keys))
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	out := omission{s: s, base: len(s.a.edits)}
	var run valueRun
	last := -1
	for n := 0; ; n++ {
		s.space()
		from, mark := s.i, len(s.a.edits)
		stay := true
		if n >= len(s.memos) || !s.repeat(s.memos[n]) {
			var ok bool
			if stay, ok = s.entry(h, n, &last, &run); !ok {
				return false
			}
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
			if s.want.Values {
				s.endRun(&run)
			}
			return true
		default:
			return false
		}
	}
}

// repeat passes an entry that equals the remembered one. An entry ends with a
// brace, so equal bytes are a whole entry.
func (s *scanner) repeat(m memo) bool {
	n := int(m.text.To - m.text.From)
	if n == 0 || len(s.b)-s.i < n || string(s.b[s.i:s.i+n]) != string(s.b[m.text.From:m.text.To]) {
		return false
	}
	s.i += n
	s.a.keys = append(s.a.keys, s.a.keys[m.key.From:m.key.To]...)
	return true
}

// entry reads one entry and reports whether a client may see it.
func (s *scanner) entry(h *Hit, n int, last *int, run *valueRun) (stay, ok bool) {
	from, keyed := s.i, len(s.a.keys)
	name, escaped, ok := s.text()
	if !ok || !s.take(':') {
		return false, false
	}
	key := s.b[name.From:name.To]
	if escaped {
		key = Unescape(nil, key)
	}
	s.space()
	r := rule{match: 2, start: from}
	if !s.rule(&r) || r.order < *last { // the entries stand in the rules' order
		return false, false
	}
	*last = r.order
	if string(key) == VersionRule {
		h.version = r.value
		return false, s.appendSort(&r, false)
	}
	stay, ok = s.rank(h, string(key), &r, run)
	if ok && !s.want.Values && !s.want.Rules && memorable(string(key)) {
		for len(s.memos) <= n {
			s.memos = append(s.memos, memo{})
		}
		s.memos[n] = memo{Span{int32(from), int32(s.i)}, Span{int32(keyed), int32(len(s.a.keys))}}
	}
	return stay, ok
}

// memorable reports whether an entry does nothing but rank.
func memorable(key string) bool {
	switch key {
	case "words", "typo", "proximity", "attributeRank", "attribute", "wordPosition", "exactness":
		return true
	}
	return false
}

// rule reads one entry's object.
func (s *scanner) rule(r *rule) bool {
	if !s.take('{') {
		return false
	}
	for first := true; ; first = false {
		if first && s.take('}') {
			return true
		}
		name, _, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		s.space()
		if !s.ruleMember(r, name) {
			return false
		}
		switch s.peek() {
		case ',':
			s.i++
		case '}':
			s.i++
			return true
		default:
			return false
		}
	}
}

func (s *scanner) ruleMember(r *rule, name Span) (ok bool) {
	switch string(s.b[name.From:name.To]) {
	case "order":
		r.order, ok = s.integer()
	case "matchingWords", "typoCount", "position":
		r.count, ok = s.integer()
	case "maxMatchingWords", "maxTypoCount":
		r.max, ok = s.integer()
	case "score":
		r.score, ok = s.float()
	case "attributeRankingOrderScore":
		r.fid, ok = s.float()
	case "queryWordDistanceScore":
		r.dist, ok = s.float()
		r.hasDist = true
	case "similarity":
		if s.null() {
			return true
		}
		r.similarity, ok = s.float()
		r.similar = true
	case "matchType":
		var span Span
		span, _, ok = s.text()
		switch string(s.b[span.From:span.To]) {
		case "exactMatch":
			r.match = 0
		case "matchesStart":
			r.match = 1
		}
	case "value":
		return s.ruleValue(r)
	default:
		return s.skip(1)
	}
	return ok
}

func (s *scanner) ruleValue(r *rule) (ok bool) {
	from := s.i
	switch ch := s.peek(); {
	case ch == '"':
		r.kind = 's'
		r.value, r.escaped, ok = s.text()
		return ok
	case ch == 'n':
		return s.literal()
	case ch == '{':
		r.kind = 'o'
		ok = s.skip(1)
	default:
		r.kind = 'n'
		ok = s.number()
	}
	r.value = Span{int32(from), int32(s.i)}
	return ok
}

// rank appends one rule to the ranking key and reports whether a client may
// see its entry.
func (s *scanner) rank(h *Hit, key string, r *rule, run *valueRun) (stay, ok bool) {
	if s.want.Rules {
		s.tell(key, r)
	}
	k := s.a.keys
	switch key {
	case "words":
		k = binary.BigEndian.AppendUint16(k, descending(r.count))
		run.add(float64(r.count), float64(r.max))
		run.words = r.count
	case "typo":
		k = binary.BigEndian.AppendUint16(k, uint16(min(r.count, 0x7FFF)))
		run.add(float64(r.max+1-r.count), float64(r.max+1))
	case "proximity":
		k = appendScore(k, r.score)
		run.ratio(r.score, 1+3*float64(max(run.words-1, 0)))
	case "attributeRank", "wordPosition":
		k = appendScore(k, r.score)
		run.ratio(r.score, 1+10*float64(max(run.words, 1)))
	case "attribute":
		k = appendScore(k, r.fid)
		run.ratio(r.fid, 1+10*float64(max(run.words, 1)))
		if r.hasDist {
			k = appendScore(k, r.dist)
			run.ratio(r.dist, 1+10*float64(max(run.words, 1)))
		}
	case "exactness":
		k = append(k, r.match)
		n := 0
		if r.match == 2 {
			n = r.count
		}
		k = binary.BigEndian.AppendUint16(k, descending(n))
		run.ratio(r.score, 3*float64(run.words+1))
	case "vectorSort":
		h.semantic = r.similar
		if r.similar {
			k = appendFloat(append(k, markNumber), r.similarity, true)
		} else {
			k = append(k, markNull)
		}
		s.addValue(run, Value{Kind: Vector, Number: r.similarity, Null: !r.similar})
	case "skipped":
		k = append(k, markSkipped)
		run.add(0, 1)
	case "pin":
		h.Pin = r.count
	default:
		return s.rankSort(h, key, r, run)
	}
	s.a.keys = k
	return true, true
}

// rankSort ranks by a field or by a distance.
func (s *scanner) rankSort(h *Hit, key string, r *rule, run *valueRun) (stay, ok bool) {
	field, direction, found := cutLast(key, ':')
	desc := direction == "desc"
	if !found || !desc && direction != "asc" {
		return false, false
	}
	if strings.HasPrefix(field, "_geoPoint(") && r.kind != 's' && r.kind != 'n' {
		lat, lng, ok := point(field)
		if !ok {
			return false, false
		}
		rule := GeoRule{At: int32(len(s.a.keys)) - h.key.From, Lat: lat, Lng: lng, Desc: desc}
		s.a.geo = append(s.a.geo, rule)
		v := Value{Kind: Distance, Desc: desc, Null: !h.located}
		if h.located {
			v.Number = Metres(lat, lng, h.lat, h.lng)
		}
		s.addValue(run, v)
		return true, true
	}
	if !s.appendSort(r, desc) {
		return false, false
	}
	if s.want.Values {
		v := Value{Kind: Field, Desc: desc, Null: r.kind == 0}
		switch r.kind {
		case 'n':
			v.Number, _ = parseFloat(s.b[r.value.From:r.value.To])
		case 's':
			v.IsText, v.Text = true, s.valueText(r)
		}
		s.addValue(run, v)
	}
	if strings.HasPrefix(field, hidden.Prefix) {
		return false, true
	}
	if s.want.Displayed != nil && !contains(s.want.Displayed, field) {
		s.redact(r)
	}
	return true, true
}

func (s *scanner) valueText(r *rule) []byte {
	text := s.b[r.value.From:r.value.To]
	if r.escaped {
		text = Unescape(nil, text)
	}
	return text
}

// appendSort ranks by a field's value: numbers, then texts, then none.
func (s *scanner) appendSort(r *rule, desc bool) bool {
	k := s.a.keys
	switch r.kind {
	case 'n':
		f, ok := parseFloat(s.b[r.value.From:r.value.To])
		if !ok {
			return false
		}
		k = appendFloat(append(k, markNumber), f, desc)
	case 's':
		k = appendText(append(k, markText), s.valueText(r), desc)
	default:
		k = append(k, markNull)
	}
	s.a.keys = k
	return true
}

// redact hides the field and the value of a rule that sorts by a field which
// is not displayed.
func (s *scanner) redact(r *rule) {
	s.cut(r.start, s.i,
		`"<hidden-rule-`+strconv.Itoa(r.order)+`>":{"order":`+strconv.Itoa(r.order)+`,"value":"<hidden>"}`)
}

func descending(n int) uint16 { return uint16(0x7FFF - min(n, 0x7FFF)) }

// appendScore appends a score between 0 and 1, the better first.
func appendScore(dst []byte, score float64) []byte {
	score = min(max(score, 0), 1)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(1)-math.Float64bits(score))
}

func cutLast(text string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// point reads the place out of a rule's name, _geoPoint(lat, lng).
func point(field string) (lat, lng float64, ok bool) {
	inner := strings.TrimSuffix(strings.TrimPrefix(field, "_geoPoint("), ")")
	a, b, ok := strings.Cut(inner, ",")
	if !ok {
		return 0, 0, false
	}
	lat, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	lng, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	return lat, lng, err1 == nil && err2 == nil
}

func contains(list []string, name string) bool {
	for _, l := range list {
		if l == name {
			return true
		}
	}
	return false
}
