package document

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// render appends a well-formed JSON text the way the server writes a value that
// it has read: without white space, numbers as it understood them, escapes only
// where needed, each name once.
func render(dst, text []byte) []byte { return renderDeep(dst, text, 0) }

func renderDeep(dst, text []byte, depth int) []byte {
	switch c := text[0]; {
	case depth > maxDepth: // the server does not read that deep
		return append(dst, text...)
	case c == '{':
		return renderObject(dst, text, depth)
	case c == '[':
		return renderList(dst, text, depth)
	case c == '"':
		return renderString(dst, text)
	case c == '-' || isDigit(c):
		return renderNumber(dst, text)
	default:
		return append(dst, text...)
	}
}

func renderObject(dst, text []byte, depth int) []byte {
	type member struct{ name, value []byte }
	var all []member
	at := make(map[string]int)
	for m := (members{text: text, i: 1}); m.next(); {
		name, _ := unescape(nil, m.name)
		if i, ok := at[string(name)]; ok {
			all[i].value = m.value
			continue
		}
		at[string(name)] = len(all)
		all = append(all, member{m.text[m.start : m.start+len(m.name)+2], m.value})
	}
	dst = append(dst, '{')
	for i, m := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(renderString(dst, m.name), ':')
		dst = renderDeep(dst, m.value, depth+1)
	}
	return append(dst, '}')
}

func renderList(dst, text []byte, depth int) []byte {
	var s scanner
	dst = append(dst, '[')
	for i, first := skipSpace(text, 1), true; text[i] != ']'; first = false {
		if !first {
			i = skipSpace(text, i+1) // the comma
			dst = append(dst, ',')
		}
		end := s.value(text, i)
		dst = renderDeep(dst, text[i:end], depth+1)
		i = skipSpace(text, end)
	}
	return append(dst, ']')
}

func renderString(dst, text []byte) []byte {
	plain, ok := unescape(nil, text[1:len(text)-1])
	if !ok || !utf8.Valid(plain) {
		return append(dst, text...)
	}
	return meili.AppendString(dst, string(plain))
}

func renderNumber(dst, text []byte) []byte {
	if integer(text) {
		return append(dst, text...)
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil && math.IsInf(f, 0) {
		return append(dst, text...)
	}
	return meili.AppendFloat(dst, f)
}

// scannedWell says whether a well-formed text is UTF-8.
func scannedWell(text []byte) bool { return utf8.Valid(text) }
