package settings

import (
	"slices"
	"strings"
)

// Match says whether an attribute's name matches a pattern, which may have a
// star at its beginning, at its end or at both.
func Match(pattern, attribute string) bool {
	before, start := strings.CutPrefix(pattern, "*")
	inside, end := strings.CutSuffix(before, "*")
	switch {
	case pattern == "*":
		return true
	case start && end:
		return strings.Contains(attribute, inside)
	case start:
		return strings.HasSuffix(attribute, before)
	case end:
		return strings.HasPrefix(attribute, inside)
	}
	return pattern == attribute
}

// Match says whether the rule is about an attribute.
func (f *Filterable) Match(attribute string) bool {
	if f.Plain {
		return Under(attribute, f.Patterns[0])
	}
	return slices.ContainsFunc(f.Patterns, func(pattern string) bool { return Match(pattern, attribute) })
}

// MatchFilterable finds the first rule that is about an attribute, and its
// number; without one it gives nil and -1.
func MatchFilterable(rules []Filterable, attribute string) (*Filterable, int) {
	for i := range rules {
		if rules[i].Match(attribute) {
			return &rules[i], i
		}
	}
	return nil, -1
}

// Visible sorts fields and leaves out those that are not displayed; hidden says
// whether there were such.
func Visible(fields, displayed []string) (visible []string, hidden bool) {
	all := slices.Compact(slices.Sorted(slices.Values(fields)))
	if displayed == nil || slices.Contains(displayed, "*") {
		return all, false
	}
	for _, field := range all {
		if slices.Contains(displayed, field) {
			visible = append(visible, field)
		}
	}
	return visible, len(visible) < len(all)
}
