package task

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
)

// million gives a table of a million finished tasks of a hundred indexes.
func million(b *testing.B) *Table {
	b.Helper()
	path := b.TempDir() + "/state.db"
	store, err := bolt.Open(path, bolt.Options{})
	must(b, err)
	b.Cleanup(func() { must(b, store.Close()) })
	table, err := Open(store, Options{Keep: 1 << 30})
	must(b, err)
	for uid := range uint32(1_000_000) {
		index := "index" + strconv.Itoa(int(uid%100))
		at := epoch.Add(time.Duration(uid) * time.Millisecond)
		batch := uid
		table.Add(Task{
			UID: uid, IndexUID: &index, Type: meili.TypeDocumentAdditionOrUpdate, Status: meili.StatusSucceeded, BatchUID: &batch,
			Details: []byte(`{"receivedDocuments":1,"indexedDocuments":1}`), EnqueuedAt: at, StartedAt: at.Add(5), FinishedAt: at.Add(9_000_000),
		})
		if uid%50_000 == 0 {
			must(b, table.Flush())
		}
	}
	must(b, table.Close())
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	table, err = Open(store, Options{Keep: 1 << 30})
	must(b, err)
	opened := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Cleanup(func() { must(b, table.Close()) })
	b.Logf("opening a million took %v; they take %.1f bytes each in memory", opened, float64(after.HeapAlloc-before.HeapAlloc)/1e6)
	return table
}

func BenchmarkMillion(b *testing.B) {
	table := million(b)
	from := uint32(500_000)
	day := epoch.Add(400 * time.Second)
	for name, q := range map[string]request.Tasks{
		"newest":   {Limit: 20},
		"middle":   {Limit: 20, From: &from},
		"byIndex":  {Limit: 20, TaskFilter: request.TaskFilter{IndexUIDs: []string{"index7"}}},
		"byStatus": {Limit: 20, TaskFilter: request.TaskFilter{Statuses: []meili.TaskStatus{meili.StatusFailed}}},
		"byTime":   {Limit: 20, TaskFilter: request.TaskFilter{AfterFinishedAt: &day}},
		"byUID":    {Limit: 20, TaskFilter: request.TaskFilter{UIDs: []uint32{5, 900_000}}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := table.List(q, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("batches", func(b *testing.B) {
		for b.Loop() {
			if _, err := table.Batches(request.Tasks{Limit: 20}, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
