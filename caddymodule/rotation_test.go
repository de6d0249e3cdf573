package caddymodule_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// The key of the nodes is changed while clients write: with both keys in the
// configuration each node may have either.
func TestTheNodeKeyIsChangedWhileItRuns(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	mint := func(uid string) (keys []string) {
		for _, n := range f.Nodes {
			var made struct {
				Key string `json:"key"`
			}
			n.Do(t, http.MethodPost, "/keys", fmt.Sprintf(`{"uid":%q,"actions":["*"],"indexes":["*"],"expiresAt":null}`, uid)).Decode(t, &made)
			keys = append(keys, made.Key)
		}
		return keys
	}
	const first, second = "6062abda-a5aa-4414-ac91-ecd7944c0f8d", "6062abda-a5aa-4414-ac91-ecd7944c0f8e"
	before, after := mint(first)[0], mint(second)[0]
	line := regexp.MustCompile(`node_key .*`)
	load := func(keys string) {
		t.Helper()
		if err := f.Load(line.ReplaceAllString(f.Caddyfile(), "node_key "+keys)); err != nil {
			t.Fatal(err)
		}
	}
	written := 0
	write := func() {
		t.Helper()
		task := f.Write(t, http.MethodPost, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d}]`, written))
		if written++; task.Status != "succeeded" {
			t.Fatalf("%+v", task)
		}
	}
	load(before)
	write()
	load(before + " " + after)
	for _, n := range f.Nodes {
		if a := n.Do(t, http.MethodDelete, "/keys/"+first, ""); a.Status != http.StatusNoContent {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		write()
	}
	load(after)
	write()
	for _, n := range f.Nodes {
		fleet.Eventually(t, "node "+n.ID+" has every document", func() bool {
			a := n.Do(t, http.MethodGet, "/indexes/books/stats", "")
			return strings.Contains(string(a.Body), fmt.Sprintf(`"numberOfDocuments":%d,`, written))
		})
	}
}
