package engine

import (
	"cmp"
	"math"
	"slices"
)

// neighbour is a document and its distance from a vector.
type neighbour struct {
	docid    uint32
	distance float32
}

// nearest sorts the documents of a set by their distance from a vector. A
// document with several vectors is listed once for each. rank, when not
// negative, only looks at vectors of that place in their documents.
func (ix *Index) nearest(e *embedder, target []float32, limit, rank int, within docSet) []neighbour {
	distance := cosineDistance
	if e.binary {
		target = slices.Clone(target)
		quantize(target)
		distance = bitDistance
	}
	byRank := map[int][]neighbour{}
	for docid, emb := range ix.embeddingsOf(e.name) {
		if !within.has(docid) {
			continue
		}
		for i, v := range emb.vectors {
			if rank < 0 || i == rank {
				byRank[i] = append(byRank[i], neighbour{docid, distance(v, target)})
			}
		}
	}
	var found []neighbour
	for _, l := range byRank {
		slices.SortFunc(l, compareNeighbours)
		found = append(found, l[:min(limit, len(l))]...)
	}
	sortNeighbours(found)
	return found
}

func sortNeighbours(l []neighbour) { slices.SortStableFunc(l, compareNeighbours) }

func compareNeighbours(a, b neighbour) int {
	if c := cmp.Compare(a.distance, b.distance); c != 0 {
		return c
	}
	return cmp.Compare(a.docid, b.docid)
}

// cosineDistance is between 0, the same direction, and 1, the opposite one. It
// is computed in single precision, as similarities are shown to the last digit.
func cosineDistance(a, b []float32) float32 {
	norms := vectorNorm(a) * vectorNorm(b)
	if norms <= 1.1920929e-7 {
		return 0
	}
	cos := max(-1, min(1, dot(a, b)/norms))
	return (1 - cos) / 2
}

func dot(a, b []float32) float32 {
	var s float32
	for i := range min(len(a), len(b)) {
		p := a[i] * b[i]
		s += p
	}
	return s
}

func vectorNorm(a []float32) float32 { return float32(math.Sqrt(float64(dot(a, a)))) }
