// Package job runs the long tasks that concern the whole instance: the dump,
// with which a fleet is left, and the export to another server.
package job

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/access"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

// Options are what a Runner works with. All fields are required.
type Options struct {
	Tasks    *task.Table
	Catalog  *index.Catalog
	Keys     *access.Keys
	Features func() meili.Features
	Client   func(id string) (*node.Client, bool)
	Readable func(nodeID, physical string) bool
	// Begin notes that documents are being read, until the function it gives is
	// called: what the read needs stays where it is.
	Begin   func() (end func())
	Version func() meili.Version
	// Dial connects to the server that is exported to.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Dir is the folder that dumps are written to.
	Dir string
	Now func() time.Time
}

// Runner runs one job at a time, as the real server does.
type Runner struct {
	Options
	ctx    context.Context
	cancel context.CancelFunc
	turn   sync.Mutex
	jobs   sync.WaitGroup
}

// NewRunner makes a Runner. Jobs end when it is closed.
func NewRunner(o Options) *Runner {
	r := &Runner{Options: o}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Close stops the jobs under way and waits for them; their tasks fail.
func (r *Runner) Close() {
	r.cancel()
	r.jobs.Wait()
}

// start makes a job's task and runs the job behind it. work gives the task's
// details, which it may give with an error too.
func (r *Runner) start(kind meili.TaskType, details any, work func(context.Context) (any, error)) (task.Task, error) {
	uid, err := r.Tasks.Reserve()
	if err != nil {
		return task.Task{}, fmt.Errorf("reserve a task: %w", err)
	}
	now := r.Now()
	t := task.Task{UID: uid, Name: task.NewName(uid, now), Status: meili.StatusEnqueued, Type: kind, EnqueuedAt: now}
	if t.Details, err = meili.Marshal(details); err != nil {
		return task.Task{}, fmt.Errorf("write the details of a task: %w", err)
	}
	r.Tasks.Add(t)
	if err := r.Tasks.Flush(); err != nil {
		return task.Task{}, fmt.Errorf("keep a task: %w", err)
	}
	r.jobs.Go(func() {
		r.turn.Lock()
		defer r.turn.Unlock()
		r.run(uid, work)
	})
	return t, nil
}

func (r *Runner) run(uid uint32, work func(context.Context) (any, error)) {
	if err := r.Tasks.Start(uid, r.Now()); err != nil {
		return // it was cancelled before its turn
	}
	details, err := work(r.ctx)
	out := task.Outcome{Status: meili.StatusSucceeded, At: r.Now()}
	if err != nil {
		out.Status, out.Error = meili.StatusFailed, taskError(err)
	}
	if details != nil {
		out.Details, _ = meili.Marshal(details) // a struct of texts and numbers always marshals
	}
	out.At = r.Now()
	r.Tasks.Finish(uid, out)
}

func taskError(err error) *meili.Error {
	if answer := node.AnswerOf(err); answer != nil {
		return answer
	}
	return meili.NewError("internal", "%v", err)
}
