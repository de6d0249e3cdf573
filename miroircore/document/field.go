package document

import (
	"bytes"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// maxFields is how many top-level names the server tells apart in an index.
const maxFields = 65_535

// fieldKind says what a top-level field means to the gateway.
type fieldKind uint8

const (
	fieldPlain    fieldKind = iota
	fieldKey                // holds the primary key, or a part of the way to it
	fieldReserved           // begins with the prefix that is Miroir's
	fieldGeo
	fieldVectors
	fieldBroken // not a text: an escape in it is half a character
	fieldExcess // one more than an index can have
)

// field is a top-level name.
type field struct {
	raw  string // as written, without its quotes
	name string // as meant
	kind fieldKind
	// rest is what remains of the primary key's path behind this name.
	rest string
}

// fieldTable knows the top-level names of a payload. Documents of a payload
// mostly have the same names in the same order, so the one expected at each
// place is compared first, and hardly ever is one looked up.
type fieldTable struct {
	primaryKey string
	expected   []*field
	byRaw      map[string]*field
	names      map[string]struct{}
}

// maxExpected bounds the names kept by place.
const maxExpected = 4096

func newFieldTable(primaryKey string) *fieldTable {
	return &fieldTable{primaryKey: primaryKey, byRaw: make(map[string]*field), names: make(map[string]struct{})}
}

// at gives the field of the name written as raw, the n-th of its document.
func (t *fieldTable) at(n int, raw []byte) *field {
	if n < len(t.expected) && t.expected[n].raw == string(raw) {
		return t.expected[n]
	}
	f := t.byRaw[string(raw)]
	if f == nil {
		f = t.add(string(raw))
	}
	switch {
	case n < len(t.expected):
		t.expected[n] = f
	case n == len(t.expected) && n < maxExpected:
		t.expected = append(t.expected, f)
	}
	return f
}

func (t *fieldTable) add(raw string) *field {
	f := t.classify(raw)
	if f.kind == fieldBroken {
		return f
	}
	if _, known := t.names[f.name]; !known {
		if len(t.names) >= maxFields {
			if f.kind != fieldReserved {
				f.kind = fieldExcess
			}
			return f // not kept: a payload must not fill the memory with names
		}
		t.names[f.name] = struct{}{}
	}
	t.byRaw[raw] = f
	return f
}

func (t *fieldTable) classify(raw string) *field {
	f := &field{raw: raw, name: raw}
	if strings.IndexByte(raw, '\\') >= 0 {
		name, ok := unescape(nil, []byte(raw))
		if !ok {
			f.kind = fieldBroken
			return f
		}
		f.name = string(name)
	}
	switch {
	case strings.HasPrefix(f.name, hidden.Prefix):
		f.kind = fieldReserved
	case f.name == "_geo":
		f.kind = fieldGeo
	case f.name == "_vectors":
		f.kind = fieldVectors
	}
	if rest, ok := pathStep(t.primaryKey, f.name); ok && f.kind != fieldReserved {
		f.kind, f.rest = fieldKey, rest
	}
	return f
}

// pathStep says whether a field of the given name is on the path, and gives
// what remains of the path inside it. The dots of a path may be part of a name:
// "a.b.c" is found as a field of that name, as c in "a.b", as b.c in "a".
func pathStep(path, name string) (rest string, ok bool) {
	switch {
	case name == "" || !strings.HasPrefix(path, name):
		return "", false
	case len(path) == len(name):
		return "", true
	case path[len(name)] == '.':
		return path[len(name)+1:], true
	default:
		return "", false
	}
}

// unescape appends the text that a JSON string means to dst, given what stands
// between its quotes. It fails for an escape that is half a character, as the
// only thing the scanner lets through that is no text.
func unescape(dst, raw []byte) ([]byte, bool) {
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 {
			return append(dst, raw...), true
		}
		dst = append(dst, raw[:at]...)
		raw = raw[at+1:]
		var ok bool
		if dst, raw, ok = unescapeOne(dst, raw); !ok {
			return dst, false
		}
	}
}
