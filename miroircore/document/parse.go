// Package document finds, checks, hashes and splices the documents of a
// request's body.
//
// It is the hot path of writes: a body is walked over once, in windows, and
// nothing in it is decoded or allocated document by document. Numbers and texts
// reach the nodes as the bytes they came as; only the hidden fields are added,
// before each document's last brace.
//
// What is wrong with a body is told in the server's words: at once where the
// server refuses the request, as the failure of its task where the server
// accepts it first.
package document

import (
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// Options say how a body is to be read.
type Options struct {
	Format request.Format
	// Delimiter stands between the cells of CSV. 0 means a comma.
	Delimiter byte
	// Index is the name of the index, as messages tell it.
	Index string
	// PrimaryKey is the path of the primary key. Empty means that it is to be
	// found from the first document.
	PrimaryKey string
	// Shards is the number of shards of the index. Required.
	Shards int
	// Geo says whether the index filters or sorts by place: only then does a
	// _geo field have to have a certain form.
	Geo bool
	// Embedders names the embedders of the index. Their vectors in a document's
	// _vectors field have to have a certain form.
	Embedders []string
	// Spool is where a CSV body goes as JSON. Required for CSV.
	Spool *Spool
}

// Scan finds the documents of a body. The body belongs to the batch from here
// on, and is closed with it.
//
// Refused is for a request that the server refuses at once; there is no batch
// then and the body is closed. Failed is for one that it accepts and whose
// task fails: the batch then gives its count and nothing else.
func Scan(body *Body, o Options) (batch *Batch, refused, failed *meili.Error) {
	if body.Size() == 0 {
		_ = body.Close()
		return nil, meili.MissingPayload(o.Format.String()), nil
	}
	if o.Format == request.CSV {
		rows, refused := convertCSV(body, o)
		_ = body.Close()
		if refused != nil {
			return nil, refused, nil
		}
		body = rows
	}
	p := &parser{o: o, body: body, w: newWindow(body), fields: newFieldTable(o.PrimaryKey), batch: newBatch(body, o.Shards)}
	p.batch.PrimaryKey = o.PrimaryKey
	if o.Format == request.JSON {
		p.json()
	} else {
		p.ndjson()
	}
	if p.w.err != nil {
		p.refused = meili.NewError("internal", "%s", p.w.err.Error())
	}
	if p.refused != nil {
		_ = body.Close()
		return nil, p.refused, nil
	}
	p.batch.seal()
	if p.failed == nil {
		p.failed = p.later
	}
	return p.batch, nil, p.failed
}

// parser goes over one body.
type parser struct {
	o       Options
	body    *Body
	w       *window
	scan    scanner
	fields  *fieldTable
	batch   *Batch
	last    int64 // end of the document before, in the body
	inList  bool
	refused *meili.Error
	failed  *meili.Error // of the first document that fails; later ones still count
	later   *meili.Error // found by what the server does after it took in all documents

	hits     []hit // where the current document's primary key may be
	geo      hit   // its last _geo field, if it has one
	vectors  hit   // its last _vectors field, if it has one
	reserved bool
	broken   bool
	excess   bool
	id       []byte // memory for an id that is written with escapes
}

// hit is a field whose value matters: the bytes from start to end of the window.
type hit struct {
	field      *field
	start, end int
}

// json goes over a list of documents or a single one.
func (p *parser) json() {
	i, ok := p.w.token(0)
	switch {
	case !ok:
		p.refuse(i, &fault{reason: eofValue, at: 0, eof: true})
		return
	case p.w.buf[i] == '{':
		p.single(i)
		return
	case p.w.buf[i] != '[':
		p.neither(i)
		return
	}
	p.inList = true
	i++
	for first := true; ; first = false {
		if i, ok = p.w.token(i); !ok {
			p.refuse(i, &fault{reason: eofList})
			return
		}
		// The server does not look behind the list, so what stands there is no error.
		if p.w.buf[i] == ']' {
			return
		}
		if !first {
			if p.w.buf[i] != ',' {
				p.refuse(i, &fault{reason: wantListNext, at: 1})
				return
			}
			if i, ok = p.w.token(i + 1); !ok {
				p.refuse(i, &fault{reason: eofValue})
				return
			}
			if p.w.buf[i] == ']' {
				p.refuse(i, &fault{reason: commaAtEnd, at: 1})
				return
			}
		}
		if i = p.document(i); i < 0 {
			return
		}
	}
}

// ndjson goes over documents that stand one behind the other.
func (p *parser) ndjson() {
	for i, ok := p.w.token(0); ok; i, ok = p.w.token(i) {
		if i = p.document(i); i < 0 {
			return
		}
	}
}

// single goes over a body that is one object. The server builds it as a value,
// so it has to be one in every respect; and nothing may stand behind it.
func (p *parser) single(i int) {
	for !p.w.end {
		i = p.w.grow(i)
	}
	c := checker{text: p.w.buf[i:], strict: true}
	f := c.build()
	if f == nil {
		if _, ok := c.token(); ok {
			f = c.failNext(trailing)
		}
	}
	if f != nil {
		p.refuse(i, f)
		return
	}
	p.document(i)
}

// document takes the document that begins at i and gives the index behind it,
// or a negative number if the body is refused.
func (p *parser) document(i int) int {
	if p.w.buf[i] != '{' {
		return p.stranger(i)
	}
	for {
		end := p.walk(i)
		switch {
		case end == more && !p.w.end:
			i = p.w.grow(i)
			continue
		case end < 0 || !p.scan.encodedWell(p.w.buf[i:end]):
			return p.explain(i)
		case p.broken:
			return p.explainName(i, end)
		case p.reserved:
			p.refused = meili.NewError("miroir_reserved_field",
				"The document at position %d has a field that begins with `_miroir_`. Such names are reserved.", p.batch.Count)
			return bad
		}
		if p.batch.Count == 0 && p.o.PrimaryKey == "" && p.fields.primaryKey == "" && p.infer(p.w.buf[i:end]) {
			continue // with the key now known
		}
		p.take(i, end)
		return end
	}
}

// walk goes over the object that begins at i and notes the fields that matter.
func (p *parser) walk(i int) int {
	buf := p.w.buf
	p.hits, p.geo, p.vectors = p.hits[:0], hit{}, hit{}
	p.reserved, p.broken, p.excess = false, false, false
	p.scan.nonASCII, p.scan.doubtful = 0, false
	if i = skipSpace(buf, i+1); i >= len(buf) {
		return more
	}
	if buf[i] == '}' {
		return i + 1
	}
	for n := 0; ; n++ {
		if buf[i] != '"' {
			return bad
		}
		name := i + 1
		if i = p.scan.str(buf, name); i < 0 {
			return i
		}
		f := p.fields.at(n, buf[name:i-1])
		if i = skipColon(buf, i); i < 0 {
			return i
		}
		start := i
		if i = p.scan.value(buf, i); i < 0 {
			return i
		}
		if f.kind != fieldPlain {
			p.note(f, start, i)
		}
		if i = skipSpace(buf, i); i >= len(buf) {
			return more
		}
		switch buf[i] {
		case '}':
			return i + 1
		case ',':
			if i = skipSpace(buf, i+1); i >= len(buf) {
				return more
			}
		default:
			return bad
		}
	}
}

func (p *parser) note(f *field, start, end int) {
	switch f.kind {
	case fieldReserved:
		p.reserved = true
	case fieldBroken:
		p.broken = true
	case fieldExcess:
		p.excess = true
	case fieldGeo:
		p.geo = hit{field: f, start: start, end: end}
	case fieldVectors:
		p.vectors = hit{field: f, start: start, end: end}
	default:
		p.hits = append(p.hits, hit{field: f, start: start, end: end})
	}
}

// infer finds the primary key from the first document. It gives false if there
// is none to be found; the task then fails.
func (p *parser) infer(text []byte) bool {
	key, failed := inferKey(text)
	if failed != nil {
		p.fail(failed)
		return false
	}
	p.batch.PrimaryKey = key
	p.fields = newFieldTable(key)
	return true
}

// fail notes why the task fails; the first reason counts.
func (p *parser) fail(err *meili.Error) {
	if p.failed == nil {
		p.failed = err
	}
}

// take adds the document between start and end of the window to the batch.
func (p *parser) take(start, end int) {
	if p.failed != nil {
		p.batch.Count++
		return
	}
	text := p.w.buf[start:end]
	if p.excess {
		p.fail(meili.NewError("max_fields_limit_exceeded", "A document cannot contain more than 65,535 fields."))
		p.batch.Count++
		return
	}
	var patched []byte
	if p.o.Format == request.JSON && p.keyTwice() {
		patched = dedupe(text)
		p.onlyLast()
	}
	id, failed := p.identify(text)
	if failed != nil {
		p.fail(failed)
		p.batch.Count++
		return
	}
	if p.later == nil {
		p.later = p.unfit(id, text)
	}
	shard := Shard(id, p.o.Shards)
	at := p.w.off + int64(start)
	stop := p.w.off + int64(end)
	p.batch.add(at, stop, p.last, shard)
	p.last = stop
	if patched != nil {
		p.batch.patch(shard, len(text), patched)
	}
}
