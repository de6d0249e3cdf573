package rhai

import (
	"errors"
)

// maxOperations ends functions that do not end by themselves.
const maxOperations = 4_000_000

var errTooLong = errors.New("Too many operations")

// machine runs one function once.
type machine struct {
	functions  map[string]*closure
	operations int
	depth      int
}

func (m *machine) tick() error {
	if m.operations++; m.operations > maxOperations {
		return errTooLong
	}
	return nil
}

type variable struct{ value any }

// scope holds the variables of a block. Closures share those they were made in.
type scope struct {
	vars  map[string]*variable
	outer *scope
}

func newScope(outer *scope) *scope { return &scope{vars: map[string]*variable{}, outer: outer} }

func (s *scope) declare(name string, v any) { s.vars[name] = &variable{v} }

func (s *scope) find(name string) *variable {
	for ; s != nil; s = s.outer {
		if v := s.vars[name]; v != nil {
			return v
		}
	}
	return nil
}

// closure is a function: a named one, or one made on the spot.
type closure struct {
	params []string
	body   expr
	scope  *scope // nil: sees nothing but its parameters
}

// returned carries the value of a return up to the function it leaves.
type returned struct{ value any }

func (*returned) Error() string { return "return outside of a function" }

// left carries a break or a continue up to its loop.
type left struct {
	again bool
	value any
}

func (*left) Error() string { return "break outside of a loop" }

func (m *machine) run(b *block, s *scope) (any, error) {
	var last any
	for _, e := range b.statements {
		if err := m.tick(); err != nil {
			return nil, err
		}
		v, err := e.eval(m, s)
		if err != nil {
			return nil, err
		}
		last = v
	}
	if b.silent {
		return nil, nil
	}
	return last, nil
}

func (b *block) eval(m *machine, s *scope) (any, error) { return m.run(b, newScope(s)) }

func (m *machine) call(f *closure, args []any, at place) (any, error) {
	if len(args) != len(f.params) {
		return nil, at.fail("Function not found: the closure takes %d arguments, not %d", len(f.params), len(args))
	}
	if m.depth++; m.depth > 64 {
		return nil, at.fail("Stack overflow")
	}
	defer func() { m.depth-- }()
	inner := newScope(f.scope)
	for i, p := range f.params {
		inner.declare(p, copyOf(args[i]))
	}
	v, err := f.body.eval(m, inner)
	var r *returned
	if errors.As(err, &r) {
		return r.value, nil
	}
	return v, err
}

type constant struct{ value any }

func (e *constant) eval(*machine, *scope) (any, error) { return e.value, nil }

type nameExpr struct {
	name string
	at   place
}

func (e *nameExpr) eval(_ *machine, s *scope) (any, error) {
	v := s.find(e.name)
	if v == nil {
		return nil, e.at.fail("Variable not found: %s", e.name)
	}
	return v.value, nil
}

type letExpr struct {
	name  string
	value expr
}

func (e *letExpr) eval(m *machine, s *scope) (any, error) {
	var v any
	if e.value != nil {
		var err error
		if v, err = e.value.eval(m, s); err != nil {
			return nil, err
		}
	}
	s.declare(e.name, copyOf(v))
	return nil, nil
}

type templateExpr struct{ parts []expr }

func (e *templateExpr) eval(m *machine, s *scope) (any, error) {
	out := ""
	for _, p := range e.parts {
		v, err := p.eval(m, s)
		if err != nil {
			return nil, err
		}
		out += text(v)
	}
	return out, nil
}

type arrayExpr struct{ items []expr }

func (e *arrayExpr) eval(m *machine, s *scope) (any, error) {
	items, err := m.all(e.items, s)
	return &array{items}, err
}

func (m *machine) all(list []expr, s *scope) ([]any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		v, err := e.eval(m, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

type objectExpr struct {
	names  []string
	values []expr
}

func (e *objectExpr) eval(m *machine, s *scope) (any, error) {
	o := &object{fields: map[string]any{}}
	for i, n := range e.names {
		v, err := e.values[i].eval(m, s)
		if err != nil {
			return nil, err
		}
		o.fields[n] = copyOf(v)
	}
	return o, nil
}

type lambdaExpr struct {
	params []string
	body   expr
}

func (e *lambdaExpr) eval(_ *machine, s *scope) (any, error) {
	return &closure{e.params, e.body, s}, nil
}

type fieldExpr struct {
	of   expr
	name string
	safe bool
	at   place
}

func (e *fieldExpr) eval(m *machine, s *scope) (any, error) {
	of, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case *object:
		return of.fields[e.name], nil
	case nil:
		if e.safe {
			return nil, nil
		}
	case *array:
		if e.name == "len" {
			return int64(len(of.items)), nil
		}
	case string:
		if e.name == "len" {
			return int64(len([]rune(of))), nil
		}
	}
	return nil, e.at.fail("Unknown property '%s' - a getter is not registered for type '%s'", e.name, typeName(of))
}

type indexExpr struct {
	of, index expr
	at        place
}

func (e *indexExpr) eval(m *machine, s *scope) (any, error) {
	of, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	i, err := e.index.eval(m, s)
	if err != nil {
		return nil, err
	}
	switch of := of.(type) {
	case *object:
		if k, ok := i.(string); ok {
			return of.fields[k], nil
		}
	case *array:
		if n, ok := i.(int64); ok {
			at, err := e.bound(n, len(of.items))
			if err != nil {
				return nil, err
			}
			return of.items[at], nil
		}
	case string:
		if n, ok := i.(int64); ok {
			runes := []rune(of)
			at, err := e.bound(n, len(runes))
			if err != nil {
				return nil, err
			}
			return string(runes[at]), nil
		}
	}
	return nil, e.at.fail("Indexing type '%s' by '%s' is not possible", typeName(of), typeName(i))
}

func (e *indexExpr) bound(i int64, n int) (int, error) {
	at := int(i)
	if at < 0 {
		at += n
	}
	if at < 0 || at >= n {
		return 0, e.at.fail("Array index %d out of bounds: only %d elements in array", i, n)
	}
	return at, nil
}
