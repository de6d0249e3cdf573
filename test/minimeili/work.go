package minimeili

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
)

// work is a batch being done.
type work struct {
	*instance

	batch    *batch
	at       time.Time // what indexes note as the time of their change
	outcomes map[uint32]*outcome
}

// run does the batch. An error ends all its tasks; one of a single task stands
// in its outcome.
func (w *work) run() *meili.Error {
	g := w.batch.gathered
	first := g.tasks[0]
	switch g.kind {
	case dropBatch:
		return w.drop()
	case alone:
		return w.runAlone(first)
	}
	ix, err := w.open(*first.IndexUID, g.begunWithCreation())
	if err != nil {
		return err
	}
	switch g.kind {
	case documentsBatch:
		return w.documents(ix)
	case deletionBatch:
		return w.deletions(ix)
	case clearBatch:
		return w.clear(ix)
	case settingsBatch:
		return w.settings(ix, g.tasks)
	default:
		return w.clearAndSettings(ix)
	}
}

// begunWithCreation says whether the first task of the batch may create its index.
func (g *gathering) begunWithCreation() bool { return g.tasks[0].Op.CreatesIndex }

func (w *work) runAlone(t *task) *meili.Error {
	switch t.Op.Kind {
	case createIndex:
		return w.create(t)
	case updateIndex:
		return w.update(t)
	case swapIndexes:
		return w.swap(t)
	case editDocuments:
		return w.edit(t)
	case cancelTasks:
		w.cancel(t)
	case deleteTasks:
		w.deleteTasks()
	case compactIndex:
		return w.compact(t)
	case createDump:
		return w.dump(t)
	case exportIndexes:
		return w.export(t)
	}
	return nil
}

// open gives an index; it is made when it is missing and may be.
func (w *work) open(uid string, create bool) (*index, *meili.Error) {
	ix, err := w.index(uid)
	if err != nil && create {
		return w.make(uid, w.at), nil
	}
	return ix, err
}

func (w *work) create(t *task) *meili.Error {
	if _, missing := w.index(*t.IndexUID); missing == nil {
		return meili.IndexAlreadyExists(*t.IndexUID)
	}
	ix := w.make(*t.IndexUID, w.at)
	if t.Op.PrimaryKey != nil {
		ix.engine.SetPrimaryKey(*t.Op.PrimaryKey)
	}
	return nil
}

func (w *work) update(t *task) *meili.Error {
	uid, key := *t.IndexUID, t.Op.PrimaryKey
	ix, err := w.index(uid)
	if err != nil {
		return err
	}
	if to := t.Op.NewUID; to != nil && *to != uid {
		if _, missing := w.index(*to); missing == nil {
			return meili.IndexAlreadyExists(*to)
		}
		w.rename(ix, *to, t.UID)
		uid = *to
	}
	if key != nil {
		if current := ix.engine.PrimaryKey(); current != *key && ix.engine.Len() > 0 {
			return of(uid, meili.PrimaryKeyAlreadyExists(current))
		}
		ix.engine.SetPrimaryKey(*key)
	}
	w.touch(ix, w.at)
	return nil
}

// rename gives an index another uid, in the tasks older than the one that asks
// for it too.
func (w *work) rename(ix *index, to string, before uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := ix.uid
	delete(w.indexes, from)
	w.put(ix, to)
	w.exchange(from, to, before)
}

// put files an index under a uid. The caller holds mu.
func (w *work) put(ix *index, uid string) {
	ix.uid = uid
	ix.engine.SetUID(uid)
	w.indexes[uid] = ix
}

// exchange swaps two uids in the older tasks. The caller holds mu.
func (w *work) exchange(a, b string, before uint32) {
	for _, t := range w.tasks[:before] {
		if t == nil || t.IndexUID == nil {
			continue
		}
		t.IndexUID = new(exchanged(*t.IndexUID, a, b))
		touched := make([]string, len(t.Touches))
		for i, uid := range t.Touches {
			touched[i] = exchanged(uid, a, b)
		}
		t.Touches = touched
	}
}

func exchanged(uid, a, b string) string {
	switch uid {
	case a:
		return b
	case b:
		return a
	}
	return uid
}

func (w *work) swap(t *task) *meili.Error {
	if err := w.checkSwaps(t.Op.Swaps); err != nil {
		return err
	}
	for _, s := range t.Op.Swaps {
		a, b := s.Indexes[0], s.Indexes[1]
		if s.Rename {
			w.rename(w.indexes[a], b, t.UID)
			continue
		}
		w.mu.Lock()
		x, y := w.indexes[a], w.indexes[b]
		w.put(x, b)
		w.put(y, a)
		w.exchange(a, b, t.UID)
		w.mu.Unlock()
	}
	return nil
}

// checkSwaps refuses swaps of indexes that are not there, and renames to ones
// that are.
func (w *work) checkSwaps(swaps []swap) *meili.Error {
	missing, taken := map[string]bool{}, map[string]string{}
	for _, s := range swaps {
		a, b := s.Indexes[0], s.Indexes[1]
		if w.indexes[a] == nil {
			missing[a] = true
		}
		if _, there := w.indexes[b]; there && s.Rename {
			taken[b] = a
		} else if !there && !s.Rename {
			missing[b] = true
		}
	}
	if len(missing) > 0 {
		return meili.IndexesNotFound(slices.Sorted(maps.Keys(missing))...)
	}
	for b, a := range taken {
		return meili.NewError("index_already_exists",
			"Cannot rename `%s` to `%s` as the index already exists. Hint: You can remove `%s` first and then do your remove.", a, b, b)
	}
	return nil
}

// drop deletes the index, which makes the tasks before pointless.
func (w *work) drop() *meili.Error {
	first := w.batch.gathered.tasks[0]
	uid := *first.IndexUID
	n := 0
	ix, missing := w.index(uid)
	switch {
	case missing == nil:
		n = ix.engine.Len()
		w.mu.Lock()
		delete(w.indexes, uid)
		w.mu.Unlock()
	case !first.Op.CreatesIndex:
		return missing
	}
	for _, t := range w.batch.gathered.tasks {
		o := w.outcomes[t.UID]
		switch t.Op.Kind {
		case deleteIndex:
			o.Details = &details{DeletedDocuments: some(n)}
		case clearDocuments: // stays open, as the server leaves it
		default:
			o.Details = o.Details.failed() // nothing of it was done
		}
	}
	return nil
}

func (w *work) clear(ix *index) *meili.Error {
	n := ix.engine.DeleteAll()
	w.touch(ix, w.at)
	for _, t := range w.batch.gathered.tasks {
		if t.Op.Kind == clearDocuments {
			w.outcomes[t.UID].Details = &details{DeletedDocuments: some(n)}
			n = 0 // the first one found them all
		}
	}
	return nil
}

func (w *work) clearAndSettings(ix *index) *meili.Error {
	if err := w.clear(ix); err != nil {
		return err
	}
	var changes []*task
	for _, t := range w.batch.gathered.tasks {
		if t.Op.Kind == changeSettings {
			changes = append(changes, t)
		}
	}
	return w.settings(ix, changes)
}

func (w *work) settings(ix *index, tasks []*task) *meili.Error {
	current := ix.engine.Settings()
	for _, t := range tasks {
		next, err := t.Op.settings().Apply(current)
		if err != nil {
			return of(ix.uid, err)
		}
		current = next
	}
	if err := ix.engine.SetSettings(current); err != nil {
		return of(ix.uid, err)
	}
	w.touch(ix, w.at)
	return nil
}

func (w *work) deletions(ix *index) *meili.Error {
	total := 0
	for _, t := range w.batch.gathered.tasks {
		o := w.outcomes[t.UID]
		d := *t.Details
		n := 0
		if t.Op.Kind == deleteByFilter {
			e, err := filter.ParseAs("invalid_document_filter", t.Op.Filter)
			if err == nil && e != nil {
				n, err = ix.engine.DeleteWhere(e)
				err = of(ix.uid, err)
			}
			if err != nil {
				o.Status, o.Error = meili.StatusFailed, err
			}
		} else {
			n = ix.engine.Delete(t.Op.IDs)
		}
		d.DeletedDocuments.zero(n)
		o.Details = &d
		total += n
	}
	if total > 0 {
		w.touch(ix, w.at)
	}
	return nil
}

// of says in an error of the indexer which index it is about.
func of(uid string, err *meili.Error) *meili.Error {
	if err == nil || strings.HasPrefix(err.Message, "Index `") {
		return err
	}
	told := *err
	told.Message = fmt.Sprintf("Index `%s`: %s", uid, err.Message)
	return &told
}

// cancel ends the tasks that are still enqueued.
func (w *work) cancel(t *task) {
	n := 0
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, uid := range t.Op.Tasks {
		other := w.tasks[uid]
		if other == nil || other.Status != meili.StatusEnqueued {
			continue
		}
		o := other.outcome
		o.Status, o.CanceledBy, o.Details = meili.StatusCanceled, &t.UID, other.Details.failed()
		w.outcomes[uid] = &o
		n++
	}
	d := *t.Details
	d.CanceledTasks.zero(n)
	w.outcomes[t.UID].Details = &d
}

// deleteTasks removes the ended tasks that were chosen.
func (w *work) deleteTasks() {
	w.mu.RLock()
	defer w.mu.RUnlock()
	gone := map[uint32]bool{}
	for _, t := range w.batch.gathered.tasks {
		n := 0
		for _, uid := range t.Op.Tasks {
			if other := w.tasks[uid]; other != nil && other.Status.Finished() && !gone[uid] {
				gone[uid] = true
				n++
			}
		}
		d := *t.Details
		d.DeletedTasks.zero(n)
		w.outcomes[t.UID].Details = &d
	}
	w.batch.gone = slices.Sorted(maps.Keys(gone))
}

func (w *work) compact(t *task) *meili.Error {
	ix, err := w.index(*t.IndexUID)
	if err != nil {
		return err
	}
	size := humanSize(sizeOf(ix.engine.Stats()))
	w.outcomes[t.UID].Details = &details{PreSize: &size, PostSize: &size}
	return nil
}
