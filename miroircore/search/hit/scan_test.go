package hit

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

func wrap(hits ...string) []byte {
	return []byte(`{"hits":[` + strings.Join(hits, ",") + `],"query":"q","processingTimeMs":0,"limit":20,"offset":0,"estimatedTotalHits":7,"requestUid":"u"}`)
}

func one(t *testing.T, hit string, want Want) (*Answer, *Hit) {
	t.Helper()
	a, err := Scan(wrap(hit), &want)
	if err != nil {
		t.Fatal(err)
	}
	return a, &a.Hits[0]
}

func TestWhatAClientSeesOfAHit(t *testing.T) {
	const details = `"_rankingScoreDetails":{"words":{"order":0,"matchingWords":1,"maxMatchingWords":1,"score":1.0},"price:asc":{"order":1,"value":3},"_miroir_version:asc":{"order":2,"value":"⊰⊱"}}`
	for _, c := range []struct {
		name, hit, want string
		see             Want
	}{
		{"nothing hidden", `{"id":1,"a":[1,{"b":2}]}`, `{"id":1,"a":[1,{"b":2}]}`, Want{}},
		{"empty", `{}`, `{}`, Want{}},
		{"first", `{"_miroir_shard":"x","id":1}`, `{"id":1}`, Want{}},
		{"middle", `{"id":1,"_miroir_shard":"x","b":2}`, `{"id":1,"b":2}`, Want{}},
		{"last two", `{"id":1,"_miroir_shard":"x","_miroir_version":"y"}`, `{"id":1}`, Want{}},
		{"alone", `{"_miroir_shard":"x","_miroir_version":"y"}`, `{}`, Want{}},
		{"around", `{"_miroir_shard":"x","id":1,"_miroir_version":"y","b":2,"_miroir_expires_at":"z"}`, `{"id":1,"b":2}`, Want{}},
		{"an escaped name", `{"\u005fmiroir_shard":"x","id":1}`, `{"id":1}`, Want{}},
		{"only at the top", `{"id":1,"a":{"_miroir_shard":2}}`, `{"id":1,"a":{"_miroir_shard":2}}`, Want{}},
		{"formatted", `{"id":1,"_formatted":{"id":"1","_miroir_shard":"x"}}`, `{"id":1,"_formatted":{"id":"1"}}`, Want{}},
		{"formatted empty", `{"id":1,"_formatted":{"_miroir_shard":"x"}}`, `{"id":1}`, Want{}},
		{"matches", `{"id":1,"_matchesPosition":{"_miroir_shard":[],"a.b":[{"start":0}],"c":[]}}`, `{"id":1,"_matchesPosition":{"a.b":[{"start":0}]}}`, Want{Displayed: []string{"a"}}},
		{"details dropped", `{"id":1,"_rankingScore":0.5,` + details + `}`, `{"id":1}`, Want{}},
		{"details kept", `{"id":1,` + details + `}`, `{"id":1,` + strings.Replace(details, `,"_miroir_version:asc":{"order":2,"value":"⊰⊱"}`, "", 1) + `}`, Want{Details: true}},
		{"details redacted", `{"id":1,` + details + `}`,
			`{"id":1,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":1,"maxMatchingWords":1,"score":1.0},"<hidden-rule-1>":{"order":1,"value":"<hidden>"}}}`,
			Want{Details: true, Displayed: []string{"id"}}},
		{"selected", `{"id":1,"a":{"b":1,"c":2},"d":3}`, `{"a":{"c":2}}`, Want{Keep: []string{"a.c"}}},
		{"selected in arrays", `{"a":[{"b":1},{"c":2,"b":3},4,[{"c":5}]]}`, `{"a":[{"c":2},[{"c":5}]]}`, Want{Keep: []string{"a.c"}}},
		{"selected as a whole", `{"a":{"b":1},"c":2}`, `{"a":{"b":1}}`, Want{Keep: []string{"a", "a.c"}}},
		{"distance dropped", `{"id":1,"_geoDistance":5}`, `{"id":1}`, Want{DropGeoDistance: true}},
	} {
		_, h := one(t, c.hit, c.see)
		if got := string(h.Append(nil)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAMemberIsAddedWhereTheServerPutsIt(t *testing.T) {
	for hit, want := range map[string]string{
		`{}`:       `{"x":1}`,
		`{"id":1}`: `{"id":1,"x":1}`,
		`{"_miroir_shard":"s","_formatted":{"a":1}}`:                            `{"x":1,"_formatted":{"a":1}}`,
		`{"id":1,"_miroir_shard":"s","_formatted":{"a":1},"_rankingScore":1.0}`: `{"id":1,"x":1,"_formatted":{"a":1}}`,
		`{"id":1,"_rankingScore":1.0}`:                                          `{"id":1,"x":1}`,
	} {
		_, h := one(t, hit, Want{})
		if got := string(h.AppendWith(nil, []byte(`"x":1`))); got != want {
			t.Errorf("%s: got %s, want %s", hit, got, want)
		}
	}
}

func TestWhatIsReadOfAHit(t *testing.T) {
	a, h := one(t, `{"id":"k-1","tags":[" Énée ","b",3,[true],null,{"x":1}],"_geo":{"lat":"48.5","lng":2,"z":[]},"_miroir_version":"⊰⊲","_rankingScore":0.25,`+
		`"_rankingScoreDetails":{"vectorSort":{"order":0,"similarity":0.5},"_geoPoint(1.5, -2):desc":{"order":1,"value":{"lat":48.5,"lng":2.0},"distance":5.0}}}`,
		Want{PrimaryKey: "id", Distinct: "tags", Geo: true})
	if string(h.ID()) != `"k-1"` || string(h.Version()) != "⊰⊲" || h.Score != 0.25 || !h.Semantic() || a.Total != 7 || a.Semantic != -1 {
		t.Errorf("id %s, version %s, score %v, semantic %v, total %d", h.ID(), h.Version(), h.Score, h.Semantic(), a.Total)
	}
	if lat, lng, ok := h.Place(); !ok || lat != 48.5 || lng != 2 {
		t.Errorf("place is %v %v %v", lat, lng, ok)
	}
	if want := []string{"se\u0301ne\u0301e", "sb", "n4008000000000000", "strue"}; !slices.Equal(h.Distinct(), want) {
		t.Errorf("distinct values are %q, want %q", h.Distinct(), want)
	}
	if g := h.Geo(); len(g) != 1 || g[0].Lat != 1.5 || g[0].Lng != -2 || !g[0].Desc {
		t.Errorf("geo rules are %+v", g)
	}
	if _, h := one(t, `{"a":{"b":[{"c":"x"},{"c":["y"]}]},"a.b.c":"z"}`, Want{Distinct: "a.b.c"}); !slices.Equal(h.Distinct(), []string{"sx", "sy", "sz"}) {
		t.Errorf("nested distinct values are %q", h.Distinct())
	}
}

func TestMalformedAnswersAreErrors(t *testing.T) {
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"query":"x"}`, `<html>`, `{"hits":}`, `{"hits":[}`, `{"hits":[{]}`, `{"hits":[{"a"}]}`, `{"hits":[{"a":}]}`, `{"hits":[{"a":01}]}`,
		`{"hits":[{"a":1,}]}`, `{"hits":[{"a":1}{}]}`, `{"hits":[{"a":"x]}`, `{"hits":[{"a":"\x"}]}`, `{"hits":[{"a":"\u12g4"}]}`, "{\"hits\":[{\"a\":\"\n\"}]}",
		`{"hits":[{"a":tru}]}`, `{"hits":[{"a":1.}]}`, `{"hits":[{"a":-}]}`, `{"hits":[{"a":1e}]}`, `{"hits":[]} x`, `{"hits":[],}`, `{"hits":[1]}`,
		`{"hits":[],"estimatedTotalHits":"7"}`, `{"hits":[{"_rankingScore":"x"}]}`, `{"hits":[{"_rankingScoreDetails":{"mystery":{"order":0}}}]}`,
		`{"hits":[{"_rankingScoreDetails":{"words":{"order":1},"typo":{"order":0}}}]}`,
		`{"hits":[` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `]}`,
		`{"hits":[{"a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}]}`,
	} {
		if _, err := Scan([]byte(body), &Want{}); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.60s: %v", body, err)
		}
	}
}

func TestACutAnswerIsAnErrorWhereverItIsCut(t *testing.T) {
	body := wrap(`{"id":1,"t":"a\u00e9\"","n":-1.5e3,"_miroir_version":"⊰","_formatted":{"id":"1"},"_rankingScoreDetails":{"words":{"order":0,"matchingWords":1}}}`, `{"id":2,"l":[true,null,{}]}`)
	for i := range body {
		if _, err := Scan(body[:i], &Want{}); err == nil {
			t.Fatalf("cut at %d: %s", i, body[:i])
		}
	}
}

// value draws a JSON value as text.
func value(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		most := 6
		if depth <= 0 {
			most = 4
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			b, _ := json.Marshal(rapid.String().Draw(t, "text"))
			return string(b)
		case 1:
			return fmt.Sprint(rapid.Float64Range(-1e9, 1e9).Draw(t, "number"))
		case 2:
			return fmt.Sprint(rapid.IntRange(-5, 5).Draw(t, "integer"))
		case 3:
			return rapid.SampledFrom([]string{"true", "false", "null", `"⊰⊱"`, `"a\/b\ud83d\ude00"`, "1E2", "-0"}).Draw(t, "literal")
		case 4:
			return `""`
		case 5:
			return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "items"), " ,") + "]"
		default:
			return object(depth-1).Draw(t, "object")
		}
	})
}

func object(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "a.b", "b.c", "é", `q"`, hidden.ShardField, hidden.VersionField}), 0, 6,
			func(s string) string { return s }).Draw(t, "names")
		members := make([]string, len(names))
		for i, name := range names {
			key, _ := json.Marshal(name)
			members[i] = string(key) + rapid.SampledFrom([]string{":", " : "}).Draw(t, "colon") + value(depth).Draw(t, "value")
		}
		return "{" + strings.Join(members, rapid.SampledFrom([]string{",", ", ", "\n,\t"}).Draw(t, "comma")) + "}"
	})
}

// choose is Meilisearch's selection of members, on decoded values.
func choose(doc map[string]any, selectors []string) map[string]any {
	out := map[string]any{}
	for key, v := range doc {
		var inner []string
		exact := false
		for _, s := range selectors {
			if s == key {
				exact = true
			} else if strings.HasPrefix(s, key+".") {
				inner = append(inner, s[len(key)+1:])
			}
		}
		switch {
		case exact && (!strings.Contains(key, ".") || len(inner) == 0):
			out[key] = v
		case len(inner) > 0:
			switch v := v.(type) {
			case []any:
				out[key] = chooseArray(v, inner)
			case map[string]any:
				out[key] = choose(v, inner)
			}
		}
	}
	return out
}

func chooseArray(list []any, selectors []string) []any {
	out := []any{}
	for _, v := range list {
		switch v := v.(type) {
		case []any:
			out = append(out, chooseArray(v, selectors))
		case map[string]any:
			if o := choose(v, selectors); len(o) > 0 {
				out = append(out, o)
			}
		}
	}
	return out
}

func TestScannerAgreesWithDecoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		docs := rapid.SliceOfN(object(3), 1, 4).Draw(t, "docs")
		var want Want
		if rapid.Bool().Draw(t, "selected") {
			want.Keep = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "a.b", "b.c", "a.b.c", "é", "c.a"}), 0, 4).Draw(t, "keep")
			if want.Keep == nil {
				want.Keep = []string{}
			}
		}
		a, err := Scan(wrap(docs...), &want)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range docs {
			var expected, got map[string]any
			if err := json.Unmarshal([]byte(doc), &expected); err != nil {
				t.Fatal(err)
			}
			delete(expected, hidden.ShardField)
			delete(expected, hidden.VersionField)
			if want.Keep != nil {
				expected = choose(expected, want.Keep)
			}
			text := a.Hits[i].Append(nil)
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatalf("%v: %s from %s", err, text, doc)
			}
			if !reflect.DeepEqual(expected, got) {
				t.Fatalf("%s keeping %q: got %s", doc, want.Keep, text)
			}
		}
		a.Release()
	})
}

func FuzzScan(f *testing.F) {
	f.Add(wrap(`{"id":1,"_miroir_version":"⊰","_geo":{"lat":1,"lng":"2"},"_formatted":{"a":"b"},"_matchesPosition":{"a":[]},"_rankingScore":0.5,"_rankingScoreDetails":{"words":{"order":0,"matchingWords":1,"maxMatchingWords":2,"score":0.5},"_geoPoint(1, 2):asc":{"order":1,"value":null,"distance":null},"a:desc":{"order":2,"value":"\u00e9"},"skipped":{"order":3}}}`))
	f.Add([]byte(`{"results":[{"a":{"b":[1,2,{"c":null}]}}],"offset":0,"limit":1,"total":1}`))
	f.Add([]byte(`{"facetHits":[{"value":"a","count":1}],"facetQuery":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, want := range []*Want{{}, {Details: true, Score: true, Values: true, Geo: true, Distinct: "a.b", PrimaryKey: "id", Displayed: []string{"a"}, Keep: []string{"a.c", "id"}, Formatted: []string{"a"}},
			{Version: true, Sort: []SortRule{{Path: "a.b", Desc: true}, {Geo: &[2]float64{1, 2}}}}} {
			a, err := Scan(body, want)
			if err != nil {
				continue
			}
			if !json.Valid(body) {
				t.Fatalf("accepted what is not JSON: %q", body)
			}
			for i := range a.Hits {
				h := &a.Hits[i]
				if out := h.Append(nil); !json.Valid(out) {
					t.Fatalf("hit is not JSON: %q from %q", out, body)
				}
				if out := h.AppendWith(nil, []byte(`"x":1`)); !json.Valid(out) {
					t.Fatalf("hit with a member is not JSON: %q from %q", out, body)
				}
				h.Key()
				h.Values()
				h.Distinct()
			}
			AppendFacets(nil, a.Bytes(a.FacetDistribution), 1, nil)
			a.Release()
		}
	})
}

func TestFacetsAreCutToTheirFirstValues(t *testing.T) {
	raw := `{"a":{"x":1,"y":2,"z":3},"_miroir_shard":{"q":1},"b":{},"c":{"k":1}}`
	only := func(name string) bool { return !strings.HasPrefix(name, hidden.Prefix) }
	for most, want := range map[int]string{
		2:  `{"a":{"x":1,"y":2},"b":{},"c":{"k":1}}`,
		3:  `{"a":{"x":1,"y":2,"z":3},"b":{},"c":{"k":1}}`,
		0:  `{"a":{},"b":{},"c":{}}`,
		-1: `{"a":{"x":1,"y":2,"z":3},"b":{},"c":{"k":1}}`,
	} {
		if got := string(AppendFacets(nil, []byte(raw), most, only)); got != want {
			t.Errorf("%d: got %s, want %s", most, got, want)
		}
	}
	if got := string(AppendFacets(nil, nil, 5, nil)); got != "{}" {
		t.Errorf("nothing gives %s", got)
	}
}
