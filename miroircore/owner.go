package miroircore

import (
	"context"
	"fmt"
	"net/http"
	"time"

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
	mine, err := f.marked(ctx, c)
	if err == nil && !mine {
		err = f.claim(ctx, c)
	}
	if err != nil {
		return err
	}
	f.admitted.Store(c.ID(), true)
	return nil
}

// marked tells whether a node has this fleet's mark; an error where it has
// another's. It has none where it is false.
func (f *fleet) marked(ctx context.Context, c *node.Client) (bool, error) {
	var mark ownerMark
	err := c.Get(ctx, "/indexes/"+ownerIndex+"/documents/"+ownerDocument, &mark)
	switch answer := node.AnswerOf(err); {
	case err == nil && mark.Fleet == f.id:
		return true, nil
	case err == nil:
		return false, fmt.Errorf("node belongs to fleet %s, not to %s: run `caddy miroir node adopt %s` to take it over", mark.Fleet, f.id, c.ID())
	case answer == nil || answer.Status != http.StatusNotFound:
		return false, fmt.Errorf("read the node's owner: %w", err)
	}
	return false, nil
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
		if _, ours := f.e.catalog.ByPhysical(ix.UID); !ours && ix.UID != ownerIndex {
			return fmt.Errorf("node has an index %q that this gateway does not know: remove it, start with an empty node, or run `caddy miroir node adopt %s` to leave it there", ix.UID, c.ID())
		}
	}
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
