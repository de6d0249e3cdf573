// Package rebalance brings what nodes hold in line with what they should hold.
// The placement of an index is the truth: a copy is rebuilt by taking it out of
// the placement, and the Reconciler fills whatever the wanted placement has and
// the actual one lacks. Adding, draining and replacing nodes, changing the
// number of copies, groups that come and go and copies that went wrong are all
// that one thing. Each step ends in one durable change of a placement, so that
// after a crash the placement alone says what is left to do.
package rebalance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// Line is the order of each index's writes.
type Line interface {
	// Exclusive runs fn while no operation of the index is under way.
	Exclusive(ctx context.Context, uid string, fn func(ctx context.Context, ix *index.Index) error) error
	// Queued is how much of an index a node has not yet done.
	Queued(nodeID, physical string) int
	// Void drops what waits for a node of an index, and what is known against
	// its copy.
	Void(nodeID, physical string)
}

// Nodes changes what lies on a node, in the order of the index.
type Nodes interface {
	// Prepare makes an index with its key and settings on the node.
	Prepare(ctx context.Context, nodeID, uid string) error
	// Purge deletes what the node has of shards.
	Purge(ctx context.Context, nodeID, uid string, shards []int) error
	// Rebuilt lets a node take part again whose copies were void.
	Rebuilt(nodeID string)
}

// Standing is what is known of nodes and their copies.
type Standing interface {
	NodeState(nodeID string) outbox.State
	Drifts() []write.Drift
}

// Progress is what one round of copying came to.
type Progress = replica.Progress

// Filler makes the documents of shards on one node equal to another's.
type Filler interface {
	// Round copies, without holding anything up, what is newer than a version.
	Round(ctx context.Context, ix *index.Index, source, target string, shards []int, since uint64) (Progress, error)
	// Finish makes them equal while no operation of the index is under way, and
	// fails when they are not.
	Finish(ctx context.Context, ix *index.Index, source, target string, shards []int, since uint64) (Progress, error)
}

// Options are what a Reconciler works with. All without a default are required.
type Options struct {
	Catalog  *index.Catalog
	Store    state.Store
	Line     Line
	Nodes    Nodes
	Standing Standing
	Filler   Filler
	// Wanted is the shape that the fleet is to have.
	Wanted func() *cluster.Topology
	// Client gives the client of a node; Up says whether it answers, Readable
	// whether its copy of an index may be read.
	Client   func(id string) (*node.Client, bool)
	Up       func(id string) bool
	Readable func(nodeID, physical string) bool
	// Quiesce waits until no read is left that began before.
	Quiesce func(ctx context.Context) error
	// Known lists the nodes that are known; Forget ends that for those that are
	// not wanted and hold nothing.
	Known  func() []string
	Forget func(id string) error
	// Made lists the indexes that this fleet made on a node, by their physical
	// names. One that the catalog does not know is deleted there only if it is
	// among them. Nothing is deleted if it is nil.
	Made func(ctx context.Context, c *node.Client) ([]string, error)
	// Concurrency is how many shards are moved at once. Default 4.
	Concurrency func() int
	// Holder names this gateway among those that share the store.
	Holder  string
	Logger  *slog.Logger
	Metrics Metrics
	Now     func() time.Time
}

// Metrics hears of what the reconciler does. Its methods must not block.
type Metrics interface {
	// Filled tells of documents that were copied to or deleted on a node.
	Filled(node string, copied, deleted int)
	// Moved tells of shards that a node became a replica of.
	Moved(node string, shards int)
	// StepFailed tells of a step that has to be taken again.
	StepFailed(step string)
	// Pending sets how many copies are wanted and not there, being made, and left
	// over.
	Pending(missing, moving, surplus int)
}

// DefaultConcurrency is how many shards are moved at once.
const DefaultConcurrency = 4

const (
	// interval is how often it is looked whether something has to be done, apart
	// from when somebody says so.
	interval = time.Second
	// retryAfter is how long a step that failed is left alone, at first; each
	// failure doubles it up to retryMost.
	retryAfter = 500 * time.Millisecond
	retryMost  = 30 * time.Second
)

// Reconciler brings actual placements in line with the wanted ones. It is safe
// for concurrent use.
type Reconciler struct {
	o    Options
	wake chan struct{}

	turn    sync.Mutex // held while a pass is under way
	mu      sync.Mutex
	asides  int // that wait for their turn, or have it
	paused  bool
	holding bool // the lease
	settled map[string]settled
	// prepared is which settings were brought to which nodes.
	prepared map[preparation]prepared
	delays   map[string]*delay
	now      report
	stop     context.CancelFunc // of the step under way
}

// settled remembers that an index needed nothing, so that an idle pass costs
// nothing either.
type settled struct {
	placement *cluster.Placement
	wanted    string
}

// delay is when a step that failed may be taken again.
type delay struct {
	wait  time.Duration
	until time.Time
	err   error
}

// New makes a Reconciler; Run starts it.
func New(o Options) (*Reconciler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Concurrency == nil {
		o.Concurrency = func() int { return DefaultConcurrency }
	}
	if o.Metrics == nil {
		o.Metrics = silent{}
	}
	if o.Made == nil {
		o.Made = func(context.Context, *node.Client) ([]string, error) { return nil, nil }
	}
	r := &Reconciler{o: o, wake: make(chan struct{}, 1), settled: make(map[string]settled), prepared: make(map[preparation]prepared), delays: make(map[string]*delay)}
	r.now.moves = make(map[moveKey]*move)
	paused, err := readPaused(o.Store)
	r.paused = paused
	return r, err
}

type silent struct{}

func (silent) Filled(string, int, int) {}
func (silent) Moved(string, int)       {}
func (silent) StepFailed(string)       {}
func (silent) Pending(int, int, int)   {}

// Wake has the reconciler look now.
func (r *Reconciler) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run works until the context ends.
func (r *Reconciler) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	defer r.release()
	for {
		for ctx.Err() == nil && r.pass(ctx) {
			// One step leads to the next.
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

// Aside runs fn while no step is under way: what it changes of placements is not
// changed beneath a copy in the making. A step that is under way is given up and
// taken again after.
func (r *Reconciler) Aside(fn func() error) error {
	r.mu.Lock()
	r.asides++
	if r.stop != nil {
		r.stop()
	}
	r.mu.Unlock()
	r.turn.Lock()
	defer r.turn.Unlock()
	defer r.Wake()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asides--
	}()
	return fn()
}

// pass takes the step that is most urgent, and says whether there was one.
func (r *Reconciler) pass(ctx context.Context) bool {
	r.turn.Lock()
	defer r.turn.Unlock()
	if !r.lead() {
		return false
	}
	r.forgetDelays()
	wanted := r.o.Wanted()
	if wanted == nil {
		return false
	}
	for _, step := range []func(context.Context, *cluster.Topology) bool{
		r.expelAll, r.rebuildNodes, r.shapeAll, r.fillOne, r.purgeOne, r.forgetNodes,
	} {
		if step(ctx, wanted) {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
	}
	r.idle()
	return false
}

// situation is what a pass plans an index on.
func (r *Reconciler) situation(ix *index.Index, wanted *cluster.Topology) *situation {
	readable := make(map[string]bool)
	return &situation{
		actual: ix.Placement, wanted: cluster.Place(wanted, ix.Physical, ix.Shards),
		readable: func(id string) bool {
			ok, asked := readable[id]
			if !asked {
				ok = r.o.Readable(id, ix.Physical)
				readable[id] = ok
			}
			return ok
		},
		fillable: func(id string) bool { return r.o.Up(id) && r.sound(id, ix.Physical) },
	}
}

// sound says whether nothing speaks against giving a node documents of an index.
func (r *Reconciler) sound(id, physical string) bool {
	if s := r.o.Standing.NodeState(id); s.Stale || s.RolledBack || s.Suspect {
		return false
	}
	for _, d := range r.o.Standing.Drifts() {
		if d.Node == id && d.Physical == physical && d.Documents {
			return false
		}
	}
	return true
}

// change makes one durable change of the placement that an index has now. fn
// gets the next one and says whether it differs.
func (r *Reconciler) change(physical string, fn func(next *cluster.Placement) bool) (*index.Index, bool, error) {
	ix, ok := r.o.Catalog.ByPhysical(physical)
	if !ok {
		return nil, false, errGone
	}
	next := ix.Placement.Clone()
	if !fn(next) {
		return ix, false, nil
	}
	placed, err := r.o.Catalog.Place(physical, next)
	if err != nil {
		return nil, false, fmt.Errorf("place index %s: %w", ix.UID, err)
	}
	return placed, true, nil
}

// errGone says that the index was deleted meanwhile.
var errGone = errors.New("the index is gone")

// try takes a step under a name; one that failed lately is left alone for a
// while. It says whether the step was taken and ended well.
func (r *Reconciler) try(ctx context.Context, name string, step func(ctx context.Context) error) bool {
	if !r.due(name) {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.mu.Lock()
	if r.asides > 0 {
		r.mu.Unlock()
		return false
	}
	r.stop = cancel
	r.mu.Unlock()
	err := step(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = nil
	if err == nil || errors.Is(err, errGone) {
		delete(r.delays, name)
		return err == nil
	}
	if ctx.Err() != nil || errors.Is(err, errStopped) { // paused or closed: nothing is wrong with the step
		return false
	}
	d := r.delays[name]
	if d == nil {
		d = &delay{wait: retryAfter / 2}
		r.delays[name] = d
	}
	d.wait = min(2*d.wait, retryMost)
	d.until, d.err = r.o.Now().Add(d.wait), err
	r.o.Metrics.StepFailed(stepOf(name))
	r.o.Logger.Warn("a step of rebalancing failed and is taken again", "step", name, "after", d.wait, "error", err)
	return false
}

// forgetDelays drops the failures of steps that nobody wants any more, so that
// they are not told of as problems.
func (r *Reconciler) forgetDelays() {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.delays, func(_ string, d *delay) bool { return r.o.Now().Sub(d.until) > retryMost })
}

func (r *Reconciler) due(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.delays[name]
	return d == nil || !r.o.Now().Before(d.until)
}
