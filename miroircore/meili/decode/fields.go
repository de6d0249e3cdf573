package decode

import (
	"math"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Field is how one member of an object is read into a T.
type Field[T any] struct {
	Name    string
	Code    string // of its errors; empty takes the object's
	Missing string // the code when it lacks, "-" for the object's code; empty when it may lack
	Read    func(dst *T, in In) *meili.Error
}

// Fields are the members an object may have.
type Fields[T any] struct {
	list  []Field[T]
	names []string
	index map[string]int
	open  bool
	guard func(in In, name string, accepted []string) *meili.Error
}

// NewFields makes a Fields; messages list the names in the given order.
func NewFields[T any](list ...Field[T]) *Fields[T] {
	f := &Fields[T]{list: list, index: make(map[string]int, len(list))}
	for i, field := range list {
		f.names = append(f.names, field.Name)
		f.index[field.Name] = i
	}
	return f
}

// Open lets an object have other members too; they are skipped.
func (f *Fields[T]) Open() *Fields[T] {
	f.open = true
	return f
}

// Guard has refuse say what is wrong with a member of another name.
func (f *Fields[T]) Guard(refuse func(in In, name string, accepted []string) *meili.Error) *Fields[T] {
	f.guard = refuse
	return f
}

// Names lists the members' names.
func (f *Fields[T]) Names() []string { return f.names }

// Read reads an object into dst. Members are read in the order they were sent,
// and the first error ends it; what lacks is looked for last.
func (f *Fields[T]) Read(dst *T, in In) *meili.Error {
	if in.Value.Kind != Object {
		return in.WrongKind(Object)
	}
	var seen uint64
	at := &location{prev: in.at, isKey: true}
	for i := range in.Value.Members {
		member := &in.Value.Members[i]
		n, ok := f.index[member.Name]
		switch {
		case ok:
		case in.lax:
			continue
		case f.guard != nil:
			return f.guard(in, member.Name, f.names)
		case f.open:
			continue
		default:
			return in.UnknownField(member.Name, f.names)
		}
		field := &f.list[n]
		at.key = member.Name
		child := In{Value: &member.Value, Code: in.Code, at: at, query: in.query, lax: in.lax}
		if field.Code != "" {
			child.Code = field.Code
		}
		if err := field.Read(dst, child); err != nil {
			return err
		}
		seen |= 1 << n
	}
	for n := range f.list {
		field := &f.list[n]
		if field.Missing == "" || seen&(1<<n) != 0 {
			continue
		}
		if field.Missing != "-" {
			in.Code = field.Missing
		}
		return in.Missing(field.Name)
	}
	return nil
}

// Each reads an array's elements one after the other.
func (in In) Each(read func(i int, in In) *meili.Error) *meili.Error {
	if in.Value.Kind != Array {
		return in.WrongKind(Array)
	}
	at := &location{prev: in.at}
	for i := range in.Value.Elems {
		at.index = i
		if err := read(i, In{Value: &in.Value.Elems[i], Code: in.Code, at: at, query: in.query, lax: in.lax}); err != nil {
			return err
		}
	}
	return nil
}

// EachMember reads an object's members one after the other.
func (in In) EachMember(read func(name string, in In) *meili.Error) *meili.Error {
	if in.Value.Kind != Object {
		return in.WrongKind(Object)
	}
	at := &location{prev: in.at, isKey: true}
	for i := range in.Value.Members {
		member := &in.Value.Members[i]
		at.key = member.Name
		if err := read(member.Name, In{Value: &member.Value, Code: in.Code, at: at, query: in.query, lax: in.lax}); err != nil {
			return err
		}
	}
	return nil
}

// Elem is the i-th element of in, as messages locate it, holding v.
func (in In) Elem(i int, v *Value) In {
	return In{Value: v, Code: in.Code, at: &location{prev: in.at, index: i}, query: in.query, lax: in.lax}
}

// Member is the member name of in, as messages locate it, holding v.
func (in In) Member(name string, v *Value) In {
	return In{Value: v, Code: in.Code, at: &location{prev: in.at, key: name, isKey: true}, query: in.query, lax: in.lax}
}

// String reads a string.
func (in In) String(dst *string) *meili.Error {
	if in.Value.Kind != String {
		return in.WrongKind(String)
	}
	*dst = in.Value.Text
	return nil
}

// Bool reads a boolean.
func (in In) Bool(dst *bool) *meili.Error {
	if in.Value.Kind != Bool {
		return in.WrongKind(Bool)
	}
	*dst = in.Value.Bool()
	return nil
}

// Uint reads an integer from 0 to most.
func (in In) Uint(dst *uint64, most uint64) *meili.Error {
	if in.Value.Kind != Integer {
		return in.WrongKind(Integer)
	}
	if in.Value.num > most {
		return in.tooLarge(most)
	}
	*dst = in.Value.num
	return nil
}

// NonZero reads an integer from 1 to most.
func (in In) NonZero(dst *uint64, most uint64) *meili.Error {
	if in.Value.Kind == Integer && in.Value.num == 0 {
		return in.Invalid("a non-zero integer value lower than `" + strconv.FormatUint(most, 10) +
			"` was expected, but found a zero")
	}
	return in.Uint(dst, most)
}

func (in In) tooLarge(most uint64) *meili.Error {
	return in.Invalid("value: `" + strconv.FormatUint(in.Value.num, 10) +
		"` is too large to be deserialized, maximum value authorized is `" + strconv.FormatUint(most, 10) + "`")
}

// Int reads an unsigned integer into an int. The server's integers go higher;
// what no index can have is taken as the highest an int holds.
func (in In) Int(dst *int) *meili.Error {
	var n uint64
	if err := in.Uint(&n, math.MaxUint64); err != nil {
		return err
	}
	*dst = int(min(n, math.MaxInt))
	return nil
}

// Float reads a number of any kind.
func (in In) Float(dst *float64) *meili.Error {
	switch in.Value.Kind {
	case Integer, Negative, Float:
		*dst = in.Value.Float()
		return nil
	}
	return in.WrongKind(Float, Integer, Negative)
}

// Strings reads an array of strings; it is never nil then.
func (in In) Strings(dst *[]string) *meili.Error {
	if in.Value.Kind != Array {
		return in.WrongKind(Array)
	}
	*dst = make([]string, len(in.Value.Elems))
	return in.Each(func(i int, in In) *meili.Error { return in.String(&(*dst)[i]) })
}

// Enum reads one of the accepted strings.
func (in In) Enum(dst *string, accepted []string) *meili.Error {
	if in.Value.Kind != String {
		return in.WrongKind(String)
	}
	for _, name := range accepted {
		if name == in.Value.Text {
			*dst = name
			return nil
		}
	}
	return in.UnknownValue(accepted)
}

// Optional reads a value with read, unless it is null.
func Optional[T any](in In, dst **T, read func(*T) *meili.Error) *meili.Error {
	if in.Null() {
		*dst = nil
		return nil
	}
	v := new(T)
	if err := read(v); err != nil {
		return err
	}
	*dst = v
	return nil
}
