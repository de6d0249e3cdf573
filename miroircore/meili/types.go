package meili

import (
	"encoding/json"
	"slices"
)

// TaskStatus is where a task is in its life.
type TaskStatus string

// The statuses of tasks.
const (
	StatusEnqueued   TaskStatus = "enqueued"
	StatusProcessing TaskStatus = "processing"
	StatusSucceeded  TaskStatus = "succeeded"
	StatusFailed     TaskStatus = "failed"
	StatusCanceled   TaskStatus = "canceled"
)

// TaskStatuses lists the statuses in the server's order.
var TaskStatuses = []TaskStatus{StatusEnqueued, StatusProcessing, StatusSucceeded, StatusFailed, StatusCanceled}

// Finished says whether nothing happens any more to a task of this status.
func (s TaskStatus) Finished() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusCanceled
}

// TaskType is what a task does.
type TaskType string

// The types of tasks.
const (
	TypeDocumentAdditionOrUpdate TaskType = "documentAdditionOrUpdate"
	TypeDocumentEdition          TaskType = "documentEdition"
	TypeDocumentDeletion         TaskType = "documentDeletion"
	TypeSettingsUpdate           TaskType = "settingsUpdate"
	TypeIndexCreation            TaskType = "indexCreation"
	TypeIndexDeletion            TaskType = "indexDeletion"
	TypeIndexUpdate              TaskType = "indexUpdate"
	TypeIndexSwap                TaskType = "indexSwap"
	TypeTaskCancelation          TaskType = "taskCancelation"
	TypeTaskDeletion             TaskType = "taskDeletion"
	TypeDumpCreation             TaskType = "dumpCreation"
	TypeSnapshotCreation         TaskType = "snapshotCreation"
	TypeExport                   TaskType = "export"
	TypeUpgradeDatabase          TaskType = "upgradeDatabase"
	TypeIndexCompaction          TaskType = "indexCompaction"
	TypeNetworkTopologyChange    TaskType = "networkTopologyChange"
	TypeDsrUpdate                TaskType = "dsrUpdate"
	TypeDsrClear                 TaskType = "dsrClear"
)

// TaskTypes lists the types in the server's order.
var TaskTypes = []TaskType{
	TypeDocumentAdditionOrUpdate, TypeDocumentEdition, TypeDocumentDeletion, TypeSettingsUpdate,
	TypeIndexCreation, TypeIndexDeletion, TypeIndexUpdate, TypeIndexSwap, TypeTaskCancelation,
	TypeTaskDeletion, TypeDumpCreation, TypeSnapshotCreation, TypeExport, TypeUpgradeDatabase,
	TypeIndexCompaction, TypeNetworkTopologyChange, TypeDsrUpdate, TypeDsrClear,
}

// Global says whether tasks of this type belong to no index.
func (t TaskType) Global() bool {
	switch t {
	case TypeIndexSwap, TypeTaskCancelation, TypeTaskDeletion, TypeDumpCreation, TypeSnapshotCreation,
		TypeExport, TypeUpgradeDatabase, TypeNetworkTopologyChange:
		return true
	}
	return false
}

// Task is a task as the task routes show it.
type Task struct {
	UID            uint32          `json:"uid"`
	BatchUID       *uint32         `json:"batchUid"`
	IndexUID       *string         `json:"indexUid"`
	Status         TaskStatus      `json:"status"`
	Type           TaskType        `json:"type"`
	CanceledBy     *uint32         `json:"canceledBy"`
	Details        json.RawMessage `json:"details,omitempty"`
	Error          *Error          `json:"error"`
	Duration       *string         `json:"duration"`
	EnqueuedAt     string          `json:"enqueuedAt"`
	StartedAt      *string         `json:"startedAt"`
	FinishedAt     *string         `json:"finishedAt"`
	CustomMetadata *string         `json:"customMetadata,omitempty"`
}

// TaskSummary is the answer to every request that enqueues a task.
type TaskSummary struct {
	TaskUID        uint32     `json:"taskUid"`
	IndexUID       *string    `json:"indexUid"`
	Status         TaskStatus `json:"status"`
	Type           TaskType   `json:"type"`
	EnqueuedAt     string     `json:"enqueuedAt"`
	CustomMetadata *string    `json:"customMetadata,omitempty"`
}

// TaskPage is a page of tasks; From and Next are null at the ends.
type TaskPage struct {
	Results []Task  `json:"results"`
	Total   int     `json:"total"`
	Limit   uint32  `json:"limit"`
	From    *uint32 `json:"from"`
	Next    *uint32 `json:"next"`
}

// Batch is a batch as the batch routes show it.
type Batch struct {
	UID           uint32          `json:"uid"`
	Progress      json.RawMessage `json:"progress"` // null when the batch is not running
	Details       json.RawMessage `json:"details"`
	Stats         BatchStats      `json:"stats"`
	Duration      *string         `json:"duration"`
	StartedAt     string          `json:"startedAt"`
	FinishedAt    *string         `json:"finishedAt"`
	BatchStrategy string          `json:"batchStrategy"`
}

// BatchStats counts the tasks of a batch. The maps' keys are written sorted as
// text, which is the server's order for index uids; see BatchCounts for the others.
type BatchStats struct {
	TotalNbTasks           int             `json:"totalNbTasks"`
	Status                 StatusCounts    `json:"status"`
	Types                  TypeCounts      `json:"types"`
	IndexUIDs              map[string]int  `json:"indexUids"`
	ProgressTrace          json.RawMessage `json:"progressTrace,omitempty"`
	WriteChannelCongestion json.RawMessage `json:"writeChannelCongestion,omitempty"`
	InternalDatabaseSizes  json.RawMessage `json:"internalDatabaseSizes,omitempty"`
	EmbedderRequests       json.RawMessage `json:"embedderRequests,omitempty"`
}

// StatusCounts counts tasks by status; it is written in the order of TaskStatuses.
type StatusCounts map[TaskStatus]int

// MarshalJSON implements json.Marshaler.
func (c StatusCounts) MarshalJSON() ([]byte, error) { return countsJSON(c, TaskStatuses) }

// TypeCounts counts tasks by type; it is written in the order of TaskTypes.
type TypeCounts map[TaskType]int

// MarshalJSON implements json.Marshaler.
func (c TypeCounts) MarshalJSON() ([]byte, error) { return countsJSON(c, TaskTypes) }

func countsJSON[K ~string](counts map[K]int, order []K) ([]byte, error) {
	out := []byte{'{'}
	for _, key := range order {
		n, ok := counts[key]
		if !ok {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = AppendString(out, string(key))
		out = append(out, ':')
		out = appendInt(out, n)
	}
	return append(out, '}'), nil
}

// BatchPage is a page of batches.
type BatchPage struct {
	Results []Batch `json:"results"`
	Total   int     `json:"total"`
	Limit   uint32  `json:"limit"`
	From    *uint32 `json:"from"`
	Next    *uint32 `json:"next"`
}

// Page is a page of anything that is paged by offset and limit.
type Page[T any] struct {
	Results []T `json:"results"`
	Offset  int `json:"offset"`
	Limit   int `json:"limit"`
	Total   int `json:"total"`
}

// PageOf cuts the page of all that begins at offset; it never gives a null list.
func PageOf[T any](all []T, offset, limit int) Page[T] {
	from := min(max(offset, 0), len(all))
	to := from + min(max(limit, 0), len(all)-from)
	results := all[from:to]
	if len(results) == 0 {
		results = []T{}
	}
	return Page[T]{Results: results, Offset: offset, Limit: limit, Total: len(all)}
}

// Index is an index as the index routes show it.
type Index struct {
	UID        string  `json:"uid"`
	CreatedAt  string  `json:"createdAt"`
	UpdatedAt  string  `json:"updatedAt"`
	PrimaryKey *string `json:"primaryKey"`
}

// Key is an API key as the key routes show it.
type Key struct {
	Name        *string  `json:"name"`
	Description *string  `json:"description"`
	Key         string   `json:"key"`
	UID         string   `json:"uid"`
	Actions     []string `json:"actions"`
	Indexes     []string `json:"indexes"`
	ExpiresAt   *string  `json:"expiresAt"`
	CreatedAt   string   `json:"createdAt"`
	UpdatedAt   string   `json:"updatedAt"`
}

// IndexStats is what the stats routes tell of an index.
type IndexStats struct {
	NumberOfDocuments         uint64          `json:"numberOfDocuments"`
	RawDocumentDBSize         json.RawMessage `json:"rawDocumentDbSize"` // bytes, or text with sizeFormat=human
	AvgDocumentSize           json.RawMessage `json:"avgDocumentSize"`
	IsIndexing                bool            `json:"isIndexing"`
	InternalDatabaseSizes     json.RawMessage `json:"internalDatabaseSizes,omitempty"`
	NumberOfEmbeddings        *uint64         `json:"numberOfEmbeddings,omitempty"`
	NumberOfEmbeddedDocuments *uint64         `json:"numberOfEmbeddedDocuments,omitempty"`
	FieldDistribution         map[string]int  `json:"fieldDistribution"`
}

// Stats is what the stats route tells of the whole instance.
type Stats struct {
	DatabaseSize     json.RawMessage       `json:"databaseSize"` // bytes, or text with sizeFormat=human
	UsedDatabaseSize json.RawMessage       `json:"usedDatabaseSize"`
	LastUpdate       *string               `json:"lastUpdate"`
	Indexes          map[string]IndexStats `json:"indexes"`
}

// Webhook is a webhook as the webhook routes show it, its secrets redacted.
type Webhook struct {
	UUID       string            `json:"uuid"`
	IsEditable bool              `json:"isEditable"`
	URL        string            `json:"url"`
	Headers    map[string]string `json:"headers"`
}

// Version is the answer of the version route.
type Version struct {
	CommitSHA  string `json:"commitSha"`
	CommitDate string `json:"commitDate"`
	PkgVersion string `json:"pkgVersion"`
}

// Actions lists the actions of API keys in the order of the server's messages.
var Actions = []string{
	"*", "search", "documents.*", "documents.add", "documents.get", "documents.delete",
	"indexes.*", "indexes.create", "indexes.get", "indexes.update", "indexes.delete", "indexes.swap",
	"tasks.*", "tasks.cancel", "tasks.delete", "tasks.get", "settings.*", "settings.get", "settings.update",
	"stats.*", "stats.get", "metrics.*", "metrics.get", "dumps.*", "dumps.create",
	"snapshots.*", "snapshots.create", "version", "keys.create", "keys.get", "keys.update", "keys.delete",
	"experimental.get", "experimental.update", "export", "network.get", "network.update",
	"chatCompletions", "chats.*", "chats.get", "chats.delete",
	"chatsSettings.*", "chatsSettings.get", "chatsSettings.update", "*.get",
	"webhooks.get", "webhooks.update", "webhooks.delete", "webhooks.create", "webhooks.*",
	"indexes.compact", "fields.post", "tasks.compact",
	"dynamicSearchRules.get", "dynamicSearchRules.create", "dynamicSearchRules.update",
	"dynamicSearchRules.delete", "dynamicSearchRules.*",
}

// FeatureNames lists the experimental features in the server's order.
var FeatureNames = []string{
	"metrics", "logsRoute", "editDocumentsByFunction", "containsFilter", "dynamicSearchRules", "network",
	"getTaskDocumentsRoute", "taskQueueCompactionRoute", "compositeEmbedders", "chatCompletions", "multimodal",
	"foreignKeys", "disableDocumentsFetchQueue", "legacySearch", "renderRoute",
}

// Features says which experimental features are on. Its zero value has all of
// them off, and it can be compared and copied.
type Features struct {
	on uint32
}

// Get says whether the feature of that name is on; an unknown name is off.
func (f Features) Get(name string) bool {
	i := slices.Index(FeatureNames, name)
	return i >= 0 && f.on&(1<<i) != 0
}

// Set turns the feature of that name on or off; it reports whether the name is known.
func (f *Features) Set(name string, on bool) bool {
	i := slices.Index(FeatureNames, name)
	if i < 0 {
		return false
	}
	f.on &^= 1 << i
	if on {
		f.on |= 1 << i
	}
	return true
}

// MarshalJSON implements json.Marshaler, in the server's order.
func (f Features) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, name := range FeatureNames {
		if i > 0 {
			out = append(out, ',')
		}
		out = AppendString(out, name)
		if f.on&(1<<i) != 0 {
			out = append(out, ":true"...)
		} else {
			out = append(out, ":false"...)
		}
	}
	return append(out, '}'), nil
}

// UnmarshalJSON implements json.Unmarshaler; names it does not know are skipped,
// since a newer or an older server may have others.
func (f *Features) UnmarshalJSON(data []byte) error {
	var all map[string]bool
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	for name, on := range all {
		f.Set(name, on)
	}
	return nil
}
