package rebalance

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// void says whether a node has to be rebuilt: too much was waiting for it, or
// its disk is not the one it had.
func (r *Reconciler) void(id string) bool {
	s := r.o.Standing.NodeState(id)
	return s.Stale || s.RolledBack
}

// unsettled lists the indexes of which the actual placement is not the wanted one.
func (r *Reconciler) unsettled(wanted *cluster.Topology) []*index.Index {
	var list []*index.Index
	shape := spell(wanted)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, ix := range r.o.Catalog.List() {
		if r.settled[ix.Physical] != (settled{ix.Placement, shape}) {
			list = append(list, ix)
		}
	}
	return list
}

// expelAll takes copies out of the placements that are not what they should be.
func (r *Reconciler) expelAll(ctx context.Context, _ *cluster.Topology) (did bool) {
	drifted := make(map[string][]string)
	for _, d := range r.o.Standing.Drifts() {
		if d.Documents {
			drifted[d.Physical] = append(drifted[d.Physical], d.Node)
		}
	}
	states := make(map[string]bool)
	for _, ix := range r.o.Catalog.List() {
		holders := replicas(ix.Placement)
		for _, id := range holders {
			bad, known := states[id]
			if !known {
				bad = r.void(id)
				states[id] = bad
			}
			if bad || slices.Contains(drifted[ix.Physical], id) {
				did = r.try(ctx, "expel/"+ix.Physical+"/"+id, func(context.Context) error { return r.expel(ix.Physical, id) }) || did
			}
		}
		for _, id := range drifted[ix.Physical] {
			if !slices.Contains(holders, id) {
				r.o.Line.Void(id, ix.Physical) // nobody reads it, and it is to be filled anew
			}
		}
	}
	return did
}

// expel takes one node's copy of an index out of the placement.
func (r *Reconciler) expel(physical, id string) error {
	if err := failpoint.Hit("rebalance.expel"); err != nil {
		return err
	}
	ix, ok := r.o.Catalog.ByPhysical(physical)
	if !ok {
		return errGone
	}
	s := &situation{actual: ix.Placement, readable: func(other string) bool { return other != id && r.o.Readable(other, physical) }}
	var out, stays []int
	_, changed, err := r.change(physical, func(next *cluster.Placement) bool {
		out, stays = s.expel(next, id)
		return len(out) > 0
	})
	if err != nil {
		return err
	}
	if !changed {
		return errGone // nothing that could be done: its shards have no other copy
	}
	r.o.Logger.Warn("a copy is out of order and will be made anew", "index", ix.UID, "node", id, "shards", len(out), "only_copies", len(stays))
	if err := failpoint.Hit("rebalance.expelled"); err != nil {
		return err
	}
	if len(stays) == 0 {
		r.o.Line.Void(id, physical)
	}
	return nil
}

// rebuildNodes lets nodes take part again whose copies were void and which are
// out of all placements by now.
func (r *Reconciler) rebuildNodes(ctx context.Context, wanted *cluster.Topology) (did bool) {
	for _, n := range wanted.Nodes() {
		if !r.void(n.ID) || !r.o.Up(n.ID) || r.isReplica(n.ID) {
			continue
		}
		did = r.try(ctx, "rebuild/"+n.ID, func(ctx context.Context) error { return r.rebuild(ctx, n.ID) }) || did
	}
	return did
}

func (r *Reconciler) isReplica(id string) bool {
	return slices.ContainsFunc(r.o.Catalog.List(), func(ix *index.Index) bool { return slices.Contains(replicas(ix.Placement), id) })
}

// rebuild cleans a node of what is not known any more, and lets it take writes.
func (r *Reconciler) rebuild(ctx context.Context, id string) error {
	ctx, cancel := r.while(ctx, r.o.Up, []string{id})
	defer cancel()
	client, ok := r.o.Client(id)
	if !ok {
		return fmt.Errorf("rebuild node %s: it is not known", id)
	}
	r.forgetPrepared(id)
	if err := failpoint.Hit("rebalance.rebuild"); err != nil {
		return err
	}
	if err := r.clean(ctx, client); err != nil {
		return fmt.Errorf("rebuild node %s: %w", id, err)
	}
	for _, ix := range r.o.Catalog.List() {
		_, _, err := r.change(ix.Physical, func(next *cluster.Placement) bool { return spare(next, id, every(next)) })
		if err != nil && err != errGone {
			return err
		}
	}
	if err := failpoint.Hit("rebalance.cleaned"); err != nil {
		return err
	}
	r.o.Nodes.Rebuilt(id)
	r.o.Logger.Info("a node takes part again and is being filled", "node", id)
	return failpoint.Hit("rebalance.rebuilt")
}

// clean deletes the indexes of a node that this fleet made and that the catalog
// does not know any more, or knows with another key. It fails while the node has anything left to do: what an
// older disk had in its queue would come after.
func (r *Reconciler) clean(ctx context.Context, client *node.Client) error {
	open, err := client.Tasks(ctx, node.TaskQuery{Statuses: []meili.TaskStatus{meili.StatusEnqueued, meili.StatusProcessing}, Limit: 1})
	if err != nil {
		return fmt.Errorf("list its tasks: %w", err)
	}
	if open.Total > 0 {
		return fmt.Errorf("it still has %d tasks of its own to do", open.Total)
	}
	indexes, err := client.Indexes(ctx)
	if err != nil {
		return fmt.Errorf("list its indexes: %w", err)
	}
	made, err := r.o.Made(ctx, client)
	if err != nil {
		return fmt.Errorf("read what was made there: %w", err)
	}
	for _, on := range indexes {
		ix, known := r.o.Catalog.ByPhysical(on.UID)
		if known && (on.PrimaryKey == nil || *on.PrimaryKey == ix.PrimaryKey) || !known && !slices.Contains(made, on.UID) {
			continue
		}
		queued, err := client.Enqueue(ctx, http.MethodDelete, "/indexes/"+on.UID, nil)
		if err != nil {
			return fmt.Errorf("delete index %s: %w", on.UID, err)
		}
		if _, err := client.Wait(ctx, queued.TaskUID); err != nil {
			return fmt.Errorf("delete index %s: %w", on.UID, err)
		}
	}
	return nil
}

// shapeAll makes the changes that need no copying.
func (r *Reconciler) shapeAll(ctx context.Context, wanted *cluster.Topology) (did bool) {
	for _, ix := range r.unsettled(wanted) {
		s := r.situation(ix, wanted)
		probe := ix.Placement.Clone()
		if !s.shape(probe) {
			r.settle(ix, s, wanted)
			continue
		}
		did = r.try(ctx, "shape/"+ix.Physical, func(ctx context.Context) error { return r.shape(ctx, ix.Physical, wanted) }) || did
	}
	return did
}

// shape makes the changes of one index that need no copying. Before a copy is
// given up those that stay have to have applied what it has: else one that was
// not asked until now, and lacks what searches have shown, would be asked alone.
func (r *Reconciler) shape(ctx context.Context, physical string, wanted *cluster.Topology) error {
	if err := failpoint.Hit("rebalance.shape"); err != nil {
		return err
	}
	ix, ok := r.o.Catalog.ByPhysical(physical)
	if !ok {
		return errGone
	}
	keepers := func(ix *index.Index) []string {
		probe := ix.Placement.Clone()
		r.situation(ix, wanted).shape(probe)
		return left(ix.Placement, probe)
	}
	reshape := func() error {
		_, _, err := r.change(physical, r.situation(ix, wanted).shape)
		return err
	}
	stay := keepers(ix)
	if len(stay) == 0 {
		return reshape()
	}
	r.idleFor(ctx, physical, r.o.Now().Add(patience), stay...)
	return r.exclusive(ctx, ix.UID, physical, func(ctx context.Context, now *index.Index) error {
		ix = now
		if err := r.drained(ctx, physical, keepers(ix)...); err != nil {
			return err
		}
		return reshape()
	})
}

// settle remembers that an index is where it should be.
func (r *Reconciler) settle(ix *index.Index, s *situation, wanted *cluster.Topology) {
	if !s.done() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled[ix.Physical] = settled{ix.Placement, spell(wanted)}
}

// spell writes down what placements follow from.
func spell(t *cluster.Topology) string {
	text := []byte(strconv.Itoa(t.Replication))
	for _, g := range t.Groups {
		text = append(append(text, '\n'), g.ID...)
		for _, n := range g.Nodes {
			text = append(append(text, ' '), n.ID...)
		}
	}
	return string(text)
}

// purgeOne deletes from a node what it is not to have.
func (r *Reconciler) purgeOne(ctx context.Context, wanted *cluster.Topology) bool {
	for _, ix := range r.unsettled(wanted) {
		if r.purgeOf(ctx, ix, r.situation(ix, wanted), wanted) {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
	}
	return false
}

// purgeOf is purgeOne for one index.
func (r *Reconciler) purgeOf(ctx context.Context, ix *index.Index, s *situation, wanted *cluster.Topology) bool {
	for id, shards := range s.leftovers() {
		name := "purge/" + ix.Physical + "/" + id
		_, stays := wanted.Node(id)
		did := false
		switch reachable := r.o.Up(id) && !r.void(id); {
		case !reachable && !stays:
			// It leaves, and cannot be asked to clean up. Should it ever come back
			// it is taken for a node of which nothing is known.
			did = r.try(ctx, name, func(context.Context) error { return r.spared(ix.Physical, id, shards) })
		case reachable && r.sound(id, ix.Physical):
			did = r.try(ctx, name, func(ctx context.Context) error { return r.purge(ctx, ix.Physical, id, shards) })
		}
		if did || ctx.Err() != nil {
			return did
		}
	}
	return false
}

// purge deletes leftovers when no read is left that may need them.
func (r *Reconciler) purge(ctx context.Context, physical, id string, shards []int) error {
	ctx, cancel := r.whileSound(ctx, id)
	defer cancel()
	if err := failpoint.Hit("rebalance.purge"); err != nil {
		return err
	}
	if err := r.o.Quiesce(ctx); err != nil {
		return err
	}
	ix, ok := r.o.Catalog.ByPhysical(physical)
	if !ok {
		return errGone
	}
	if err := r.o.Nodes.Purge(ctx, id, ix.UID, shards); err != nil {
		return fmt.Errorf("delete leftovers of index %s on node %s: %w", ix.UID, id, err)
	}
	if err := failpoint.Hit("rebalance.purged"); err != nil {
		return err
	}
	if now, ok := r.o.Catalog.ByPhysical(physical); !ok || now.UID != ix.UID {
		return fmt.Errorf("index %s got another name while leftovers were deleted", ix.UID)
	}
	return r.spared(physical, id, shards)
}

// spared notes that a node has nothing left of shards.
func (r *Reconciler) spared(physical, id string, shards []int) error {
	_, _, err := r.change(physical, func(next *cluster.Placement) bool {
		if len(next.Surplus[id]) == 0 {
			return false
		}
		cleared(next, id, shards)
		return true
	})
	return err
}

// forgetNodes ends what is known of nodes that left and hold nothing.
func (r *Reconciler) forgetNodes(ctx context.Context, wanted *cluster.Topology) (did bool) {
	for _, id := range r.o.Known() {
		if _, named := wanted.Node(id); named {
			continue
		}
		if slices.ContainsFunc(r.o.Catalog.List(), func(ix *index.Index) bool { return slices.Contains(ix.Placement.Nodes(), id) }) {
			continue
		}
		did = r.try(ctx, "forget/"+id, func(context.Context) error {
			if err := failpoint.Hit("rebalance.forget"); err != nil {
				return err
			}
			r.o.Logger.Info("a node that left holds nothing any more and is forgotten", "node", id)
			return r.o.Forget(id)
		}) || did
	}
	return did
}
