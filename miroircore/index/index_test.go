package index

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("rapid.checks", "1024"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

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
	rangeRule = `{"attributePatterns":["_miroir_version"],"features":{"facetSearch":false,"filter":{"equality":false,"comparison":true}}}`
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

var epoch = time.Date(2026, 7, 23, 14, 39, 41, 0, time.UTC)

func open(t testing.TB, store state.Store) *Catalog {
	t.Helper()
	c, err := Open(store)
	must(t, err)
	return c
}

func spec(uid string) Spec {
	return Spec{UID: uid, PrimaryKey: "id", Shards: 4, At: epoch, Place: func(physical string, shards int) *cluster.Placement {
		return &cluster.Placement{Epoch: 1, Groups: []cluster.GroupPlacement{{ID: physical, Shards: make([][]string, shards)}}}
	}}
}

func codeOf(err error) string {
	var refusal *meili.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Code
	}
	return err.Error()
}

func TestRefusals(t *testing.T) {
	c := open(t, memory.New())
	for _, uid := range []string{"a", "b"} {
		_, err := c.Create(spec(uid))
		must(t, err)
	}
	_, again := c.Create(spec("a"))
	_, drop := c.Drop("x")
	_, noSource := c.Rename("x", "y", epoch)
	_, taken := c.Rename("a", "b", epoch)
	_, key := c.SetPrimaryKey("x", "id", false, epoch)
	for want, errs := range map[string][]error{
		"index_already_exists": {again, taken}, "index_not_found": {drop, noSource, key, c.Touch("x", epoch), c.MarkDeletes("x")},
	} {
		for i, err := range errs {
			if codeOf(err) != want {
				t.Errorf("%s %d: %v", want, i, err)
			}
		}
	}
	if _, err := c.Rename("a", "a", epoch.Add(time.Hour)); err != nil {
		t.Error("an index cannot keep its uid:", err)
	}
	if _, err := c.SetPlacement("a", &cluster.Placement{Epoch: 1}); err == nil {
		t.Error("a placement of the same epoch was taken")
	}
	for _, s := range []struct {
		swaps []request.Swap
		want  string
	}{
		{[]request.Swap{{Indexes: [2]string{"a", "b"}}}, ""},
		{nil, ""},
		{[]request.Swap{{Indexes: [2]string{"a", "x"}}}, "Index `x` not found."},
		{[]request.Swap{{Indexes: [2]string{"z", "a"}}, {Indexes: [2]string{"b", "x"}}}, "Indexes `x`, `z` not found."},
		{[]request.Swap{{Indexes: [2]string{"a", "b"}, Rename: true}}, "Cannot rename `a` to `b` as the index already exists. Hint: You can remove `b` first and then do your remove."},
		{[]request.Swap{{Indexes: [2]string{"a", "b"}, Rename: true}, {Indexes: [2]string{"b", "a"}, Rename: true}}, "The following indexes are being renamed but cannot " +
			"because their new name conflicts with an already existing index: `b`, `a`. Renaming doesn't overwrite the other index name."},
		{[]request.Swap{{Indexes: [2]string{"a", "c"}, Rename: true}}, ""},
	} {
		got := ""
		if refusal := c.CheckSwap(s.swaps); refusal != nil {
			got = refusal.Message
		}
		if got != s.want {
			t.Errorf("%v: %q, want %q", s.swaps, got, s.want)
		}
	}
}

// A name that was promised stays the same until it is used, though a shorter one
// becomes free, and is not promised twice.
func TestPromisedNames(t *testing.T) {
	c := open(t, memory.New())
	_, err := c.Create(spec("a"))
	must(t, err)
	_, err = c.Drop("a")
	must(t, err)
	if got := c.FreePhysical("a"); got != "a-2" {
		t.Fatalf("got %s", got)
	}
	if got := c.FreePhysical("a-2"); got != "a-2-2" {
		t.Errorf("promised to two: %s", got)
	}
	must(t, c.Forget("a"))
	made, err := c.Create(spec("a"))
	must(t, err)
	if made.Physical != "a-2" {
		t.Errorf("created as %s", made.Physical)
	}
	chosen := spec("b")
	chosen.Physical = "b-7"
	if made, err = c.Create(chosen); err != nil || made.Physical != "b-7" {
		t.Errorf("a chosen name: %v %v", made, err)
	}
	chosen.UID = "c"
	if _, err := c.Create(chosen); err == nil {
		t.Error("a name was given to two")
	}
	long := strings.Repeat("x", 400)
	_, err = c.Create(spec(long))
	must(t, err)
	_, err = c.Drop(long)
	must(t, err)
	if got := c.FreePhysical(long); len(got) != 400 || !strings.HasSuffix(got, "x-2") {
		t.Errorf("got %d bytes: …%s", len(got), got[390:])
	}
}

func TestTouchIsCheap(t *testing.T) {
	store := &crashing{Store: memory.New(), left: 1 << 30}
	c := open(t, store)
	_, err := c.Create(spec("a"))
	must(t, err)
	store.left = 1
	for i := range 1500 {
		must(t, c.Touch("a", epoch.Add(time.Duration(i)*time.Millisecond)))
	}
	must(t, c.Touch("a", epoch)) // a late one does not turn time back
	if ix, _ := c.Get("a"); !ix.UpdatedAt.Equal(epoch.Add(1499 * time.Millisecond)) {
		t.Errorf("touched at %s", ix.UpdatedAt)
	}
	if ix, _ := open(t, store).Get("a"); epoch.Add(1499*time.Millisecond).Sub(ix.UpdatedAt) > touchEvery {
		t.Errorf("after a crash touched at %s", ix.UpdatedAt)
	}
}

func TestReadersSeeWholeChanges(t *testing.T) {
	c := open(t, memory.New())
	for _, uid := range []string{"a", "b"} {
		_, err := c.Create(spec(uid))
		must(t, err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 200 {
			must(t, c.Swap([]request.Swap{{Indexes: [2]string{"a", "b"}}}, epoch))
		}
	})
	for range 2000 {
		list := c.List()
		if len(list) != 2 || list[0].UID != "a" || list[1].UID != "b" || list[0].Physical == list[1].Physical {
			t.Fatalf("half a swap: %+v", list)
		}
	}
	wg.Wait()
}

var errCrash = errors.New("the machine is gone")

// crashing is a store whose machine goes away after some updates.
type crashing struct {
	state.Store
	left int
}

func (c *crashing) Update(fn func(state.Tx) error) error {
	if c.left == 0 {
		return errCrash
	}
	c.left--
	return c.Store.Update(fn)
}

// machine runs random changes on a catalog and on a plain map.
type machine struct {
	store   *crashing
	catalog *Catalog
	model   map[string]Index // by uid
	dropped map[string]bool
	epoch   uint64
}

// done takes a change over into the model, if it was made; a store that failed is
// opened again.
func (m *machine) done(rt *rapid.T, err error, expected string, change func()) {
	if errors.Is(err, errCrash) {
		m.store.left = 1 << 30
		c, err := Open(m.store)
		if err != nil {
			rt.Fatal(err)
		}
		m.catalog = c
		return
	}
	if codeOf(err) != expected {
		rt.Fatalf("got %v, want %q", err, expected)
	}
	if err == nil {
		change()
	}
}

func (m *machine) edit(rt *rapid.T, uid string, do func() error, change func(ix *Index)) {
	ix, there := m.model[uid]
	expected := ""
	if !there {
		expected = "index_not_found"
	}
	m.done(rt, do(), expected, func() {
		change(&ix)
		m.model[uid] = ix
	})
}

func (m *machine) actions() map[string]func(*rapid.T) {
	name := func(rt *rapid.T) string { return rapid.SampledFrom([]string{"a", "b", "c", "a-2"}).Draw(rt, "uid") }
	return map[string]func(*rapid.T){
		"create": func(rt *rapid.T) {
			uid := name(rt)
			expected := ""
			if _, there := m.model[uid]; there {
				expected = "index_already_exists"
			}
			made, err := m.catalog.Create(spec(uid))
			m.done(rt, err, expected, func() {
				for other, ix := range m.model {
					if ix.Physical == made.Physical {
						rt.Fatalf("%s and %s are both %s on nodes", other, uid, made.Physical)
					}
				}
				if m.dropped[made.Physical] {
					rt.Fatalf("nodes may still hold %s", made.Physical)
				}
				m.model[uid] = *made
			})
		},
		"drop": func(rt *rapid.T) {
			uid := name(rt)
			gone, err := m.catalog.Drop(uid)
			m.edit(rt, uid, func() error { return err }, func(*Index) {})
			if err == nil {
				delete(m.model, uid)
				m.dropped[gone.Physical] = true
			}
		},
		"forget": func(rt *rapid.T) {
			physical := name(rt)
			m.done(rt, m.catalog.Forget(physical), "", func() { delete(m.dropped, physical) })
		},
		"rename": func(rt *rapid.T) {
			from, to := name(rt), name(rt)
			ix, there := m.model[from]
			_, taken := m.model[to]
			expected := ""
			switch {
			case !there:
				expected = "index_not_found"
			case taken && from != to:
				expected = "index_already_exists"
			}
			_, err := m.catalog.Rename(from, to, epoch)
			m.done(rt, err, expected, func() {
				delete(m.model, from)
				m.model[to] = ix
			})
		},
		"swap": func(rt *rapid.T) {
			a, b := name(rt), name(rt)
			if a == b {
				return
			}
			x, there := m.model[a]
			y, both := m.model[b]
			swap := request.Swap{Indexes: [2]string{a, b}, Rename: rapid.Bool().Draw(rt, "rename")}
			expected := ""
			switch {
			case !there || !both && !swap.Rename:
				expected = "index_not_found"
			case both && swap.Rename:
				expected = "index_already_exists"
			}
			m.done(rt, m.catalog.Swap([]request.Swap{swap}, epoch), expected, func() {
				m.model[b] = x
				if delete(m.model, a); both {
					m.model[a] = y
				}
			})
		},
		"settings": func(rt *rapid.T) {
			uid := name(rt)
			s := settingsOf(rt, `{"stopWords":["`+rapid.StringMatching(`[a-z]{1,3}`).Draw(rt, "word")+`"]}`)
			_, err := m.catalog.SetSettings(uid, s, epoch)
			m.edit(rt, uid, func() error { return err }, func(ix *Index) {
				ix.Settings, ix.SettingsDigest = s, Digest(s)
				ix.SettingsVersion++
			})
		},
		"primary key": func(rt *rapid.T) {
			uid, key := name(rt), rapid.SampledFrom([]string{"", "id", "sku"}).Draw(rt, "key")
			_, err := m.catalog.SetPrimaryKey(uid, key, true, epoch)
			m.edit(rt, uid, func() error { return err }, func(ix *Index) { ix.PrimaryKey, ix.Provisional = key, key != "" })
		},
		"placement": func(rt *rapid.T) {
			uid := name(rt)
			m.epoch++
			p := &cluster.Placement{Epoch: m.epoch + 1, Groups: []cluster.GroupPlacement{}}
			_, err := m.catalog.SetPlacement(uid, p)
			m.edit(rt, uid, func() error { return err }, func(ix *Index) { ix.Placement = p })
		},
		"mark deletes": func(rt *rapid.T) {
			uid := name(rt)
			m.edit(rt, uid, func() error { return m.catalog.MarkDeletes(uid) }, func(ix *Index) { ix.Deletes = true })
		},
		"crash soon": func(rt *rapid.T) { m.store.left = rapid.IntRange(0, 1).Draw(rt, "updates before") },
		"restart": func(rt *rapid.T) {
			c, err := Open(m.store)
			if err != nil {
				rt.Fatal(err)
			}
			m.catalog = c
		},
		"": m.check,
	}
}

func (m *machine) check(rt *rapid.T) {
	var got, want []string
	for _, ix := range m.catalog.List() {
		got = append(got, show(*ix))
		if found, ok := m.catalog.ByPhysical(ix.Physical); !ok || found != ix {
			rt.Fatalf("%s is not found by %s", ix.UID, ix.Physical)
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(m.model)) {
		ix := m.model[uid]
		ix.UID = uid
		want = append(want, show(ix))
	}
	if !slices.Equal(got, want) {
		rt.Fatalf("\n got %s\nwant %s", got, want)
	}
	if dropped := slices.Sorted(maps.Keys(m.dropped)); !slices.Equal(dropped, m.catalog.Dropped()) {
		rt.Fatalf("dropped %v, want %v", m.catalog.Dropped(), dropped)
	}
}

func show(ix Index) string {
	return fmt.Sprintf("%s=%s %s %v %d %d %s %v %s", ix.UID, ix.Physical, ix.PrimaryKey, ix.Provisional, ix.Placement.Epoch,
		ix.SettingsVersion, ix.SettingsDigest[:8], ix.Deletes, ix.CreatedAt)
}

func TestEqualsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{store: &crashing{Store: memory.New(), left: 1 << 30}, model: map[string]Index{}, dropped: map[string]bool{}}
		c, err := Open(m.store)
		if err != nil {
			rt.Fatal(err)
		}
		m.catalog = c
		rt.Repeat(m.actions())
	})
}
