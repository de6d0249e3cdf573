package parity

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
)

// verdict says in what two answers differ. What matters more comes first: an
// answer that has other hits is not asked for its facets.
type verdict string

const (
	same   verdict = "same"   // hits, order, totals, facets and their statistics
	ties   verdict = "ties"   // but for the order of hits that rank alike
	order  verdict = "order"  // the same hits in another order
	hits   verdict = "hits"   // other hits
	totals verdict = "totals" // another number of hits or pages
	counts verdict = "facets" // other facets or statistics of facets
	status verdict = "status" // another HTTP status or another error
)

// verdicts are all, in the order of the table.
var verdicts = []verdict{same, ties, order, hits, totals, counts, status}

// answer is what a server said.
type answer struct {
	status int
	raw    []byte
	body   map[string]any
	facets json.RawMessage // as sent: the order of their values is part of them
}

func newAnswer(status int, raw []byte) (*answer, error) {
	a := &answer{status: status, raw: raw}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&a.body); err != nil {
		return nil, err
	}
	for _, volatile := range []string{"processingTimeMs", "requestUid", "link"} {
		delete(a.body, volatile)
	}
	var ordered struct {
		FacetDistribution json.RawMessage
	}
	if err := json.Unmarshal(raw, &ordered); err != nil {
		return nil, err
	}
	a.facets = ordered.FacetDistribution
	return a, nil
}

// ids are the answer's hits, each by its id or, where that is not shown, whole.
func (a *answer) ids() []string {
	name := "hits"
	if a.body["facetHits"] != nil {
		name = "facetHits"
	}
	list, _ := a.body[name].([]any)
	out := make([]string, len(list))
	for i, item := range list {
		hit, _ := item.(map[string]any)
		shown := hit["id"]
		if shown == nil {
			bare := map[string]any{}
			for k, v := range hit {
				if k != "_rankingScore" && k != "_rankingScoreDetails" {
					bare[k] = v
				}
			}
			shown = bare
		}
		text, _ := json.Marshal(shown) // decoded from JSON: it goes back
		out[i] = string(text)
	}
	return out
}

// whole reports whether the answers are equal in all they show: scores,
// highlighting and the order of facets as well.
func whole(want, got *answer) bool {
	return want.status == got.status && reflect.DeepEqual(want.body, got.body) && bytes.Equal(want.facets, got.facets)
}

// judge compares an answer with the one server's. rank tells how a hit ranks
// there; it is asked only where the order differs.
func judge(want, got *answer, rank func() (map[string]string, error)) (verdict, error) {
	if want.status != got.status {
		return status, nil
	}
	if want.status >= 400 {
		if reflect.DeepEqual(want.body, got.body) {
			return same, nil
		}
		return status, nil
	}
	w, g := want.ids(), got.ids()
	first := same
	if !slices.Equal(w, g) {
		ranks, err := rank()
		if err != nil {
			return "", err
		}
		switch {
		case alike(w, g, ranks):
			first = ties
		case sameSet(w, g):
			return order, nil
		default:
			return hits, nil
		}
	}
	for _, total := range []string{"estimatedTotalHits", "totalHits", "totalPages", "semanticHitCount"} {
		if !reflect.DeepEqual(want.body[total], got.body[total]) {
			return totals, nil
		}
	}
	for _, facet := range []string{"facetDistribution", "facetStats", "facetsByIndex"} {
		if !reflect.DeepEqual(want.body[facet], got.body[facet]) {
			return counts, nil
		}
	}
	return first, nil
}

// alike reports whether each place has a hit that ranks as the other's does.
func alike(a, b []string, ranks map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		rank, known := ranks[a[i]]
		if a[i] != b[i] && (!known || ranks[b[i]] != rank) {
			return false
		}
	}
	return true
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
