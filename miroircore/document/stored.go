package document

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

// ErrAnswer says that a node's answer is not a list of documents.
var ErrAnswer = errors.New("not a list of documents")

// Stored is a document as a node gives it. Its parts point into the node's answer.
type Stored struct {
	// Text is the document, with its hidden fields.
	Text []byte
	// ID is nil where the document has no id at the primary key.
	ID []byte
	// Version and Shard are the hidden fields; Whole says that both are there
	// and are what the gateway writes.
	Version uint64
	Shard   int
	Whole   bool
}

// Results calls fn with each document of a node's answer, in its order, and
// gives the total that the answer names. The Stored is used again.
func Results(answer []byte, primaryKey string, fn func(*Stored) error) (total int, err error) {
	var s scanner
	i := skipSpace(answer, 0)
	if i == len(answer) || answer[i] != '{' || s.value(answer, i) < 0 {
		return 0, ErrAnswer
	}
	stored := new(Stored)
	found := false
	for m := (members{text: answer, i: i + 1}); m.next(); {
		switch string(m.name) {
		case "results":
			if m.value[0] != '[' {
				return 0, ErrAnswer
			}
			found = true
			each(m.value, func(_ int, item []byte) bool {
				if item[0] != '{' {
					err = ErrAnswer
				} else if err = stored.read(item, primaryKey); err == nil {
					err = fn(stored)
				}
				return err == nil
			})
		case "total":
			if total, err = natural(m.value); err != nil {
				return 0, err
			}
		}
		if err != nil {
			return 0, err
		}
	}
	if !found {
		return 0, ErrAnswer
	}
	return total, nil
}

func natural(number []byte) (int, error) {
	n := 0
	for _, c := range number {
		if !isDigit(c) || n > 1<<50 {
			return 0, ErrAnswer
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}

// read finds the parts of a document that is well formed.
func (d *Stored) read(text []byte, primaryKey string) error {
	*d = Stored{Text: text}
	shard, version := false, false
	for m := (members{text: text, i: 1}); m.next(); {
		switch {
		case string(m.name) == primaryKey:
			d.ID = idOf(m.value)
		case bytes.HasPrefix(m.name, []byte(hidden.Prefix)):
			value, err := hidden.Value(string(bytes.Trim(m.value, `"`)))
			switch string(m.name) {
			case hidden.ShardField:
				d.Shard, shard = int(value), err == nil
			case hidden.VersionField:
				d.Version, version = value, err == nil && len(m.value) == hidden.VersionBytes+2
			}
		case d.ID == nil && strings.Contains(primaryKey, "."):
			if name, ok := unescape(nil, m.name); ok {
				if rest, on := pathStep(primaryKey, string(name)); on {
					d.ID = idAt(m.value, rest)
				}
			}
		}
	}
	d.Whole = shard && version
	if d.ID == nil {
		return fmt.Errorf("a document without an id at %q: %.200s", primaryKey, text)
	}
	return nil
}

// idAt follows the rest of a primary key's path into a value.
func idAt(value []byte, rest string) []byte {
	if rest == "" {
		return idOf(value)
	}
	if value[0] != '{' {
		return nil
	}
	for m := (members{text: value, i: 1}); m.next(); {
		name, ok := unescape(nil, m.name)
		if !ok {
			continue
		}
		if inner, on := pathStep(rest, string(name)); on {
			if id := idAt(m.value, inner); id != nil {
				return id
			}
		}
	}
	return nil
}

// idOf gives the text of an id: ids need no escapes, and a number is its digits.
func idOf(value []byte) []byte {
	switch c := value[0]; {
	case c == '"' && len(value) > 2:
		return value[1 : len(value)-1]
	case isDigit(c) || c == '-':
		return value
	}
	return nil
}

// Content is a hash of a document as nodes give it. It does not depend on the
// order of the fields, which each node has its own of, nor on embeddings that
// nodes make themselves, which need not be equal to the last digit.
func Content(text []byte) uint64 { return content(text, false) }

// ClientContent is a hash of a document as clients see it: as Content, without
// the hidden fields. So it is the same on a server of no fleet.
func ClientContent(text []byte) uint64 { return content(text, true) }

func content(text []byte, client bool) uint64 {
	var sum uint64
	var h xxh3.Hasher
	for m := (members{text: text, i: 1}); m.next(); {
		if client && bytes.HasPrefix(m.name, []byte(hidden.Prefix)) {
			continue
		}
		if string(m.name) == "_vectors" && m.value[0] == '{' {
			sum += vectorsContent(&h, m.value)
			continue
		}
		sum += fieldHash(&h, m.name, m.value)
	}
	return sum
}

func fieldHash(h *xxh3.Hasher, name, value []byte) uint64 {
	h.Reset()
	_, _ = h.Write(name) // a hash takes everything
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(value)
	return h.Sum64()
}

func vectorsContent(h *xxh3.Hasher, vectors []byte) uint64 {
	var sum uint64
	for m := (members{text: vectors, i: 1}); m.next(); {
		value := m.value
		if regenerates(value) {
			value = []byte("regenerate")
		}
		sum += 31 * fieldHash(h, m.name, value)
	}
	return sum
}

// regenerates says whether a node makes the embeddings of an entry of _vectors.
func regenerates(value []byte) bool {
	if value[0] != '{' {
		return false
	}
	for m := (members{text: value, i: 1}); m.next(); {
		if string(m.name) == "regenerate" {
			return m.value[0] == 't'
		}
	}
	return false
}

// AppendCopy appends a document as a node gives it in the words by which
// another node comes to hold the same: numbers spelled so that they are read
// back as they are, and embeddings given along, so that no embedder is called.
// Those of the named embedders are left out where nodes make them: what such
// embedders make is several vectors of a meaning each, and given along they
// would lose it.
func AppendCopy(dst, text []byte, remade []string) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for m := (members{text: text, i: 1}); m.next(); {
		mark := len(dst)
		if mark > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.name...), '"', ':')
		if string(m.name) != "_vectors" || m.value[0] != '{' {
			dst = appendRespelled(dst, m.value)
			continue
		}
		before := len(dst)
		if dst = appendVectors(dst, m.value, remade); len(dst) == before+2 {
			dst = dst[:mark] // the server shows an empty one where there is none
		}
	}
	return append(dst, '}')
}

func appendVectors(dst, vectors []byte, remade []string) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for m := (members{text: vectors, i: 1}); m.next(); {
		if regenerates(m.value) && named(m.name, remade) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), m.name...), '"', ':')
		dst = append(dst, m.value...) // 32-bit numbers survive any spelling
	}
	return append(dst, '}')
}

func named(raw []byte, names []string) bool {
	name, _ := unescape(nil, raw)
	for _, n := range names {
		if n == string(name) {
			return true
		}
	}
	return false
}
