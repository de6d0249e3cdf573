package search

import (
	"time"

	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// Defaults of a Tuning. Zero values in one mean these.
const (
	DefaultFailoverAfter = 500 * time.Millisecond
	DefaultHedgeBudget   = 0.05
	DefaultTimeout       = 30 * time.Second
	DefaultMaxAnswer     = 256 << 20
	DefaultMaxReads      = 512
	DefaultQueuedReads   = 1000
	DefaultExactDistinct = 20_000
	DefaultExactFacets   = 100
)

// Tuning are the options that may change while a Reader is at work.
type Tuning struct {
	// FailoverAfter is how long a node may be silent before another copy is
	// asked as well. Default 500 ms.
	FailoverAfter time.Duration
	// NoHedge turns off asking another copy of a node that is slower than it
	// usually is. HedgeBudget is the share of requests that this may add.
	// Default 0.05.
	NoHedge     bool
	HedgeBudget float64
	// Timeout is after how long a node that says nothing is given up, where no
	// other copy answers. Default 30 s.
	Timeout time.Duration
	// MaxAnswer is the largest answer of a node in bytes. Default 256 MiB.
	MaxAnswer int64
	// MaxReads is how many reads run at a time, QueuedReads how many more wait
	// for their turn; further ones are refused. Defaults 512 and 1000.
	MaxReads, QueuedReads int
	// ExactDistinct is up to how many documents a search with distinct values, or
	// with a score threshold, may find for them to be gone through one by one, so
	// that its totals and facets are exact. ExactFacets is of how many facet values
	// one search asks the nodes in detail. Defaults 20,000 and 100.
	ExactDistinct, ExactFacets int
	// Policy chooses between copies. One that is an Heir takes over what the one
	// before it has learned. Default adaptive.
	Policy plan.Policy
	// Merger puts the hits of several nodes in one order. Default merge.Details.
	Merger merge.Merger
}

func (t Tuning) withDefaults() Tuning {
	set(&t.FailoverAfter, DefaultFailoverAfter)
	set(&t.HedgeBudget, DefaultHedgeBudget)
	set(&t.Timeout, DefaultTimeout)
	set(&t.MaxAnswer, DefaultMaxAnswer)
	set(&t.MaxReads, DefaultMaxReads)
	set(&t.QueuedReads, DefaultQueuedReads)
	set(&t.ExactDistinct, DefaultExactDistinct)
	set(&t.ExactFacets, DefaultExactFacets)
	if t.Merger == nil {
		t.Merger = merge.Details{}
	}
	return t
}

func set[T int | int64 | float64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Tune changes options from the next request on. Zero values mean the defaults.
func (r *Reader) Tune(t Tuning) {
	t = t.withDefaults()
	if t.Policy == nil {
		t.Policy = plan.NewAdaptive(r.o.Now)
	}
	if w, ok := t.Policy.(plan.Watcher); ok && r.o.Indexing != nil {
		w.Watch(r.o.Indexing)
	}
	if before := r.tuning.Load(); before != nil {
		if heir, ok := t.Policy.(plan.Heir); ok {
			heir.Inherit(before.Policy)
		}
	}
	r.tuning.Store(&t)
	r.gate.widen(t.MaxReads)
}
