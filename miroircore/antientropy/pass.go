package antientropy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

const (
	// atOnce is how many documents of one copy are to be read between two looks at
	// whether to go on.
	atOnce = 50_000
	// tries is how often a step is tried.
	tries = 3
	// look is how often is looked whether a copy is in order.
	look = 20 * time.Millisecond
)

var (
	errElsewhere = errors.New("another gateway goes on")
	errAway      = errors.New("the node went away")
)

// unit is what is compared at once: shards that have the same copies.
type unit struct {
	shards []int
	nodes  []string
}

// pass goes on with a pass until it is over.
func (c *Checker) pass(ctx context.Context, p *position) error {
	if err := c.begin(p); err != nil {
		return err
	}
	for {
		ix := c.next(p.Over)
		if ix == nil {
			return c.end(p)
		}
		if ix.Physical != p.Index {
			p.Index, p.Done, p.Result, p.Newest = ix.Physical, nil, Result{Began: c.o.Now()}, nil
			if p.Pass == Content {
				p.Newest = c.newest(ctx)
			}
		}
		if err := c.index(ctx, p, ix); err != nil {
			return err
		}
		p.Result.Ended = c.o.Now()
		result, newest, physical := p.Result, p.Newest, p.Index
		p.Over, p.Index, p.Done, p.Result = p.Index, "", nil, Result{}
		err := c.keep(p, func(tx state.Tx) error {
			err := put(tx, resultKey(physical, p.Pass), result)
			if err == nil && p.Pass == Content && result.Skipped == 0 {
				err = put(tx, seenKey(physical), newest)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
}

// next is the first index behind a name.
func (c *Checker) next(over string) (first *index.Index) {
	for _, ix := range c.o.Catalog.List() {
		if ix.Physical > over && (first == nil || ix.Physical < first.Physical) {
			first = ix
		}
	}
	return first
}

// index compares the copies of one index, shard by shard.
func (c *Checker) index(ctx context.Context, p *position, ix *index.Index) error {
	for ix.PrimaryKey != "" {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !c.lead() {
			return errElsewhere
		}
		if len(p.Done) >= ix.Shards {
			return c.attempt(ctx, p, 0, func() error { return c.sweep(ctx, ix, p) })
		}
		u, single := c.unit(ix, p.Done)
		if len(u.shards) > 0 {
			err := c.attempt(ctx, p, len(u.shards), func() error {
				return c.up(ctx, u.nodes, func(ctx context.Context) error { return c.compare(ctx, ix, u, p) })
			})
			if errors.Is(err, errAway) {
				continue // with the copies that are left
			}
			if err != nil {
				return err
			}
		}
		p.Result.Skipped += len(single)
		p.Done = append(append(p.Done, u.shards...), single...)
		if err := errors.Join(c.keep(p, nil), failpoint.Hit("antientropy.kept")); err != nil {
			return err
		}
		var ok bool
		if ix, ok = c.o.Catalog.ByPhysical(ix.Physical); !ok {
			return nil
		}
	}
	return nil
}

// attempt takes a step that concerns some shards. After a few failures these are
// left for the next pass, so that one node does not stand in the way of all.
func (c *Checker) attempt(ctx context.Context, p *position, shards int, step func() error) error {
	err := failpoint.Hit("antientropy.compare")
	if err == nil {
		err = step()
	}
	if err == nil || ctx.Err() != nil {
		p.Tries = 0
		return err
	}
	if unready(err) {
		p.Result.Skipped += shards
		return nil
	}
	if p.Tries++; p.Tries < tries {
		return errors.Join(err, c.keep(p, nil))
	}
	p.Tries = 0
	p.Result.Skipped += shards
	p.Result.report("%v", err)
	c.o.Logger.Warn("some copies could not be compared", "error", err)
	return nil
}

// unit gives the shards that are compared next, with their copies, and those of
// which there are no two.
func (c *Checker) unit(ix *index.Index, done []int) (u unit, single []int) {
	over := make(map[int]bool, len(done))
	for _, shard := range done {
		over[shard] = true
	}
	most := 1
	c.mu.Lock()
	if documents, known := c.perUnit[ix.Physical]; known {
		most = max(1, atOnce/max(1, documents))
	}
	c.mu.Unlock()
	for shard := range ix.Shards {
		if over[shard] {
			continue
		}
		nodes := c.copies(ix, shard)
		switch {
		case len(nodes) < 2:
			single = append(single, shard)
		case len(u.shards) == 0:
			u = unit{[]int{shard}, nodes}
		case len(u.shards) < most && slices.Equal(nodes, u.nodes):
			u.shards = append(u.shards, shard)
		}
	}
	return u, single
}

// copies lists the copies of a shard that can be compared at all, in the order
// of the placement.
func (c *Checker) copies(ix *index.Index, shard int) []string {
	var ids []string
	for _, id := range holders(ix, shard) {
		if c.o.Standing.Up(id) && c.o.Standing.Sound(id, ix.Physical) {
			ids = append(ids, id)
		}
	}
	return ids
}

// holders lists the replicas of a shard in all groups.
func holders(ix *index.Index, shard int) []string {
	var ids []string
	for _, g := range ix.Placement.Groups {
		if shard < len(g.Shards) {
			ids = append(ids, g.Shards[shard]...)
		}
	}
	return ids
}

// inOrder gives those of some copies that were in order at some time during a
// while: others are too far behind to be compared.
func (c *Checker) inOrder(ctx context.Context, physical string, ids []string) []string {
	var well []string
	for end := time.Now().Add(c.patience); ; {
		for _, id := range ids {
			if !slices.Contains(well, id) && c.o.Standing.InOrder(id, physical) {
				well = append(well, id)
			}
		}
		if len(well) == len(ids) || time.Now().After(end) || !pause(ctx, look) {
			break
		}
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !slices.Contains(well, id) })
}

// up runs fn with a context that ends when one of the nodes goes away: a server
// that is stopped would not answer for as long as it is.
func (c *Checker) up(ctx context.Context, ids []string, fn func(ctx context.Context) error) error {
	within, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause(within, interval/4) {
			for _, id := range ids {
				if !c.o.Standing.Up(id) {
					cancel(fmt.Errorf("node %s: %w", id, errAway))
				}
			}
		}
	}()
	err := fn(within)
	if why := context.Cause(within); err != nil && errors.Is(why, errAway) {
		err = why
	}
	cancel(nil)
	<-done
	return err
}

// report adds what cannot be put right to a result, a few of it.
func (r *Result) report(format string, args ...any) {
	const most = 10
	if text := fmt.Sprintf(format, args...); len(r.Problems) < most && !slices.Contains(r.Problems, text) {
		r.Problems = append(r.Problems, text)
	}
}
