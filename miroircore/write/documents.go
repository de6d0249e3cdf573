package write

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// addDocuments adds or updates documents.
type addDocuments struct {
	PrimaryKey *string        `json:"primaryKey,omitempty"`
	Delimiter  byte           `json:"delimiter,omitempty"`
	Format     request.Format `json:"format"`
	Update     bool           `json:"update,omitempty"`
	Skip       bool           `json:"skip,omitempty"`
	Count      int            `json:"count"`

	mutex sync.Mutex
	scan  *scan
}

// view is what the documents are looked at with.
type view struct {
	key     string // empty to infer it
	shards  int
	version uint64 // of the settings, which say what some fields have to look like
}

// scan is what was found in the payload.
type scan struct {
	view    view
	batch   *document.Batch
	failure *meili.Error // what the task fails with
}

// addition shows what became of the documents.
type addition struct {
	Received int  `json:"receivedDocuments"`
	Indexed  *int `json:"indexedDocuments"`
}

// Documents adds documents, or merges them into those that are there. It takes
// the body over.
func (w *Writer) Documents(ctx context.Context, call Call, uid string, p *request.Documents, update bool, format request.Format, body *document.Body) (*Receipt, *meili.Error) {
	a := &addDocuments{PrimaryKey: p.PrimaryKey, Delimiter: p.CSVDelimiter, Format: format, Update: update, Skip: p.SkipCreation}
	call.CustomMetadata = p.CustomMetadata
	o := w.new(kindDocuments, meili.TypeDocumentAdditionOrUpdate, a, nil, uid)
	if body.Size() == 0 {
		_ = body.Close()
		return nil, meili.MissingPayload(format.String())
	}
	if err := o.payload.take(w, body, format == request.CSV); err != nil {
		o.payload.discard()
		return nil, w.refusal(spoolError(err))
	}
	found, err := a.look(w, o)
	if err == nil && call.RejectBadDocuments && found.failure != nil {
		err = found.failure
	}
	if err != nil {
		o.payload.discard()
		return nil, err
	}
	a.Count = found.batch.Count
	o.Params, o.Details = must(a), must(addition{Received: a.Count})
	o.numbers = uint64(found.batch.Ops())
	return w.submit(ctx, call, o)
}

// wanted says what the documents would be looked at with now.
func (a *addDocuments) wanted(w *Writer, uid string) view {
	v := view{shards: w.opts.Shards()}
	if ix, ok := w.opts.Catalog.Get(uid); ok {
		v = view{ix.PrimaryKey, ix.Shards, ix.SettingsVersion}
	}
	if v.key == "" && a.PrimaryKey != nil {
		v.key = *a.PrimaryKey
	}
	return v
}

// look finds the documents, unless they were found in the same way before. The
// refusal is what the server answers at once.
func (a *addDocuments) look(w *Writer, o *operation) (*scan, *meili.Error) {
	return a.lookAs(w, o, a.wanted(w, o.Indexes[0]))
}

func (a *addDocuments) lookAs(w *Writer, o *operation, v view) (*scan, *meili.Error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.scan != nil && a.scan.view == v {
		return a.scan, nil
	}
	body, err := o.payload.fresh(w, o)
	if err != nil {
		return nil, meili.NewError("internal", "The documents cannot be read: %s.", err)
	}
	if body == nil {
		return nil, errNoPayload
	}
	options := document.Options{Format: a.Format, Delimiter: a.Delimiter, PrimaryKey: v.key, Shards: v.shards, Spool: w.spool}
	if ix, ok := w.opts.Catalog.Get(o.Indexes[0]); ok {
		options.Geo = slices.Contains(ix.Settings.Sortable(), "_geo") ||
			slices.ContainsFunc(ix.Settings.Filterable(), func(f settings.Filterable) bool { return slices.Contains(f.Patterns, "_geo") })
		for _, e := range ix.Settings.Embedders() {
			options.Embedders = append(options.Embedders, e.Name)
		}
	}
	batch, refused, failed := document.Scan(body, options)
	if refused != nil {
		return nil, refused
	}
	a.scan = &scan{v, batch, failed}
	return a.scan, nil
}

func (a *addDocuments) forget() {
	a.mutex.Lock()
	a.scan = nil
	a.mutex.Unlock()
}

// shards are those that the documents go to, as far as is known before their
// turn.
func (a *addDocuments) shards(shards int) []int {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.scan == nil || a.scan.view.shards != shards || a.scan.failure != nil {
		return nil
	}
	return a.scan.batch.Touched()
}

func (a *addDocuments) ready(w *Writer, o *operation) bool {
	v := a.wanted(w, o.Indexes[0])
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.scan != nil && a.scan.view == v
}

// manner is single until the index has a primary key for good: until then each
// operation may choose another.
func (a *addDocuments) manner(w *Writer, o *operation) manner {
	ix, ok := w.opts.Catalog.Get(o.Indexes[0])
	if !ok || ix.PrimaryKey == "" {
		return single
	}
	return flowing
}

func (a *addDocuments) bind(w *Writer, o *operation) (*binding, error) {
	uid := o.Indexes[0]
	ix, ok := w.opts.Catalog.Get(uid)
	if !ok && !o.Create {
		return &binding{Failure: meili.IndexNotFound(uid)}, nil
	}
	found, err := a.look(w, o)
	if err != nil { // the payload is lost
		return &binding{Failure: err}, nil
	}
	var b *binding
	if ok {
		b = onIndex(ix)
	} else {
		var err error
		if b, err = w.making(uid); err != nil {
			return nil, err
		}
	}
	b.Failure = found.failure
	if ok && a.PrimaryKey != nil && ix.PrimaryKey != "" && *a.PrimaryKey != ix.PrimaryKey && a.Count > 0 {
		b.Failure = meili.PrimaryKeyAlreadyExists(ix.PrimaryKey)
	}
	if b.Failure != nil {
		return b, nil
	}
	b.PrimaryKey = found.batch.PrimaryKey
	parts := holders(b.placement, found.batch.Touched())
	if !ok { // every node gets the index, some of them documents too
		for _, part := range parts {
			for i := range b.Targets {
				if b.Targets[i].Node == part.Node {
					b.Targets[i].Documents = part.Shards
				}
			}
		}
		return b, nil
	}
	b.Targets = parts
	for i := range b.Targets {
		b.Targets[i].Documents = b.Targets[i].Shards
	}
	return b, nil
}

// errNoPayload is what a task fails with whose payload did not get to the disk
// before the gateway died. Such a write was not acknowledged.
var errNoPayload = lostPayload()

func lostPayload() *meili.Error {
	return meili.NewError("internal", "The gateway stopped before the documents were stored. The write was not acknowledged: send it again.")
}

func (a *addDocuments) steps(w *Writer, o *operation, t *target) []*outbox.Step {
	var steps []*outbox.Step
	if o.bind.New != nil {
		steps = creation(o, settings.Default(), "")
	}
	if len(t.Documents) == 0 {
		return steps
	}
	method := http.MethodPost
	if a.Update {
		method = http.MethodPut
	}
	query := "primaryKey=" + url.QueryEscape(o.bind.PrimaryKey)
	if a.Skip {
		query += "&skipCreation=true"
	}
	s := o.request(len(steps), method, indexPath(o.bind.Physical, "/documents"), meili.TypeDocumentAdditionOrUpdate, nil)
	s.Query, s.Metadata = query, true
	mine := make([]bool, o.bind.Shards)
	for _, shard := range t.Documents {
		mine[shard] = true
	}
	wanted := func(shard int) bool { return mine[shard] }
	if found, err := a.found(w, o); err == nil {
		s.Size = found.batch.Size(wanted)
	}
	if o.bind.New == nil {
		s.Join = method + query
	}
	s.Body = func() (*node.Body, error) {
		found, err := a.found(w, o)
		if err != nil {
			return nil, err
		}
		return a.body(o, found.batch, wanted), nil
	}
	return append(steps, s)
}

// found gives the scan that the operation was bound with, made anew where it
// was given up.
func (a *addDocuments) found(w *Writer, o *operation) (*scan, error) {
	a.mutex.Lock()
	have := a.scan
	a.mutex.Unlock()
	if have != nil && have.failure == nil && have.batch.PrimaryKey == o.bind.PrimaryKey && have.view.shards == o.bind.Shards {
		return have, nil
	}
	found, err := a.lookAs(w, o, view{o.bind.PrimaryKey, o.bind.Shards, 0})
	if err == errNoPayload {
		return nil, fmt.Errorf("operation %d: %w", o.op, outbox.ErrLost)
	}
	if err != nil {
		return nil, err
	}
	if found.failure != nil {
		return nil, found.failure
	}
	return found, nil
}

// body makes the part of the payload that a node gets, as NDJSON.
func (a *addDocuments) body(o *operation, batch *document.Batch, wanted func(int) bool) *node.Body {
	size := batch.Size(wanted)
	body := &node.Body{ContentType: "application/x-ndjson", Length: size}
	body.Open = func() io.ReadCloser { return batch.Reader(wanted, o.op) }
	return body
}

// commit makes the index and its primary key known.
func (a *addDocuments) commit(w *Writer, o *operation) (json.RawMessage, error) {
	if o.bind.New != nil {
		if err := w.make(o, ""); err != nil {
			return nil, err
		}
	}
	details := must(addition{Received: a.Count, Indexed: &a.Count})
	ix, ok := w.opts.Catalog.ByPhysical(o.bind.Physical)
	if !ok {
		return details, nil
	}
	if ix.PrimaryKey == "" && o.bind.PrimaryKey != "" {
		_, err := w.opts.Catalog.SetPrimaryKey(ix.UID, o.bind.PrimaryKey, false, w.opts.Now())
		return details, err
	}
	return details, w.touch(ix.UID)
}

// commitFailed keeps the index: the server makes it before it looks at the
// documents.
func (a *addDocuments) commitFailed(w *Writer, o *operation) error {
	if o.bind.New == nil {
		return nil
	}
	return w.make(o, "")
}

func (a *addDocuments) failed(*operation) json.RawMessage {
	indexed := 0
	return must(addition{Received: a.Count, Indexed: &indexed})
}
