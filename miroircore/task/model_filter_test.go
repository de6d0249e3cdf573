package task

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

func (m *machine) filter(rt *rapid.T) request.TaskFilter {
	var f request.TaskFilter
	some := func(what string) bool { return rapid.IntRange(0, 3).Draw(rt, "filter by "+what) == 0 }
	numbers := rapid.SliceOfN(rapid.Uint32Range(0, m.given+1), 0, 6)
	if some("uids") {
		f.UIDs = append([]uint32{}, numbers.Draw(rt, "uids")...)
	}
	if some("batchUids") {
		f.BatchUIDs = append([]uint32{}, numbers.Draw(rt, "batches")...)
	}
	if some("canceledBy") {
		f.CanceledBy = append([]uint32{}, numbers.Draw(rt, "cancelers")...)
	}
	if some("types") {
		f.Types = rapid.SliceOfN(rapid.SampledFrom(meili.TaskTypes), 1, 9).Draw(rt, "types")
	}
	if some("statuses") {
		f.Statuses = rapid.SliceOfN(rapid.SampledFrom(meili.TaskStatuses), 1, 3).Draw(rt, "statuses")
	}
	if some("indexUids") {
		f.IndexUIDs = rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "none"}), 1, 2).Draw(rt, "indexes")
	}
	if some("enqueuedAt") {
		at := epoch.Add(time.Duration(rapid.Int64Range(0, m.clock.at.Sub(epoch).Nanoseconds()).Draw(rt, "after")))
		f.AfterEnqueuedAt = &at
	}
	return f
}

func (task modelTask) matches(uid uint32, f *request.TaskFilter) bool {
	in := func(list []uint32, n int64) bool {
		return list == nil || n >= 0 && slices.Contains(list, uint32(n))
	}
	return in(f.UIDs, int64(uid)) && in(f.BatchUIDs, task.batch) && in(f.CanceledBy, task.canceled) &&
		(f.Types == nil || slices.Contains(f.Types, task.kind)) && (f.Statuses == nil || slices.Contains(f.Statuses, task.status)) &&
		(f.IndexUIDs == nil || !task.kind.Global() && slices.Contains(f.IndexUIDs, task.index)) &&
		(f.AfterEnqueuedAt == nil || task.at.After(*f.AfterEnqueuedAt))
}
