package antientropy

import (
	"context"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// touch is what somebody else than the gateway did to an index on a node since
// its copies were last compared whole.
type touch struct{ wrote, deleted bool }

// mostTasks is how many tasks of a node are looked at.
const mostTasks = 1000

// touched looks for tasks, among those that nodes remember, that changed
// documents of an index and were not the gateway's.
func (c *Checker) touched(ctx context.Context, physical string, nodes []string) map[string]touch {
	seen := make(map[string]uint32)
	err := c.o.Store.View(func(tx state.Tx) error {
		_, err := get(tx, seenKey(physical), &seen)
		return err
	})
	if err != nil {
		c.o.Logger.Warn("it is not known which tasks of nodes are new", "index", physical, "error", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	all := make(map[string]touch, len(nodes))
	for _, id := range nodes {
		client, ok := c.o.Client(id)
		if !ok {
			continue
		}
		page, err := client.Tasks(ctx, node.TaskQuery{Limit: mostTasks, IndexUIDs: []string{physical}, Statuses: []meili.TaskStatus{meili.StatusSucceeded},
			Types: []meili.TaskType{meili.TypeDocumentAdditionOrUpdate, meili.TypeDocumentDeletion, meili.TypeDocumentEdition}})
		if err != nil {
			continue // it says nothing
		}
		last, known := seen[id]
		var at touch
		for _, t := range page.Results {
			_, ours := outbox.OperationOf(t.CustomMetadata)
			if ours || known && t.UID <= last || t.CustomMetadata != nil && strings.HasPrefix(*t.CustomMetadata, replica.Metadata) {
				continue
			}
			at.wrote = at.wrote || t.Type != meili.TypeDocumentDeletion
			at.deleted = at.deleted || t.Type != meili.TypeDocumentAdditionOrUpdate
		}
		all[id] = at
	}
	return all
}

// newest gives the newest task of each node that answers.
func (c *Checker) newest(ctx context.Context) map[string]uint32 {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	all := make(map[string]uint32)
	for _, id := range c.o.Nodes() {
		client, ok := c.o.Client(id)
		if !ok || !c.o.Standing.Up(id) {
			continue
		}
		if page, err := client.Tasks(ctx, node.TaskQuery{Limit: 1}); err == nil && len(page.Results) > 0 {
			all[id] = page.Results[0].UID
		}
	}
	return all
}
