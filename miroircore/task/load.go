package task

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

func (t *Table) load(tx state.Tx) error {
	t.uids.load(tx)
	t.batches.load(tx)
	if err := tx.Scan(indexesTable, nil, func(key, value []byte) bool {
		t.names.put(binary.BigEndian.Uint32(key), string(value))
		return true
	}); err != nil {
		return err
	}
	if err := tx.Scan(swapsTable, nil, func(key, _ []byte) bool {
		t.applied[binary.BigEndian.Uint32(key)] = true
		return true
	}); err != nil {
		return err
	}
	var bad error
	err := tx.Scan(tasksTable, nil, func(key, value []byte) bool {
		uid := binary.BigEndian.Uint32(key)
		if bad = t.loadRecord(uid, value); bad != nil {
			bad = fmt.Errorf("task %d: %w", uid, bad)
		}
		return bad == nil
	})
	t.heads = slices.Clone(t.heads) // without the room that growing left
	if err != nil {
		return err
	}
	return bad
}

func (t *Table) loadRecord(uid uint32, raw []byte) error {
	h, err := readHead(raw)
	if err != nil {
		return err
	}
	r := t.rows.add(uid)
	r.setEnqueued(h.enqueued)
	r.started, r.finished = r.offset(timeOf(h.started)), r.offset(timeOf(h.finished))
	r.kind, r.status, r.index = h.kind, h.status, h.index
	if h.batch > 0 {
		t.join(uid, r, h.batch-1)
		t.batches.above(h.batch - 1)
		if h.canceledBy > 0 {
			t.cancels[h.canceledBy-1] = h.batch - 1
		}
	}
	t.uids.above(uid)
	if kindName(h.kind) == meili.TypeIndexSwap {
		rest, err := readTail(raw)
		if err != nil {
			return err
		}
		t.swapped[uid] = rest.Swapped
	}
	return nil
}

// failLeftovers ends the stored tasks that had not ended when the gateway did.
func (t *Table) failLeftovers() error {
	var left []uint32
	t.rows.each(true, nil, func(uid uint32, r *row) bool {
		if !r.finishedStatus() {
			left = append(left, uid)
		}
		return true
	})
	for _, uid := range left {
		task, err := t.read(uid)
		if err != nil {
			return err
		}
		t.live[uid] = task
		t.Finish(uid, Outcome{
			Status: meili.StatusFailed, Details: FailedDetails(task.Type, task.Details), At: t.opts.Now(),
			Error: meili.NewError("internal", "The gateway was restarted while the task was under way."),
		})
	}
	return nil
}

// join puts a task into a batch.
func (t *Table) join(uid uint32, r *row, batch uint32) {
	r.batch = batch + 1
	for int(batch) >= len(t.heads) {
		t.heads = append(t.heads, 0)
	}
	switch head := t.heads[batch]; {
	case head == 0:
		t.heads[batch] = uid + 1
		t.batchCount++
	case t.members[batch] == nil:
		t.members[batch] = []uint32{head - 1, uid}
	default:
		t.members[batch] = append(t.members[batch], uid)
	}
}
