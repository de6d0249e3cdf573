package engine

import (
	"cmp"
	"slices"
	"strings"
)

// queryGraph holds all ways to read a query: paths from its start to its end
// over terms.
type queryGraph struct{ nodes []queryNode }

// queryNode is a term, the start, the end, or what was removed.
type queryNode struct {
	kind  nodeKind
	term  *termSubset
	preds docSet // node numbers
	succs docSet
}

type nodeKind uint8

const (
	termNode nodeKind = iota
	startNode
	endNode
	deletedNode
)

const (
	rootNode = 0
	lastNode = 1
)

func newQueryGraph() *queryGraph {
	return &queryGraph{nodes: []queryNode{{kind: startNode}, {kind: endNode}}}
}

func (g *queryGraph) add(t *termSubset) int {
	g.nodes = append(g.nodes, queryNode{kind: termNode, term: t})
	return len(g.nodes) - 1
}

func (g *queryGraph) connect(from, to int) {
	g.nodes[from].succs.add(uint32(to))
	g.nodes[to].preds.add(uint32(from))
}

// graphOf builds the graph of a query's terms, joined words included. It also
// gives all terms, which is what highlighting goes by.
func (c *searchContext) graphOf(terms []*termSubset) (*queryGraph, []*termSubset) {
	g := newQueryGraph()
	all := slices.Clone(terms)
	for i, t := range terms {
		g.add(t)
		for n := 1; n <= 2 && n <= i; n++ {
			if joined := c.ngram(terms[i-n : i+1]); joined != nil {
				g.add(joined)
				all = append(all, joined)
			}
		}
	}
	for from := range g.nodes {
		g.connectForward(from)
	}
	return g, all
}

// connectForward leads from a node to those that start soonest after it.
func (g *queryGraph) connectForward(from int) {
	end := -1
	switch n := &g.nodes[from]; n.kind {
	case termNode:
		end = n.term.last
	case endNode:
		return
	}
	const infinity = 1 << 20
	soonest := infinity
	starts := make([]int, len(g.nodes))
	for i := range g.nodes {
		switch n := &g.nodes[i]; n.kind {
		case termNode:
			starts[i] = n.term.first
		case endNode:
			starts[i] = infinity
		default:
			starts[i] = -1
		}
		if starts[i] > end {
			soonest = min(soonest, starts[i])
		}
	}
	for i, s := range starts {
		if s > end && s == soonest {
			g.connect(from, i)
		}
	}
}

func (g *queryGraph) clone() *queryGraph {
	c := &queryGraph{nodes: slices.Clone(g.nodes)}
	for i := range c.nodes {
		c.nodes[i].preds = c.nodes[i].preds.clone()
		c.nodes[i].succs = c.nodes[i].succs.clone()
	}
	return c
}

// skip removes nodes and leads their predecessors to their successors.
func (g *queryGraph) skip(nodes docSet) {
	for id := range nodes.all {
		n := &g.nodes[id]
		preds, succs := n.preds.clone(), n.succs.clone()
		for p := range preds.all {
			g.nodes[p].succs.remove(id)
			g.nodes[p].succs.or(succs)
		}
		for s := range succs.all {
			g.nodes[s].preds.remove(id)
			g.nodes[s].preds.or(preds)
		}
		g.nodes[id] = queryNode{kind: deletedNode}
	}
}

// removalOrder groups the nodes a matching strategy drops, first group first.
func (c *searchContext) removalOrder(g *queryGraph, strategy string) []docSet {
	switch strategy {
	case "all":
		return nil
	case "frequency":
		return g.groups(c.frequencyCosts(g))
	}
	first, last := 1<<20, 0
	for _, n := range g.nodes {
		if n.kind == termNode {
			first, last = min(first, n.term.first), max(last, n.term.last)
		}
	}
	if first >= last {
		return nil
	}
	return g.groups(func(id int) int { return 1 + last - id })
}

// groups orders the nodes that may be dropped by the highest cost of their
// terms. The last group stays, unless something else has to match anyway.
func (g *queryGraph) groups(cost func(id int) int) []docSet {
	byCost := map[int]*docSet{}
	mandatory := false
	for i, n := range g.nodes {
		if n.kind != termNode {
			continue
		}
		if n.term.originalPhrase() != nil || n.term.mandatory {
			mandatory = true
			continue
		}
		highest := 0
		for id := n.term.first; id <= n.term.last; id++ {
			highest = max(highest, cost(id))
		}
		if byCost[highest] == nil {
			byCost[highest] = &docSet{}
		}
		byCost[highest].add(uint32(i))
	}
	costs := make([]int, 0, len(byCost))
	for k := range byCost {
		costs = append(costs, k)
	}
	slices.Sort(costs)
	var out []docSet
	for _, k := range costs {
		out = append(out, *byCost[k])
	}
	if !mandatory && len(out) > 0 {
		out = out[:len(out)-1]
	}
	return out
}

// frequencyCosts ranks terms by how many documents of the index match them,
// terms that match nothing first.
func (c *searchContext) frequencyCosts(g *queryGraph) func(id int) int {
	docs := map[int]*docSet{}
	for _, n := range g.nodes {
		if n.kind != termNode {
			continue
		}
		matching := c.subsetDocs(n.term)
		for id := n.term.first; id <= n.term.last; id++ {
			if docs[id] == nil {
				docs[id] = &docSet{}
			}
			docs[id].or(matching)
		}
	}
	type frequency struct{ id, count int }
	var list []frequency
	for id, set := range docs {
		n := set.len()
		if n == 0 {
			n = 1 << 62
		}
		list = append(list, frequency{id, n})
	}
	slices.SortFunc(list, func(a, b frequency) int {
		return cmp.Or(-cmp.Compare(a.count, b.count), cmp.Compare(a.id, b.id))
	})
	weights := map[int]int{}
	weight := 1
	for i, f := range list {
		weights[f.id] = weight
		if i+1 < len(list) && list[i+1].count != f.count {
			weight++
		}
	}
	return func(id int) int { return weights[id] }
}

// wordsInPhrases counts the words of the query's phrases.
func (g *queryGraph) wordsInPhrases() int {
	n := 0
	for _, node := range g.nodes {
		if node.kind != termNode {
			continue
		}
		if p := node.term.originalPhrase(); p != nil {
			for _, w := range p.words {
				if w != "" {
					n++
				}
			}
		}
	}
	return n
}

// resolve gives the documents that match some path of the graph.
func (c *searchContext) resolve(g *queryGraph, universe docSet) docSet {
	done := make([]bool, len(g.nodes))
	docs := make([]docSet, len(g.nodes))
	var visit func(n int) docSet
	visit = func(n int) docSet {
		if done[n] {
			return docs[n]
		}
		done[n] = true
		node := &g.nodes[n]
		if node.kind == startNode {
			docs[n] = universe
			return universe
		}
		var set docSet
		for p := range node.preds.all {
			set.or(visit(int(p)))
		}
		if node.kind == termNode {
			set.and(c.subsetDocs(node.term))
		}
		docs[n] = set
		return set
	}
	return visit(lastNode).clone()
}

// step is a part of a path: the term it comes from, when the rule cares, and
// the one it leads to.
type step struct{ from, to *termSubset }

// graphOfPaths builds the graph that has just the given paths. Paths share
// their common ends.
func graphOfPaths(paths [][]step) *queryGraph {
	g := newQueryGraph()
	nodes := map[string]int{}
	for _, p := range paths {
		terms := singleTerms(p)
		keys := make([]string, len(terms))
		var suffix strings.Builder
		for i := len(terms) - 1; i >= 0; i-- {
			suffix.WriteString(terms[i].key())
			suffix.WriteByte('|')
			keys[i] = suffix.String()
		}
		at := rootNode
		for i, t := range terms {
			n, ok := nodes[keys[i]]
			if !ok {
				n = g.add(t)
				nodes[keys[i]] = n
			}
			g.connect(at, n)
			at = n
		}
		g.connect(at, lastNode)
	}
	return g
}

// singleTerms makes one row of terms of a path's steps; where a step starts
// from the term the last one led to, what both allow remains.
func singleTerms(p []step) []*termSubset {
	var out []*termSubset
	var prev *termSubset
	for _, s := range p {
		switch {
		case prev != nil && s.from != nil && s.from.first == prev.first && s.from.last == prev.last:
			both := *s.from
			both.zero = both.zero.intersect(prev.zero)
			both.one = both.one.intersect(prev.one)
			both.two = both.two.intersect(prev.two)
			out = append(out, &both)
		case prev != nil && s.from != nil:
			out = append(out, prev, s.from)
		case prev != nil:
			out = append(out, prev)
		case s.from != nil:
			out = append(out, s.from)
		}
		prev = s.to
	}
	if prev != nil {
		out = append(out, prev)
	}
	return out
}
