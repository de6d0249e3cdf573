package search

import (
	"math"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// fitness is how well a node may serve a read.
type fitness uint8

const (
	fit    fitness = iota
	failed         // failed lately, which is better than having none
	behind         // the last copy of something, which is behind with writes
	unfit          // away, or not to be read
)

// fitnessOf gives the fitness of nodes for this read, each looked up once.
func (s *scatter) fitnessOf(tried []string) func(id string) fitness {
	r, physical := s.r, s.q.ix.Physical
	known := make(map[string]fitness, 4)
	return func(id string) fitness {
		if f, ok := known[id]; ok {
			return f
		}
		f := fit
		if _, ok := r.o.Client(id); !ok || slices.Contains(tried, id) || !r.o.Readable(id, physical) {
			f = unfit
		} else if r.behind(id, physical) {
			f = behind
		} else if !r.breaker.allows(id) {
			f = failed
		}
		known[id] = f
		return f
	}
}

// behind reports whether a copy that may be read lacks writes that have ended.
func (r *Reader) behind(id, physical string) bool {
	return r.o.Behind != nil && r.o.Behind(id, physical)
}

// cover plans for a set of shards without the nodes that were tried: with nodes
// that are well, and only for what they do not hold with others.
func (s *scatter) cover(shards plan.Set, tried []string) plan.Plan {
	of := s.fitnessOf(tried)
	want := plan.Want{Shards: shards}
	if !s.q.sticky {
		want.Rank = s.rank
		if e, ok := s.tuning.Policy.(plan.Explorer); ok {
			want.Slow = func(id string) bool { return id != s.preferred && e.Slow(id) }
		}
	}
	var p plan.Plan
	for next := fit; next < unfit; next++ {
		want.Readable = func(id string) bool { return of(id) == next }
		more := s.layout.Cover(want)
		p.Whole = len(p.Legs) == 0 && more.Whole
		p.Legs, p.Missing = append(p.Legs, more.Legs...), more.Missing
		if p.Missing.Len() == 0 {
			break
		}
		want.Shards = p.Missing
	}
	return p
}

// rank is the policy's, but for the node that this read tries.
func (s *scatter) rank(id string) float64 {
	if id == s.preferred {
		return math.Inf(-1)
	}
	return s.tuning.Policy.Rank(id)
}

// explore has a node tried, now and then, that the plan does not ask: by this
// read itself, or where that would hold it up by a duplicate of its request that
// nobody waits for.
func (s *scatter) explore(p plan.Plan) plan.Plan {
	e, ok := s.tuning.Policy.(plan.Explorer)
	if !ok || s.q.sticky || len(p.Legs) == 0 {
		return p
	}
	id := e.Explore(func() []string { return s.others(p) })
	switch {
	case id == "":
	case e.Slow(id) || s.r.breaker.tripped(id):
		s.duplicate(id)
	default:
		s.preferred = id
		p = s.cover(s.q.shards, nil)
	}
	return p
}

// others are the nodes that could be asked as well as those of the plan.
func (s *scatter) others(p plan.Plan) []string {
	of := s.fitnessOf(nil)
	var list []string
	for _, id := range s.layout.Nodes() {
		if of(id) == fit && !slices.ContainsFunc(p.Legs, func(leg plan.Leg) bool { return leg.Node == id }) {
			list = append(list, id)
		}
	}
	return list
}
