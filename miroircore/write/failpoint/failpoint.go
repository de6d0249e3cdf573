// Package failpoint lets a test stop or break the write path at a named step.
// It is compiled into every build, so that what is tested is what runs; while
// no point is set a hit costs one atomic load.
package failpoint

import (
	"sync"
	"sync/atomic"
)

var (
	armed  atomic.Bool
	mutex  sync.Mutex
	points map[string]func() error
)

// Set makes every hit of the named point call fn, whose error the step then
// fails with. It returns a function that takes the point away again.
func Set(name string, fn func() error) (unset func()) {
	mutex.Lock()
	defer mutex.Unlock()
	if points == nil {
		points = make(map[string]func() error)
	}
	points[name] = fn
	armed.Store(true)
	return func() {
		mutex.Lock()
		defer mutex.Unlock()
		delete(points, name)
		armed.Store(len(points) > 0)
	}
}

// Hit is called by the write path at the named step.
func Hit(name string) error {
	if !armed.Load() {
		return nil
	}
	mutex.Lock()
	fn := points[name]
	mutex.Unlock()
	if fn == nil {
		return nil
	}
	return fn()
}
