package engine

import (
	"cmp"
	"slices"
)

const (
	geoMargin     = 1.0  // metres within which places are the same
	geoBucketSize = 1000 // documents of one bucket at most
	geoExact      = 1000 // candidates from which on distances are compared exactly
)

// geoRule sorts documents by their distance from a point; documents without a
// place come last.
type geoRule struct {
	target [2]float64
	desc   bool

	query *queryGraph
	queue []placed
}

type placed struct {
	docid    uint32
	point    [2]float64
	distance float64
}

func (r *geoRule) end() { r.query, r.queue = nil, nil }

func (r *geoRule) start(c *searchContext, universe docSet, q *queryGraph) {
	r.query = q
	candidates := intersection(universe, c.ix.points)
	r.queue = c.ix.byDistance(candidates, r.target, r.desc)
}

// byDistance sorts documents by distance. Few of them are compared by whole
// metres only, then by document id.
func (ix *Index) byDistance(candidates docSet, target [2]float64, desc bool) []placed {
	var queue []placed
	for docid := range candidates.all {
		p := ix.geo[docid]
		queue = append(queue, placed{docid, p, distance(target, p)})
	}
	coarse := len(queue) < geoExact
	slices.SortStableFunc(queue, func(a, b placed) int {
		if coarse {
			return cmp.Compare(uint64(a.distance), uint64(b.distance))
		}
		return cmp.Compare(a.distance, b.distance)
	})
	if desc {
		slices.Reverse(queue)
	}
	return queue
}

func (r *geoRule) next(_ *searchContext, universe docSet) (bucket, bool) {
	set, first := nextPlaces(&r.queue, universe)
	b := bucket{query: r.query, docs: set, score: scoreDetail{kind: geoDetail, target: r.target, desc: r.desc}}
	if first == nil {
		b.docs = universe.clone()
		return b, true
	}
	b.score.point, b.score.distance = &first.point, first.distance
	return b, true
}

// nextPlaces takes the documents of the queue that are as far as the first one.
func nextPlaces(queue *[]placed, universe docSet) (docSet, *placed) {
	var set docSet
	var first *placed
	n := 0
	for len(*queue) > 0 {
		p := (*queue)[0]
		if !universe.has(p.docid) {
			*queue = (*queue)[1:]
			continue
		}
		if first == nil {
			first = &p
		} else if d := first.distance - p.distance; d > geoMargin || d < -geoMargin {
			break
		}
		set.add(p.docid)
		n++
		*queue = (*queue)[1:]
		if n == geoBucketSize {
			break
		}
	}
	return set, first
}
