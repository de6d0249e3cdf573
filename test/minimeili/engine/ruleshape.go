package engine

import (
	"fmt"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
)

// ruleShape is which kinds of rules a query goes through. Only hits of queries
// of the same shape can be merged.
type ruleShape struct {
	query    int
	uid      string
	criteria []string
	sort     []filter.Sort
	groups   []ruleGroup
	notes    []string
}

// ruleGroup is relevancy rules in a row, or one sort.
type ruleGroup struct {
	kind        string // relevancy, ascending sort, …
	first, last int    // of the criteria
	sort        int    // which of the query's sorts; -1: none
}

// shapeOf canonicalises the rules of a query the way they are applied.
func shapeOf(x *execution, query int) *ruleShape {
	s := &ruleShape{query: query, uid: x.ix.uid}
	switch {
	case x.kind.semantic:
		s.canonicalize(x, vectorSearch)
	case strings.TrimSpace(deref(x.q.Q)) == "":
		s.canonicalize(x, placeholderSearch)
	default:
		s.canonicalize(x, keywordSearch)
	}
	s.group()
	return s
}

func (s *ruleShape) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

func (s *ruleShape) canonicalize(x *execution, kind searchKind) {
	seen := map[string]int{}
	sorted := map[string]string{}
	wordsAdded := false
	for i, rule := range x.ix.cfg.rankingRules {
		at := fmt.Sprintf("#%d in ranking rules", i)
		field, _, custom := customRule(rule)
		switch {
		case custom:
			if before, ok := sorted[field]; ok {
				s.note("Removed duplicate rule `%s` at position %s as it already appears at position %s", rule, at, before)
				continue
			}
			sorted[field] = at
			s.criteria = append(s.criteria, rule)
		case rule == "sort":
			s.addSort(x, i, seen, sorted)
		case kind == placeholderSearch:
			s.note("Removed relevancy rule `%s` at position %s because the query is a placeholder search (`q`: \"\")", rule, at)
		case kind == vectorSearch:
			if first, ok := seen["vector"]; !ok {
				seen["vector"] = i
				s.criteria = append(s.criteria, rule)
			} else if len(sorted) == 0 {
				s.note("Removed relevancy rule `%s` at position %s because the query is a vector search and `vector` was already inserted at position #%d in ranking rules", rule, at, first)
			} else {
				s.note("Truncated relevancy rule `%s` at position %s and later rules because the query is a vector search and `vector` was inserted at position #%d in ranking rules", rule, at, first)
				return
			}
		default:
			s.addKeyword(x.q.MatchingStrategy, rule, i, seen, &wordsAdded)
		}
	}
}

func (s *ruleShape) addSort(x *execution, i int, seen map[string]int, sorted map[string]string) {
	if before, ok := seen["sort"]; ok {
		s.note("Removed duplicate rule `sort` at position #%d in ranking rules as it already appears at position #%d in ranking rules", i, before)
		return
	}
	if x.q.Sort == nil {
		s.notes = append(s.notes, fmt.Sprintf("\x00Removed rule `sort` at position #%d in ranking rules because `query.sort` is empty", i))
		return
	}
	seen["sort"] = i
	s.criteria = append(s.criteria, "sort")
	geo := ""
	for j, c := range x.sort {
		at := fmt.Sprintf("#%d in `query.sort` (as `sort` is #%d in ranking rules)", j, i)
		before, name := sorted[c.Attr], c.Attr+direction(c.Desc)
		if c.Geo != nil {
			before, name = geo, "_geo(..)"+direction(c.Desc)
		}
		if before != "" {
			s.note("Removed duplicate rule `%s` at position %s as it already appears at position %s", name, at, before)
			continue
		}
		if c.Geo != nil {
			geo = at
		} else {
			sorted[c.Attr] = at
		}
		s.sort = append(s.sort, c)
	}
}

func (s *ruleShape) addKeyword(strategy, rule string, i int, seen map[string]int, wordsAdded *bool) {
	at := fmt.Sprintf("#%d in ranking rules", i)
	if rule == "words" {
		switch before, ok := seen[rule]; {
		case strategy == "all":
			s.note("Removed rule `words` at position %s because `query.matchingWords` is set to `all`", at)
			return
		case ok:
			s.note("Removed duplicate rule `words` at position %s as it already appears at position #%d in ranking rules", at, before)
			return
		case *wordsAdded:
			s.note("Removed rule `words` at position %s because it was previously prepended", at)
		}
		seen[rule] = i
		s.criteria = append(s.criteria, rule)
		return
	}
	if _, ok := seen["words"]; strategy != "all" && !ok && !*wordsAdded {
		*wordsAdded = true
		s.note("Prepended rule `words` before first relevancy rule `%s` at position %s", rule, at)
		s.criteria = append(s.criteria, "words")
	}
	if before, ok := seen[rule]; ok {
		s.note("Removed duplicate rule `%s` at position %s as it already appears at position #%d in ranking rules", rule, at, before)
		return
	}
	seen[rule] = i
	s.criteria = append(s.criteria, rule)
}

func (s *ruleShape) group() {
	for i, rule := range s.criteria {
		if rule == "sort" {
			for j, c := range s.sort {
				s.groups = append(s.groups, ruleGroup{sortName(c.Desc, c.Geo != nil), i, i, j})
			}
			continue
		}
		if field, desc, ok := customRule(rule); ok {
			s.groups = append(s.groups, ruleGroup{sortName(desc, field == "_geo"), i, i, -1})
			continue
		}
		if n := len(s.groups); n > 0 && s.groups[n-1].kind == "relevancy" {
			s.groups[n-1].last = i
			continue
		}
		s.groups = append(s.groups, ruleGroup{"relevancy", i, i, -1})
	}
}

func sortName(desc, geo bool) string {
	name := "ascending"
	if desc {
		name = "descending"
	}
	if geo {
		return name + " geo sort"
	}
	return name + " sort"
}

// compatible refuses a shape that is not like that of an earlier query.
func (s *ruleShape) compatible(previous *ruleShape) *meili.Error {
	for i := range min(len(s.groups), len(previous.groups)) {
		if s.groups[i].kind == previous.groups[i].kind {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "The results of queries #%d and #%d are incompatible: \n", previous.query, s.query)
		fmt.Fprintf(&b, "  1. %s\n  2. %s\n  - %s\n", previous.describe(i), s.describe(i), incompatibility(previous.groups[i].kind, s.groups[i].kind))
		for _, shape := range []*ruleShape{previous, s} {
			shape.writeNotes(&b)
		}
		return meili.NewError("invalid_multi_search_query_ranking_rules", "%s", b.String())
	}
	return nil
}

func (s *ruleShape) writeNotes(b *strings.Builder) {
	if len(s.notes) == 0 {
		return
	}
	fmt.Fprintf(b, "  - note: The ranking rules of query #%d were modified during canonicalization:\n", s.query)
	for i, n := range s.notes {
		indent := "    "
		if rest, ok := strings.CutPrefix(n, "\x00"); ok { // one note is indented less
			indent, n = "   ", rest
		}
		fmt.Fprintf(b, "%s%d. %s\n", indent, i+1, n)
	}
}

func (s *ruleShape) describe(i int) string {
	g := s.groups[i]
	rules := strings.Join(s.criteria[g.first:g.last+1], ", ")
	source := fmt.Sprintf("`queries[%d]`, `%s.rankingRules[%d]`", s.query, s.uid, g.first)
	switch {
	case g.sort >= 0:
		source = fmt.Sprintf("`queries[%d].sort[%d]`, `%s.rankingRules[%d]`", s.query, g.sort, s.uid, g.first)
		rules = "default"
		if c := s.sort[g.sort]; c.Geo == nil {
			rules = "on field `" + c.Attr + "`"
		}
	case g.first != g.last:
		source = fmt.Sprintf("`queries[%d]`, `%s.rankingRules[%d..=%d]`", s.query, s.uid, g.first, g.last)
	}
	return fmt.Sprintf("%s: %s rule(s) %s", source, g.kind, rules)
}

func incompatibility(a, b string) string {
	geoA, geoB := strings.Contains(a, "geo"), strings.Contains(b, "geo")
	switch {
	case a == "relevancy" || b == "relevancy":
		if geoA || geoB {
			return "cannot compare a relevancy rule with a geosort rule"
		}
		return "cannot compare a relevancy rule with a sort rule"
	case geoA != geoB:
		return "cannot compare a sort rule with a geosort rule"
	case geoA:
		return "cannot compare two geosort rules in opposite directions"
	}
	return "cannot compare two sort rules in opposite directions"
}
