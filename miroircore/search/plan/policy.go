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
	// End tells how that came to its end.
	End(node string, took time.Duration, how Ending)
}

// Ending is how a request to a node ended.
type Ending uint8

// The endings: Answered; Failed; Outrun, where another copy was faster and the
// node would have taken longer than it was given; Dropped, where nobody wanted
// the answer any more, which says nothing about the node.
const (
	Answered Ending = iota
	Failed
	Outrun
	Dropped
)

// Heir is a Policy that takes over what the one before it has learned, where a
// new configuration brings one of the same kind.
type Heir interface {
	Inherit(before Policy)
}

// Explorer is a Policy that knows which nodes are slow, and has a node tried
// again now and then that its ranks keep from being asked.
type Explorer interface {
	// Slow reports whether the node is known to answer later than others.
	Slow(node string) bool
	// Explore gives the node to try for this request out of those that it is not
	// sent to, or "" for none. Others is seldom called.
	Explore(others func() []string) string
}

// Watcher is a Policy that is to know which nodes are indexing.
type Watcher interface {
	Watch(indexing func(node string) bool)
}

// NewRandom makes a policy that chooses by chance.
func NewRandom() Policy { return random{} }

// NewRoundRobin makes a policy that asks nodes in turn: whoever was asked least.
func NewRoundRobin() Policy { return &roundRobin{asked: make(map[string]uint64)} }

type random struct{}

func (random) Rank(string) float64               { return rand.Float64() }
func (random) Begin(string)                      {}
func (random) End(string, time.Duration, Ending) {}

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

func (p *roundRobin) End(string, time.Duration, Ending) {}

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
