// Package stats joins what the nodes say of their indexes into what one server
// would say.
package stats

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Joiner asks the nodes and joins their answers. It is safe for concurrent use.
type Joiner struct {
	// Client finds a node by its id.
	Client func(id string) (*node.Client, bool)
	// Readable tells whether a node may be asked for a physical index.
	Readable func(nodeID, physical string) bool
	// Count counts an index's documents over a covering set. It is asked where no
	// group is complete, since sums over part of the copies say nothing.
	Count func(ctx context.Context, ix *index.Index) (int, *meili.Error)
}

// part is what one node said.
type part struct {
	group string
	stats *meili.Stats
}

// Index answers GET /indexes/{uid}/stats.
func (j *Joiner) Index(ctx context.Context, ix *index.Index, q *request.Stats) (json.RawMessage, *meili.Error) {
	joined, err := j.index(ctx, ix, j.ask(ctx, []*index.Index{ix}, q))
	if err != nil {
		return nil, err
	}
	return encode(joined)
}

// All answers GET /stats for the indexes that the caller may see.
func (j *Joiner) All(ctx context.Context, visible []*index.Index, q *request.Stats) (json.RawMessage, *meili.Error) {
	parts := j.ask(ctx, visible, q)
	all := meili.Stats{Indexes: map[string]meili.IndexStats{}}
	var size, used uint64
	for _, p := range parts {
		size += bytesOf(p.stats.DatabaseSize)
		used += bytesOf(p.stats.UsedDatabaseSize)
		if u := p.stats.LastUpdate; u != nil && (all.LastUpdate == nil || *u > *all.LastUpdate) {
			all.LastUpdate = u
		}
	}
	all.DatabaseSize, all.UsedDatabaseSize = sizeText(size, q.Human), sizeText(used, q.Human)
	for _, ix := range visible {
		joined, err := j.index(ctx, ix, parts)
		if err != nil {
			return nil, err
		}
		all.Indexes[ix.UID] = joined
	}
	return encode(all)
}

// Fields names the fields of an index's documents as its nodes know them, the
// hidden ones left out.
func (j *Joiner) Fields(ctx context.Context, ix *index.Index) ([]string, *meili.Error) {
	names := map[string]bool{}
	for id := range nodesOf(ix) {
		client, ok := j.Client(id)
		if !ok || !j.Readable(id, ix.Physical) {
			continue
		}
		var page struct {
			Results []struct {
				Name string `json:"name"`
			} `json:"results"`
		}
		err := client.Do(ctx, http.MethodPost, "/indexes/"+ix.Physical+"/fields", node.JSON([]byte(`{"limit":65536}`)), &page)
		if err != nil {
			continue
		}
		for _, field := range page.Results {
			if !strings.HasPrefix(field.Name, hidden.Prefix) {
				names[field.Name] = true
			}
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted, nil
}

// ask asks every node of the indexes at once; those that do not answer are left out.
func (j *Joiner) ask(ctx context.Context, indexes []*index.Index, q *request.Stats) map[string]part {
	groups := map[string]string{}
	for _, ix := range indexes {
		for id, group := range nodesOf(ix) {
			groups[id] = group
		}
	}
	path := "/stats"
	if q.ShowInternalDatabaseSizes {
		path += "?showInternalDatabaseSizes=true"
	}
	parts := map[string]part{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for id, group := range groups {
		client, ok := j.Client(id)
		if !ok {
			continue
		}
		wg.Go(func() {
			var said meili.Stats
			if err := client.Get(ctx, path, &said); err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			parts[id] = part{group: group, stats: &said}
		})
	}
	wg.Wait()
	return parts
}

// index joins one index's figures over the first group whose nodes all answered
// and are in order.
func (j *Joiner) index(ctx context.Context, ix *index.Index, parts map[string]part) (meili.IndexStats, *meili.Error) {
	var some []meili.IndexStats
	for _, group := range ix.Placement.Groups {
		said, complete := j.group(ix, group.ID, parts)
		complete = complete && even(ix.Placement, group)
		if complete {
			return index.JoinStats(said, len(group.Shards[0])), nil
		}
		if len(said) > len(some) {
			some = said
		}
	}
	joined := index.JoinStats(some, 1)
	count, err := j.Count(ctx, ix)
	if err != nil {
		return joined, err
	}
	joined.NumberOfDocuments = uint64(count)
	return joined, nil
}

// even says whether what the nodes of a group hold is each document as often as
// any other, and nothing besides.
func even(p *cluster.Placement, group cluster.GroupPlacement) bool {
	for _, replicas := range group.Shards {
		if len(replicas) != len(group.Shards[0]) || len(replicas) == 0 {
			return false
		}
		for _, id := range replicas {
			if len(p.Surplus[id]) > 0 {
				return false
			}
		}
	}
	return true
}

func (j *Joiner) group(ix *index.Index, group string, parts map[string]part) (said []meili.IndexStats, complete bool) {
	complete = true
	for id, of := range nodesOf(ix) {
		if of != group {
			continue
		}
		p, answered := parts[id]
		if !answered || !j.Readable(id, ix.Physical) {
			complete = false
			continue
		}
		said = append(said, p.stats.Indexes[ix.Physical])
	}
	return said, complete
}

// nodesOf lists the nodes that hold a part of an index, each with its group.
func nodesOf(ix *index.Index) map[string]string {
	nodes := map[string]string{}
	for _, group := range ix.Placement.Groups {
		for id := range slices.Values(slices.Concat(group.Shards...)) {
			nodes[id] = group.ID
		}
	}
	return nodes
}

func bytesOf(raw json.RawMessage) uint64 {
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil { // a node is always asked for plain bytes
		return 0
	}
	return n
}

func sizeText(n uint64, human bool) json.RawMessage {
	if human {
		return json.RawMessage(strconv.Quote(meili.FormatSize(int64(n))))
	}
	return json.RawMessage(strconv.FormatUint(n, 10))
}

func encode(value any) (json.RawMessage, *meili.Error) {
	body, err := meili.Marshal(value)
	if err != nil {
		return nil, meili.NewError("internal", "encoding statistics: %v", err)
	}
	return body, nil
}
