// Package decode reads JSON and query strings as Meilisearch reads them and
// names what is wrong with them in its words: syntax errors with their line
// and column, and frames such as "Invalid value type at `.limit`: expected a
// positive integer, but found a string". The packages that know the fields of
// a request are built on it.
package decode

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Kind is the kind of a value. Numbers have three: which of them a number is
// decides what it may stand for.
type Kind uint8

// The kinds of values, in the order in which messages list them.
const (
	Null Kind = iota
	Bool
	Integer  // not negative, fits 64 bits
	Negative // negative, fits 64 bits
	Float
	String
	Array
	Object
)

// Member is one member of an object.
type Member struct {
	Name  string
	Value Value
}

// Value is a JSON value. An object keeps the order of its members; of two
// members of one name the later's value stands in the earlier's place.
type Value struct {
	Kind    Kind
	num     uint64 // a boolean, an integer, or a float's bits
	Text    string // of a string
	Elems   []Value
	Members []Member
}

// Bool gives a boolean's value.
func (v *Value) Bool() bool { return v.num != 0 }

// Uint gives the value of an Integer.
func (v *Value) Uint() uint64 { return v.num }

// Float gives the value of any number.
func (v *Value) Float() float64 {
	switch v.Kind {
	case Integer:
		return float64(v.num)
	case Negative:
		return float64(int64(v.num))
	}
	return math.Float64frombits(v.num)
}

// Get gives the member of that name, or nil.
func (v *Value) Get(name string) *Value {
	for i := range v.Members {
		if v.Members[i].Name == name {
			return &v.Members[i].Value
		}
	}
	return nil
}

// StringValue makes a string's value.
func StringValue(s string) Value { return Value{Kind: String, Text: s} }

// AppendJSON appends the value as the server writes it: without spaces, numbers
// in their shortest form.
func (v *Value) AppendJSON(dst []byte) []byte {
	switch v.Kind {
	case Null:
		return append(dst, "null"...)
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Integer:
		return strconv.AppendUint(dst, v.num, 10)
	case Negative:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case Float:
		return meili.AppendFloat(dst, v.Float())
	case String:
		return meili.AppendString(dst, v.Text)
	case Array:
		dst = append(dst, '[')
		for i := range v.Elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = v.Elems[i].AppendJSON(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i := range v.Members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = meili.AppendString(dst, v.Members[i].Name)
		dst = append(dst, ':')
		dst = v.Members[i].Value.AppendJSON(dst)
	}
	return append(dst, '}')
}

// JSON gives the value as the server writes it.
func (v *Value) JSON() json.RawMessage { return v.AppendJSON(nil) }

// BoolValue makes a boolean's value.
func BoolValue(b bool) Value {
	if b {
		return Value{Kind: Bool, num: 1}
	}
	return Value{Kind: Bool}
}

// UintValue makes an integer's value.
func UintValue(n uint64) Value { return Value{Kind: Integer, num: n} }

// FloatValue makes a float's value.
func FloatValue(f float64) Value { return Value{Kind: Float, num: math.Float64bits(f)} }

// ListValue makes the value of an array of strings.
func ListValue(list ...string) Value {
	v := Value{Kind: Array, Elems: make([]Value, len(list))}
	for i, s := range list {
		v.Elems[i] = StringValue(s)
	}
	return v
}

// List gives the strings of an array of strings; it is never nil.
func (v *Value) List() []string {
	list := make([]string, len(v.Elems))
	for i := range v.Elems {
		list[i] = v.Elems[i].Text
	}
	return list
}
