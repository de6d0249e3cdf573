// Package merge puts the answers of several nodes together so that the result
// is the one a single server would have given: hits by their score details rule
// by rule, totals, facets and their statistics.
package merge

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// Window is the part of the merged order that was asked for.
type Window struct {
	// From and To bound the hits wanted, counted from 0.
	From, To int
	// Distinct keeps, of the hits that share a distinct value, only the best.
	Distinct bool
	// Threshold leaves out hits that score less; 0 keeps all.
	Threshold float64
}

// Hits gives the hits of the window, appended to dst, in their common order.
// The lists have to be in order each, as nodes give them.
func Hits(dst []*hit.Hit, answers []*hit.Answer, w Window) []*hit.Hit {
	dst, _ = Page(dst, answers, w)
	return dst
}

// Page is Hits, and gives as well how many hits were left out because they
// share a distinct value with one that was taken.
func Page(dst []*hit.Hit, answers []*hit.Answer, w Window) (hits []*hit.Hit, repeated int) {
	if w.To <= w.From {
		return dst, 0
	}
	pick := picker{w: w, dst: dst}
	if special(answers) {
		sorted(&pick, answers)
	} else {
		streamed(&pick, answers)
	}
	return pick.dst, pick.left
}

// special reports whether the hits cannot be merged by their keys alone: those
// that a rule pinned have a place of their own, and near points make buckets
// that do not keep to the nodes' borders.
func special(answers []*hit.Answer) bool {
	return slices.ContainsFunc(answers, (*hit.Answer).Special)
}

// stream is one node's list and where the merge is in it.
type stream struct {
	key  []byte
	lead uint64 // the key's first bytes, which mostly decide
	hits []hit.Hit
	at   int
	rank int // ties go to the node that was named first
}

func streamed(pick *picker, answers []*hit.Answer) {
	var space [8]stream
	var order [8]*stream
	streams, heads := space[:0], order[:0]
	if len(answers) > len(space) {
		streams = make([]stream, 0, len(answers))
	}
	for i, a := range answers {
		if len(a.Hits) == 0 {
			continue
		}
		streams = append(streams, stream{hits: a.Hits, rank: i})
		s := &streams[len(streams)-1]
		s.read()
		heads = append(heads, s)
		settle(heads)
	}
	for len(heads) > 0 {
		best := heads[len(heads)-1] // the best head stands last
		if pick.add(&best.hits[best.at]) {
			return
		}
		if best.at++; best.at == len(best.hits) {
			heads = heads[:len(heads)-1]
			continue
		}
		best.read()
		settle(heads)
	}
}

// read takes the key of the hit that is next.
func (s *stream) read() {
	s.key = s.hits[s.at].Key()
	if len(s.key) >= 8 {
		s.lead = binary.BigEndian.Uint64(s.key)
		return
	}
	var short [8]byte
	copy(short[:], s.key)
	s.lead = binary.BigEndian.Uint64(short[:])
}

// settle moves the last head to where it belongs; the others are in order.
func settle(heads []*stream) {
	i := len(heads) - 1
	moving := heads[i]
	for ; i > 0; i-- {
		other := heads[i-1]
		if moving.lead < other.lead {
			break
		}
		if moving.lead == other.lead {
			if c := bytes.Compare(moving.key, other.key); c < 0 || c == 0 && moving.rank < other.rank {
				break
			}
		}
		heads[i] = other
	}
	heads[i] = moving
}

// picker takes hits in their order and keeps those of the window.
type picker struct {
	w    Window
	dst  []*hit.Hit
	seen map[string]struct{}
	n    int
	left int
	// blank takes all blank values for one.
	blank bool
}

// blank is how a text of nothing but space stands among distinct values.
const blank = "s"

// add takes the next hit and reports whether the rest does not matter.
func (p *picker) add(h *hit.Hit) (full bool) {
	if p.w.Distinct || p.w.Threshold > 0 {
		return p.choose(h)
	}
	if p.n >= p.w.From {
		p.dst = append(p.dst, h)
	}
	p.n++
	return p.n >= p.w.To
}

// choose is add where a hit may be left out.
func (p *picker) choose(h *hit.Hit) (full bool) {
	if p.w.Threshold > 0 && h.Score >= 0 && h.Score < p.w.Threshold {
		return false
	}
	if p.n >= p.w.To { // only what repeats a taken hit still counts
		for _, v := range h.Distinct() {
			if _, ok := p.seen[v]; ok {
				p.left++
				break
			}
		}
		return false
	}
	if p.w.Distinct && p.repeated(h) {
		p.left++
		return false
	}
	if p.n >= p.w.From {
		p.dst = append(p.dst, h)
	}
	p.n++
	return p.n >= p.w.To && !p.w.Distinct
}

func (p *picker) repeated(h *hit.Hit) bool {
	values := h.Distinct()
	if p.blank && h.Blank() {
		values = append(values[:len(values):len(values)], blank)
	}
	for _, v := range values {
		if _, ok := p.seen[v]; ok {
			return true
		}
	}
	if p.seen == nil && len(values) > 0 {
		p.seen = make(map[string]struct{})
	}
	for _, v := range values {
		p.seen[v] = struct{}{}
	}
	return false
}

// placed is a hit on its way through the sort.
type placed struct {
	hit      *hit.Hit
	key      []byte
	distance float64
	rank, at int
}

// sorted orders the whole union: pinned hits aside, by key and by distance.
func sorted(pick *picker, answers []*hit.Answer) {
	var pins, rest []placed
	for rank, a := range answers {
		for i := range a.Hits {
			h := &a.Hits[i]
			p := placed{hit: h, key: h.Key(), rank: rank, at: i}
			if h.Pin >= 0 {
				pins = append(pins, p)
			} else {
				rest = append(rest, p)
			}
		}
	}
	arrange(rest, 0, 0)
	pick.all(pins, rest)
}

// all takes the hits in their order, each pinned one where it was pinned to.
func (p *picker) all(pins, rest []placed) {
	slices.SortStableFunc(pins, func(a, b placed) int { return a.hit.Pin - b.hit.Pin })
	for len(pins)+len(rest) > 0 {
		from := &rest
		if len(rest) == 0 || len(pins) > 0 && pins[0].hit.Pin <= p.n {
			from = &pins
		}
		next := (*from)[0]
		*from = (*from)[1:]
		if p.add(next.hit) {
			break
		}
	}
}

// nearby is how far points may lie from the first of their bucket, in metres.
const nearby = 1.0

// arrange sorts hits by their keys from the byte at on, where their geo rules
// from number rule on stand in between.
func arrange(hits []placed, rule, at int) {
	if len(hits) < 2 {
		return
	}
	end := func(p *placed) int { // of the part of the key before the rule
		if geo := p.hit.Geo(); rule < len(geo) {
			return int(geo[rule].At)
		}
		return len(p.key)
	}
	slices.SortFunc(hits, func(a, b placed) int {
		if c := bytes.Compare(a.key[at:end(&a)], b.key[at:end(&b)]); c != 0 {
			return c
		}
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return a.at - b.at
	})
	for from := 0; from < len(hits); {
		to := from + 1
		for to < len(hits) && bytes.Equal(hits[from].key[at:end(&hits[from])], hits[to].key[at:end(&hits[to])]) {
			to++
		}
		byDistance(hits[from:to], rule, end(&hits[from]))
		from = to
	}
}

// byDistance sorts hits that are equal so far by the geo rule, and those of a
// bucket of near points by what follows the rule.
func byDistance(hits []placed, rule, at int) {
	if len(hits) < 2 || rule >= len(hits[0].hit.Geo()) {
		return
	}
	geo := hits[0].hit.Geo()[rule]
	for i := range hits {
		hits[i].distance = -1
		if lat, lng, ok := hits[i].hit.Place(); ok {
			hits[i].distance = hit.Metres(geo.Lat, geo.Lng, lat, lng)
		}
	}
	slices.SortStableFunc(hits, func(a, b placed) int {
		switch {
		case a.distance < 0 || b.distance < 0:
			return compare(b.distance, a.distance) // without a place: last
		case geo.Desc:
			return compare(b.distance, a.distance)
		default:
			return compare(a.distance, b.distance)
		}
	})
	for from := 0; from < len(hits); {
		to := from + 1
		for to < len(hits) && sameBucket(hits[from].distance, hits[to].distance) {
			to++
		}
		arrange(hits[from:to], rule+1, at)
		from = to
	}
}

func sameBucket(first, next float64) bool {
	if first < 0 || next < 0 {
		return first < 0 && next < 0
	}
	return next-first <= nearby && first-next <= nearby
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
