package task

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

const (
	// lull is how long a finished task may wait for others before it is written.
	lull = 50 * time.Millisecond
	// retryAfter is how long to wait after a write that failed.
	retryAfter = time.Second
	// chunk is how many records one transaction takes.
	chunk = 4096
)

// stir tells the writer that there is something to write.
func (t *Table) stir() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run writes what has changed, some time after it has, until the table is closed.
func (t *Table) run() {
	timer := time.NewTimer(t.opts.lull)
	timer.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-t.wake:
		}
		wait := t.opts.lull
		for {
			timer.Reset(wait)
			select {
			case <-t.stop:
				return
			case <-timer.C:
			}
			err := t.Flush()
			if err == nil {
				err = t.prune()
			}
			if err == nil {
				break
			}
			t.opts.Logger.Error("tasks cannot be written, trying again", "error", err)
			wait = retryAfter
		}
	}
}

// Flush makes everything so far durable.
func (t *Table) Flush() error {
	t.flushing.Lock()
	defer t.flushing.Unlock()
	t.mu.RLock()
	put, del := slices.Sorted(maps.Keys(t.dirty)), slices.Sorted(maps.Keys(t.gone))
	renamed := len(t.names.changed) > 0 || slices.Contains(slices.Collect(maps.Values(t.applied)), false)
	t.mu.RUnlock()
	if renamed {
		// Records and the names they refer to become durable together.
		return t.write(put, del)
	}
	for len(put) > 0 || len(del) > 0 {
		n, m := min(chunk, len(put)), min(chunk, len(del))
		if err := t.write(put[:n], del[:m]); err != nil {
			return err
		}
		put, del = put[n:], del[m:]
	}
	return nil
}

type entry struct {
	task   *Task
	record []byte
}

// write makes the records of some tasks durable and removes those of others.
func (t *Table) write(put, del []uint32) error {
	entries := make(map[uint32]entry, len(put))
	renamed := make(map[uint32]string)
	var swaps []uint32
	t.mu.RLock()
	for uid, durable := range t.applied {
		if !durable {
			swaps = append(swaps, uid)
		}
	}
	for number := range t.names.changed {
		renamed[number] = t.names.byNumber[number]
	}
	for _, uid := range put {
		task := t.dirty[uid]
		if task == nil { // deleted meanwhile
			continue
		}
		record, err := t.record(task)
		if err != nil {
			t.mu.RUnlock()
			return err
		}
		entries[uid] = entry{task, record}
	}
	t.mu.RUnlock()
	err := t.store.Update(func(tx state.Tx) error {
		for number, name := range renamed {
			if err := tx.Put(indexesTable, uidKey(number), []byte(name)); err != nil {
				return err
			}
		}
		for _, uid := range swaps {
			if err := tx.Put(swapsTable, uidKey(uid), nil); err != nil {
				return err
			}
		}
		for _, uid := range put {
			if e, ok := entries[uid]; ok {
				if err := tx.Put(tasksTable, uidKey(uid), e.record); err != nil {
					return err
				}
			}
		}
		for _, uid := range del {
			if err := errors.Join(tx.Delete(tasksTable, uidKey(uid)), tx.Delete(swapsTable, uidKey(uid))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for uid, e := range entries {
		if t.dirty[uid] == e.task {
			delete(t.dirty, uid)
		}
	}
	for _, uid := range del {
		delete(t.gone, uid)
	}
	for _, uid := range swaps {
		t.applied[uid] = true
	}
	for number, name := range renamed {
		if t.names.byNumber[number] == name {
			delete(t.names.changed, number)
		}
	}
	return nil
}

// SwapIndexes gives the tasks older than before that belong to one index of a
// pair to the other one, as a swap or a rename does. before is the uid of the
// task that swaps: doing it again changes nothing, even after a crash.
func (t *Table) SwapIndexes(before uint32, pairs [][2]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, again := t.applied[before]; again {
		return
	}
	t.applied[before] = false
	for _, pair := range pairs {
		was := make(map[uint32]string)
		for _, name := range pair {
			for _, number := range t.names.byName[name] {
				was[number+1] = name
			}
		}
		t.names.swap(pair[0], pair[1])
		for uid, numbers := range t.swapped {
			if uid >= before {
				t.keepNames(uid, numbers, was)
			}
		}
		t.rows.each(false, nil, func(uid uint32, r *row) bool {
			if uid < before {
				return false
			}
			if name, moved := was[r.index]; moved {
				t.keepName(uid, r, name)
			}
			return true
		})
	}
	t.stir()
}

// keepName leaves a task with the name that its index had before a swap.
func (t *Table) keepName(uid uint32, r *row, name string) {
	r.index = t.names.number(name) + 1
	t.rewrite(uid, r)
}

// keepNames is keepName for the indexes of a swap.
func (t *Table) keepNames(uid uint32, numbers []uint32, was map[uint32]string) {
	kept := slices.Clone(numbers)
	for i, number := range kept {
		if name, moved := was[number+1]; moved {
			kept[i] = t.names.number(name)
		}
	}
	t.swapped[uid] = kept
	t.rewrite(uid, t.rows.get(uid))
}

// rewrite has the record of a task written again, if it has one.
func (t *Table) rewrite(uid uint32, r *row) {
	if !r.finishedStatus() || t.dirty[uid] != nil {
		return
	}
	stored, err := t.read(uid)
	if err != nil {
		t.opts.Logger.Error("a task cannot keep its index over a swap", "task", uid, "error", err)
		return
	}
	t.dirty[uid] = stored
}
