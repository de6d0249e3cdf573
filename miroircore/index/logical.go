package index

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// Logical undoes Physical as far as that can be done: it gives the logical
// settings for which a node shows these. What nodes are not told (the displayed
// attributes, the distinct attribute, a smaller number of facet values) and what
// they do not show (the keys of embedders) is taken from an earlier version of
// the settings; nil stands for the usual ones.
func Logical(shown json.RawMessage, earlier *settings.Settings) (*settings.Settings, error) {
	if earlier == nil {
		earlier = settings.Default()
	}
	was := make(map[string]json.RawMessage)
	for _, m := range members(earlier.Raw()) {
		was[m.name] = m.value
	}
	var list []member
	for _, m := range members(shown) {
		if !known[m.name] {
			continue
		}
		switch m.name {
		case "displayedAttributes", "distinctAttribute":
			m.value = was[m.name]
		case "filterableAttributes":
			m.value = logicalFilterable(m.value, earlier)
		case "sortableAttributes":
			m.value = without(m.value, func(e json.RawMessage) bool { return bytes.Equal(e, quoted(hidden.VersionField)) })
		case "rankingRules":
			m.value = without(m.value, func(e json.RawMessage) bool { return bytes.Equal(e, quoted(versionRule)) })
		case "faceting":
			m.value = logicalFaceting(m.value, earlier)
		case "embedders":
			m.value = logicalEmbedders(m.value, was[m.name])
		}
		list = append(list, m)
	}
	return settings.FromShown(object(list))
}

// Ours says whether settings that a node shows are those of an index that a
// gateway made: they have the hidden fields.
func Ours(shown json.RawMessage) bool {
	for _, m := range members(shown) {
		if m.name == "filterableAttributes" {
			return bytes.Contains(m.value, []byte(hidden.ShardField))
		}
	}
	return false
}

// without gives a list less the elements that are of no client's.
func without(list json.RawMessage, drop func(json.RawMessage) bool) json.RawMessage {
	var elements []json.RawMessage
	if json.Unmarshal(list, &elements) != nil {
		return list
	}
	return listOf(slices.DeleteFunc(elements, drop))
}

func logicalFilterable(list json.RawMessage, earlier *settings.Settings) json.RawMessage {
	distinct := earlier.Distinct()
	if rule, _ := settings.MatchFilterable(earlier.Filterable(), distinct); rule != nil {
		distinct = "" // a client named it too
	}
	return without(list, func(e json.RawMessage) bool {
		var rule struct {
			Patterns []string `json:"attributePatterns"`
		}
		if json.Unmarshal(e, &rule) != nil || len(rule.Patterns) != 1 {
			return false
		}
		only := rule.Patterns[0]
		return only == hidden.ShardField || only == hidden.VersionField || distinct != "" && only == distinct
	})
}

func logicalFaceting(raw json.RawMessage, earlier *settings.Settings) json.RawMessage {
	var faceting struct {
		MaxValuesPerFacet uint64          `json:"maxValuesPerFacet"`
		SortFacetValuesBy json.RawMessage `json:"sortFacetValuesBy"`
	}
	if json.Unmarshal(raw, &faceting) != nil {
		return raw
	}
	if before := uint64(earlier.MaxValuesPerFacet()); faceting.MaxValuesPerFacet == PhysicalMaxValuesPerFacet && before < PhysicalMaxValuesPerFacet {
		faceting.MaxValuesPerFacet = before
	}
	return encode(faceting)
}

// guard is what withoutHidden puts into a template.
var guard = regexp.MustCompile(`\{% if [A-Za-z_][\w-]*\.name contains "` + hidden.Prefix + `" %\}\{% continue %\}\{% endif %\}`)

// logicalEmbedders puts back the templates of embedders, and their keys, of which
// a node shows only how they begin.
func logicalEmbedders(raw, earlier json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	list := members(raw)
	for i := range list {
		list[i].value = logicalEmbedder(list[i].value, inner(earlier, list[i].name))
	}
	return object(list)
}

// inner gives a member of what may be an object.
func inner(raw json.RawMessage, name string) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	for _, m := range members(raw) {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func logicalEmbedder(raw, earlier json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	list := members(raw)
	for i, m := range list {
		was := inner(earlier, m.name)
		var text string
		switch {
		case m.name == "apiKey" && was != nil:
			list[i].value = was
		case m.name == "documentTemplate" && json.Unmarshal(m.value, &text) == nil && m.value[0] == '"':
			list[i].value = quoted(guard.ReplaceAllString(text, ""))
		case m.name == "searchEmbedder" || m.name == "indexingEmbedder":
			list[i].value = logicalEmbedder(m.value, was)
		}
	}
	return object(list)
}
