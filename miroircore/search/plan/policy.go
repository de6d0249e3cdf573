package plan

import (
	"fmt"
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

// NewPolicy makes the policy of a name: adaptive, round_robin or random.
func NewPolicy(name string, now func() time.Time) (Policy, error) {
	switch name {
	case "adaptive":
		return NewAdaptive(now), nil
	case "round_robin":
		return &roundRobin{asked: make(map[string]uint64)}, nil
	case "random":
		return random{}, nil
	}
	return nil, fmt.Errorf("selection policy %q: it must be adaptive, round_robin or random", name)
}

type random struct{}

func (random) Rank(string) float64             { return rand.Float64() }
func (random) Begin(string)                    {}
func (random) End(string, time.Duration, bool) {}

// roundRobin asks whoever was asked least.
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
	if _, ok := p.asked[node]; !ok { // a new node does not catch up on all that was
		var most uint64
		for _, n := range p.asked {
			most = max(most, n)
		}
		p.asked[node] = most
	}
	p.asked[node]++
}

func (p *roundRobin) End(string, time.Duration, bool) {}

const (
	// halfLife is after how long an observed latency counts half.
	halfLife = 5 * time.Second
	// exploration is the share of requests that ignore what was observed, so
	// that a node which was slow once is tried again.
	exploration = 0.05
	// penalty multiplies a node's latency when a request to it failed.
	penalty = 4
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
		seconds = max(seconds, l.average, 0.01) * penalty
	}
	now := p.now()
	if l.at.IsZero() {
		l.average = seconds
	} else {
		// The older the average the less it counts; a burst of answers at one
		// instant still moves it a little.
		old := math.Exp2(-float64(now.Sub(l.at)) / float64(halfLife))
		old = min(old, 0.95)
		l.average = l.average*old + seconds*(1-old)
	}
	l.at = now
}
