package replica

import (
	"context"
	"sync"
	"time"
)

// Throttle bounds how much is read and written in the background, by all who
// share it together. A nil one bounds nothing.
type Throttle struct {
	// rate gives documents and bytes a second; 0 bounds nothing.
	rate func() (documents, bytes int)

	mutex sync.Mutex
	until time.Time // when what was taken so far has been paid for
}

// NewThrottle makes a throttle. The rate is read anew each time; 0 documents or
// 0 bytes a second mean no bound.
func NewThrottle(rate func() (documents, bytes int)) *Throttle { return &Throttle{rate: rate} }

// most bounds how long an idle time may be made up for.
const most = 100 * time.Millisecond

// wait waits until so much may have been moved.
func (t *Throttle) wait(ctx context.Context, documents, bytes int) error {
	if t == nil {
		return ctx.Err()
	}
	perSecond, bytesPerSecond := t.rate()
	var cost time.Duration
	if perSecond > 0 {
		cost = time.Duration(float64(documents) / float64(perSecond) * float64(time.Second))
	}
	if bytesPerSecond > 0 {
		cost = max(cost, time.Duration(float64(bytes)/float64(bytesPerSecond)*float64(time.Second)))
	}
	t.mutex.Lock()
	now := time.Now()
	if earliest := now.Add(-most); t.until.Before(earliest) {
		t.until = earliest
	}
	t.until = t.until.Add(cost)
	left := t.until.Sub(now)
	t.mutex.Unlock()
	return sleep(ctx, left)
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
