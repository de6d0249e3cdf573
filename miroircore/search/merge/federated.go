package merge

import (
	"bytes"

	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// List is one query's hits in their order, to be merged with those of others.
type List struct {
	Hits []*hit.Hit
	// Weight multiplies the scores.
	Weight float64
	// Position is the query's number; ties go to the lower one.
	Position int
	// Index tells the documents of different indexes apart.
	Index string
	// Limit is how many hits the index gives at most over all lists of it; 0
	// is no limit.
	Limit int
}

// Chosen is a hit and the list it was taken from.
type Chosen struct {
	Hit  *hit.Hit
	List *List
}

// Tally counts what a merge went through.
type Tally struct {
	// Taken are the hits up to the end of the window.
	Taken int
	// Rejected are those left out because they share a distinct value with one
	// that was taken.
	Rejected []*hit.Hit
	// Full reports whether the lists held enough to reach the window's end.
	Full bool
}

// Federated merges the hits of several queries by their weighted score values.
// A document that several queries of an index found is given once, where it
// scores best.
func Federated(lists []List, w Window) (chosen []Chosen, t Tally) {
	at := make([]int, len(lists))
	seen := make(map[string]struct{})
	given := make(map[string]int)
	pick := picker{w: w, blank: true}
	var key []byte
	for {
		best := -1
		for i := range lists {
			if at[i] == len(lists[i].Hits) {
				continue
			}
			if best < 0 || before(&lists[i], lists[i].Hits[at[i]], &lists[best], lists[best].Hits[at[best]]) {
				best = i
			}
		}
		if best < 0 {
			return chosen, t
		}
		l := &lists[best]
		h := l.Hits[at[best]]
		at[best]++
		if id := h.Version(); len(id) > 0 {
			key = append(append(append(key[:0], l.Index...), 0), id...)
			if _, ok := seen[string(key)]; ok {
				continue
			}
			seen[string(key)] = struct{}{}
		}
		if l.Limit > 0 && given[l.Index] >= l.Limit {
			continue
		}
		if w.Distinct && pick.repeated(h) {
			t.Rejected = append(t.Rejected, h)
			continue
		}
		given[l.Index]++
		if pick.n >= w.From && pick.n < w.To {
			chosen = append(chosen, Chosen{Hit: h, List: l})
		}
		t.Taken++
		if pick.n++; pick.n >= w.To {
			t.Full = true
			return chosen, t
		}
	}
}

func before(a *List, ah *hit.Hit, b *List, bh *hit.Hit) bool {
	c := Compare(ah.Values(), a.Weight, bh.Values(), b.Weight)
	if c == Incomparable {
		if c = compare(bh.Score*b.Weight, ah.Score*a.Weight); c == 0 {
			return a.Position < b.Position
		}
	}
	if c == 0 {
		return a.Position < b.Position
	}
	return c < 0
}

// Incomparable is Compare's answer where values of different kinds meet.
const Incomparable = 2

// Compare compares the score values of two hits, weighted: -1 if the first hit
// goes before the second, 1 if after, 0 if they tie. Where the values are of
// different kinds the hit with more of them left goes first, and it answers
// Incomparable where both have as many.
func Compare(a []hit.Value, aw float64, b []hit.Value, bw float64) int {
	for i := 0; ; i++ {
		switch {
		case i == len(a) && i == len(b):
			return 0
		case i == len(a):
			return 1
		case i == len(b):
			return -1
		}
		c := compareValue(&a[i], aw, &b[i], bw)
		if c == Incomparable && len(a) != len(b) {
			return compare(float64(len(b)), float64(len(a)))
		}
		if c != 0 {
			return c
		}
	}
}

// epsilon is the difference under which Meilisearch takes scores for equal.
const epsilon = 2.220446049250313e-16

func compareValue(a *hit.Value, aw float64, b *hit.Value, bw float64) int {
	mixed := a.Kind <= hit.Vector && b.Kind <= hit.Vector
	switch {
	case mixed:
		x, y := a.Number*aw, b.Number*bw
		if d := x - y; d <= epsilon && d >= -epsilon {
			return 0
		}
		return compare(y, x)
	case a.Kind != b.Kind || a.Desc != b.Desc:
		return Incomparable
	case a.Null || b.Null:
		return boolean(a.Null) - boolean(b.Null)
	case a.IsText != b.IsText:
		return boolean(a.IsText) - boolean(b.IsText)
	}
	c := compare(a.Number, b.Number)
	if a.IsText {
		c = bytes.Compare(a.Text, b.Text)
	}
	if a.Desc {
		return -c
	}
	return c
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}
