package minimeili

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// dump writes a dump as version 6 of the real server's has them, which a real
// server can import.
func (w *work) dump(t *task) *meili.Error {
	uid := w.at.Format("20060102-150405") + fmt.Sprintf("%03d", w.at.Nanosecond()/1e6)
	if err := w.writeDump(uid); err != nil {
		return meili.NewError("dump_process_failed", "%v", err)
	}
	w.outcomes[t.UID].Details = &details{DumpUID: some(uid)}
	return nil
}

func (w *work) writeDump(uid string) error {
	dir, err := w.dumpDir()
	if err != nil {
		return err
	}
	content, err := w.dumpContent()
	if err != nil {
		return err
	}
	// Only whole files bear the name of a dump.
	partial := filepath.Join(dir, uid+".part")
	if err := os.WriteFile(partial, content, 0o644); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Join(dir, uid+".dump"))
}

// archive is a tar file being written.
type archive struct {
	tar *tar.Writer
	at  time.Time
	err error
}

func (a *archive) folder(name string) {
	a.err = errors.Join(a.err, a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeDir, Name: "./" + name + "/", Mode: 0o755, ModTime: a.at,
	}))
}

func (a *archive) file(name string, content []byte) {
	a.err = errors.Join(a.err, a.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "./" + name, Mode: 0o644, Size: int64(len(content)), ModTime: a.at,
	}))
	_, err := a.tar.Write(content)
	a.err = errors.Join(a.err, err)
}

func (a *archive) json(name string, v any) {
	text, err := meili.Marshal(v)
	a.err = errors.Join(a.err, err)
	a.file(name, text)
}

// jsonLines collects values, one a line.
type jsonLines struct{ bytes.Buffer }

func (l *jsonLines) add(v any) error {
	text, err := meili.Marshal(v)
	if err == nil {
		l.Write(append(text, '\n'))
	}
	return err
}

func (w *work) dumpContent() ([]byte, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	a := &archive{tar: tar.NewWriter(zipped), at: w.at}
	a.json("metadata.json", map[string]string{
		"dumpVersion": "V6", "dbVersion": versionOf(w.config).PkgVersion, "dumpDate": meili.FormatTime(w.at),
	})
	a.file("instance_uid.uuid", []byte(w.uid))
	a.json("experimental-features.json", w.features)
	a.file("keys.jsonl", w.dumpKeys())
	a.err = errors.Join(a.err, w.dumpTasks(a))
	a.folder("indexes")
	for _, uid := range w.uids(func(string) bool { return true }) {
		a.err = errors.Join(a.err, w.indexes[uid].dump(a))
	}
	hooks := map[string]any{}
	for _, h := range w.webhooks {
		hooks[h.UUID] = map[string]any{"url": h.URL, "headers": h.Headers}
	}
	a.json("webhooks.json", map[string]any{"webhooks": hooks})
	err := errors.Join(a.err, a.tar.Close(), zipped.Close())
	return b.Bytes(), err
}

// dumpedKey is a key without its value, which follows from the master key.
type dumpedKey struct {
	Description *string  `json:"description,omitempty"`
	Name        *string  `json:"name,omitempty"`
	UID         string   `json:"uid"`
	Actions     []string `json:"actions"`
	Indexes     []string `json:"indexes"`
	ExpiresAt   *string  `json:"expires_at"`
	CreatedAt   string   `json:"created_at"`
	UpdatedAt   string   `json:"updated_at"`
}

func (w *work) dumpKeys() []byte {
	var l jsonLines
	for _, k := range w.keys.list {
		view := k.view("")
		// Plain types always marshal.
		_ = l.add(dumpedKey{k.Description, k.Name, k.UID, k.Actions, k.Indexes, view.ExpiresAt, view.CreatedAt, view.UpdatedAt})
	}
	return l.Bytes()
}

func (ix *index) dump(a *archive) error {
	dir := "indexes/" + ix.uid
	a.folder(dir)
	a.json(dir+"/metadata.json", struct {
		UID        string  `json:"uid"`
		PrimaryKey *string `json:"primaryKey"`
		CreatedAt  string  `json:"createdAt"`
		UpdatedAt  string  `json:"updatedAt"`
	}{ix.uid, ix.view().PrimaryKey, meili.FormatTime(ix.createdAt), meili.FormatTime(ix.updatedAt)})
	a.file(dir+"/settings.json", ix.engine.Settings().Raw())
	docs, err := ix.everything()
	a.file(dir+"/documents.jsonl", docs)
	return err
}

// everything gives all documents, one a line, with their vectors.
func (ix *index) everything() ([]byte, error) {
	page, refused := ix.engine.Fetch(&request.DocumentsFetch{
		Limit: ix.engine.Len(), RetrieveVectors: len(ix.engine.Settings().Embedders()) > 0,
	})
	if refused != nil {
		return nil, refused
	}
	var b bytes.Buffer
	for _, doc := range page.Results {
		b.Write(doc)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}

// dumpedTask is a task as dumps have them.
type dumpedTask struct {
	UID            uint32           `json:"uid"`
	BatchUID       *uint32          `json:"batchUid"`
	IndexUID       *string          `json:"indexUid"`
	Status         meili.TaskStatus `json:"status"`
	Type           any              `json:"type"`
	CanceledBy     *uint32          `json:"canceledBy,omitempty"`
	Details        any              `json:"details,omitempty"`
	Error          *meili.Error     `json:"error,omitempty"`
	EnqueuedAt     string           `json:"enqueuedAt"`
	StartedAt      *string          `json:"startedAt,omitempty"`
	FinishedAt     *string          `json:"finishedAt,omitempty"`
	CustomMetadata *string          `json:"customMetadata,omitempty"`
}

// dumpTasks writes the tasks that make sense elsewhere: those on documents and
// indexes.
func (w *work) dumpTasks(a *archive) error {
	a.folder("tasks")
	a.folder("tasks/update_files")
	var l jsonLines
	for _, t := range w.tasks {
		if t == nil || t.Status == meili.StatusProcessing {
			continue
		}
		form := t.dumpedType()
		if form == nil {
			continue
		}
		err := l.add(dumpedTask{
			t.UID, t.BatchUID, t.IndexUID, t.Status, form, t.CanceledBy, t.dumpedDetails(), t.Error,
			meili.FormatTime(t.EnqueuedAt), formatted(t.StartedAt), formatted(t.FinishedAt), t.CustomMetadata,
		})
		if err != nil {
			return err
		}
		if t.Op.Documents != "" {
			a.file(fmt.Sprintf("tasks/update_files/%d.jsonl", t.UID), []byte(t.Op.Documents))
		}
	}
	a.file("tasks/queue.jsonl", l.Bytes())
	return nil
}

func (t *task) dumpedType() any {
	type fields map[string]any
	op := &t.Op
	switch op.Kind {
	case replaceDocuments, updateDocuments:
		method := "ReplaceDocuments"
		if op.Kind == updateDocuments {
			method = "UpdateDocuments"
		}
		return fields{"documentImport": fields{
			"primary_key": op.PrimaryKey, "method": method, "documents_count": op.Count, "allow_index_creation": op.CreatesIndex,
		}}
	case deleteDocuments:
		return fields{"documentDeletion": fields{"documents_ids": op.IDs}}
	case deleteByFilter:
		return fields{"documentDeletionByFilter": fields{"filter": op.Filter}}
	case clearDocuments:
		return "documentClear"
	case changeSettings:
		return fields{"settings": fields{
			"settings": op.Settings, "is_deletion": false, "allow_index_creation": op.CreatesIndex,
		}}
	case createIndex:
		return fields{"indexCreation": fields{"primary_key": op.PrimaryKey}}
	case updateIndex:
		return fields{"indexUpdate": fields{"primary_key": op.PrimaryKey, "uid": op.NewUID}}
	case deleteIndex:
		return "indexDeletion"
	}
	return nil
}

func (t *task) dumpedDetails() any {
	type fields map[string]any
	d := t.Details
	if d == nil {
		return nil
	}
	switch t.Op.Kind {
	case replaceDocuments, updateDocuments:
		return fields{"DocumentAdditionOrUpdate": fields{"received_documents": d.ReceivedDocuments, "indexed_documents": d.IndexedDocuments}}
	case deleteDocuments:
		return fields{"DocumentDeletion": fields{"provided_ids": d.ProvidedIDs, "deleted_documents": d.DeletedDocuments}}
	case deleteByFilter:
		return fields{"DocumentDeletionByFilter": fields{"original_filter": d.OriginalFilter, "deleted_documents": d.DeletedDocuments}}
	case clearDocuments, deleteIndex:
		return fields{"ClearAll": fields{"deleted_documents": d.DeletedDocuments}}
	case changeSettings:
		return fields{"SettingsUpdate": fields{"settings": t.Op.Settings}}
	case createIndex, updateIndex:
		return fields{"IndexInfo": fields{"primary_key": d.PrimaryKey, "new_index_uid": d.NewIndexUID, "old_index_uid": d.OldIndexUID}}
	}
	return nil
}
