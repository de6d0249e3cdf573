package search

import (
	"bytes"
	"context"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/requestuid"
)

// flightKey tells searches apart that may not share an answer. The index is a
// snapshot: after any change of it there is another.
type flightKey struct {
	ix           *index.Index
	unavailable  string
	metadata     bool
	body, tenant string
	name         string // of the index, where the answer tells it
	identity     string
	ended        uint64 // tasks: who has seen one end gets no answer from before
}

// flights lets identical searches that are under way at the same time share
// one answer.
type flights struct {
	mu sync.Mutex
	by map[flightKey]*flight
}

type flight struct {
	cancel  context.CancelFunc
	waiters int
	shared  bool // others have waited for it, too
	done    chan struct{}
	answer  *Answer
	err     *meili.Error
}

// do runs the search, or waits for one that runs already. The search ends when
// all who wait for it have gone.
func (f *flights) do(ctx context.Context, key flightKey, run func(context.Context) (*Answer, *meili.Error)) (*Answer, *meili.Error) {
	f.mu.Lock()
	if fl := f.by[key]; fl != nil {
		fl.waiters++
		fl.shared = true
		f.mu.Unlock()
		return f.wait(ctx, key, fl)
	}
	if f.by == nil {
		f.by = make(map[flightKey]*flight)
	}
	own, cancel := context.WithCancel(context.Background())
	fl := &flight{cancel: cancel, waiters: 1, done: make(chan struct{})}
	f.by[key] = fl
	f.mu.Unlock()
	// The first runs the search itself: a goroutine costs where nothing is
	// shared. Its leaving ends the search only when nobody else waits.
	stop := context.AfterFunc(ctx, func() { f.leave(key, fl) })
	fl.answer, fl.err = run(own)
	f.mu.Lock()
	if f.by[key] == fl {
		delete(f.by, key)
	}
	if fl.shared && fl.answer != nil {
		fl.answer.room = nil // others copy from it
	}
	f.mu.Unlock()
	stop()
	close(fl.done)
	cancel()
	return fl.answer, fl.err
}

func (f *flights) wait(ctx context.Context, key flightKey, fl *flight) (*Answer, *meili.Error) {
	select {
	case <-fl.done:
	case <-ctx.Done():
		f.leave(key, fl)
		return nil, meili.NewError("internal", "The request was canceled.")
	}
	if fl.err != nil {
		return nil, fl.err
	}
	// Each request has a uid of its own.
	a := *fl.answer
	a.Body = bytes.Clone(a.Body)
	if a.uid > 0 {
		copy(a.Body[a.uid:], requestuid.New())
	}
	return &a, nil
}

func (f *flights) leave(key flightKey, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiters--; fl.waiters == 0 {
		if f.by[key] == fl { // nobody may join what is being canceled
			delete(f.by, key)
		}
		fl.cancel()
	}
}
