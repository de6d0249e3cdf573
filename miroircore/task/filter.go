package task

import (
	"math"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// matcher is a filter made ready for rows.
type matcher struct {
	table *Table

	uids, batches  map[uint32]bool // nil any; batches holds uids plus one
	cancels        map[uint32]bool // batches of the cancelations asked for, plus one; nil any
	kinds          uint32          // a bit each
	statuses       uint8
	indexes        map[uint32]bool // numbers plus one; nil any
	enqueued       span
	started        span
	finished       span
	visible        func(index string) bool
	sees           map[uint32]bool // answers of visible by number plus one
	withoutGlobals bool
}

// span is an open interval of nanoseconds.
type span struct{ after, before int64 }

func spanOf(after, before *time.Time) span {
	s := span{math.MinInt64, math.MaxInt64}
	if after != nil {
		s.after = nanos(*after)
	}
	if before != nil {
		s.before = nanos(*before)
	}
	return s
}

func (s span) open() bool { return s.after == math.MinInt64 && s.before == math.MaxInt64 }

func (s span) holds(at int64) bool { return at > s.after && at < s.before }

func setOf(list []uint32, add uint32) map[uint32]bool {
	if list == nil {
		return nil
	}
	set := make(map[uint32]bool, len(list))
	for _, n := range list {
		set[n+add] = true
	}
	return set
}

// matcher makes a filter ready. The lock must be held while it is used.
func (t *Table) matcher(f *request.TaskFilter, visible func(index string) bool) *matcher {
	m := &matcher{
		table: t, uids: setOf(f.UIDs, 0), batches: setOf(f.BatchUIDs, 1),
		enqueued: spanOf(f.AfterEnqueuedAt, f.BeforeEnqueuedAt), started: spanOf(f.AfterStartedAt, f.BeforeStartedAt),
		finished: spanOf(f.AfterFinishedAt, f.BeforeFinishedAt), visible: visible,
		withoutGlobals: visible != nil || f.IndexUIDs != nil,
	}
	if visible != nil {
		m.sees = make(map[uint32]bool)
	}
	if f.CanceledBy != nil {
		m.cancels = make(map[uint32]bool)
		for _, uid := range f.CanceledBy {
			if batch, ok := t.cancels[uid]; ok {
				m.cancels[batch+1] = true
			}
		}
	}
	for _, kind := range f.Types {
		m.kinds |= 1 << kindNumber(kind)
	}
	if f.Types == nil {
		m.kinds = math.MaxUint32
	}
	for _, status := range f.Statuses {
		m.statuses |= 1 << statusNumber(status)
	}
	if f.Statuses == nil {
		m.statuses = math.MaxUint8
	}
	if f.IndexUIDs != nil {
		m.indexes = make(map[uint32]bool)
		for _, name := range f.IndexUIDs {
			for _, number := range t.names.byName[name] {
				m.indexes[number+1] = true
			}
		}
	}
	return m
}

// everything says whether the filter lets all tasks through.
func (m *matcher) everything() bool {
	return m.uids == nil && m.batches == nil && m.cancels == nil && m.kinds == math.MaxUint32 &&
		m.statuses == math.MaxUint8 && m.indexes == nil && m.enqueued.open() && m.started.open() && m.finished.open()
}

// match says whether a task is chosen, whoever asks.
func (m *matcher) match(uid uint32, r *row) bool {
	switch {
	case m.statuses&(1<<r.status) == 0, m.kinds&(1<<r.kind) == 0:
		return false
	case m.uids != nil && !m.uids[uid]:
		return false
	case m.batches != nil && !m.batches[r.batch]:
		return false
	case m.cancels != nil && (statusName(r.status) != meili.StatusCanceled || !m.cancels[r.batch]):
		return false
	case m.indexes != nil && !m.touches(uid, r):
		return false
	}
	return m.inTime(uid, r)
}

// touches says whether the task is about an index asked for; a swap is about all
// of its indexes.
func (m *matcher) touches(uid uint32, r *row) bool {
	if r.index > 0 {
		return m.indexes[r.index]
	}
	for _, number := range m.table.swapped[uid] {
		if m.indexes[number+1] {
			return true
		}
	}
	return false
}

func (m *matcher) inTime(uid uint32, r *row) bool {
	if !m.enqueued.open() && !m.enqueued.holds(r.enqueued()) {
		return false
	}
	for _, side := range []struct {
		span   span
		offset uint32
		exact  func(*Task) time.Time
	}{
		{m.started, r.started, func(t *Task) time.Time { return t.StartedAt }},
		{m.finished, r.finished, func(t *Task) time.Time { return t.FinishedAt }},
	} {
		if side.span.open() {
			continue
		}
		if side.offset == 0 {
			return false
		}
		from := r.enqueued() + int64(side.offset-1)*int64(time.Millisecond)
		to := from + int64(time.Millisecond) - 1
		first, last := side.span.holds(from), side.span.holds(to)
		if first != last || r.flags&inexact != 0 {
			// The boundary lies inside this millisecond.
			task, err := m.table.task(uid)
			if err != nil || task == nil || !side.span.holds(nanos(side.exact(task))) {
				return false
			}
			continue
		}
		if !first {
			return false
		}
	}
	return true
}

// shows says whether a chosen task is shown to who asks. What belongs to no
// single index is left out where only some indexes are asked for or allowed.
func (m *matcher) shows(r *row) bool {
	if !m.withoutGlobals {
		return true
	}
	if kindName(r.kind).Global() {
		return false
	}
	if m.visible == nil {
		return true
	}
	if r.index == 0 {
		return false
	}
	sees, asked := m.sees[r.index]
	if !asked {
		sees = m.visible(m.table.names.byNumber[r.index-1])
		m.sees[r.index] = sees
	}
	return sees
}
