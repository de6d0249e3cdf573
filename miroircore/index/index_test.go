package index

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, path string, each func(line []byte)) {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	scan := bufio.NewScanner(file)
	scan.Buffer(nil, 1<<22)
	for scan.Scan() {
		each(scan.Bytes())
	}
	must(t, scan.Err())
}

func settingsOf(t fatal, patch string) *settings.Settings {
	t.Helper()
	p, refusal := settings.Parse([]byte(patch))
	if refusal != nil {
		t.Fatal(refusal)
	}
	s, refusal := p.Apply(settings.Default())
	if refusal != nil {
		t.Fatal(refusal)
	}
	return s
}

// fatal is a test or a property.
type fatal interface {
	Helper()
	Fatal(args ...any)
}

// What a real server said of physical settings, and what it said of the logical
// ones that they were made from.
func TestScrubRecorded(t *testing.T) {
	n := 0
	lines(t, filepath.Join("testdata", "errors.jsonl"), func(line []byte) {
		var r recordedText
		must(t, json.Unmarshal(line, &r))
		ix := &Index{UID: logicalUID, Physical: physicalUID, Settings: settingsOf(t, r.Settings)}
		for _, frame := range []string{"", "Inside `.queries[1]`: "} {
			e := meili.NewError(r.Code, "%s", frame+r.Physical)
			if got := Scrub(ix, e); got.Message != frame+r.Logical || got.Code != r.Code {
				t.Errorf("%s:\n node %q\n  got %q\n want %q", r.Settings, e.Message, got.Message, frame+r.Logical)
			}
			if e.Message != frame+r.Physical {
				t.Error("the error given was changed")
			}
		}
		n++
	})
	if n < 200 {
		t.Errorf("only %d texts", n)
	}
}

func TestScrubLeavesOthersAlone(t *testing.T) {
	ix := &Index{UID: "books", Physical: "books-2", Settings: settings.Default()}
	if Scrub(ix, nil) != nil {
		t.Error("an error was made of none")
	}
	for _, c := range [][2]string{
		{"Index `books-2` not found.", "Index `books` not found."},
		{"Index `books-2` already exists.", "Index `books` already exists."},
		{"Index `books-22` not found.", "Index `books-22` not found."},
		{"Was expecting an operation at `Index `books-2`:`", "Was expecting an operation at `Index `books-2`:`"},
		{"Document doesn't have a `id` attribute: `{\"a\":1,\"_miroir_shard\":\"⊰⊱\",\"_miroir_version\":\"⊰\"}`.", "Document doesn't have a `id` attribute: `{\"a\":1}`."},
		{"Document doesn't have a `id` attribute: `{\"_miroir_shard\":\"⊰⊱\",\"_miroir_version\":\"⊰\",\"a\":1}`.", "Document doesn't have a `id` attribute: `{\"a\":1}`."},
		{"Document doesn't have a `id` attribute: `{\"_miroir_shard\":\"⊰⊱\"}`.", "Document doesn't have a `id` attribute: `{}`."},
		{"Available sortable attributes are: ", "Available sortable attributes are: "},
		{"Available sortable attributes are: x`.", "Available sortable attributes are: x`."},
	} {
		if got := Scrub(ix, meili.NewError("internal", "%s", c[0])); got.Message != c[1] {
			t.Errorf("%q became %q", c[0], got.Message)
		}
	}
}

func TestPhysical(t *testing.T) {
	for _, c := range []struct{ name, patch, key, want string }{
		{"shown", `{"displayedAttributes":["a"]}`, "displayedAttributes", `["*"]`},
		{"rules", `{"rankingRules":["words","a:desc"]}`, "rankingRules", `["words","a:desc","_miroir_version:asc"]`},
		{"sort", `{"sortableAttributes":["a"]}`, "sortableAttributes", `["a","_miroir_version"]`},
		{"distinct", `{"distinctAttribute":"a"}`, "distinctAttribute", `null`},
		{"few facets", `{"faceting":{"maxValuesPerFacet":7}}`, "faceting", `{"maxValuesPerFacet":10000,"sortFacetValuesBy":{"*":"alpha"}}`},
		{"many facets", `{"faceting":{"maxValuesPerFacet":70000}}`, "faceting", `{"maxValuesPerFacet":70000,"sortFacetValuesBy":{"*":"alpha"}}`},
		{"searchable", `{"searchableAttributes":["a","b"]}`, "searchableAttributes", `["a","b"]`},
		{"no filters", `{}`, "filterableAttributes", `[` + shardRule + `,` + rangeRule + `]`},
		{"filters", `{"filterableAttributes":["a"]}`, "filterableAttributes", `["a",` + shardRule + `,` + rangeRule + `]`},
		{"wildcard", `{"filterableAttributes":[{"attributePatterns":["*"]}]}`, "filterableAttributes", `[` + shardRule + `,` + rangeRule + `,` + starRule + `]`},
		{"filters of distinct", `{"distinctAttribute":"d","filterableAttributes":["a"]}`, "filterableAttributes", `["a",` + shardRule + `,` + rangeRule + `,` +
			`{"attributePatterns":["d"],"features":{"facetSearch":false,"filter":{"equality":true,"comparison":false}}}]`},
		{"distinct in a filterable", `{"distinctAttribute":"a.b","filterableAttributes":["a"]}`, "filterableAttributes", `["a",` + shardRule + `,` + rangeRule + `]`},
		{"template", `{"embedders":{"e":{"source":"ollama","model":"m","documentTemplate":"{%- for f in fields limit:3 %}{{f.value}}{% endfor %}{{doc.x}}"}}}`, "embedders",
			`{"e":{"source":"ollama","model":"m","documentTemplate":"{%- for f in fields limit:3 %}{% if f.name contains \"_miroir_\" %}{% continue %}{% endif %}{{f.value}}{% endfor %}{{doc.x}}","documentTemplateMaxBytes":400}}`},
	} {
		var got map[string]json.RawMessage
		must(t, json.Unmarshal(Physical(settingsOf(t, c.patch)), &got))
		if string(got[c.key]) != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got[c.key], c.want)
		}
		if got["chat"] != nil || got["foreignKeys"] != nil {
			t.Errorf("%s: settings of features are sent", c.name)
		}
		if _, err := settings.FromRaw(Physical(settingsOf(t, c.patch))); err != nil {
			t.Errorf("%s: no settings: %v", c.name, err)
		}
	}
}

const (
	shardRule = `{"attributePatterns":["_miroir_shard"],"features":{"facetSearch":false,"filter":{"equality":true,"comparison":false}}}`
	rangeRule = `{"attributePatterns":["_miroir_version"],"features":{"facetSearch":false,"filter":{"equality":true,"comparison":true}}}`
	starRule  = `{"attributePatterns":["*"],"features":{"facetSearch":false,"filter":{"equality":true,"comparison":false}}}`
)

func TestCheckSettings(t *testing.T) {
	for patch, want := range map[string]string{
		`{}`: "",
		`{"filterableAttributes":["a",{"attributePatterns":["*"]}],"nonSeparatorTokens":["#"],"dictionary":["a.b"]}`: "",
		`{"nonSeparatorTokens":["⊰"]}`:                                                    "invalid_settings_non_separator_tokens",
		`{"separatorTokens":["a⋏b"]}`:                                                     "invalid_settings_separator_tokens",
		`{"dictionary":["⊿"]}`:                                                            "invalid_settings_dictionary",
		`{"displayedAttributes":["_miroir_shard"]}`:                                       "miroir_reserved_field",
		`{"searchableAttributes":["_miroir_x"]}`:                                          "miroir_reserved_field",
		`{"filterableAttributes":["_miroir_version"]}`:                                    "miroir_reserved_field",
		`{"filterableAttributes":[{"attributePatterns":["_miroir_*"]}]}`:                  "miroir_reserved_field",
		`{"sortableAttributes":["_miroir_version"]}`:                                      "miroir_reserved_field",
		`{"rankingRules":["_miroir_version:desc"]}`:                                       "miroir_reserved_field",
		`{"distinctAttribute":"_miroir_shard"}`:                                           "miroir_reserved_field",
		`{"typoTolerance":{"disableOnAttributes":["_miroir_a"]}}`:                         "miroir_reserved_field",
		`{"faceting":{"sortFacetValuesBy":{"_miroir_a":"count"}}}`:                        "miroir_reserved_field",
		`{"localizedAttributes":[{"attributePatterns":["_miroir_*"],"locales":["eng"]}]}`: "miroir_reserved_field",
	} {
		got := ""
		if refusal := CheckSettings(settingsOf(t, patch)); refusal != nil {
			got = refusal.Code
		}
		if got != want {
			t.Errorf("%s: %q, want %q", patch, got, want)
		}
	}
}

// The recorded answer of the fields route, from the recorded settings and names.
func TestFieldsRecorded(t *testing.T) {
	patch := `{"filterableAttributes":["genres","price","rating","in_stock","year","publisher.name","publisher","author","_geo","id","series.volume"],` +
		`"sortableAttributes":["price","year","rating","title","_geo","author"]}`
	names := []string{"year", "genres", "_geo.lng", "_geo", "author", "_geo.lat", "_miroir_shard", "_miroir_version", "author",
		"id", "in_stock", "overview", "pages", "price", "publisher", "publisher.city", "publisher.name", "rating", "series", "series.name", "series.volume", "title"}
	found := false
	lines(t, filepath.Join("..", "..", "test", "recordings", "data", "misc.jsonl"), func(line []byte) {
		var step struct {
			Request struct{ Path string }
			Status  int
			Body    json.RawMessage
		}
		must(t, json.Unmarshal(line, &step))
		if step.Request.Path != "/indexes/books/fields" || step.Status != 200 {
			return
		}
		found = true
		var want bytes.Buffer
		must(t, json.Compact(&want, step.Body))
		if got := encode(Fields(&Index{Settings: settingsOf(t, patch)}, names, &request.Fields{Limit: 5})); string(got) != want.String() {
			t.Errorf("\n got %s\nwant %s", got, want.String())
		}
	})
	if !found {
		t.Error("no such step")
	}
}

func TestFields(t *testing.T) {
	ix := &Index{Settings: settingsOf(t, `{"displayedAttributes":["a"],"searchableAttributes":["b"],"distinctAttribute":"a.x","rankingRules":["b:desc"],`+
		`"filterableAttributes":[{"attributePatterns":["a*"]}],"localizedAttributes":[{"attributePatterns":["b"],"locales":["eng"]}],`+
		`"faceting":{"sortFacetValuesBy":{"b":"count"}}}`)}
	yes, no := true, false
	for _, c := range []struct {
		f    request.Fields
		want string
	}{
		{request.Fields{}, "_geojson _vectors a a.x b"},
		{request.Fields{Displayed: &yes}, "a a.x"},
		{request.Fields{Searchable: &yes}, "b"},
		{request.Fields{Searchable: &no}, "_geojson _vectors a a.x"},
		{request.Fields{Distinct: &yes}, "a.x"},
		{request.Fields{RankingRule: &yes}, "b"},
		{request.Fields{Filterable: &yes}, "a a.x"},
		{request.Fields{Sortable: &yes}, ""},
		{request.Fields{AttributePatterns: []string{"a*", "b"}, Filterable: &no}, "b"},
	} {
		c.f.Limit = 20
		page := Fields(ix, []string{"b", "a", "a.x", "_geojson", "_vectors", "_miroir_shard"}, &c.f)
		var got []string
		for _, raw := range page.Results {
			var one field
			must(t, json.Unmarshal(raw, &one))
			got = append(got, one.Name)
		}
		if strings.Join(got, " ") != c.want || page.Total != len(got) {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
	b := Fields(ix, []string{"b"}, &request.Fields{Limit: 1}).Results[0]
	if want := `{"name":"b","displayed":{"enabled":false},"searchable":{"enabled":true},"sortable":{"enabled":false},"distinct":{"enabled":false},` +
		`"rankingRule":{"enabled":true,"order":"desc"},"filterable":{"enabled":false,"sortBy":"count","facetSearch":false,"equality":false,"comparison":false},` +
		`"localized":{"locales":["eng"]}}`; string(b) != want {
		t.Errorf("got %s", b)
	}
}

func TestJoinStats(t *testing.T) {
	two := uint64(2)
	part := meili.IndexStats{
		NumberOfDocuments: 20, RawDocumentDBSize: json.RawMessage("4096"), AvgDocumentSize: json.RawMessage("200"),
		InternalDatabaseSizes: json.RawMessage(`{"documents":4096,"main":1}`), NumberOfEmbeddings: &two, NumberOfEmbeddedDocuments: &two,
		FieldDistribution: map[string]int{"id": 20, "t": 7, "_miroir_shard": 20, "_miroir_version": 20},
	}
	other := part
	other.IsIndexing, other.FieldDistribution = true, map[string]int{"id": 20, "u": 1}
	got := string(encode(JoinStats([]meili.IndexStats{part, other, part}, 2)))
	want := `{"numberOfDocuments":30,"rawDocumentDbSize":6144,"avgDocumentSize":204,"isIndexing":true,"internalDatabaseSizes":{"documents":12288,"main":3},` +
		`"numberOfEmbeddings":3,"numberOfEmbeddedDocuments":3,"fieldDistribution":{"id":30,"t":7,"u":1}}`
	if got != want {
		t.Errorf("got %s", got)
	}
	if got := string(encode(JoinStats(nil, 0))); got != `{"numberOfDocuments":0,"rawDocumentDbSize":0,"avgDocumentSize":0,"isIndexing":false,"fieldDistribution":{}}` {
		t.Errorf("of nothing: %s", got)
	}
}
