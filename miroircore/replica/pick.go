package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Seen is what a node has of one document.
type Seen struct {
	Version, Content uint64
	Foreign          bool
}

// Reader reads what one node has of an index, to compare it with others.
type Reader struct {
	Client *node.Client
	Index  *index.Index
	// Fast has it read ids and hidden fields only.
	Fast bool
	// Throttle bounds what is read; it may be nil.
	Throttle *Throttle
	// Rest gives how long to leave the node alone after a request that took so
	// long; it may be nil.
	Rest func(took time.Duration) time.Duration
}

// shortPage is how many documents a request of a Reader asks for: a node that
// answers longer ones keeps searches waiting for longer.
const shortPage = 1000

func (r *Reader) reader(shards []int) *reader {
	return &reader{client: r.Client, ix: r.Index, shards: shards, fast: r.Fast, page: shortPage, pace: r.Throttle, rest: r.Rest}
}

// Prints are the fingerprints of shards.
func (r *Reader) Prints(ctx context.Context, shards []int) (Prints, error) {
	return r.reader(shards).prints(ctx)
}

// In calls fn with the documents of some buckets of shards.
func (r *Reader) In(ctx context.Context, buckets map[int][]int, fn func(id string, shard int, seen Seen)) error {
	if len(buckets) == 0 {
		return nil
	}
	wanted := make(map[int]*[Buckets]bool, len(buckets))
	shards := make([]int, 0, len(buckets))
	for shard, list := range buckets {
		shards = append(shards, shard)
		wanted[shard] = new([Buckets]bool)
		for _, b := range list {
			wanted[shard][b] = true
		}
	}
	slices.Sort(shards)
	return r.reader(shards).each(ctx, func(e Entry, _ []byte) error {
		if w := wanted[e.Shard]; w == nil || w[bucket(e.key())] {
			fn(string(e.ID), e.Shard, Seen{e.Version, e.Content, e.Foreign})
		}
		return nil
	})
}

// Named gives what the node has of the documents of these ids.
func (r *Reader) Named(ctx context.Context, ids []string) (map[string]Seen, error) {
	seen := make(map[string]Seen, len(ids))
	err := r.reader(nil).named(ctx, ids, func(e Entry, _ []byte) error {
		seen[string(e.ID)] = Seen{e.Version, e.Content, e.Foreign}
		return nil
	})
	return seen, at(r.Client.ID(), r.Index, "read", err)
}

// Astray lists documents of the node that belong to none of the shards given, or
// that nobody can tell the shard or the version of: at most so many, and how
// many there are.
func (r *Reader) Astray(ctx context.Context, shards []int, most int) (ids []string, total int, err error) {
	condition := fmt.Sprintf("NOT %s OR NOT %s > %q", hidden.ShardFilter(shards, r.Index.Shards), hidden.VersionField, encoded(0))
	in := r.reader(nil)
	in.fast, in.page = true, most
	a, err := in.fetch(ctx, fetch{Filter: []string{condition}})
	if err != nil {
		if answer := node.AnswerOf(err); answer != nil && answer.Code == "index_not_found" {
			return nil, 0, nil
		}
		return nil, 0, at(r.Client.ID(), r.Index, "read", err)
	}
	for i := range a.docs {
		ids = append(ids, string(a.docs[i].ID))
	}
	return ids, a.total, nil
}

// named calls fn with the documents of these ids that the node has.
func (r *reader) named(ctx context.Context, ids []string, fn func(Entry, []byte) error) error {
	for chunk := range slices.Chunk(ids, fullPage) {
		r.page = fullPage
		for offset := 0; ; {
			a, err := r.fetch(ctx, fetch{IDs: chunk, Offset: offset})
			if err != nil {
				return err
			}
			for i := range a.docs {
				if err := fn(r.entry(&a.docs[i]), a.docs[i].Text); err != nil {
					return err
				}
			}
			if offset += len(a.docs); len(a.docs) == 0 || offset >= a.total {
				break
			}
		}
	}
	return nil
}

// Mend makes the documents of these ids on the target what they are on the
// source, absences included. Nobody may write to them meanwhile.
func (f *Filler) Mend(ctx context.Context, ix *index.Index, source, target string, ids []string) (Progress, error) {
	c, err := f.begin(ctx, ix, source, target, nil)
	if err != nil {
		return Progress{}, err
	}
	c.doomed = ids
	err = errors.Join(c.remove(0), c.settle(0))
	return c.progress, err
}

// Discard deletes the documents of these ids on a node.
func (f *Filler) Discard(ctx context.Context, ix *index.Index, target string, ids []string) (Progress, error) {
	c, err := f.begin(ctx, ix, target, target, nil)
	if err != nil {
		return Progress{}, err
	}
	body, err := json.Marshal(ids)
	if err != nil {
		return Progress{}, err
	}
	c.progress.Deleted = len(ids)
	err = errors.Join(c.enqueue("/documents/delete-batch?", node.JSON(body)), c.settle(0))
	return c.progress, err
}
