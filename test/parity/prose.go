package parity

import (
	"fmt"
	"strings"
)

// prose makes texts over a small vocabulary with misspellings, joined words and
// common prefixes.
func prose(n int) []object {
	d := newDice(11)
	out := make([]object, n)
	for i := range out {
		words := make([]string, d.between(6, 60))
		for k := range words {
			w := pick(d, pick(d, [][]string{adjectives, nouns, nouns, verbs}))
			switch x := d.Float64(); {
			case x < 0.04:
				w = d.misspell(w)
			case x < 0.06:
				w = pick(d, adjectives) + w
			}
			if d.chance(0.1) {
				w += string(".,;"[d.IntN(3)])
			}
			words[k] = w
		}
		out[i] = object{
			"id": i, "title": strings.Join(words[:d.between(2, 5)], " "), "body": strings.Join(words, " "), "topic": pick(d, topics),
			"score": d.between(0, 50), "day": d.between(0, 400), "shelf": fmt.Sprintf("s%d", d.between(0, 240)), "price": d.uniform(1, 99, 1),
			"_geo": object{"lat": d.uniform(-50, 50, 5), "lng": d.uniform(-120, 120, 5)},
		}
	}
	return out
}

var proseFields = list("topic", "score", "day", "shelf", "price", "_geo", "id")

// proseSet is the hardest: few words, each in many documents.
func proseSet() set {
	s := set{
		name: "prose", documents: prose(3000),
		settings: object{
			"searchableAttributes": list("title", "body"), "filterableAttributes": proseFields,
			"sortableAttributes": list("score", "day", "price", "_geo", "title"),
		},
	}
	d := newDice(23)
	for range 300 {
		s.queries = append(s.queries, search(d.proseQuery([]option{
			{0.35, proseFilters}, {0.25, proseSorts}, {0.3, proseFacets}, windows,
			{0.2, each("matchingStrategy", "all", "all", "last")},
			{0.1, each("distinct", "topic")},
			{0.1, each("attributesToSearchOn", list("title"))},
			{0.1, each("rankingScoreThreshold", 0.2, 0.5, 0.8)},
		})))
	}
	return s
}

func (d dice) proseQuery(options []option) object {
	body := object{"q": d.phrase([][]string{adjectives, nouns, verbs})}
	if d.chance(0.08) {
		body["q"] = ""
	}
	return d.add(body, options)
}

var (
	proseFilters = each("filter", "score > 25", "topic = fantasy", "topic IN [history, poetry] AND day < 200", "NOT topic = travel",
		"price 10 TO 40", "_geoRadius(10, 10, 3000000)", []any{list("topic = science", "topic = Children"), "score >= 10"})
	proseSorts  = each("sort", list("score:desc"), list("price:asc", "score:desc"), list("title:asc"), list("_geoPoint(0, 0):asc"), list("day:desc"))
	proseFacets = each("facets", list("topic"), list("topic", "score"), list("shelf"), list("*"))
)

// rulesSet is prose under settings that are not the default: rules of its own,
// synonyms, stop words, hidden attributes, facet orders.
func rulesSet() set {
	s := set{
		name: "rules", documents: prose(1500),
		settings: object{
			"searchableAttributes": list("body", "title"), "displayedAttributes": list("id", "title", "topic", "score", "price"),
			"filterableAttributes": proseFields, "sortableAttributes": list("score", "day", "price", "_geo"),
			"rankingRules":  list("words", "sort", "score:desc", "typo", "attribute", "exactness", "day:asc"),
			"synonyms":      object{"sea": list("ocean"), "ocean": list("sea"), "king": list("prince", "noble king")},
			"stopWords":     list("still", "last", "holds"),
			"typoTolerance": object{"minWordSizeForTypos": object{"oneTypo": 4, "twoTypos": 7}, "disableOnWords": list("castle")},
			"faceting":      object{"maxValuesPerFacet": 20, "sortFacetValuesBy": object{"*": "count", "topic": "alpha"}},
			"pagination":    object{"maxTotalHits": 300},
		},
	}
	d := newDice(29)
	for range 200 {
		s.queries = append(s.queries, search(d.proseQuery(append(showing("title"),
			option{0.35, proseFilters},
			option{0.25, each("sort", list("score:desc"), list("price:asc", "score:desc"), list("_geoPoint(0, 0):asc"), list("day:desc"))},
			option{0.2, proseFacets}, windows,
			option{0.2, each("matchingStrategy", "all", "last")},
			option{0.05, each("distinct", "topic", "day")},
		))))
	}
	return s
}

// distinctSet is prose of which a search shows one document a shelf.
func distinctSet() set {
	s := set{
		name: "distinct", documents: prose(2000),
		settings: object{
			"searchableAttributes": list("title", "body"), "filterableAttributes": proseFields, "sortableAttributes": list("score", "day", "price"),
			"distinctAttribute": "shelf",
		},
	}
	d := newDice(37)
	for range 150 {
		s.queries = append(s.queries, query{kind: distinct, path: "/search", body: d.proseQuery([]option{
			{0.35, proseFilters}, {0.25, each("sort", list("score:desc"), list("price:asc", "score:desc"), list("day:desc"))},
			{0.3, proseFacets}, windows,
			{0.2, each("matchingStrategy", "all", "last")},
			{0.1, each("distinct", "topic", "day")},
		})})
	}
	return s
}
