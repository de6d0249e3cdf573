package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

func filled(t testing.TB, docs ...string) *Index {
	t.Helper()
	ix := New("i")
	ix.SetPrimaryKey("id")
	add(t, ix, docs...)
	return ix
}

func add(t testing.TB, ix *Index, docs ...string) {
	t.Helper()
	var raw []json.RawMessage
	for _, d := range docs {
		raw = append(raw, json.RawMessage(d))
	}
	if err := ix.Add(identified(raw), false, false); err != nil {
		t.Fatal(err)
	}
}

// listed gives the ids of the documents in their internal order.
func listed(t *testing.T, ix *Index) string {
	t.Helper()
	r, err := ix.Fetch(&request.DocumentsFetch{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, raw := range r.Results {
		var doc struct{ ID json.RawMessage }
		if err := json.Unmarshal(raw, &doc); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(doc.ID))
	}
	return strings.Join(ids, " ")
}

func TestFreedInternalIDsAreTakenAgain(t *testing.T) {
	ix := filled(t, `{"id":1}`, `{"id":2}`, `{"id":3}`, `{"id":4}`)
	ix.Delete([]string{"2", "3"})
	add(t, ix, `{"id":9}`)
	add(t, ix, `{"id":8}`, `{"id":7}`)
	if got := listed(t, ix); got != "1 9 8 4 7" {
		t.Error(got)
	}
}

func TestFieldsComeInTheOrderTheyWereFirstSeen(t *testing.T) {
	ix := filled(t, `{"id":1,"b":1}`, `{"a":2,"b":3,"id":2}`)
	got, _ := ix.Get("2", nil, false)
	if string(got) != `{"id":2,"b":3,"a":2}` {
		t.Errorf("%s", got)
	}
}

func TestEditDeletesWhatTheFunctionMakesNothingOf(t *testing.T) {
	ix := filled(t, `{"id":1}`, `{"id":2}`)
	_, deleted, err := ix.Edit(nil, func(doc json.RawMessage) (json.RawMessage, error) {
		if string(doc) == `{"id":1}` {
			return nil, nil
		}
		return json.RawMessage(`{"id":2,"x":true}`), nil
	})
	if err != nil || deleted != 1 {
		t.Fatal(deleted, err)
	}
	if got := listed(t, ix); got != "2" {
		t.Error(got)
	}
}

func TestAFailedEditChangesNothing(t *testing.T) {
	ix := filled(t, `{"id":1}`, `{"id":2}`)
	n := 0
	_, _, err := ix.Edit(nil, func(json.RawMessage) (json.RawMessage, error) {
		if n++; n == 2 {
			return nil, errors.New("no")
		}
		return nil, nil
	})
	if err == nil || ix.Len() != 2 {
		t.Error(ix.Len(), err)
	}
}

func BenchmarkAdd11000(b *testing.B) {
	for b.Loop() {
		filled(b, many(11000)...)
	}
}

func BenchmarkSearch11000(b *testing.B) {
	ix := filled(b, many(11000)...)
	for _, q := range []string{"", "s", "gloden riv", "the golden river under", "\"golden river\" tower castle -ship"} {
		b.Run(q, func(b *testing.B) {
			body, _ := json.Marshal(map[string]any{"q": q, "showRankingScore": true})
			s, err := request.ParseSearch(body)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := ix.Search(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func many(n int) []string {
	words := strings.Fields("golden river under the tower castle ship silent stone glass winter summer sailor story garden bright shadow storm silver night")
	docs := make([]string, n)
	for i := range docs {
		w := func(k int) string { return words[(i*k+i/7+k)%len(words)] }
		docs[i] = fmt.Sprintf(`{"id":%d,"title":"%s %s %s%d","overview":"%s %s the %s %s, %s %s %s"}`,
			i, w(3), w(7), w(5), i%97, w(1), w(11), w(13), w(2), w(17), w(19), w(4))
	}
	return docs
}
