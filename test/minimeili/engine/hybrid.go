package engine

import (
	"cmp"
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

var emptyHits = []json.RawMessage{}

// epsilon is how much two scores may differ and still be equal.
const epsilon = 2.220446049250313e-16

// goodEnough is the weighted score of keyword hits above which the semantic
// half of a hybrid search is not worth its while.
const goodEnough = 0.45

// runHybrid searches by words and by vector and merges both lists by weighted score.
func (x *execution) runHybrid() (outcome, *meili.Error) {
	keyword, err := x.once(keywordSearch, 0, x.from+x.length)
	if err != nil {
		return outcome{}, err
	}
	if x.keywordsSuffice(keyword) || x.q.Vector == nil {
		start := min(x.from, len(keyword.docs))
		end := min(start+x.length, len(keyword.docs))
		keyword.docs, keyword.scores = keyword.docs[start:end], keyword.scores[start:end]
		return keyword, nil
	}
	vector, err := x.once(vectorSearch, 0, x.from+x.length)
	if err != nil {
		return outcome{}, err
	}
	return x.merge(keyword, vector), nil
}

func (x *execution) keywordsSuffice(o outcome) bool {
	if len(o.docs) < x.from+x.length {
		return false
	}
	for _, s := range o.scores {
		if globalScore(s)*float64(1-x.kind.ratio) < goodEnough {
			return false
		}
	}
	return true
}

// merge merges the two lists; of equal hits the one by vector comes first.
func (x *execution) merge(keyword, vector outcome) outcome {
	distinct := x.distinctField()
	var excluded docSet
	out := outcome{words: keyword.words, queryVector: vector.queryVector}
	skip := x.from
	for i, j := 0, 0; (i < len(vector.docs) || j < len(keyword.docs)) && len(out.docs) < x.length; {
		fromVector := j == len(keyword.docs) || i < len(vector.docs) &&
			compareWeighted(vector.scores[i], float64(x.kind.ratio), keyword.scores[j], float64(1-x.kind.ratio)) >= 0
		var docid uint32
		var score []scoreDetail
		if fromVector {
			docid, score = vector.docs[i], vector.scores[i]
			i++
		} else {
			docid, score = keyword.docs[j], keyword.scores[j]
			j++
		}
		if excluded.has(docid) {
			continue
		}
		excluded.add(docid)
		if distinct >= 0 {
			x.ix.exclude(&excluded, docid, uint16(distinct))
		}
		if skip > 0 {
			skip--
			continue
		}
		out.docs = append(out.docs, docid)
		out.scores = append(out.scores, score)
	}
	out.candidates = vector.candidates.clone()
	out.candidates.or(keyword.candidates)
	if distinct >= 0 {
		out.candidates.sub(excluded)
		for _, docid := range out.docs {
			out.candidates.add(docid)
		}
	}
	return out
}

// compareWeighted compares two hits of a hybrid search.
func compareWeighted(a []scoreDetail, weightA float64, b []scoreDetail, weightB float64) int {
	left, right := scoreValues(a), scoreValues(b)
	for i := 0; ; i++ {
		switch {
		case i == len(left) && i == len(right):
			return 0
		case i == len(left):
			return -1
		case i == len(right):
			return 1
		}
		l, r := left[i], right[i]
		switch {
		case l.detail == nil && r.detail == nil:
			d := l.score*weightA - r.score*weightB
			if d > epsilon {
				return 1
			} else if d < -epsilon {
				return -1
			}
		case l.detail == nil:
			if l.score == 0 {
				return -1
			}
			return 1
		case r.detail == nil:
			if r.score == 0 {
				return 1
			}
			return -1
		default:
			if c, _ := compareSorts(l.detail, r.detail, true); c != 0 {
				return c
			}
		}
	}
}

// compareSorts compares what two hits say to a sort rule. It fails when the
// rules differ. nearFirst puts the nearer place first where a geo sort ascends;
// merging lists of the real server forgets to.
func compareSorts(a, b *scoreDetail, nearFirst bool) (int, bool) {
	if a.kind != b.kind || a.desc != b.desc {
		return 0, false
	}
	if a.kind == geoDetail {
		switch {
		case a.point == nil || b.point == nil:
			return boolCompare(a.point != nil, b.point != nil), true
		case a.desc || !nearFirst:
			return cmp.Compare(a.distance, b.distance), true
		}
		return cmp.Compare(b.distance, a.distance), true
	}
	c := compareSortValues(a.value, b.value)
	if !a.desc && sameKind(a.value, b.value) {
		c = -c
	}
	return c, true
}

// compareSortValues puts nothing below strings and strings below numbers.
func compareSortValues(a, b any) int {
	if c := cmp.Compare(sortKind(a), sortKind(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case number:
		return cmp.Compare(a.f, b.(number).f)
	case string:
		return cmp.Compare(a, b.(string))
	}
	return 0
}

func sameKind(a, b any) bool { return sortKind(a) == sortKind(b) }

func sortKind(v any) int {
	switch v.(type) {
	case number:
		return 2
	case string:
		return 1
	}
	return 0
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
