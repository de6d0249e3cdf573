package rebalance

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	// up all the same: an index that is never idle has to be movable, too, in as
	// many steps as it takes.
	patience = 10 * time.Second
	// hold bounds how long writes are held up.
	hold = 20 * time.Second
	// look is how often is looked whether a node has done what waits for it.
	look = 10 * time.Millisecond
)

// fillOne copies some shards to a node that lacks them. What is left over of an
// index that lacks nothing any more goes before the next index is begun with:
// under constant load that may take long.
func (r *Reconciler) fillOne(ctx context.Context, wanted *cluster.Topology) bool {
	for _, ix := range r.unsettled(wanted) {
		s := r.situation(ix, wanted)
		gaps := s.gaps()
		r.expect(ix, gaps)
		if len(gaps) == 0 && r.purgeOf(ctx, ix, s, wanted) {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
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
	ctx, cancel := r.whileSound(ctx, u.source, u.target)
	defer cancel()
	defer r.began(physical, u)()
	ix, err := r.mark(ctx, physical, u)
	if err != nil {
		return err
	}
	if err := r.bring(ctx, ix, u, wanted); err != nil {
		r.forgetPrepared(u.target)
		return err
	}
	r.o.Metrics.Moved(u.target, len(u.shards))
	r.o.Logger.Info("a node has been filled with shards", "index", ix.UID, "node", u.target, "from", u.source, "shards", u.shards)
	return failpoint.Hit("rebalance.switched")
}

// bring prepares the index on the target, copies, and makes it a replica. Where
// the settings change meanwhile the target is prepared anew, and nothing is
// copied twice.
func (r *Reconciler) bring(ctx context.Context, ix *index.Index, u unit, wanted *cluster.Topology) error {
	if err := r.prepare(ctx, ix, u.target); err != nil {
		return err
	}
	since, err := r.catchUp(ctx, ix.Physical, u)
	if err != nil {
		return err
	}
	for {
		err := r.take(ctx, ix.Physical, u, since, wanted)
		if !errors.Is(err, errUnprepared) {
			return err
		}
		now, ok := r.o.Catalog.ByPhysical(ix.Physical)
		if !ok {
			return errGone
		}
		if err := r.prepare(ctx, now, u.target); err != nil {
			return err
		}
	}
}

// errUnprepared says that the settings changed since the target was prepared.
var errUnprepared = errors.New("the settings changed meanwhile")

// preparation is an index on a node.
type preparation struct{ physical, node string }

// prepared is what an index was when it was brought to a node.
type prepared struct {
	settings uint64
	key      string
}

// prepare brings an index with its settings onto a node, unless that was done
// since they changed last.
func (r *Reconciler) prepare(ctx context.Context, ix *index.Index, id string) error {
	if r.isPrepared(ix, id) {
		return nil
	}
	if err := r.o.Nodes.Prepare(ctx, id, ix.UID); err != nil {
		return fmt.Errorf("prepare index %s on node %s: %w", ix.UID, id, err)
	}
	r.mu.Lock()
	r.prepared[preparation{ix.Physical, id}] = prepared{ix.SettingsVersion, ix.PrimaryKey}
	r.mu.Unlock()
	return failpoint.Hit("rebalance.prepared")
}

func (r *Reconciler) isPrepared(ix *index.Index, id string) bool {
	for _, d := range r.o.Standing.Drifts() {
		if d.Node == id && d.Physical == ix.Physical && d.Settings {
			return false
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.prepared[preparation{ix.Physical, id}] == prepared{ix.SettingsVersion, ix.PrimaryKey}
}

// forgetPrepared has a node prepared anew: something went wrong there, or its
// disk may be another.
func (r *Reconciler) forgetPrepared(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.prepared, func(p preparation, _ prepared) bool { return p.node == id })
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

// errStopped says that a step was given up by somebody's will.
var errStopped = errors.New("rebalancing was paused or taken over")

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
			return 0, errStopped
		}
		late := r.o.Now().After(until)
		if p.Copied+p.Deleted <= few && (late || r.idleFor(ctx, physical, until, u.source, u.target)) {
			return since, nil
		}
		if late {
			return since, nil
		}
	}
}

// idleFor waits until nodes have little to do, and says whether they did before
// any other document may have been written.
func (r *Reconciler) idleFor(ctx context.Context, physical string, until time.Time, ids ...string) bool {
	busy := func() bool {
		return slices.ContainsFunc(ids, func(id string) bool { return r.o.Line.Queued(id, physical) > short })
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
	err := r.exclusive(ctx, ix.UID, physical, func(ctx context.Context, ix *index.Index) error {
		if err := failpoint.Hit("rebalance.held"); err != nil {
			return err
		}
		if err := r.drained(ctx, physical, u.source, u.target); err != nil {
			return err
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
		if !r.isPrepared(ix, u.target) {
			return errUnprepared
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

// exclusive holds an index's writes up for a step, at most for a while.
func (r *Reconciler) exclusive(ctx context.Context, uid, physical string, fn func(ctx context.Context, ix *index.Index) error) error {
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	return r.o.Line.Exclusive(ctx, uid, func(ctx context.Context, ix *index.Index) error {
		if ix.Physical != physical {
			return errors.New("the index got another name meanwhile")
		}
		return fn(ctx, ix)
	})
}

// drained waits until nodes have done all that waits for them.
func (r *Reconciler) drained(ctx context.Context, physical string, ids ...string) error {
	for slices.ContainsFunc(ids, func(id string) bool { return r.o.Line.Queued(id, physical) > 0 }) {
		if !pause(ctx, look) {
			return fmt.Errorf("wait for nodes %v to do what waits for them: %w", ids, ctx.Err())
		}
	}
	return nil
}

// whileSound gives a context that ends when one of the nodes goes away, or turns
// out to have another disk: what waits for it is not sent then.
func (r *Reconciler) whileSound(ctx context.Context, ids ...string) (context.Context, context.CancelFunc) {
	return r.while(ctx, func(id string) bool { return r.o.Up(id) && !r.void(id) }, ids)
}

// while gives a context that ends when something no longer holds for one of the
// nodes.
func (r *Reconciler) while(ctx context.Context, holds func(id string) bool, ids []string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(ctx, interval/4) {
			for _, id := range ids {
				if !holds(id) {
					cancel(fmt.Errorf("node %s went away, or is not what it was", id))
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
