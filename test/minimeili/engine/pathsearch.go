package engine

import (
	"slices"
)

// graphRule is a ranking rule that sorts documents by the cheapest path of its
// graph they match.
type graphRule struct {
	build    edgeBuilder
	score    func(r rank) scoreDetail
	strategy string // of the words rule

	graph   *ruleGraph
	current int // the least cost of the next bucket
	maxCost int // one more than any path costs
}

func (r *graphRule) start(c *searchContext, _ docSet, q *queryGraph) {
	r.maxCost = 1
	ignore := map[int]ignoring{}
	if r.strategy != "" {
		r.maxCost += max(0, q.wordsInPhrases()-1)
		var before docSet
		for _, group := range c.removalOrder(q, r.strategy) {
			for n := range group.all {
				ignore[int(n)] = ignoring{1, before.clone()}
			}
			before.or(group)
		}
	}
	r.graph = buildRuleGraph(c, q, r.build, ignore)
	r.current = 0
	if costs := r.graph.costs[rootNode]; len(costs) > 0 {
		r.maxCost += costs[len(costs)-1]
	}
}

func (r *graphRule) end() { r.graph = nil }

func (r *graphRule) next(c *searchContext, universe docSet) (bucket, bool) {
	g := r.graph
	at, _ := slices.BinarySearch(g.costs[rootNode], r.current)
	if at == len(g.costs[rootNode]) {
		return bucket{}, false
	}
	cost := g.costs[rootNode][at]
	r.current = cost + 1
	s := pathSearch{c: c, g: g, universe: universe.clone()}
	v := pathVisitor{g: g, remaining: cost, found: s.found}
	v.visit(rootNode)
	if s.changed {
		g.findCosts()
	}
	return bucket{query: graphOfPaths(s.paths), docs: s.docs, score: r.score(rank{r.maxCost - cost, r.maxCost})}, true
}

// pathSearch resolves the paths a visitor finds.
type pathSearch struct {
	c        *searchContext
	g        *ruleGraph
	universe docSet // documents no path has taken yet
	docs     docSet
	paths    [][]step
	changed  bool // edges were removed

	// prefix are the conditions of the last path with the documents that
	// match it so far.
	prefix []resolvedStep
}

type resolvedStep struct {
	condition int
	docs      docSet
}

func (s *pathSearch) found(path []int) bool {
	if s.universe.empty() {
		return false
	}
	same := 0
	for same < len(path) && same < len(s.prefix) && path[same] == s.prefix[same].condition {
		same++
	}
	s.prefix = s.prefix[:same]
	for _, id := range path[same:] {
		if !s.extend(id) {
			return true
		}
	}
	docs := s.universe.clone()
	if n := len(s.prefix); n > 0 {
		docs = s.prefix[n-1].docs
		s.prefix = s.prefix[:n-1]
	}
	steps := make([]step, len(path))
	for i, id := range path {
		steps[i] = s.g.conditions[id].step
	}
	s.paths = append(s.paths, steps)
	s.docs.or(docs)
	s.universe.sub(docs)
	for i := range s.prefix {
		s.prefix[i].docs.sub(docs)
	}
	return !s.universe.empty()
}

// extend adds a condition to the prefix. When nothing matches then, it finds
// out why and remembers the dead end.
func (s *pathSearch) extend(id int) bool {
	docs := s.g.docsOf(s.c, id, s.universe)
	if docs.empty() {
		s.g.deadEnds.forbidden.add(uint32(id))
		if s.g.forget(id) {
			s.changed = true
		}
		return false
	}
	latest := docs.clone()
	if n := len(s.prefix); n > 0 {
		latest.and(s.prefix[n-1].docs)
	}
	if !latest.empty() {
		s.prefix = append(s.prefix, resolvedStep{id, latest})
		return true
	}
	conditions := make([]int, len(s.prefix))
	for i, p := range s.prefix {
		conditions[i] = p.condition
	}
	s.g.deadEnds.forbid(conditions, id)
	for i := 0; i+1 < len(s.prefix); i++ {
		if disjoint(docs, s.prefix[i].docs) {
			s.g.deadEnds.forbid(conditions[:i+1], id)
		}
	}
	return false
}
