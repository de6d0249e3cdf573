package merge

import (
	"math"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/search/hit"
)

// DefaultDepth is how many hits DFS weighs anew where it is not told.
const DefaultDepth = 100

// DFS weighs the words that a hit matches by how rare they are in the whole
// index. It takes the first hits as Details orders them and orders these anew
// by
//
//	score = share × quality
//
// share is the part of the query's weight that the matched words carry. A word
// weighs ln(1 + (N − n + 0.5) / (n + 0.5)), where n of the N documents have it,
// so that a hit that only lacks a word which nearly every document has loses
// little. quality is the mean of what the other ranking rules give, from 0 to 1,
// each counting half as much as the one before it; t typos give 1/(1+t), since
// the rule's own score depends on what else its node holds. Equal scores, and
// the hits after those that are weighed, stay in the order of Details.
//
// It leaves alone what it cannot weigh: searches that sort, rules in an order
// that does not begin with words, queries of which the server counts the words
// in another way, and the strategy by which every word must match.
type DFS struct {
	// Depth is how many hits are weighed. Default 100. It is the same for every
	// page, because a hit that moves from one page to another as they are turned
	// would be seen twice or never.
	Depth int
}

// Needs implements Merger.
func (d *DFS) Needs() Needs {
	return Needs{Depth: d.depth(), Rules: true, Frequencies: true, Alone: true}
}

func (d *DFS) depth() int {
	if d.Depth <= 0 {
		return DefaultDepth
	}
	return d.Depth
}

// Merge implements Merger.
func (d *DFS) Merge(dst []*hit.Hit, in Lists) ([]*hit.Hit, int) {
	if len(in.Terms) == 0 || special(in.Answers) || in.Window.To <= in.Window.From {
		return Page(dst, in.Answers, in.Window)
	}
	whole := in.Window
	whole.From, whole.To = 0, max(whole.To, d.depth())
	all, repeated := Page(nil, in.Answers, whole)
	weigh(all[:min(len(all), d.depth())], in)
	from, to := min(in.Window.From, len(all)), min(in.Window.To, len(all))
	return append(dst, all[from:to]...), repeated
}

// weigh orders hits anew, unless one of them cannot be weighed.
func weigh(hits []*hit.Hit, in Lists) {
	type weighed struct {
		hit   *hit.Hit
		score float64
	}
	shares := in.shares()
	list := make([]weighed, len(hits))
	for i, h := range hits {
		rules := h.Rules()
		if len(rules) == 0 || rules[0].Name != "words" || rules[0].Most != len(shares)-1 || rules[0].Count > rules[0].Most {
			return
		}
		quality, ok := quality(rules[1:])
		if !ok {
			return
		}
		list[i] = weighed{h, shares[rules[0].Count] * quality}
	}
	slices.SortStableFunc(list, func(a, b weighed) int { return compare(b.score, a.score) })
	for i := range list {
		hits[i] = list[i].hit
	}
}

// shares gives, by the number of words matched, which part of the query's
// weight they carry.
func (in *Lists) shares() []float64 {
	sums := []float64{0}
	for _, t := range in.Terms {
		n, all := float64(t.Documents), float64(max(in.Documents, t.Documents))
		weight := math.Log(1 + (all-n+0.5)/(n+0.5))
		for range t.Words {
			sums = append(sums, sums[len(sums)-1]+weight/float64(t.Words))
		}
	}
	total := sums[len(sums)-1]
	for i := range sums {
		sums[i] /= total
	}
	return sums
}

// quality is the mean of the rules' scores, the earlier counting more.
func quality(rules []hit.Rule) (mean float64, ok bool) {
	sum, weights, weight := 0.0, 0.0, 1.0
	for _, r := range rules {
		score := r.Score
		switch r.Name {
		case "typo":
			score = 1 / float64(1+r.Count)
		case "proximity", "attribute", "attributeRank", "wordPosition", "exactness":
		default:
			return 0, false
		}
		sum += weight * min(max(score, 0), 1)
		weights += weight
		weight /= 2
	}
	if weights == 0 {
		return 1, true
	}
	return sum / weights, true
}
