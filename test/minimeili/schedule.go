package minimeili

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// batch is what ran together.
type batch struct {
	UID        uint32    `json:"uid"`
	Tasks      []uint32  `json:"tasks"` // as they were taken from the queue
	Strategy   string    `json:"strategy"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	// Skipped says that nothing was done: the tasks were told to fail.
	Skipped  bool                `json:"skipped,omitempty"`
	Outcomes map[uint32]*outcome `json:"outcomes"`

	gathered *gathering
	running  []*task  // those taken and not ended
	gone     []uint32 // tasks it deletes
	touched  []string // the indexes its tasks were about when it ended
	details  *details
	stats    meili.BatchStats
	wrote    bool // it went through the indexer
}

// schedule runs the queue, one batch after the other, until the instance stops.
func (c *instance) schedule() {
	defer c.done.Done()
	for {
		now, changed := c.faults.tasks.read()
		resumed, paused := c.faults.frozen()
		if !now.held && !paused {
			if b := c.next(); b != nil {
				c.faults.tasks.step()
				if !c.runBatch(b) {
					return
				}
				continue
			}
		}
		select {
		case <-c.quit:
			return
		case <-c.wake:
		case <-changed:
		case <-resumed:
		}
	}
}

// urgent lists the kinds that overtake all others, in their order.
var urgent = []kind{cancelTasks, deleteTasks, compactIndex, exportIndexes, createSnapshot, createDump}

// next puts together the batch to run, or nothing when the queue is empty.
func (c *instance) next() *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return nil
	}
	for _, k := range urgent {
		if g := c.gatherUrgent(k); g != nil {
			return c.begin(g)
		}
	}
	return c.begin(c.gatherOrdinary())
}

func (c *instance) gatherUrgent(k kind) *gathering {
	var list []*task
	for _, t := range c.pending {
		if t.Op.Kind == k {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return nil
	}
	g := &gathering{kind: alone}
	switch k {
	case deleteTasks, createSnapshot:
		g.tasks = list
		g.strategy = fmt.Sprintf("stopped after the last task of type `%s` because they cannot be batched with tasks of any other type.", typeOfKind[k])
		return g
	case cancelTasks:
		g.tasks = list[len(list)-1:]
	default:
		g.tasks = list[:1]
	}
	g.cannotJoin(g.tasks[0])
	return g
}

// gatherOrdinary batches the oldest task with those of its index.
func (c *instance) gatherOrdinary() *gathering {
	first := c.pending[0]
	touched := first.Touches
	if len(touched) == 0 {
		g := &gathering{kind: alone, tasks: []*task{first}}
		g.cannotJoin(first)
		return g
	}
	uid := touched[0]
	var list []*task
	for _, t := range c.pending {
		if slices.Contains(t.Touches, uid) {
			list = append(list, t)
		}
		if c.config.unbatched && len(list) == 1 {
			break
		}
	}
	exists, primaryKey := false, ""
	if ix := c.indexes[uid]; ix != nil {
		exists, primaryKey = true, ix.engine.PrimaryKey()
	}
	g := autobatch(list, exists, primaryKey)
	switch {
	case g.strategy != "":
	case c.config.unbatched:
		g.strategy = "batched up to configured batch limit of 1 tasks"
	case len(list) == len(c.pending):
		g.strategy = "batched all enqueued tasks"
	default:
		g.strategy = fmt.Sprintf("batched all enqueued tasks for index `%s`", uid)
	}
	return g
}

// begin marks the tasks of a batch as running. The caller holds mu.
func (c *instance) begin(g *gathering) *batch {
	b := &batch{
		UID: uint32(len(c.batches)), Strategy: g.strategy, StartedAt: c.config.now().UTC(),
		gathered: g, running: g.tasks,
	}
	for _, t := range g.tasks {
		b.Tasks = append(b.Tasks, t.UID)
		t.Status, t.BatchUID, t.StartedAt = meili.StatusProcessing, &b.UID, b.StartedAt
	}
	c.pending = slices.DeleteFunc(c.pending, func(t *task) bool { return t.Status == meili.StatusProcessing })
	b.count(g.tasks)
	c.batches = append(c.batches, b)
	return b
}

// giveBack undoes begin.
func (c *instance) giveBack(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range b.running {
		t.Status, t.BatchUID, t.StartedAt = meili.StatusEnqueued, nil, time.Time{}
	}
	c.pending = append(c.pending, b.running...)
	slices.SortFunc(c.pending, func(a, b *task) int { return int(a.UID) - int(b.UID) })
	c.batches = c.batches[:b.UID]
}

// runBatch runs a batch to its end and says whether the instance goes on.
func (c *instance) runBatch(b *batch) bool {
	for stalled := true; stalled; {
		var now taskFaultsNow
		var changed <-chan struct{}
		if now, changed = c.faults.tasks.read(); !now.stalled || b.running[0].Op.Kind == cancelTasks {
			break
		}
		select {
		case <-changed:
		case <-c.canceled: // it may be of these very tasks
			c.giveBack(b)
			return true
		case <-c.quit:
			c.giveBack(b)
			return false
		}
	}
	start := time.Now()
	outcomes := c.perform(b)
	c.dwell(b, start)
	c.mu.Lock()
	b.Outcomes, b.FinishedAt = outcomes, c.config.now().UTC()
	c.record(event{Batch: b})
	c.mu.Unlock()
	if err := c.sync(); err != nil { // as the real server, which cannot go on either
		panic(fmt.Sprintf("minimeili cannot write its journal: %v", err))
	}
	c.end(b)
	return true
}

// dwell waits out the time that the batch's documents take at least.
func (c *instance) dwell(b *batch, start time.Time) {
	if c.config.indexTime == 0 {
		return
	}
	documents := 0
	for _, t := range b.running {
		if received := t.Details.ReceivedDocuments; received != nil {
			documents += *received
		}
	}
	rest := time.NewTimer(time.Duration(documents)*c.config.indexTime - time.Since(start))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-c.quit:
	}
}

// perform does what the tasks of a batch ask for and gives what came of each.
func (c *instance) perform(b *batch) map[uint32]*outcome {
	now, _ := c.faults.tasks.read()
	if first := b.running[0]; now.indexDiskFull && first.IndexUID != nil && first.Op.Kind != deleteIndex {
		b.Skipped = true
		return failAll(b, meili.NewError("no_space_left_on_device", "Index `%s`: There is no more space left on the device. "+
			"Consider increasing the size of the disk/partition.", *first.IndexUID))
	}
	w := &work{instance: c, batch: b, at: b.StartedAt, outcomes: map[uint32]*outcome{}}
	for _, t := range b.running {
		o := t.outcome
		o.Status = meili.StatusSucceeded
		w.outcomes[t.UID] = &o
	}
	if err := w.run(); err != nil {
		return failAll(b, err)
	}
	return w.outcomes
}

func failAll(b *batch, err *meili.Error) map[uint32]*outcome {
	outcomes := map[uint32]*outcome{}
	for _, t := range b.running {
		o := t.outcome
		o.Status, o.Error, o.Details = meili.StatusFailed, err, t.Details.failed()
		outcomes[t.UID] = &o
	}
	return outcomes
}

// end publishes what came of a batch.
func (c *instance) end(b *batch) {
	c.mu.Lock()
	var ended []*task
	for _, uid := range slices.Sorted(maps.Keys(b.Outcomes)) {
		t, o := c.tasks[uid], b.Outcomes[uid]
		o.BatchUID, o.StartedAt, o.FinishedAt = &b.UID, b.StartedAt, b.FinishedAt
		t.outcome = *o
		t.Op.forget()
		ended = append(ended, t)
	}
	c.pending = slices.DeleteFunc(c.pending, func(t *task) bool { return t.Status.Finished() })
	b.running = nil
	b.count(ended)
	b.wrote = b.wroteIndex(ended)
	c.forgetDeleted(b)
	hooks := slices.Clone(c.webhooks)
	views := make([]meili.Task, len(ended))
	for i, t := range ended {
		views[i] = t.view()
	}
	c.finished.Broadcast()
	c.mu.Unlock()
	b.gathered, b.Outcomes = nil, nil
	if !c.replay {
		c.notify(hooks, views)
	}
}

// wroteIndex says whether a batch reached the indexer.
func (b *batch) wroteIndex(ended []*task) bool {
	switch b.gathered.kind {
	case documentsBatch, settingsBatch:
		return slices.ContainsFunc(ended, func(t *task) bool { return t.Error == nil })
	case deletionBatch:
		return b.details != nil && b.details.DeletedDocuments.value != nil && *b.details.DeletedDocuments.value > 0
	}
	return false
}

// forgetDeleted removes the tasks a batch deleted, and batches left without any.
func (c *instance) forgetDeleted(b *batch) {
	if len(b.gone) == 0 {
		return
	}
	emptied := map[uint32]bool{}
	for _, uid := range b.gone {
		if of := c.tasks[uid].BatchUID; of != nil {
			emptied[*of] = true
		}
		c.tasks[uid] = nil
	}
	for _, t := range c.tasks {
		if t != nil && t.BatchUID != nil {
			delete(emptied, *t.BatchUID)
		}
	}
	for uid := range emptied {
		c.batches[uid] = nil
	}
	b.gone = nil
}

// forget drops what only the run of an operation needed.
func (op *operation) forget() { op.Documents = "" }

// count makes the figures of a batch from its tasks.
func (b *batch) count(tasks []*task) {
	b.details, b.touched = nil, nil
	b.stats = meili.BatchStats{Status: meili.StatusCounts{}, Types: meili.TypeCounts{}, IndexUIDs: map[string]int{}}
	for _, t := range tasks {
		b.stats.TotalNbTasks++
		b.touched = append(b.touched, t.Touches...)
		b.stats.Status[t.Status]++
		b.stats.Types[t.Type]++
		if t.IndexUID != nil {
			b.stats.IndexUIDs[*t.IndexUID]++
		}
		b.details = b.details.merge(t.Details)
	}
}
