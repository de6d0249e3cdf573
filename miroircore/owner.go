package miroircore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/imprint"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Two gateways with state of their own in front of the same nodes would each
// order writes by itself; so a node with another fleet's mark, or with indexes
// that this gateway does not know, is not used. Nor is one that knows more than
// this gateway's state does: what was made since would be nobody's.

const (
	claimTimeout = 20 * time.Second
	// lookAgain is after how many probes it is looked again whose a node is.
	lookAgain = 6
)

// probation is how many probes are left before it is looked again whose a node
// is: none at first, as another gateway may have marked it at the same moment.
type probation struct{ probes atomic.Int32 }

// errOlder says that what a node has been marked with is newer than the state.
var errOlder = errors.New("this gateway's state is older than what the node was last told of the fleet's indexes, as after an older backup was restored: " +
	"run `caddy miroir rebuild` to take over what the nodes know")

// admit tells why a node that answers must not be used, or nil. A node without
// a mark and without unknown indexes is given this fleet's.
func (f *fleet) admit(ctx context.Context, c *node.Client) error {
	if found, ok := f.admitted.Load(c.ID()); ok {
		p, _ := found.(*probation)
		return f.stillMine(ctx, c, p)
	}
	mine, err := f.marked(ctx, c)
	if err == nil && !mine {
		err = f.claim(ctx, c)
	}
	if err != nil {
		return err
	}
	f.admitted.Store(c.ID(), new(probation))
	return nil
}

// stillMine tells of a node in use that another gateway has taken over. One that
// is too busy to say whose it is, is asked again.
func (f *fleet) stillMine(ctx context.Context, c *node.Client, p *probation) error {
	if p.probes.Add(-1) >= 0 {
		return nil
	}
	mark, err := imprint.Read(ctx, c)
	if err != nil || mark == nil {
		return nil
	}
	p.probes.Store(lookAgain)
	if mark.Fleet == f.id || mark.Fleet == f.predecessor() {
		return nil
	}
	f.admitted.Delete(c.ID())
	return fmt.Errorf("node was taken over by fleet %s, from %s: another gateway is pointed at it; `caddy miroir node adopt %s` takes it back once that has stopped", mark.Fleet, f.id, c.ID())
}

// marked tells whether a node has this fleet's mark; an error where it has
// another's, or one that this state cannot have written. It has none where it is
// false.
func (f *fleet) marked(ctx context.Context, c *node.Client) (bool, error) {
	mark, err := imprint.Read(ctx, c)
	if err != nil || mark == nil {
		return false, err
	}
	switch {
	case mark.Fleet == f.predecessor():
		return true, f.mark(ctx, c)
	case mark.Fleet == f.id && f.older(mark):
		return false, fmt.Errorf("%w; `caddy miroir node adopt %s` would leave that there, unknown", errOlder, c.ID())
	case mark.Fleet == f.id:
		return true, nil
	case len(mark.Indexes) > 0 && len(f.e.catalog.List()) == 0:
		return false, fmt.Errorf("node belongs to fleet %s, not to %s, which has no index yet: if the state of this gateway was lost, run `caddy miroir rebuild` to make it anew from the nodes", mark.Fleet, f.id)
	}
	return false, fmt.Errorf("node belongs to fleet %s, not to %s: run `caddy miroir node adopt %s` to take it over", mark.Fleet, f.id, c.ID())
}

// older says whether a mark of this fleet was written by a later state than this.
func (f *fleet) older(mark *imprint.Mark) bool {
	return mark.Revision > f.e.catalog.Contents().Revision || mark.Operation > f.e.writer.Numbered() || mark.Task > f.e.tasks.Numbered()
}

// claim marks a node as this fleet's, unless it has indexes of its own.
func (f *fleet) claim(ctx context.Context, c *node.Client) error {
	if err := f.strangers(ctx, c); err != nil {
		return err
	}
	return f.mark(ctx, c)
}

// strangers tells of an index that a node has and this gateway does not know.
func (f *fleet) strangers(ctx context.Context, c *node.Client) error {
	indexes, err := c.Indexes(ctx)
	if err != nil {
		return fmt.Errorf("list the node's indexes: %w", err)
	}
	for _, ix := range indexes {
		if _, ours := f.e.catalog.ByPhysical(ix.UID); !ours && ix.UID != imprint.Index {
			return fmt.Errorf("node has an index %q that this gateway does not know: remove it, start with an empty node, or run `caddy miroir node adopt %s` to leave it there", ix.UID, c.ID())
		}
	}
	return nil
}

// mark writes this fleet's mark onto a node.
func (f *fleet) mark(ctx context.Context, c *node.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	contents := f.e.catalog.Contents()
	w := imprint.Writer{TakeOver: true}
	return w.Write(ctx, c, f.markOf(c.ID(), &contents), contents.Indexes)
}
