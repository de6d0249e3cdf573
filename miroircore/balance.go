package miroircore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/imprint"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/rebalance"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// makeBalance makes what brings the placements in line with the wanted topology.
func (e *Engine) makeBalance() (err error) {
	e.balance, err = rebalance.New(rebalance.Options{
		Catalog: e.catalog, Store: e.store, Line: e.writer, Nodes: e.writer, Standing: e.writer,
		Filler: &replica.Filler{Client: e.fleet.Client, Stray: e.writer.Stray, Throttle: e.throttle},
		Wanted: e.fleet.Topology, Client: e.fleet.Client, Up: e.fleet.Writable, Readable: e.Readable,
		Quiesce: e.reader.Quiesce, Known: e.fleet.left, Forget: e.fleet.forget,
		Made:        e.fleet.made,
		Concurrency: func() int { return e.config().RebalanceShards },
		// The store is locked by one gateway at a time: the lease that an earlier
		// process left is this one's, and nobody waits for it to run out.
		Holder: e.fleet.id, Logger: e.o.Logger, Metrics: e.metrics, Now: e.o.Now,
	})
	if err != nil {
		return fmt.Errorf("open rebalancing: %w", err)
	}
	return nil
}

// made lists, by physical name, the indexes that this fleet made on a node, as the
// node itself was told when it had its present disk. What is not among them is
// another's, or was made by a later state than this gateway's: it is nobody's to
// delete.
func (f *fleet) made(ctx context.Context, c *node.Client) ([]string, error) {
	mark, err := imprint.Read(ctx, c)
	if err != nil || mark == nil || mark.Fleet != f.id || f.older(mark) {
		return nil, err
	}
	return slices.Concat(mark.Indexes, mark.Dropped), nil
}

// affordable refuses a configuration that wants more copies than there are nodes
// to keep them, since some were drained or removed, where the one in force does
// not. The first one of a process is not refused: the fleet has to start.
func (f *fleet) affordable(c *Config) error {
	if f.topology.Load() == nil {
		return nil
	}
	now, next := f.e.config(), f.wanted.Short(c.Topology)
	short := f.wanted.Short(now.Topology)
	var errs []error
	for _, group := range slices.Sorted(maps.Keys(next)) {
		if short[group] == "" || c.Topology.Replication > now.Topology.Replication {
			errs = append(errs, errors.New(next[group]))
		}
	}
	return errors.Join(errs...)
}

// left lists the nodes that neither the configuration nor an operator names any
// more, or that an operator removed.
func (f *fleet) left() []string {
	all := f.wanted.All(f.e.config().Topology)
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(*f.known.Load())) {
		if _, named := all.Node(id); !named || f.wanted.Leaving(id) == wanted.Removed {
			ids = append(ids, id)
		}
	}
	return ids
}

// forget ends what is known of a node that left and holds nothing: what waits
// for it, its probes and figures, and its address.
func (f *fleet) forget(id string) error {
	f.e.mu.Lock()
	defer f.e.mu.Unlock()
	if slices.Contains(f.placed(), id) {
		return errors.New("it was given shards again")
	}
	f.e.writer.GiveUp(id)
	f.proofs.Delete(id)
	err := f.e.store.Update(func(tx state.Tx) error { return tx.Delete(fleetTable, nodeKey(id)) })
	if err != nil {
		return fmt.Errorf("forget the address of node %s: %w", id, err)
	}
	return f.configure(f.e.config())
}
