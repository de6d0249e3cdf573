package plan

import (
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Policy chooses between nodes that would serve as well. Its methods are
// called on every request, by many goroutines, and must not block.
type Policy interface {
	// Rank is how little a node is wanted now: the lowest is asked.
	Rank(node string) float64
	// Begin tells that a node is being asked.
	Begin(node string)
	// End tells that a node has answered, or failed to.
	End(node string, took time.Duration, failed bool)
}

// Heir is a Policy that takes over what the one before it has learned, where a
// new configuration brings one of the same kind.
type Heir interface {
	Inherit(before Policy)
}

// NewRandom makes a policy that chooses by chance.
func NewRandom() Policy { return random{} }

// NewRoundRobin makes a policy that asks nodes in turn: whoever was asked least.
func NewRoundRobin() Policy { return &roundRobin{asked: make(map[string]uint64)} }

type random struct{}

func (random) Rank(string) float64             { return rand.Float64() }
func (random) Begin(string)                    {}
func (random) End(string, time.Duration, bool) {}

type roundRobin struct {
	mu    sync.Mutex
	asked map[string]uint64
}

func (p *roundRobin) Rank(node string) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return float64(p.asked[node])
}

func (p *roundRobin) Begin(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.asked[node]; !ok {
		p.asked[node] = joining(maps.Values(p.asked))
	}
	p.asked[node]++
}

// joining is what a new node counts as asked, so that it is next and then as
// any other: it does not catch up on all that was before it.
func joining(asked iter.Seq[uint64]) uint64 {
	least, some := uint64(math.MaxUint64), false
	for n := range asked {
		least, some = min(least, n), true
	}
	if !some || least == 0 {
		return 0
	}
	return least - 1
}

func (p *roundRobin) End(string, time.Duration, bool) {}

// Inherit implements Heir.
func (p *roundRobin) Inherit(before Policy) {
	old, ok := before.(*roundRobin)
	if !ok || old == p {
		return
	}
	old.mu.Lock()
	asked := maps.Clone(old.asked)
	old.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = asked
}

const (
	// halfLife is after how long an observed latency counts half.
	halfLife = 5 * time.Second
	// exploration is the share of requests that ignore what was observed, so
	// that a node which was slow once is tried again.
	exploration = 0.05
	// penalty multiplies a node's latency when a request to it failed.
	penalty = 4
	// worst bounds an average in seconds: what it is multiplied with again and
	// again still comes down in time.
	worst = 60
)

// Adaptive prefers nodes that answer fast and have little to do: a moving
// average of the latency times the requests under way. Nodes of which nothing
// is known share the load in turn.
type Adaptive struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*load
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

// Rank implements Policy.
func (p *Adaptive) Rank(node string) float64 {
	if rand.Float64() < exploration {
		return rand.Float64() * 1e-6
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.load(node)
	// Latencies that differ by less than a fifth are the same: chance must not
	// send every request to one node. In between whoever was asked less goes first.
	step := math.Round(math.Log(max(l.average, 1e-4)) / math.Log(1.2))
	return math.Pow(1.2, step)*float64(l.flying+1) + float64(l.asked)*1e-12
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
func (p *Adaptive) End(node string, took time.Duration, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.load(node)
	l.flying--
	seconds := took.Seconds()
	if failed {
		seconds = min(max(seconds, l.average, 0.01)*penalty, worst)
	}
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
