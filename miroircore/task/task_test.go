package task

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 7, 23, 14, 39, 41, 0, time.UTC)

// clock moves on by a millisecond and a bit with each look at it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond + 1234*time.Nanosecond)
	return c.at
}

func open(t testing.TB, store state.Store, opts Options) *Table {
	t.Helper()
	if opts.Now == nil {
		opts.Now = (&clock{at: epoch}).now
	}
	table, err := Open(store, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, table.Close()) })
	return table
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// add makes a task of an index; "" stands for none.
func (t *Table) addOne(tb testing.TB, kind meili.TaskType, index, details string) uint32 {
	tb.Helper()
	uid, err := t.Reserve()
	must(tb, err)
	task := Task{UID: uid, Type: kind, EnqueuedAt: t.opts.Now(), Details: json.RawMessage(details)}
	if index != "" {
		task.IndexUID = &index
	}
	t.Add(task)
	return uid
}

func (t *Table) succeed(tb testing.TB, uid uint32, details string) {
	tb.Helper()
	must(tb, t.Start(uid, t.opts.Now()))
	t.Finish(uid, Outcome{Status: meili.StatusSucceeded, Details: json.RawMessage(details), At: t.opts.Now()})
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.00ns", 20890: "20.89µs", 1_234_567: "1.23ms", 2_500_000_000: "2.50s", 90 * time.Second: "90.00s",
	} {
		if got := durationText(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestUIDs(t *testing.T) {
	store := memory.New()
	next := func(table *Table) uint32 {
		t.Helper()
		uid, err := table.Reserve()
		must(t, err)
		return uid
	}
	a := open(t, store, Options{})
	for want := range uint32(3) {
		if got := next(a); got != want {
			t.Fatalf("got %d, want %d", got, want)
		}
	}
	must(t, a.Close())
	b := open(t, store, Options{})
	if got := next(b); got != 3 {
		t.Errorf("after a clean restart %d", got)
	}
	c := open(t, store, Options{}) // b crashed
	if got := next(c); got != 3+block {
		t.Errorf("after a crash %d", got)
	}
}

func TestNames(t *testing.T) {
	store := memory.New()
	table := open(t, store, Options{})
	given := NewName(1, epoch)
	table.addOne(t, meili.TypeIndexCreation, "a", `{}`)
	table.Add(Task{UID: 1, Name: given, Type: meili.TypeIndexCreation, EnqueuedAt: epoch})
	table.succeed(t, 1, `{}`)
	must(t, table.Flush())
	for _, from := range []*Table{table, open(t, store, Options{})} {
		if found, ok := from.Find(given); !ok || found.UID != 1 || found.Name != given {
			t.Errorf("by name: %+v %v", found, ok)
		}
		if found, ok := from.Find("1"); !ok || found.Name != given {
			t.Errorf("by uid: %+v %v", found, ok)
		}
		for _, bad := range []string{"", "x", "-1", "4294967296", "2", "mtask-", NewName(1, epoch), NewName(7, epoch)} {
			if found, ok := from.Find(bad); ok {
				t.Errorf("%q found %+v", bad, found)
			}
		}
	}
}

func TestScopedLists(t *testing.T) {
	table := open(t, memory.New(), Options{})
	for _, index := range []string{"a", "b", "a", "", "b"} {
		kind := meili.TypeSettingsUpdate
		if index == "" {
			kind = meili.TypeIndexSwap
		}
		table.succeed(t, table.addOne(t, kind, index, `{}`), `{}`)
	}
	onlyA := func(index string) bool { return index == "a" }
	p, err := table.List(request.Tasks{Limit: 1}, onlyA)
	must(t, err)
	if len(p.Results) != 1 || p.Results[0].UID != 2 || p.Total != 5 || *p.From != 2 || *p.Next != 0 {
		t.Errorf("tasks: %s", plain(t, p))
	}
	b, err := table.Batches(request.Tasks{Limit: 9}, onlyA)
	must(t, err)
	if len(b.Results) != 2 || b.Results[0].UID != 2 || b.Total != 5 || b.Next != nil {
		t.Errorf("batches: %s", plain(t, b))
	}
	deleted, err := table.Delete(request.TaskFilter{UIDs: []uint32{0, 1, 2, 3}}, "?uids=0,1,2,3", onlyA)
	must(t, err)
	if end, _ := table.Get(deleted.UID); string(end.Details) != `{"matchedTasks":2,"deletedTasks":2,"originalFilter":"?uids=0,1,2,3"}` {
		t.Errorf("details %s", end.Details)
	}
	swap, _ := table.Get(3)
	if swap.VisibleTo(onlyA) || !swap.VisibleTo(nil) {
		t.Error("a swap is shown to who may see one index only")
	}
}

func TestSwapRenamesOlderTasks(t *testing.T) {
	store := memory.New()
	table := open(t, store, Options{})
	for _, index := range []string{"a", "b", "c"} {
		table.succeed(t, table.addOne(t, meili.TypeSettingsUpdate, index, `{}`), `{}`)
	}
	swap, err := table.Reserve()
	must(t, err)
	table.Add(Task{UID: swap, Type: meili.TypeIndexSwap, Swapped: []string{"a", "b"}, EnqueuedAt: epoch})
	table.addOne(t, meili.TypeSettingsUpdate, "a", `{}`) // stays with what is a then
	table.succeed(t, table.addOne(t, meili.TypeSettingsUpdate, "b", `{}`), `{}`)
	must(t, table.Flush())
	table.SwapIndexes(swap, [][2]string{{"a", "b"}})
	table.SwapIndexes(swap, [][2]string{{"a", "b"}}) // again, as recovery would
	table.succeed(t, swap, `{}`)
	table.SwapIndexes(swap+100, [][2]string{{"c", "d"}}) // a rename: nothing is called d
	must(t, table.Flush())
	again := open(t, store, Options{})
	again.SwapIndexes(swap, [][2]string{{"a", "b"}}) // and recovery after a crash
	for name, from := range map[string]*Table{"live": table, "after a crash": again} {
		var got []string
		for uid := range uint32(6) {
			if task, ok := from.Get(uid); ok && task.IndexUID != nil {
				got = append(got, *task.IndexUID)
			}
		}
		want := "b a d a b"
		if from == again {
			want = "b a d b" // 4 had not ended: it is for others to add again
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v", name, got)
		}
		p, err := from.List(request.Tasks{TaskFilter: request.TaskFilter{IndexUIDs: []string{"b"}}, Limit: 9}, nil)
		must(t, err)
		if p.Total != 3 || len(p.Results) != 2 { // the swap counts but is not shown
			t.Errorf("%s: tasks of b: %s", name, plain(t, p))
		}
	}
}

func TestPrune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := open(t, memory.New(), Options{Keep: 20, Prune: 8})
		for range 20 {
			table.succeed(t, table.addOne(t, meili.TypeSettingsUpdate, "a", `{}`), `{}`)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		p, err := table.List(request.Tasks{Limit: 1}, nil)
		must(t, err)
		if p.Total != 13 || p.Results[0].Type != meili.TypeTaskDeletion {
			t.Fatalf("left: %s", plain(t, p))
		}
		if want := `"?beforeEnqueuedAt=2026-07-23T14:39:41.022027149Z&`; !bytes.Contains(p.Results[0].Details, []byte(`"matchedTasks":8,"deletedTasks":8`)) ||
			!bytes.Contains(p.Results[0].Details, []byte(want)) {
			t.Errorf("details %s", p.Results[0].Details)
		}
	})
}

func TestWaitAndListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := open(t, memory.New(), Options{})
		hold := make(chan struct{})
		var heard []uint32
		stop := table.OnFinish(func(tasks []Task) {
			<-hold // as slow as can be
			for _, task := range tasks {
				heard = append(heard, task.UID)
			}
		})
		uid := table.addOne(t, meili.TypeSettingsUpdate, "a", `{}`)
		ended := make(chan Task)
		go func() {
			task, err := table.Wait(t.Context(), uid)
			must(t, err)
			ended <- task
		}()
		synctest.Wait()
		table.succeed(t, uid, `{}`)
		if task := <-ended; task.Status != meili.StatusSucceeded {
			t.Errorf("waited for %+v", task)
		}
		for range 600 {
			table.succeed(t, table.addOne(t, meili.TypeSettingsUpdate, "a", `{}`), `{}`)
		}
		close(hold)
		synctest.Wait()
		if len(heard) != 601 || heard[600] != 600 {
			t.Errorf("heard of %d", len(heard))
		}
		stop()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		late := table.addOne(t, meili.TypeSettingsUpdate, "a", `{}`)
		if _, err := table.Wait(short, late); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting too long gave %v", err)
		}
		if _, err := table.Wait(t.Context(), 9999); err == nil {
			t.Error("waited for no task")
		}
		go func() {
			synctest.Wait()
			must(t, table.Close())
		}()
		if _, err := table.Wait(t.Context(), late); !errors.Is(err, ErrClosed) {
			t.Errorf("waiting over a close gave %v", err)
		}
	})
}

// What no journal keeps must keep its uid over a crash, and end.
func TestLeftoversFail(t *testing.T) {
	store := memory.New()
	table := open(t, store, Options{})
	uid := table.addOne(t, meili.TypeDumpCreation, "", `{"dumpUid":null}`)
	must(t, table.Start(uid, table.opts.Now()))
	must(t, table.Flush())
	again := open(t, store, Options{})
	task, ok := again.Get(uid)
	if !ok || task.Status != meili.StatusFailed || task.Error.Code != "internal" || *task.BatchUID != 0 {
		t.Errorf("left: %+v", task)
	}
}

func TestTimeFilters(t *testing.T) {
	store := memory.New()
	table := open(t, store, Options{})
	at := func(nanos int) time.Time { return epoch.Add(time.Duration(nanos)) }
	table.Add(Task{UID: 0, Type: meili.TypeSettingsUpdate, EnqueuedAt: at(500)})
	must(t, table.Start(0, at(2_000_400)))
	table.Finish(0, Outcome{Status: meili.StatusSucceeded, At: at(2_000_900)})
	table.Add(Task{UID: 1, Type: meili.TypeSettingsUpdate, EnqueuedAt: epoch.AddDate(0, 0, -300)}) // milliseconds do not fit
	must(t, table.Start(1, at(7)))
	table.Add(Task{UID: 2, Type: meili.TypeSettingsUpdate, EnqueuedAt: at(1000)}) // the clock goes back
	must(t, table.Start(2, at(3)))
	table.Finish(2, Outcome{Status: meili.StatusFailed, At: at(5)})
	ptr := func(at time.Time) *time.Time { return &at }
	for _, c := range []struct {
		f    request.TaskFilter
		want string
	}{
		{request.TaskFilter{AfterEnqueuedAt: ptr(at(500))}, "2"},
		{request.TaskFilter{AfterEnqueuedAt: ptr(at(499))}, "2 0"},
		{request.TaskFilter{AfterStartedAt: ptr(at(2_000_399))}, "0"},
		{request.TaskFilter{AfterStartedAt: ptr(at(2_000_400))}, ""},
		{request.TaskFilter{BeforeStartedAt: ptr(at(2_000_400))}, "2 1"},
		{request.TaskFilter{BeforeStartedAt: ptr(at(2_000_401))}, "2 1 0"},
		{request.TaskFilter{AfterStartedAt: ptr(at(3)), BeforeStartedAt: ptr(at(8))}, "1"},
		{request.TaskFilter{BeforeFinishedAt: ptr(at(6))}, "2"},
		{request.TaskFilter{AfterFinishedAt: ptr(at(2_000_899))}, "0"},
		{request.TaskFilter{AfterFinishedAt: ptr(epoch.AddDate(900, 0, 0))}, ""},
		{request.TaskFilter{BeforeFinishedAt: ptr(epoch.AddDate(-900, 0, 0))}, ""},
	} {
		p, err := table.List(request.Tasks{TaskFilter: c.f, Limit: 9}, nil)
		must(t, err)
		var got []string
		for _, task := range p.Results {
			got = append(got, uidText(task.UID))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: got %v, want %s", c.f, got, c.want)
		}
	}
}

func TestWritesAgainAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &crashing{Store: memory.New()}
		store.left.Store(3)
		table := open(t, store, Options{Logger: slog.New(slog.DiscardHandler)})
		table.succeed(t, table.addOne(t, meili.TypeSettingsUpdate, "a", `{}`), `{}`)
		store.left.Store(0)
		time.Sleep(time.Second)
		store.left.Store(99)
		time.Sleep(time.Minute)
		synctest.Wait()
		if again := open(t, store, Options{}); again.rows.count != 1 {
			t.Error("the task was not written once the store worked again")
		}
	})
}

func TestOnBolt(t *testing.T) {
	store, err := bolt.Open(filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	must(t, err)
	table, err := Open(store, Options{})
	must(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				table.succeed(t, table.addOne(t, meili.TypeSettingsUpdate, "a", `{"n":"<&>"}`), "")
			}
		})
	}
	wg.Wait()
	must(t, table.Close())
	table, err = Open(store, Options{})
	must(t, err)
	p, err := table.List(request.Tasks{Limit: 1}, nil)
	must(t, err)
	if p.Total != 200 || p.Results[0].UID != 199 || string(p.Results[0].Details) != `{"n":"<&>"}` {
		t.Errorf("left: %s", plain(t, p))
	}
	must(t, table.Close())
	must(t, store.Close())
}
