package minimeili

import (
	"fmt"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// batchKind is what the tasks of a batch do together.
type batchKind string

const (
	alone            batchKind = "alone" // one task, or several of a kind that has no index
	documentsBatch   batchKind = "documents"
	deletionBatch    batchKind = "deletion"
	clearBatch       batchKind = "clear"
	settingsBatch    batchKind = "settings"
	clearAndSettings batchKind = "clearAndSettings"
	dropBatch        batchKind = "drop"
)

// gathering is a batch being put together from the enqueued tasks of one index,
// oldest first.
type gathering struct {
	kind     batchKind
	tasks    []*task
	strategy string

	creates    bool    // the batch may create its index
	primaryKey *string // what the batch's additions agree on
	byFilter   bool    // a deletion batch has a deletion by filter

	exists  bool   // the index exists, or the batch creates it
	inIndex string // the index's primary key, or nothing
}

// autobatch takes from the tasks of an index as many as run together.
func autobatch(tasks []*task, exists bool, primaryKey string) *gathering {
	g := &gathering{exists: exists, inIndex: primaryKey}
	if !g.begin(tasks[0]) {
		return g
	}
	for _, t := range tasks[1:] {
		if !g.join(t) {
			break
		}
	}
	return g
}

func (g *gathering) take(t *task, k batchKind) bool {
	g.kind = k
	g.tasks = append(g.tasks, t)
	return true
}

// stop ends the gathering, saying why.
func (g *gathering) stop(format string, args ...any) bool {
	g.strategy = fmt.Sprintf(format, args...)
	return false
}

func (g *gathering) cannotJoin(t *task) bool {
	return g.stop("created batch containing only task with id %d of type `%s` that cannot be batched with any other task.", t.UID, t.Type)
}

// begin takes the first task and says whether others may join.
func (g *gathering) begin(t *task) bool {
	switch t.Op.Kind {
	case replaceDocuments, updateDocuments:
		g.take(t, documentsBatch)
		g.creates, g.primaryKey = t.Op.CreatesIndex, t.Op.PrimaryKey
		g.exists = g.exists || g.creates
		if g.inIndex != "" && t.Op.PrimaryKey != nil && *t.Op.PrimaryKey != g.inIndex {
			return g.differs(t, *t.Op.PrimaryKey, "index", g.inIndex)
		}
	case deleteDocuments, deleteByFilter:
		g.take(t, deletionBatch)
		g.byFilter = t.Op.Kind == deleteByFilter
	case clearDocuments:
		g.take(t, clearBatch)
	case changeSettings:
		g.take(t, settingsBatch)
		g.creates = t.Op.CreatesIndex
		g.exists = g.exists || g.creates
	case deleteIndex:
		g.take(t, dropBatch)
		return g.stop("stopped after task with id %d because it deletes the index", t.UID)
	default:
		g.take(t, alone)
		return g.cannotJoin(t)
	}
	return true
}

func (g *gathering) differs(t *task, own, whose, other string) bool {
	return g.stop("stopped batching before task with id %d because its primary key `%s` is different from the primary key of the %s `%s`",
		t.UID, own, whose, other)
}

// join takes one more task, or says why it does not.
func (g *gathering) join(t *task) bool {
	if !g.agreesOnKey(t) {
		return false
	}
	switch t.Op.Kind {
	case createIndex, updateIndex, swapIndexes, editDocuments, compactIndex:
		return g.cannotJoin(t)
	}
	mayCreate := t.Op.Kind == replaceDocuments || t.Op.Kind == updateDocuments || t.Op.Kind == changeSettings
	if !g.exists && g.canCreate() && !g.creates && mayCreate && t.Op.CreatesIndex {
		return g.creationDiffers(t)
	}
	switch t.Op.Kind {
	case deleteIndex:
		g.take(t, dropBatch)
		return g.stop("stopped after task with id %d because it deletes the index", t.UID)
	case clearDocuments:
		return g.joinClear(t)
	case deleteDocuments, deleteByFilter:
		return g.joinDeletion(t)
	case changeSettings:
		return g.joinSettings(t)
	default:
		return g.joinDocuments(t)
	}
}

// canCreate says whether the kind of batch is one that may create an index.
func (g *gathering) canCreate() bool {
	return g.kind == documentsBatch || g.kind == settingsBatch || g.kind == clearAndSettings
}

func (g *gathering) creationDiffers(t *task) bool {
	return g.stop("stopped batching before task with id %d because its index creation rules differ from the ones from the batch", t.UID)
}

// agreesOnKey says whether a task's primary key goes with the batch's.
func (g *gathering) agreesOnKey(t *task) bool {
	own := t.Op.PrimaryKey
	if own == nil || t.Type != meili.TypeDocumentAdditionOrUpdate {
		return true
	}
	switch {
	case g.inIndex != "":
		if *own != g.inIndex {
			return g.differs(t, *own, "index", g.inIndex)
		}
	case g.kind == documentsBatch && g.primaryKey == nil:
		return g.stop("stopped batching before task with id %d because it is setting the `%s` primary key and it would interfere with primary key guessing of the batch",
			t.UID, *own)
	case g.kind == documentsBatch && *own != *g.primaryKey:
		return g.differs(t, *own, "batch", *g.primaryKey)
	}
	return true
}

func (g *gathering) joinClear(t *task) bool {
	if g.kind == settingsBatch || g.kind == clearAndSettings {
		return g.take(t, clearAndSettings)
	}
	return g.take(t, clearBatch)
}

func (g *gathering) joinDeletion(t *task) bool {
	byFilter := t.Op.Kind == deleteByFilter
	switch g.kind {
	case settingsBatch:
		return g.documentAfterSettings(t)
	case documentsBatch:
		if byFilter {
			return g.stop("stopped before task with id %d because it is a deletion by filter which cannot be batched with document operations", t.UID)
		}
	case deletionBatch:
		g.byFilter = g.byFilter || byFilter
	}
	return g.take(t, g.kind)
}

func (g *gathering) documentAfterSettings(t *task) bool {
	return g.stop("stopped before task with id %d because it is a document operation which cannot be batched with settings changes", t.UID)
}

func (g *gathering) joinSettings(t *task) bool {
	if g.kind != settingsBatch && g.kind != clearAndSettings {
		return g.stop("stopped before task with id %d because it is a settings change which cannot be batched with document operations", t.UID)
	}
	return g.take(t, g.kind)
}

func (g *gathering) joinDocuments(t *task) bool {
	switch g.kind {
	case settingsBatch, clearAndSettings:
		return g.documentAfterSettings(t)
	case clearBatch:
		return g.stop("stopped before task with id %d because it is a settings change which cannot be batched with document operations", t.UID)
	case deletionBatch:
		if !g.byFilter && !g.exists && t.Op.CreatesIndex {
			return g.creationDiffers(t)
		}
		g.creates, g.primaryKey = t.Op.CreatesIndex, t.Op.PrimaryKey
	case documentsBatch:
		if g.inIndex != "" && t.Op.PrimaryKey != nil {
			g.primaryKey = t.Op.PrimaryKey
		}
	}
	return g.take(t, documentsBatch)
}
