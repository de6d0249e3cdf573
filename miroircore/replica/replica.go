// Package replica reads, compares and makes copies of shards on nodes.
//
// Documents are read in the order of their versions and in pages that begin
// behind the last version of the page before, never at an offset: an offset
// skips a document when an earlier one goes. What nodes hold is compared as
// sums of hashes, one for each of 256 parts of a shard, so that neither the
// order of documents nor that of their fields matters. Copies are made by
// writing what differs, and only that, straight to the node.
package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// ErrDiffer says that a copy still differs from its source though it was made
// equal: something else writes to it.
var ErrDiffer = errors.New("the copy differs from its source")

// Entry is one document as a comparison sees it. It is valid until the
// function that is given it returns.
type Entry struct {
	ID      []byte
	Shard   int
	Version uint64
	// Content is a hash of the document with its hidden fields and vectors; 0 in
	// a fast pass.
	Content uint64
	// Foreign says that the hidden fields are not those that the gateway gives a
	// document of this id.
	Foreign bool
}

// key is the hash of a document's id by which it has its place in comparisons.
func (e *Entry) key() uint64 { return xxh3.Hash(e.ID) }

// Scan calls fn with every document of the shards that a node holds with a
// version beyond after, in the order of versions, and with its text as the
// node gives it: whole, or, in a fast pass, with no more than its id and its
// hidden fields.
func Scan(ctx context.Context, c *node.Client, ix *index.Index, shards []int, after uint64, fast bool, fn func(Entry, []byte) error) error {
	r := &reader{client: c, ix: ix, shards: shards, after: after, fast: fast}
	return r.each(ctx, fn)
}

// entry makes the entry of a document.
func (r *reader) entry(d *document.Stored) Entry {
	e := Entry{ID: d.ID, Version: d.Version, Shard: document.Shard(d.ID, r.ix.Shards)}
	e.Foreign = !d.Whole || d.Shard != e.Shard
	if !r.fast {
		e.Content = document.Content(d.Text)
	}
	return e
}

// at says what was tried where.
func at(id string, ix *index.Index, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s index %s on node %s: %w", what, ix.UID, id, err)
}
