package task

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Tables of the store.
const (
	tasksTable   = "tasks"        // records by uid
	indexesTable = "task_indexes" // names of indexes by number
	swapsTable   = "task_swaps"   // uids of the swaps that the names have seen
	metaTable    = "task_meta"    // where counting goes on
)

const (
	defaultKeep  = 1_000_000
	defaultPrune = 100_000
	// block is how many numbers are reserved at once: one sync for so many tasks.
	block = 1024
)

// Options change how a table works; the zero value is the usual way.
type Options struct {
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Keep is how many tasks there may be before the oldest finished ones are
	// deleted, Prune how many are deleted at once. Defaults 1,000,000 and 100,000.
	Keep, Prune int
	// Logger is told what goes wrong in the background. Default slog.Default().
	Logger *slog.Logger

	lull time.Duration // 0 is the usual one
}

// Table is the tasks of a gateway. It is safe for concurrent use.
type Table struct {
	over    atomic.Uint64 // tasks that have ended since the table was opened
	store   state.Store
	opts    Options
	uids    counter
	batches counter

	mu   sync.RWMutex // guards the rest
	rows rows
	// heads gives the first task of each batch, plus one; members all tasks of
	// those that have several: the batches of cancelations.
	heads      []uint32
	batchCount int
	members    map[uint32][]uint32
	cancels    map[uint32]uint32 // batch uid of each cancelation that canceled something
	names      *names
	swapped    map[uint32][]uint32 // the indexes of swaps, by number
	applied    map[uint32]bool     // swaps that the names have seen; false is not durable yet
	live       map[uint32]*Task    // not finished
	dirty      map[uint32]*Task    // finished, not durable yet
	gone       map[uint32]bool     // deleted, perhaps still in the store
	waiters    map[uint32]chan struct{}
	ears       map[*listener]bool
	closed     bool

	flushing sync.Mutex // held while changes are written
	admin    sync.Mutex // held while tasks are canceled or deleted
	wake     chan struct{}
	stop     chan struct{}
	done     sync.WaitGroup
}

// ErrClosed is what waiting gives when the table is closed meanwhile.
var ErrClosed = errors.New("task table is closed")

// Open reads the finished tasks from the store. Unfinished ones are not kept
// there: whoever keeps the operations adds them again.
func Open(store state.Store, opts Options) (*Table, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Keep == 0 {
		opts.Keep = defaultKeep
	}
	if opts.Prune == 0 {
		opts.Prune = defaultPrune
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.lull == 0 {
		opts.lull = lull
	}
	t := &Table{
		store: store, opts: opts,
		uids: counter{store: store, key: "next_uid"}, batches: counter{store: store, key: "next_batch"},
		members: make(map[uint32][]uint32), cancels: make(map[uint32]uint32), names: newNames(),
		swapped: make(map[uint32][]uint32), applied: make(map[uint32]bool), live: make(map[uint32]*Task), dirty: make(map[uint32]*Task),
		gone: make(map[uint32]bool), waiters: make(map[uint32]chan struct{}), ears: make(map[*listener]bool),
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if err := store.View(t.load); err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	if err := t.failLeftovers(); err != nil {
		return nil, err
	}
	t.done.Go(t.run)
	return t, nil
}

// Close makes everything durable and ends the table's work.
func (t *Table) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	for _, waiter := range t.waiters {
		close(waiter)
	}
	t.waiters = nil
	ears := t.ears
	t.ears = nil
	t.mu.Unlock()
	close(t.stop)
	for ear := range ears {
		ear.end()
	}
	t.done.Wait()
	return errors.Join(t.Flush(), t.uids.settle(), t.batches.settle())
}

// Reserve gives the next uid. Only a crash leaves uids out.
func (t *Table) Reserve() (uint32, error) {
	uid, err := t.uids.next()
	if err != nil {
		return 0, fmt.Errorf("reserve a task uid: %w", err)
	}
	return uid, nil
}

// Add enters a task. Adding a uid that is there changes nothing.
func (t *Table) Add(task Task) {
	t.uids.above(task.UID)
	if named, ok := uidOfName(task.Name); !ok || named != task.UID {
		task.Name = NewName(task.UID, task.EnqueuedAt)
	}
	if task.Status == "" {
		task.Status = meili.StatusEnqueued
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows.get(task.UID) != nil || t.gone[task.UID] {
		return
	}
	r := t.rows.add(task.UID)
	r.setEnqueued(nanos(task.EnqueuedAt))
	r.kind = kindNumber(task.Type)
	if task.IndexUID != nil {
		r.index = t.names.number(*task.IndexUID) + 1
	}
	for _, name := range task.Swapped {
		t.swapped[task.UID] = append(t.swapped[task.UID], t.names.number(name))
	}
	t.live[task.UID] = &task
	if task.BatchUID != nil {
		t.batches.above(*task.BatchUID)
		t.join(task.UID, r, *task.BatchUID)
	}
	t.note(r, &task)
}

// unjournaled are the types of tasks that nobody adds again after a crash. They
// are stored before they have ended too, so that their uids stay theirs; the next
// Open fails what it finds of them.
var unjournaled = map[meili.TaskType]bool{meili.TypeDumpCreation: true, meili.TypeExport: true}

// note brings a row in line with its task, and a finished task to the store.
func (t *Table) note(r *row, task *Task) {
	r.status = statusNumber(task.Status)
	r.started, r.finished = r.offset(task.StartedAt), r.offset(task.FinishedAt)
	if !task.Status.Finished() {
		if unjournaled[task.Type] {
			t.dirty[task.UID] = task
			t.stir()
		}
		return
	}
	if task.Status == meili.StatusCanceled && task.CanceledBy != nil && task.BatchUID != nil {
		t.cancels[*task.CanceledBy] = *task.BatchUID
	}
	delete(t.live, task.UID)
	t.dirty[task.UID] = task
	if waiter := t.waiters[task.UID]; waiter != nil {
		close(waiter)
		delete(t.waiters, task.UID)
	}
	for ear := range t.ears {
		ear.hear(task.UID)
	}
	t.stir()
}

// Start says that work on a task began, and makes its batch.
func (t *Table) Start(uid uint32, at time.Time) error {
	t.mu.RLock()
	task := t.live[uid]
	waiting := task != nil && task.BatchUID == nil
	t.mu.RUnlock()
	if task == nil {
		return fmt.Errorf("start task %d: it is not there or has ended", uid)
	}
	if !waiting {
		return nil
	}
	batch, err := t.batches.next()
	if err != nil {
		return fmt.Errorf("start task %d: %w", uid, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin(uid, batch, at)
	return nil
}

// begin puts an enqueued task into a batch.
func (t *Table) begin(uid, batch uint32, at time.Time) {
	task, r := t.live[uid], t.rows.get(uid)
	if task == nil || r == nil || task.BatchUID != nil {
		return
	}
	started := *task // readers hold the old one
	started.Status, started.BatchUID, started.StartedAt = meili.StatusProcessing, &batch, at
	t.live[uid] = &started
	t.join(uid, r, batch)
	t.note(r, &started)
}

// Finish ends a task. One that has ended stays as it is; one that was never
// started is started at the moment it ends.
func (t *Table) Finish(uid uint32, o Outcome) {
	if err := t.Start(uid, o.At); err != nil {
		t.mu.RLock()
		ended := t.live[uid] == nil
		t.mu.RUnlock()
		if ended {
			return
		}
		t.opts.Logger.Error("a task ends without a batch", "task", uid, "error", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(uid, o)
}

func (t *Table) end(uid uint32, o Outcome) {
	task, r := t.live[uid], t.rows.get(uid)
	if task == nil || r == nil {
		return
	}
	ended := *task
	ended.Status, ended.Error, ended.FinishedAt = o.Status, o.Error, o.At
	if len(o.Details) > 0 {
		ended.Details = o.Details
	}
	if len(o.BatchStats) > 0 {
		ended.BatchStats = o.BatchStats
	}
	t.over.Add(1)
	t.note(r, &ended)
}

// Ended counts the tasks that have ended since the table was opened. Whoever
// sees a task ended finds it counted.
func (t *Table) Ended() uint64 { return t.over.Load() }

// Get gives a task by its uid.
func (t *Table) Get(uid uint32) (Task, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	task, err := t.task(uid)
	if err != nil {
		t.opts.Logger.Error("a task cannot be read", "task", uid, "error", err)
	}
	if task == nil {
		return Task{}, false
	}
	return *task, true
}

// Find gives a task by the text of its uid, or by its name.
func (t *Table) Find(uidOrName string) (Task, bool) {
	if uid, ok := uidOfName(uidOrName); ok {
		task, found := t.Get(uid)
		if found && task.Name != uidOrName {
			return Task{}, false
		}
		return task, found
	}
	uid, err := strconv.ParseUint(uidOrName, 10, 32)
	if err != nil {
		return Task{}, false
	}
	return t.Get(uint32(uid))
}

// task gives a task with the names its indexes have now, nil where there is none.
func (t *Table) task(uid uint32) (*Task, error) {
	r := t.rows.get(uid)
	if r == nil {
		return nil, nil
	}
	found := t.live[uid]
	if found == nil {
		found = t.dirty[uid]
	}
	if found == nil {
		read, err := t.read(uid)
		if err != nil {
			return nil, err
		}
		found = read
	}
	named := *found
	if r.index > 0 {
		name := t.names.byNumber[r.index-1]
		named.IndexUID = &name
	}
	if numbers := t.swapped[uid]; numbers != nil {
		named.Swapped = make([]string, len(numbers))
		for i, number := range numbers {
			named.Swapped[i] = t.names.byNumber[number]
		}
	}
	return &named, nil
}

func (t *Table) read(uid uint32) (task *Task, err error) {
	err = t.store.View(func(tx state.Tx) error {
		raw := tx.Get(tasksTable, uidKey(uid))
		if raw == nil {
			return errors.New("its record is missing")
		}
		task, err = taskOf(uid, raw)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read task %d: %w", uid, err)
	}
	return task, nil
}
