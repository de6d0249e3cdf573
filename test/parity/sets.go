package parity

import (
	"fmt"
	"strings"
)

// object is a document, a body or settings.
type object map[string]any

// set is documents with settings and what is asked about them.
type set struct {
	name      string
	settings  object
	documents []object
	queries   []query
}

// query is one request and the kind of request it is.
type query struct {
	kind kind
	path string // below the index; "/multi-search" stands by itself
	body object
}

// kind tells queries apart by what may be expected of a split index.
type kind string

const (
	// text is a search for words.
	text kind = "text"
	// plain is a search without words: placeholder, filter, sort, geo, facets.
	plain kind = "plain"
	// meaning is a search by vectors, alone or with words.
	meaning kind = "meaning"
	// facets is a search for the values of a facet.
	facets kind = "facet search"
	// federated is several searches that make one list.
	federated kind = "federated"
	// distinct is a search that shows one document for each value of a field.
	// How many there are of it, a server estimates as far as it has looked.
	distinct kind = "distinct"
	// mixed is a search for a facet in which numbers and texts are spelled alike:
	// a server counts the one or the other.
	mixed kind = "mixed facet"
	// frequency is a search that drops the most frequent words first. How
	// frequent a word is, a part of an index knows of itself only.
	frequency kind = "frequency"
)

// some thins queries and documents out, so that what is left is of every kind.
func some[T any](list []T, most int) []T {
	if most <= 0 || len(list) <= most {
		return list
	}
	out := make([]T, most)
	for i := range out {
		out[i] = list[i*len(list)/most]
	}
	return out
}

// search makes a search of a body.
func search(body object) query {
	k := text
	switch q, _ := body["q"].(string); {
	case body["distinct"] != nil:
		k = distinct
	case body["hybrid"] != nil:
		k = meaning
	case strings.TrimSpace(q) == "":
		k = plain
	case body["matchingStrategy"] == "frequency":
		k = frequency
	}
	return query{kind: k, path: "/search", body: body}
}

// option is a part of a body that a share of a set's queries has.
type option struct {
	share float64
	parts []object
}

// add gives the body one part of each option that its turn comes for.
func (d dice) add(body object, options []option) object {
	for _, o := range options {
		if !d.chance(o.share) {
			continue
		}
		for name, value := range pick(d, o.parts) {
			body[name] = value
		}
	}
	return body
}

// each makes one part of each value of a parameter.
func each(name string, values ...any) []object {
	parts := make([]object, len(values))
	for i, v := range values {
		parts[i] = object{name: v}
	}
	return parts
}

// windows are the ways of asking for a page.
var windows = option{0.3, []object{
	{"limit": 5}, {"limit": 50, "offset": 10}, {"offset": 20}, {"page": 2, "hitsPerPage": 7}, {"hitsPerPage": 30},
	{"limit": 0}, {"limit": 200}, {"page": 3}, {"hitsPerPage": 0},
}}

// showing are the parameters that change what is shown of a hit, not which hits
// there are.
func showing(field string) []option {
	return []option{
		{0.1, each("attributesToRetrieve", list("id", field), list("*"), list())},
		{0.1, []object{
			{"attributesToHighlight": list("*")},
			{"attributesToHighlight": list(field), "highlightPreTag": "[", "highlightPostTag": "]"},
			{"attributesToCrop": list(field + ":4"), "cropMarker": "..."},
			{"attributesToCrop": list("*"), "cropLength": 5},
		}},
		{0.1, each("showMatchesPosition", true)},
		{0.1, []object{{"showRankingScore": true}, {"showRankingScore": true, "showRankingScoreDetails": true}}},
	}
}

func list(values ...string) []string { return append([]string{}, values...) }

// sets gives all sets, each of at most that many documents and queries; none
// means all there are.
func sets(documents, queries, odd int) ([]set, error) {
	symbols, err := symbolSet()
	if err != nil {
		return nil, fmt.Errorf("the standard library's documentation: %w", err)
	}
	all := []set{proseSet(), rulesSet(), bookSet(), symbols, placeSet(), vectorSet(), distinctSet()}
	for seed := range odd {
		all = append(all, oddSet(seed))
	}
	for i := range all {
		all[i].documents = some(all[i].documents, documents)
		all[i].queries = some(all[i].queries, queries)
	}
	return all, nil
}
