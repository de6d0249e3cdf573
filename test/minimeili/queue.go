package minimeili

import (
	"slices"
	"strconv"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// enqueue adds a task and returns once it is as durable as the instance is.
func (c *instance) enqueue(indexUID *string, metadata *string, op operation) (*task, *meili.Error) {
	if now, _ := c.faults.tasks.read(); now.diskFull && op.Kind != deleteTasks {
		return nil, meili.NewError("no_space_left_on_device", "Meilisearch cannot receive write operations because "+
			"the limit of the task database has been reached. Please delete tasks to continue performing write operations.")
	}
	c.mu.Lock()
	t := &task{
		UID: uint32(len(c.tasks)), IndexUID: indexUID, Type: typeOfKind[op.Kind], Op: op,
		EnqueuedAt: c.config.now().UTC(), CustomMetadata: metadata,
	}
	t.Status = meili.StatusEnqueued
	t.Details = op.first()
	if op.Kind == updateIndex {
		t.Details = &details{PrimaryKey: orNull(op.PrimaryKey), NewIndexUID: op.NewUID}
		if op.NewUID != nil {
			t.Details.OldIndexUID = indexUID
		}
	}
	t.Touches = t.touches()
	c.tasks = append(c.tasks, t)
	c.pending = append(c.pending, t)
	c.record(event{Task: t})
	c.mu.Unlock()
	if err := c.sync(); err != nil {
		return nil, meili.NewError("io_error", "%v", err)
	}
	if op.Kind == cancelTasks {
		c.signal(c.canceled)
	}
	c.signal(c.wake)
	return t, nil
}

// accepted enqueues a task and answers with its summary.
func (c *call) accepted(status int, indexUID *string, metadata *string, op operation) (answer, *meili.Error) {
	t, err := c.enqueue(indexUID, metadata, op)
	if err != nil {
		return refuse(err)
	}
	return answer{status: status, body: t.summary()}, nil
}

// matches says whether a task is one the filter chooses. The caller holds mu.
func matches(f *request.TaskFilter, t *task) bool {
	if f.UIDs != nil && !slices.Contains(f.UIDs, t.UID) ||
		f.BatchUIDs != nil && (t.BatchUID == nil || !slices.Contains(f.BatchUIDs, *t.BatchUID)) ||
		f.CanceledBy != nil && (t.CanceledBy == nil || !slices.Contains(f.CanceledBy, *t.CanceledBy)) ||
		f.Types != nil && !slices.Contains(f.Types, t.Type) ||
		f.Statuses != nil && !slices.Contains(f.Statuses, t.Status) {
		return false
	}
	if f.IndexUIDs != nil && !slices.ContainsFunc(t.Touches, func(uid string) bool { return slices.Contains(f.IndexUIDs, uid) }) {
		return false
	}
	return between(t.EnqueuedAt, f.AfterEnqueuedAt, f.BeforeEnqueuedAt) &&
		between(t.StartedAt, f.AfterStartedAt, f.BeforeStartedAt) &&
		between(t.FinishedAt, f.AfterFinishedAt, f.BeforeFinishedAt)
}

func between(at time.Time, after, before *time.Time) bool {
	if after == nil && before == nil {
		return true
	}
	return !at.IsZero() && (after == nil || at.After(*after)) && (before == nil || at.Before(*before))
}

// visible says whether a list limited to some indexes shows a task: tasks of no
// index, and of an index the key may not see, are left out of it.
func (c *call) visible(t *task, limited bool) bool {
	if !limited && c.grant.all() {
		return true
	}
	return !t.Type.Global() && !slices.ContainsFunc(t.Touches, func(uid string) bool { return !c.grant.allows(uid) })
}

func (c *call) listTasks() (answer, *meili.Error) {
	p, err := request.ParseTasks(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var found []*task
	total := 0
	for _, t := range c.tasks {
		if t == nil || !matches(&p.TaskFilter, t) {
			continue
		}
		shown := c.visible(t, p.IndexUIDs != nil)
		if shown {
			found = append(found, t)
		}
		if shown || c.grant.all() { // the server counts swaps of an index that it does not list
			total++
		}
	}
	page, from, next := pageOf(found, p, func(t *task) uint32 { return t.UID })
	results := make([]meili.Task, len(page))
	for i, t := range page {
		results[i] = t.view()
	}
	return ok(meili.TaskPage{Results: results, Total: total, Limit: p.Limit, From: from, Next: next})
}

// pageOf cuts a page of tasks or batches, given in ascending order.
func pageOf[V any](all []V, p *request.Tasks, uid func(V) uint32) (page []V, from, next *uint32) {
	if !p.Reverse {
		all = slices.Clone(all)
		slices.Reverse(all)
	}
	for _, v := range all {
		id := uid(v)
		if p.From != nil && (p.Reverse && id < *p.From || !p.Reverse && id > *p.From) {
			continue
		}
		if uint32(len(page)) == p.Limit {
			next = &id
			break
		}
		if from == nil {
			from = &id
		}
		page = append(page, v)
	}
	return page, from, next
}

func (c *call) getTask() (answer, *meili.Error) {
	t, err := c.findTask()
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return ok(t.view())
}

func (c *call) findTask() (*task, *meili.Error) {
	uid, err := strconv.ParseUint(c.params[0], 10, 32)
	if err != nil {
		return nil, meili.InvalidTaskUID(c.params[0])
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if uid < uint64(len(c.tasks)) && c.tasks[uid] != nil && c.visible(c.tasks[uid], false) {
		return c.tasks[uid], nil
	}
	return nil, meili.TaskNotFound(c.params[0])
}

func (c *call) taskDocuments() (answer, *meili.Error) {
	if err := c.need("getTaskDocumentsRoute", "Getting the documents of an enqueued task"); err != nil {
		return refuse(err)
	}
	t, err := c.findTask()
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if t.Status.Finished() || typeOfKind[t.Op.Kind] != meili.TypeDocumentAdditionOrUpdate {
		return refuse(meili.NewError("task_file_not_found", "Task `%d` does not contain any documents. "+
			"Only `documentAdditionOrUpdate` tasks with the statuses `enqueued` or `processing` contain documents", t.UID))
	}
	return answer{status: 200, body: plain(t.Op.Documents), contentType: "application/x-ndjson"}, nil
}

func (c *call) cancelTasks() (answer, *meili.Error) { return c.onTasks("cancel", cancelTasks) }

func (c *call) deleteTasks() (answer, *meili.Error) { return c.onTasks("delete", deleteTasks) }

// onTasks enqueues the cancelation or deletion of the tasks that match now.
func (c *call) onTasks(action string, k kind) (answer, *meili.Error) {
	filter, err := request.ParseTaskFilter(c.r.URL.RawQuery, action)
	if err != nil {
		return refuse(err)
	}
	op := operation{Kind: k, Query: "?" + c.r.URL.RawQuery}
	c.mu.RLock()
	for _, t := range c.tasks {
		if t != nil && matches(filter, t) && c.visible(t, filter.IndexUIDs != nil) {
			op.Tasks = append(op.Tasks, t.UID)
		}
	}
	c.mu.RUnlock()
	return c.accepted(200, nil, nil, op)
}
