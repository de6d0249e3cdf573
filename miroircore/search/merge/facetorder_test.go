package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func sumOf(t *testing.T, answers ...[2]string) *Facets {
	t.Helper()
	var f Facets
	for _, a := range answers {
		if err := f.Add([]byte(a[0]), []byte(a[1])); err != nil {
			t.Fatal(err)
		}
	}
	return &f
}

func byCounts(string) bool { return true }

func TestNumbersAreToldFromTexts(t *testing.T) {
	// The first answer has numbers in the order of their texts and then a text that
	// is no more in that order, the second no numbers at all, the third numbers by
	// their counts.
	f := sumOf(t, [2]string{`{"n":{"10":2,"9":1,"1e3":1,"7":1}}`, `{"n":{"min":9,"max":10}}`}, [2]string{`{"n":{"10":4}}`, `{}`},
		[2]string{`{"n":{"9":3,"10":1,"12":1}}`, `{"n":{"min":9,"max":12}}`})
	if got := string(f.AppendField(nil, "n", Render{Max: 100})); got != `{"10":4,"12":1,"9":4,"1e3":1,"7":1}` {
		t.Errorf("got %s", got) // the text 10 takes the number's place and count
	}
	if mixed := f.Mixed(nil); !slices.Equal(mixed, []string{"n"}) {
		t.Errorf("mixed are %v", mixed)
	}
}

func TestWhatHidesIsAskedFor(t *testing.T) {
	f := sumOf(t, [2]string{`{"n":{"10":5,"11":2,"12":1,"a":1}}`, `{"n":{"min":10,"max":12}}`})
	numbers := sumOf(t, [2]string{`{"n":{"10":3,"11":2,"12":1}}`, `{"n":{"min":10,"max":12}}`})
	f.Split("n", numbers, []Text{{"10", "10", 5}, {"a", "a", 1}})
	if got := string(f.AppendField(nil, "n", Render{Max: 100})); got != `{"10":5,"11":2,"12":1,"a":1}` {
		t.Errorf("all: %s", got)
	}
	// Only three values are shown: the text does not come to its turn.
	if got := string(f.AppendField(nil, "n", Render{Max: 3})); got != `{"10":3,"11":2,"12":1}` {
		t.Errorf("three: %s", got)
	}
	if hidden := f.Hidden("n", 3); !slices.Equal(hidden, []string{"10"}) || f.Hidden("n", 100) != nil {
		t.Errorf("hidden are %v", hidden)
	}
	f.Recount("n", "10", 0)
	if got := string(f.AppendField(nil, "n", Render{Max: 3})); got != `{"11":2,"12":1,"10":5}` {
		t.Errorf("no number: %s", got)
	}
	f = sumOf(t, [2]string{`{"n":{"10":5,"a":1,"11":2}}`, `{"n":{"min":10,"max":11}}`})
	f.Guess("n")
	if got := string(f.AppendField(nil, "n", Render{Max: 100})); got != `{"10":5,"11":2,"a":1}` {
		t.Errorf("guessed: %s", got)
	}
}

func TestNumbersThatFillTheLimitDoNotLimitTexts(t *testing.T) {
	f := sumOf(t, [2]string{`{"n":{"1":9,"2":8,"a":3,"b":2}}`, `{"n":{"min":1,"max":2}}`})
	for most, want := range map[int]string{1: `{"1":9,"a":3,"b":2}`, 2: `{"1":9,"2":8,"a":3,"b":2}`, 3: `{"1":9,"2":8,"a":3}`} {
		if got := string(f.AppendField(nil, "n", Render{Max: most, ByCount: byCounts})); got != want {
			t.Errorf("%d: got %s, want %s", most, got, want)
		}
	}
	if got := string(f.AppendField(nil, "n", Render{Max: 2})); got != `{"1":9,"2":8}` {
		t.Errorf("one by one: %s", got)
	}
}

// Of equally frequent values the last comes first, but for those that stand
// alone among four that stand together in the index.
func TestEqualCountsFollowTheTreeOfValues(t *testing.T) {
	all := make([]string, 24)
	for i := range all {
		all[i] = fmt.Sprintf(`"v%02d":1`, i)
	}
	index := sumOf(t, [2]string{`{"v":{` + strings.Join(all, ",") + `}}`, ``})
	f := sumOf(t, [2]string{`{"v":{"v00":2,"v01":2,"v05":2,"v08":2,"v09":2,"v20":2}}`, ``})
	render := Render{Max: 2, ByCount: byCounts}
	if got := string(f.AppendField(nil, "v", render)); got != `{"v20":2,"v09":2}` {
		t.Errorf("without the tree: %s", got)
	}
	if cut := f.Cut(render); !slices.Equal(cut, []string{"v"}) {
		t.Fatalf("cut are %v", cut)
	}
	f.Tree("v", index)
	// v08 and v09 share a group, as v00 and v01 do; these are gone into first, and
	// what they hold is out before the groups of v05 and v20 are.
	if got := string(f.AppendField(nil, "v", Render{Max: 6, ByCount: byCounts})); got != `{"v09":2,"v08":2,"v01":2,"v00":2,"v20":2,"v05":2}` {
		t.Errorf("with the tree: %s", got)
	}
	if cut := f.Cut(Render{Max: 6, ByCount: byCounts}); cut != nil {
		t.Errorf("cut are %v", cut)
	}
}

func TestSpellingsThatDiffer(t *testing.T) {
	f := sumOf(t, [2]string{`{"g":{"Fantasy":1,"poetry":1}}`, ``}, [2]string{`{"g":{"fantasy":2,"poetry":1}}`, ``})
	if d := f.Disputed(nil); len(d) != 1 || !slices.Equal(d["g"], []string{"fantasy"}) {
		t.Errorf("disputed are %v", d)
	}
	f.Spell("g", "fantasy", "fantasy")
	if got := string(f.AppendField(nil, "g", Render{Max: 9})); got != `{"fantasy":3,"poetry":2}` || f.Disputed(nil) != nil {
		t.Errorf("got %s", got)
	}
}
