package search

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// reads counts the reads under way by when they began, so that what older ones
// may still need is not taken away.
type reads struct {
	mu      sync.Mutex
	era     uint64
	open    map[uint64]int // reads under way, by the era they began in
	waiting chan struct{}  // closed when the last read of an era has ended
	last    time.Time      // when the newest one began
}

// Begin notes that a read begins; it must be called before the read looks at
// where documents lie. The function it gives ends it.
func (r *Reader) Begin() (end func()) {
	c := &r.reads
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[uint64]int)
	}
	era := c.era
	c.open[era]++
	c.last = time.Now()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.open[era]--; c.open[era] > 0 {
			return
		}
		delete(c.open, era)
		if c.waiting != nil {
			close(c.waiting)
			c.waiting = nil
		}
	}
}

// Idle is how long no read has begun; 0 while one is under way.
func (r *Reader) Idle() time.Duration {
	c := &r.reads
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) > 0 {
		return 0
	}
	return time.Since(c.last)
}

// Quiesce returns when every read that began before the call has ended. It does
// not hold up reads, nor wait for those that begin later.
func (r *Reader) Quiesce(ctx context.Context) error {
	c := &r.reads
	c.mu.Lock()
	era := c.era
	c.era++
	for c.older(era) {
		if c.waiting == nil {
			c.waiting = make(chan struct{})
		}
		changed := c.waiting
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for older reads: %w", ctx.Err())
		}
		c.mu.Lock()
	}
	c.mu.Unlock()
	return nil
}

// older says whether a read of the era or of one before it is under way.
func (c *reads) older(era uint64) bool {
	for began := range c.open {
		if began <= era {
			return true
		}
	}
	return false
}
