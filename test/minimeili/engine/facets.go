package engine

import (
	"cmp"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// facetCount is a facet value as it is shown and how many documents have it.
type facetCount struct {
	value string
	count int
}

// computedFacets are the facets of a search by field.
type computedFacets struct {
	names        []string // sorted
	distribution map[string][]facetCount
	stats        map[string][2]float64
}

// fewCandidates is how many candidates are counted one by one; beyond that the
// real server walks its tree of values, and sorts numbers as numbers.
const fewCandidates = 3000

// facets counts the values of the asked fields among candidates. An empty list
// asks for nothing.
func (ix *Index) facets(patterns []string, candidates docSet) (*computedFacets, *meili.Error) {
	for _, p := range patterns {
		if err := ix.checkFacet(p); err != nil {
			return nil, err
		}
	}
	out := &computedFacets{distribution: map[string][]facetCount{}, stats: map[string][2]float64{}}
	var asked []string
	for _, name := range ix.fields {
		if matchesAny(patterns, name) && ix.cfg.isFilterable(name) {
			asked = append(asked, name)
		}
	}
	for fid, name := range ix.fields {
		wanted := slices.ContainsFunc(asked, func(a string) bool { return under(name, a) })
		if !wanted || !ix.cfg.isFilterable(name) {
			continue
		}
		order := ix.cfg.facetOrder("*")
		if slices.Contains(asked, name) {
			order = ix.cfg.facetOrder(name)
		}
		out.names = append(out.names, name)
		field := ix.facet[uint16(fid)]
		if field == nil {
			field = &facetField{}
		}
		out.distribution[name] = ix.countFacet(field, uint16(fid), order, candidates)
		if s, ok := ix.statsOf(field, candidates); ok {
			out.stats[name] = s
		}
	}
	slices.Sort(out.names)
	return out, nil
}

// facetOrder is how the values of a field are sorted: alpha or count.
func (c *config) facetOrder(field string) string {
	if o, ok := c.sortFacetValuesBy[field]; ok {
		return o
	}
	return c.sortFacetValuesBy["*"]
}

func (ix *Index) checkFacet(pattern string) *meili.Error {
	for i, r := range ix.cfg.filterable {
		switch {
		case r.filters():
			if slices.ContainsFunc(r.patterns, func(p string) bool { return overlap(p, pattern) }) {
				return nil
			}
		case r.matches(pattern):
			return ix.badFacet(pattern, i)
		}
	}
	return ix.badFacet(pattern, -1)
}

// overlap tells whether two patterns can name the same attribute, or one an
// attribute below the other.
func overlap(a, b string) bool {
	return matchPattern(a, b) || matchPattern(b, a) || under(a, b) || under(b, a)
}

func (ix *Index) badFacet(pattern string, rule int) *meili.Error {
	return meili.NewError("invalid_search_facets", "Invalid facet distribution: %s", ix.cfg.facetMessage(pattern, rule))
}

// countFacet counts the values of one field: numbers first, then strings,
// within the limit of both together.
func (ix *Index) countFacet(f *facetField, fid uint16, order string, candidates docSet) []facetCount {
	limit := ix.cfg.maxValuesPerFacet
	numbers := ix.countNumbers(f, order, candidates)
	if len(numbers) >= limit {
		return numbers[:limit]
	}
	return append(numbers, cut(ix.countStrings(f, fid, order, candidates), limit-len(numbers))...)
}

func cut[T any](l []T, n int) []T { return l[:min(n, len(l))] }

func (ix *Index) countNumbers(f *facetField, order string, candidates docSet) []facetCount {
	var out []facetCount
	for _, n := range ix.numbersOf(f) {
		if c := f.numbers[n].countIn(candidates); c > 0 {
			out = append(out, facetCount{displayFloat(n), c})
		}
	}
	switch {
	case order == "count":
		sortByCount(out)
	case candidates.len() <= fewCandidates:
		slices.SortStableFunc(out, func(a, b facetCount) int { return strings.Compare(a.value, b.value) })
	}
	return out
}

func (ix *Index) countStrings(f *facetField, fid uint16, order string, candidates docSet) []facetCount {
	var out []facetCount
	for _, s := range ix.stringsOf(f) {
		in := f.strings[s].within(candidates)
		if first, ok := in.min(); ok {
			out = append(out, facetCount{ix.docs[first].facets[fid].strings[s], in.len()})
		}
	}
	if order == "count" {
		sortByCount(out)
	}
	return out
}

// sortByCount puts the most frequent values first; of equal ones the later in order.
func sortByCount(l []facetCount) {
	slices.Reverse(l)
	slices.SortStableFunc(l, func(a, b facetCount) int { return -cmp.Compare(a.count, b.count) })
}

func (ix *Index) statsOf(f *facetField, candidates docSet) ([2]float64, bool) {
	numbers := ix.numbersOf(f)
	var s [2]float64
	found := false
	for _, n := range numbers {
		if f.numbers[n].countIn(candidates) > 0 {
			if !found {
				s[0], found = n, true
			}
			s[1] = n
		}
	}
	return s, found
}

func (f *computedFacets) distributionJSON() []byte {
	o := &object{}
	for _, name := range f.names {
		o.members = append(o.members, member{name, countsJSON(f.distribution[name])})
	}
	return appendValue(nil, o)
}

func countsJSON(counts []facetCount) *object {
	o := &object{}
	for _, c := range counts {
		o.set(c.value, intNumber(c.count))
	}
	return o
}

func (f *computedFacets) statsJSON() []byte {
	o := &object{}
	for _, name := range f.names {
		if s, ok := f.stats[name]; ok {
			o.members = append(o.members, member{name, &object{members: []member{{"min", floatNumber(s[0])}, {"max", floatNumber(s[1])}}}})
		}
	}
	return appendValue(nil, o)
}
