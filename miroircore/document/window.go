package document

import (
	"bytes"
	"fmt"
	"io"
)

// windowSize is how much of a body that lies in a file is looked at at a time.
// A document longer than that makes the window as long as itself.
const windowSize = 256 << 10

// window is the part of a body that is looked at. A body in memory is its own
// window, whole.
type window struct {
	body *Body
	buf  []byte
	off  int64 // where in the body buf begins
	end  bool  // buf reaches to the end of the body
	err  error
}

func newWindow(body *Body) *window {
	w := &window{body: body}
	if body.file == nil {
		w.buf, w.end = body.memory, true
		return w
	}
	w.buf = make([]byte, 0, windowSize)
	w.grow(0)
	return w
}

// grow drops what is before from and reads on. It gives where from is now.
func (w *window) grow(from int) int {
	if w.end {
		return from
	}
	kept := w.buf[from:]
	room := cap(w.buf)
	if len(kept) > room/2 {
		room *= 2
	}
	next := w.buf[:len(kept)]
	if room > cap(w.buf) {
		next = make([]byte, len(kept), room)
	}
	copy(next, kept)
	w.off += int64(from)
	n, err := w.body.ReadAt(next[len(next):room], w.off+int64(len(next)))
	w.buf = next[:len(next)+n]
	if err != nil {
		w.end = true
		if err != io.EOF {
			w.err = fmt.Errorf("reading the spool: %w", err)
		}
	} else if w.off+int64(len(w.buf)) >= w.body.size {
		w.end = true
	}
	return 0
}

// token gives the index of the first byte from i on that is no white space;
// false means that there is none.
func (w *window) token(i int) (int, bool) {
	for {
		if i = skipSpace(w.buf, i); i < len(w.buf) {
			return i, true
		}
		if w.end {
			return i, false
		}
		i = w.grow(i)
	}
}

// position gives the line and the column of an offset of the body, as the
// server's parser counts them: lines from 1, and the bytes of the line up to there.
func position(body *Body, offset int64) (line, column int) {
	line = 1
	start := int64(0)
	buf := make([]byte, 64<<10)
	for at := int64(0); at < offset; {
		n, err := body.ReadAt(buf[:min(int64(len(buf)), offset-at)], at)
		chunk := buf[:n]
		if k := bytes.Count(chunk, []byte{'\n'}); k > 0 {
			line += k
			start = at + int64(bytes.LastIndexByte(chunk, '\n')) + 1
		}
		at += int64(n)
		if err != nil {
			break
		}
	}
	return line, int(offset - start)
}
