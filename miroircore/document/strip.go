package document

import (
	"bytes"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// Strip appends a document to dst without its top-level fields that are
// Miroir's. The other bytes stay as they are. The document has to be a
// well-formed object; one that is not is appended as it is.
func Strip(dst, doc []byte) []byte {
	if !bytes.Contains(doc, []byte(hidden.Prefix)) {
		return append(dst, doc...)
	}
	var s scanner
	i := skipSpace(doc, 0)
	if i == len(doc) || doc[i] != '{' || s.value(doc, i) < 0 {
		return append(dst, doc...)
	}
	i++
	dst = append(dst, doc[:i]...)
	kept := 0
	for m := (members{text: doc, i: i}); ; {
		from := m.i
		if !m.next() {
			return append(dst, doc[from:]...)
		}
		if bytes.HasPrefix(m.name, []byte(hidden.Prefix)) {
			continue
		}
		// The comma that stood before this field goes if all before it went.
		if kept++; kept == 1 {
			from = m.start
		}
		dst = append(dst, doc[from:m.i]...)
	}
}
