package document

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// misvectored says what is wrong with the form of a _vectors field. How many
// numbers a vector has to have is left to the nodes: they refuse it in terms
// that leave no doubt about whose fault it is.
func (p *parser) misvectored(id string, value []byte) *meili.Error {
	if value[0] != '{' {
		// The server calls this an internal error, which from a node would mean
		// that the node is in trouble.
		message, f := unexpected(value)
		if f != nil {
			return nil // unreadable has told already
		}
		return meili.NewError("internal", "%s", p.ofIndex(message))
	}
	for m := (members{text: dedupe(value), i: 1}); m.next(); {
		name, ok := unescape(nil, m.name)
		if !ok {
			continue
		}
		message := embedding(string(name), m.value, slices.Contains(p.o.Embedders, string(name)))
		if message != "" {
			return meili.NewError("invalid_vectors_type", "%s",
				p.ofIndex("Bad embedder configuration in the document with id: `"+id+"`. "+message))
		}
	}
	return nil
}

// embedding says what is wrong with what a document has for one embedder. The
// numbers are looked at only where the index knows the embedder.
func embedding(name string, value []byte, known bool) string {
	path := "._vectors." + name
	switch kind, shown := wrongKind(value); {
	case kind != "":
		return fmt.Sprintf("Expected `%s` to be an array of floats, an array of arrays of floats, or an object with at "+
			"least the field `regenerate`, but got the %s `%s`", path, kind, shown)
	case value[0] == '{':
		return explicit(path, value, known)
	case value[0] == '[' && known:
		return vectorsAt(path, value)
	default:
		return ""
	}
}

// wrongKind gives the kind and the text of a value that is neither list,
// object nor null.
func wrongKind(value []byte) (kind, shown string) {
	switch c := value[0]; {
	case c == 't' || c == 'f':
		return "boolean", string(value)
	case c == '"':
		text, _ := unescape(nil, value[1:len(value)-1])
		return "string", string(text)
	case integer(value):
		return "integer", string(value)
	case c == '-' || isDigit(c):
		f, _ := strconv.ParseFloat(string(value), 64) // within range, else unreadable has told
		return "number", strconv.FormatFloat(f, 'f', -1, 64)
	default:
		return "", ""
	}
}

// explicit says what is wrong with an object that says whether the vectors of
// an embedder are to be made again.
func explicit(path string, value []byte, known bool) string {
	var regenerate bool
	var embeddings []byte
	for m := (members{text: value, i: 1}); m.next(); {
		switch string(m.name) {
		case "regenerate":
			regenerate = true
			if m.value[0] == 't' || m.value[0] == 'f' {
				continue
			}
			what, seen, f := unexpectedHere(m.value)
			if f != nil {
				return ""
			}
			at := m.i - len(m.value) + seen
			if rest := skipSpace(value, at); value[rest] == ',' {
				return fmt.Sprintf("Could not parse `%s`: %s at line 1 column %d", path, commaAtEnd, rest+1)
			} else if value[rest] != '}' {
				return fmt.Sprintf("Could not parse `%s`: %s at line 1 column %d", path, trailing, rest+1)
			}
			return fmt.Sprintf("Could not parse `%s.regenerate`: invalid type: %s, expected a boolean at line 1 column %d", path, what, at)
		case "embeddings":
			embeddings = m.value
		default:
			colon := skipSpace(value, m.start+len(m.name)+2)
			return fmt.Sprintf("Could not parse `%s`: %s at line 1 column %d", path, trailing, colon+1)
		}
	}
	switch {
	case !regenerate:
		return fmt.Sprintf("Missing field `%s.regenerate`\n  - note: `%s` must be an array of floats, an array of arrays "+
			"of floats, or an object with field `regenerate`", path, path)
	case embeddings == nil || embeddings[0] == 'n' || !known:
		return ""
	case embeddings[0] != '[':
		return wrongValue(path+".embeddings", "null or an array", embeddings)
	default:
		return vectorsAt(path+".embeddings", embeddings)
	}
}

// vectorsAt says what is wrong with a vector or a list of vectors. The first
// item decides which of the two it is.
func vectorsAt(path string, list []byte) string {
	var lists bool
	message := ""
	each(list, func(i int, item []byte) bool {
		at := path + "[" + strconv.Itoa(i) + "]"
		switch {
		case i == 0 && item[0] != '[' && !isNumber(item):
			message = wrongValue(at, "a number or an array", item)
		case i == 0 && item[0] == '[', lists && item[0] == '[':
			lists = true
			message = numbersAt(at, item)
		case lists:
			message = wrongValue(at, "an array", item)
		case !isNumber(item):
			message = wrongValue(at, "a number", item)
		}
		return message == ""
	})
	return message
}

func numbersAt(path string, list []byte) string {
	message := ""
	each(list, func(i int, item []byte) bool {
		if !isNumber(item) {
			message = wrongValue(path+"["+strconv.Itoa(i)+"]", "a number", item)
		}
		return message == ""
	})
	return message
}

// each calls f for the items of a list until it gives false.
func each(list []byte, f func(i int, item []byte) bool) {
	var s scanner
	n := 0
	for i := skipSpace(list, 1); list[i] != ']'; n++ {
		if list[i] == ',' {
			i = skipSpace(list, i+1)
		}
		end := s.value(list, i)
		if !f(n, list[i:end]) {
			return
		}
		i = skipSpace(list, end)
	}
}

func isNumber(value []byte) bool { return value[0] == '-' || isDigit(value[0]) }

func wrongValue(path, want string, value []byte) string {
	found := "null"
	var kind string
	switch c := value[0]; {
	case c == 't' || c == 'f':
		kind = "a boolean"
	case c == '"':
		kind = "a string"
	case c == '[':
		kind = "an array"
	case c == '{':
		kind = "an object"
	case c == 'n':
	case !integer(value):
		kind = "a number"
	case c == '-':
		kind = "a negative integer"
	default:
		kind = "a positive integer"
	}
	if kind != "" {
		found = kind + ": `" + string(render(nil, value)) + "`"
	}
	return "Invalid value type at `" + path + "`: expected " + want + ", but found " + strings.TrimSpace(found)
}
