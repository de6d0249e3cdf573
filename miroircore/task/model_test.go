package task

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

var errCrash = errors.New("the machine is gone")

// crashing is a store whose machine goes away after some updates.
type crashing struct {
	state.Store
	left atomic.Int64
}

func (c *crashing) Update(fn func(state.Tx) error) error {
	if c.left.Add(-1) < 0 {
		return errCrash
	}
	return c.Store.Update(fn)
}

// modelTask is what the model knows of a task.
type modelTask struct {
	index    string
	kind     meili.TaskType
	status   meili.TaskStatus
	canceled int64 // by whom, -1 nobody
	at       time.Time
	batch    int64 // -1 none
}

type modelTasks map[uint32]modelTask

type machine struct {
	inner   *memory.Store
	store   *crashing
	table   *Table
	clock   *clock
	now     modelTasks
	durable modelTasks
	given   uint32 // uids below were given
}

func (m *machine) open(rt *rapid.T) {
	m.store = &crashing{Store: m.inner}
	m.store.left.Store(1 << 30)
	table, err := Open(m.store, Options{Now: m.clock.now, lull: time.Hour})
	if err != nil {
		rt.Fatal(err)
	}
	m.table = table
}

// lost is called when the store failed: the gateway starts again from what was
// durable, and the journal brings back what was not.
func (m *machine) lost(rt *rapid.T) {
	old := m.table
	if len(old.dirty) == 0 && len(old.gone) == 0 { // it failed after all was written
		m.keep()
	}
	again := slices.Sorted(maps.Keys(m.now))
	m.open(rt)
	m.store.left.Store(1 << 30)
	after := maps.Clone(m.durable)
	for _, uid := range again {
		if _, kept := after[uid]; kept {
			continue
		}
		task := m.now[uid]
		if task.kind == meili.TypeTaskDeletion || task.kind == meili.TypeTaskCancelation {
			continue // never answered
		}
		task.status, task.canceled, task.batch = meili.StatusEnqueued, -1, -1
		after[uid] = task
		m.add(uid, task)
	}
	for uid, task := range m.durable {
		if !task.status.Finished() {
			task.status, task.batch = meili.StatusEnqueued, -1
			after[uid] = task
			m.add(uid, task)
		}
	}
	m.now = after
	_ = old.Close() // its store is gone; only its goroutine has to end
}

func (m *machine) add(uid uint32, task modelTask) {
	made := Task{UID: uid, Type: task.kind, EnqueuedAt: task.at}
	if !task.kind.Global() {
		made.IndexUID = &task.index
	}
	m.table.Add(made)
}

// keep takes what is durable now: all but unfinished tasks, which the journal has.
func (m *machine) keep() {
	m.durable = modelTasks{}
	for uid, task := range m.now {
		if task.status.Finished() {
			m.durable[uid] = task
		}
	}
}

func (m *machine) pick(rt *rapid.T, statuses ...meili.TaskStatus) (uint32, bool) {
	var uids []uint32
	for _, uid := range slices.Sorted(maps.Keys(m.now)) {
		if slices.Contains(statuses, m.now[uid].status) {
			uids = append(uids, uid)
		}
	}
	if len(uids) == 0 {
		return 0, false
	}
	return rapid.SampledFrom(uids).Draw(rt, "uid"), true
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"add": m.doAdd, "start": m.doStart, "finish": m.doFinish, "cancel": m.doCancel, "delete": m.doDelete, "flush": m.doFlush,
		"crash": func(rt *rapid.T) {
			m.store.left.Store(rapid.Int64Range(0, 2).Draw(rt, "updates before the crash"))
		},
		"restart": m.doRestart, "swap": m.doSwap, "": m.check,
	}
}

func (m *machine) doAdd(rt *rapid.T) {
	uid, err := m.table.Reserve()
	if err != nil {
		m.lost(rt)
		return
	}
	if uid < m.given {
		rt.Fatalf("uid %d was given before", uid)
	}
	m.given = uid + 1
	task := modelTask{
		index: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "index"), canceled: -1, batch: -1, status: meili.StatusEnqueued, at: m.clock.now(),
		kind: rapid.SampledFrom([]meili.TaskType{meili.TypeSettingsUpdate, meili.TypeIndexDeletion, meili.TypeSnapshotCreation}).Draw(rt, "type"),
	}
	m.now[uid] = task
	m.add(uid, task)
	m.add(uid, modelTask{index: "other", kind: meili.TypeIndexCreation}) // has no effect
}

func (m *machine) doStart(rt *rapid.T) {
	uid, ok := m.pick(rt, meili.StatusEnqueued)
	if !ok {
		return
	}
	if err := m.table.Start(uid, m.clock.now()); err != nil {
		m.lost(rt)
		return
	}
	m.learnBatch(uid, meili.StatusProcessing)
}

// learnBatch takes the batch from the table: its number must be new.
func (m *machine) learnBatch(uid uint32, status meili.TaskStatus) {
	found, _ := m.table.Get(uid)
	task := m.now[uid]
	task.status, task.batch = status, int64(*found.BatchUID)
	m.now[uid] = task
}

func (m *machine) doFinish(rt *rapid.T) {
	uid, ok := m.pick(rt, meili.StatusProcessing)
	if !ok {
		return
	}
	status := rapid.SampledFrom([]meili.TaskStatus{meili.StatusSucceeded, meili.StatusFailed}).Draw(rt, "status")
	m.table.Finish(uid, Outcome{Status: status, At: m.clock.now()})
	m.table.Finish(uid, Outcome{Status: meili.StatusCanceled, At: m.clock.now()}) // has no effect
	task := m.now[uid]
	task.status = status
	m.now[uid] = task
}

func (m *machine) doCancel(rt *rapid.T) {
	f := m.filter(rt)
	allow := rapid.Bool().Draw(rt, "not sent yet")
	before := maps.Clone(m.now)
	own, err := m.table.Cancel(f, "?", nil, func(uid uint32) bool { return allow })
	if err != nil {
		m.lost(rt)
		return
	}
	matched, canceled := 0, 0
	m.recordOwn(own, meili.TypeTaskCancelation)
	for uid, task := range before {
		if !task.matches(uid, &f) {
			continue
		}
		matched++
		if !task.status.Finished() && allow {
			canceled++
			task.canceled = int64(own.UID)
			m.now[uid] = task
			m.learnBatch(uid, meili.StatusCanceled)
		}
	}
	m.expectDetails(rt, own.UID, fmt.Sprintf(`{"matchedTasks":%d,"canceledTasks":%d,"originalFilter":"?"}`, matched, canceled))
	m.keep()
}

func (m *machine) doDelete(rt *rapid.T) {
	f := m.filter(rt)
	before := maps.Clone(m.now)
	own, err := m.table.Delete(f, "?", nil)
	if err != nil {
		m.lost(rt)
		return
	}
	m.recordOwn(own, meili.TypeTaskDeletion)
	matched, deleted := 0, 0
	for uid, task := range before {
		if task.matches(uid, &f) {
			matched++
			if task.status.Finished() {
				deleted++
				delete(m.now, uid)
			}
		}
	}
	m.expectDetails(rt, own.UID, fmt.Sprintf(`{"matchedTasks":%d,"deletedTasks":%d,"originalFilter":"?"}`, matched, deleted))
	m.keep()
}

func (m *machine) recordOwn(own Task, kind meili.TaskType) {
	m.given = own.UID + 1
	m.now[own.UID] = modelTask{kind: kind, canceled: -1, at: own.EnqueuedAt}
	m.learnBatch(own.UID, meili.StatusSucceeded)
}

func (m *machine) expectDetails(rt *rapid.T, uid uint32, want string) {
	if end, _ := m.table.Get(uid); string(end.Details) != want {
		rt.Fatalf("details %s, want %s", end.Details, want)
	}
}

func (m *machine) doFlush(rt *rapid.T) {
	if m.table.Flush() != nil {
		m.lost(rt)
		return
	}
	m.keep()
}

func (m *machine) doRestart(rt *rapid.T) {
	if m.table.Close() != nil {
		m.lost(rt)
		return
	}
	m.keep()
	m.open(rt)
	for uid, task := range m.now {
		if !task.status.Finished() {
			task.status, task.batch = meili.StatusEnqueued, -1
			m.now[uid] = task
			m.add(uid, task)
		}
	}
}

func (m *machine) doSwap(rt *rapid.T) {
	uid, err := m.table.Reserve()
	if err != nil {
		m.lost(rt)
		return
	}
	m.given = uid + 1
	pair := rapid.SampledFrom([][2]string{{"a", "b"}, {"b", "c"}, {"c", "a"}}).Draw(rt, "pair")
	before := uint32(rapid.IntRange(0, int(uid)).Draw(rt, "older than"))
	if _, again := m.table.applied[before]; again {
		return
	}
	m.table.SwapIndexes(before, [][2]string{pair})
	for other, task := range m.now {
		if other >= before || task.kind.Global() {
			continue
		}
		switch task.index {
		case pair[0]:
			task.index = pair[1]
		case pair[1]:
			task.index = pair[0]
		}
		m.now[other] = task
	}
	if m.table.Flush() != nil { // the journal would do it again
		swapped := maps.Clone(m.now)
		m.lost(rt)
		m.table.SwapIndexes(before, [][2]string{pair})
		for other, task := range m.now {
			task.index = swapped[other].index
			m.now[other] = task
		}
		if err := m.table.Flush(); err != nil {
			rt.Fatal(err)
		}
		for other := range m.now { // added again under their new names, then swapped: take what the table has
			if found, ok := m.table.Get(other); ok && found.IndexUID != nil {
				task := m.now[other]
				task.index = *found.IndexUID
				m.now[other] = task
			}
		}
	}
	m.keep()
}

func (m *machine) check(rt *rapid.T) {
	q := request.Tasks{TaskFilter: m.filter(rt), Limit: rapid.SampledFrom([]uint32{0, 1, 2, 3, 20}).Draw(rt, "limit"), Reverse: rapid.Bool().Draw(rt, "reverse")}
	if rapid.Bool().Draw(rt, "from") {
		from := rapid.Uint32Range(0, m.given+2).Draw(rt, "first")
		q.From = &from
	}
	var visible func(string) bool
	if rapid.IntRange(0, 3).Draw(rt, "scoped") == 0 {
		visible = func(index string) bool { return index != "b" }
	}
	total := 0
	var want []uint32
	uids := slices.Sorted(maps.Keys(m.now))
	if !q.Reverse {
		slices.Reverse(uids)
	}
	for _, uid := range uids {
		task := m.now[uid]
		if !task.matches(uid, &q.TaskFilter) {
			continue
		}
		total++
		hidden := (visible != nil || q.IndexUIDs != nil) && task.kind.Global() || visible != nil && !visible(task.index)
		if q.From != nil && (q.Reverse && uid < *q.From || !q.Reverse && uid > *q.From) || hidden {
			continue
		}
		want = append(want, uid)
	}
	var next *uint32
	if uint64(len(want)) > uint64(q.Limit) {
		next = &want[q.Limit]
		want = want[:q.Limit]
	}
	got, err := m.table.List(q, visible)
	if err != nil {
		rt.Fatal(err)
	}
	var shown []uint32
	for _, task := range got.Results {
		shown = append(shown, task.UID)
		model := m.now[task.UID]
		if task.Status != model.status || task.Type != model.kind || (task.IndexUID != nil && *task.IndexUID != model.index) ||
			task.EnqueuedAt != meili.FormatTime(model.at) {
			rt.Fatalf("task %+v, model %+v", task, model)
		}
	}
	if got.Total != total || !slices.Equal(shown, want) || (got.Next == nil) != (next == nil) || next != nil && *got.Next != *next ||
		(got.From == nil) != (len(want) == 0) || got.From != nil && *got.From != want[0] {
		rt.Fatalf("%+v: got %v of %d from %v next %v, want %v of %d next %v", q, shown, got.Total, got.From, got.Next, want, total, next)
	}
}

// Random work on a table, with crashes at any update and restarts, against a
// plain map.
func TestEqualsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{inner: memory.New(), clock: &clock{at: epoch}, now: modelTasks{}, durable: modelTasks{}}
		m.open(rt)
		defer func() { _ = m.table.Close() }() // after a failure only its goroutine has to end
		rt.Repeat(m.actions())
		m.store.left.Store(1 << 30)
		if err := m.table.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}
