package task

import (
	"context"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// listener is one function that is told of finished tasks. Its queue holds uids
// only, so that one who is far behind costs little.
type listener struct {
	mu     sync.Mutex
	queue  []uint32
	ended  bool
	signal chan struct{}
}

func (l *listener) hear(uid uint32) {
	l.mu.Lock()
	l.queue = append(l.queue, uid)
	l.mu.Unlock()
	l.nudge()
}

func (l *listener) nudge() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// end stops the listener, after what it is being told right now.
func (l *listener) end() {
	l.mu.Lock()
	l.ended = true
	l.mu.Unlock()
	l.nudge()
}

// maxHeard bounds how many tasks a listener is given at once.
const maxHeard = 256

func (l *listener) take() (uids []uint32, ended bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.queue), maxHeard)
	uids, l.queue = l.queue[:n:n], l.queue[n:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return uids, l.ended
}

// OnFinish has fn called with finished tasks, in the order they ended, until the
// function it gives back is called or the table is closed. A slow fn holds
// nobody else up. Tasks deleted before their turn are left out.
func (t *Table) OnFinish(fn func([]Task)) (stop func()) {
	l := &listener{signal: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return func() {}
	}
	t.ears[l] = true
	t.done.Go(func() {
		for {
			uids, ended := l.take()
			if ended {
				return
			}
			if len(uids) == 0 {
				<-l.signal
				continue
			}
			tasks := make([]Task, 0, len(uids))
			for _, uid := range uids {
				if task, ok := t.Get(uid); ok {
					tasks = append(tasks, task)
				}
			}
			if len(tasks) > 0 {
				fn(tasks)
			}
		}
	})
	return func() {
		t.mu.Lock()
		delete(t.ears, l)
		t.mu.Unlock()
		l.end()
	}
}

// Wait waits until a task has ended, and gives it.
func (t *Table) Wait(ctx context.Context, uid uint32) (Task, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return Task{}, ErrClosed
	}
	var waiter chan struct{}
	if t.live[uid] != nil {
		if waiter = t.waiters[uid]; waiter == nil {
			waiter = make(chan struct{})
			t.waiters[uid] = waiter
		}
	}
	t.mu.Unlock()
	if waiter != nil {
		select {
		case <-waiter:
		case <-ctx.Done():
			return Task{}, ctx.Err()
		}
	}
	task, ok := t.Get(uid)
	switch {
	case !ok:
		return Task{}, meili.TaskNotFound(uidText(uid))
	case !task.Status.Finished():
		return task, ErrClosed
	}
	return task, nil
}
