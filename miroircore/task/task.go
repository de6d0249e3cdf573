// Package task keeps the gateway's tasks and batches: what clients asked for,
// how it ended, and every way of listing it that Meilisearch has.
package task

import (
	"encoding/json"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Task is one task of the gateway.
type Task struct {
	UID uint32
	// Name is the task's name that no other gateway and no restart gives again:
	// mtask-<uuid>. NewName makes it.
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
	// BatchStats is added to the batch's stats; it may be nil.
	BatchStats json.RawMessage
}

// Outcome is how a task ended.
type Outcome struct {
	Status  meili.TaskStatus
	Details json.RawMessage // nil keeps what the task has
	Error   *meili.Error
	At      time.Time
	// BatchStats is added to the batch's stats; it may be nil.
	BatchStats json.RawMessage
}
