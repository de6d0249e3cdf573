package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// filterablePatterns lists the patterns of the rules that have a feature, sorted.
func (c *config) filterablePatterns(has func(filterRule) bool) []string {
	var out []string
	for _, r := range c.filterable {
		if has(r) {
			out = append(out, r.patterns...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// shown are the displayed attributes as settings list them.
func (c *config) shown() []string {
	if c.displayed == nil {
		return []string{"*"}
	}
	return c.displayed
}

// visible leaves out what displayedAttributes hides, and says so.
func (c *config) visible(names []string) string {
	hidden := false
	var out []string
	for _, n := range names {
		if c.displayed == nil || slices.Contains(c.displayed, n) {
			out = append(out, n)
		} else {
			hidden = true
		}
	}
	text := strings.Join(out, ", ")
	if hidden {
		text += ", <..hidden-attributes>"
	}
	return text
}

func (c *config) facetMessage(pattern string, rule int) string {
	if rule >= 0 {
		return fmt.Sprintf("Attribute `%s` matched rule #%d in filterableAttributes, but this rule does not enable filtering.\nHint: enable filtering in rule #%d by modifying the features.filter object\nHint: prepend another rule matching `%s` with appropriate filter features before rule #%d", pattern, rule, rule, pattern, rule)
	}
	patterns := c.filterablePatterns(filterRule.filters)
	if len(patterns) == 0 {
		return fmt.Sprintf("Pattern `%s` is not filterable. This index does not have configured filterable attributes.", pattern)
	}
	return fmt.Sprintf("Pattern `%s` is not filterable. Available filterable attributes patterns are: `%s`.", pattern, strings.Join(patterns, ", "))
}

// checkDistinct refuses a query's distinct attribute that is not filterable.
func (ix *Index) checkDistinct(attr string) *meili.Error {
	r, i, ok := ix.cfg.filterRuleOf(attr)
	if ok && r.filters() {
		return nil
	}
	head := fmt.Sprintf("Index `%s`: Attribute `%s` is not filterable and thus, cannot be used as distinct attribute. ", ix.uid, attr)
	patterns := ix.cfg.filterablePatterns(filterRule.filters)
	switch {
	case ok:
		head += fmt.Sprintf("Note: this attribute matches rule #%d in filterableAttributes, but this rule does not enable filtering.\nHint: enable filtering in rule #%d by adding appropriate filter features.\nHint: prepend another rule matching %s with filter features before rule #%d", i, i, attr, i)
	case len(patterns) == 0:
		head += "This index does not have configured filterable attributes."
	default:
		head += fmt.Sprintf("Available filterable attributes patterns are: `%s`.", ix.cfg.visible(patterns))
	}
	return meili.NewError("invalid_search_distinct", "%s", head)
}

// checkFacetSearch refuses a facet that cannot be searched.
func (ix *Index) checkFacetSearch(attr string) *meili.Error {
	r, i, ok := ix.cfg.filterRuleOf(attr)
	if ok && r.facetSearch {
		return nil
	}
	head := fmt.Sprintf("Attribute `%s` is not facet-searchable. ", attr)
	patterns := ix.cfg.filterablePatterns(func(r filterRule) bool { return r.facetSearch })
	const hint = "To make it facet-searchable add it to the `filterableAttributes` index settings."
	switch {
	case ok:
		head += fmt.Sprintf("Note: this attribute matches rule #%d in filterableAttributes, but this rule does not enable facetSearch.\nHint: enable facetSearch in rule #%d by adding `\"facetSearch\": true` to the rule.\nHint: prepend another rule matching %s with facetSearch: true before rule #%d", i, i, attr, i)
	case len(patterns) == 0:
		head += "This index does not have configured facet-searchable attributes. " + hint
	default:
		head += fmt.Sprintf("Available facet-searchable attributes patterns are: `%s`. %s", ix.cfg.visible(patterns), hint)
	}
	return meili.NewError("invalid_facet_search_facet_name", "%s", head)
}

// notSearchable refuses an attribute to search on.
func (ix *Index) notSearchable(attr string) *meili.Error {
	var names []string
	for _, f := range ix.fields {
		if _, ok := ix.cfg.searchWeight(f); ok {
			names = append(names, f)
		}
	}
	slices.Sort(names)
	return meili.NewError("invalid_search_attributes_to_search_on", "Index `%s`: Attribute `%s` is not searchable. Available searchable attributes are: `%s`.", ix.uid, attr, ix.cfg.visible(names))
}
