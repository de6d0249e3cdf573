package engine

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// Values of JSON, keeping member order and the server's way of writing numbers:
// nil, bool, number, string, []any and *object.

type number struct {
	text string // as the server writes it
	f    float64
}

type member struct {
	key   string
	value any
}

type object struct{ members []member }

func (o *object) get(key string) (any, bool) {
	for i := range o.members {
		if o.members[i].key == key {
			return o.members[i].value, true
		}
	}
	return nil, false
}

// set replaces a member in place or appends it.
func (o *object) set(key string, v any) {
	for i := range o.members {
		if o.members[i].key == key {
			o.members[i].value = v
			return
		}
	}
	o.members = append(o.members, member{key, v})
}

func (o *object) remove(key string) {
	for i := range o.members {
		if o.members[i].key == key {
			o.members = append(o.members[:i], o.members[i+1:]...)
			return
		}
	}
}

// parseValue reads one JSON value.
func parseValue(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return readValue(d)
}

func readValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return readArray(d)
		}
		return readObject(d)
	case json.Number:
		return parseNumber(string(t)), nil
	}
	return t, nil
}

func readArray(d *json.Decoder) (any, error) {
	a := []any{}
	for d.More() {
		v, err := readValue(d)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	_, err := d.Token()
	return a, err
}

func readObject(d *json.Decoder) (any, error) {
	o := &object{}
	for d.More() {
		k, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := readValue(d)
		if err != nil {
			return nil, err
		}
		o.set(k.(string), v)
	}
	_, err := d.Token()
	return o, err
}

func parseNumber(s string) number {
	if !strings.ContainsAny(s, ".eE") && s != "-0" {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return number{s, float64(i)}
		}
		if u, err := strconv.ParseUint(s, 10, 64); err == nil {
			return number{s, float64(u)}
		}
	}
	f, ok := decode.ParseFloat(s)
	if !ok { // beyond what the server takes
		f, _ = strconv.ParseFloat(s, 64)
	}
	return number{formatFloat(f), f}
}

func floatNumber(f float64) number { return number{formatFloat(f), f} }

func intNumber(i int) number { return number{strconv.Itoa(i), float64(i)} }

// formatFloat writes a float as the server does in JSON: always with a fraction
// or an exponent.
func formatFloat(f float64) string { return formatFloatBits(f, 64) }

func formatFloatBits(f float64, bitSize int) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "null"
	}
	if f == 0 {
		if math.Signbit(f) {
			return "-0.0"
		}
		return "0.0"
	}
	e := strconv.FormatFloat(f, 'e', -1, bitSize)
	i := strings.IndexByte(e, 'e')
	exp, _ := strconv.Atoi(e[i+1:])
	low, high := -5, 16
	if bitSize == 32 {
		low, high = -6, 13
	}
	if exp < high && exp >= low {
		s := strconv.FormatFloat(f, 'f', -1, bitSize)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	sign := ""
	if exp > 0 {
		sign = "+"
	}
	return e[:i] + "e" + sign + strconv.Itoa(exp)
}

// displayFloat writes a float as the server does where it shows it as a plain
// text: without exponent and without a needless fraction.
func displayFloat(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func appendValue(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case number:
		return append(dst, v.text...)
	case string:
		return appendString(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case *object:
		dst = append(dst, '{')
		for i, m := range v.members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, m.key)
			dst = append(dst, ':')
			dst = appendValue(dst, m.value)
		}
		return append(dst, '}')
	case json.RawMessage:
		return append(dst, v...)
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// cloneValue copies a value deeply, so that formatting one hit cannot touch the document.
func cloneValue(v any) any {
	switch v := v.(type) {
	case []any:
		a := make([]any, len(v))
		for i, e := range v {
			a[i] = cloneValue(e)
		}
		return a
	case *object:
		o := &object{members: make([]member, len(v.members))}
		for i, m := range v.members {
			o.members[i] = member{m.key, cloneValue(m.value)}
		}
		return o
	}
	return v
}

// equalValue compares two values as the server compares a document with its
// update: member order does not count.
func equalValue(a, b any) bool {
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case *object:
		b, ok := b.(*object)
		if !ok || len(a.members) != len(b.members) {
			return false
		}
		for _, m := range a.members {
			v, ok := b.get(m.key)
			if !ok || !equalValue(m.value, v) {
				return false
			}
		}
		return true
	}
	return a == b
}
