package rebalance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

const (
	// few is how many documents a round may have copied for the rest to be small
	// enough that writes can be held up for it.
	few = 200
	// short is how much a node may have to do before writes are held up until it
	// has done it.
	short = 16
	// patience is how long a short queue is waited for. After it writes are held
	// up all the same: an index that is never idle has to be movable, too.
	patience = time.Minute
	// hold bounds how long writes are held up.
	hold = 20 * time.Second
	// look is how often is looked whether a node has done what waits for it.
	look = 10 * time.Millisecond
)

// fillOne copies some shards to a node that lacks them.
func (r *Reconciler) fillOne(ctx context.Context, wanted *cluster.Topology) bool {
	for _, ix := range r.unsettled(wanted) {
		s := r.situation(ix, wanted)
		r.expect(ix, s.gaps())
		for _, u := range s.units(max(1, r.o.Concurrency())) {
			if r.try(ctx, "fill/"+ix.Physical+"/"+u.target, func(ctx context.Context) error { return r.fill(ctx, ix.Physical, u, wanted) }) {
				return true
			}
			if ctx.Err() != nil {
				return false
			}
		}
	}
	return false
}

// fill makes a node a replica of shards: it copies them in rounds while writes
// go on, and holds these up only for what is left.
func (r *Reconciler) fill(ctx context.Context, physical string, u unit, wanted *cluster.Topology) error {
	ctx, cancel := r.whileUp(ctx, u.source, u.target)
	defer cancel()
	defer r.began(physical, u)()
	ix, err := r.mark(ctx, physical, u)
	if err != nil {
		return err
	}
	if err := r.o.Nodes.Prepare(ctx, u.target, ix.UID); err != nil {
		return fmt.Errorf("prepare index %s on node %s: %w", ix.UID, u.target, err)
	}
	if err := failpoint.Hit("rebalance.prepared"); err != nil {
		return err
	}
	since, err := r.catchUp(ctx, physical, u)
	if err != nil {
		return err
	}
	if err := r.take(ctx, physical, u, since, wanted); err != nil {
		return err
	}
	r.o.Metrics.Moved(u.target, len(u.shards))
	r.o.Logger.Info("a node has been filled with shards", "index", ix.UID, "node", u.target, "from", u.source, "shards", u.shards)
	return failpoint.Hit("rebalance.switched")
}

// mark notes that the node may hold documents of the shards, and waits for the
// reads that do not know it yet.
func (r *Reconciler) mark(ctx context.Context, physical string, u unit) (*index.Index, error) {
	ix, _, err := r.change(physical, func(next *cluster.Placement) bool {
		if !slices.Contains(replicas(next), u.target) {
			// Nothing is known of what the node has of the index.
			return spare(next, u.target, every(next))
		}
		return spare(next, u.target, u.shards)
	})
	if err != nil {
		return nil, err
	}
	if err := failpoint.Hit("rebalance.marked"); err != nil {
		return nil, err
	}
	if err := r.o.Quiesce(ctx); err != nil {
		return nil, err
	}
	return ix, failpoint.Hit("rebalance.quiet")
}

// catchUp copies in rounds until little is left and the nodes have little to do.
func (r *Reconciler) catchUp(ctx context.Context, physical string, u unit) (since uint64, err error) {
	until := r.o.Now().Add(patience)
	for {
		ix, ok := r.o.Catalog.ByPhysical(physical)
		if !ok {
			return 0, errGone
		}
		p, err := r.o.Filler.Round(ctx, ix, u.source, u.target, u.shards, since)
		r.copied(physical, u, p)
		if err != nil {
			return 0, fmt.Errorf("copy shards %v of index %s from node %s to node %s: %w", u.shards, ix.UID, u.source, u.target, err)
		}
		since = max(since, p.Newest)
		if err := failpoint.Hit("rebalance.round"); err != nil {
			return 0, err
		}
		if !r.lead() {
			return 0, errors.New("rebalancing was paused or taken over")
		}
		late := r.o.Now().After(until)
		if p.Copied+p.Deleted <= few && (late || r.idleFor(ctx, physical, u, until)) {
			return since, nil
		}
		if late {
			return since, nil
		}
	}
}

// idleFor waits until both nodes have little to do, and says whether they did
// before any other document may have been written.
func (r *Reconciler) idleFor(ctx context.Context, physical string, u unit, until time.Time) bool {
	busy := func() bool {
		return r.o.Line.Queued(u.source, physical) > short || r.o.Line.Queued(u.target, physical) > short
	}
	if !busy() {
		return true
	}
	for busy() && ctx.Err() == nil && r.o.Now().Before(until) {
		pause(ctx, look)
	}
	return false
}

// take holds the index's writes up, copies the rest, has it compared, and makes
// the node a replica.
func (r *Reconciler) take(ctx context.Context, physical string, u unit, since uint64, wanted *cluster.Topology) error {
	if err := failpoint.Hit("rebalance.caught_up"); err != nil {
		return err
	}
	ix, ok := r.o.Catalog.ByPhysical(physical)
	if !ok {
		return errGone
	}
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	err := r.o.Line.Exclusive(ctx, ix.UID, func(ctx context.Context, ix *index.Index) error {
		if ix.Physical != physical {
			return errors.New("the index got another name meanwhile")
		}
		if err := failpoint.Hit("rebalance.held"); err != nil {
			return err
		}
		for r.o.Line.Queued(u.source, physical) > 0 || r.o.Line.Queued(u.target, physical) > 0 {
			if !pause(ctx, look) {
				return fmt.Errorf("wait for nodes %s and %s to do what waits for them: %w", u.source, u.target, ctx.Err())
			}
		}
		if !r.o.Readable(u.source, physical) || !r.sound(u.target, physical) {
			return fmt.Errorf("node %s or node %s went out of order", u.source, u.target)
		}
		p, err := r.o.Filler.Finish(ctx, ix, u.source, u.target, u.shards, since)
		r.copied(physical, u, p)
		if err != nil {
			return fmt.Errorf("compare shards %v on nodes %s and %s: %w", u.shards, u.source, u.target, err)
		}
		if err := failpoint.Hit("rebalance.switch"); err != nil {
			return err
		}
		if !r.o.Readable(u.source, physical) || !r.sound(u.target, physical) {
			return fmt.Errorf("node %s or node %s went out of order", u.source, u.target)
		}
		s := r.situation(ix, wanted)
		_, _, err = r.change(physical, func(next *cluster.Placement) bool {
			for _, shard := range u.shards {
				s.arrive(next, u.target, shard)
			}
			return true
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("take over shards %v of index %s on node %s: %w", u.shards, ix.UID, u.target, err)
	}
	return nil
}

// whileUp gives a context that ends when one of the nodes goes away.
func (r *Reconciler) whileUp(ctx context.Context, ids ...string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, interval/4) {
			for _, id := range ids {
				if !r.o.Up(id) {
					cancel(fmt.Errorf("node %s went away", id))
				}
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
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
