package rebalance

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

// Of the indexes on a node that is rebuilt only those go that the catalog does not
// know any more and that the node says this fleet made.
func TestOnlyWhatTheFleetMadeIsCleanedAway(t *testing.T) {
	const key = "aKeyOfTheNodes"
	double := minimeili.Run(t, minimeili.WithMasterKey(key), minimeili.WithDir(t.TempDir()))
	at, err := url.Parse("http://" + double.Addr())
	if err != nil {
		t.Fatal(err)
	}
	transport := node.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	client := node.New("a", at, func() []string { return []string{key} }, transport)
	for _, uid := range []string{"known", "dropped", "foreign", "newer"} {
		queued, err := client.Enqueue(t.Context(), http.MethodPost, "/indexes", node.JSON([]byte(`{"uid":"`+uid+`"}`)))
		if err == nil {
			_, err = client.Wait(t.Context(), queued.TaskUID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	catalog, err := index.Open(memory.New())
	if err != nil {
		t.Fatal(err)
	}
	place := func(string, int) *cluster.Placement { return &cluster.Placement{Epoch: 1} }
	if _, err := catalog.Create(index.Spec{UID: "known", Shards: 1, Place: place, At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	r := &Reconciler{o: Options{Catalog: catalog, Made: func(context.Context, *node.Client) ([]string, error) { return []string{"known", "dropped"}, nil }}}
	if err := r.clean(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	left, err := client.Indexes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ix := range left {
		names = append(names, ix.UID)
	}
	slices.Sort(names)
	if want := []string{"foreign", "known", "newer"}; !slices.Equal(names, want) {
		t.Errorf("the node has %v, want %v", names, want)
	}
}
