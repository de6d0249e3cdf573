// Package settings knows the settings of an index as Meilisearch has them: how
// a client's change is read and refused, how it is applied, how settings are
// shown, and which secrets in them are hidden.
package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// Filterable is one rule of filterableAttributes, defaults filled in.
type Filterable struct {
	Patterns    []string
	Plain       bool // a lone name, which nested attributes match too
	FacetSearch bool
	Equality    bool
	Comparison  bool
}

// Localized is one rule of localizedAttributes.
type Localized struct {
	Patterns []string
	Locales  []string
}

// Embedder is what others than the settings themselves need of an embedder.
type Embedder struct {
	Name            string
	Source          string
	Dimensions      int // 0 when not set
	BinaryQuantized bool
	Raw             json.RawMessage // the whole embedder, secrets in clear
}

// Foreign is one foreign key: a field that holds ids of another index.
type Foreign struct {
	Index string
	Field string
}

// Typo is typoTolerance, defaults filled in.
type Typo struct {
	Enabled             bool
	OneTypo             int
	TwoTypos            int
	DisableOnWords      []string
	DisableOnAttributes []string
	DisableOnNumbers    bool
}

// Settings are all settings of an index. A Settings is never changed once made;
// Patch.Apply makes a new one. What its methods give is not to be changed.
type Settings struct {
	values []decode.Value // by setting

	displayed, searchable, sortable, rankingRules []string
	filterable                                    []Filterable
	synonyms                                      map[string][]string
	embedders                                     []Embedder
	facetOrder                                    map[string]string
}

var usual *Settings // made with the table of settings

// Default gives the settings of an index nobody has set anything on.
func Default() *Settings { return usual }

func newSettings(values []decode.Value) *Settings {
	s := &Settings{values: values, synonyms: make(map[string][]string), facetOrder: make(map[string]string)}
	s.displayed, s.searchable = s.at("displayedAttributes").List(), s.at("searchableAttributes").List()
	s.sortable, s.rankingRules = s.at("sortableAttributes").List(), s.at("rankingRules").List()
	for _, rule := range s.at("filterableAttributes").Elems {
		s.filterable = append(s.filterable, filterableOf(&rule))
	}
	for _, m := range s.at("synonyms").Members {
		s.synonyms[m.Name] = m.Value.List()
	}
	for _, m := range s.at("embedders").Members {
		s.embedders = append(s.embedders, embedderOf(&m))
	}
	for _, m := range s.at("faceting").Get("sortFacetValuesBy").Members {
		s.facetOrder[m.Name] = m.Value.Text
	}
	return s
}

func filterableOf(v *decode.Value) Filterable {
	if v.Kind == decode.String {
		return Filterable{Patterns: []string{v.Text}, Plain: true, FacetSearch: true, Equality: true, Comparison: true}
	}
	features := v.Get("features")
	return Filterable{
		Patterns:    v.Get("attributePatterns").List(),
		FacetSearch: features.Get("facetSearch").Bool(),
		Equality:    features.Get("filter").Get("equality").Bool(),
		Comparison:  features.Get("filter").Get("comparison").Bool(),
	}
}

func embedderOf(m *decode.Member) Embedder {
	e := Embedder{Name: m.Name, Source: sourceOf(&m.Value), Raw: m.Value.JSON()}
	if v := m.Value.Get("dimensions"); isSet(v) {
		e.Dimensions = clamp(v)
	}
	if v := m.Value.Get("binaryQuantized"); isSet(v) {
		e.BinaryQuantized = v.Bool()
	}
	return e
}

// clamp gives an integer as an int.
func clamp(v *decode.Value) int { return int(min(v.Uint(), math.MaxInt)) }

func (s *Settings) at(key string) *decode.Value { return &s.values[places[key]] }

// FromRaw reads settings written by Raw, or by a server.
func FromRaw(raw json.RawMessage) (*Settings, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, errors.New("reading settings: nothing there")
	}
	p, err := Parse(raw)
	if err == nil {
		var s *Settings
		if s, err = p.Apply(usual); err == nil {
			return s, nil
		}
	}
	return nil, errors.New("reading settings: " + err.Message)
}

// FromShown reads settings as a server shows them that may be of a newer version:
// what it has beyond those of this one is left out.
func FromShown(raw json.RawMessage) (*Settings, error) {
	v, err := decode.ParseBody(raw)
	if err == nil {
		p := newPatch()
		if err = patchFields.Read(&p.values, decode.Foreign(v)); err == nil {
			var s *Settings
			if s, err = p.Apply(usual); err == nil {
				return s, nil
			}
		}
	}
	return nil, errors.New("reading settings: " + err.Message)
}

// JSON is the settings as the settings route shows them, secrets redacted; the
// features that are on add settings of their own.
func (s *Settings) JSON(f meili.Features) json.RawMessage {
	return s.render(func(key string) bool {
		return key != "foreignKeys" && key != "chat" || key == "foreignKeys" && f.Get("foreignKeys") ||
			key == "chat" && f.Get("chatCompletions")
	}, redact)
}

// Raw is the settings with their secrets in clear, for nodes and for storage.
// Settings of features that may be off are there only when they were set.
func (s *Settings) Raw() json.RawMessage {
	return s.render(func(key string) bool {
		return key != "foreignKeys" && key != "chat" || !bytes.Equal(s.at(key).JSON(), defaults[places[key]].JSON())
	}, func(v decode.Value) decode.Value { return v })
}

func (s *Settings) render(shown func(key string) bool, embedders func(decode.Value) decode.Value) json.RawMessage {
	object := decode.Value{Kind: decode.Object}
	for i := range fields {
		key, value := fields[i].key, s.values[i]
		if !shown(key) {
			continue
		}
		if key == "embedders" {
			value = embedders(value)
		}
		object.Members = append(object.Members, decode.Member{Name: key, Value: value})
	}
	return object.JSON()
}

// Sub is one setting as its sub-route shows it, secrets redacted.
func (s *Settings) Sub(name string) json.RawMessage {
	i, ok := routes[name]
	if !ok {
		return nil
	}
	value := s.values[i]
	if fields[i].key == "embedders" {
		value = redact(value)
	}
	return value.JSON()
}

// Clone gives a copy. Since settings never change, that is s itself.
func (s *Settings) Clone() *Settings { return s }

// Equal says whether two settings are the same.
func (s *Settings) Equal(other *Settings) bool { return bytes.Equal(s.Raw(), other.Raw()) }

// Displayed lists the displayed attributes; ["*"] stands for all.
func (s *Settings) Displayed() []string { return s.displayed }

// Searchable lists the searchable attributes; ["*"] stands for all.
func (s *Settings) Searchable() []string { return s.searchable }

// Filterable lists the rules of the filterable attributes.
func (s *Settings) Filterable() []Filterable { return s.filterable }

// Sortable lists the sortable attributes.
func (s *Settings) Sortable() []string { return s.sortable }

// RankingRules lists the ranking rules.
func (s *Settings) RankingRules() []string { return s.rankingRules }

// StopWords lists the stop words.
func (s *Settings) StopWords() []string { return s.at("stopWords").List() }

// NonSeparatorTokens lists the tokens that do not separate words.
func (s *Settings) NonSeparatorTokens() []string { return s.at("nonSeparatorTokens").List() }

// SeparatorTokens lists the tokens that separate words besides the usual ones.
func (s *Settings) SeparatorTokens() []string { return s.at("separatorTokens").List() }

// Dictionary lists the words that are never cut.
func (s *Settings) Dictionary() []string { return s.at("dictionary").List() }

// Synonyms maps words to their synonyms.
func (s *Settings) Synonyms() map[string][]string { return s.synonyms }

// Distinct gives the distinct attribute, or nothing.
func (s *Settings) Distinct() string { return s.at("distinctAttribute").Text }

// ByAttribute says whether proximityPrecision is byAttribute.
func (s *Settings) ByAttribute() bool { return s.at("proximityPrecision").Text == "byAttribute" }

// Typo gives the typo tolerance.
func (s *Settings) Typo() Typo {
	v := s.at("typoTolerance")
	sizes := v.Get("minWordSizeForTypos")
	return Typo{
		Enabled: v.Get("enabled").Bool(),
		OneTypo: clamp(sizes.Get("oneTypo")), TwoTypos: clamp(sizes.Get("twoTypos")),
		DisableOnWords: v.Get("disableOnWords").List(), DisableOnAttributes: v.Get("disableOnAttributes").List(),
		DisableOnNumbers: v.Get("disableOnNumbers").Bool(),
	}
}

// MaxTotalHits gives pagination's limit.
func (s *Settings) MaxTotalHits() int { return clamp(s.at("pagination").Get("maxTotalHits")) }

// MaxValuesPerFacet gives faceting's limit.
func (s *Settings) MaxValuesPerFacet() int { return clamp(s.at("faceting").Get("maxValuesPerFacet")) }

// SortFacetValuesBy says how a field's facet values are ordered: alpha or count.
func (s *Settings) SortFacetValuesBy(field string) string {
	if order, ok := s.facetOrder[field]; ok {
		return order
	}
	return s.facetOrder["*"]
}

// Embedders lists the embedders by name.
func (s *Settings) Embedders() []Embedder { return s.embedders }

// SearchCutoffMs gives the search's time limit, or 0 when none is set.
func (s *Settings) SearchCutoffMs() int {
	if v := s.at("searchCutoffMs"); isSet(v) {
		return clamp(v)
	}
	return 0
}

// Localized lists the rules of the localized attributes.
func (s *Settings) Localized() []Localized {
	var rules []Localized
	for _, rule := range s.at("localizedAttributes").Elems {
		rules = append(rules, Localized{rule.Get("attributePatterns").List(), rule.Get("locales").List()})
	}
	return rules
}

// FacetSearch says whether facets can be searched.
func (s *Settings) FacetSearch() bool { return s.at("facetSearch").Bool() }

// PrefixSearch says whether words match by their prefix.
func (s *Settings) PrefixSearch() bool { return s.at("prefixSearch").Text != "disabled" }

// ForeignKeys lists the foreign keys.
func (s *Settings) ForeignKeys() []Foreign {
	var keys []Foreign
	for _, key := range s.at("foreignKeys").Elems {
		keys = append(keys, Foreign{key.Get("foreignIndexUid").Text, key.Get("fieldName").Text})
	}
	return keys
}

// Under says whether an attribute is the field or nested in it.
func Under(attribute, field string) bool {
	rest, ok := strings.CutPrefix(attribute, field)
	return ok && (rest == "" || rest[0] == '.')
}
