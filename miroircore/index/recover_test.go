package index

import (
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

// What nodes show leads back to the logical settings: to all of them where an
// earlier version is known, and to all that nodes are told where none is.
func TestLogicalUndoesPhysical(t *testing.T) {
	for name, test := range map[string]struct {
		patch string
		lost  string // names of settings that nodes are not told
	}{
		"usual":         {patch: `{}`},
		"attributes":    {patch: `{"filterableAttributes":["genre",{"attributePatterns":["price*"],"features":{"facetSearch":true,"filter":{"equality":true,"comparison":true}}}],"sortableAttributes":["year"],"searchableAttributes":["title"]}`},
		"rules":         {patch: `{"rankingRules":["words","year:desc"],"stopWords":["the"],"synonyms":{"a":["b"]}}`},
		"facets":        {patch: `{"faceting":{"maxValuesPerFacet":20000,"sortFacetValuesBy":{"*":"count"}}}`},
		"template":      {patch: `{"embedders":{"e":{"source":"ollama","model":"m","documentTemplate":"{%- for f in fields %}{{f.value}}{% endfor %}"}}}`},
		"displayed":     {patch: `{"displayedAttributes":["title"]}`, lost: "displayedAttributes"},
		"distinct":      {patch: `{"distinctAttribute":"sku"}`, lost: "distinctAttribute"},
		"few values":    {patch: `{"faceting":{"maxValuesPerFacet":7}}`, lost: "faceting"},
		"distinct both": {patch: `{"distinctAttribute":"sku","filterableAttributes":["sku"]}`, lost: "distinctAttribute"},
	} {
		want := settingsOf(t, test.patch)
		physical, err := settings.FromRaw(Physical(want))
		must(t, err)
		shown := physical.JSON(everything)
		if !Ours(shown) || Ours(want.JSON(everything)) {
			t.Errorf("%s: it cannot be told whose settings these are", name)
		}
		got, err := Logical(shown, want)
		must(t, err)
		if !got.Equal(want) {
			t.Errorf("%s: with the earlier settings:\n%s\n%s", name, got.Raw(), want.Raw())
		}
		got, err = Logical(shown, nil)
		must(t, err)
		if test.lost == "" && !got.Equal(want) {
			t.Errorf("%s: from the nodes alone:\n%s\n%s", name, got.Raw(), want.Raw())
		}
	}
}

// The key of an embedder, of which a node shows the beginning, is the earlier one.
func TestLogicalKeepsKeysOfEmbedders(t *testing.T) {
	earlier := settingsOf(t, `{"embedders":{"e":{"source":"openAi","apiKey":"sk-a-secret-that-is-long","model":"text-embedding-3-small"}}}`)
	shown := strings.Replace(string(Physical(earlier)), "sk-a-secret-that-is-long", "sk-aXXXX...", 1)
	got, err := Logical([]byte(shown), earlier)
	must(t, err)
	if !got.Equal(earlier) {
		t.Errorf("%s\n%s", got.Raw(), earlier.Raw())
	}
}

// Every change that would be missed raises the revision, a date does not, and
// what replaces the contents is there after a restart.
func TestRevisionAndReplacing(t *testing.T) {
	store := memory.New()
	c, err := Open(store)
	must(t, err)
	revisions := []uint64{c.Contents().Revision}
	place := func(string, int) *cluster.Placement { return &cluster.Placement{Epoch: 1} }
	step := func(err error) {
		t.Helper()
		must(t, err)
		now := c.Contents().Revision
		if now <= revisions[len(revisions)-1] {
			t.Errorf("the revision is %d after %v", now, revisions)
		}
		revisions = append(revisions, now)
	}
	at := time.Unix(1000, 0)
	made, err := c.Create(Spec{UID: "a", Shards: 4, Place: place, At: at})
	step(err)
	_, err = c.SetSettings("a", settingsOf(t, `{"distinctAttribute":"x"}`), at)
	step(err)
	_, err = c.SetPlacement("a", &cluster.Placement{Epoch: 2})
	step(err)
	_, err = c.Rename("a", "b", at)
	step(err)
	before := c.Contents().Revision
	must(t, c.Touch("b", at.Add(time.Hour)))
	if now := c.Contents().Revision; now != before {
		t.Errorf("a date raised the revision from %d to %d", before, now)
	}
	_, err = c.Drop("b")
	step(err)
	step(c.Forget(made.Physical))

	record, err := made.Record()
	must(t, err)
	back, err := FromRecord("other", record)
	must(t, err)
	next := Contents{Revision: 50, Indexes: []*Index{back}, Dropped: []string{"gone"}}
	must(t, c.Replace(next, func(tx state.Tx) error { return tx.Put("also", []byte("k"), []byte("v")) }))
	if err := c.Replace(Contents{Revision: 49}, func(state.Tx) error { return nil }); err == nil {
		t.Error("the revision went back")
	}
	again, err := Open(store)
	must(t, err)
	got := again.Contents()
	if got.Revision != 50 || len(got.Indexes) != 1 || got.Indexes[0].UID != "other" || len(got.Dropped) != 1 {
		t.Errorf("after a restart there is %+v", got)
	}
}
