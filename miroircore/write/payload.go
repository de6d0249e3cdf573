package write

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
)

const (
	// inlineMost is the largest payload that is kept in the journal itself;
	// larger ones have a file each. together is the largest that is synced with
	// the header, where it costs nothing.
	inlineMost = 1 << 20
	together   = 64 << 10

	payloadPrefix = "payload-"
)

// payload is what the client sent, kept until the operation ended everywhere.
type payload struct {
	disk   sync.Mutex      // held while it is written or removed; taken before mutex
	mutex  sync.Mutex      // guards what follows
	gone   bool            // it was discarded
	text   []byte          // a small one; nil while it is only on the disk
	body   *document.Body  // a large one
	csv    bool            // finding the documents uses the body up
	kept   bool            // the disk has it
	ticket *journal.Ticket // of the record that holds it
	path   string          // of the file that holds it
	stored chan struct{}   // closed when it was written
	err    error
}

// take takes a request's body over.
func (p *payload) take(w *Writer, body *document.Body, csv bool) error {
	p.csv = csv
	if body.Size() <= inlineMost {
		p.text = make([]byte, body.Size())
		_, err := io.ReadFull(io.NewSectionReader(body, 0, body.Size()), p.text)
		return errors.Join(err, body.Close())
	}
	p.body = body
	if !csv {
		return nil
	}
	p.path = filepath.Join(w.opts.Dir, payloadPrefix+uuid.NewString())
	if err := p.copy(p.path); err != nil {
		return err
	}
	p.kept = true
	return nil
}

// inline gives the payload where it goes to the disk together with the header.
func (p *payload) inline() []byte {
	if p.text == nil || len(p.text) > together {
		return nil
	}
	p.stored = make(chan struct{})
	close(p.stored)
	p.kept = true
	return p.text
}

func (p *payload) hash(h io.Writer) {
	if p.text != nil {
		_, _ = h.Write(p.text)
	}
	if p.body != nil {
		_, _ = io.Copy(h, io.NewSectionReader(p.body, 0, p.body.Size())) // one that cannot be read fails where it is sent
	}
}

// write puts the payload on the disk, beside the requests that are under way.
func (p *payload) write(w *Writer, o *operation) {
	p.disk.Lock()
	defer p.disk.Unlock()
	p.mutex.Lock()
	text, none := p.text, p.text == nil && p.body == nil
	done := none || p.gone || p.stored != nil
	if !done {
		p.stored = make(chan struct{})
	}
	p.mutex.Unlock()
	if done {
		return
	}
	err := failpoint.Hit("write.payload")
	var ticket *journal.Ticket
	switch {
	case err != nil:
	case text != nil:
		ticket = w.journal.Append(journal.Record{Kind: journal.Payload, Op: o.op, Body: text})
		err = ticket.Written()
	default:
		path := filepath.Join(w.opts.Dir, payloadPrefix+strconv.FormatUint(o.op, 10))
		if p.path != "" { // only the writer itself changes it
			err = os.Rename(p.path, path)
		} else {
			err = p.copy(path)
		}
		p.mutex.Lock()
		p.path = path
		p.mutex.Unlock()
	}
	p.mutex.Lock()
	p.ticket, p.err, p.kept = ticket, err, err == nil
	p.mutex.Unlock()
	close(p.stored)
}

// fresh gives a body to find the documents in, read back from the disk if need
// be; nil where there is none.
func (p *payload) fresh(w *Writer, o *operation) (*document.Body, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	switch {
	case p.text != nil:
		return document.BytesBody(p.text), nil
	case p.body != nil:
		body := p.body
		if p.csv { // the next one is read from the file
			p.body = nil
		}
		return body, nil
	case !p.kept:
		return nil, nil
	case p.path != "":
		return w.readBody(p.path)
	}
	text, err := w.journal.Payload(o.op)
	if err != nil || text == nil {
		return nil, err
	}
	p.text = text
	return document.BytesBody(text), nil
}

// readBody takes a payload in again from its file.
func (w *Writer) readBody(path string) (*document.Body, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	body, refusal := w.spool.Accept(file, "")
	if refusal != nil {
		return nil, refusal
	}
	return body, nil
}

// release gives the memory of a payload back that may not be needed for long:
// the disk has it.
func (p *payload) release() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.kept {
		p.text = nil
	}
}

// copy writes the payload to its file. The file has its name only when it is
// whole.
func (p *payload) copy(path string) (err error) {
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, io.NewSectionReader(p.body, 0, p.body.Size()))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(path+".part", path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path+".part"))
	}
	return nil
}

// durable waits until the payload is on the disk.
func (p *payload) durable() error {
	p.mutex.Lock()
	stored := p.stored
	p.mutex.Unlock()
	if stored == nil {
		return nil
	}
	<-stored
	p.mutex.Lock()
	err, ticket, path := p.err, p.ticket, p.path
	p.mutex.Unlock()
	switch {
	case err != nil:
	case ticket != nil:
		err = ticket.Durable()
	case path != "":
		err = journal.SyncDir(filepath.Dir(path))
	}
	return spoolError(err)
}

// spoolError gives a full disk the name that it has for the journal.
func spoolError(err error) error {
	if journal.Full(err) && !errors.Is(err, journal.ErrFull) {
		return fmt.Errorf("%w: %w", journal.ErrFull, err)
	}
	return err
}

// discard gives everything up.
func (p *payload) discard() {
	p.disk.Lock()
	defer p.disk.Unlock()
	p.mutex.Lock()
	body, path := p.body, p.path
	p.gone, p.kept, p.text, p.body = true, false, nil, nil
	p.mutex.Unlock()
	if body != nil {
		_ = body.Close()
	}
	if path != "" {
		_ = os.Remove(path) // an orphan is removed by the next start
	}
}

// restore takes the payload of an operation of an earlier run up again.
func (p *payload) restore(w *Writer, o *operation, found *journal.Operation) {
	p.stored = make(chan struct{})
	close(p.stored)
	if found.HasPayload {
		p.kept, p.text = true, found.Content
		return
	}
	path := filepath.Join(w.opts.Dir, payloadPrefix+strconv.FormatUint(o.op, 10))
	if _, err := os.Stat(path); err == nil {
		p.path, p.kept = path, true
	}
}

// removeOrphans removes payload files whose operations are closed.
func (w *Writer) removeOrphans() error {
	names, err := filepath.Glob(filepath.Join(w.opts.Dir, payloadPrefix+"*"))
	if err != nil {
		return fmt.Errorf("list the payloads: %w", err)
	}
	for _, name := range names {
		op, err := strconv.ParseUint(strings.TrimPrefix(filepath.Base(name), payloadPrefix), 10, 64)
		if err == nil && w.ops[op] != nil {
			continue
		}
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("remove a payload that nothing needs: %w", err)
		}
	}
	return nil
}
