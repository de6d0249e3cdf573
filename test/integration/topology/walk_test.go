package topology

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// walk goes through all pages of a search and fails the test unless each document
// is there once.
func walk(t *testing.T, f *fleet.Fleet, size int) {
	t.Helper()
	seen := map[int]int{}
	for offset := 0; offset < documents; offset += size {
		var got found
		send(t, f, http.MethodPost, "/indexes/books/search", fmt.Sprintf(`{"q":"lasting","offset":%d,"limit":%d,"attributesToRetrieve":["id"]}`, offset, size), &got)
		for _, hit := range got.Hits {
			seen[hit.ID]++
		}
	}
	for id := range documents {
		if seen[id] != 1 {
			t.Errorf("a walk through pages of %d finds document %d %d times", size, id, seen[id])
			return
		}
	}
}

// The index stays as it is while its shards move: whoever pages through it meets
// each document once, though the pages come from other nodes than the ones
// before.
func TestPagesGiveEachDocumentOnceWhileShardsMove(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	load(t, f)
	settled(t, f, 2, func(map[string]int) bool { return true })
	var done atomic.Bool
	var walking sync.WaitGroup
	walks := 0
	walking.Go(func() {
		for ; !done.Load() && !t.Failed(); walks++ {
			walk(t, f, 30+walks%50)
		}
	})
	f.Grow(t)
	settled(t, f, 2, func(s map[string]int) bool { return s["g1n4"] > 0 })
	f.Shrink(t)
	settled(t, f, 2, func(s map[string]int) bool { _, there := s["g1n4"]; return !there })
	f.Copies(t, 3)
	settled(t, f, 3, func(map[string]int) bool { return true })
	f.Copies(t, 1)
	settled(t, f, 1, func(map[string]int) bool { return true })
	done.Store(true)
	walking.Wait()
	if walks < 3 {
		t.Errorf("%d walks only", walks)
	}
}
