package minimeili

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/test/minimeili/engine"
)

// readDocuments reads a body of documents; it gives them one a line, and how
// many there are.
func readDocuments(format request.Format, delimiter byte, body []byte) (string, int, *meili.Error) {
	if len(body) == 0 {
		return "", 0, meili.MissingPayload(format.String())
	}
	switch format {
	case request.CSV:
		if delimiter == 0 {
			delimiter = ','
		}
		return readCSV(body, delimiter)
	case request.NDJSON:
		return readNDJSON(body)
	default:
		return readJSON(body)
	}
}

// lines collects documents.
type lines struct {
	text strings.Builder
	n    int
}

func (l *lines) add(v *decode.Value) {
	l.text.Write(v.AppendJSON(nil))
	l.text.WriteByte('\n')
	l.n++
}

// readJSON reads one object, or an array of objects.
func readJSON(body []byte) (string, int, *meili.Error) {
	v, syntax := decode.Parse(body)
	var l lines
	switch {
	case syntax == nil && v.Kind == decode.Object:
		l.add(&v)
		return l.text.String(), l.n, nil
	case syntax == nil && v.Kind == decode.Array && !slices.ContainsFunc(v.Elems, notAnObject):
	case skipSpace(body, 0) < len(body) && body[skipSpace(body, 0)] == '[':
		if err := strayElement(body); err != nil {
			return "", 0, err
		}
	case syntax == nil || startsScalar(body):
		return "", 0, meili.MalformedDocuments("json", "data are neither an object nor a list of objects")
	}
	if syntax != nil {
		return "", 0, meili.MalformedDocuments("json", syntax.Error())
	}
	for i := range v.Elems {
		l.add(&v.Elems[i])
	}
	return l.text.String(), l.n, nil
}

func notAnObject(v decode.Value) bool { return v.Kind != decode.Object }

// strayElement looks for an element of an array that is no object. The server
// reads arrays element by element and stops at such a one: what follows it is
// an error of syntax, and only if nothing does the element itself is.
func strayElement(body []byte) *meili.Error {
	at := skipSpace(body, 0) + 1
	for {
		v, length, syntax := decode.Prefix(body[at:])
		if syntax != nil {
			return nil // told of by who reads the whole
		}
		at = skipSpace(body, at+length)
		if v.Kind == decode.Object {
			if at >= len(body) || body[at] != ',' {
				return nil
			}
			at++
			continue
		}
		if at < len(body) && body[at] == ']' {
			return notObject(&v)
		}
		reason := "trailing characters"
		if at < len(body) && body[at] == ',' {
			if at = skipSpace(body, at+1); at < len(body) && body[at] == ']' {
				reason = "trailing comma"
			}
		}
		if at = min(at+1, len(body)); at == len(body) && body[at-1] != ']' {
			reason = "EOF while parsing a list"
		}
		return meili.MalformedDocuments("json", locate(body, at, &decode.SyntaxError{Reason: reason, Line: 1}).Error())
	}
}

// startsScalar says whether a body begins with a value that is neither object
// nor array: what follows it is then not looked at.
func startsScalar(body []byte) bool {
	v, _, syntax := decode.Prefix(body)
	return syntax == nil && v.Kind != decode.Object && v.Kind != decode.Array
}

// notObject is what becomes of a document that is no object; the server takes
// it for a failure of its own.
func notObject(v *decode.Value) *meili.Error {
	return meili.NewError("internal", "invalid type: %s, expected a map at line 1 column %d", describe(v), max(0, len(v.JSON())-openEnd(v)))
}

// openEnd tells by how much the parser has not read a value whose type it
// refuses: it stops at the bracket that opens an array.
func openEnd(v *decode.Value) int {
	if v.Kind == decode.Array {
		return len(v.JSON())
	}
	return 0
}

// describe names a value as the server's parser does.
func describe(v *decode.Value) string {
	switch v.Kind {
	case decode.Null:
		return "null"
	case decode.Bool:
		return "boolean `" + string(v.JSON()) + "`"
	case decode.Integer, decode.Negative:
		return "integer `" + string(v.JSON()) + "`"
	case decode.Float:
		return "floating point `" + string(v.JSON()) + "`"
	case decode.String:
		return "string " + string(v.JSON())
	default:
		return "sequence"
	}
}

// readNDJSON reads objects one after the other; lines do not matter but in
// messages.
func readNDJSON(body []byte) (string, int, *meili.Error) {
	var l lines
	for at := skipSpace(body, 0); at < len(body); at = skipSpace(body, at) {
		v, length, syntax := nextValue(body, at)
		if syntax != nil {
			// The parser counts from the start of the body.
			return "", 0, meili.MalformedDocuments("ndjson", locate(body, at, syntax).Error())
		}
		if v.Kind != decode.Object {
			return "", 0, notObject(&v)
		}
		l.add(&v)
		at += length
	}
	return l.text.String(), l.n, nil
}

// nextValue reads the value at an offset. It looks at one line first, since the
// parser copies what it is given.
func nextValue(body []byte, at int) (decode.Value, int, *decode.SyntaxError) {
	if end := bytes.IndexByte(body[at:], '\n'); end >= 0 {
		if v, length, syntax := decode.Prefix(body[at : at+end]); syntax == nil {
			return v, length, nil
		}
	}
	return decode.Prefix(body[at:])
}

func skipSpace(body []byte, at int) int {
	for at < len(body) && strings.IndexByte(" \t\r\n", body[at]) >= 0 {
		at++
	}
	return at
}

// locate moves an error of the part of a body that begins at an offset.
func locate(body []byte, at int, e *decode.SyntaxError) *decode.SyntaxError {
	before := string(body[:at])
	moved := *e
	moved.Line += strings.Count(before, "\n")
	if e.Line == 1 {
		moved.Column += len(before) - (strings.LastIndexByte(before, '\n') + 1)
	}
	return &moved
}

// fetchAll gives all documents a filter selects, or all there are.
func fetchAll(ix *engine.Index, filter json.RawMessage) ([]json.RawMessage, *meili.Error) {
	page, err := ix.Fetch(&request.DocumentsFetch{Limit: ix.Len(), Filter: filter})
	if err != nil {
		return nil, err
	}
	return page.Results, nil
}
