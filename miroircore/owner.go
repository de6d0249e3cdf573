package miroircore

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// ownerIndex is the index on each node that says to which fleet it belongs. Two
// gateways with state of their own in front of the same nodes would each order
// writes by itself; so a node with another fleet's mark, or with indexes that
// this gateway does not know, is not used.
const (
	ownerIndex    = "miroir_fleet"
	ownerDocument = "owner"
	claimTimeout  = 20 * time.Second
)

// ownerMark is the one document of the ownerIndex.
type ownerMark struct {
	ID    string `json:"id"`
	Fleet string `json:"fleet"`
}

// admit tells why a node that answers must not be used, or nil. A node without
// a mark and without unknown indexes is given this fleet's.
func (f *fleet) admit(ctx context.Context, c *node.Client) error {
	if _, ok := f.admitted.Load(c.ID()); ok {
		return nil
	}
	var mark ownerMark
	err := c.Get(ctx, "/indexes/"+ownerIndex+"/documents/"+ownerDocument, &mark)
	switch answer := node.AnswerOf(err); {
	case err == nil && mark.Fleet == f.id:
	case err == nil:
		return fmt.Errorf("node belongs to fleet %s, not to %s: run `caddy miroir node adopt %s` to take it over", mark.Fleet, f.id, c.ID())
	case answer == nil || answer.Status != http.StatusNotFound:
		return fmt.Errorf("read the node's owner: %w", err)
	default:
		if err := f.claim(ctx, c); err != nil {
			return err
		}
	}
	f.admitted.Store(c.ID(), true)
	return nil
}

// claim marks a node as this fleet's.
func (f *fleet) claim(ctx context.Context, c *node.Client) error {
	indexes, err := c.Indexes(ctx)
	if err != nil {
		return fmt.Errorf("list the node's indexes: %w", err)
	}
	for _, ix := range indexes {
		if _, ours := f.e.catalog.ByPhysical(ix.UID); !ours && ix.UID != ownerIndex {
			return fmt.Errorf("node has an index %q that this gateway does not know: remove it, or start with an empty node", ix.UID)
		}
	}
	return f.mark(ctx, c)
}

// Adopt takes a node into this fleet that belongs to another, or that has
// indexes this gateway does not know. They stay as they are.
func (e *Engine) Adopt(ctx context.Context, id string) error {
	c, ok := e.fleet.Client(id)
	if !ok {
		return meili.NewError("miroir_unknown_node", "There is no node `%s`.", id)
	}
	if err := e.fleet.mark(ctx, c); err != nil {
		return err
	}
	e.fleet.admitted.Store(id, true)
	return nil
}

// mark writes this fleet's mark onto a node.
func (f *fleet) mark(ctx context.Context, c *node.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimTimeout)
	defer cancel()
	mark := fmt.Sprintf(`[{"id":%q,"fleet":%q}]`, ownerDocument, f.id)
	queued, err := c.Enqueue(ctx, http.MethodPost, "/indexes/"+ownerIndex+"/documents?primaryKey=id", node.JSON([]byte(mark)))
	if err != nil {
		return fmt.Errorf("mark the node as this fleet's: %w", err)
	}
	done, err := c.Wait(ctx, queued.TaskUID)
	if err != nil {
		return fmt.Errorf("mark the node as this fleet's: %w", err)
	}
	if done.Error != nil {
		return fmt.Errorf("mark the node as this fleet's: %w", done.Error)
	}
	return nil
}
