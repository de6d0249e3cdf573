// Package search answers what reads documents: search, multi-search, facet
// search, similar documents, documents by page and by id. It asks the fewest
// nodes that hold every shard once, and puts their answers together so that
// they read as one server's.
package search

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// Metrics is told what reads do. Its methods must be instant.
type Metrics interface {
	// Leg tells of one request to a node; outcome is ok, failed, canceled or refused.
	Leg(node, outcome string, took time.Duration)
	// Extra tells of a request that was asked of a second copy: why is failover
	// or hedge.
	Extra(why string)
	// Merged tells of one answered read and over how many nodes it went.
	Merged(kind string, nodes int, took time.Duration)
}

// Options are what a Reader works with. Client and Readable are required.
type Options struct {
	// Client gives the client of a node.
	Client func(id string) (*node.Client, bool)
	// Readable reports whether a node may be read of an index, by its physical uid.
	Readable func(nodeID, physical string) bool
	// Current gives an index, by its physical uid, as it is now. A read is planned
	// by the placement that is in force when it begins, not by the one that was
	// when its request came in. nil means that placements do not change.
	Current func(physical string) (*index.Index, bool)
	// Features are the experimental features that are on. nil means the defaults.
	Features func() meili.Features
	Logger   *slog.Logger
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
	// Policy chooses between copies. Default adaptive.
	Policy plan.Policy
	// Merger puts the hits of several nodes in one order. Default merge.Details.
	Merger  merge.Merger
	Now     func() time.Time
	Metrics Metrics
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FailoverAfter <= 0 {
		o.FailoverAfter = 500 * time.Millisecond
	}
	if o.HedgeBudget <= 0 {
		o.HedgeBudget = 0.05
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = 256 << 20
	}
	if o.Features == nil {
		o.Features = func() meili.Features { return meili.Features{} }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = nopMetrics{}
	}
	return o
}

type nopMetrics struct{}

func (nopMetrics) Leg(string, string, time.Duration) {}
func (nopMetrics) Extra(string)                      {}
func (nopMetrics) Merged(string, int, time.Duration) {}

// Tuning are the options that may change while a Reader is at work.
type Tuning struct {
	FailoverAfter time.Duration
	NoHedge       bool
	HedgeBudget   float64
	// Policy chooses between copies. One that is an Heir takes over what the one
	// before it has learned. Default adaptive.
	Policy plan.Policy
	// Merger puts the hits of several nodes in one order. Default merge.Details.
	Merger merge.Merger
}

// Reader answers reads. It is safe for concurrent use and starts no goroutine
// that outlives the request it was started for.
type Reader struct {
	o       Options
	tuning  atomic.Pointer[Tuning]
	breaker *breaker
	hedge   *hedge
	flights flights
	reads   reads
	kinds   kinds

	mu      sync.Mutex
	layouts map[string]layout // by physical uid
}

// New makes a Reader.
func New(o Options) *Reader {
	o = o.withDefaults()
	r := &Reader{o: o, breaker: newBreaker(o.Now), hedge: newHedge(), layouts: make(map[string]layout)}
	r.Tune(Tuning{o.FailoverAfter, o.NoHedge, o.HedgeBudget, o.Policy, o.Merger})
	return r
}

// Tune changes options from the next request on. Zero values mean the defaults.
func (r *Reader) Tune(t Tuning) {
	if t.FailoverAfter <= 0 {
		t.FailoverAfter = 500 * time.Millisecond
	}
	if t.HedgeBudget <= 0 {
		t.HedgeBudget = 0.05
	}
	if t.Merger == nil {
		t.Merger = merge.Details{}
	}
	if t.Policy == nil {
		t.Policy = plan.NewAdaptive(r.o.Now)
	}
	if before := r.tuning.Load(); before != nil {
		if heir, ok := t.Policy.(plan.Heir); ok {
			heir.Inherit(before.Policy)
		}
	}
	r.tuning.Store(&t)
}

// Call is what a read needs to know of the request it answers.
type Call struct {
	RequestID string
	// Unavailable is partial or error: what to do when a shard has no copy that
	// can be read.
	Unavailable string
	// TenantFilter gives the filter that the key adds to searches in an index,
	// nil for none; it may be nil itself.
	TenantFilter func(indexUID string) (json.RawMessage, *meili.Error)
	// IncludeMetadata adds metadata to the answer.
	IncludeMetadata bool
}

func (c Call) tenant(uid string) (json.RawMessage, *meili.Error) {
	if c.TenantFilter == nil {
		return nil, nil
	}
	return c.TenantFilter(uid)
}

// Answer is what a client is answered with.
type Answer struct {
	Status int
	Body   []byte
	// Degraded is the value of X-Miroir-Degraded, "" where nothing is missing.
	Degraded string
	// Nodes is how many nodes the answer is made of, Retries how many more
	// requests than that were sent.
	Nodes, Retries int

	uid   int // where requestUid's text lies in the body, 0 for nowhere
	total int
}

// layout is a placement turned around, kept for as long as it is in force.
type layout struct {
	of     *index.Index
	layout *plan.Layout
}

func (r *Reader) layout(ix *index.Index) *plan.Layout {
	if r.o.Current != nil {
		if now, ok := r.o.Current(ix.Physical); ok && now.Shards == ix.Shards {
			ix = now
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.layouts[ix.Physical]
	if ok && l.of.Placement == ix.Placement {
		return l.layout
	}
	if len(r.layouts) > 4096 { // indexes come and go; what is in use is soon back
		clear(r.layouts)
	}
	l = layout{ix, plan.NewLayout(ix.Placement)}
	r.layouts[ix.Physical] = l
	return l.layout
}

// detached gives a context for requests to nodes. It carries none of the
// client's values, because a transport may keep state in them, and ends with
// the client's.
func detached(ctx context.Context, call Call) (context.Context, context.CancelFunc) {
	own, cancel := context.WithCancel(context.Background())
	if call.RequestID != "" {
		own = node.WithRequestID(own, call.RequestID)
	}
	stop := context.AfterFunc(ctx, cancel)
	return own, func() {
		stop()
		cancel()
	}
}
