package minimeili

import (
	"encoding/json"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
	"github.com/miroir-gateway/miroir/miroircore/meili/filter"
	"github.com/miroir-gateway/miroir/test/minimeili/rhai"
)

// edit runs a function over the documents a filter selects.
func (w *work) edit(t *task) *meili.Error {
	ix, err := w.index(*t.IndexUID)
	if err != nil {
		return err
	}
	var e *filter.Expr
	if t.Op.Filter != nil {
		if e, err = filter.ParseAs("invalid_document_filter", t.Op.Filter); err != nil {
			return err
		}
	}
	edit := edition{primaryKey: ix.engine.PrimaryKey(), context: t.Op.Context}
	var wrong error
	if edit.program, wrong = rhai.Compile(t.Op.Function); wrong != nil {
		return of(ix.uid, badFunction("%v", wrong))
	}
	candidates, _ := fetchAll(ix.engine, t.Op.Filter) // a bad filter is told of below
	if _, _, err = ix.engine.Edit(e, edit.run); err != nil {
		if edit.failure != nil {
			err = edit.failure
		}
		return of(ix.uid, err)
	}
	d := *t.Details
	// The server reports every candidate as both.
	d.EditedDocuments, d.DeletedDocuments = some(len(candidates)), some(len(candidates))
	w.outcomes[t.UID].Details = &d
	w.touch(ix, w.at)
	return nil
}

func badFunction(format string, args ...any) *meili.Error {
	return meili.NewError("edit_documents_by_function_error", format, args...)
}

// edition is a function run over documents.
type edition struct {
	program    *rhai.Program
	context    json.RawMessage
	primaryKey string
	failure    *meili.Error // what ended it
}

func (e *edition) run(doc json.RawMessage) (json.RawMessage, error) {
	edited, err := e.program.Run(doc, e.context)
	if err != nil {
		e.failure = badFunction("%v", err)
		return nil, err
	}
	if edited == nil {
		return nil, nil
	}
	if e.failure = e.sameID(doc, edited); e.failure != nil {
		return nil, e.failure
	}
	return edited, nil
}

// sameID refuses an edited document that is not the same one any more.
func (e *edition) sameID(before, after json.RawMessage) *meili.Error {
	var ids [2]string
	for i, raw := range []json.RawMessage{before, after} {
		doc, syntax := decode.Parse(raw)
		if syntax != nil {
			return meili.NewError("internal", "%v", syntax)
		}
		var err *meili.Error
		if ids[i], err = documentID(&doc, e.primaryKey); err != nil {
			return err
		}
	}
	if ids[0] != ids[1] {
		return badFunction("Document editions cannot modify a document's primary key")
	}
	return nil
}
