package document

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// memoryLimit is how much of a body is kept in memory; a longer one goes to a
// file of the spool folder.
const memoryLimit = 1 << 20

// ErrFull is the cause of an answer of miroir_spool_full: the disk of the spool
// folder has no room left.
var ErrFull = errors.New("the spool's disk is full")

// Spool takes in the bodies of requests, whole, before anything is done with
// them: a write is answered for as a whole, is sent to several nodes at once
// and may have to be sent again.
type Spool struct {
	dir   string
	limit int64
}

// NewSpool makes a spool in the folder dir, which is created if need be. Bodies
// of more than limit bytes, counted after decompression, are refused.
func NewSpool(dir string, limit int64) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the spool folder: %w", err)
	}
	return &Spool{dir: dir, limit: limit}, nil
}

// Accept reads a body to its end. Encoding is the request's Content-Encoding.
// The error is one for the client. The body is to be closed.
func (s *Spool) Accept(r io.Reader, encoding string) (*Body, *meili.Error) {
	plain, err := decoded(r, encoding)
	if err != nil {
		return nil, intakeError(err)
	}
	defer plain.Close()
	body := s.newBody()
	if err := body.fill(plain, s.limit); err != nil {
		_ = body.Close() // its file has no name: nothing stays
		if errors.Is(err, errTooLarge) {
			return nil, meili.PayloadTooLarge(s.limit)
		}
		return nil, intakeError(err)
	}
	return body, nil
}

// errTooLarge tells that a body has more bytes than the spool takes.
var errTooLarge = errors.New("the body is too large")

// intakeError tells the client why its body was not taken in.
func intakeError(err error) *meili.Error {
	switch {
	case errors.Is(err, ErrFull):
		return meili.NewError("miroir_spool_full", "The body cannot be stored: the disk of the spool is full.")
	case errors.Is(err, errSpool):
		return meili.NewError("internal", "%s", err.Error())
	default: // cut, or not encoded as it says: the server does not tell these apart
		return meili.IncompletePayload()
	}
}

// errSpool marks an error of the spool's own file, as against one of the client.
var errSpool = errors.New("spooling the body")

func (s *Spool) newBody() *Body { return &Body{dir: s.dir} }

// bodyWriter makes a body of what is written piece by piece.
type bodyWriter struct {
	body *Body
	buf  []byte
}

// flush takes over what was appended to buf, if it is worth it.
func (w *bodyWriter) flush() error {
	if len(w.buf) < memoryLimit {
		return nil
	}
	_, err := w.body.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// finish gives the body.
func (w *bodyWriter) finish() (*Body, error) {
	if w.body.file == nil {
		w.body.memory, w.body.size = w.buf, int64(len(w.buf))
		return w.body, nil
	}
	_, err := w.body.Write(w.buf)
	return w.body, err
}

// Body is a body that was taken in: in memory, or in a file that goes away when
// the body is closed. It can be read by many at once.
type Body struct {
	dir    string
	memory []byte
	file   *os.File
	linked bool // the file still has a name
	size   int64
}

// BytesBody makes a body of a text that is in memory already.
func BytesBody(text []byte) *Body { return &Body{memory: text, size: int64(len(text))} }

// Size gives the number of bytes.
func (b *Body) Size() int64 { return b.size }

// ReadAt implements io.ReaderAt.
func (b *Body) ReadAt(p []byte, off int64) (int, error) {
	if b.file != nil {
		return b.file.ReadAt(p, off)
	}
	if off >= int64(len(b.memory)) {
		return 0, io.EOF
	}
	n := copy(p, b.memory[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Open gives a reader of the whole body.
func (b *Body) Open() io.ReadCloser {
	return io.NopCloser(io.NewSectionReader(b, 0, b.size))
}

// Close removes the body's file. Who still reads it gets an error.
func (b *Body) Close() error {
	if b.file == nil { // the memory goes with the last who reads it
		return nil
	}
	err := b.file.Close()
	if b.linked {
		b.linked = false
		err = errors.Join(err, os.Remove(b.file.Name()))
	}
	return err
}

// fill reads r to its end; more than limit bytes are errTooLarge.
func (b *Body) fill(r io.Reader, limit int64) error {
	buf := make([]byte, 0, 512) // as much as most searches have
	for {
		if len(buf) == cap(buf) {
			if len(buf) >= memoryLimit {
				break
			}
			buf = append(make([]byte, 0, min(cap(buf)*4, memoryLimit)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return errTooLarge
		}
		if err == io.EOF {
			b.memory, b.size = buf, int64(len(buf))
			return nil
		}
		if err != nil {
			return err
		}
	}
	if _, err := b.Write(buf); err != nil {
		return err
	}
	// The buffer, once full, carries the rest to the file.
	for buf = buf[:0]; ; {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if b.size+int64(len(buf)) > limit {
			return errTooLarge
		}
		if len(buf) == cap(buf) || err == io.EOF {
			if _, err := b.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Write appends to the body's file, which is made with the first write.
func (b *Body) Write(p []byte) (int, error) {
	if b.file == nil {
		if err := b.create(); err != nil {
			return 0, err
		}
	}
	n, err := b.file.Write(p)
	b.size += int64(n)
	return n, spoolError(err)
}

func (b *Body) create() error {
	file, err := os.CreateTemp(b.dir, "body-*")
	if err != nil {
		return spoolError(err)
	}
	b.file = file
	// A file without a name is gone however this process ends. Where the system
	// cannot do that, Close removes it.
	b.linked = os.Remove(file.Name()) != nil
	return nil
}

func spoolError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w: %w", ErrFull, err)
	default:
		return fmt.Errorf("%w: %w", errSpool, err)
	}
}
