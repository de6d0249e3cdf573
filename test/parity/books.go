package parity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// books makes a catalogue that has every JSON type, nulls, missing fields,
// fields of mixed types, nested fields and lists.
func books(n int) []object {
	d := newDice(7)
	out := make([]object, n)
	for k := range out {
		i := k + 1
		b := object{
			"id": i, "title": "The " + pick(d, adjectives) + " " + pick(d, nouns), "author": pick(d, firstNames) + " " + pick(d, lastNames),
			"overview": d.overview(), "genres": sample(d, topics, d.between(0, 3)), "price": d.uniform(3, 60, 2), "pages": d.between(60, 900),
			"rating": pick(d, []float64{1, 2, 3, 3.5, 4, 4.5, 5}), "in_stock": d.chance(0.7), "publisher": pick(d, publishers), "year": d.between(1950, 2025),
		}
		if i%10 == 0 {
			b["id"] = fmt.Sprintf("bk-%d", i)
		}
		if i%3 == 0 {
			b["title"] = pick(d, nouns) + " and " + pick(d, nouns)
		}
		d.gaps(b, i)
		out[k] = b
	}
	return out
}

func (d dice) overview() string {
	var b strings.Builder
	for range d.between(1, 6) {
		fmt.Fprintf(&b, "%s %s %s %s the %s%s ", pick(d, list("A", "The", "One", "Every")), pick(d, adjectives), pick(d, nouns), pick(d, verbs),
			pick(d, nouns), pick(d, list(".", ", then", " and", " while")))
	}
	return strings.TrimSpace(b.String())
}

// gaps makes fields null, missing, empty or of another type here and there.
func (d dice) gaps(b object, i int) {
	if i%4 == 0 {
		b["series"] = object{"name": pick(d, adjectives) + " " + pick(d, nouns), "volume": d.between(1, 5)}
	}
	if i%5 == 0 {
		b["_geo"] = object{"lat": d.uniform(-60, 60, 4), "lng": d.uniform(-170, 170, 4)}
	}
	if i%7 == 0 {
		b["rating"] = nil
	}
	if i%11 == 0 {
		delete(b, "price")
	}
	if i%13 == 0 {
		b["year"] = strconv.Itoa(b["year"].(int))
	}
	if i%17 == 0 {
		b["genres"] = list()
	}
	if i%19 == 0 {
		b["title"] = strings.ReplaceAll(strings.Replace(b["title"].(string), "The ", "Les ", 1), " ", "-")
	}
}

// bookSet searches all attributes.
func bookSet() set {
	s := set{
		name: "books", documents: books(1500),
		settings: object{
			"filterableAttributes": list("genres", "price", "pages", "rating", "in_stock", "publisher", "series", "year", "author", "_geo"),
			"sortableAttributes":   list("price", "pages", "rating", "year", "title", "series.volume", "_geo"),
		},
	}
	d := newDice(31)
	pool := [][]string{adjectives, nouns, verbs, firstNames, lastNames}
	for range 300 {
		body := object{"q": d.phrase(pool)}
		if d.chance(0.15) {
			body["q"] = ""
		}
		s.queries = append(s.queries, search(d.add(body, append(showing("title"),
			option{0.4, each("filter", "genres = poetry", "rating >= 3.5 AND in_stock = true", "price IS NULL", "price NOT EXISTS", "genres IS EMPTY",
				"publisher.city = Oslo", "series.volume 2 TO 4", "year = 1982", "year > 1990", "NOT genres IN [science, travel]", "rating IS NULL OR pages < 200",
				"author = 'Ada Ito'", "series EXISTS", "_geoBoundingBox([50, 100], [-50, -100])", "_geo EXISTS",
				[]any{list("genres = Children", "genres = cooking"), "price < 30"})},
			option{0.3, each("sort", list("price:asc"), list("rating:desc", "pages:asc"), list("year:asc"), list("year:desc"), list("title:asc"),
				list("series.volume:desc", "price:asc"), list("_geoPoint(48.8, 2.3):asc"), list("_geoPoint(48.8, 2.3):desc", "price:asc"))},
			option{0.3, each("facets", list("genres"), list("year"), list("publisher"), list("publisher.city", "rating"), list("*"), list("in_stock", "series.volume"))},
			windows,
			option{0.2, each("matchingStrategy", "all", "last")},
			option{0.1, each("distinct", "author", "year", "publisher.city", "in_stock")},
			option{0.1, each("attributesToSearchOn", list("title"), list("author", "title"), list("publisher.city"))},
			option{0.05, each("rankingScoreThreshold", 0.3, 0.7)},
		))))
	}
	for i := range s.queries {
		// A year is a number here and a text there.
		if wanted, _ := s.queries[i].body["facets"].([]string); slices.Contains(wanted, "year") || slices.Contains(wanted, "*") {
			s.queries[i].kind = mixed
		}
	}
	for range 30 {
		body := object{"facetName": pick(d, list("genres", "author", "publisher.city", "publisher.name", "series.name"))}
		s.queries = append(s.queries, query{kind: facets, path: "/facet-search", body: d.add(body, []option{
			{0.8, each("facetQuery", "a", "p", "poet", "har", "oslo", "gen", "histry", "b")},
			{0.3, each("filter", "price < 20", "in_stock = true")},
			{0.3, each("q", "castle", "the", "golden")},
		})})
	}
	return s
}
