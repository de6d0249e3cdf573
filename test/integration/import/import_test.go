// Package imports brings existing servers into fleets with the command.
package imports

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/miroir-gateway/miroir/miroircore/adopt"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// run runs the import as it would be typed, and gives what it prints.
func run(ctx context.Context, f *fleet.Fleet, source fleet.Node, args ...string) (out, progress string, err error) {
	cmd := &cobra.Command{Use: "miroir", SilenceErrors: true}
	caddycmd.Commands()["miroir"].CobraFunc(cmd)
	var printed, told bytes.Buffer
	cmd.SetOut(&printed)
	cmd.SetErr(&told)
	cmd.SetArgs(append([]string{"import", "--address", f.Admin(), "--from", source.URL()}, args...))
	err = cmd.ExecuteContext(ctx)
	return printed.String(), told.String(), err
}

// report runs the import and gives what came of it.
func report(t *testing.T, f *fleet.Fleet, source fleet.Node, args ...string) (*adopt.Report, error) {
	t.Helper()
	out, _, err := run(t.Context(), f, source, append(args, "--key", fleet.MasterKey, "--json")...)
	for line := range strings.Lines(out) {
		var printed struct{ Report *adopt.Report }
		if json.Unmarshal([]byte(line), &printed) == nil && printed.Report != nil {
			return printed.Report, err
		}
	}
	t.Fatalf("no report: %v\n%s", err, out)
	return nil, err
}

func of(t *testing.T, r *adopt.Report, uid string) *adopt.Result {
	t.Helper()
	for _, ix := range r.Indexes {
		if ix.UID == uid {
			return ix
		}
	}
	t.Fatalf("nothing is said of index %s", uid)
	return nil
}

// put writes to the source and waits for it.
func put(t *testing.T, source fleet.Node, method, path, body string) {
	t.Helper()
	answer := source.Do(t, method, path, body)
	var task fleet.Task
	var summary struct {
		TaskUID uint32 `json:"taskUid"`
	}
	if answer.Status != http.StatusAccepted {
		t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	answer.Decode(t, &summary)
	fleet.Eventually(t, fmt.Sprintf("task %d has ended", summary.TaskUID), func() bool {
		source.Do(t, http.MethodGet, fmt.Sprintf("/tasks/%d", summary.TaskUID), "").Decode(t, &task)
		return task.Status != "enqueued" && task.Status != "processing"
	})
	if task.Status != "succeeded" {
		t.Fatalf("%s %s: %+v", method, path, task.Error)
	}
}

// books are documents of many shapes, as JSON lines.
func books(from, to int) string {
	odd := []string{
		`"note":"<b>&\u2028\"quoted\" \\ tab\t\u00e9 é 日本語 😀"`, `"note":null,"empty":{},"list":[]`,
		`"n":1e300,"m":-0.0,"k":0.1,"z":123456789012345678,"f":4.35,"g":1.7976931348623157e308,"h":5e-324`,
		`"deep":{"a":[{"b":[1,2.5,"three",null,true]},{"b":[]}],"a.b":"dotted"}`,
		`"_geo":{"lat":48.85,"lng":2.35}`, `"x y":"a space","":"no name"`, `"tags":["red","green"],"flag":false`,
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := from; i < to; i++ {
		id := fmt.Sprint(i)
		if i%3 == 0 {
			id = fmt.Sprintf(`"book-%d_x"`, i)
		}
		if i > from {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%s,"title":"book number %d of the %s shelf","genre":"g%d","rank":%d,%s}`,
			id, i, []string{"upper", "lower", "middle"}[i%3], i%5, i, odd[i%len(odd)])
	}
	return b.String() + "]"
}

const (
	settings = `{"searchableAttributes":["title","note","tags"],"filterableAttributes":["genre","rank",{"attributePatterns":["deep.*"],"features":{"facetSearch":false,"filter":{"equality":true,"comparison":false}}}],
"sortableAttributes":["rank","_geo"],"synonyms":{"upper":["high","top"],"low & high":["<both>"]},"stopWords":["of","the"],"distinctAttribute":null,
"rankingRules":["words","typo","proximity","attribute","sort","exactness","rank:desc"],"typoTolerance":{"minWordSizeForTypos":{"oneTypo":4,"twoTypos":8},"disableOnAttributes":["note"]},
"faceting":{"maxValuesPerFacet":50,"sortFacetValuesBy":{"*":"count","genre":"alpha"}},"pagination":{"maxTotalHits":7000},"displayedAttributes":["*"],"separatorTokens":["§"],"dictionary":["J. K."],
"proximityPrecision":"byAttribute","searchCutoffMs":1500,"localizedAttributes":[{"locales":["jpn"],"attributePatterns":["note"]}],"prefixSearch":"indexingTime"}`
	vectors = `[{"pk":"a","t":"one","_vectors":{"own":[0.1,0.2,0.3]}},{"pk":"b","t":"two","_vectors":{"own":[[1,0,0],[0,1,0.5]]}},
{"pk":"c","t":"three","_vectors":{"own":null}},{"pk":"d","t":"four","_vectors":{"own":{"embeddings":[0.5,0.25,0.125],"regenerate":false},"other":[1,2]}}]`
	keyUID = "6062abda-a5aa-4414-ac91-ecd7944c0f8d"
)

// fill gives a source what a server in use has.
func fill(t *testing.T, source fleet.Node, documents int) {
	t.Helper()
	if a := source.Do(t, http.MethodPatch, "/experimental-features", `{"containsFilter":true,"chatCompletions":true}`); a.Status != http.StatusOK {
		t.Fatalf("%s", a.Body)
	}
	put(t, source, http.MethodPost, "/indexes", `{"uid":"zebra","primaryKey":"data.id"}`)
	put(t, source, http.MethodPost, "/indexes", `{"uid":"empty"}`)
	put(t, source, http.MethodPatch, "/indexes/books/settings", settings)
	for from := 0; from < documents; from += 2000 {
		put(t, source, http.MethodPost, "/indexes/books/documents?primaryKey=id", books(from, min(from+2000, documents)))
	}
	put(t, source, http.MethodPost, "/indexes/zebra/documents", `[{"data":{"id":1,"more":"a"}},{"data":{"id":"two"}},{"data":{"id":3}}]`)
	put(t, source, http.MethodPatch, "/indexes/own_vectors/settings", `{"embedders":{"own":{"source":"userProvided","dimensions":3}}}`)
	put(t, source, http.MethodPost, "/indexes/own_vectors/documents?primaryKey=pk", vectors)
	put(t, source, http.MethodPost, "/indexes/raw_vectors/documents?primaryKey=pk", vectors)
	if a := source.Do(t, http.MethodPost, "/keys", `{"uid":"`+keyUID+`","name":"shop","description":"for the shop","actions":["search","documents.get"],"indexes":["books","z*"],"expiresAt":"2099-01-01T00:00:00Z"}`); a.Status != http.StatusCreated {
		t.Fatalf("%s", a.Body)
	}
}

func TestAServerIsImported(t *testing.T) {
	for name, shape := range map[string]fleet.Shape{"split": fleet.Split, "copies": fleet.Mixed} {
		t.Run(name, func(t *testing.T) {
			source := fleet.PlainWith(t, fleet.MasterKey)
			const documents = 5500
			fill(t, source, documents)
			f := fleet.Start(t, shape)
			t.Setenv("SOURCE_KEY", fleet.MasterKey)
			out, progress, err := run(t.Context(), f, source, "--key", "{env.SOURCE_KEY}")
			t.Logf("prints\n%s%s", progress, out)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out+progress, fleet.MasterKey) {
				t.Error("the key is printed")
			}
			for _, want := range []string{"5 indexes, 5,511 documents", "containsFilter", "chatCompletions stays off", "API keys made or renamed: 5"} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not said", want)
				}
			}
			compare(t, f, source)
			again, err := report(t, f, source)
			if err != nil || again.Keys != 0 || len(again.Features) != 0 {
				t.Errorf("a second time: %+v, %v", again, err)
			}
			for _, ix := range again.Indexes {
				if ix.Sent != 0 || !ix.Equal || ix.Passes != 1 || ix.Source != ix.Target {
					t.Errorf("a second time: %+v", ix)
				}
			}
		})
	}
}

// compare holds the fleet against the source.
func compare(t *testing.T, f *fleet.Fleet, source fleet.Node) {
	t.Helper()
	same := func(method, path, body string) {
		t.Helper()
		want, got := source.Do(t, method, path, body), f.Do(t, method, path, body)
		if a, b := known(t, want.Body), known(t, got.Body); got.Status != want.Status || a != b {
			t.Errorf("%s %s %s\ngateway %d %.3000s\nsource  %d %.3000s", method, path, body, got.Status, b, want.Status, a)
		}
	}
	for _, uid := range []string{"books", "zebra", "empty", "own_vectors", "raw_vectors"} {
		same(http.MethodGet, "/indexes/"+uid+"/settings", "")
		same(http.MethodPost, "/indexes/"+uid+"/documents/fetch", `{"limit":0}`)
	}
	same(http.MethodGet, "/keys/"+keyUID, "")
	for _, q := range []string{`{}`, `{"q":"book"}`, `{"q":"top shelf"}`, `{"q":"lowr","limit":50}`, `{"q":"日本語"}`,
		`{"q":"shelf","filter":"genre = g3 AND rank > 100","sort":["rank:desc"],"facets":["genre"]}`,
		`{"q":"number","page":3,"hitsPerPage":37,"sort":["rank:asc"]}`, `{"filter":"genre CONTAINS 2","facets":["*"]}`,
		`{"filter":"deep.a.b = three","limit":5}`, `{"sort":["_geoPoint(48,2):asc"],"limit":7}`} {
		same(http.MethodPost, "/indexes/books/search", q)
	}
	same(http.MethodPost, "/indexes/own_vectors/search", `{"vector":[0.1,0.2,0.4],"hybrid":{"embedder":"own","semanticRatio":1},"retrieveVectors":true}`)
	same(http.MethodPost, "/indexes/raw_vectors/documents/fetch", `{"ids":["a","b","c","d"],"retrieveVectors":true,"fields":["pk","_vectors"]}`)
	same(http.MethodPost, "/indexes/zebra/search", `{"q":""}`)
	for i := 0; i < 21; i++ {
		id := fmt.Sprint(i)
		if i%3 == 0 {
			id = fmt.Sprintf("book-%d_x", i)
		}
		same(http.MethodGet, "/indexes/books/documents/"+id, "")
	}
}

// known is an answer without what differs between any two servers.
func known(t *testing.T, body []byte) string {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, name := range []string{"processingTimeMs", "createdAt", "updatedAt", "requestUid", "chat"} {
		delete(value, name)
	}
	if list, ok := value["results"].([]any); ok { // a page of documents has the order of nodes
		text := make([]string, len(list))
		for i := range list {
			one, _ := json.Marshal(list[i])
			text[i] = string(one)
		}
		value["results"] = sorted(text)
	}
	out, _ := json.Marshal(value)
	return string(out)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
