package minimeili

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with requests. The zero value changes
// nothing.
type Fault struct {
	// Match chooses the requests; nil means all of them.
	Match func(*http.Request) bool
	// Times is how many requests it strikes; zero means all until it is removed.
	Times int
	// Delay is waited before the request is handled.
	Delay time.Duration
	// Status is answered, and the request not handled.
	Status int
	// Reset cuts the connection before the request is handled.
	Reset bool
	// Drop cuts the connection after the request was handled: its effect is
	// there, its answer never arrives.
	Drop bool
	// Garbage answers bytes that are no JSON, after the request was handled.
	Garbage bool
	// Truncate cuts the connection in the middle of the answer.
	Truncate bool
}

// Route matches requests of a method (empty: any) whose path begins with prefix.
func Route(method, prefix string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.HasPrefix(r.URL.Path, prefix)
	}
}

// faults is the state of all that may go wrong. It outlives restarts.
type faults struct {
	mu      sync.Mutex
	list    []*Fault
	delay   time.Duration
	paused  bool
	resumed chan struct{} // closed while not paused

	tasks taskFaults
}

// Inject makes a fault happen from now on; remove ends it.
func (m *Server) Inject(f Fault) (remove func()) {
	fault := &f
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.list = append(m.faults.list, fault)
	return func() {
		m.faults.mu.Lock()
		defer m.faults.mu.Unlock()
		m.faults.list = slices.DeleteFunc(m.faults.list, func(other *Fault) bool { return other == fault })
	}
}

// FailNext answers the next n requests with status, without handling them.
func (m *Server) FailNext(n, status int) { m.Inject(Fault{Times: n, Status: status}) }

// Delay makes every request wait d before it is handled; zero ends that.
func (m *Server) Delay(d time.Duration) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.delay = d
}

// Garbage answers the next n requests with bytes that are no JSON.
func (m *Server) Garbage(n int) { m.Inject(Fault{Times: n, Garbage: true}) }

// Truncate cuts the answers to the next n requests in their middle.
func (m *Server) Truncate(n int) { m.Inject(Fault{Times: n, Truncate: true}) }

// DropAnswers handles the next n requests and cuts their connections instead of
// answering.
func (m *Server) DropAnswers(n int) { m.Inject(Fault{Times: n, Drop: true}) }

// Pause freezes the server as SIGSTOP would: connections are accepted and
// requests read, nothing is answered and no task runs. On Resume requests are
// handled even if their client has gone.
func (m *Server) Pause() {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	if !m.faults.paused {
		m.faults.paused = true
		m.faults.resumed = make(chan struct{})
	}
}

// Resume ends a Pause.
func (m *Server) Resume() {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	if m.faults.paused {
		m.faults.paused = false
		close(m.faults.resumed)
	}
}

// Refuse closes the port: connections are cut and new ones refused. Tasks go on.
func (m *Server) Refuse() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running {
		m.stopListening()
	}
}

// Accept opens the port that Refuse closed.
func (m *Server) Accept() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running || m.http != nil {
		return nil
	}
	return m.listen()
}

// ClearFaults ends every fault: injected ones, Delay, Pause, the full disk and
// held tasks. A refused port stays closed until Accept.
func (m *Server) ClearFaults() {
	m.Resume()
	m.faults.mu.Lock()
	m.faults.list, m.faults.delay = nil, 0
	m.faults.mu.Unlock()
	m.faults.tasks.set(func(f *taskFaults) {
		f.diskFull, f.indexDiskFull, f.held, f.stalled, f.steps = false, false, false, false, 0
	})
}

// take gives what goes wrong with a request, all that matches put together.
func (f *faults) take(r *http.Request) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	total := Fault{Delay: f.delay}
	for _, fault := range slices.Clone(f.list) {
		if fault.Match != nil && !fault.Match(r) {
			continue
		}
		total.add(fault)
		if fault.Times--; fault.Times == 0 {
			f.list = slices.DeleteFunc(f.list, func(other *Fault) bool { return other == fault })
		}
		if fault.Times < 0 {
			fault.Times = 0
		}
	}
	return total, f.resumed
}

func (f *Fault) add(other *Fault) {
	f.Delay += other.Delay
	f.Status = max(f.Status, other.Status)
	f.Reset = f.Reset || other.Reset
	f.Drop = f.Drop || other.Drop
	f.Garbage = f.Garbage || other.Garbage
	f.Truncate = f.Truncate || other.Truncate
}

// frozen says whether the server is paused, and gives the channel that tells of
// its end then.
func (f *faults) frozen() (resumed <-chan struct{}, paused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.paused {
		return nil, false
	}
	return f.resumed, true
}

// taskFaults are the faults of the task queue.
type taskFaults struct {
	mu            sync.Mutex
	diskFull      bool
	indexDiskFull bool
	held          bool
	stalled       bool
	steps         int           // batches that may run though held
	changed       chan struct{} // closed at the next change, once somebody waits for it
}

func (f *taskFaults) set(change func(*taskFaults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// read gives the state of the faults and a channel closed at their next change.
func (f *taskFaults) read() (now taskFaultsNow, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return taskFaultsNow{f.diskFull, f.indexDiskFull, f.held && f.steps == 0, f.stalled}, f.changed
}

// step counts a batch that ran though the queue was held.
func (f *taskFaults) step() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = max(0, f.steps-1)
}

type taskFaultsNow struct{ diskFull, indexDiskFull, held, stalled bool }

// FullDisk makes the disk full, or no longer: writes are refused with 422
// no_space_left_on_device, but for the deletion of tasks, and tasks that write
// documents or settings fail with it.
func (m *Server) FullDisk(full bool) {
	m.faults.tasks.set(func(f *taskFaults) { f.diskFull, f.indexDiskFull = full, full })
}

// FullIndexDisk is FullDisk with a disk of its own for the task queue: writes
// are accepted, their tasks fail.
func (m *Server) FullIndexDisk(full bool) {
	m.faults.tasks.set(func(f *taskFaults) { f.indexDiskFull = full })
}

// HoldTasks stops the queue before its next batch: tasks stay enqueued.
func (m *Server) HoldTasks() { m.faults.tasks.set(func(f *taskFaults) { f.held = true }) }

// StallTasks stops the queue in the middle of its next batch: its tasks stay in
// processing.
func (m *Server) StallTasks() { m.faults.tasks.set(func(f *taskFaults) { f.stalled = true }) }

// RunBatches lets n batches run though tasks are held.
func (m *Server) RunBatches(n int) { m.faults.tasks.set(func(f *taskFaults) { f.steps += n }) }

// ReleaseTasks ends HoldTasks and StallTasks.
func (m *Server) ReleaseTasks() {
	m.faults.tasks.set(func(f *taskFaults) { f.held, f.stalled, f.steps = false, false, 0 })
}
