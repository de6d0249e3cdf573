// Package rhai runs the part of the Rhai language that functions editing
// documents are written in: variables, arithmetic, strings and templates,
// arrays and object maps, conditions, loops, functions and closures.
package rhai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

var errNoObject = errors.New("Document editions must keep documents as objects")

// Program is a function that was read and can be run on many documents. It may
// be run by several goroutines at once.
type Program struct{ body *block }

// Compile reads a function's source.
func Compile(source string) (*Program, error) {
	tokens, err := scan(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, constants: map[string]bool{}}
	body, err := p.program()
	if err != nil {
		return nil, err
	}
	return &Program{body}, nil
}

// Run runs the function once. doc is what it calls doc, an object; context is
// what it calls context, anything or nothing. The result is what doc became,
// or nil when the function set it to ().
func (p *Program) Run(doc, context json.RawMessage) (json.RawMessage, error) {
	d, err := decode(doc)
	if err != nil {
		return nil, err
	}
	var c any
	if len(context) > 0 {
		if c, err = decode(context); err != nil {
			return nil, err
		}
	}
	global := newScope(nil)
	global.declare("doc", d)
	global.declare("context", c)
	m := &machine{functions: p.body.functions}
	if _, err := m.run(p.body, global); err != nil {
		var r *returned
		if !errors.As(err, &r) {
			return nil, fmt.Errorf("Document edition runtime error encountered while running the function: %w", err)
		}
	}
	out := global.vars["doc"].value
	if out == nil {
		return nil, nil
	}
	if _, ok := out.(*object); !ok {
		return nil, errNoObject
	}
	return appendJSON(nil, out), nil
}

// Values are nil, which is (), bool, int64, float64, string, *array, *object and *closure.

type array struct{ items []any }

type object struct{ fields map[string]any }

// keys gives the field names in order: object maps are sorted.
func (o *object) keys() []string {
	keys := make([]string, 0, len(o.fields))
	for k := range o.fields {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func decode(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return fromJSON(v), nil
}

func fromJSON(v any) any {
	switch v := v.(type) {
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return i
		}
		f, _ := v.Float64()
		return f
	case []any:
		a := &array{}
		for _, e := range v {
			a.items = append(a.items, fromJSON(e))
		}
		return a
	case map[string]any:
		o := &object{fields: map[string]any{}}
		for k, e := range v {
			o.fields[k] = fromJSON(e)
		}
		return o
	}
	return v
}

func appendJSON(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil, *closure:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return append(dst, "null"...)
		}
		if math.Abs(v) >= 1e16 {
			return strconv.AppendFloat(dst, v, 'e', -1, 64)
		}
		return append(dst, formatFloat(v)...)
	case string:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // a string always encodes
		return append(dst, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
	case *array:
		dst = append(dst, '[')
		for i, e := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e)
		}
		return append(dst, ']')
	case *object:
		dst = append(dst, '{')
		for i, k := range v.keys() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendJSON(dst, k), ':')
			dst = appendJSON(dst, v.fields[k])
		}
		return append(dst, '}')
	}
	return dst
}

// copyOf copies a value: assigning an array or an object map copies it.
func copyOf(v any) any {
	switch v := v.(type) {
	case *array:
		a := &array{items: make([]any, len(v.items))}
		for i, e := range v.items {
			a.items[i] = copyOf(e)
		}
		return a
	case *object:
		o := &object{fields: make(map[string]any, len(v.fields))}
		for k, e := range v.fields {
			o.fields[k] = copyOf(e)
		}
		return o
	}
	return v
}

func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.ContainsAny(s, ".IN") {
		s += ".0"
	}
	return s
}

// text is a value inside a template or joined to a string.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return formatFloat(v)
	case *array:
		parts := make([]string, len(v.items))
		for i, e := range v.items {
			parts[i] = debug(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *object:
		var parts []string
		for _, k := range v.keys() {
			parts = append(parts, strconv.Quote(k)+": "+debug(v.fields[k]))
		}
		return "#{" + strings.Join(parts, ", ") + "}"
	}
	return "Fn"
}

func debug(v any) string {
	switch v := v.(type) {
	case nil:
		return "()"
	case string:
		return strconv.Quote(v)
	}
	return text(v)
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "()"
	case bool:
		return "bool"
	case int64:
		return "i64"
	case float64:
		return "f64"
	case string:
		return "string"
	case *array:
		return "array"
	case *object:
		return "map"
	}
	return "Fn"
}

// argumentName is the name of a value's type among the arguments of a function.
func argumentName(v any) string {
	if _, ok := v.(string); ok {
		return "&str | ImmutableString | String"
	}
	return typeName(v)
}

// place is where in the source something stands.
type place struct{ line, column int }

func (p place) fail(format string, args ...any) error {
	return fmt.Errorf(format+" (line %d, position %d)", append(args, p.line, p.column)...)
}
