package document

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// readerChunk is how much a reader makes ready at a time.
const readerChunk = 32 << 10

// reader makes the NDJSON of some shards as it is read. What it needs is small
// and its own, so that any number of them can run over one batch.
type reader struct {
	batch   *Batch
	wanted  []bool
	version func(position int) uint64

	chunk    int
	entries  []byte // what is left of the current chunk
	position int
	offset   int64

	out  []byte // made ready
	from int    // how much of out has been read
	err  error

	ahead   []byte // of a body in a file: the bytes from aheadAt on
	aheadAt int64
}

func newReader(b *Batch, wanted func(int) bool, version func(int) uint64) *reader {
	r := &reader{batch: b, wanted: make([]bool, len(b.docs)), version: version, chunk: -1}
	for shard := range r.wanted {
		r.wanted[shard] = b.docs[shard] > 0 && wanted(shard)
	}
	return r
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for r.from == len(r.out) {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.out[r.from:])
	r.from += n
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for {
		n, err := w.Write(r.out[r.from:])
		written += int64(n)
		r.from += n
		if err != nil {
			return written, err
		}
		if r.err == io.EOF {
			return written, nil
		}
		if r.err != nil {
			return written, r.err
		}
		r.fill()
	}
}

// Close implements io.Closer. A read that is under way elsewhere is not
// disturbed, since the memory is not used again.
func (r *reader) Close() error { return nil }

// fill makes documents ready until there are enough for one write.
func (r *reader) fill() {
	r.out, r.from = r.out[:0], 0
	for len(r.out) < readerChunk && r.err == nil {
		for len(r.entries) == 0 {
			if r.chunk++; r.chunk >= len(r.batch.chunks) {
				r.err = io.EOF
				return
			}
			c := &r.batch.chunks[r.chunk]
			r.entries, r.position, r.offset = c.entries, c.position, c.offset
		}
		gap, a := binary.Uvarint(r.entries)
		length, b := binary.Uvarint(r.entries[a:])
		shard := int(binary.LittleEndian.Uint16(r.entries[a+b:]))
		r.entries = r.entries[a+b+2:]
		start := r.offset + int64(gap)
		r.offset = start + int64(length)
		if r.wanted[shard] {
			r.splice(start, r.offset, shard)
		}
		r.position++
	}
}

// splice makes one document ready: its bytes as they came, but for the last
// brace, behind which the hidden fields go.
func (r *reader) splice(start, end int64, shard int) {
	from := len(r.out)
	if text, patched := r.batch.patches[r.position]; patched {
		r.out = append(r.out, text[:len(text)-1]...)
	} else if err := r.document(start, end-1); err != nil {
		r.err = err
		return
	}
	// A line break can only be white space between tokens here, and a document is a line.
	for at := from; ; {
		k := bytes.IndexByte(r.out[at:], '\n')
		if k < 0 {
			break
		}
		at += k
		r.out[at] = ' '
	}
	r.out = append(r.out, r.batch.opening[shard]...)
	r.out = hidden.AppendVersion(r.out, r.version(r.position))
	r.out = append(r.out, docClose...)
}

// document appends the bytes of the body from start to end.
func (r *reader) document(start, end int64) error {
	body := r.batch.body
	if body.file == nil {
		r.out = append(r.out, body.memory[start:end]...)
		return nil
	}
	if end > r.aheadAt+int64(len(r.ahead)) || start < r.aheadAt {
		if r.ahead == nil {
			r.ahead = make([]byte, 0, windowSize)
		}
		if end-start > windowSize {
			at := len(r.out)
			r.out = append(r.out, make([]byte, end-start)...)
			_, err := body.ReadAt(r.out[at:], start)
			return spoolReadError(err)
		}
		n, err := body.ReadAt(r.ahead[:min(windowSize, body.size-start)], start)
		if err := spoolReadError(err); err != nil {
			return err
		}
		r.ahead, r.aheadAt = r.ahead[:n], start
	}
	r.out = append(r.out, r.ahead[start-r.aheadAt:end-r.aheadAt]...)
	return nil
}

func spoolReadError(err error) error {
	if err == nil || err == io.EOF {
		return nil
	}
	return fmt.Errorf("reading the spool: %w", err)
}
