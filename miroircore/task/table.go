package task

import (
	"context"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Options change how a table works; the zero value is the usual way.
type Options struct {
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Keep is how many tasks there may be before the oldest finished ones are
	// deleted, Prune how many are deleted at once. Defaults 1,000,000 and 100,000.
	Keep, Prune int
}

// Table is the tasks of a gateway. It is safe for concurrent use.
type Table struct{}

// Open reads the finished tasks from the store. Unfinished ones are not kept
// there: whoever keeps the operations adds them again.
func Open(store state.Store, opts Options) (*Table, error) { return &Table{}, nil }

// Close makes everything durable and ends the table's work.
func (t *Table) Close() error { return nil }

// Reserve gives the next uid. Only a crash leaves uids out.
func (t *Table) Reserve() (uint32, error) { return 0, nil }

// Add enters a task. Adding a uid that is there changes nothing.
func (t *Table) Add(task Task) {}

// Start says that work on a task began, and makes its batch.
func (t *Table) Start(uid uint32, at time.Time) error { return nil }

// Finish ends a task. One that has ended stays as it is.
func (t *Table) Finish(uid uint32, o Outcome) {}

// Get gives a task by its uid.
func (t *Table) Get(uid uint32) (Task, bool) { return Task{}, false }

// Find gives a task by the text of its uid, or by its name.
func (t *Table) Find(uidOrName string) (Task, bool) { return Task{}, false }

// List gives a page of tasks. visible says which indexes' tasks may be seen; nil
// means all.
func (t *Table) List(q request.Tasks, visible func(index string) bool) (meili.TaskPage, error) {
	return meili.TaskPage{}, nil
}

// Batch gives a batch by its uid.
func (t *Table) Batch(uid uint32) (meili.Batch, bool) { return meili.Batch{}, false }

// Batches gives a page of batches.
func (t *Table) Batches(q request.Tasks, visible func(index string) bool) (meili.BatchPage, error) {
	return meili.BatchPage{}, nil
}

// Cancel cancels the tasks chosen that try gives up: it must say true only of
// an operation that no node has been sent and now never will be. The task that
// records it has ended and is durable when Cancel returns.
func (t *Table) Cancel(f request.TaskFilter, original string, visible func(index string) bool, try func(uid uint32) bool) (Task, error) {
	return Task{}, nil
}

// Delete deletes the finished ones of the tasks chosen. The task that records it
// has ended and is durable when Delete returns.
func (t *Table) Delete(f request.TaskFilter, original string, visible func(index string) bool) (Task, error) {
	return Task{}, nil
}

// SwapIndexes gives the tasks older than before that belong to one index of a
// pair to the other one, as a swap or a rename does.
func (t *Table) SwapIndexes(before uint32, pairs [][2]string) {}

// Flush makes everything so far durable.
func (t *Table) Flush() error { return nil }

// OnFinish has fn called with finished tasks, in the order they ended, until the
// function it gives back is called. A slow fn holds nobody else up.
func (t *Table) OnFinish(fn func([]Task)) (stop func()) { return func() {} }

// Wait waits until a task has ended, and gives it.
func (t *Table) Wait(ctx context.Context, uid uint32) (Task, error) { return Task{}, nil }
