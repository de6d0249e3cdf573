// Package antientropy compares the copies of shards with each other, from time
// to time, and puts right what differs though nothing is under way: a disk that
// forgot, a document that somebody changed on a node behind the gateway's back.
//
// A fast pass compares ids and versions, a content pass everything. Copies are
// read while writes go on, so a difference found in this way is only a
// suspicion; what is still suspected after a few looks is looked at with the
// writes of the index held up, all copies being at one operation. Only what
// differs then is a difference, and only the documents concerned are written.
// A version or a clock never decides which copy is right.
package antientropy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Line is the order of each index's writes.
type Line interface {
	// Exclusive runs fn while no operation of the index is under way.
	Exclusive(ctx context.Context, uid string, fn func(ctx context.Context, ix *index.Index) error) error
	// Queued is how much of an index a node has not yet done.
	Queued(nodeID, physical string) int
}

// Mender writes straight to nodes, while nobody else writes to the index.
type Mender interface {
	// Mend makes documents of the target what they are on the source.
	Mend(ctx context.Context, ix *index.Index, source, target string, ids []string) (replica.Progress, error)
	// Discard deletes documents of a node.
	Discard(ctx context.Context, ix *index.Index, target string, ids []string) (replica.Progress, error)
}

// Standing is what is known of nodes and their copies.
type Standing interface {
	// Up says whether a node answers, Sound whether it is what it was and has no
	// copy of the index that is to be made anew. InOrder says that a copy has
	// applied what others have.
	Up(nodeID string) bool
	Sound(nodeID, physical string) bool
	InOrder(nodeID, physical string) bool
	// Drifted has a copy made anew.
	Drifted(nodeID, physical string)
}

// Metrics hears of what is done. Its methods must not block.
type Metrics interface {
	// Compared tells of documents that were read in a pass.
	Compared(pass string, documents int)
	// Differed tells of documents that differ on copies at one operation.
	Differed(documents int)
	// Mended tells of documents that were written to or deleted on a node.
	Mended(node string, copied, deleted int)
	// Passed tells of a pass over all indexes that ended.
	Passed(pass string, at time.Time)
}

// The passes.
const (
	Fast    = "fast"
	Content = "content"
)

// Defaults of a Schedule.
const (
	DefaultFast    = time.Hour
	DefaultContent = 24 * time.Hour
)

// Schedule says how often copies are compared.
type Schedule struct {
	// Off has them compared only when somebody asks for it.
	Off           bool
	Fast, Content time.Duration
}

// Options are what a Checker works with. All without a default are required.
type Options struct {
	Catalog  *index.Catalog
	Store    state.Store
	Line     Line
	Mender   Mender
	Standing Standing
	Client   func(id string) (*node.Client, bool)
	// Nodes lists the nodes that are known.
	Nodes func() []string
	// Schedule is read anew each time. Default: both defaults.
	Schedule func() Schedule
	// Throttle bounds what is read; it may be nil.
	Throttle *replica.Throttle
	// Rest gives how long to leave a node alone after a request that took so long;
	// it may be nil.
	Rest func(took time.Duration) time.Duration
	// Holder names this gateway among those that share the store.
	Holder  string
	Logger  *slog.Logger
	Metrics Metrics
	Now     func() time.Time
}

// Checker compares copies. It is safe for concurrent use.
type Checker struct {
	o        Options
	wake     chan struct{}
	patience time.Duration

	mu      sync.Mutex
	holding bool // the lease
	at      *position
	perUnit map[string]int // documents of a shard, by index: the last count
	problem error
}

const (
	// interval is how often it is looked whether a pass is due.
	interval = time.Second
	// patience is how long copies that are behind are waited for.
	patience = 5 * time.Second
	// retryAfter is how long a pass that failed waits before it goes on.
	retryAfter = 10 * time.Second
)

// New makes a Checker; Run starts it.
func New(o Options) (*Checker, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = silent{}
	}
	if o.Schedule == nil {
		o.Schedule = func() Schedule { return Schedule{} }
	}
	c := &Checker{o: o, wake: make(chan struct{}, 1), patience: patience, perUnit: make(map[string]int)}
	return c, c.open()
}

type silent struct{}

func (silent) Compared(string, int)     {}
func (silent) Differed(int)             {}
func (silent) Mended(string, int, int)  {}
func (silent) Passed(string, time.Time) {}

func (c *Checker) schedule() Schedule {
	s := c.o.Schedule()
	if s.Fast == 0 {
		s.Fast = DefaultFast
	}
	if s.Content == 0 {
		s.Content = DefaultContent
	}
	return s
}

// Now has a pass begin as soon as none is under way: a fast one, or one over
// the contents. It survives a restart.
func (c *Checker) Now(content bool) error {
	if err := c.ask(content); err != nil {
		return err
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// Run works until the context ends.
func (c *Checker) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	defer c.release()
	for {
		for ctx.Err() == nil {
			did, err := c.step(ctx)
			c.note(err)
			if err != nil && ctx.Err() == nil {
				c.o.Logger.Warn("comparing copies broke off and goes on later", "error", err)
				pause(ctx, retryAfter)
			}
			if !did {
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-c.wake:
		}
	}
}

func (c *Checker) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.Is(err, context.Canceled) {
		c.problem = err
	}
}

// step makes the pass that is due or under way, and says whether there was one.
func (c *Checker) step(ctx context.Context) (bool, error) {
	p, err := c.due()
	if err != nil || p == nil || !c.lead() {
		return false, err
	}
	return true, c.pass(ctx, p)
}

// pause waits, and says whether the context has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
