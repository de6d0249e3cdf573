// Package task keeps the gateway's tasks and batches: what clients asked for,
// how it ended, and every way of listing it that Meilisearch has.
package task

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Task is one task of the gateway.
type Task struct {
	UID uint32
	// Name is the task's name that no other gateway and no restart gives again:
	// mtask-<uuid>. NewName makes it; Add does where
	// there is none, or none that NewName made for the uid.
	Name     string
	IndexUID *string
	// Swapped lists the indexes of a swap, which has no IndexUID.
	Swapped    []string
	Status     meili.TaskStatus
	Type       meili.TaskType
	BatchUID   *uint32
	CanceledBy *uint32
	Details    json.RawMessage
	Error      *meili.Error
	// StartedAt and FinishedAt are zero until then.
	EnqueuedAt, StartedAt, FinishedAt time.Time
	CustomMetadata                    *string
	// BatchStats are members added to the batch's stats, as the inside of a JSON
	// object; it may be nil.
	BatchStats json.RawMessage
}

// Outcome is how a task ended.
type Outcome struct {
	Status  meili.TaskStatus
	Details json.RawMessage // empty keeps what the task has
	Error   *meili.Error
	At      time.Time
	// BatchStats is the Task's.
	BatchStats json.RawMessage
}

// View is the task as the task routes show it.
func (t *Task) View() meili.Task {
	out := meili.Task{
		UID: t.UID, BatchUID: t.BatchUID, IndexUID: t.IndexUID, Status: t.Status, Type: t.Type, CanceledBy: t.CanceledBy,
		Details: t.Details, Error: t.Error, EnqueuedAt: meili.FormatTime(t.EnqueuedAt), CustomMetadata: t.CustomMetadata,
		StartedAt: optionalTime(t.StartedAt), FinishedAt: optionalTime(t.FinishedAt),
	}
	out.Duration = duration(t.StartedAt, t.FinishedAt)
	return out
}

// Summary is the task as the route that made it answers.
func (t *Task) Summary() meili.TaskSummary {
	return meili.TaskSummary{
		TaskUID: t.UID, IndexUID: t.IndexUID, Status: meili.StatusEnqueued, Type: t.Type,
		EnqueuedAt: meili.FormatTime(t.EnqueuedAt), CustomMetadata: t.CustomMetadata,
	}
}

// VisibleTo says whether somebody who may see only some indexes may see the
// task; nil sees all. What belongs to no single index is then hidden.
func (t *Task) VisibleTo(visible func(index string) bool) bool {
	if visible == nil {
		return true
	}
	return !t.Type.Global() && t.IndexUID != nil && visible(*t.IndexUID)
}

func optionalTime(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := meili.FormatTime(at)
	return &text
}

// duration is how long something took, nil while it lasts; the server gives
// nil as well where clocks went backwards.
func duration(from, to time.Time) *string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return nil
	}
	text := meili.FormatDuration(to.Sub(from))
	return &text
}

const namePrefix = "mtask-"

// NewName makes the name of a task. It is a version 7 uuid whose last four bytes
// are the uid, so that a name leads to its task without an index of names.
func NewName(uid uint32, at time.Time) string {
	id := uuid.New()
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(at.UnixMilli()))
	copy(id[:6], millis[2:])
	id[6] = id[6]&0x0F | 0x70
	binary.BigEndian.PutUint32(id[12:], uid)
	return namePrefix + id.String()
}

// uidOfName gives the uid that a name holds, if it is one.
func uidOfName(name string) (uint32, bool) {
	text, ok := strings.CutPrefix(name, namePrefix)
	if !ok || len(text) != 36 {
		return 0, false
	}
	id, err := uuid.Parse(text)
	return binary.BigEndian.Uint32(id[12:]), err == nil
}

// FailedDetails are the details of a task that did nothing: what it would have
// counted is 0.
func FailedDetails(kind meili.TaskType, details json.RawMessage) json.RawMessage {
	for _, field := range failedFields[kind] {
		details = bytes.Replace(details, []byte(`"`+field+`":null`), []byte(`"`+field+`":0`), 1)
	}
	return details
}

var failedFields = map[meili.TaskType][]string{
	meili.TypeDocumentAdditionOrUpdate: {"indexedDocuments"},
	meili.TypeDocumentEdition:          {"editedDocuments"},
	meili.TypeDocumentDeletion:         {"deletedDocuments"},
	meili.TypeIndexDeletion:            {"deletedDocuments"},
	meili.TypeTaskCancelation:          {"canceledTasks"},
	meili.TypeTaskDeletion:             {"deletedTasks"},
}

// Kinds and statuses are kept as their places in the server's lists.

func kindNumber(kind meili.TaskType) uint8 { return uint8(slices.Index(meili.TaskTypes, kind)) }
func statusNumber(status meili.TaskStatus) uint8 {
	return uint8(slices.Index(meili.TaskStatuses, status))
}
