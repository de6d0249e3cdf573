package index

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// facetValues is how many values of a facet nodes list at least: merged counts
// are exact only where no node cut its list short.
const facetValues = 10_000

// The parts of the default document template around the place where fields are
// chosen: nodes get one that leaves the hidden fields out, or each new version
// of a document would be embedded anew.
const (
	anyField     = "{% if field.is_searchable and field.value != nil %}"
	visibleField = "{% if field.is_searchable and field.value != nil %}{% unless field.name contains '" + hidden.Prefix + "' %}"
	endField     = "{% endif %}{% endfor %}"
	endVisible   = "{% endunless %}{% endif %}{% endfor %}"
)

// Digest is the SHA-256 of settings in their canonical form, in hex.
func Digest(s *settings.Settings) string {
	sum := sha256.Sum256(s.Raw())
	return hex.EncodeToString(sum[:])
}

// declaration is a filterable attribute as nodes are told of it.
type declaration struct {
	Patterns []string `json:"attributePatterns"`
	Features struct {
		FacetSearch bool `json:"facetSearch"`
		Filter      struct {
			Equality   bool `json:"equality"`
			Comparison bool `json:"comparison"`
		} `json:"filter"`
	} `json:"features"`
}

func declare(name string, facetSearch, comparison bool) json.RawMessage {
	d := declaration{Patterns: []string{name}}
	d.Features.FacetSearch, d.Features.Filter.Equality, d.Features.Filter.Comparison = facetSearch, true, comparison
	return encode(d)
}

// Physical is the settings that nodes are given for logical ones:
//
//   - the shard is filterable, so that two replicas do not both answer with a
//     document, and the version, so that a shard can be copied in order;
//   - the last ranking rule is the version, so that ties come in the order of
//     insertion on every replica;
//   - lists of facet values are long, and no attribute is hidden or distinct: the
//     gateway cuts lists, hides, and asks for distinct with each search, since
//     the merge needs to see the fields and distinct is exact only over all shards.
func Physical(logical *settings.Settings) json.RawMessage {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(logical.Raw(), &all); err != nil {
		panic("canonical settings are no object: " + err.Error())
	}
	all["displayedAttributes"] = json.RawMessage(`["*"]`)
	all["filterableAttributes"] = filterable(logical, all["filterableAttributes"])
	all["sortableAttributes"] = encode(append(slices.Clone(logical.Sortable()), hidden.VersionField))
	all["rankingRules"] = encode(append(slices.Clone(logical.RankingRules()), hidden.VersionField+":asc"))
	all["distinctAttribute"] = json.RawMessage("null")
	all["faceting"] = raised(all["faceting"], logical.MaxValuesPerFacet())
	all["embedders"] = visible(all["embedders"])
	// What nodes refuse while its feature is off is left out where it is not set.
	if string(all["foreignKeys"]) == "[]" {
		delete(all, "foreignKeys")
	}
	if string(all["chat"]) == string(settings.Default().Sub("chat")) {
		delete(all, "chat")
	}
	return encode(all)
}

func encode(value any) json.RawMessage {
	raw, err := meili.Marshal(value)
	if err != nil { // lists of texts and objects of raw values always marshal
		panic(err)
	}
	return raw
}

func filterable(logical *settings.Settings, declared json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if err := json.Unmarshal(declared, &list); err != nil {
		panic("canonical filterable attributes are no list: " + err.Error())
	}
	if distinct := logical.Distinct(); distinct != "" && !filters(logical, distinct) {
		list = append(list, declare(distinct, false, false))
	}
	return encode(append(list, declare(hidden.ShardField, false, false), declare(hidden.VersionField, false, true)))
}

// filters says whether an attribute can be filtered by equality as it is.
func filters(logical *settings.Settings, attribute string) bool {
	return slices.ContainsFunc(logical.Filterable(), func(f settings.Filterable) bool {
		return f.Equality && slices.ContainsFunc(f.Patterns, func(p string) bool { return settings.Match(p, attribute) })
	})
}

func raised(faceting json.RawMessage, logical int) json.RawMessage {
	var f map[string]json.RawMessage
	if err := json.Unmarshal(faceting, &f); err != nil {
		panic("canonical faceting is no object: " + err.Error())
	}
	f["maxValuesPerFacet"] = encode(max(logical, facetValues))
	return encode(f)
}

// visible rewrites the default template of embedders.
func visible(embedders json.RawMessage) json.RawMessage {
	var all map[string]map[string]json.RawMessage
	if err := json.Unmarshal(embedders, &all); err != nil {
		return embedders
	}
	for _, embedder := range all {
		var template string
		if err := json.Unmarshal(embedder["documentTemplate"], &template); err != nil {
			continue // no template: the source embeds none
		}
		if strings.Contains(template, anyField) && strings.HasSuffix(template, endField) {
			template = strings.Replace(strings.TrimSuffix(template, endField), anyField, visibleField, 1) + endVisible
			embedder["documentTemplate"] = encode(template)
		}
	}
	return encode(all)
}

// CheckSettings refuses logical settings that would touch the hidden fields.
func CheckSettings(s *settings.Settings) *meili.Error {
	if slices.ContainsFunc(s.NonSeparatorTokens(), func(token string) bool { return strings.ContainsAny(token, hidden.Alphabet) }) {
		return meili.NewError("invalid_settings_non_separator_tokens",
			"The characters from `⊰` (U+22B0) to `⋏` (U+22CF) are kept by Miroir for its own fields and must stay separators.")
	}
	named := slices.Concat(s.Sortable(), s.Searchable(), s.Displayed(), s.RankingRules(), []string{s.Distinct()})
	for _, f := range s.Filterable() {
		named = append(named, f.Patterns...)
	}
	for _, name := range named {
		if strings.HasPrefix(name, hidden.Prefix) {
			return meili.NewError("miroir_reserved_field", "`%s` cannot be set: fields that start with `%s` belong to Miroir.", name, hidden.Prefix)
		}
	}
	return nil
}
