package filter_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

func parse(t *testing.T, text string) *filter.Expr {
	t.Helper()
	e, err := filter.ParseText("invalid_search_filter", text)
	if err != nil {
		t.Fatalf("%s: %s", text, err.Message)
	}
	return e
}

func TestShapes(t *testing.T) {
	for text, want := range map[string]string{
		`a = 1 OR b != "x y" AND NOT c > 3`:        `("a" = "1") OR (("b" != "x y") AND (NOT ("c" > "3")))`,
		`NOT NOT a = 1`:                            `"a" = "1"`,
		`a IS NOT NULL`:                            `NOT ("a" IS NULL)`,
		`a NOT IN [x, 'y z', ]`:                    `NOT ("a" IN ["x", "y z"])`,
		`a IN[]`:                                   `"a" IN []`,
		`a 1 TO 2`:                                 `"a" "1" TO "2"`,
		`a NOT EXISTS`:                             `NOT ("a" EXISTS)`,
		`'it\'s' STARTS WITH "\u0041"`:             `"it's" STARTS WITH "A"`,
		`_geoRadius(1, -2.5,3e2)`:                  `_geoRadius(1, -2.5, 3e2)`,
		`_geoRadius(1,2,3,4)`:                      `_geoRadius(1, 2, 3, 4)`,
		`_geoBoundingBox( [3,4] , [1,2])`:          `_geoBoundingBox([3, 4], [1, 2])`,
		`_geoPolygon([1,2],[3,4],[5,6],)`:          `_geoPolygon([1, 2], [3, 4], [5, 6])`,
		`_vectors.'my e'.fragments.f NOT EXISTS`:   `NOT (_vectors."my e".fragments."f" EXISTS)`,
		`_foreign(author, name = x OR age > 3)`:    `_foreign("author", ("name" = "x") OR ("age" > "3"))`,
		"(((a = b)))":                              `"a" = "b"`,
		"a CONTAINS b AND (c NOT CONTAINS 'd  e')": `("a" CONTAINS "b") AND (NOT ("c" CONTAINS "d  e"))`,
	} {
		e := parse(t, text)
		if got := e.String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
		if again := parse(t, want).String(); again != want {
			t.Errorf("%s reads back as %s", want, again)
		}
	}
}

func TestArrays(t *testing.T) {
	for raw, want := range map[string]string{
		`["a = 1", ["b = 2", "c = 3"]]`: `("a" = "1") AND (("b" = "2") OR ("c" = "3"))`,
		`[["a = 1"]]`:                   `"a" = "1"`,
		`[[], "", ["", "a = 1"]]`:       `"a" = "1"`,
		`[]`:                            "",
		`" "`:                           "",
		`null`:                          "",
	} {
		e, err := filter.Parse(json.RawMessage(raw))
		if err != nil || e.String() != want {
			t.Errorf("%s: got %s, %v, want %s", raw, e, err, want)
		}
	}
}

func TestJoinWalk(t *testing.T) {
	a, b := parse(t, "a = 1 OR b = 2"), parse(t, "c = 3")
	joined := filter.Join(nil, a, nil, b)
	var attrs []string
	joined.Walk(func(e *filter.Expr) { attrs = append(attrs, string(e.Op)+e.Attr.Text) })
	if got := strings.Join(attrs, " "); got != "and or =a =b =c" {
		t.Errorf("walked %s", got)
	}
	if filter.Join(nil, a) != a || filter.Join() != nil {
		t.Error("one or no expression needs no joining")
	}
}

// TestOriginalForm shows that document routes' messages show what was sent.
func TestOriginalForm(t *testing.T) {
	rules := filter.Rules{Code: "invalid_document_filter", Original: true, Index: "d",
		Filterable: []settings.Filterable{{Patterns: []string{"n"}, Plain: true, Equality: true, Comparison: true}}}
	err := parse(t, "n = 1 AND nope.x = 2").Check(rules)
	const want = "Index `d`: Attribute `nope.x` is not filterable. Available filterable attribute patterns are: `n`.\n" +
		"11:17 n = 1 AND nope.x = 2"
	if err == nil || err.Message != want || err.Code != "invalid_document_filter" {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := parse(t, "n.deep > 1").Check(rules); err != nil {
		t.Errorf("a nested attribute is filterable too: %v", err)
	}
}

// TestUnknownAttribute shows that any operator is allowed on an attribute that
// no document has.
func TestUnknownAttribute(t *testing.T) {
	rules := filter.Rules{Filterable: []settings.Filterable{{Patterns: []string{"x*"}, Equality: true}}}
	e := parse(t, "xy > 1")
	if err := e.Check(rules); err == nil || !strings.HasPrefix(err.Message, "Filter operator `>` is not allowed") {
		t.Errorf("got %v", err)
	}
	rules.Known = func(string) bool { return false }
	if err := e.Check(rules); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestFeatures(t *testing.T) {
	for text, feature := range map[string]string{
		"a NOT CONTAINS b": "containsFilter", "_foreign(a, b = 1)": "foreignKeys", "_shard = x": "network", "_vectors EXISTS": "multimodal",
	} {
		var f meili.Features
		if err := parse(t, text).Allowed(f); err == nil || err.Code != "feature_not_enabled" {
			t.Errorf("%s: got %v", text, err)
		}
		f.Set(feature, true)
		if err := parse(t, text).Allowed(f); err != nil {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// TestWrittenAgain makes expressions, writes them, and expects them back.
func TestWrittenAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := expression(t, 4)
		e, err := filter.ParseText("x", text)
		if err != nil {
			t.Fatalf("%s: %s", text, err.Message)
		}
		written := e.String()
		again, err := filter.ParseText("x", written)
		if err != nil || again.String() != written {
			t.Fatalf("%s: written as %s, which reads as %s, %v", text, written, again, err)
		}
	})
}

func expression(t *rapid.T, depth int) string {
	word := func() string {
		raw := rapid.StringMatching(`[a-zé_. '"\\-]{0,6}`).Draw(t, "word")
		return string(meili.AppendString(nil, raw))
	}
	kinds := 7
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return word() + rapid.SampledFrom([]string{"=", "!=", ">", ">=", "<", "<=", " CONTAINS ", " STARTS WITH "}).Draw(t, "op") + word()
	case 1:
		return word() + rapid.SampledFrom([]string{" EXISTS", " IS NULL", " IS NOT EMPTY", " NOT EXISTS"}).Draw(t, "is")
	case 2:
		return word() + " NOT IN [" + word() + "," + word() + ",]"
	case 3:
		return word() + word() + " TO " + word()
	case 4:
		return "NOT " + expression(t, depth-1)
	case 5:
		return "(" + expression(t, depth-1) + " OR " + expression(t, depth-1) + ")"
	}
	return expression(t, depth-1) + " AND " + expression(t, depth-1)
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`"a = 1"`, `["a = 1",["b IN [x]"]]`, `"_geoRadius(1,2,3)"`, `"_vectors.e EXISTS"`, `"_foreign(a, b = 1)"`,
		`"a = \"\\u0041\""`, `"NOT ((a 1 TO 2))"`, `"é = '"`, `"_geoBoundingBox([1,2],[3,4]"`, `"a\n= b c"`} {
		f.Add([]byte(seed))
	}
	var all meili.Features
	for _, name := range meili.FeatureNames {
		all.Set(name, true)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := filter.Parse(raw)
		if err != nil || e == nil {
			return
		}
		_ = e.Check(filter.Rules{Index: "i"})
		_ = e.Check(filter.Rules{Original: true, Features: all})
		written := e.String()
		again, err := filter.ParseText("x", written)
		if err != nil {
			if strings.Contains(err.Message, "maximum depth") {
				return // what is written has more parentheses than what was read
			}
			t.Fatalf("%q written as %s: %s", raw, written, err.Message)
		}
		if again.String() != written {
			t.Fatalf("%q: %s reads back as %s", raw, written, again)
		}
	})
}
