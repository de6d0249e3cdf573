package minimeili

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// view shows a batch. The caller holds mu.
func (b *batch) view() meili.Batch {
	view := meili.Batch{
		UID: b.UID, Details: json.RawMessage("{}"), Stats: b.stats, StartedAt: meili.FormatTime(b.StartedAt),
		BatchStrategy: b.Strategy,
	}
	if b.details != nil {
		view.Details = b.details.json()
	}
	if b.running != nil {
		view.Progress = json.RawMessage(`{"steps":[{"currentStep":"processing tasks","finished":0,"total":2}],"percentage":0.0}`)
		return view
	}
	view.FinishedAt = formatted(b.FinishedAt)
	view.Duration = elapsed(b.StartedAt, b.FinishedAt)
	trace := b.FinishedAt.Sub(b.StartedAt).String()
	view.Stats.ProgressTrace = json.RawMessage(`{"processing tasks":"` + trace + `","writing tasks to disk":"` + trace + `"}`)
	if b.wrote {
		view.Stats.WriteChannelCongestion = json.RawMessage(`{"attempts":0,"blocking_attempts":0,"blocking_ratio":null}`)
	}
	return view
}

// batchMatches says whether a batch has a task the filter chooses. The caller holds mu.
func (c *call) batchMatches(p *request.Tasks, b *batch) bool {
	if p.BatchUIDs != nil && !slices.Contains(p.BatchUIDs, b.UID) {
		return false
	}
	return slices.ContainsFunc(c.tasks, func(t *task) bool {
		return t != nil && t.BatchUID != nil && *t.BatchUID == b.UID &&
			matches(&p.TaskFilter, t) && c.visible(t, p.IndexUIDs != nil)
	})
}

func (c *call) listBatches() (answer, *meili.Error) {
	p, err := request.ParseTasks(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []*batch
	for _, b := range c.batches {
		if b != nil && c.batchMatches(p, b) {
			found = append(found, b)
		}
	}
	page, from, next := pageOf(found, p, func(b *batch) uint32 { return b.UID })
	results := make([]meili.Batch, len(page))
	for i, b := range page {
		results[i] = b.view()
	}
	return ok(meili.BatchPage{Results: results, Total: len(found), Limit: p.Limit, From: from, Next: next})
}

func (c *call) getBatch() (answer, *meili.Error) {
	uid, err := strconv.ParseUint(c.params[0], 10, 32)
	if err != nil {
		return refuse(meili.InvalidBatchUID(c.params[0]))
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := request.Tasks{}
	if uid >= uint64(len(c.batches)) || c.batches[uid] == nil || !c.batchMatches(&all, c.batches[uid]) {
		return refuse(meili.BatchNotFound(c.params[0]))
	}
	return ok(c.batches[uid].view())
}
