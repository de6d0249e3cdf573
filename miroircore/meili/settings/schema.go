package settings

import (
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// field is one setting.
type field struct {
	key   string // in the settings object
	route string // of its sub-route
	code  string // of its errors
	of    shape
	usual string // its default, as JSON
	patch bool   // written by PATCH, and merged with what it was

	apply func(old, change decode.Value) (decode.Value, *meili.Error) // nil replaces
}

const (
	rankingRulesDefault = `["words","typo","proximity","attributeRank","sort","wordPosition","exactness"]`
	typoDefault         = `{"enabled":true,"minWordSizeForTypos":{"oneTypo":5,"twoTypos":9},"disableOnWords":[],` +
		`"disableOnAttributes":[],"disableOnNumbers":false}`
	facetingDefault   = `{"maxValuesPerFacet":100,"sortFacetValuesBy":{"*":"alpha"}}`
	paginationDefault = `{"maxTotalHits":1000}`
)

// fields are the settings in the server's order.
var fields = []field{
	{key: "displayedAttributes", code: "displayed_attributes", of: texts, usual: `["*"]`, apply: applyWildcard},
	{key: "searchableAttributes", code: "searchable_attributes", of: texts, usual: `["*"]`, apply: applyWildcard},
	{key: "filterableAttributes", code: "filterable_attributes", of: list(filterable), usual: `[]`},
	{key: "sortableAttributes", code: "sortable_attributes", of: set, usual: `[]`},
	{key: "foreignKeys", code: "foreign_keys", of: list(foreignKey), usual: `[]`},
	{key: "rankingRules", code: "ranking_rules", of: list(rankingRule), usual: rankingRulesDefault},
	{key: "stopWords", code: "stop_words", of: set, usual: `[]`},
	{key: "nonSeparatorTokens", code: "non_separator_tokens", of: set, usual: `[]`},
	{key: "separatorTokens", code: "separator_tokens", of: set, usual: `[]`},
	{key: "dictionary", code: "dictionary", of: set, usual: `[]`},
	{key: "synonyms", code: "synonyms", of: dictionary(texts), usual: `{}`},
	{key: "distinctAttribute", code: "distinct_attribute", of: text, usual: `null`},
	{key: "proximityPrecision", code: "proximity_precision", of: enum("byWord", "byAttribute"), usual: `"byWord"`},
	{key: "typoTolerance", code: "typo_tolerance", of: typoTolerance, patch: true, apply: applyTypo,
		usual: typoDefault},
	{key: "faceting", code: "faceting", of: faceting, patch: true, apply: applyFaceting,
		usual: facetingDefault},
	{key: "pagination", code: "pagination", of: record(optional("maxTotalHits", nonZero)), patch: true,
		usual: paginationDefault, apply: mergeInto(paginationDefault)},
	{key: "embedders", code: "embedders", of: dictionary(orNull(embedder)), usual: `{}`, patch: true, apply: applyEmbedders},
	{key: "searchCutoffMs", code: "search_cutoff_ms", of: size, usual: `null`},
	{key: "localizedAttributes", code: "localized_attributes", of: list(localized), usual: `null`, apply: applyLocalized},
	{key: "facetSearch", code: "facet_search", of: boolean, usual: `true`},
	{key: "prefixSearch", code: "prefix_search", of: enum("indexingTime", "disabled"), usual: `"indexingTime"`},
	{key: "chat", code: "index_chat", of: chat, patch: true, usual: chatDefault, apply: applyChat},
}

// places finds settings by key and by sub-route, defaults holds the settings'
// defaults read.
var (
	places   = make(map[string]int)
	routes   = make(map[string]int)
	defaults = make([]decode.Value, len(fields))
)

// init completes the table: codes and sub-routes follow from the rest.
func init() {
	for i := range fields {
		f := &fields[i]
		f.code = "invalid_settings_" + f.code
		f.route = kebab(f.key)
		places[f.key], routes[f.route] = i, i
		defaults[i] = mustRead(f.usual)
	}
	usual = newSettings(defaults)
	patchFields = readPatch()
}

// mustRead reads JSON written in this package.
func mustRead(text string) decode.Value {
	v, err := decode.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return v
}

func kebab(key string) string {
	var b strings.Builder
	for _, r := range key {
		if 'A' <= r && r <= 'Z' {
			b.WriteByte('-')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Names lists the settings' sub-routes, such as ranking-rules.
func Names() []string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].route
	}
	return names
}

// Key gives the name in the settings object of the setting of a sub-route.
func Key(name string) (string, bool) {
	i, ok := routes[name]
	if !ok {
		return "", false
	}
	return fields[i].key, true
}

// Verb gives the method that writes a sub-route: PUT or PATCH.
func Verb(name string) string {
	if i, ok := routes[name]; ok && fields[i].patch {
		return "PATCH"
	}
	return "PUT"
}

var trueValue, falseValue = decode.BoolValue(true), decode.BoolValue(false)

var filterRecord = record(
	member{name: "equality", of: boolean, usual: &trueValue},
	member{name: "comparison", of: boolean, usual: &falseValue},
)

var featuresRecord = record(
	member{name: "facetSearch", of: boolean, usual: &falseValue},
	member{name: "filter", of: filterRecord, usual: valueOf(mustRead(`{"equality":true,"comparison":false}`))},
)

var patternsRecord = record(
	member{name: "attributePatterns", of: texts, need: true},
	member{name: "features", of: featuresRecord,
		usual: valueOf(mustRead(`{"facetSearch":false,"filter":{"equality":true,"comparison":false}}`))},
)

func filterable(in decode.In) (decode.Value, *meili.Error) {
	if in.Value.Kind == decode.Object {
		return patternsRecord(in)
	}
	return text(in)
}

var foreignKey = record(
	member{name: "foreignIndexUid", of: text, need: true},
	member{name: "fieldName", of: text, need: true},
)

var localized = record(
	member{name: "attributePatterns", of: texts, need: true},
	member{name: "locales", of: list(enum(locales...)), need: true},
)

var wordSizes = record(optional("oneTypo", byt), optional("twoTypos", byt))

func checkedWordSizes(in decode.In) (decode.Value, *meili.Error) {
	v, err := wordSizes(in)
	if err != nil {
		return v, err
	}
	if wrong := badWordSizes(v.Get("oneTypo"), v.Get("twoTypos")); wrong != "" {
		return v, in.Invalid(wrong)
	}
	return v, nil
}

var typoTolerance = record(
	optional("enabled", boolean),
	optional("minWordSizeForTypos", checkedWordSizes),
	optional("disableOnWords", set),
	optional("disableOnAttributes", set),
	optional("disableOnNumbers", boolean),
)

var faceting = record(
	optional("maxValuesPerFacet", size),
	optional("sortFacetValuesBy", dictionary(enum("alpha", "count"))),
)

const defaultTemplate = `{% for field in fields %}{% if field.is_searchable and field.value != nil %}{{ field.name }}: {{ field.value }}\n{% endif %}{% endfor %}`

const chatDefault = `{"description":"","documentTemplate":"` + defaultTemplate +
	`","documentTemplateMaxBytes":400,"searchParameters":{}}`

var chat = record(
	optional("description", text),
	optional("documentTemplate", text),
	optional("documentTemplateMaxBytes", size),
	optional("searchParameters", record(
		optional("hybrid", record(
			member{name: "semanticRatio", of: ratio(semanticRatioMessage), usual: valueOf(decode.FloatValue(0.5))},
			member{name: "embedder", of: text, need: true})),
		optional("limit", size),
		optional("sort", texts),
		optional("distinct", text),
		optional("matchingStrategy", enum("last", "all", "frequency")),
		optional("attributesToSearchOn", texts),
		optional("rankingScoreThreshold", ratio(thresholdMessage)),
	)),
)

const (
	semanticRatioMessage = "the value of `semanticRatio` is invalid, expected a float between `0.0` and `1.0`."
	thresholdMessage     = "the value of `rankingScoreThreshold` is invalid, expected a float between `0.0` and `1.0`."
)

// ratio reads a float from 0 to 1.
func ratio(message string) shape {
	return func(in decode.In) (decode.Value, *meili.Error) {
		var f float64
		if err := in.Float(&f); err != nil {
			return decode.Value{}, err
		}
		if f < 0 || f > 1 {
			return decode.Value{}, in.Invalid(message)
		}
		return decode.FloatValue(f), nil
	}
}
