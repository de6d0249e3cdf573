package parity

import (
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// long runs all documents and queries on the double too.
var long = flag.Bool("long", false, "run all documents and queries on the double")

// odd is how many of the sets made by chance are run, on real servers: what odd
// values do there the double does not all do.
var odd = flag.Int("odd", 4, "how many odd sets to run")

// within and only narrow a run to a shape and to the sets of a name.
var within = flag.String("shape", "", "run this shape alone")
var only = flag.String("set", "", "run this set alone")

// shapes are the fleets that are held to the one server.
var shapes = []struct {
	name  string
	fleet fleet.Shape
	// split says that no node has all documents.
	split bool
}{
	{"full copies", fleet.Copies, false},
	{"split over three", fleet.Split, true},
	{"two copies on three", fleet.Mixed, true},
	{"two groups of two", fleet.Groups, true},
}

// The shares, in percent, of answers that have to be the same where an index is
// split. Where a node has all documents, and for queries without words, it is
// all of them.
const (
	wantedOfProse     = 98.0
	wantedOfOthers    = 99.5
	wantedOfOddCopies = 97.0
	// The double keeps the values of a facet in no tree, and so leaves others of
	// several equally frequent ones out.
	wantedOfRulesOnDouble = 95.0
	wantedOfOdd           = 96.0
)

func TestFleetAnswersAsOneServer(t *testing.T) {
	documents, queries, seeds := 300, 40, 0
	if *long || fleet.Binary() != "" {
		documents, queries, seeds = 0, 0, *odd
	}
	all, err := sets(documents, queries, seeds)
	if err != nil {
		t.Fatal(err)
	}
	if *only != "" {
		all = slices.DeleteFunc(all, func(s set) bool { return !strings.HasPrefix(s.name, *only) })
	}
	plain := fleet.Plain(t)
	one := newServer(t, plain.URL(), fleet.PlainKey)
	for i := range all {
		one.load(t, &all[i])
	}
	told := memory{one: one, answers: map[*query]*answer{}}
	var results table
	for _, shape := range shapes {
		if *within != "" && *within != shape.name {
			continue
		}
		t.Run(shape.name, func(t *testing.T) {
			f := fleet.Start(t, shape.fleet)
			gateway := newServer(t, f.URL, fleet.MasterKey)
			for i := range all {
				gateway.load(t, &all[i])
				compare(t, &told, gateway, shape.name, &all[i], &results)
			}
			targets(t, &results, shape.name, shape.split)
		})
	}
	t.Logf("\n%s", results.String())
}

// memory asks the one server each query once.
type memory struct {
	one     *server
	answers map[*query]*answer
}

func (m *memory) ask(s *set, q *query) (*answer, error) {
	if a := m.answers[q]; a != nil {
		return a, nil
	}
	a, err := m.one.ask(s, q)
	m.answers[q] = a
	return a, err
}

// compare asks both sides all queries of a set.
func compare(t *testing.T, told *memory, gateway *server, shape string, s *set, results *table) {
	t.Helper()
	shown := 0
	for i := range s.queries {
		q := &s.queries[i]
		want, err := told.ask(s, q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := gateway.ask(s, q)
		if err != nil {
			t.Fatal(err)
		}
		v, err := judge(want, got, func() (map[string]string, error) { return told.one.ranks(s, q) })
		if err != nil {
			t.Fatal(err)
		}
		entire := whole(want, got)
		results.add(shape, strings.TrimRight(s.name, "0123456789"), q.kind, v, entire) // the odd ones together
		if v != same || !entire && shown < 5 {
			body, err := json.Marshal(q.body)
			if err != nil {
				t.Fatal(err)
			}
			if v == same {
				shown++
			}
			t.Logf("%s, %s (%s), to the letter %t: %s %s\n %s", s.name, v, q.kind, entire, q.path, body, brief(want, got, v))
		}
	}
}

// brief shows the parts of two answers that differ.
func brief(want, got *answer, v verdict) string {
	if v == order || v == hits || v == ties {
		return fmt.Sprintf("want %.1500s\n got  %.1500s", fmt.Sprint(want.ids()), fmt.Sprint(got.ids()))
	}
	var out []string
	differ("", want.body, got.body, func(path string, w, g any) {
		if len(out) < 6 {
			out = append(out, fmt.Sprintf("%s: want %.300v, got %.300v", path, w, g))
		}
	})
	if len(out) == 0 {
		out = append(out, fmt.Sprintf("order of facets: want %.1500s\n got %.1500s", want.facets, got.facets))
	}
	return strings.Join(out, "\n ")
}

// differ visits the deepest parts in which two values differ.
func differ(path string, want, got any, visit func(path string, want, got any)) {
	w, isObject := want.(map[string]any)
	g, both := got.(map[string]any)
	if !isObject || !both {
		if wl, ok := want.([]any); ok {
			if gl, ok := got.([]any); ok && len(wl) == len(gl) {
				for i := range wl {
					differ(fmt.Sprintf("%s[%d]", path, i), wl[i], gl[i], visit)
				}
				return
			}
		}
		if !reflect.DeepEqual(want, got) {
			visit(path, want, got)
		}
		return
	}
	for name := range w {
		differ(path+"."+name, w[name], g[name], visit)
	}
	for name := range g {
		if _, ok := w[name]; !ok {
			visit(path+"."+name, nil, g[name])
		}
	}
}

// targets holds the counts of a shape to what is promised.
func targets(t *testing.T, results *table, shape string, split bool) {
	t.Helper()
	hold := func(what string, wanted float64, rows func(*row) bool) {
		t.Helper()
		sum := results.sum(func(r *row) bool { return r.shape == shape && rows(r) })
		// In a sample one answer is more than the share allowed.
		if sum.share(same) < wanted && !(wanted < 100 && sum.all-sum.count[same] == 1) {
			t.Errorf("%s: %.1f %% of %d answers are the same, want %.1f %%: %v", what, sum.share(same), sum.all, wanted, sum.count)
		}
	}
	limited := func(k kind) bool { return k == frequency && split }
	odd := func(r *row) bool { return r.set == "odd" }
	if !split {
		hold("a node has all documents", 100, func(r *row) bool { return !odd(r) && !limited(r.kind) })
		hold("odd, a node has all documents", wantedOfOddCopies, odd)
		return
	}
	hold("queries without words", 100, func(r *row) bool { return !odd(r) && (r.kind == plain || r.kind == facets || r.kind == mixed) })
	hold("odd", wantedOfOdd, odd)
	for _, name := range []string{"prose", "rules", "books", "symbols", "places", "vectors", "distinct"} {
		wanted := wantedOfOthers
		if name == "prose" || name == "rules" || name == "distinct" { // all of them prose
			wanted = wantedOfProse
		}
		if name == "rules" && fleet.Binary() == "" {
			wanted = wantedOfRulesOnDouble
		}
		hold(name, wanted, func(r *row) bool { return r.set == name && !limited(r.kind) })
	}
}
