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

// allows reports whether a node may be asked: always while its breaker is
// closed, once in a pause while it is open, and more and more often after that.
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
		return !now.Before(c.until)
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

// tripped reports whether a node has failed and not answered since.
func (b *breaker) tripped(id string) bool {
	if !b.any() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.by[id]
	return c != nil && c.tripped && c.back.IsZero()
}

// begin tells that a node is being asked: one request in a pause is enough to
// find out whether it answers again.
func (b *breaker) begin(id string) {
	if !b.tripped(id) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.by[id]; c.tripped && c.back.IsZero() {
		c.until = b.now().Add(c.pause)
	}
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
