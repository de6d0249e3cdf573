package search

import (
	"sync"
	"time"
)

const (
	hedgeQuantile = 0.95
	hedgeTimes    = 1.2                   // later than the quantile by so much counts as slow
	hedgeWarm     = 50                    // answers seen before the quantile means something
	hedgeFloor    = 15 * time.Millisecond // never hedge sooner
	hedgeBurst    = 10                    // hedges that may be saved up
	hedgesPerRead = 2
)

// hedge knows how long a node usually takes at most, and how many requests may
// be sent twice because one took longer.
type hedge struct {
	mu     sync.Mutex
	seen   int
	slow   float64 // seconds: an estimate of the quantile
	spread float64
	saved  float64
}

func newHedge() *hedge { return &hedge{} }

// observe moves the estimate a step up or down so that it comes to rest where
// the wanted share of the answers is below it.
func (h *hedge) observe(took time.Duration) {
	x := took.Seconds()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen++
	if h.seen == 1 {
		h.slow, h.spread = x, x
		return
	}
	h.spread += (max(x-h.slow, h.slow-x) - h.spread) / 32
	step := h.spread / 8
	if x > h.slow {
		h.slow += step * hedgeQuantile
	} else {
		h.slow -= step * (1 - hedgeQuantile)
	}
}

// delay is after how long a request counts as slow, if that is known yet.
func (h *hedge) delay() (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen < hedgeWarm {
		return 0, false
	}
	return max(time.Duration(h.slow*hedgeTimes*float64(time.Second)), hedgeFloor), true
}

// earn adds a request's share to the budget.
func (h *hedge) earn(share float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saved = min(h.saved+share, hedgeBurst)
}

// take spends one hedge, if there is one.
func (h *hedge) take() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.saved < 1 {
		return false
	}
	h.saved--
	return true
}
