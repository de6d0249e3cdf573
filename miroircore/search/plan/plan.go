// Package plan decides which nodes answer a search: the fewest that together
// hold every shard once, and how a request to each has to be narrowed so that
// no document is counted twice. It does no input or output.
package plan

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// Set is a set of shards.
type Set []uint64

func newSet(shards int) Set { return make(Set, (shards+63)/64) }

// Add puts a shard into the set.
func (s Set) Add(shard int) { s[shard/64] |= 1 << (shard % 64) }

// Has reports whether the shard is in the set.
func (s Set) Has(shard int) bool { return s[shard/64]>>(shard%64)&1 == 1 }

// Len is the number of shards in the set.
func (s Set) Len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// Shards lists the set in ascending order.
func (s Set) Shards() []int {
	list := make([]int, 0, s.Len())
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			list = append(list, i*64+bits.TrailingZeros64(w))
		}
	}
	return list
}

func (s Set) common(t Set) int {
	n := 0
	for i := range s {
		n += bits.OnesCount64(s[i] & t[i])
	}
	return n
}

func (s Set) without(t Set) {
	for i := range s {
		s[i] &^= t[i]
	}
}

func (s Set) both(t Set) Set {
	out := make(Set, len(s))
	for i := range s {
		out[i] = s[i] & t[i]
	}
	return out
}

func (s Set) equal(t Set) bool { return slices.Equal(s, t) }

// holder is a node and what it holds of the index.
type holder struct {
	node   string
	shards Set
	// surplus says that it may hold documents of other shards, too.
	surplus bool
}

type group struct {
	id      string
	holders []holder
}

// Layout is a placement seen from the nodes. It is immutable.
type Layout struct {
	shards int
	groups []group
	all    Set
	owner  map[string]string // group by node
}

// NewLayout turns a placement around.
func NewLayout(p *cluster.Placement) *Layout {
	l := &Layout{owner: make(map[string]string)}
	for _, g := range p.Groups {
		l.shards = max(l.shards, len(g.Shards))
	}
	l.all = newSet(l.shards)
	for shard := range l.shards {
		l.all.Add(shard)
	}
	for _, g := range p.Groups {
		at := make(map[string]int)
		out := group{id: g.ID}
		for shard, nodes := range g.Shards {
			for _, node := range nodes {
				i, ok := at[node]
				if !ok {
					i = len(out.holders)
					at[node] = i
					out.holders = append(out.holders, holder{node, newSet(l.shards), len(p.Surplus[node]) > 0})
					l.owner[node] = g.ID
				}
				out.holders[i].shards.Add(shard)
			}
		}
		l.groups = append(l.groups, out)
	}
	return l
}

// Shards is the number of shards of the index.
func (l *Layout) Shards() int { return l.shards }

// All is the set of every shard.
func (l *Layout) All() Set { return l.all }

// None is a set of no shards, to be added to.
func (l *Layout) None() Set { return newSet(l.shards) }

// One is the set of a single shard.
func (l *Layout) One(shard int) Set {
	s := newSet(l.shards)
	s.Add(shard)
	return s
}

// Group is the group of a node.
func (l *Layout) Group(node string) string { return l.owner[node] }

// Leg is one node's part of a search.
type Leg struct {
	Node string
	// Shards are those the node answers for.
	Shards Set
	// Filter reports whether the node holds other shards of the index too, so
	// that it has to be asked for its part by a filter.
	Filter bool
}

// Plan is a covering set: together the legs answer for each shard once.
type Plan struct {
	Legs []Leg
	// Missing are shards that no node can answer for.
	Missing Set
	// Whole reports whether one leg answers for the whole index without a filter.
	Whole bool
}

// Want says what to cover and with which nodes.
type Want struct {
	// Shards to cover; nil means all.
	Shards Set
	// Readable reports whether a node may be asked.
	Readable func(node string) bool
	// Rank orders nodes that would serve as well: the lower is asked first.
	Rank func(node string) float64
	// Slow reports whether a node is known to answer late. Such a node is asked
	// only for what no other has, though that may take more nodes or filters.
	Slow func(node string) bool
}

// Cover finds the fewest nodes of one group that hold the shards wanted, or of
// all groups where no single one does. Among plans of equal size those with
// fewer filters come first, since a filter costs the node time; then those of
// which the nodes rank lower.
func (l *Layout) Cover(w Want) Plan {
	target := w.Shards
	if target == nil {
		target = l.all
	}
	ranks := make(map[string]float64, len(l.owner))
	rank := func(node string) float64 {
		r, ok := ranks[node]
		if !ok {
			if w.Rank != nil {
				r = w.Rank(node)
			}
			ranks[node] = r
		}
		return r
	}
	var best Plan
	found := false
	if w.Slow != nil {
		brisk := w
		brisk.Readable = func(node string) bool { return (w.Readable == nil || w.Readable(node)) && !w.Slow(node) }
		best, found = l.inOneGroup(brisk, target, rank)
	}
	if !found {
		best, found = l.inOneGroup(w, target, rank)
	}
	if !found {
		var all []holder
		for _, g := range l.groups {
			all = append(all, readable(g.holders, w.Readable)...)
		}
		best = l.cover(all, target, w, rank)
	}
	best.Whole = len(best.Legs) == 1 && !best.Legs[0].Filter && best.Legs[0].Shards.equal(l.all)
	return best
}

// inOneGroup finds the best plan of which all nodes are of one group.
func (l *Layout) inOneGroup(w Want, target Set, rank func(string) float64) (best Plan, found bool) {
	for _, g := range l.groups {
		p := l.cover(readable(g.holders, w.Readable), target, w, rank)
		if p.Missing.Len() > 0 {
			continue
		}
		if !found || better(p, best, rank) {
			best, found = p, true
		}
	}
	return best, found
}

func readable(holders []holder, ok func(string) bool) []holder {
	if ok == nil {
		return holders
	}
	out := make([]holder, 0, len(holders))
	for _, h := range holders {
		if ok(h.node) {
			out = append(out, h)
		}
	}
	return out
}

// maxTried is how many nodes a group may have for all ways to choose among them
// to be looked at.
const maxTried = 8

// cover finds the fewest of the holders that hold the target: in a small group
// by trying, in a large one by taking what helps most.
func (l *Layout) cover(holders []holder, target Set, w Want, rank func(string) float64) Plan {
	if len(holders) > maxTried {
		return l.take(holders, target, w, rank)
	}
	var best Plan
	fewest := len(holders) + 1
	chosen := make([]holder, 0, maxTried)
	for mask := uint(1); mask < 1<<len(holders); mask++ {
		n := bits.OnesCount(mask)
		if n > fewest || !covers(holders, mask, target) {
			continue
		}
		chosen = chosen[:0]
		for i, h := range holders {
			if mask>>i&1 == 1 {
				chosen = append(chosen, h)
			}
		}
		if p := l.take(chosen, target, w, rank); n < fewest || better(p, best, rank) {
			best, fewest = p, n
		}
	}
	if fewest > len(holders) {
		return l.take(holders, target, w, rank)
	}
	return best
}

// covers reports whether the holders that the mask names hold the target.
func covers(holders []holder, mask uint, target Set) bool {
	for word, wanted := range target {
		for m := mask; m != 0 && wanted != 0; m &= m - 1 {
			wanted &^= holders[bits.TrailingZeros(m)].shards[word]
		}
		if wanted != 0 {
			return false
		}
	}
	return true
}

// take takes, again and again, the node that holds most of what is left.
func (l *Layout) take(holders []holder, target Set, w Want, rank func(string) float64) Plan {
	left := slices.Clone(target)
	var p Plan
	for left.Len() > 0 {
		best, most := -1, 0
		for i, h := range holders {
			n := h.shards.common(left)
			if n > most || n == most && n > 0 && rank(h.node) < rank(holders[best].node) {
				best, most = i, n
			}
		}
		if best < 0 {
			break
		}
		h := holders[best]
		leg := Leg{Node: h.node, Shards: h.shards.both(left)}
		leg.Filter = h.surplus || !leg.Shards.equal(h.shards)
		p.Legs = append(p.Legs, leg)
		left.without(h.shards)
	}
	p.Missing = left
	return p
}

func better(a, b Plan, rank func(string) float64) bool {
	if len(a.Legs) != len(b.Legs) {
		return len(a.Legs) < len(b.Legs)
	}
	if fa, fb := filters(a), filters(b); fa != fb {
		return fa < fb
	}
	return sum(a, rank) < sum(b, rank)
}

func filters(p Plan) int {
	n := 0
	for _, leg := range p.Legs {
		if leg.Filter {
			n++
		}
	}
	return n
}

func sum(p Plan, rank func(string) float64) float64 {
	var s float64
	for _, leg := range p.Legs {
		s += rank(leg.Node)
	}
	return s
}

// Nodes names the nodes of a plan, for logs.
func (p Plan) Nodes() string {
	names := make([]string, len(p.Legs))
	for i, leg := range p.Legs {
		names[i] = leg.Node
	}
	return strings.Join(names, ",")
}

// Groups names the groups of the placement.
func (l *Layout) Groups() []string {
	names := make([]string, len(l.groups))
	for i, g := range l.groups {
		names[i] = g.id
	}
	return names
}

// Held is what a node holds of the shards wanted, as a leg of its own.
func (l *Layout) Held(node string, w Want) Leg {
	leg := Leg{Node: node}
	for _, g := range l.groups {
		for _, h := range g.holders {
			if h.node != node {
				continue
			}
			leg.Shards = h.shards
			if w.Shards != nil {
				leg.Shards = h.shards.both(w.Shards)
			}
			leg.Filter = h.surplus || !leg.Shards.equal(h.shards)
		}
	}
	return leg
}

// Alone reports whether no other node holds any of a leg's shards.
func (l *Layout) Alone(leg Leg) bool {
	for _, g := range l.groups {
		for _, h := range g.holders {
			if h.node != leg.Node && h.shards.common(leg.Shards) > 0 {
				return false
			}
		}
	}
	return true
}

// Spread is how many nodes hold some of the index.
func (l *Layout) Spread() int { return len(l.owner) }

// Nodes names the nodes that hold some of the index.
func (l *Layout) Nodes() []string {
	var names []string
	for _, g := range l.groups {
		for _, h := range g.holders {
			names = append(names, h.node)
		}
	}
	return names
}
