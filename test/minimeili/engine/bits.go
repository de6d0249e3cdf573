package engine

import "math/bits"

// docSet is a set of internal document ids. Indexes of the double are small,
// so a dense bit set beats anything compressed. Every operation accepts sets of
// different lengths; the zero value is the empty set.
type docSet struct{ w []uint64 }

func newDocSet(ids ...uint32) docSet {
	var s docSet
	for _, id := range ids {
		s.add(id)
	}
	return s
}

func (s *docSet) grow(words int) {
	if len(s.w) < words {
		w := make([]uint64, words)
		copy(w, s.w)
		s.w = w
	}
}

func (s *docSet) add(id uint32) {
	i := int(id >> 6)
	if i >= len(s.w) {
		s.grow(i + 1 + i/4)
	}
	s.w[i] |= 1 << (id & 63)
}

func (s *docSet) addAll(ids []uint32) {
	if len(ids) == 0 {
		return
	}
	s.grow(int(ids[len(ids)-1]>>6) + 1)
	for _, id := range ids {
		s.add(id)
	}
}

func (s *docSet) remove(id uint32) {
	if i := int(id >> 6); i < len(s.w) {
		s.w[i] &^= 1 << (id & 63)
	}
}

func (s docSet) has(id uint32) bool {
	i := int(id >> 6)
	return i < len(s.w) && s.w[i]&(1<<(id&63)) != 0
}

func (s docSet) empty() bool {
	for _, w := range s.w {
		if w != 0 {
			return false
		}
	}
	return true
}

func (s docSet) len() int {
	n := 0
	for _, w := range s.w {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s docSet) clone() docSet {
	return docSet{w: append([]uint64(nil), s.w...)}
}

// or adds every element of o.
func (s *docSet) or(o docSet) {
	s.grow(len(o.w))
	for i, w := range o.w {
		s.w[i] |= w
	}
}

// and keeps the elements that are in o too.
func (s *docSet) and(o docSet) {
	for i := range s.w {
		if i < len(o.w) {
			s.w[i] &= o.w[i]
		} else {
			s.w[i] = 0
		}
	}
}

// sub removes every element of o.
func (s *docSet) sub(o docSet) {
	for i := range min(len(s.w), len(o.w)) {
		s.w[i] &^= o.w[i]
	}
}

func intersection(a, b docSet) docSet {
	n := min(len(a.w), len(b.w))
	r := docSet{w: make([]uint64, n)}
	for i := range n {
		r.w[i] = a.w[i] & b.w[i]
	}
	return r
}

func difference(a, b docSet) docSet {
	r := a.clone()
	r.sub(b)
	return r
}

func disjoint(a, b docSet) bool {
	for i := range min(len(a.w), len(b.w)) {
		if a.w[i]&b.w[i] != 0 {
			return false
		}
	}
	return true
}

// all iterates over the ids in ascending order.
func (s docSet) all(yield func(uint32) bool) {
	for i, w := range s.w {
		for w != 0 {
			id := uint32(i<<6 + bits.TrailingZeros64(w))
			if !yield(id) {
				return
			}
			w &= w - 1
		}
	}
}

func (s docSet) min() (uint32, bool) {
	for id := range s.all {
		return id, true
	}
	return 0, false
}
