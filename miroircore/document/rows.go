package document

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// rows takes a CSV body apart. Its rules are those of the server's reader: a
// quote matters only at the start of a cell, two quotes inside a quoted cell
// are one, what follows a closing quote belongs to the cell, each of CR, LF and
// both together ends a row, and empty lines are no rows.
type rows struct {
	w         *window
	i         int // in the window
	delimiter byte
	plain     [256]bool // what a cell without quotes goes on with
	lines     int       // line breaks that were passed

	text     []byte // the cells of the current row, one behind the other
	ends     []int
	nonASCII bool
	record   int   // how many rows there were, the header included
	line     int   // the line and the offset at which the current row began
	offset   int64 // to be looked for, white space and all
}

func newRows(w *window, delimiter byte) *rows {
	r := &rows{w: w, delimiter: delimiter, lines: 1}
	for c := range r.plain {
		r.plain[c] = byte(c) != delimiter && c != '\n' && c != '\r'
	}
	if w.body.file != nil && len(w.buf) < 3 {
		w.grow(0)
	}
	if bytes.HasPrefix(w.buf, []byte("\xef\xbb\xbf")) {
		r.i = 3
	}
	return r
}

// field gives a cell of the current row.
func (r *rows) field(i int) []byte {
	from := 0
	if i > 0 {
		from = r.ends[i-1]
	}
	return r.text[from:r.ends[i]]
}

// more makes sure that there is a byte at r.i.
func (r *rows) more() bool {
	if r.i < len(r.w.buf) {
		return true
	}
	if r.w.end {
		return false
	}
	r.i = r.w.grow(r.i)
	return r.i < len(r.w.buf)
}

// next goes to the next row and says whether there is one.
func (r *rows) next() bool {
	r.line, r.offset = r.lines, r.w.off+int64(r.i)
	if r.record == 0 {
		r.line, r.offset = 1, 0
	}
	r.text, r.ends, r.nonASCII = r.text[:0], r.ends[:0], false
	for r.more() && (r.w.buf[r.i] == '\n' || r.w.buf[r.i] == '\r') {
		r.pass(r.w.buf[r.i])
	}
	if !r.more() {
		return false
	}
	for r.cell() {
	}
	r.record++
	r.nonASCII = !ascii(r.text)
	return true
}

// pass steps over a byte and counts it if it is a line break.
func (r *rows) pass(b byte) {
	if b == '\n' {
		r.lines++
	}
	r.i++
}

// cell reads one cell and what ends it. It gives false if that ends the row.
func (r *rows) cell() bool {
	if r.more() && r.w.buf[r.i] == '"' && r.delimiter != '"' {
		r.i++
		if !r.quoted() {
			r.ends = append(r.ends, len(r.text))
			return false
		}
	}
	for r.more() {
		from := r.i
		r.plainRun()
		r.text = append(r.text, r.w.buf[from:r.i]...)
		if r.i < len(r.w.buf) {
			b := r.w.buf[r.i]
			r.pass(b)
			r.ends = append(r.ends, len(r.text))
			return b == r.delimiter
		}
	}
	r.ends = append(r.ends, len(r.text))
	return false
}

// plainRun steps over what a cell without quotes goes on with.
func (r *rows) plainRun() {
	buf, i, delimiter := r.w.buf, r.i, ones*uint64(r.delimiter)
	for i+8 <= len(buf) {
		x := binary.LittleEndian.Uint64(buf[i:])
		d, n, c := x^delimiter, x^ones*'\n', x^ones*'\r'
		found := ((d - ones) &^ d) | ((n - ones) &^ n) | ((c - ones) &^ c)
		if found &= highs; found != 0 {
			r.i = i + bits.TrailingZeros64(found)/8
			return
		}
		i += 8
	}
	for i < len(buf) && r.plain[buf[i]] {
		i++
	}
	r.i = i
}

// ascii says whether no byte of a text is beyond ASCII.
func ascii(text []byte) bool {
	var all uint64
	for ; len(text) >= 8; text = text[8:] {
		all |= binary.LittleEndian.Uint64(text)
	}
	for _, b := range text {
		all |= uint64(b)
	}
	return all&highs == 0
}

// quoted reads a cell up to its closing quote. It gives false if the body ends first.
func (r *rows) quoted() bool {
	for r.more() {
		rest := r.w.buf[r.i:]
		at := bytes.IndexByte(rest, '"')
		if at < 0 {
			at = len(rest)
		}
		r.text = append(r.text, rest[:at]...)
		r.lines += bytes.Count(rest[:at], []byte{'\n'})
		if r.i += at; r.i == len(r.w.buf) {
			continue
		}
		r.i++
		if !r.more() || r.w.buf[r.i] != '"' {
			return true
		}
		r.text = append(r.text, '"')
		r.i++
	}
	return false
}
