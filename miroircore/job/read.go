package job

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// pageSize is how many documents are read from a node at once.
const pageSize = 1000

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
// of each node. Pages go by version and not by offset, which would skip a
// document when an earlier one is deleted.
func (r *Runner) documents(ctx context.Context, ix *index.Index, give func(document []byte) error) error {
	defer r.Begin()()
	if now, ok := r.Catalog.ByPhysical(ix.Physical); ok {
		ix = now
	}
	sources, err := r.sources(ix)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if err := s.read(ctx, ix, give); err != nil {
			return fmt.Errorf("read index %s from node %s: %w", ix.UID, s.client.ID(), err)
		}
	}
	return nil
}

func (s *source) read(ctx context.Context, ix *index.Index, give func([]byte) error) error {
	var shards strings.Builder
	for i, shard := range s.shards {
		if i > 0 {
			shards.WriteByte(',')
		}
		shards.Write(hidden.AppendShard(nil, shard, ix.Shards))
	}
	last := string(hidden.AppendVersion(nil, 0))
	for {
		body, err := json.Marshal(map[string]any{
			"filter": []string{
				fmt.Sprintf("%s IN [%s]", hidden.ShardField, quoted(shards.String())),
				fmt.Sprintf("%s > %q", hidden.VersionField, last),
			},
			"sort": []string{hidden.VersionField + ":asc"}, "limit": pageSize, "retrieveVectors": len(ix.Settings.Embedders()) > 0,
		})
		if err != nil {
			return err
		}
		var page struct {
			Results []json.RawMessage `json:"results"`
		}
		if err := s.client.Do(ctx, http.MethodPost, "/indexes/"+ix.Physical+"/documents/fetch", node.JSON(body), &page); err != nil {
			return err
		}
		for _, doc := range page.Results {
			if err := give(document.Strip(nil, doc)); err != nil {
				return err
			}
		}
		if len(page.Results) < pageSize {
			return nil
		}
		var end map[string]json.RawMessage
		if err := json.Unmarshal(page.Results[pageSize-1], &end); err != nil {
			return err
		}
		if err := json.Unmarshal(end[hidden.VersionField], &last); err != nil {
			return fmt.Errorf("version of a document: %w", err)
		}
	}
}

func quoted(list string) string {
	return `"` + strings.ReplaceAll(list, ",", `","`) + `"`
}
