package miroircore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// forsakeTime bounds how long taking a node out of one index may wait for the
// writes before it.
const forsakeTime = time.Minute

// forsake takes nodes out of all placements, for good: shards that they alone
// held begin anew, empty, on the nodes that are wanted for them.
func (o *operator) forsake(ctx context.Context, nodes []string) error {
	if len(nodes) == 0 {
		return nil
	}
	return o.e.balance.Aside(func() error {
		for _, ix := range o.e.catalog.List() {
			for _, id := range nodes {
				if !slices.Contains(ix.Placement.Nodes(), id) || o.e.Readable(id, ix.Physical) {
					continue // what is in order can be copied
				}
				if err := o.forsakeIndex(ctx, ix.Physical, id); err != nil {
					return fmt.Errorf("index %s: %w", ix.UID, err)
				}
			}
		}
		return nil
	})
}

// forsakeIndex takes a node out of the placement of one index. What waits for the
// node there is given up first: writes that only it could have taken would hold
// up the line for ever.
func (o *operator) forsakeIndex(ctx context.Context, physical, id string) error {
	e := o.e
	ix, ok := e.catalog.ByPhysical(physical)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, forsakeTime)
	defer cancel()
	e.writer.Void(id, physical)
	heirs, err := o.heirs(ctx, ix, id)
	if err != nil {
		return err
	}
	err = e.writer.Exclusive(ctx, ix.UID, func(_ context.Context, ix *index.Index) error {
		_, err := e.catalog.SetPlacement(ix.UID, inherited(without(ix.Placement, id), heirs))
		return err
	})
	e.writer.Void(id, physical)
	return err
}

// without gives a placement in which a node holds nothing.
func without(p *cluster.Placement, id string) *cluster.Placement {
	next := p.Clone()
	delete(next.Surplus, id)
	for i := range next.Groups {
		for shard, replicas := range next.Groups[i].Shards {
			next.Groups[i].Shards[shard] = slices.DeleteFunc(replicas, func(held string) bool { return held == id })
		}
	}
	return next
}

// inherited gives the shards of a placement that have no copy to their heirs.
// What else is wanted of them is filled from these later.
func inherited(next, heirs *cluster.Placement) *cluster.Placement {
	for _, g := range heirs.Groups {
		if !slices.ContainsFunc(next.Groups, func(there cluster.GroupPlacement) bool { return there.ID == g.ID }) {
			next.Groups = append(next.Groups, cluster.GroupPlacement{ID: g.ID, Copies: g.Copies, Shards: make([][]string, len(g.Shards))})
		}
	}
	for shard := range next.Groups[0].Shards {
		if held(next, shard) {
			continue
		}
		for _, g := range heirs.Groups {
			at := slices.IndexFunc(next.Groups, func(there cluster.GroupPlacement) bool { return there.ID == g.ID })
			next.Groups[at].Shards[shard] = slices.Clone(g.Shards[shard])
			for _, id := range g.Shards[shard] {
				next.Surplus[id] = slices.DeleteFunc(next.Surplus[id], func(s int) bool { return s == shard })
			}
		}
	}
	maps.DeleteFunc(next.Surplus, func(_ string, shards []int) bool { return len(shards) == 0 })
	return next
}

// held says whether a placement has a copy of a shard.
func held(p *cluster.Placement, shard int) bool {
	return slices.ContainsFunc(p.Groups, func(g cluster.GroupPlacement) bool { return len(g.Shards[shard]) > 0 })
}

// heirs gives the wanted placement with those nodes alone, of each shard that a
// node alone holds, that the shard can begin anew on: they have the index, and
// nothing of the shard. What was once copied or moved there may have been
// deleted since.
func (o *operator) heirs(ctx context.Context, ix *index.Index, gone string) (*cluster.Placement, error) {
	rest := without(ix.Placement, gone)
	heirs := cluster.Place(o.e.fleet.Topology(), ix.Physical, ix.Shards)
	takes := map[string][]int{}
	for _, g := range heirs.Groups {
		for shard, nodes := range g.Shards {
			for _, id := range nodes {
				if !held(rest, shard) {
					takes[id] = append(takes[id], shard)
				}
			}
		}
	}
	var failed error
	for _, id := range slices.Sorted(maps.Keys(takes)) {
		if err := o.emptied(ctx, ix, id, takes[id]); err != nil {
			failed = errors.Join(failed, err)
			heirs = without(heirs, id)
		}
	}
	for shard := range ix.Shards {
		if !held(rest, shard) && !held(heirs, shard) {
			return nil, fmt.Errorf("shard %d can begin anew on no node: %w", shard, failed)
		}
	}
	return heirs, nil
}

// emptied makes sure that a node has an index and nothing of shards.
func (o *operator) emptied(ctx context.Context, ix *index.Index, id string, shards []int) error {
	if !o.e.fleet.Writable(id) {
		return fmt.Errorf("node %s does not answer", id)
	}
	if s := o.e.writer.NodeState(id); s.Stale || s.RolledBack || s.Suspect {
		return fmt.Errorf("node %s is out of order", id)
	}
	if err := o.e.writer.Prepare(ctx, id, ix.UID); err != nil {
		return err
	}
	return o.e.writer.Purge(ctx, id, ix.UID, shards)
}

// Accept has what a node holds count as right: where its disk was set back, or
// it missed too much, and no other copy is left to make it anew from. What was
// written since and lay on it alone is lost.
func (o *operator) Accept(ctx context.Context, id string) (*api.Granted, *meili.Error) {
	e := o.e
	if _, ok := e.fleet.Client(id); !ok {
		return nil, meili.NewError("miroir_unknown_node", "There is no node `%s`.", id)
	}
	accepted, err := o.acceptable(id)
	if err != nil {
		return nil, refused(err)
	}
	// Not read before its settings are the committed ones.
	for _, ix := range accepted {
		e.writer.SettingsDrifted(id, ix.Physical, true)
	}
	if s := e.writer.NodeState(id); s.RolledBack || s.Stale {
		e.writer.Rebuilt(id)
	}
	var names []string
	for _, ix := range accepted {
		if err := e.writer.Prepare(ctx, id, ix.UID); err != nil {
			return nil, refused(fmt.Errorf("node %s was accepted, but not all of its indexes are in order yet; ask again: %w", id, err))
		}
		e.writer.Drifted(id, ix.Physical, false)
		e.writer.SettingsDrifted(id, ix.Physical, false)
		names = append(names, ix.UID)
	}
	lost := "what was written to " + strings.Join(names, ", ") + " since, and lay on this node alone"
	e.o.Logger.Warn("a node was accepted as it is", "node", id, "indexes", names)
	return &api.Granted{Changed: true, Message: fmt.Sprintf("what node %s holds counts as right now", id), Lost: []string{lost}}, nil
}

// acceptable lists the indexes that would be right on a node by an operator's
// word alone.
func (o *operator) acceptable(id string) ([]*index.Index, error) {
	e := o.e
	state := e.writer.NodeState(id)
	switch {
	case !e.fleet.Writable(id):
		return nil, &wanted.RefusalError{Reason: fmt.Sprintf("node %s does not answer", id), Needed: "Bring it up first"}
	case state.Suspect && !state.RolledBack:
		return nil, &wanted.RefusalError{Reason: fmt.Sprintf("node %s is being looked at", id), Needed: "Ask again in a moment"}
	}
	drifted := map[string]bool{}
	for _, d := range e.writer.Drifts() {
		if d.Node == id && d.Documents {
			drifted[d.Physical] = true
		}
	}
	var list []*index.Index
	for _, ix := range e.catalog.List() {
		out := state.RolledBack || state.Stale || drifted[ix.Physical]
		if !out || !slices.Contains(ix.Placement.Nodes(), id) {
			continue
		}
		for shard := range ix.Shards {
			if other := o.otherCopy(ix, shard, id); ix.Placement.Holds(id, shard) && other != "" {
				return nil, &wanted.RefusalError{Reason: fmt.Sprintf("node %s need not be accepted: shard %d of index %s is in order on node %s", id, shard, ix.UID, other),
					Needed: "It is rebuilt from there by itself"}
			}
		}
		list = append(list, ix)
	}
	if len(list) == 0 && !state.RolledBack && !state.Stale {
		return nil, &wanted.RefusalError{Reason: fmt.Sprintf("node %s is in order: there is nothing to accept", id)}
	}
	return list, nil
}

// otherCopy gives another node that has a shard in order, or "".
func (o *operator) otherCopy(ix *index.Index, shard int, id string) string {
	for _, g := range ix.Placement.Groups {
		for _, other := range g.Shards[shard] {
			if other != id && o.e.Readable(other, ix.Physical) {
				return other
			}
		}
	}
	return ""
}
