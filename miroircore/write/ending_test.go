package write

import (
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// What a client has seen of a task's end a crash must not take back: nobody sees
// it before the journal has it.
func TestEndOfATaskIsInTheJournalBeforeItIsSeen(t *testing.T) {
	f, nodes := doubles(t, 1, 1, nil)
	f.ok(f.add("a", `[{"id":0}]`))
	f.drain()
	nodes[0].HoldTasks()
	r, err := f.add("a", `[{"id":1}]`)
	if err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int32
	unset := failpoint.Set("journal.write", func() error { tries.Add(1); return syscall.ENOSPC })
	nodes[0].ReleaseTasks()
	f.eventually("the end is tried to be stored again", func() bool {
		f.w.mutex.Lock()
		defer f.w.mutex.Unlock()
		o := f.w.byTask[r.Summary.TaskUID]
		return o != nil && o.state == ending && tries.Load() > 3
	})
	if got, ok := f.tasks.Get(r.Summary.TaskUID); !ok || got.Status.Finished() {
		t.Errorf("the task is %s, and the journal does not have it", got.Status)
	}
	unset()
	if got := f.ended(r); got.Status != meili.StatusSucceeded {
		t.Errorf("task %+v", got)
	}
	f.drain()
	f.same("a", map[string]string{"0": `{"id":0}`, "1": `{"id":1}`})
}
