package outbox

import (
	"context"
	"errors"
)

var (
	errUnproved = errors.New("its last known task cannot be asked for")
	errOther    = errors.New("its last known task is not there: its disk is another one")
)

// Prove fails unless the node has the last task that is known of it. Where it has
// not, it is suspected before Prove returns.
func (n *Node) Prove(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, known, gone := n.checkOnce()
	switch {
	case !known:
		return errUnproved
	case gone:
		n.Suspect()
		return errOther
	}
	return nil
}
