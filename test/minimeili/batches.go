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
	if b.running != nil {
		if b.details != nil {
			view.Details = b.details.json()
		}
		view.Progress = json.RawMessage(`{"steps":[{"currentStep":"processing tasks","finished":0,"total":2}],"percentage":0.0}`)
		return view
	}
	if b.details != nil {
		view.Details = b.details.known().json()
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

// batchMatches says whether a batch has a task the filter chooses, and whether
// a list shows it. The caller holds mu.
func (c *call) batchMatches(p *request.Tasks, b *batch) (matching, shown bool) {
	if p.BatchUIDs != nil && !slices.Contains(p.BatchUIDs, b.UID) {
		return false, false
	}
	// A batch keeps the indexes it ran on, whatever they are called since.
	if p.IndexUIDs != nil && !slices.ContainsFunc(p.IndexUIDs, func(uid string) bool { return slices.Contains(b.touched, uid) }) {
		return false, false
	}
	filter := p.TaskFilter
	filter.IndexUIDs = nil
	for _, t := range c.tasks {
		if t != nil && t.BatchUID != nil && *t.BatchUID == b.UID && matches(&filter, t) {
			matching = true
			shown = shown || c.visible(t, p.IndexUIDs != nil)
		}
	}
	return matching, shown
}

func (c *call) listBatches() (answer, *meili.Error) {
	p, err := request.ParseTasks(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []*batch
	total := 0
	for _, b := range c.batches {
		if b == nil {
			continue
		}
		matching, shown := c.batchMatches(p, b)
		if shown {
			found = append(found, b)
		}
		if shown || matching && c.grant.all() {
			total++
		}
	}
	page, from, next := pageOf(found, p, func(b *batch) uint32 { return b.UID })
	results := make([]meili.Batch, len(page))
	for i, b := range page {
		results[i] = b.view()
	}
	return ok(meili.BatchPage{Results: results, Total: total, Limit: p.Limit, From: from, Next: next})
}

func (c *call) getBatch() (answer, *meili.Error) {
	uid, err := strconv.ParseUint(c.params[0], 10, 32)
	if err != nil {
		return refuse(meili.InvalidBatchUID(c.params[0]))
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if uid < uint64(len(c.batches)) && c.batches[uid] != nil {
		if _, shown := c.batchMatches(&request.Tasks{}, c.batches[uid]); shown {
			return ok(c.batches[uid].view())
		}
	}
	return refuse(meili.BatchNotFound(c.params[0]))
}
