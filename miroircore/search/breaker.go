package search

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

const (
	breakAfter  = 5                // failures in a row that open a breaker
	breakFirst  = time.Second      // for how long at first
	breakMost   = 30 * time.Second // and at most
	returnAfter = 10 * time.Second // how long a node that came back takes to get all of its share
)

// breaker keeps reads away from nodes that fail, for longer each time, and lets
// them back little by little: a node that has just come back with cold caches
// would else be felled by all that waited for it.
type breaker struct {
	now  func() time.Time
	open atomic.Int32 // breakers that are not closed
	mu   sync.Mutex
	by   map[string]*circuit
}

type circuit struct {
	failures int
	pause    time.Duration
	until    time.Time // open until then
	back     time.Time // since when it answers again; zero when it never failed
	tripped  bool
}

func newBreaker(now func() time.Time) *breaker {
	return &breaker{now: now, by: make(map[string]*circuit)}
}

// any reports whether some node is kept away.
func (b *breaker) any() bool { return b.open.Load() > 0 }

func (b *breaker) allows(id string) bool {
	if !b.any() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.by[id]
	if c == nil || !c.tripped {
		return true
	}
	now := b.now()
	if c.back.IsZero() {
		if now.Before(c.until) {
			return false
		}
		c.until = now.Add(c.pause) // one request is let through to find out
		return true
	}
	since := now.Sub(c.back)
	if since >= returnAfter {
		c.tripped = false
		c.pause = 0
		b.open.Add(-1)
		return true
	}
	return rand.Float64() < max(0.1, float64(since)/float64(returnAfter))
}

func (b *breaker) success(id string) {
	if !b.any() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if c := b.by[id]; c != nil {
			c.failures = 0
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.by[id]
	if c == nil {
		return
	}
	c.failures = 0
	if c.tripped && c.back.IsZero() {
		c.back = b.now()
	}
}

func (b *breaker) failure(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.by[id]
	if c == nil {
		c = &circuit{}
		b.by[id] = c
	}
	c.failures++
	if !c.tripped && c.failures < breakAfter {
		return
	}
	if !c.tripped {
		c.tripped = true
		b.open.Add(1)
	}
	c.pause = min(max(2*c.pause, breakFirst), breakMost)
	c.until = b.now().Add(c.pause)
	c.back = time.Time{}
}
