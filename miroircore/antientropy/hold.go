package antientropy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

const (
	// held is how many documents are looked at, and put right, while the writes of
	// the index are held up, and holdTime how long that may take.
	held     = 200
	holdTime = 20 * time.Second
	// short is how much copies may have to do before writes are held up until they
	// have done it.
	short = 4
	// many is from how many suspected documents on a copy that differs is made anew
	// instead: it is not read meanwhile.
	many = 10_000
)

// errBusy says that the copies did not come to one operation.
var errBusy = errors.New("the copies did not come to rest")

// suspicion is some documents that may differ. astray are nodes on which they
// were seen and where they may not belong; bulk says that there are many more.
type suspicion struct {
	ids, astray []string
	bulk        bool
}

// mend puts right those of some documents that differ though all copies are at
// one operation. It says whether a copy is made anew instead.
func (c *Checker) mend(ctx context.Context, physical string, ids, astray []string, p *position) (rebuilt bool, err error) {
	left := len(ids)
	for chunk := range slices.Chunk(ids, held) {
		s := suspicion{chunk, astray, left > many}
		left -= len(chunk)
		// Writes are held up for a moment only, for longer where that did not do.
		for _, rest := range []time.Duration{c.patience / 5, c.patience / 2, c.patience} {
			if rebuilt, err = c.hold(ctx, physical, s, rest, p); !errors.Is(err, errBusy) {
				break
			}
		}
		switch {
		case errors.Is(err, errBusy):
			p.Result.report("%d documents of index %s could not be compared: %v", len(chunk), physical, err)
		case err != nil || rebuilt:
			return rebuilt, err
		}
	}
	return false, nil
}

// hold settles a suspicion while the writes of the index are held up.
func (c *Checker) hold(ctx context.Context, physical string, s suspicion, rest time.Duration, p *position) (rebuilt bool, _ error) {
	ix, ok := c.o.Catalog.ByPhysical(physical)
	if !ok {
		return false, nil
	}
	c.queuedAtMost(ctx, physical, append(c.concerned(ix, s.ids), s.astray...), short, 2*c.patience)
	err := c.o.Line.Exclusive(ctx, ix.UID, func(ctx context.Context, ix *index.Index) (err error) {
		if ix.Physical != physical {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, holdTime)
		defer cancel()
		rebuilt, err = c.settle(ctx, ix, s, rest, p)
		return err
	})
	if refused := (*meili.Error)(nil); errors.As(err, &refused) && refused.Code == "index_not_found" {
		return false, nil // it was deleted
	}
	if err != nil {
		return false, fmt.Errorf("bring copies of index %s in line: %w", ix.UID, err)
	}
	return rebuilt, nil
}

// concerned lists the copies of the shards that documents belong to, in the
// order of the placement.
func (c *Checker) concerned(ix *index.Index, ids []string) (nodes []string) {
	for _, id := range ids {
		for _, n := range c.copies(ix, document.Shard([]byte(id), ix.Shards)) {
			if !slices.Contains(nodes, n) {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes
}

// queuedAtMost waits until nodes have little of an index left to do, and says
// whether they came to that in time.
func (c *Checker) queuedAtMost(ctx context.Context, physical string, nodes []string, most int, within time.Duration) bool {
	for end := time.Now().Add(within); slices.ContainsFunc(nodes, func(id string) bool { return c.o.Line.Queued(id, physical) > most }); {
		if time.Now().After(end) || !pause(ctx, look) {
			return false
		}
	}
	return true
}
