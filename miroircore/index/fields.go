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
		enabled
		Order *string `json:"order,omitempty"`
	} `json:"rankingRule"`
	Filterable struct {
		enabled
		SortBy      string `json:"sortBy"`
		FacetSearch bool   `json:"facetSearch"`
		Equality    bool   `json:"equality"`
		Comparison  bool   `json:"comparison"`
	} `json:"filterable"`
	Localized struct {
		Locales []string `json:"locales"`
	} `json:"localized"`
}

// Fields answers the fields route from the names of the fields in the documents.
func Fields(ix *Index, names []string, f *request.Fields) meili.Page[json.RawMessage] {
	found := []json.RawMessage{}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if strings.HasPrefix(name, hidden.Prefix) {
			continue
		}
		if described := describe(ix.Settings, name); wanted(described, f) {
			found = append(found, encode(described))
		}
	}
	return meili.PageOf(found, f.Offset, f.Limit)
}

func describe(s *settings.Settings, name string) *field {
	d := &field{Name: name}
	geo := name == "_geo" || strings.HasPrefix(name, "_geo.")
	d.Displayed.Enabled = covered(s.Displayed(), name)
	d.Searchable.Enabled = !geo && covered(s.Searchable(), name)
	d.Sortable.Enabled = covered(s.Sortable(), name)
	d.Distinct.Enabled = s.Distinct() == name
	for _, rule := range s.RankingRules() {
		if order, ok := strings.CutPrefix(rule, name+":"); ok {
			d.RankingRule.Enabled, d.RankingRule.Order = true, &order
		}
	}
	d.Filterable.SortBy = s.SortFacetValuesBy(name)
	for _, f := range s.Filterable() {
		if covered(f.Patterns, name) {
			d.Filterable.Enabled = true
			d.Filterable.FacetSearch, d.Filterable.Equality, d.Filterable.Comparison = f.FacetSearch, f.Equality, f.Comparison
			break
		}
	}
	d.Localized.Locales = []string{}
	for _, l := range s.Localized() {
		if covered(l.Patterns, name) {
			d.Localized.Locales = append(d.Localized.Locales, l.Locales...)
			break
		}
	}
	return d
}

// covered says whether one of the patterns names a field or a field around it.
func covered(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return settings.Match(p, name) || strings.HasPrefix(name, p+".")
	})
}

func wanted(d *field, f *request.Fields) bool {
	agrees := func(wish *bool, is bool) bool { return wish == nil || *wish == is }
	return agrees(f.Displayed, d.Displayed.Enabled) && agrees(f.Searchable, d.Searchable.Enabled) &&
		agrees(f.Sortable, d.Sortable.Enabled) && agrees(f.Distinct, d.Distinct.Enabled) &&
		agrees(f.RankingRule, d.RankingRule.Enabled) && agrees(f.Filterable, d.Filterable.Enabled) &&
		(f.AttributePatterns == nil || covered(f.AttributePatterns, d.Name))
}
