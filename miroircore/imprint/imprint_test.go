package imprint_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/imprint"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T) *node.Client {
	t.Helper()
	double := minimeili.Run(t, minimeili.WithMasterKey("aKeyOfTheNodes"), minimeili.WithDir(t.TempDir()))
	at, err := url.Parse("http://" + double.Addr())
	if err != nil {
		t.Fatal(err)
	}
	transport := node.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return node.New("a", at, func() []string { return []string{"aKeyOfTheNodes"} }, transport)
}

func tasks(t *testing.T, c *node.Client) int {
	t.Helper()
	page, err := c.Tasks(t.Context(), node.TaskQuery{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return page.Total
}

// What is written is read again, a change costs one task, what is gone goes, and
// a writer that starts anew on a node that has everything writes nothing.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	c := client(t)
	if mark, err := imprint.Read(t.Context(), c); mark != nil || err != nil {
		t.Fatalf("a new node has the mark %v, %v", mark, err)
	}
	catalog, err := index.Open(memory.New())
	if err != nil {
		t.Fatal(err)
	}
	place := func(string, int) *cluster.Placement {
		return &cluster.Placement{Epoch: 3, Groups: []cluster.GroupPlacement{{ID: "g", Copies: 1, Shards: [][]string{{"a"}}}}}
	}
	for n := range 300 {
		if _, err := catalog.Create(index.Spec{UID: fmt.Sprintf("index-%d", n), Shards: 1, PrimaryKey: "id", Place: place, At: time.Unix(100, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	var w imprint.Writer
	write := func(w *imprint.Writer, operation uint64) {
		t.Helper()
		now := catalog.Contents()
		m := imprint.Mark{Fleet: "f", Node: "a", Revision: now.Revision, Dropped: now.Dropped, Operation: operation}
		if w.Behind(m) {
			if err := w.Write(t.Context(), c, m, now.Indexes); err != nil {
				t.Fatal(err)
			}
		}
		if w.Behind(m) {
			t.Error("the node is behind what it was told")
		}
	}
	check := func() {
		t.Helper()
		mark, err := imprint.Read(t.Context(), c)
		if err != nil || mark == nil {
			t.Fatal(mark, err)
		}
		now := catalog.Contents()
		if mark.Fleet != "f" || mark.Revision != now.Revision || len(mark.Indexes) != len(now.Indexes) || !slices.Equal(mark.Dropped, now.Dropped) {
			t.Errorf("the mark is %+v", mark)
		}
		entries, err := imprint.Entries(t.Context(), c, mark)
		if err != nil || len(entries) != len(now.Indexes) {
			t.Fatalf("%d entries of %d, %v", len(entries), len(now.Indexes), err)
		}
		for _, ix := range now.Indexes {
			if got := entries[ix.Physical]; got.UID != ix.UID || got.PrimaryKey != "id" || got.Placement.Epoch != 3 || !got.Settings.Equal(ix.Settings) {
				t.Errorf("index %s is %+v", ix.UID, got)
			}
		}
		stats, err := c.IndexStats(t.Context(), imprint.Index)
		if err != nil || int(stats.NumberOfDocuments) != len(now.Indexes)+1 {
			t.Errorf("the node has %d documents for %d indexes, %v", stats.NumberOfDocuments, len(now.Indexes), err)
		}
	}
	write(&w, 1)
	check()
	before := tasks(t, c)
	write(&w, 5)
	write(new(imprint.Writer), 5)
	if now := tasks(t, c); now != before {
		t.Errorf("%d tasks for nothing", now-before)
	}
	if _, err := catalog.Rename("index-7", "renamed", time.Now()); err != nil {
		t.Fatal(err)
	}
	write(&w, 5)
	check()
	if now := tasks(t, c); now != before+1 {
		t.Errorf("a change took %d tasks", now-before)
	}
	if _, err := catalog.Drop("index-8"); err != nil {
		t.Fatal(err)
	}
	write(new(imprint.Writer), 5) // as after a restart
	check()
}

// A writer that has not noticed yet that its node was given to another fleet
// does not take it back; one that is to take it over does.
func TestTheMarkOfAnotherFleetIsLeft(t *testing.T) {
	c := client(t)
	owner := func() string {
		t.Helper()
		mark, err := imprint.Read(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return mark.Fleet
	}
	var first, second imprint.Writer
	second.TakeOver = true
	if err := first.Write(t.Context(), c, imprint.Mark{Fleet: "first", Revision: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if err := second.Write(t.Context(), c, imprint.Mark{Fleet: "second", Revision: 1}, nil); err != nil || owner() != "second" {
		t.Fatalf("the node is %s's: %v", owner(), err)
	}
	for _, w := range []*imprint.Writer{&first, {}} {
		err := w.Write(t.Context(), c, imprint.Mark{Fleet: "first", Revision: 2}, nil)
		if !errors.Is(err, imprint.ErrTaken) || owner() != "second" {
			t.Errorf("the node is %s's: %v", owner(), err)
		}
	}
}
