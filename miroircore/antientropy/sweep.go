package antientropy

import (
	"context"
	"errors"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/index"
)

// mostAstray is how many documents are looked at a time that may not belong
// where they are.
const mostAstray = 1000

// sweep looks on every node for documents of an index that belong to no shard
// that lies there, or that lack what the gateway gives each document.
func (c *Checker) sweep(ctx context.Context, ix *index.Index, p *position) error {
	var errs []error
	for _, id := range c.o.Nodes() {
		err := c.up(ctx, []string{id}, func(ctx context.Context) error { return c.sweepNode(ctx, ix.Physical, id, p) })
		if err != nil && !unready(err) && !errors.Is(err, errAway) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Checker) sweepNode(ctx context.Context, physical, id string, p *position) error {
	for before := -1; c.o.Standing.Up(id) && c.o.Standing.Sound(id, physical); {
		ix, ok := c.o.Catalog.ByPhysical(physical)
		if !ok {
			return nil
		}
		readers, err := c.readers(ix, []string{id}, true)
		if err != nil {
			return nil // it left
		}
		ids, total, err := readers[0].Astray(ctx, allowed(ix, id), mostAstray)
		if err != nil || total == 0 {
			return err
		}
		if total == before { // nothing more can be done about them
			p.Result.Left += total
			p.Result.report("index %s on node %s has %d documents that do not belong there", ix.UID, id, total)
			return nil
		}
		before = total
		if rebuilt, err := c.mend(ctx, physical, ids, []string{id}, p); err != nil || rebuilt {
			return err
		}
	}
	return nil
}

// allowed are the shards of which a node may have documents.
func allowed(ix *index.Index, id string) []int {
	shards := slices.Clone(ix.Placement.Surplus[id])
	for shard := range ix.Shards {
		if slices.Contains(holders(ix, shard), id) {
			shards = append(shards, shard)
		}
	}
	slices.Sort(shards)
	return slices.Compact(shards)
}
