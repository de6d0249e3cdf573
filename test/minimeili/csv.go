package minimeili

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// csvReader is a CSV text being read as the server's reader does: a quote counts at
// the start of a field only, empty lines do not count, and all records have as
// many fields as the first.
type csvReader struct {
	text      string
	delimiter byte
	pos, line int
	records   int
	fields    int
}

// record reads the next record; it gives nil at the end.
func (r *csvReader) record() ([]string, *meili.Error) {
	for r.pos < len(r.text) && (r.text[r.pos] == '\n' || r.text[r.pos] == '\r') {
		if r.text[r.pos] == '\n' {
			r.line++
		}
		r.pos++
	}
	if r.pos >= len(r.text) {
		return nil, nil
	}
	start, line := r.pos, r.line
	var fields []string
	for more := true; more; {
		var field string
		field, more = r.field()
		if !utf8.ValidString(field) {
			return nil, meili.MalformedCSV(fmt.Sprintf("CSV parse error: record %d (line %d, field: %d, byte: %d): invalid utf-8: invalid UTF-8 in field %d near byte index %d",
				r.records, line, len(fields), start, len(fields), validUpTo(field)))
		}
		fields = append(fields, field)
	}
	if r.records == 0 {
		r.fields = len(fields)
	} else if len(fields) != r.fields {
		return nil, meili.MalformedCSV(fmt.Sprintf("CSV error: record %d (line: %d, byte: %d): found record with %d fields, but the previous record has %d fields",
			r.records, line, start, len(fields), r.fields))
	}
	r.records++
	return fields, nil
}

func validUpTo(s string) int {
	for i, c := range s {
		if c == utf8.RuneError {
			return i
		}
	}
	return len(s)
}

// field reads the next field and says whether the record has more.
func (r *csvReader) field() (string, bool) {
	var b strings.Builder
	if r.pos < len(r.text) && r.text[r.pos] == '"' {
		r.pos++
		r.quoted(&b)
	}
	for r.pos < len(r.text) {
		c := r.text[r.pos]
		r.pos++
		switch {
		case c == r.delimiter:
			return b.String(), true
		case c == '\r' && r.pos < len(r.text) && r.text[r.pos] == '\n':
			r.pos++
			r.line++
			return b.String(), false
		case c == '\n' || c == '\r':
			if c == '\n' {
				r.line++
			}
			return b.String(), false
		}
		b.WriteByte(c)
	}
	return b.String(), false
}

// quoted reads up to and over the quote that closes a field.
func (r *csvReader) quoted(b *strings.Builder) {
	for r.pos < len(r.text) {
		c := r.text[r.pos]
		r.pos++
		if c == '"' {
			if r.pos >= len(r.text) || r.text[r.pos] != '"' {
				return
			}
			r.pos++
		}
		if c == '\n' {
			r.line++
		}
		b.WriteByte(c)
	}
}

// column is a field of the header.
type column struct{ name, kind string }

func readCSV(body []byte, delimiter byte) (string, int, *meili.Error) {
	r := &csvReader{text: string(body), delimiter: delimiter, line: 1}
	header, err := r.record()
	if err != nil {
		return "", 0, err
	}
	columns := make([]column, len(header))
	for i, text := range header {
		columns[i] = parseColumn(text)
	}
	var l lines
	for {
		fields, err := r.record()
		if err != nil {
			return "", 0, err
		}
		if fields == nil {
			return l.text.String(), l.n, nil
		}
		doc := decode.Value{Kind: decode.Object}
		for i, text := range fields {
			v, refused := columns[i].value(text, l.n+1)
			if refused != nil {
				return "", 0, refused
			}
			doc.Members = setMember(doc.Members, columns[i].name, v)
		}
		l.add(&doc)
	}
}

// setMember adds a member; of two columns of one name the later one counts.
func setMember(members []decode.Member, name string, v decode.Value) []decode.Member {
	for i := range members {
		if members[i].Name == name {
			members[i].Value = v
			return members
		}
	}
	return append(members, decode.Member{Name: name, Value: v})
}

func parseColumn(text string) column {
	if cut := strings.LastIndexByte(text, ':'); cut >= 0 {
		switch kind := text[cut+1:]; kind {
		case "string", "boolean", "number":
			return column{text[:cut], kind}
		}
	}
	return column{text, "string"}
}

// value reads a cell; line counts the records after the header.
func (c column) value(text string, line int) (decode.Value, *meili.Error) {
	trimmed := strings.TrimSpace(text)
	switch {
	case c.kind == "string" && text != "":
		return decode.StringValue(text), nil
	case c.kind == "string" || trimmed == "":
		return decode.Value{Kind: decode.Null}, nil
	case c.kind == "boolean":
		if trimmed != "true" && trimmed != "false" {
			return decode.Value{}, meili.MalformedCSV(fmt.Sprintf(
				"Error parsing boolean %s at line %d: provided string was not `true` or `false`", meili.AppendString(nil, text), line))
		}
		return scalar(trimmed), nil
	}
	if n, err := strconv.ParseInt(trimmed, 10, 64); err == nil {
		return scalar(strconv.FormatInt(n, 10)), nil
	}
	f, err := strconv.ParseFloat(trimmed, 64)
	if err != nil || strings.ContainsAny(trimmed, "_xXpP") {
		return decode.Value{}, meili.MalformedCSV(fmt.Sprintf(
			"Error parsing number %s at line %d: invalid float literal", meili.AppendString(nil, text), line))
	}
	return scalar(string(meili.AppendFloat(nil, f))), nil
}

// scalar parses a value that was just written.
func scalar(text string) decode.Value {
	v, err := decode.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return v
}
