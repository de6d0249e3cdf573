package engine

import (
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Fields gives a page of the index's fields and what settings make of them.
func (ix *Index) Fields(r *request.Fields) *FieldsResult {
	ix.mu.RLock()
	defer ix.mu.RUnlock()
	names := slices.Sorted(slices.Values(ix.fields))
	var rows []*object
	for _, name := range names {
		f := ix.fieldInfo(name)
		if r.AttributePatterns != nil && !matchesAny(r.AttributePatterns, name) || !f.wanted(r) {
			continue
		}
		rows = append(rows, f.json(name))
	}
	out := &FieldsResult{Results: emptyHits, Offset: r.Offset, Limit: r.Limit, Total: len(rows)}
	for i := r.Offset; i < len(rows) && len(out.Results) < r.Limit; i++ {
		out.Results = append(out.Results, appendValue(nil, rows[i]))
	}
	return out
}

type fieldInfo struct {
	displayed, searchable, sortable, distinct, rankingRule, filterable bool

	order   string // of the ranking rule
	rule    filterRule
	sortBy  string
	locales []string
}

func (ix *Index) fieldInfo(name string) fieldInfo {
	c := ix.cfg
	f := fieldInfo{sortBy: c.facetOrder(name), displayed: c.displayed == nil || slices.Contains(c.displayed, name)}
	if under(name, "_vectors") {
		f.sortBy = "alpha"
		return f
	}
	_, f.searchable = c.searchWeight(name)
	f.sortable = c.isSortable(name)
	f.rule, _, f.filterable = c.filterRuleOf(name)
	f.filterable = f.filterable && f.rule.filters()
	if reservedField(name) {
		return f
	}
	f.distinct = name == c.distinct
	for _, rule := range c.rankingRules {
		if field, desc, ok := customRule(rule); ok && field == name {
			f.rankingRule, f.order = true, direction(desc)[1:]
		}
	}
	for _, l := range c.localized {
		if matchesAny(l.patterns, name) {
			f.locales = l.locales
			break
		}
	}
	return f
}

func (f fieldInfo) wanted(r *request.Fields) bool {
	for _, c := range []struct {
		asked *bool
		is    bool
	}{
		{r.Displayed, f.displayed}, {r.Searchable, f.searchable}, {r.Sortable, f.sortable},
		{r.Distinct, f.distinct}, {r.RankingRule, f.rankingRule}, {r.Filterable, f.filterable},
	} {
		if c.asked != nil && *c.asked != c.is {
			return false
		}
	}
	return true
}

func (f fieldInfo) json(name string) *object {
	enabled := func(on bool, more ...member) *object {
		return &object{members: append([]member{{"enabled", on}}, more...)}
	}
	rule := enabled(f.rankingRule)
	if f.rankingRule {
		rule.set("order", f.order)
	}
	locales := []any{}
	for _, l := range f.locales {
		locales = append(locales, l)
	}
	return &object{members: []member{
		{"name", name},
		{"displayed", enabled(f.displayed)},
		{"searchable", enabled(f.searchable)},
		{"sortable", enabled(f.sortable)},
		{"distinct", enabled(f.distinct)},
		{"rankingRule", rule},
		{"filterable", enabled(f.filterable, member{"sortBy", f.sortBy}, member{"facetSearch", f.rule.facetSearch},
			member{"equality", f.rule.equality}, member{"comparison", f.rule.comparison})},
		{"localized", &object{members: []member{{"locales", locales}}}},
	}}
}
