package engine

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// config is what the engine needs of an index's settings, in the forms it uses
// them in.
type config struct {
	searchable         []string // nil: every attribute
	displayed          []string // nil: every attribute
	filterable         []filterRule
	filterRules        []settings.Filterable // the same, for checking filters
	sortable           []string
	rankingRules       []string
	stopWords          map[string]bool
	separatorTokens    []string
	nonSeparatorTokens []string
	dictionary         []string
	synonyms           map[string][]string
	distinct           string
	byAttribute        bool
	typos              bool
	oneTypo, twoTypos  int
	exactWords         map[string]bool
	exactAttributes    []string
	exactNumbers       bool
	maxValuesPerFacet  int
	sortFacetValuesBy  map[string]string
	maxTotalHits       int
	facetSearch        bool
	prefixSearch       bool
	localized          []localizedRule
	embedders          []embedder

	tok           *tokenizer // of documents and queries
	hitTok        *tokenizer // of the highlighter
	facetedFields map[string]bool
}

type filterRule struct {
	patterns                          []string
	plain                             bool // one attribute, with all that lies below it
	facetSearch, equality, comparison bool
}

func (r filterRule) matches(attr string) bool {
	if r.plain {
		return under(attr, r.patterns[0])
	}
	return matchesAny(r.patterns, attr)
}

type localizedRule struct {
	patterns, locales []string
}

// wireSettings mirrors the settings object of the API.
type wireSettings struct {
	DisplayedAttributes  []string          `json:"displayedAttributes"`
	SearchableAttributes []string          `json:"searchableAttributes"`
	FilterableAttributes []json.RawMessage `json:"filterableAttributes"`
	SortableAttributes   []string          `json:"sortableAttributes"`
	RankingRules         []string          `json:"rankingRules"`
	StopWords            []string          `json:"stopWords"`
	NonSeparatorTokens   []string          `json:"nonSeparatorTokens"`
	SeparatorTokens      []string          `json:"separatorTokens"`
	Dictionary           []string          `json:"dictionary"`
	Synonyms             map[string][]string
	DistinctAttribute    *string
	ProximityPrecision   string
	TypoTolerance        *struct {
		Enabled             *bool
		MinWordSizeForTypos struct {
			OneTypo, TwoTypos *int
		}
		DisableOnWords      []string
		DisableOnAttributes []string
		DisableOnNumbers    bool
	}
	Faceting *struct {
		MaxValuesPerFacet *int
		SortFacetValuesBy map[string]string
	}
	Pagination *struct {
		MaxTotalHits *int
	}
	Embedders           json.RawMessage
	LocalizedAttributes []struct {
		AttributePatterns []string
		Locales           []string
	}
	FacetSearch  *bool
	PrefixSearch string
}

var defaultRankingRules = []string{"words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness"}

func defaultConfig() *config {
	c := &config{
		rankingRules: defaultRankingRules, typos: true, oneTypo: 5, twoTypos: 9, maxValuesPerFacet: 100,
		sortFacetValuesBy: map[string]string{"*": "alpha"}, maxTotalHits: 1000, facetSearch: true, prefixSearch: true,
	}
	c.makeTokenizers()
	return c
}

func (c *config) makeTokenizers() {
	c.tok = newTokenizer(c, true, false)
	c.hitTok = newTokenizer(c, false, true)
}

// parseConfig reads a settings object as the API renders it; what is absent or
// null has its default.
func parseConfig(raw []byte) (*config, error) {
	var w wireSettings
	if err := json.Unmarshal(raw, &w); err != nil {
		return nil, err
	}
	c := defaultConfig()
	if !slices.Contains(w.SearchableAttributes, "*") {
		c.searchable = w.SearchableAttributes
	}
	if !slices.Contains(w.DisplayedAttributes, "*") {
		c.displayed = w.DisplayedAttributes
	}
	for _, f := range w.FilterableAttributes {
		rule, err := parseFilterRule(f)
		if err != nil {
			return nil, err
		}
		c.filterable = append(c.filterable, rule)
		c.filterRules = append(c.filterRules, settings.Filterable{Plain: rule.plain, Patterns: rule.patterns, FacetSearch: rule.facetSearch, Equality: rule.equality, Comparison: rule.comparison})
	}
	c.sortable = w.SortableAttributes
	if w.RankingRules != nil {
		c.rankingRules = w.RankingRules
	}
	c.stopWords = setOf(w.StopWords)
	c.separatorTokens, c.nonSeparatorTokens, c.dictionary = w.SeparatorTokens, w.NonSeparatorTokens, w.Dictionary
	c.synonyms = w.Synonyms
	if w.DistinctAttribute != nil {
		c.distinct = *w.DistinctAttribute
	}
	c.byAttribute = w.ProximityPrecision == "byAttribute"
	c.prefixSearch = w.PrefixSearch != "disabled"
	if w.FacetSearch != nil {
		c.facetSearch = *w.FacetSearch
	}
	for _, l := range w.LocalizedAttributes {
		c.localized = append(c.localized, localizedRule{l.AttributePatterns, l.Locales})
	}
	c.readTypos(&w)
	c.readLimits(&w)
	c.makeTokenizers()
	return c, c.readEmbedders(w.Embedders)
}

func (c *config) readTypos(w *wireSettings) {
	t := w.TypoTolerance
	if t == nil {
		return
	}
	if t.Enabled != nil {
		c.typos = *t.Enabled
	}
	if n := t.MinWordSizeForTypos.OneTypo; n != nil {
		c.oneTypo = *n
	}
	if n := t.MinWordSizeForTypos.TwoTypos; n != nil {
		c.twoTypos = *n
	}
	c.exactWords = setOf(t.DisableOnWords)
	c.exactAttributes = t.DisableOnAttributes
	c.exactNumbers = t.DisableOnNumbers
}

func (c *config) readLimits(w *wireSettings) {
	if f := w.Faceting; f != nil {
		if f.MaxValuesPerFacet != nil {
			c.maxValuesPerFacet = *f.MaxValuesPerFacet
		}
		for k, v := range f.SortFacetValuesBy {
			c.sortFacetValuesBy[k] = v
		}
	}
	if p := w.Pagination; p != nil && p.MaxTotalHits != nil {
		c.maxTotalHits = *p.MaxTotalHits
	}
}

func parseFilterRule(raw json.RawMessage) (filterRule, error) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return filterRule{patterns: []string{name}, plain: true, facetSearch: true, equality: true, comparison: true}, nil
	}
	var w struct {
		AttributePatterns []string
		Features          struct {
			FacetSearch bool
			Filter      struct{ Equality, Comparison *bool }
		}
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return filterRule{}, err
	}
	r := filterRule{patterns: w.AttributePatterns, facetSearch: w.Features.FacetSearch, equality: true}
	if e := w.Features.Filter.Equality; e != nil {
		r.equality = *e
	}
	if e := w.Features.Filter.Comparison; e != nil {
		r.comparison = *e
	}
	return r, nil
}

func setOf(l []string) map[string]bool {
	s := make(map[string]bool, len(l))
	for _, e := range l {
		s[e] = true
	}
	return s
}

func (r filterRule) filters() bool { return r.equality || r.comparison }

// filterRuleOf gives the first rule that names an attribute and its position.
func (c *config) filterRuleOf(attr string) (filterRule, int, bool) {
	for i, r := range c.filterable {
		if r.matches(attr) {
			return r, i, true
		}
	}
	return filterRule{}, 0, false
}

func (c *config) isFilterable(attr string) bool {
	r, _, ok := c.filterRuleOf(attr)
	return ok && r.filters()
}

// isSortable tells whether an attribute, or an object above it, was declared sortable.
func (c *config) isSortable(attr string) bool {
	return slices.ContainsFunc(c.sortable, func(s string) bool { return under(attr, s) })
}

// under tells whether a dotted attribute is the other one or lies below it.
func under(attr, parent string) bool {
	return strings.HasPrefix(attr, parent) && (len(attr) == len(parent) || attr[len(parent)] == '.')
}

// matchPattern matches an attribute against a pattern with a star at its start,
// its end, both or nowhere.
func matchPattern(pattern, attr string) bool {
	switch {
	case pattern == "*":
		return true
	case len(pattern) > 1 && strings.HasPrefix(pattern, "*") && strings.HasSuffix(pattern, "*"):
		return strings.Contains(attr, pattern[1:len(pattern)-1])
	case strings.HasPrefix(pattern, "*"):
		return strings.HasSuffix(attr, pattern[1:])
	case strings.HasSuffix(pattern, "*"):
		return strings.HasPrefix(attr, pattern[:len(pattern)-1])
	}
	return pattern == attr
}

func matchesAny(patterns []string, attr string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchPattern(p, attr) })
}
