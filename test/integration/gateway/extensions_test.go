package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// A reload changes who orders the hits, from the next search on, and a refused
// one does not.
func TestMergerFollowsAReload(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	var b strings.Builder
	b.WriteString("[")
	for i := range 90 {
		if i > 0 {
			b.WriteByte(',')
		}
		text := []string{"zebra in the wood", "zebra", "the zebra of the wood", "a zebra, and all of the others"}[i*7%4]
		fmt.Fprintf(&b, `{"id":%d,"text":%q}`, i, text)
	}
	for i := range 400 { // nearly all have "the"
		fmt.Fprintf(&b, `,{"id":%d,"text":"the wood"}`, 90+i)
	}
	f.Write(t, http.MethodPost, "/indexes/animals/documents?primaryKey=id", b.String()+"]")

	load := func(options ...string) error {
		err := f.Load(f.Caddyfile(options...))
		// The old configuration may still close connections that it accepted.
		fleet.Eventually(t, "the new configuration answers", func() bool {
			http.DefaultClient.CloseIdleConnections()
			response, err := http.Get(f.URL + "/health")
			return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
		})
		return err
	}
	page := func(from, limit int) []int {
		t.Helper()
		var answer struct{ Hits []struct{ ID int } }
		f.Want(t, http.StatusOK, http.MethodPost, "/indexes/animals/search", fmt.Sprintf(`{"q":"zebra the","offset":%d,"limit":%d}`, from, limit)).Decode(t, &answer)
		ids := make([]int, len(answer.Hits))
		for i, h := range answer.Hits {
			ids[i] = h.ID
		}
		return ids
	}
	orders := map[string][]int{}
	for _, merger := range []string{"details", "rrf", "dfs"} {
		if err := load("merger "+merger, "selection round_robin"); err != nil {
			t.Fatal(err)
		}
		if err := load("merger bm25"); err == nil {
			t.Fatal("an unknown merger is taken")
		}
		whole := page(0, 100)
		var turned []int
		for from := 0; from < 100; from += 9 {
			turned = append(turned, page(from, 9)...)
		}
		if len(whole) != 90 || !slices.Equal(whole, turned) {
			t.Errorf("%s: %d hits at once %v, page by page %v", merger, len(whole), whole, turned)
		}
		for other, order := range orders {
			if slices.Equal(order, whole) {
				t.Errorf("%s and %s give one order", merger, other)
			}
		}
		orders[merger] = whole
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	if back := page(0, 100); !slices.Equal(back, orders["details"]) {
		t.Errorf("by default %v, by details %v", back, orders["details"])
	}
}
