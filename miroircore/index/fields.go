package index

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// enabled is a property of a field that is there or not.
type enabled struct {
	Enabled bool `json:"enabled"`
}

// field is one field as the fields route shows it.
type field struct {
	Name        string  `json:"name"`
	Displayed   enabled `json:"displayed"`
	Searchable  enabled `json:"searchable"`
	Sortable    enabled `json:"sortable"`
	Distinct    enabled `json:"distinct"`
	RankingRule struct {
		Enabled bool   `json:"enabled"`
		Order   string `json:"order,omitempty"`
	} `json:"rankingRule"`
	Filterable struct {
		Enabled     bool   `json:"enabled"`
		SortBy      string `json:"sortBy"`
		FacetSearch bool   `json:"facetSearch"`
		Equality    bool   `json:"equality"`
		Comparison  bool   `json:"comparison"`
	} `json:"filterable"`
	Localized struct {
		Locales []string `json:"locales"`
	} `json:"localized"`
}

// Fields answers the fields route from the names of the fields that nodes have.
// What a field is good for follows from the logical settings.
func Fields(ix *Index, names []string, f *request.Fields) meili.Page[json.RawMessage] {
	var shown []json.RawMessage
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if strings.HasPrefix(name, hidden.Prefix) {
			continue
		}
		one := describe(ix.Settings, name)
		if !wanted(one, f) {
			continue
		}
		shown = append(shown, encode(one))
	}
	return meili.PageOf(shown, f.Offset, f.Limit)
}

func describe(s *settings.Settings, name string) (out field) {
	out.Name = name
	out.Displayed.Enabled = displays(s, name)
	out.Localized.Locales = []string{}
	if settings.Under(name, "_vectors") { // nothing but displayed
		out.Filterable.SortBy = "alpha"
		return out
	}
	under := func(field string) bool { return settings.Under(name, field) }
	geo, geojson := settings.Under(name, "_geo"), settings.Under(name, "_geojson")
	out.Sortable.Enabled = !geojson && slices.ContainsFunc(s.Sortable(), under)
	if rule, _ := settings.MatchFilterable(s.Filterable(), name); rule != nil {
		out.Filterable.FacetSearch, out.Filterable.Equality, out.Filterable.Comparison = rule.FacetSearch, rule.Equality, rule.Comparison
		out.Filterable.Enabled = rule.FacetSearch || rule.Equality || rule.Comparison
	}
	out.Filterable.SortBy = s.SortFacetValuesBy(name)
	if geo || geojson {
		return out
	}
	out.Searchable.Enabled = slices.Contains(s.Searchable(), "*") || slices.ContainsFunc(s.Searchable(), under)
	out.Distinct.Enabled = s.Distinct() == name
	for _, rule := range s.RankingRules() {
		if at := strings.LastIndexByte(rule, ':'); at >= 0 && rule[:at] == name {
			out.RankingRule.Enabled, out.RankingRule.Order = true, rule[at+1:]
		}
	}
	for _, rule := range s.Localized() {
		if slices.ContainsFunc(rule.Patterns, func(pattern string) bool { return settings.Match(pattern, name) }) {
			out.Localized.Locales = rule.Locales
			break
		}
	}
	return out
}

func wanted(one field, f *request.Fields) bool {
	if f.AttributePatterns != nil &&
		!slices.ContainsFunc(f.AttributePatterns, func(pattern string) bool { return settings.Match(pattern, one.Name) }) {
		return false
	}
	for _, c := range []struct {
		asked *bool
		is    bool
	}{
		{f.Displayed, one.Displayed.Enabled}, {f.Searchable, one.Searchable.Enabled}, {f.Sortable, one.Sortable.Enabled},
		{f.Distinct, one.Distinct.Enabled}, {f.RankingRule, one.RankingRule.Enabled}, {f.Filterable, one.Filterable.Enabled},
	} {
		if c.asked != nil && *c.asked != c.is {
			return false
		}
	}
	return true
}
