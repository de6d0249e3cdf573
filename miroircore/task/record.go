package task

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// A record is a finished task as it is stored: a head of fixed width, which is
// all that is read when the table is opened, and the rest in JSON.
const (
	recordVersion = 1
	headBytes     = 4 + 3*8 + 3*4
)

type head struct {
	status, kind                uint8
	enqueued, started, finished int64  // nanoseconds; 0 is none
	batch, canceledBy, index    uint32 // plus one; index is a name's number
}

type tail struct {
	Name     string          `json:"n"`
	Swapped  []uint32        `json:"w,omitempty"` // numbers of names
	Details  json.RawMessage `json:"d,omitempty"`
	Error    *meili.Error    `json:"e,omitempty"`
	Metadata *string         `json:"m,omitempty"`
	Stats    json.RawMessage `json:"s,omitempty"`
}

var errBadRecord = errors.New("task record is broken")

func uidKey(uid uint32) []byte { return binary.BigEndian.AppendUint32(nil, uid) }

func (h *head) append(dst []byte) []byte {
	dst = append(dst, recordVersion, h.status, h.kind, 0)
	for _, at := range []int64{h.enqueued, h.started, h.finished} {
		dst = binary.BigEndian.AppendUint64(dst, uint64(at))
	}
	for _, n := range []uint32{h.batch, h.canceledBy, h.index} {
		dst = binary.BigEndian.AppendUint32(dst, n)
	}
	return dst
}

func readHead(raw []byte) (h head, err error) {
	if len(raw) < headBytes {
		return h, errBadRecord
	}
	if raw[0] != recordVersion {
		return h, fmt.Errorf("%w: version %d", errBadRecord, raw[0])
	}
	h.status, h.kind = raw[1], raw[2]
	if int(h.status) >= len(meili.TaskStatuses) || int(h.kind) >= len(meili.TaskTypes) {
		return h, fmt.Errorf("%w: status %d, type %d", errBadRecord, h.status, h.kind)
	}
	for i, at := range []*int64{&h.enqueued, &h.started, &h.finished} {
		*at = int64(binary.BigEndian.Uint64(raw[4+8*i:]))
	}
	for i, n := range []*uint32{&h.batch, &h.canceledBy, &h.index} {
		*n = binary.BigEndian.Uint32(raw[28+4*i:])
	}
	return h, nil
}

func readTail(raw []byte) (t tail, err error) {
	if err := json.Unmarshal(raw[headBytes:], &t); err != nil {
		return t, fmt.Errorf("%w: %w", errBadRecord, err)
	}
	return t, nil
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

func nanosOf(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return nanos(at)
}

func plusOne(n *uint32) uint32 {
	if n == nil {
		return 0
	}
	return *n + 1
}

func minusOne(n uint32) *uint32 {
	if n == 0 {
		return nil
	}
	n--
	return &n
}

// record writes a task; the numbers of its indexes come from its row and from
// the table, since names may have been swapped since it was made.
func (t *Table) record(task *Task) ([]byte, error) {
	r := t.rows.get(task.UID)
	if r == nil {
		return nil, fmt.Errorf("task %d has no row", task.UID)
	}
	h := head{
		status: statusNumber(task.Status), kind: kindNumber(task.Type),
		enqueued: nanosOf(task.EnqueuedAt), started: nanosOf(task.StartedAt), finished: nanosOf(task.FinishedAt),
		batch: plusOne(task.BatchUID), canceledBy: plusOne(task.CanceledBy), index: r.index,
	}
	rest, err := meili.Marshal(tail{
		Name: task.Name, Swapped: t.swapped[task.UID], Details: task.Details, Error: task.Error,
		Metadata: task.CustomMetadata, Stats: task.BatchStats,
	})
	if err != nil {
		return nil, fmt.Errorf("encode task %d: %w", task.UID, err)
	}
	return append(h.append(make([]byte, 0, headBytes+len(rest))), rest...), nil
}

// taskOf reads a record; the names of its indexes are filled in by named.
func taskOf(uid uint32, raw []byte) (*Task, error) {
	h, err := readHead(raw)
	if err != nil {
		return nil, err
	}
	rest, err := readTail(raw)
	if err != nil {
		return nil, err
	}
	return &Task{
		UID: uid, Name: rest.Name, Status: statusName(h.status), Type: kindName(h.kind),
		BatchUID: minusOne(h.batch), CanceledBy: minusOne(h.canceledBy), Details: rest.Details, Error: rest.Error,
		EnqueuedAt: timeOf(h.enqueued), StartedAt: timeOf(h.started), FinishedAt: timeOf(h.finished),
		CustomMetadata: rest.Metadata, BatchStats: rest.Stats,
	}, nil
}
