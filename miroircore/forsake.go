package miroircore

import (
	"context"
	"fmt"
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
	e := o.e
	for _, ix := range e.catalog.List() {
		for _, id := range nodes {
			if !slices.Contains(ix.Placement.Nodes(), id) {
				continue
			}
			if err := o.forsakeIndex(ctx, ix, id); err != nil {
				return fmt.Errorf("index %s: %w", ix.UID, err)
			}
		}
	}
	return nil
}

// without gives a placement in which a node holds nothing.
func without(p *cluster.Placement, id string, fresh *cluster.Placement) *cluster.Placement {
	next := p.Clone()
	delete(next.Surplus, id)
	for i := range next.Groups {
		g := &next.Groups[i]
		for shard, replicas := range g.Shards {
			g.Shards[shard] = slices.DeleteFunc(replicas, func(held string) bool { return held == id })
		}
	}
	for shard := range next.Groups[0].Shards {
		if slices.ContainsFunc(next.Groups, func(g cluster.GroupPlacement) bool { return len(g.Shards[shard]) > 0 }) {
			continue // a copy is left: the reconciler makes the others from it
		}
		for i := range next.Groups {
			for _, wish := range fresh.Groups {
				if wish.ID == next.Groups[i].ID {
					next.Groups[i].Shards[shard] = slices.Clone(wish.Shards[shard])
				}
			}
		}
	}
	return next
}

// forsakeIndex takes a node out of the placement of one index. What waits for the
// node there is given up first: writes that only it could have taken would hold
// up the line for ever.
func (o *operator) forsakeIndex(ctx context.Context, ix *index.Index, id string) error {
	e := o.e
	ctx, cancel := context.WithTimeout(ctx, forsakeTime)
	defer cancel()
	e.writer.Void(id, ix.Physical)
	err := e.writer.Exclusive(ctx, ix.UID, func(_ context.Context, ix *index.Index) error {
		fresh := cluster.Place(e.fleet.Topology(), ix.Physical, ix.Shards)
		_, err := e.catalog.SetPlacement(ix.UID, without(ix.Placement, id, fresh))
		return err
	})
	e.writer.Void(id, ix.Physical)
	return err
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
