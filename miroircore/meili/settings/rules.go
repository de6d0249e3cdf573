package settings

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

var builtinRules = []string{"words", "typo", "proximity", "attribute", "attributeRank", "wordPosition", "sort", "exactness"}

func rankingRule(in decode.In) (decode.Value, *meili.Error) {
	v, err := text(in)
	if err != nil || slices.Contains(builtinRules, v.Text) {
		return v, err
	}
	if wrong := badRule(v.Text); wrong != "" {
		return v, in.Invalid(wrong)
	}
	return v, nil
}

// badRule tells why a text is no field with a direction.
func badRule(rule string) string {
	colon := strings.LastIndexByte(rule, ':')
	direction := rule[colon+1:]
	if colon < 0 || direction != "asc" && direction != "desc" {
		return "`" + rule + "` ranking rule is invalid. Valid ranking rules are words, typo, sort, proximity, attribute, " +
			"exactness and custom ranking rules."
	}
	name := rule[:colon]
	const reserved = "` is a reserved keyword and thus can't be used as a ranking rule"
	only := func(name, what string) string {
		return "`" + name + reserved + ". `" + name + "` can only be used for " + what + " at search time"
	}
	switch {
	case strings.HasPrefix(name, "_geoPoint(") && strings.HasSuffix(name, ")"), name == "_geoPoint":
		return only("_geoPoint", "sorting")
	case name == "_geoRadius", strings.HasPrefix(name, "_geoRadius("):
		return only("_geoRadius", "filtering")
	case name == "_geoBoundingBox", strings.HasPrefix(name, "_geoBoundingBox("):
		return only("_geoBoundingBox", "filtering")
	case name == "_geo", name == "_geojson", name == "_geoDistance",
		strings.HasPrefix(name, "_geo("), strings.HasPrefix(name, "_geoDistance("):
		return "`" + name + reserved
	}
	return ""
}

// checkRules refuses rules that exclude each other.
func checkRules(v *decode.Value) *meili.Error {
	whole, parts := false, false
	for i := range v.Elems {
		switch v.Elems[i].Text {
		case "attribute":
			whole = true
		case "attributeRank", "wordPosition":
			parts = true
		}
	}
	if !whole || !parts {
		return nil
	}
	return meili.NewError("invalid_settings_ranking_rules", "Mixed usage of the attribute, attributeRank, and wordPosition "+
		"ranking rules. You must either use the attribute ranking rule alone or the attributeRank and wordPosition ranking rules.")
}

// applyWildcard lets a star among attributes stand for all of them.
func applyWildcard(_, change decode.Value) (decode.Value, *meili.Error) {
	for i := range change.Elems {
		if change.Elems[i].Text == "*" {
			return decode.ListValue("*"), nil
		}
	}
	return change, nil
}

// applyLocalized remembers languages by their long names.
func applyLocalized(_, change decode.Value) (decode.Value, *meili.Error) {
	rules := slices.Clone(change.Elems)
	for i := range rules {
		names := rules[i].Get("locales").List()
		for j, name := range names {
			if long, ok := longName[name]; ok {
				names[j] = long
			}
		}
		rules[i] = with(rules[i], "locales", decode.ListValue(names...), nil)
	}
	change.Elems = rules
	return change, nil
}

// mergeInto gives an apply that changes the sent members only; null sets a
// member back to its default.
func mergeInto(usual string) func(old, change decode.Value) (decode.Value, *meili.Error) {
	back := mustRead(usual)
	return func(old, change decode.Value) (decode.Value, *meili.Error) { return merge(old, change, back), nil }
}

func merge(old, change, back decode.Value) decode.Value {
	for i := range change.Members {
		m := &change.Members[i]
		v := m.Value
		if v.Kind == decode.Null {
			v = *back.Get(m.Name)
		}
		old = with(old, m.Name, v, nil)
	}
	return old
}

var typoBack, facetingBack, chatBack = mustRead(typoDefault), mustRead(facetingDefault), mustRead(chatDefault)

var chatOrder = strings.Fields("hybrid limit sort distinct matchingStrategy attributesToSearchOn rankingScoreThreshold")

// applyChat merges search parameters too; null takes one away.
func applyChat(old, change decode.Value) (decode.Value, *meili.Error) {
	if sent := change.Get("searchParameters"); isSet(sent) {
		merged := *old.Get("searchParameters")
		for i := range sent.Members {
			merged = with(merged, sent.Members[i].Name, sent.Members[i].Value, chatOrder)
		}
		change = with(change, "searchParameters", merged, nil)
	}
	return merge(old, change, chatBack), nil
}

func applyTypo(old, change decode.Value) (decode.Value, *meili.Error) {
	back := &typoBack
	if sizes := change.Get("minWordSizeForTypos"); sizes != nil && sizes.Kind == decode.Object {
		merged := merge(*old.Get("minWordSizeForTypos"), *sizes, *back.Get("minWordSizeForTypos"))
		change = with(change, "minWordSizeForTypos", merged, nil)
	}
	if words := change.Get("disableOnWords"); isSet(words) {
		change = with(change, "disableOnWords", lowered(words.List()), nil)
	}
	result := merge(old, change, *back)
	sizes := result.Get("minWordSizeForTypos")
	if wrong := badWordSizes(sizes.Get("oneTypo"), sizes.Get("twoTypos")); wrong != "" {
		return old, meili.NewError("invalid_settings_typo_tolerance", "%s", wrong)
	}
	return result, nil
}

// lowered gives words as the server remembers them: in lower case.
func lowered(words []string) decode.Value {
	for i := range words {
		words[i] = strings.ToLower(words[i])
	}
	slices.Sort(words)
	return decode.ListValue(slices.Compact(words)...)
}

// badWordSizes tells why two word sizes do not go together, if both are given.
func badWordSizes(one, two *decode.Value) string {
	if one == nil || two == nil || one.Kind == decode.Null || two.Kind == decode.Null || one.Uint() <= two.Uint() {
		return ""
	}
	return "`minWordSizeForTypos` setting is invalid. `oneTypo` and `twoTypos` fields should be between `0` and `255`, and " +
		"`twoTypos` should be greater or equals to `oneTypo` but found `oneTypo: " + strconv.FormatUint(one.Uint(), 10) +
		"` and twoTypos: " + strconv.FormatUint(two.Uint(), 10) + "`."
}

// applyFaceting keeps an order for all fields, alphabetical unless said otherwise.
func applyFaceting(old, change decode.Value) (decode.Value, *meili.Error) {
	if orders := change.Get("sortFacetValuesBy"); orders != nil && orders.Kind == decode.Object && orders.Get("*") == nil {
		all := *orders
		all.Members = append([]decode.Member{{Name: "*", Value: decode.StringValue("alpha")}}, orders.Members...)
		slices.SortFunc(all.Members, func(a, b decode.Member) int { return strings.Compare(a.Name, b.Name) })
		change = with(change, "sortFacetValuesBy", all, nil)
	}
	return merge(old, change, facetingBack), nil
}
