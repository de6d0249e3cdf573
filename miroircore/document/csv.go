package document

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// convertCSV writes the rows of a CSV body as JSON documents, one a line, as
// the server does before it goes on with them.
func convertCSV(body *Body, o Options) (*Body, *meili.Error) {
	delimiter := o.Delimiter
	if delimiter == 0 {
		delimiter = ','
	}
	r := newRows(newWindow(body), delimiter)
	out := &bodyWriter{body: o.Spool.newBody(), buf: make([]byte, 0, min(body.size*2, memoryLimit)+512)}
	refused := r.convert(out)
	if refused == nil && r.w.err != nil {
		refused = intakeError(spoolError(r.w.err))
	}
	documents, err := out.finish()
	if refused == nil && err != nil {
		refused = intakeError(err)
	}
	if refused != nil {
		_ = documents.Close()
		return nil, refused
	}
	return documents, nil
}

// convert writes all rows to out.
func (r *rows) convert(out *bodyWriter) *meili.Error {
	if !r.next() {
		return nil
	}
	if err := r.check(0); err != nil {
		return err
	}
	columns, names := header(r)
	cells := make([]int, names) // for each name, its last column
	for r.next() {
		if err := r.check(len(columns)); err != nil {
			return err
		}
		for i, c := range columns {
			if message := c.wrong(r.field(i), r.record-1); message != "" {
				return meili.MalformedCSV(message)
			}
			cells[c.slot] = i
		}
		out.buf = append(out.buf, '{')
		for slot, i := range cells {
			if slot > 0 {
				out.buf = append(out.buf, ',')
			}
			out.buf = append(out.buf, columns[i].name...)
			out.buf = columns[i].value(out.buf, r.field(i))
		}
		out.buf = append(out.buf, "}\n"...)
		if err := out.flush(); err != nil {
			return intakeError(err)
		}
	}
	return nil
}

// cellKind is what a column's name says that its cells are.
type cellKind uint8

const (
	cellText cellKind = iota
	cellNumber
	cellBoolean
)

// column is one column of the table.
type column struct {
	name []byte // as JSON, with its colon
	kind cellKind
	slot int // the place of its name among the names
}

// header makes the columns of the first row. Columns of one name share a place,
// in which the last one's cell is what counts.
func header(r *rows) (columns []column, names int) {
	slots := make(map[string]int)
	for i := range r.ends {
		name, kind := string(r.field(i)), cellText
		if at := strings.LastIndexByte(name, ':'); at >= 0 {
			switch name[at+1:] {
			case "string":
				name = name[:at]
			case "number":
				name, kind = name[:at], cellNumber
			case "boolean":
				name, kind = name[:at], cellBoolean
			}
		}
		slot, known := slots[name]
		if !known {
			slot = len(slots)
			slots[name] = slot
		}
		columns = append(columns, column{name: append(meili.AppendString(nil, name), ':'), kind: kind, slot: slot})
	}
	return columns, len(slots)
}

// wrong says why a cell is not of its column's kind, or "".
func (c *column) wrong(cell []byte, row int) string {
	if c.kind == cellText {
		return ""
	}
	trimmed := bytes.TrimSpace(cell)
	switch {
	case len(trimmed) == 0:
		return ""
	case c.kind == cellBoolean:
		if string(trimmed) == "true" || string(trimmed) == "false" {
			return ""
		}
		return fmt.Sprintf("Error parsing boolean %s at line %d: provided string was not `true` or `false`", decode.Debug(string(cell)), row)
	default:
		if _, ok := plainInteger(trimmed); ok {
			return ""
		}
		if _, ok := parseFloat(string(trimmed)); ok {
			return ""
		}
		return fmt.Sprintf("Error parsing number %s at line %d: invalid float literal", decode.Debug(string(cell)), row)
	}
}

// value appends a cell as JSON.
func (c *column) value(dst, cell []byte) []byte {
	if c.kind == cellText {
		if len(cell) == 0 {
			return append(dst, "null"...)
		}
		return appendText(dst, cell)
	}
	cell = bytes.TrimSpace(cell)
	switch {
	case len(cell) == 0:
		return append(dst, "null"...)
	case c.kind == cellBoolean:
		return append(dst, cell...)
	}
	if n, ok := plainInteger(cell); ok {
		return strconv.AppendInt(dst, n, 10)
	}
	f, _ := parseFloat(string(cell)) // wrong has seen to it
	return meili.AppendFloat(dst, f)
}

// appendText appends a text as a JSON string.
func appendText(dst, text []byte) []byte {
	if plainLength(text) < len(text) {
		return meili.AppendString(dst, string(text))
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

// plainInteger reads a 64-bit integer with an optional sign.
func plainInteger(text []byte) (int64, bool) {
	digits := text
	if digits[0] == '-' || digits[0] == '+' {
		digits = digits[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	var n uint64
	for _, b := range digits {
		if !isDigit(b) || n > (1<<63)/10 {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	switch {
	case text[0] == '-' && n <= 1<<63:
		return int64(-n), true
	case text[0] != '-' && n < 1<<63:
		return int64(n), true
	default:
		return 0, false
	}
}

// check refuses a row that has another number of cells than the header, where
// that is not 0, or a cell that is not UTF-8.
func (r *rows) check(want int) *meili.Error {
	if want > 0 && len(r.ends) != want {
		return meili.MalformedCSV(fmt.Sprintf("CSV error: record %d (line: %d, byte: %d): found record with %d fields, but the previous record has %d fields",
			r.record-1, r.line, r.offset, len(r.ends), want))
	}
	if !r.nonASCII {
		return nil
	}
	for i := range r.ends {
		if cell := r.field(i); !utf8.Valid(cell) {
			at := validUpTo(cell)
			return meili.MalformedCSV(fmt.Sprintf("CSV parse error: record %d (line %d, field: %d, byte: %d): invalid utf-8: invalid UTF-8 in field %d near byte index %d",
				r.record-1, r.line, i, r.offset, i, at))
		}
	}
	return nil
}

// validUpTo gives how many bytes of a text are UTF-8.
func validUpTo(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(text)
}
