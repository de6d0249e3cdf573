package settings

import (
	"math"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// A shape reads a value and gives its canonical form: sets and maps sorted,
// members of objects in the server's order, defaults that the server fills in.
type shape func(in decode.In) (decode.Value, *meili.Error)

// orNull lets null pass, which stands for the default.
func orNull(s shape) shape {
	return func(in decode.In) (decode.Value, *meili.Error) {
		if in.Null() {
			return decode.Value{}, nil
		}
		return s(in)
	}
}

func text(in decode.In) (decode.Value, *meili.Error) {
	var s string
	err := in.String(&s)
	return decode.StringValue(s), err
}

func boolean(in decode.In) (decode.Value, *meili.Error) {
	var b bool
	err := in.Bool(&b)
	return decode.BoolValue(b), err
}

func integer(most uint64) shape {
	return func(in decode.In) (decode.Value, *meili.Error) {
		var n uint64
		err := in.Uint(&n, most)
		return decode.UintValue(n), err
	}
}

var (
	size = integer(math.MaxUint64)
	byt  = integer(math.MaxUint8)
)

func nonZero(in decode.In) (decode.Value, *meili.Error) {
	var n uint64
	err := in.NonZero(&n, math.MaxUint64)
	return decode.UintValue(n), err
}

// anything keeps a value as it is.
func anything(in decode.In) (decode.Value, *meili.Error) { return *in.Value, nil }

func enum(names ...string) shape {
	return func(in decode.In) (decode.Value, *meili.Error) {
		var s string
		err := in.Enum(&s, names)
		return decode.StringValue(s), err
	}
}

func list(of shape) shape {
	return func(in decode.In) (decode.Value, *meili.Error) {
		v := decode.Value{Kind: decode.Array, Elems: make([]decode.Value, 0, len(in.Value.Elems))}
		err := in.Each(func(_ int, in decode.In) *meili.Error {
			elem, err := of(in)
			v.Elems = append(v.Elems, elem)
			return err
		})
		return v, err
	}
}

var texts = list(text)

// set is a list of strings of which neither order nor repetition matters.
func set(in decode.In) (decode.Value, *meili.Error) {
	v, err := texts(in)
	if err != nil {
		return v, err
	}
	slices.SortFunc(v.Elems, func(a, b decode.Value) int { return strings.Compare(a.Text, b.Text) })
	v.Elems = slices.CompactFunc(v.Elems, func(a, b decode.Value) bool { return a.Text == b.Text })
	return v, nil
}

// dictionary is an object with any names.
func dictionary(of shape) shape {
	return func(in decode.In) (decode.Value, *meili.Error) {
		v := decode.Value{Kind: decode.Object}
		err := in.EachMember(func(name string, in decode.In) *meili.Error {
			member, err := of(in)
			v.Members = append(v.Members, decode.Member{Name: name, Value: member})
			return err
		})
		slices.SortFunc(v.Members, func(a, b decode.Member) int { return strings.Compare(a.Name, b.Name) })
		return v, err
	}
}

// member is one member of a record.
type member struct {
	name  string
	of    shape
	usual *decode.Value // what the server fills in when it is not sent
	need  bool
	code  string // of its errors, when it has its own
}

// slots are the members of a record that was read, in the record's order.
type slots []*decode.Value

// record is an object with given names. Members that were not sent are left out,
// unless the server fills them in.
func record(members ...member) shape {
	fields := make([]decode.Field[slots], len(members))
	for i, m := range members {
		fields[i] = decode.Field[slots]{Name: m.name, Code: m.code, Read: func(s *slots, in decode.In) *meili.Error {
			v, err := m.of(in)
			(*s)[i] = &v
			return err
		}}
		if m.need {
			fields[i].Missing = "-"
		}
	}
	all := decode.NewFields(fields...)
	return func(in decode.In) (decode.Value, *meili.Error) {
		read := make(slots, len(members))
		v := decode.Value{Kind: decode.Object}
		if err := all.Read(&read, in); err != nil {
			return v, err
		}
		for i, m := range members {
			value := read[i]
			if value == nil {
				value = m.usual
			}
			if value != nil {
				v.Members = append(v.Members, decode.Member{Name: m.name, Value: *value})
			}
		}
		return v, nil
	}
}

// optional makes a member that may be null or lack.
func optional(name string, of shape) member { return member{name: name, of: orNull(of)} }

func valueOf(v decode.Value) *decode.Value { return &v }

// with gives a copy of an object in which the member of that name is v; null
// removes it. The new member goes where the order of names says.
func with(object decode.Value, name string, v decode.Value, order []string) decode.Value {
	members := slices.Clone(object.Members)
	at := slices.IndexFunc(members, func(m decode.Member) bool { return m.Name == name })
	switch {
	case v.Kind == decode.Null && at >= 0:
		members = slices.Delete(members, at, at+1)
	case v.Kind == decode.Null:
	case at >= 0:
		members[at].Value = v
	default:
		rank := slices.Index(order, name)
		at = 0
		for at < len(members) && slices.Index(order, members[at].Name) < rank {
			at++
		}
		members = slices.Insert(members, at, decode.Member{Name: name, Value: v})
	}
	object.Members = members
	return object
}
