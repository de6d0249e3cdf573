package merge

import (
	"bytes"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// Merger decides in which order the hits of several nodes stand. What it
// decides must follow from its arguments alone, and give each hit one place
// that does not depend on the window: pages are windows of one order.
type Merger interface {
	// Needs says what has to be asked of the nodes for it.
	Needs() Needs
	// Merge appends to dst the hits of the window in their order, and tells how
	// many it left out because they share a distinct value with a hit before.
	Merge(dst []*hit.Hit, in Lists) (hits []*hit.Hit, repeated int)
}

// Fuser is a Merger that also joins the two lists of a hybrid search, by
// meaning and by words. Those of other mergers are joined by weighted scores, as
// Meilisearch does it.
type Fuser interface {
	// Fuse gives the hits of the window. A document that is in several lists is
	// given once.
	Fuse(lists []List, w Window) []Chosen
}

// Needs says what a Merger has to be given.
type Needs struct {
	// Depth is how many hits it has to see of each node at least, however
	// early the page is.
	Depth int
	// Rules asks for the hits' Rules.
	Rules bool
	// Frequencies asks for Terms and Documents. A search without words to count
	// is then merged by Details.
	Frequencies bool
	// SameCopies asks the same copies each time, for an order that depends on
	// how the documents are spread over the nodes that answer.
	SameCopies bool
	// Alone asks for the hits even where one node answers for the whole index,
	// whose own order stands otherwise.
	Alone bool
}

// Lists are the hits of several nodes.
type Lists struct {
	// Answers are the nodes' answers, each of which has its hits in order.
	Answers []*hit.Answer
	Window  Window
	// Terms are what was searched for, in the order in which they are given up
	// last: a hit that matches n words matches the first n of them. Documents is
	// the number of documents in the index.
	Terms     []Term
	Documents int
}

// Term is a word of a query, or a phrase in quotes.
type Term struct {
	Text string
	// Words is how many words it is made of.
	Words int
	// Documents is in how many documents of the index it occurs.
	Documents int
}

// Details orders by the details of the ranking score, rule by rule: the order
// of one server that had all documents.
type Details struct{}

// Needs implements Merger.
func (Details) Needs() Needs { return Needs{} }

// Merge implements Merger.
func (Details) Merge(dst []*hit.Hit, in Lists) ([]*hit.Hit, int) {
	return Page(dst, in.Answers, in.Window)
}

// DefaultK is RRF's constant where none is given: that of the paper that
// introduced it.
const DefaultK = 60

// RRF is reciprocal rank fusion: a hit scores 1/(K+rank) in each list that it is
// in, whatever the ranking score made of it. Nodes have no document in common,
// so that their lists alternate; a hybrid search's lists have, and add up.
type RRF struct {
	// K says how little the first ranks stand out. Default 60.
	K float64
}

// Needs implements Merger.
func (*RRF) Needs() Needs { return Needs{SameCopies: true} }

func (f *RRF) score(rank int) float64 {
	k := f.K
	if k <= 0 {
		k = DefaultK
	}
	return 1 / (k + float64(rank))
}

// Merge implements Merger. Hits of one rank stand as Details has them.
func (f *RRF) Merge(dst []*hit.Hit, in Lists) ([]*hit.Hit, int) {
	if in.Window.To <= in.Window.From {
		return dst, 0
	}
	var pins, rest []placed
	for node, a := range in.Answers {
		for i := range a.Hits {
			p := placed{hit: &a.Hits[i], key: a.Hits[i].Key(), rank: node, at: i}
			if p.hit.Pin >= 0 {
				pins = append(pins, p)
			} else {
				rest = append(rest, p)
			}
		}
	}
	slices.SortFunc(rest, func(a, b placed) int {
		switch {
		case a.at != b.at:
			return a.at - b.at // 1/(K+rank) falls as the rank grows
		case !bytes.Equal(a.key, b.key):
			return bytes.Compare(a.key, b.key)
		case !bytes.Equal(a.hit.Version(), b.hit.Version()):
			return bytes.Compare(a.hit.Version(), b.hit.Version())
		}
		return a.rank - b.rank
	})
	pick := picker{w: in.Window, dst: dst}
	pick.all(pins, rest)
	return pick.dst, pick.left
}

// Fuse implements Fuser.
func (f *RRF) Fuse(lists []List, w Window) []Chosen {
	type fused struct {
		Chosen
		score float64
	}
	var all []fused
	at := make(map[string]int)
	for l := range lists {
		for i, h := range lists[l].Hits {
			score := lists[l].Weight * f.score(i+1)
			id := string(h.Version())
			if n, ok := at[id]; ok && id != "" {
				all[n].score += score
				continue
			}
			at[id] = len(all)
			all = append(all, fused{Chosen{Hit: h, List: &lists[l]}, score})
		}
	}
	slices.SortStableFunc(all, func(a, b fused) int { return compare(b.score, a.score) })
	var chosen []Chosen
	pick := picker{w: w}
	for _, c := range all {
		if pick.n >= w.To {
			break
		}
		if w.Distinct && pick.repeated(c.Hit) {
			continue
		}
		if pick.n >= w.From {
			chosen = append(chosen, c.Chosen)
		}
		pick.n++
	}
	return chosen
}
