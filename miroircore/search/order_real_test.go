package search

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

func TestMergersOverRealServers(t *testing.T) {
	for _, bin := range binaries() {
		f := newFleet(t, bin, [][]string{{"a", "b", "c"}}, 2)
		f.loadCorpus(2000)
		t.Run("frequencies are those of one server", func(t *testing.T) { frequenciesOfOne(t, f) })
		for name, m := range map[string]merge.Merger{"rrf": &merge.RRF{}, "dfs": &merge.DFS{Depth: 40}} {
			t.Run(name, func(t *testing.T) {
				f.reader.Tune(Tuning{Merger: m})
				pagesOfReal(t, f)
			})
		}
	}
}

func frequenciesOfOne(t *testing.T, f *fleet) {
	for _, query := range []string{"golden lantern", `"silver river" storm gar`, "the wolf hidden"} {
		q, refused := request.ParseSearch(fmt.Appendf(nil, `{"q":%q}`, query))
		if refused != nil {
			t.Fatal(refused)
		}
		p, refused := f.reader.prepare(f.ix, q, nil)
		if refused != nil {
			t.Fatal(refused)
		}
		terms, documents := f.reader.frequencies(context.Background(), Call{}, p)
		if documents != 2000 || len(terms) < 2 {
			t.Errorf("%q: %d documents, terms %v", query, documents, terms)
		}
		for _, term := range terms {
			_, one := f.single.call("POST", "/indexes/books/search", fmt.Sprintf(`{"q":%q,"limit":0,"matchingStrategy":"all"}`, term.Text))
			if want := fmt.Sprint(decode(t, one)["estimatedTotalHits"]); want != fmt.Sprint(term.Documents) {
				t.Errorf("%q is in %d documents, one server says %s", term.Text, term.Documents, want)
			}
		}
	}
}

// pagesOfReal walks searches page by page: the copies that answer change from
// one page to the next, the order does not.
func pagesOfReal(t *testing.T, f *fleet) {
	changed := 0
	for _, query := range []string{"golden lantern", "hidden wolf forest", "silver river storm gar"} {
		page := func(from, n int) []string {
			q, refused := request.ParseSearch(fmt.Appendf(nil, `{"q":%q,"offset":%d,"limit":%d}`, query, from, n))
			if refused != nil {
				t.Fatal(refused)
			}
			a, refused := f.reader.Search(context.Background(), Call{}, f.ix, q)
			if refused != nil {
				t.Fatal(refused)
			}
			return found3(t, a)
		}
		whole := page(0, 100)
		var turned []string
		for from := 0; from < 100; from += 10 {
			turned = append(turned, page(from, 10)...)
		}
		if !slices.Equal(whole, turned) {
			t.Errorf("%q: at once\n%v, page by page\n%v", query, whole, turned)
		}
		_, one := f.single.call("POST", "/indexes/books/search", fmt.Sprintf(`{"q":%q,"limit":100}`, query))
		if server := found3(t, &Answer{Body: one}); strings.Join(server, " ") != strings.Join(whole, " ") {
			changed++
		}
	}
	if changed == 0 {
		t.Error("the merger has changed nothing")
	}
}
