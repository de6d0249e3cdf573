package plan

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// halfLife is after how long an observed latency counts half.
	halfLife = 5 * time.Second
	// exploration is the share of requests for which a node is tried that would
	// not be asked, so that one which was slow once is found fast again.
	exploration = 0.05
	// penalty multiplies a node's latency when a request to it failed.
	penalty = 4
	// worst bounds what is learned of one request, in seconds: a node that was
	// away for long would else count as slow long after its return.
	worst = 0.5
	// indexing multiplies the latency of a node that has writes to index, which
	// take its processors and its caches.
	indexing = 2
	// slowTimes and slowBy say how much later than the fastest a node has to
	// answer to count as slow.
	slowTimes = 2
	slowBy    = 0.015
)

// Adaptive prefers nodes that answer fast and have little to do: a moving
// average of the latency times the requests under way, twice that while a node
// is indexing. Nodes of which nothing is known share the load in turn.
type Adaptive struct {
	now  func() time.Time
	busy func(node string) bool
	mu   sync.Mutex
	by   map[string]*load
}

type load struct {
	flying  int
	average float64 // seconds
	at      time.Time
	asked   uint64
}

// NewAdaptive makes the adaptive policy.
func NewAdaptive(now func() time.Time) *Adaptive {
	if now == nil {
		now = time.Now
	}
	return &Adaptive{now: now, by: make(map[string]*load)}
}

func (p *Adaptive) load(node string) *load {
	l := p.by[node]
	if l == nil {
		l = &load{}
		p.by[node] = l
	}
	return l
}

// Inherit implements Heir. Requests under way are still the other's.
func (p *Adaptive) Inherit(before Policy) {
	old, ok := before.(*Adaptive)
	if !ok || old == p {
		return
	}
	old.mu.Lock()
	by := make(map[string]*load, len(old.by))
	for node, l := range old.by {
		by[node] = &load{average: l.average, at: l.at, asked: l.asked}
	}
	old.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for node, l := range p.by { // put in force again: its own requests count on
		if by[node] == nil {
			by[node] = &load{}
		}
		by[node].flying = l.flying
	}
	p.by = by
}

// Watch implements Watcher.
func (p *Adaptive) Watch(indexing func(node string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = indexing
}

// Rank implements Policy.
func (p *Adaptive) Rank(node string) float64 {
	p.mu.Lock()
	l, busy := *p.load(node), p.busy
	p.mu.Unlock()
	if busy != nil && busy(node) {
		l.average *= indexing
	}
	// Latencies that differ by less than a fifth are the same: chance must not
	// send every request to one node. In between whoever was asked less goes first.
	step := math.Round(math.Log(max(l.average, 1e-4)) / math.Log(1.2))
	return math.Pow(1.2, step)*float64(l.flying+1) + float64(l.asked)*1e-12
}

// Slow implements Explorer.
func (p *Adaptive) Slow(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.by[node]
	if l == nil || l.average <= slowBy {
		return false
	}
	fastest := l.average
	for _, other := range p.by {
		if !other.at.IsZero() {
			fastest = min(fastest, other.average)
		}
	}
	return l.average > slowTimes*fastest+slowBy
}

// Explore implements Explorer: it gives the node that was asked least lately.
func (p *Adaptive) Explore(others func() []string) string {
	if rand.Float64() >= exploration {
		return ""
	}
	list := others()
	if len(list) == 0 {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.MinFunc(list, func(a, b string) int { return p.load(a).at.Compare(p.load(b).at) })
}

// Begin implements Policy.
func (p *Adaptive) Begin(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.load(node)
	if l.asked == 0 {
		l.asked = joining(func(yield func(uint64) bool) {
			for _, other := range p.by {
				if other.asked > 0 && !yield(other.asked) {
					return
				}
			}
		})
	}
	l.flying++
	l.asked++
}

// End implements Policy.
func (p *Adaptive) End(node string, took time.Duration, how Ending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.load(node)
	l.flying--
	seconds := took.Seconds()
	switch how {
	case Answered:
	case Failed:
		seconds = max(seconds, l.average, 0.01) * penalty
	case Outrun: // how much longer it would have taken is not known
		if seconds < l.average {
			return
		}
	case Dropped:
		return
	}
	seconds = min(seconds, worst)
	now := p.now()
	if l.at.IsZero() {
		l.average = seconds
	} else {
		// The older the average the less it counts; a burst of answers at one
		// instant still moves it a little.
		old := math.Exp2(-float64(max(now.Sub(l.at), 0)) / float64(halfLife))
		old = min(old, 0.95)
		l.average = l.average*old + seconds*(1-old)
	}
	l.at = now
}
