package minimeili

import (
	"encoding/json"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// task is a task: what was asked, and what came of it.
type task struct {
	UID            uint32         `json:"uid"`
	IndexUID       *string        `json:"indexUid"` // changed by swaps
	Touches        []string       `json:"touches"`  // the indexes it is found under; changed by swaps too
	Type           meili.TaskType `json:"type"`
	EnqueuedAt     time.Time      `json:"enqueuedAt"`
	CustomMetadata *string        `json:"customMetadata,omitempty"`
	Op             operation      `json:"op"`

	outcome
}

// outcome is where a task is and what came of it so far.
type outcome struct {
	Status     meili.TaskStatus `json:"status"`
	BatchUID   *uint32          `json:"batchUid"`
	CanceledBy *uint32          `json:"canceledBy"`
	Details    *details         `json:"details"`
	Error      *meili.Error     `json:"error"`
	StartedAt  time.Time        `json:"startedAt"`
	FinishedAt time.Time        `json:"finishedAt"`
}

// operation is what a task does; which fields count depends on the kind.
type operation struct {
	Kind kind `json:"kind"`

	// CreatesIndex says whether the task may create its index.
	CreatesIndex bool            `json:"createsIndex,omitempty"`
	PrimaryKey   *string         `json:"primaryKey,omitempty"`
	Documents    string          `json:"documents,omitempty"` // one JSON object a line
	Count        int             `json:"count,omitempty"`
	SkipCreation bool            `json:"skipCreation,omitempty"`
	IDs          []string        `json:"ids,omitempty"`
	Filter       json.RawMessage `json:"filter,omitempty"`
	Context      json.RawMessage `json:"context,omitempty"`
	Function     string          `json:"function,omitempty"`
	Settings     json.RawMessage `json:"settings,omitempty"` // secrets in clear
	Reset        bool            `json:"reset,omitempty"`    // the settings are a reset
	NewUID       *string         `json:"newUid,omitempty"`
	Swaps        []swap          `json:"swaps,omitzero"`
	Query        string          `json:"query,omitempty"`
	Tasks        []uint32        `json:"tasks,omitempty"`
	Export       *request.Export `json:"export,omitempty"`
}

// kind says what an operation does, more finely than the type of its task.
type kind string

const (
	replaceDocuments kind = "replaceDocuments"
	updateDocuments  kind = "updateDocuments"
	deleteDocuments  kind = "deleteDocuments"
	deleteByFilter   kind = "deleteByFilter"
	clearDocuments   kind = "clearDocuments"
	editDocuments    kind = "editDocuments"
	changeSettings   kind = "changeSettings"
	createIndex      kind = "createIndex"
	updateIndex      kind = "updateIndex"
	deleteIndex      kind = "deleteIndex"
	compactIndex     kind = "compactIndex"
	swapIndexes      kind = "swapIndexes"
	cancelTasks      kind = "cancelTasks"
	deleteTasks      kind = "deleteTasks"
	createDump       kind = "createDump"
	createSnapshot   kind = "createSnapshot"
	exportIndexes    kind = "exportIndexes"
)

var typeOfKind = map[kind]meili.TaskType{
	replaceDocuments: meili.TypeDocumentAdditionOrUpdate,
	updateDocuments:  meili.TypeDocumentAdditionOrUpdate,
	deleteDocuments:  meili.TypeDocumentDeletion,
	deleteByFilter:   meili.TypeDocumentDeletion,
	clearDocuments:   meili.TypeDocumentDeletion,
	editDocuments:    meili.TypeDocumentEdition,
	changeSettings:   meili.TypeSettingsUpdate,
	createIndex:      meili.TypeIndexCreation,
	updateIndex:      meili.TypeIndexUpdate,
	deleteIndex:      meili.TypeIndexDeletion,
	compactIndex:     meili.TypeIndexCompaction,
	swapIndexes:      meili.TypeIndexSwap,
	cancelTasks:      meili.TypeTaskCancelation,
	deleteTasks:      meili.TypeTaskDeletion,
	createDump:       meili.TypeDumpCreation,
	createSnapshot:   meili.TypeSnapshotCreation,
	exportIndexes:    meili.TypeExport,
}

// touches lists the indexes a task is about when it is enqueued.
func (t *task) touches() []string {
	if t.Op.Kind == swapIndexes {
		var list []string
		for _, s := range t.Op.Swaps {
			list = append(list, s.Indexes...)
		}
		return list
	}
	if t.Op.Kind == updateIndex && t.Op.NewUID != nil {
		return []string{*t.IndexUID, *t.Op.NewUID}
	}
	if t.IndexUID == nil {
		return nil
	}
	return []string{*t.IndexUID}
}

func (t *task) summary() meili.TaskSummary {
	return meili.TaskSummary{
		TaskUID: t.UID, IndexUID: t.IndexUID, Status: meili.StatusEnqueued, Type: t.Type,
		EnqueuedAt: meili.FormatTime(t.EnqueuedAt), CustomMetadata: t.CustomMetadata,
	}
}

func (t *task) view() meili.Task {
	view := meili.Task{
		UID: t.UID, BatchUID: t.BatchUID, IndexUID: t.IndexUID, Status: t.Status, Type: t.Type,
		CanceledBy: t.CanceledBy, Error: t.Error, EnqueuedAt: meili.FormatTime(t.EnqueuedAt),
		StartedAt: formatted(t.StartedAt), FinishedAt: formatted(t.FinishedAt),
		Duration: elapsed(t.StartedAt, t.FinishedAt), CustomMetadata: t.CustomMetadata,
	}
	if t.Details != nil {
		view.Details = t.Details.json()
	}
	return view
}

func formatted(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	text := meili.FormatTime(at)
	return &text
}

func elapsed(from, to time.Time) *string {
	if from.IsZero() || to.IsZero() {
		return nil
	}
	text := meili.FormatDuration(to.Sub(from))
	return &text
}
