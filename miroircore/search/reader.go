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
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// Metrics is told what reads do. Its methods must be instant.
type Metrics interface {
	// Leg tells of one request to a node; outcome is ok, failed, canceled or refused.
	Leg(node, outcome string, took time.Duration)
	// Extra tells of a request that was asked of a second copy: why is failover,
	// hedge or explore.
	Extra(why string)
	// Partial tells of an answer that lacks a shard.
	Partial()
	// Merged tells of one answered read and over how many nodes it went.
	Merged(kind string, nodes int, took time.Duration)
}

// Options are what a Reader works with. Client and Readable are required.
type Options struct {
	// Client gives the client of a node.
	Client func(id string) (*node.Client, bool)
	// Readable reports whether a node may be read of an index, by its physical uid.
	Readable func(nodeID, physical string) bool
	// Behind reports whether a node that may be read lacks writes that others
	// have, because no other copy of something can be read. nil means none does.
	Behind func(nodeID, physical string) bool
	// Indexing reports whether a node has writes to index. nil means none has.
	Indexing func(nodeID string) bool
	// Report is told of each request to a node that failed; it may be nil.
	Report func(nodeID string, err error)
	// Ended gives how many tasks have ended: a search shares the answer only of
	// one that began after the same ones. nil means that none ends.
	Ended func() uint64
	// Current gives an index, by its physical uid, as it is now. A read is planned
	// by the placement that is in force when it begins, not by the one that was
	// when its request came in. nil means that placements do not change.
	Current func(physical string) (*index.Index, bool)
	// Features are the experimental features that are on. nil means the defaults.
	Features func() meili.Features
	Logger   *slog.Logger
	// Tuning is what the reader begins with.
	Tuning
	Now     func() time.Time
	Metrics Metrics
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
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
func (nopMetrics) Partial()                          {}
func (nopMetrics) Merged(string, int, time.Duration) {}

// Reader answers reads. It is safe for concurrent use. No goroutine outlives the
// request it was started for but those of duplicates, which Close ends.
type Reader struct {
	o       Options
	tuning  atomic.Pointer[Tuning]
	breaker *breaker
	hedge   *hedge
	flights flights
	reads   reads
	kinds   kinds
	gate    gate

	duplicates *duplicates

	mu      sync.Mutex
	layouts map[string]layout // by physical uid
}

// New makes a Reader.
func New(o Options) *Reader {
	o = o.withDefaults()
	r := &Reader{o: o, breaker: newBreaker(o.Now), hedge: newHedge(), layouts: make(map[string]layout), duplicates: newDuplicates()}
	r.Tune(o.Tuning)
	return r
}

// Close ends the duplicates under way. Reads may go on; they start no more.
func (r *Reader) Close() { r.duplicates.close() }

// Call is what a read needs to know of the request it answers.
type Call struct {
	RequestID string
	// Identity names who asks: reads of different ones never share an answer.
	Identity string
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
