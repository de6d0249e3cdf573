package index

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// PhysicalMaxValuesPerFacet is the least that nodes are told for
// maxValuesPerFacet. Counts of merged facets are exact as long as no node has
// more values of a facet than this.
const PhysicalMaxValuesPerFacet = 10_000

// versionRule is the ranking rule that makes documents which rank equal come in
// the order in which they were added.
const versionRule = hidden.VersionField + ":asc"

// hiddenRules declare the hidden fields as cheaply as they are of use: the shard
// is asked for by equality, the version by comparison too.
var hiddenRules = []json.RawMessage{
	filterRule(hidden.ShardField, false, true, false),
	filterRule(hidden.VersionField, false, true, true),
}

func filterRule(pattern string, facetSearch, equality, comparison bool) json.RawMessage {
	word := func(b bool) string {
		if b {
			return "true"
		}
		return "false"
	}
	out := meili.AppendString([]byte(`{"attributePatterns":[`), pattern)
	return append(out, `],"features":{"facetSearch":`+word(facetSearch)+`,"filter":{"equality":`+word(equality)+
		`,"comparison":`+word(comparison)+`}}}`...)
}

// Physical is the settings that nodes are given for logical ones: as a body of
// the settings route. Everything in which it differs from them is undone on the
// way out.
func Physical(logical *settings.Settings) json.RawMessage {
	list := members(logical.Raw())
	out := []byte{'{'}
	for _, m := range list {
		switch m.name {
		case "chat", "foreignKeys": // nodes refuse them while their feature is off
			if bytes.Equal(m.value, usual[m.name]) {
				continue
			}
		case "displayedAttributes": // the merge needs fields that may not be displayed
			m.value = json.RawMessage(`["*"]`)
		case "filterableAttributes":
			m.value = physicalFilterable(logical, m.value)
		case "sortableAttributes": // copies of shards are made in the order of versions
			m.value = appendTo(m.value, quoted(hidden.VersionField))
		case "rankingRules":
			m.value = appendTo(m.value, quoted(versionRule))
		case "distinctAttribute": // sent with each search, so that it holds across shards
			m.value = json.RawMessage("null")
		case "faceting":
			m.value = physicalFaceting(m.value)
		case "embedders":
			m.value = physicalEmbedders(m.value)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = meili.AppendString(out, m.name)
		out = append(append(out, ':'), m.value...)
	}
	return append(out, '}')
}

// usual are the settings that are sent only where they were set.
var usual = map[string]json.RawMessage{
	"chat": settings.Default().Sub("chat"), "foreignKeys": settings.Default().Sub("foreign-keys"),
}

func encode(value any) json.RawMessage {
	raw, err := meili.Marshal(value)
	if err != nil { // texts, numbers and raw values always marshal
		panic(err)
	}
	return raw
}

func quoted(s string) json.RawMessage { return meili.AppendString(nil, s) }

// appendTo adds elements to the end of a JSON list.
func appendTo(list json.RawMessage, elements ...json.RawMessage) json.RawMessage {
	return joinLists(list, listOf(elements))
}

func listOf(elements []json.RawMessage) json.RawMessage {
	out := []byte{'['}
	for i, element := range elements {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, element...)
	}
	return append(out, ']')
}

func joinLists(a, b json.RawMessage) json.RawMessage {
	switch {
	case len(a) == 2: // []
		return b
	case len(b) == 2:
		return a
	}
	return append(append(bytes.Clone(a[:len(a)-1]), ','), b[1:]...)
}

// addedRules gives the filterable rules that physical settings have besides the
// logical ones: before them, where a logical pattern would be found first for
// the same field, and after them.
func addedRules(s *settings.Settings) (before, after []json.RawMessage) {
	rules := s.Filterable()
	for i, field := range []string{hidden.ShardField, hidden.VersionField} {
		if rule, _ := settings.MatchFilterable(rules, field); rule != nil {
			before = append(before, hiddenRules[i])
		} else {
			after = append(after, hiddenRules[i])
		}
	}
	distinct := s.Distinct()
	if distinct == "" {
		return before, after
	}
	switch rule, _ := settings.MatchFilterable(rules, distinct); {
	case rule == nil:
		after = append(after, filterRule(distinct, false, true, false))
	case !rule.Equality && !rule.Comparison: // facet search alone does not do for distinct
		before = append(before, filterRule(distinct, rule.FacetSearch, true, false))
	}
	return before, after
}

func physicalFilterable(s *settings.Settings, logical json.RawMessage) json.RawMessage {
	before, after := addedRules(s)
	return joinLists(joinLists(listOf(before), logical), listOf(after))
}

func physicalFaceting(raw json.RawMessage) json.RawMessage {
	var faceting struct {
		MaxValuesPerFacet uint64          `json:"maxValuesPerFacet"`
		SortFacetValuesBy json.RawMessage `json:"sortFacetValuesBy"`
	}
	if json.Unmarshal(raw, &faceting) != nil {
		return raw
	}
	faceting.MaxValuesPerFacet = max(faceting.MaxValuesPerFacet, PhysicalMaxValuesPerFacet)
	return encode(faceting)
}

// eachField finds the loops of a template that go through all of a document's fields.
var eachField = regexp.MustCompile(`\{%-?\s*for\s+([A-Za-z_][\w-]*)\s+in\s+fields\b[^%]*%\}`)

// withoutHidden makes a template leave the hidden fields out: else every new
// version would be embedded anew. What it gives for other fields is unchanged.
func withoutHidden(template string) string {
	return eachField.ReplaceAllString(template, `$0{% if $1.name contains "`+hidden.Prefix+`" %}{% continue %}{% endif %}`)
}

// physicalEmbedders changes the templates of the embedders, also of those that
// composite ones are made of.
func physicalEmbedders(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	list := members(raw)
	for i := range list {
		list[i].value = physicalEmbedder(list[i].value)
	}
	return object(list)
}

func physicalEmbedder(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	list := members(raw)
	for i, m := range list {
		var text string
		switch {
		case m.name == "documentTemplate" && json.Unmarshal(m.value, &text) == nil && len(m.value) > 0 && m.value[0] == '"':
			list[i].value = quoted(withoutHidden(text))
		case m.name == "searchEmbedder" || m.name == "indexingEmbedder":
			list[i].value = physicalEmbedder(m.value)
		}
	}
	return object(list)
}

// member is one member of a JSON object; values are kept as they are written.
type member struct {
	name  string
	value json.RawMessage
}

// members cuts a JSON object into its members, in their order.
func members(raw json.RawMessage) (list []member) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return list
		}
		m := member{}
		m.name, _ = name.(string)
		if dec.Decode(&m.value) != nil {
			return list
		}
		list = append(list, m)
	}
	return list
}

func object(list []member) json.RawMessage {
	out := []byte{'{'}
	for i, m := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = meili.AppendString(out, m.name)
		out = append(append(out, ':'), m.value...)
	}
	return append(out, '}')
}

// CheckSettings refuses logical settings that would touch the hidden fields: by
// naming them, or by making their alphabet searchable.
func CheckSettings(s *settings.Settings) *meili.Error {
	for _, tokens := range []struct {
		name, code string
		list       []string
	}{
		{"nonSeparatorTokens", "invalid_settings_non_separator_tokens", s.NonSeparatorTokens()},
		{"separatorTokens", "invalid_settings_separator_tokens", s.SeparatorTokens()},
		{"dictionary", "invalid_settings_dictionary", s.Dictionary()},
	} {
		for _, token := range tokens.list {
			if strings.ContainsAny(token, hidden.Alphabet) {
				return meili.NewError(tokens.code, "`%s` cannot hold `%s`: the characters from `⊰` (U+22B0) to `⋏` (U+22CF) "+
					"are kept by Miroir for its own fields and must stay separators.", tokens.name, token)
			}
		}
	}
	for _, named := range fieldsNamed(s) {
		for _, field := range named.fields {
			if strings.HasPrefix(strings.TrimLeft(field, "*"), hidden.Prefix) {
				return meili.NewError("miroir_reserved_field", "`%s` cannot hold `%s`: fields that start with `%s` belong to Miroir.",
					named.name, field, hidden.Prefix)
			}
		}
	}
	return nil
}

type fieldList struct {
	name   string
	fields []string
}

// fieldsNamed lists the fields that settings name, by setting.
func fieldsNamed(s *settings.Settings) []fieldList {
	var filterable, localized, orders []string
	for _, rule := range s.Filterable() {
		filterable = append(filterable, rule.Patterns...)
	}
	for _, rule := range s.Localized() {
		localized = append(localized, rule.Patterns...)
	}
	for _, m := range members(s.Raw()) {
		if m.name == "faceting" {
			for _, inner := range members(m.value) {
				if inner.name == "sortFacetValuesBy" {
					for _, order := range members(inner.value) {
						orders = append(orders, order.name)
					}
				}
			}
		}
	}
	return []fieldList{
		{"displayedAttributes", s.Displayed()}, {"searchableAttributes", s.Searchable()}, {"filterableAttributes", filterable},
		{"sortableAttributes", s.Sortable()}, {"rankingRules", s.RankingRules()}, {"distinctAttribute", []string{s.Distinct()}},
		{"typoTolerance", s.Typo().DisableOnAttributes}, {"localizedAttributes", localized}, {"faceting", orders},
	}
}

// displays says whether a field is shown to clients.
func displays(s *settings.Settings, field string) bool {
	return slices.Contains(s.Displayed(), "*") || slices.ContainsFunc(s.Displayed(), func(shown string) bool { return settings.Under(field, shown) })
}
