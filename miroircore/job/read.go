package job

import (
	"context"
	"fmt"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/replica"
)

// source is a node and the shards that are read from it.
type source struct {
	client *node.Client
	shards []int
}

// sources chooses a readable node for each shard, as few nodes as there can be
// taking one group after the other.
func (r *Runner) sources(ix *index.Index) ([]*source, error) {
	chosen := map[string]*source{}
	var order []*source
	for shard := range ix.Shards {
		id := ""
		for _, g := range ix.Placement.Groups {
			for _, replica := range g.Shards[shard] {
				if !r.Readable(replica, ix.Physical) {
					continue
				}
				if id == "" || chosen[id] == nil && chosen[replica] != nil {
					id = replica
				}
			}
		}
		client, ok := r.Client(id)
		if !ok {
			return nil, fmt.Errorf("shard %d of index %s has no copy that can be read", shard, ix.UID)
		}
		if chosen[id] == nil {
			chosen[id] = &source{client: client}
			order = append(order, chosen[id])
		}
		chosen[id].shards = append(chosen[id].shards, shard)
	}
	return order, nil
}

// documents gives every document of an index as clients wrote it, in the order
// of each node.
func (r *Runner) documents(ctx context.Context, ix *index.Index, give func(document []byte) error) error {
	return r.scan(ctx, ix, func(_ replica.Entry, text []byte) error {
		return give(document.Strip(nil, document.AppendCopy(nil, text, nil)))
	})
}

// Contents gives the id of every document of an index with the hash of what
// clients see of it, by which an index is compared with that of another server.
func (r *Runner) Contents(ctx context.Context, ix *index.Index, give func(id []byte, content uint64) error) error {
	return r.scan(ctx, ix, func(e replica.Entry, text []byte) error {
		return give(e.ID, document.ClientContent(text))
	})
}

// scan gives every document of an index as nodes hold it.
func (r *Runner) scan(ctx context.Context, ix *index.Index, fn func(replica.Entry, []byte) error) error {
	defer r.Begin()()
	if now, ok := r.Catalog.ByPhysical(ix.Physical); ok {
		ix = now
	}
	sources, err := r.sources(ix)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := replica.Scan(ctx, s.client, ix, s.shards, 0, false, fn); err != nil {
			return fmt.Errorf("read index %s from node %s: %w", ix.UID, s.client.ID(), err)
		}
	}
	return nil
}
