package minimeili

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
	"github.com/miroir-gateway/miroir/test/minimeili/engine"
)

// change is what one task of a batch does to the documents.
type change struct {
	task *task
	docs []engine.Document
	ids  []string // each once
}

// documents does a batch of additions, updates and deletions. A task with a bad
// document fails alone; an error of the indexing itself undoes the batch.
func (w *work) documents(ix *index) *meili.Error {
	tasks := w.batch.gathered.tasks
	primaryKey, rest, err := w.settleKey(ix, tasks)
	if err != nil {
		return err
	}
	var changes []change
	for _, t := range rest {
		c, failed, err := w.prepare(ix, t, primaryKey)
		if err != nil {
			return err
		}
		if failed != nil {
			w.outcomes[t.UID].fail(failed)
			continue
		}
		w.outcomes[t.UID].Details = t.Details.counting(len(c.ids))
		changes = append(changes, c)
	}
	if !slices.ContainsFunc(tasks, func(t *task) bool { return w.outcomes[t.UID].Error == nil }) {
		return nil
	}
	if err := apply(ix.engine, primaryKey, changes); err != nil {
		return of(ix.uid, err)
	}
	w.touch(ix, w.at)
	return nil
}

// fail ends a task that has a bad document.
func (o *outcome) fail(err *meili.Error) {
	o.Status, o.Error, o.Details = meili.StatusFailed, err, o.Details.failed()
}

// counting gives the details of a task that concerned n documents.
func (d *details) counting(n int) *details {
	counted := *d
	for _, count := range []*maybe[int]{&counted.IndexedDocuments, &counted.DeletedDocuments} {
		if count.set {
			count.zero(n)
		}
	}
	return &counted
}

// settleKey finds the primary key of a batch: the index's, the one that is
// asked for, or the one its first documents suggest. Tasks without documents
// that fit, before the first that do, end here; rest are the others.
func (w *work) settleKey(ix *index, tasks []*task) (primaryKey string, rest []*task, err *meili.Error) {
	var asked *string
	for _, t := range tasks {
		if t.Type == meili.TypeDocumentAdditionOrUpdate {
			asked = t.Op.PrimaryKey
			break
		}
	}
	primaryKey = ix.engine.PrimaryKey()
	if primaryKey == "" && asked != nil {
		return *asked, tasks, nil
	}
	conflict := primaryKey != "" && asked != nil && *asked != primaryKey
	if primaryKey != "" && !conflict {
		return primaryKey, tasks, nil
	}
	for i, t := range tasks {
		o := w.outcomes[t.UID]
		o.Details = t.Details.counting(0)
		if t.Type != meili.TypeDocumentAdditionOrUpdate {
			continue // there can be nothing to delete
		}
		var refused *meili.Error
		if conflict {
			refused = meili.PrimaryKeyAlreadyExists(primaryKey)
		} else if primaryKey, refused = guessKey(t.Op.Documents); refused == nil {
			return primaryKey, tasks[i:], nil
		}
		if strings.TrimSpace(t.Op.Documents) != "" {
			o.fail(refused)
		}
	}
	return "", nil, nil
}

// guessKey infers the primary key from the first document.
func guessKey(documents string) (string, *meili.Error) {
	line, _, _ := strings.Cut(documents, "\n")
	first, syntax := decode.Parse([]byte(line))
	if syntax != nil {
		return "", meili.PrimaryKeyNoCandidate()
	}
	var candidates []string
	for _, m := range first.Members {
		if strings.HasSuffix(strings.ToLower(m.Name), "id") {
			candidates = append(candidates, m.Name)
		}
	}
	slices.Sort(candidates)
	switch len(candidates) {
	case 0:
		return "", meili.PrimaryKeyNoCandidate()
	case 1:
		return candidates[0], nil
	}
	return "", meili.PrimaryKeyMultipleCandidates(len(candidates), candidates[0], candidates[1])
}

// prepare reads the documents or ids of a task. failed ends this task, err all
// of the batch.
func (w *work) prepare(ix *index, t *task, primaryKey string) (c change, failed, err *meili.Error) {
	c.task = t
	switch t.Op.Kind {
	case deleteDocuments:
		c.ids = t.Op.IDs
	case deleteByFilter:
		c.ids, err = matching(ix.engine, t.Op.Filter, primaryKey)
	default:
		for line := range strings.Lines(t.Op.Documents) {
			doc, syntax := decode.Parse([]byte(line))
			if syntax != nil {
				return c, nil, meili.NewError("internal", "%v", syntax)
			}
			id, refused := documentID(&doc, primaryKey)
			if refused != nil {
				return c, refused, nil
			}
			c.docs = append(c.docs, engine.Document{ID: id, Raw: json.RawMessage(strings.TrimSuffix(line, "\n"))})
			c.ids = append(c.ids, id)
		}
	}
	slices.Sort(c.ids)
	c.ids = slices.Compact(c.ids)
	return c, nil, err
}

// documentID gives the id of a document as text.
func documentID(doc *decode.Value, primaryKey string) (string, *meili.Error) {
	found := lookUp(doc, primaryKey, nil)
	if len(found) == 0 {
		return "", meili.MissingDocumentID(primaryKey, string(doc.JSON()))
	}
	if len(found) > 1 {
		return "", meili.NewError("invalid_document_id", "Document have too many matching `%s` attribute: `%s`.", primaryKey, doc.JSON())
	}
	switch v := found[0]; {
	case v.Kind == decode.Integer || v.Kind == decode.Negative:
		return string(v.JSON()), nil
	case v.Kind == decode.String && validID(v.Text):
		return v.Text, nil
	default:
		return "", meili.InvalidDocumentID(string(v.JSON()))
	}
}

// lookUp collects the values of a field whose name may go through objects.
func lookUp(v *decode.Value, path string, found []*decode.Value) []*decode.Value {
	for i := range v.Members {
		m := &v.Members[i]
		if m.Name == path {
			found = append(found, &m.Value)
		} else if rest, below := strings.CutPrefix(path, m.Name+"."); below {
			found = lookUp(&m.Value, rest, found)
		}
	}
	return found
}

func validID(id string) bool {
	const longest = 511
	if id == "" || len(id) > longest {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
}

// matching gives the ids of the documents a filter selects.
func matching(ix *engine.Index, raw json.RawMessage, primaryKey string) ([]string, *meili.Error) {
	docs, err := fetchAll(ix, raw)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, doc := range docs {
		v, syntax := decode.Parse(doc)
		if syntax != nil {
			return nil, meili.NewError("internal", "%v", syntax)
		}
		id, err := documentID(&v, primaryKey)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// apply makes the changes, one after the other, or none of them.
func apply(ix *engine.Index, primaryKey string, changes []change) *meili.Error {
	before := ix.PrimaryKey()
	ix.SetPrimaryKey(primaryKey)
	var undo []func()
	for i, c := range changes {
		if i < len(changes)-1 {
			undo = append(undo, restorer(ix, c.ids))
		}
		var err *meili.Error
		if c.docs == nil {
			ix.Delete(c.ids)
		} else {
			err = ix.Add(c.docs, c.task.Op.Kind == updateDocuments, c.task.Op.SkipCreation)
		}
		if err != nil {
			for _, back := range slices.Backward(undo) {
				back()
			}
			ix.SetPrimaryKey(before)
			return err
		}
	}
	return nil
}

// restorer remembers documents, to bring them back.
func restorer(ix *engine.Index, ids []string) func() {
	var there []engine.Document
	var absent []string
	for _, id := range ids {
		if raw, ok := ix.Get(id, nil, true); ok {
			there = append(there, engine.Document{ID: id, Raw: raw})
		} else {
			absent = append(absent, id)
		}
	}
	return func() {
		ix.Delete(absent)
		if err := ix.Add(there, false, false); err != nil { // they were indexed before
			panic(err)
		}
	}
}
