package document

import (
	"bytes"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// idByte says which bytes an id may have.
var idByte = func() (t [256]bool) {
	for c := range 256 {
		b := byte(c)
		t[c] = isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'z' || b == '-' || b == '_'
	}
	return t
}()

// maxID is the length of the longest id.
const maxID = 511

// identify gives the id of a document from what walk noted of it.
func (p *parser) identify(text []byte) ([]byte, *meili.Error) {
	var id []byte
	for _, h := range p.hits {
		found, failed := p.lookup(p.w.buf[h.start:h.end], h.field.rest)
		switch {
		case failed == errTwice:
			return nil, p.twice(text)
		case failed != nil:
			return nil, failed
		case found != nil && id != nil:
			return nil, p.twice(text)
		case found != nil:
			id = found
		}
	}
	if id == nil {
		return nil, meili.MissingDocumentID(p.batch.PrimaryKey, string(render(nil, text)))
	}
	return id, nil
}

// errTwice stands for a primary key found more than once; its message shows the document.
var errTwice = &meili.Error{}

func (p *parser) twice(text []byte) *meili.Error {
	return meili.NewError("invalid_document_id", "Document have too many matching `%s` attribute: `%s`.",
		p.batch.PrimaryKey, render(nil, text))
}

// lookup finds the id in a value, given the rest of the path to it. It gives
// nil where there is none.
func (p *parser) lookup(value []byte, rest string) ([]byte, *meili.Error) {
	if rest == "" {
		return p.checkID(value)
	}
	if value[0] != '{' {
		return nil, nil
	}
	var id []byte
	for m := (members{text: value, i: 1}); m.next(); {
		name, ok := string(m.name), true
		if strings.IndexByte(name, '\\') >= 0 {
			var text []byte
			text, ok = unescape(nil, m.name)
			name = string(text)
		}
		if !ok {
			continue
		}
		inner, on := pathStep(rest, name)
		if !on {
			continue
		}
		found, failed := p.lookup(m.value, inner)
		switch {
		case failed != nil:
			return nil, failed
		case found != nil && id != nil:
			return nil, errTwice
		case found != nil:
			id = found
		}
	}
	return id, nil
}

// checkID gives the id that a value is.
func (p *parser) checkID(value []byte) ([]byte, *meili.Error) {
	switch c := value[0]; {
	case c == '"':
		id := value[1 : len(value)-1]
		if bytes.IndexByte(id, '\\') >= 0 {
			var ok bool
			if p.id, ok = unescape(p.id[:0], id); !ok {
				return nil, meili.InvalidDocumentID(string(value))
			}
			id = p.id
		}
		if validID(id) {
			return id, nil
		}
	case isDigit(c) || c == '-':
		if integer(value) {
			return value, nil
		}
	}
	return nil, meili.InvalidDocumentID(string(render(nil, value)))
}

// ValidID says whether a text may be the id of a document.
func ValidID(id string) bool { return validID([]byte(id)) }

func validID(id []byte) bool {
	if len(id) == 0 || len(id) > maxID {
		return false
	}
	for _, c := range id {
		if !idByte[c] {
			return false
		}
	}
	return true
}

// integer says whether a number is an integer of 64 bits, with or without sign.
// Minus zero is none: the server reads it as a float.
func integer(number []byte) bool {
	limit := "18446744073709551615"
	digits := number
	if digits[0] == '-' {
		digits, limit = digits[1:], "9223372036854775808"
		if digits[0] == '0' {
			return false
		}
	}
	if len(digits) > len(limit) {
		return false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return false
		}
	}
	return len(digits) < len(limit) || string(digits) <= limit
}

// inferKey finds the primary key of an index from its first document: the one
// top-level name that ends with id.
func inferKey(document []byte) (string, *meili.Error) {
	seen := make(map[string]bool)
	var candidates []string
	for m := (members{text: document, i: 1}); m.next(); {
		text, _ := unescape(nil, m.name) // walk would have stopped at one that is no text
		name := string(text)
		if !seen[name] && strings.HasSuffix(strings.ToLower(name), "id") {
			candidates = append(candidates, name)
		}
		seen[name] = true
	}
	slices.Sort(candidates)
	switch len(candidates) {
	case 0:
		return "", meili.PrimaryKeyNoCandidate()
	case 1:
		return candidates[0], nil
	default:
		return "", meili.PrimaryKeyMultipleCandidates(len(candidates), candidates[0], candidates[1])
	}
}

// members goes over the members of an object that is known to be well formed.
type members struct {
	text  []byte
	i     int // behind the opening brace, or behind a value
	scan  scanner
	name  []byte // as written, without its quotes
	value []byte
	start int // where the name's opening quote is
}

// next goes to the next member and says whether there is one.
func (m *members) next() bool {
	m.i = skipSpace(m.text, m.i)
	if m.text[m.i] == ',' {
		m.i = skipSpace(m.text, m.i+1)
	}
	if m.text[m.i] != '"' {
		return false
	}
	m.start = m.i
	end := m.scan.str(m.text, m.i+1)
	m.name = m.text[m.i+1 : end-1]
	from := skipColon(m.text, end)
	m.i = m.scan.value(m.text, from)
	m.value = m.text[from:m.i]
	return true
}

// keyTwice says whether a top-level field that leads to the primary key occurs
// more than once in the current document.
func (p *parser) keyTwice() bool {
	for i, h := range p.hits {
		for _, other := range p.hits[:i] {
			if h.field.name == other.field.name {
				return true
			}
		}
	}
	return false
}

// onlyLast keeps the last value of each field that occurs more than once.
func (p *parser) onlyLast() {
	kept := p.hits[:0]
	for i, h := range p.hits {
		// There are no more names than the path has steps, so this ends soon.
		if !slices.ContainsFunc(p.hits[i+1:], func(later hit) bool { return later.field.name == h.field.name }) {
			kept = append(kept, h)
		}
	}
	p.hits = kept
}

// dedupe writes an object with each top-level name once: where it stood first,
// with its last value, as the server does with the documents of a JSON body. In
// NDJSON, which the nodes are sent, it would fail the task instead.
func dedupe(document []byte) []byte {
	type member struct{ name, value []byte }
	var all []member
	at := make(map[string]int)
	for m := (members{text: document, i: 1}); m.next(); {
		text, _ := unescape(nil, m.name) // walk would have stopped at one that is no text
		if i, ok := at[string(text)]; ok {
			all[i].value = m.value
			continue
		}
		at[string(text)] = len(all)
		all = append(all, member{m.name, m.value})
	}
	out := []byte{'{'}
	for i, m := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(append(out, '"'), m.name...), '"', ':'), m.value...)
	}
	return append(out, '}')
}
