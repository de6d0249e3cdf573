package task

import (
	"fmt"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Cancel cancels the tasks chosen that try gives up: it must say true only of
// an operation that no node has been sent and now never will be, and the table
// ends the task then. original is the query as it was sent, with its question
// mark. The task that records it has ended and is durable when Cancel returns.
func (t *Table) Cancel(f request.TaskFilter, original string, visible func(index string) bool, try func(uid uint32) bool) (Task, error) {
	return t.administer(meili.TypeTaskCancelation, original, func(own uint32) (matched []uint32, commit func(batch uint32, at time.Time) int) {
		t.mu.RLock()
		matched = without(t.all(&f, visible), own)
		var waiting []uint32
		for _, uid := range matched {
			if t.live[uid] != nil {
				waiting = append(waiting, uid)
			}
		}
		t.mu.RUnlock()
		var given []uint32
		for _, uid := range waiting {
			if try(uid) { // without the lock: it asks the sequencer, which may be telling the table something
				given = append(given, uid)
			}
		}
		return matched, func(batch uint32, at time.Time) (n int) {
			for _, uid := range given {
				if t.cancel(uid, own, batch, at) {
					n++
				}
			}
			return n
		}
	})
}

// cancel ends a task as part of the batch of its cancelation.
func (t *Table) cancel(uid, by, batch uint32, at time.Time) bool {
	task := t.live[uid]
	if task == nil {
		return false
	}
	canceled := *task
	canceled.CanceledBy = &by
	if canceled.BatchUID != nil { // it belongs to the batch of the cancelation now
		r := t.rows.get(uid)
		t.leave(uid, r)
		r.batch, canceled.BatchUID = 0, nil
	}
	t.live[uid] = &canceled
	t.begin(uid, batch, at)
	t.end(uid, Outcome{Status: meili.StatusCanceled, Details: FailedDetails(task.Type, task.Details), At: at})
	return true
}

// Delete deletes the finished ones of the tasks chosen. The task that records it
// has ended and is durable when Delete returns.
func (t *Table) Delete(f request.TaskFilter, original string, visible func(index string) bool) (Task, error) {
	return t.administer(meili.TypeTaskDeletion, original, func(own uint32) (matched []uint32, commit func(batch uint32, at time.Time) int) {
		t.mu.RLock()
		matched = without(t.all(&f, visible), own)
		t.mu.RUnlock()
		return matched, func(uint32, time.Time) int { return t.drop(matched) }
	})
}

func without(uids []uint32, own uint32) []uint32 {
	for i, uid := range uids {
		if uid >= own { // newer ones are never touched
			return uids[:i]
		}
	}
	return uids
}

// drop deletes those of the tasks that have ended, and counts them.
func (t *Table) drop(uids []uint32) (n int) {
	for _, uid := range uids {
		r := t.rows.get(uid)
		if r == nil || !r.finishedStatus() {
			continue
		}
		t.leave(uid, r)
		t.rows.remove(uid)
		delete(t.dirty, uid)
		delete(t.swapped, uid)
		delete(t.applied, uid)
		t.gone[uid] = true
		n++
	}
	return n
}

// administer makes the task that records a cancelation or a deletion, does it,
// and ends the task, one at a time. do chooses the tasks and gives the function
// that changes them under the lock.
func (t *Table) administer(kind meili.TaskType, original string, do func(own uint32) ([]uint32, func(batch uint32, at time.Time) int)) (Task, error) {
	t.admin.Lock()
	defer t.admin.Unlock()
	uid, err := t.Reserve()
	if err != nil {
		return Task{}, err
	}
	at := t.opts.Now()
	own := Task{UID: uid, Name: NewName(uid, at), Type: kind, EnqueuedAt: at, Details: counted(kind, 0, nil, original)}
	t.Add(own)
	batch, err := t.batches.next()
	if err != nil {
		return Task{}, fmt.Errorf("start task %d: %w", uid, err)
	}
	matched, commit := do(uid)
	t.mu.Lock()
	started := t.opts.Now()
	t.begin(uid, batch, started)
	n := commit(batch, started)
	t.end(uid, Outcome{Status: meili.StatusSucceeded, Details: counted(kind, len(matched), &n, original), At: t.opts.Now()})
	t.mu.Unlock()
	if err := t.Flush(); err != nil {
		return Task{}, fmt.Errorf("write task %d: %w", uid, err)
	}
	own.Status = meili.StatusEnqueued
	return own, nil
}

// counted are the details of a cancelation or a deletion.
func counted(kind meili.TaskType, matched int, done *int, original string) []byte {
	name := "deletedTasks"
	if kind == meili.TypeTaskCancelation {
		name = "canceledTasks"
	}
	count := "null"
	if done != nil {
		count = fmt.Sprint(*done)
	}
	out := fmt.Appendf(nil, `{"matchedTasks":%d,"%s":%s,"originalFilter":`, matched, name, count)
	return append(meili.AppendString(out, original), '}')
}

// prune deletes the oldest finished tasks once there are too many, and records
// it as the server does.
func (t *Table) prune() error {
	t.mu.RLock()
	full := t.rows.count >= t.opts.Keep
	var oldest []uint32
	var newest *Task
	var err error
	if full {
		t.rows.each(true, nil, func(uid uint32, r *row) bool {
			if r.finishedStatus() {
				oldest = append(oldest, uid)
			}
			return len(oldest) < t.opts.Prune
		})
		if len(oldest) > 1 {
			newest, err = t.task(oldest[len(oldest)-1])
		}
	}
	t.mu.RUnlock()
	if newest == nil || err != nil { // one alone would only make room for its own deletion
		return err
	}
	original := "?beforeEnqueuedAt=" + meili.FormatTime(newest.EnqueuedAt.Add(1)) + "&statuses=succeeded,failed,canceled"
	_, err = t.administer(meili.TypeTaskDeletion, original, func(uint32) ([]uint32, func(uint32, time.Time) int) {
		return oldest, func(uint32, time.Time) int { return t.drop(oldest) }
	})
	return err
}
