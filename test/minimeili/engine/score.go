package engine

import "strconv"

// rank is a place among the possible outcomes of a rule; the highest is best.
type rank struct{ rank, max int }

func (r rank) score() float64 { return float64(uint32(r.rank)) / float64(uint32(r.max)) }

// merge refines a rank by that of a later rule. Like the real server it counts
// in 32 bits, and wraps.
func (r rank) merge(inner rank) rank {
	outer := uint32(r.rank)
	if outer > 0 {
		outer--
	}
	return rank{int(outer*uint32(inner.max) + uint32(inner.rank)), int(uint32(r.max) * uint32(inner.max))}
}

type detailKind uint8

const (
	wordsDetail detailKind = iota
	typoDetail
	proximityDetail
	attributeDetail
	positionDetail
	exactAttributeDetail
	exactWordsDetail
	sortDetail
	geoDetail
	vectorDetail
)

// scoreDetail is what one rule says of a document.
type scoreDetail struct {
	kind detailKind
	rank rank // of the relevancy rules

	field    string // of sorts
	desc     bool
	redacted bool
	value    any // nil, number or string

	target   [2]float64 // of geo sorts
	point    *[2]float64
	distance float64

	similarity *float32 // of vectors
}

func (d *scoreDetail) relevancy() bool { return d.kind <= exactWordsDetail }

// globalScore is the ranking score: the ranks of the relevancy rules combined,
// or the similarity when there is one.
func globalScore(details []scoreDetail) float64 {
	r := rank{1, 1}
	semantic := -1.0
	for i := range details {
		switch d := &details[i]; {
		case d.relevancy():
			r = r.merge(d.rank)
		case d.kind == vectorDetail:
			semantic = d.similarityScore()
		}
	}
	if semantic >= 0 || hasVector(details) {
		return semantic
	}
	return r.score()
}

func hasVector(details []scoreDetail) bool {
	for i := range details {
		if details[i].kind == vectorDetail {
			return true
		}
	}
	return false
}

func (d *scoreDetail) similarityScore() float64 {
	if d.similarity == nil {
		return 0
	}
	return float64(*d.similarity)
}

// scoreValue is an element of the list that hits of different queries are
// compared by: a score, or the detail of a sort.
type scoreValue struct {
	detail *scoreDetail // nil: a score
	score  float64
}

// scoreValues combines neighbouring relevancy rules and leaves the others as they are.
func scoreValues(details []scoreDetail) []scoreValue {
	var out []scoreValue
	for i := 0; i < len(details); {
		d := &details[i]
		if !d.relevancy() {
			if d.kind == vectorDetail {
				out = append(out, scoreValue{score: d.similarityScore()})
			} else {
				out = append(out, scoreValue{detail: d})
			}
			i++
			continue
		}
		r := d.rank
		for i++; i < len(details) && details[i].relevancy(); i++ {
			r = r.merge(details[i].rank)
		}
		out = append(out, scoreValue{score: r.score()})
	}
	return out
}

// detailsJSON writes the details as an object by rule. unified tells that the
// settings use the rule attribute, not its two halves.
func detailsJSON(details []scoreDetail, unified bool) *object {
	out := &object{}
	order := 0
	put := func(name string, members ...member) {
		out.set(name, &object{members: append([]member{{"order", intNumber(order)}}, members...)})
		order++
	}
	var attribute, exact rank
	for i := range details {
		d := &details[i]
		score := member{"score", floatNumber(d.rank.score())}
		switch d.kind {
		case wordsDetail:
			put("words", member{"matchingWords", intNumber(d.rank.rank)}, member{"maxMatchingWords", intNumber(d.rank.max)}, score)
		case typoDetail:
			put("typo", member{"typoCount", intNumber(d.rank.max - d.rank.rank)}, member{"maxTypoCount", intNumber(d.rank.max - 1)}, score)
		case proximityDetail:
			put("proximity", score)
		case attributeDetail:
			attribute = d.rank
			if unified {
				put("attribute", member{"attributeRankingOrderScore", score.value})
			} else {
				put("attributeRank", score)
			}
		case positionDetail:
			if !unified {
				put("wordPosition", score)
				continue
			}
			if v, ok := out.get("attribute"); ok {
				o := v.(*object)
				o.set("queryWordDistanceScore", score.value)
				o.set("score", floatNumber(rank{1, 1}.merge(attribute).merge(d.rank).score()))
			}
		case exactAttributeDetail:
			exact = d.rank
			name := map[int]string{3: "exactMatch", 2: "matchesStart", 1: "noExactMatch"}[d.rank.rank]
			put("exactness", member{"matchType", name}, score)
		case exactWordsDetail:
			if exact.rank != 1 {
				continue
			}
			if v, ok := out.get("exactness"); ok {
				o := v.(*object)
				o.remove("score")
				o.set("matchingWords", intNumber(d.rank.rank-1))
				o.set("maxMatchingWords", intNumber(d.rank.max-1))
				o.set("score", floatNumber(rank{1, 1}.merge(exact).merge(d.rank).score()))
			}
		case sortDetail:
			if d.redacted {
				put("<hidden-rule-"+strconv.Itoa(order)+">", member{"value", "<hidden>"})
			} else {
				put(d.field+direction(d.desc), member{"value", d.value})
			}
		case geoDetail:
			name := "_geoPoint(" + displayFloat(d.target[0]) + ", " + displayFloat(d.target[1]) + ")" + direction(d.desc)
			var value, dist any
			if d.point != nil {
				value = &object{members: []member{{"lat", floatNumber(d.point[0])}, {"lng", floatNumber(d.point[1])}}}
				dist = floatNumber(d.distance)
			}
			put(name, member{"value", value}, member{"distance", dist})
		case vectorDetail:
			var s any
			if d.similarity != nil {
				s = floatNumber(float64(*d.similarity))
			}
			put("vectorSort", member{"similarity", s})
		}
	}
	return out
}

func direction(desc bool) string {
	if desc {
		return ":desc"
	}
	return ":asc"
}
