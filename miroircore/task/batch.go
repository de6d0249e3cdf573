package task

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// A batch is a task that was started, with the tasks that it canceled.

// tasksOf gives the uids of a batch's tasks, nothing where there is no batch.
func (t *Table) tasksOf(batch uint32) []uint32 {
	if int(batch) >= len(t.heads) || t.heads[batch] == 0 {
		return nil
	}
	if many := t.members[batch]; many != nil {
		return many
	}
	return []uint32{t.heads[batch] - 1}
}

// leave takes a task that is deleted out of its batch; a batch goes with its last.
func (t *Table) leave(uid uint32, r *row) {
	if r.batch == 0 {
		return
	}
	batch := r.batch - 1
	rest := slices.DeleteFunc(slices.Clone(t.tasksOf(batch)), func(member uint32) bool { return member == uid })
	switch {
	case len(rest) == 0:
		t.heads[batch] = 0
		t.batchCount--
	case t.members[batch] != nil:
		t.members[batch] = rest
		t.heads[batch] = rest[0] + 1
	}
	if len(rest) <= 1 {
		delete(t.members, batch)
	}
}

// Batch gives a batch by its uid.
func (t *Table) Batch(uid uint32) (meili.Batch, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.tasksOf(uid) == nil {
		return meili.Batch{}, false
	}
	batch, err := t.batch(uid)
	if err != nil {
		t.opts.Logger.Error("a batch cannot be read", "batch", uid, "error", err)
		return meili.Batch{}, false
	}
	return batch, true
}

// Batches gives a page of batches.
func (t *Table) Batches(q request.Tasks, visible func(index string) bool) (meili.BatchPage, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := t.pickBatches(&q, visible)
	out := meili.BatchPage{Results: make([]meili.Batch, 0, len(p.uids)), Total: p.total, Limit: q.Limit, From: p.from(), Next: p.next}
	for _, uid := range p.uids {
		batch, err := t.batch(uid)
		if err != nil {
			return meili.BatchPage{}, err
		}
		out.Results = append(out.Results, batch)
	}
	return out, nil
}

func (t *Table) pickBatches(q *request.Tasks, visible func(index string) bool) *page {
	m := t.batchMatcher(&q.TaskFilter, visible)
	p := &page{q: q}
	everything := m.everything()
	for i := range t.heads {
		batch := uint32(i)
		if !q.Reverse {
			batch = uint32(len(t.heads) - 1 - i)
		}
		if t.heads[batch] == 0 || m.batches != nil && !m.batches[batch+1] || everything && !p.inRange(batch) {
			continue
		}
		if everything && p.next != nil {
			break
		}
		if t.members[batch] == nil { // by far the most
			uid := t.heads[batch] - 1
			if r := t.rows.get(uid); m.match(uid, r) {
				p.offer(batch, m.shows(r))
			}
			continue
		}
		if found, shown := m.matchBatch(t.members[batch]); found {
			p.offer(batch, shown)
		}
	}
	if everything {
		p.total = t.batchCount
	}
	return p
}

// batchMatcher is a matcher for the tasks of batches. A batch counts as canceled
// by a task when it is the batch of that task.
func (t *Table) batchMatcher(f *request.TaskFilter, visible func(index string) bool) *matcher {
	narrowed := *f
	narrowed.CanceledBy = nil
	if f.CanceledBy != nil {
		batches := []uint32{}
		for _, uid := range f.CanceledBy {
			r := t.rows.get(uid)
			if r != nil && r.batch > 0 && kindName(r.kind) == meili.TypeTaskCancelation &&
				statusName(r.status) == meili.StatusSucceeded &&
				(f.BatchUIDs == nil || slices.Contains(f.BatchUIDs, r.batch-1)) {
				batches = append(batches, r.batch-1)
			}
		}
		narrowed.BatchUIDs = batches
	}
	return t.matcher(&narrowed, visible)
}

// matchBatch applies each condition to the batch as a whole: different tasks of
// it may meet different ones.
func (m *matcher) matchBatch(uids []uint32) (found, shown bool) {
	parts := []matcher{
		{statuses: m.statuses, kinds: all32}, {statuses: all8, kinds: m.kinds}, {statuses: all8, kinds: all32, uids: m.uids},
		{statuses: all8, kinds: all32, indexes: m.indexes},
		{statuses: all8, kinds: all32, enqueued: m.enqueued, started: m.started, finished: m.finished},
	}
	global := false
	for i := range parts {
		part := &parts[i]
		part.table = m.table
		if i < len(parts)-1 {
			part.enqueued, part.started, part.finished = spanOf(nil, nil), spanOf(nil, nil), spanOf(nil, nil)
		}
		if !slices.ContainsFunc(uids, func(uid uint32) bool { return part.match(uid, m.table.rows.get(uid)) }) {
			return false, false
		}
	}
	for _, uid := range uids {
		r := m.table.rows.get(uid)
		global = global || kindName(r.kind).Global()
		shown = shown || m.shows(r)
	}
	return true, shown && !(global && m.withoutGlobals)
}

const (
	all8  = 1<<8 - 1
	all32 = 1<<32 - 1
)

// batch makes the view of a batch.
func (t *Table) batch(uid uint32) (meili.Batch, error) {
	uids := slices.Sorted(slices.Values(t.tasksOf(uid)))
	stats := meili.BatchStats{
		TotalNbTasks: len(uids), Status: meili.StatusCounts{}, Types: meili.TypeCounts{}, IndexUIDs: map[string]int{},
	}
	out := meili.Batch{UID: uid, Progress: json.RawMessage("null")}
	var merged details
	var head *Task
	for _, member := range uids {
		task, err := t.task(member)
		if err != nil {
			return out, err
		}
		stats.Status[task.Status]++
		stats.Types[task.Type]++
		if task.IndexUID != nil {
			stats.IndexUIDs[*task.IndexUID]++
		}
		merged.add(task)
		if head == nil || task.Status != meili.StatusCanceled {
			head = task // the cancelation itself, where there is one
		}
	}
	traced(&stats, head)
	if err := addStats(&stats, head.BatchStats); err != nil {
		return out, err
	}
	out.Details, out.Stats = merged.json(), stats
	out.StartedAt = meili.FormatTime(head.StartedAt)
	out.FinishedAt, out.Duration = optionalTime(head.FinishedAt), duration(head.StartedAt, head.FinishedAt)
	out.BatchStrategy = strategy(head)
	if head.FinishedAt.IsZero() {
		out.Progress = json.RawMessage(`{"steps":[{"currentStep":"processing tasks","finished":0,"total":1}],"percentage":0.0}`)
	}
	return out, nil
}

// traced fills in the parts of the stats that are about how the server works
// inside: how long the whole took, and that nothing waited for a channel, since
// the gateway has none. Clients that were made for the server read them.
func traced(stats *meili.BatchStats, head *Task) {
	if head.FinishedAt.IsZero() {
		return
	}
	took := max(head.FinishedAt.Sub(head.StartedAt), 0)
	stats.ProgressTrace = json.RawMessage(`{"processing tasks":"` + durationText(took) + `"}`)
	switch head.Type {
	case meili.TypeDocumentAdditionOrUpdate, meili.TypeDocumentEdition, meili.TypeDocumentDeletion, meili.TypeSettingsUpdate:
		if head.Status == meili.StatusSucceeded {
			stats.WriteChannelCongestion = json.RawMessage(`{"attempts":0,"blocking_attempts":0,"blocking_ratio":null}`)
		}
	}
}

// durationText writes a duration as traces do: two decimals in the largest unit
// that gives a whole part.
func durationText(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= unit.size {
			return strconv.FormatFloat(float64(d)/float64(unit.size), 'f', 2, 64) + unit.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + ".00ns"
}

// addStats fills in what only the nodes know of a batch, instead.
func addStats(stats *meili.BatchStats, inside json.RawMessage) error {
	if len(inside) == 0 {
		return nil
	}
	if inside[0] != '{' {
		inside = append(append([]byte{'{'}, inside...), '}')
	}
	var more struct {
		ProgressTrace, WriteChannelCongestion, InternalDatabaseSizes, EmbedderRequests json.RawMessage
	}
	if err := json.Unmarshal(inside, &more); err != nil {
		return err
	}
	if more.ProgressTrace != nil {
		stats.ProgressTrace = more.ProgressTrace
	}
	if more.WriteChannelCongestion != nil {
		stats.WriteChannelCongestion = more.WriteChannelCongestion
	}
	stats.InternalDatabaseSizes, stats.EmbedderRequests = more.InternalDatabaseSizes, more.EmbedderRequests
	return nil
}

// strategy says why the batch holds what it holds, in the server's words.
func strategy(task *Task) string {
	switch task.Type {
	case meili.TypeDocumentAdditionOrUpdate, meili.TypeDocumentDeletion, meili.TypeSettingsUpdate:
		return "batched all enqueued tasks"
	case meili.TypeIndexDeletion:
		return "stopped after task with id " + uidText(task.UID) + " because it deletes the index"
	case meili.TypeSnapshotCreation, meili.TypeTaskDeletion:
		return "stopped after the last task of type `" + string(task.Type) +
			"` because they cannot be batched with tasks of any other type."
	}
	return "created batch containing only task with id " + uidText(task.UID) + " of type `" + string(task.Type) +
		"` that cannot be batched with any other task."
}

// details merges the details of a batch's tasks: counts are added up, filters
// joined, and of all else the first one stays. What is null is left out.
type details struct {
	names  []string
	values map[string]json.RawMessage
}

// detailOrder is the order in which the server writes merged details; what is
// not named stands before the swaps, as settings do.
var detailOrder = []string{
	"receivedDocuments", "indexedDocuments", "editedDocuments", "primaryKey", "providedIds", "deletedDocuments",
	"matchedTasks", "canceledTasks", "deletedTasks", "originalFilter", "dumpUid", "context", "function",
}

var lateDetails = []string{"swaps", "oldIndexUid", "newIndexUid"}

func (d *details) add(task *Task) {
	if len(task.Details) == 0 {
		return
	}
	if d.values == nil {
		d.values = make(map[string]json.RawMessage)
	}
	dec := json.NewDecoder(bytes.NewReader(task.Details))
	if _, err := dec.Token(); err != nil {
		return
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return
		}
		// A setting that is null was sent so; elsewhere null is nothing yet.
		if string(value) == "null" && task.Type != meili.TypeSettingsUpdate {
			continue
		}
		d.put(name.(string), value)
	}
}

func (d *details) put(name string, value json.RawMessage) {
	old, again := d.values[name]
	if !again {
		d.names = append(d.names, name)
		d.values[name] = value
		return
	}
	switch {
	case name == "originalFilter":
		var a, b string
		if json.Unmarshal(old, &a) == nil && json.Unmarshal(value, &b) == nil {
			d.values[name] = meili.AppendString(nil, a+"&"+b)
		}
	case name == "swaps":
		d.values[name] = append(append(bytes.Clone(old[:len(old)-1]), ','), value[1:]...)
	default:
		a, errA := strconv.ParseUint(string(old), 10, 64)
		b, errB := strconv.ParseUint(string(value), 10, 64)
		if errA == nil && errB == nil {
			d.values[name] = strconv.AppendUint(nil, a+b, 10)
		}
	}
}

func (d *details) json() json.RawMessage {
	rank := func(name string) int {
		if at := slices.Index(detailOrder, name); at >= 0 {
			return at
		}
		if at := slices.Index(lateDetails, name); at >= 0 {
			return len(detailOrder) + 1 + at
		}
		return len(detailOrder)
	}
	slices.SortStableFunc(d.names, func(a, b string) int { return rank(a) - rank(b) })
	out := []byte{'{'}
	for i, name := range d.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = meili.AppendString(out, name)
		out = append(append(out, ':'), d.values[name]...)
	}
	return append(out, '}')
}
