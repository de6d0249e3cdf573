package parity

import (
	"fmt"
	"slices"
	"strings"
)

// The odd sets have documents, settings and queries by chance: values of every
// type in every field, texts in several scripts, rules in any order.

var (
	oddWords = list("red", "Red", "réd", "blue", "bluebird", "bird", "birds", "green", "greene", "2024", "10", "über", "uber", "straße", "strasse",
		"日本語", "東京", "東京都", "дом", "Дом", "عربي", "naïve", "naive", "co-op", "rock'n'roll", "C++", "e-mail", "user@example.com", "héllo", "hello", "help",
		"held", "helm", "helmet", "the", "a", "of", "and", "foo_bar", "fooBar", "x", "xy", "xyz", "🙂", "ﬁsh", "fish", "fishing")
	oddValues = []any{"north", "North", "NORTH ", "south", "east", "éast", "ouest", "", " ", "10", "10.0", "1e3", "-5", "true", "null", "日本", "z", "Z", "<b>", `"quoted"`, "it's", `back\slash`}
	oddDates  = []any{"2024-01-31", "2024-02-01T10:00:00Z", "1999-12-31", 1700000000, 1700000000.5, "yesterday", nil}
)

// number is any number a document may hold.
func (d dice) number() any {
	return pick(d, []any{0, 1, 2, 3, 10, -1, -10, 0.5, -0.25, 3.14159, 100, 1000000, 1e15, 1e21, -1e18, 1e-7, 9007199254740993, 7.0, d.between(0, 30), d.between(-100, 100), d.uniform(0, 5, 2)})
}

// anything is a value of any type.
func (d dice) anything() any {
	switch d.IntN(12) {
	case 0:
		return nil
	case 1:
		return d.chance(0.5)
	case 2:
		return []any{}
	case 3:
		return object{}
	case 4, 5:
		return []any{pick(d, oddValues), d.number(), pick(d, oddValues)}
	case 6, 7, 8:
		return d.number()
	}
	return pick(d, oddValues)
}

func (d dice) oddText(most int) string {
	words := make([]string, d.between(0, most))
	for i := range words {
		words[i] = pick(d, oddWords)
	}
	return strings.Join(words, pick(d, list(" ", " ", " ", ", ", ". ", "-")))
}

func (d dice) oddDocument(i int) object {
	o := object{
		"id": i, "title": d.oddText(4), "text": d.oddText(40), "tags": []any{pick(d, oddValues), pick(d, oddValues)}, "any": d.anything(), "n": d.number(),
		"when": pick(d, oddDates), "flag": d.chance(0.5), "group": pick(d, []any{"g1", "g2", "G2", "g3", 1, 2, 2.5, true}),
		"nested": object{"a": object{"b": d.number(), "c": []any{pick(d, oddValues), d.between(0, 3)}}, "list": []any{object{"k": pick(d, oddValues), "v": d.number()}, object{"k": "x"}}},
	}
	if i%3 == 0 {
		o["id"] = fmt.Sprintf("s-%d", i)
	}
	for _, name := range list("title", "text", "tags", "any", "n", "flag", "group", "nested") {
		switch d.IntN(25) {
		case 0:
			delete(o, name)
		case 1:
			o[name] = nil
		case 2:
			o[name] = d.anything()
		}
	}
	if d.chance(0.02) {
		o["text"] = strings.Repeat(d.oddText(40)+" ", 60)
	}
	switch d.IntN(4) {
	case 0:
		o["_geo"] = object{"lat": d.uniform(-80, 80, 2), "lng": d.uniform(-170, 170, 2)}
	case 1:
		o["_geo"] = object{"lat": pick(d, list("10.5", "-3")), "lng": d.uniform(0, 3, 1)}
	case 2:
		o["_geo"] = nil
	}
	return o
}

var oddRules = list("words", "typo", "proximity", "attribute", "attributeRank", "wordPosition", "sort", "exactness", "n:desc", "when:asc", "nested.a.b:asc", "any:desc", "title:asc")

// oddSettings are settings of any kind.
func (d dice) oddSettings() object {
	s := object{
		"filterableAttributes": list("tags", "any", "n", "when", "flag", "group", "nested", "_geo", "title"),
		"sortableAttributes":   list("n", "when", "any", "title", "group", "nested.a.b", "_geo", "tags", "flag"),
		"pagination":           object{"maxTotalHits": pick(d, []int{1000, 1000, 1000, 150})},
	}
	if d.chance(0.6) {
		s["searchableAttributes"] = sample(d, list("title", "text", "tags", "nested.list.k", "any"), d.between(1, 5))
	}
	if d.chance(0.6) {
		rules := sample(d, oddRules, d.between(2, 8))
		if slices.Contains(rules, "attribute") {
			rules = slices.DeleteFunc(rules, func(r string) bool { return r == "attributeRank" || r == "wordPosition" })
		}
		s["rankingRules"] = rules
	}
	if d.chance(0.3) {
		s["displayedAttributes"] = list("id", "title", "n", "group")
	}
	d.add(s, []option{
		{0.4, each("faceting", object{"maxValuesPerFacet": 5}, object{"maxValuesPerFacet": 12, "sortFacetValuesBy": object{"*": "count"}}, object{"sortFacetValuesBy": object{"n": "count", "tags": "count"}})},
		{0.3, each("typoTolerance", object{"enabled": false}, object{"minWordSizeForTypos": object{"oneTypo": 3, "twoTypos": 5}}, object{"disableOnAttributes": list("title")})},
		{0.3, each("synonyms", object{"fish": list("bird"), "red": list("blue bird")})},
		{0.3, each("stopWords", list("the", "a", "of", "and"))},
		{0.2, each("distinctAttribute", "group", "tags", "title")},
		{0.2, each("proximityPrecision", "byAttribute")},
		{0.2, each("prefixSearch", "disabled")},
		{0.2, each("separatorTokens", list("_"))},
		{0.2, each("nonSeparatorTokens", list("@", "+"))},
		{0.2, each("dictionary", list("rock'n'roll", "C++"))},
	})
	return s
}

func (d dice) oddQuery() object {
	body := object{}
	if d.chance(0.75) {
		body["q"] = d.phrase([][]string{oddWords, oddWords, oddWords[:20]})
	}
	return d.add(body, []option{
		{0.4, each("filter", "n > 0", "n >= -10 AND n <= 10", "tags = north", "tags = 10", "any EXISTS", "any IS NULL", "any IS EMPTY", "NOT any EXISTS", "flag = true", "group IN [g1, 2]",
			"group != g2", "nested.a.b > 1", "nested.a.c = z", "nested.list.k = x", "nested.list.v 0 TO 10", "when > 1000", "tags NOT IN [north, south]",
			"_geoRadius(10.5, 1, 100000)", "_geoBoundingBox([45, 90], [-45, -90])", "title STARTS WITH red", "title = ''", []any{list("n = 1", "n = 2"), "flag = false"}, "n = 1e21", "n < -0.1")},
		{0.4, each("sort", list("n:asc"), list("n:desc"), list("any:asc"), list("any:desc", "n:asc"), list("when:asc"), list("when:desc"), list("title:asc"), list("tags:asc"), list("tags:desc"),
			list("group:desc"), list("nested.a.b:desc"), list("flag:asc", "n:desc"), list("_geoPoint(10.5, 1):asc"), list("_geoPoint(0, 0):desc", "n:asc"), list("group:asc", "_geoPoint(10, 1):asc"))},
		{0.4, each("facets", list("tags"), list("n"), list("any"), list("*"), list("group", "flag"), list("nested.a.b", "nested.list.k"), list("nested"), list("when", "title"))},
		{0.15, each("distinct", "group", "tags", "any", "n", "nested.a.c", "flag")},
		{0.1, each("attributesToSearchOn", list("title"), list("text", "title"), list("nested.list.k"))},
		{0.25, each("matchingStrategy", "all", "last")},
		{0.1, each("rankingScoreThreshold", 0.1, 0.5, 0.9)},
		{0.05, each("locales", list("jpn"), list("eng"), list("deu"))},
		windows,
		{0.1, each("attributesToRetrieve", list("id", "title"), list("nested.a.b", "id"), list("*"), list())},
		{0.15, []object{{"attributesToHighlight": list("*")}, {"attributesToCrop": list("text:3", "title"), "cropMarker": "~"}, {"attributesToHighlight": list("tags", "nested"), "highlightPreTag": "«", "highlightPostTag": "»"}}},
		{0.1, each("showMatchesPosition", true)},
		{0.1, []object{{"showRankingScore": true}, {"showRankingScoreDetails": true}}},
	})
}

// oddSet is the odd set of a seed.
func oddSet(seed int) set {
	d := newDice(uint64(1000 + seed))
	s := set{name: fmt.Sprintf("odd%d", seed), settings: d.oddSettings()}
	for s.settings["searchableAttributes"] != nil && !slices.Contains(s.settings["searchableAttributes"].([]string), "title") {
		s.settings["searchableAttributes"] = append(s.settings["searchableAttributes"].([]string), "title", "text", "nested.list.k")
		s.settings["searchableAttributes"] = slices.Compact(slices.Sorted(slices.Values(s.settings["searchableAttributes"].([]string))))
	}
	for i := range d.between(200, 900) {
		s.documents = append(s.documents, d.oddDocument(i))
	}
	for range 120 {
		s.queries = append(s.queries, search(d.oddQuery()))
	}
	for range 15 {
		s.queries = append(s.queries, query{kind: facets, path: "/facet-search", body: d.add(object{"facetName": pick(d, list("tags", "group", "any", "title", "nested.list.k", "nested.a.c"))}, []option{
			{0.8, each("facetQuery", "n", "no", "e", "é", "", "10", "g", "tru", "re", "日", "souht")},
			{0.3, each("filter", "n > 0", "flag = true")}, {0.3, each("q", "red", "fish", "日本語")},
		})})
	}
	for range 15 {
		s.queries = append(s.queries, d.oddFederated(s.name))
	}
	return s
}

func (d dice) oddFederated(index string) query {
	sorted := d.chance(0.3)
	var queries []object
	for range d.between(1, 3) {
		q := d.add(object{"indexUid": index, "q": d.phrase([][]string{oddWords})}, []option{
			{0.4, each("filter", "n > 0", "flag = true", "group = g1")},
			{0.4, each("federationOptions", object{"weight": 0.5}, object{"weight": 2})},
			{0.2, each("showRankingScore", true)},
		})
		if sorted {
			q["sort"] = list("n:asc")
		}
		queries = append(queries, q)
	}
	federation := d.add(object{}, []option{
		{0.5, []object{{"limit": 5}, {"offset": 5, "limit": 10}, {"page": 2, "hitsPerPage": 4}}},
		{0.4, []object{{"facetsByIndex": object{index: list("tags", "n")}}, {"facetsByIndex": object{index: list("group")}, "mergeFacets": object{}}, {"facetsByIndex": object{index: list("group", "any")}, "mergeFacets": object{"maxValuesPerFacet": 3}}}},
		{0.2, each("distinct", "group", "tags")},
	})
	return query{kind: federated, path: "/multi-search", body: object{"federation": federation, "queries": queries}}
}
