package engine

import (
	"slices"
	"strings"
)

// condition is what an edge of a rule's graph asks of a document.
type condition interface {
	key() string
	// resolve gives the documents of the universe that satisfy the condition,
	// and the part of the query they satisfy.
	resolve(c *searchContext, universe docSet) (docSet, step)
}

// ruleEdge leads from one node to another at a cost. An edge without condition
// skips the node it leads to, and then the nodes in skip too.
type ruleEdge struct {
	to        int
	cost      int
	condition int // -1: none
	skip      docSet
	gone      bool
}

// ruleGraph is a query graph with a rule's edges.
type ruleGraph struct {
	query      *queryGraph
	edges      [][]*ruleEdge // by source node
	conditions []*ruleCondition
	byKey      map[string]int
	costs      [][]int // from each node to the end, ascending
	deadEnds   deadEnds
}

// ruleCondition is a condition and what it resolved to.
type ruleCondition struct {
	condition
	resolved bool
	docs     docSet
	step     step
}

type costedCondition struct {
	cost      int
	condition condition
}

// edgeBuilder gives the edges of a rule from one term (nil: the start) to another.
type edgeBuilder func(c *searchContext, from, to *termSubset) []costedCondition

// ignoring is the cost of skipping a node and what has to be skipped with it.
type ignoring struct {
	cost int
	skip docSet
}

func buildRuleGraph(c *searchContext, q *queryGraph, build edgeBuilder, ignore map[int]ignoring) *ruleGraph {
	g := &ruleGraph{query: q, edges: make([][]*ruleEdge, len(q.nodes)), byKey: map[string]int{}}
	for from := range q.nodes {
		source := &q.nodes[from]
		for to := range source.succs.all {
			dest := &q.nodes[to]
			if dest.kind == endNode {
				g.edges[from] = append(g.edges[from], &ruleEdge{to: int(to), condition: -1})
				continue
			}
			if i, ok := ignore[int(to)]; ok {
				g.edges[from] = append(g.edges[from], &ruleEdge{to: int(to), cost: i.cost * dest.term.size(), condition: -1, skip: i.skip})
			}
			for _, e := range build(c, source.term, dest.term) {
				g.edges[from] = append(g.edges[from], &ruleEdge{to: int(to), cost: e.cost, condition: g.intern(e.condition)})
			}
		}
	}
	g.findCosts()
	return g
}

func (g *ruleGraph) intern(c condition) int {
	key := c.key()
	if id, ok := g.byKey[key]; ok {
		return id
	}
	g.byKey[key] = len(g.conditions)
	g.conditions = append(g.conditions, &ruleCondition{condition: c})
	return len(g.conditions) - 1
}

// findCosts computes what the paths from each node to the end can cost.
func (g *ruleGraph) findCosts() {
	g.costs = make([][]int, len(g.query.nodes))
	done := make([]bool, len(g.query.nodes))
	var visit func(n int) []int
	visit = func(n int) []int {
		if done[n] {
			return g.costs[n]
		}
		done[n] = true
		if n == lastNode {
			g.costs[n] = []int{0}
			return g.costs[n]
		}
		var costs []int
		for _, e := range g.edges[n] {
			if e.gone {
				continue
			}
			for _, next := range visit(e.to) {
				costs = append(costs, e.cost+next)
			}
		}
		slices.Sort(costs)
		g.costs[n] = slices.Compact(costs)
		return g.costs[n]
	}
	visit(rootNode)
}

// docsOf gives the documents of a condition inside the universe.
func (g *ruleGraph) docsOf(c *searchContext, id int, universe docSet) docSet {
	cond := g.conditions[id]
	if !cond.resolved {
		cond.docs, cond.step = cond.resolve(c, universe)
		cond.resolved = true
	}
	cond.docs = intersection(cond.docs, universe)
	return cond.docs
}

// forget removes the edges of a condition that matches nothing any more.
func (g *ruleGraph) forget(condition int) (changed bool) {
	for _, edges := range g.edges {
		for _, e := range edges {
			if e.condition == condition && !e.gone {
				e.gone, changed = true, true
			}
		}
	}
	return changed
}

// deadEnds remembers which conditions lead nowhere, by the conditions that were
// taken before them.
type deadEnds struct {
	forbidden docSet
	next      map[int]*deadEnds
}

func (d *deadEnds) forbid(prefix []int, condition int) {
	for _, p := range prefix {
		n := d.next[p]
		if n == nil {
			n = &deadEnds{}
			if d.next == nil {
				d.next = map[int]*deadEnds{}
			}
			d.next[p] = n
		}
		d = n
	}
	d.forbidden.add(uint32(condition))
}

// along gathers what is forbidden after each part of a path.
func (d *deadEnds) along(path []int) docSet {
	f := d.forbidden.clone()
	for _, p := range path {
		n := d.next[p]
		if n == nil {
			break
		}
		d = n
		f.or(d.forbidden)
	}
	return f
}

// after gives what is forbidden right after a path.
func (d *deadEnds) after(path []int) docSet {
	for _, p := range path {
		if d = d.next[p]; d == nil {
			return docSet{}
		}
	}
	return d.forbidden
}

// pathVisitor finds all paths of one cost, depth first. The callback may add
// dead ends; the visitor backs out of paths they make impossible.
type pathVisitor struct {
	g         *ruleGraph
	remaining int
	path      []int
	taken     docSet // conditions of the path
	nodes     docSet // nodes of the path that are not skipped
	forbidden docSet
	skip      docSet // nodes that have to be skipped
	// found is called with each path; false stops the search.
	found func(path []int) bool
}

// visit goes on from a node. any tells whether a path was found, stop whether
// the search is over.
func (v *pathVisitor) visit(from int) (any, stop bool) {
	for _, e := range v.g.edges[from] {
		if e.gone || v.remaining < e.cost {
			continue
		}
		v.remaining -= e.cost
		var found bool
		if e.condition < 0 {
			found, stop = v.unconditional(e)
		} else {
			found, stop = v.conditional(e)
		}
		v.remaining += e.cost
		if stop {
			return any, true
		}
		if found {
			any = true
			v.forbidden = v.g.deadEnds.along(v.path)
			if !disjoint(v.taken, v.forbidden) {
				return true, false
			}
		}
	}
	return any, false
}

func (v *pathVisitor) affordable(node int) bool {
	_, ok := slices.BinarySearch(v.g.costs[node], v.remaining)
	return ok
}

func (v *pathVisitor) unconditional(e *ruleEdge) (any, stop bool) {
	if !v.affordable(e.to) {
		return false, false
	}
	if e.to == lastNode {
		return true, !v.found(v.path)
	}
	skip := v.skip.clone()
	v.skip.or(e.skip)
	any, stop = v.visit(e.to)
	v.skip = skip
	return any, stop
}

func (v *pathVisitor) conditional(e *ruleEdge) (any, stop bool) {
	id, to := uint32(e.condition), uint32(e.to)
	if v.forbidden.has(id) || v.skip.has(to) || !disjoint(e.skip, v.nodes) || !v.affordable(e.to) {
		return false, false
	}
	v.path = append(v.path, e.condition)
	v.nodes.add(to)
	v.taken.add(id)
	forbidden := v.forbidden.clone()
	v.forbidden.or(v.g.deadEnds.after(v.path))
	skip := v.skip.clone()
	any, stop = v.visit(e.to)
	v.skip, v.forbidden = skip, forbidden
	v.taken.remove(id)
	v.nodes.remove(to)
	v.path = v.path[:len(v.path)-1]
	return any, stop
}

// conditionKey builds the key of a condition.
func conditionKey(kind string, parts ...string) string {
	return kind + "\x02" + strings.Join(parts, "\x02")
}
