package rhai

import (
	"errors"
	"fmt"
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

type assignExpr struct {
	target expr
	op     string
	value  expr
	at     place
}

func (e *assignExpr) eval(m *machine, s *scope) (any, error) {
	v, err := e.value.eval(m, s)
	if err != nil {
		return nil, err
	}
	if e.op != "" {
		old, err := e.target.eval(m, s)
		if err != nil {
			return nil, err
		}
		if e.op != "??" {
			v, err = binary(e.op, old, v, e.at)
		} else if old != nil {
			v = old
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, e.store(m, s, copyOf(v))
}

// root is the variable that an assignment changes a part of.
func root(e expr) string {
	for {
		switch t := e.(type) {
		case *fieldExpr:
			e = t.of
		case *indexExpr:
			e = t.of
		case *nameExpr:
			return t.name
		default:
			return ""
		}
	}
}

func (e *assignExpr) store(m *machine, s *scope, v any) error {
	if root(e.target) == "context" {
		return e.at.fail("Cannot modify constant context")
	}
	switch t := e.target.(type) {
	case *nameExpr:
		found := s.find(t.name)
		if found == nil {
			return t.at.fail("Variable not found: %s", t.name)
		}
		found.value = v
		return nil
	case *fieldExpr:
		of, err := t.of.eval(m, s)
		if err != nil {
			return err
		}
		o, ok := of.(*object)
		if !ok {
			return t.at.fail("No writable property '%s' - a setter is not registered for type '%s' to handle '%s'", t.name, typeName(of), typeName(v))
		}
		o.fields[t.name] = v
		return nil
	}
	t := e.target.(*indexExpr)
	of, err := t.of.eval(m, s)
	if err != nil {
		return err
	}
	i, err := t.index.eval(m, s)
	if err != nil {
		return err
	}
	switch of := of.(type) {
	case *object:
		if k, ok := i.(string); ok {
			of.fields[k] = v
			return nil
		}
	case *array:
		if n, ok := i.(int64); ok {
			at, err := t.bound(n, len(of.items))
			if err == nil {
				of.items[at] = v
			}
			return err
		}
	}
	return t.at.fail("Indexing type '%s' by '%s' is not possible", typeName(of), typeName(i))
}

type ifExpr struct {
	condition expr
	then      *block
	other     expr
}

func (e *ifExpr) eval(m *machine, s *scope) (any, error) {
	ok, err := m.truth(e.condition, s)
	switch {
	case err != nil:
		return nil, err
	case ok:
		return e.then.eval(m, s)
	case e.other != nil:
		return e.other.eval(m, s)
	}
	return nil, nil
}

func (m *machine) truth(e expr, s *scope) (bool, error) {
	v, err := e.eval(m, s)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("Data type incorrect: %s (expecting bool)", typeName(v))
	}
	return b, nil
}

type choice struct {
	values    []expr
	any       bool
	condition expr
	body      expr
}

type switchExpr struct {
	value   expr
	choices []choice
}

func (e *switchExpr) eval(m *machine, s *scope) (any, error) {
	v, err := e.value.eval(m, s)
	if err != nil {
		return nil, err
	}
	for _, c := range e.choices {
		match := c.any
		for _, o := range c.values {
			other, err := o.eval(m, s)
			if err != nil {
				return nil, err
			}
			match = match || equal(v, other)
		}
		if match && c.condition != nil {
			if match, err = m.truth(c.condition, s); err != nil {
				return nil, err
			}
		}
		if match {
			return c.body.eval(m, s)
		}
	}
	return nil, nil
}

// loopExpr is loop, while and do.
type loopExpr struct {
	condition    expr
	body         *block
	after, until bool // the condition is looked at after the body; it ends the loop
}

func (e *loopExpr) eval(m *machine, s *scope) (any, error) {
	for first := true; ; first = false {
		if e.condition != nil && (!e.after || !first) {
			ok, err := m.truth(e.condition, s)
			if err != nil || ok == e.until {
				return nil, err
			}
		}
		over, v, err := m.round(e.body, newScope(s))
		if over || err != nil {
			return v, err
		}
	}
}

// round runs the body of a loop once. over tells that it was left for good.
func (m *machine) round(body *block, s *scope) (over bool, v any, err error) {
	if err := m.tick(); err != nil {
		return true, nil, err
	}
	_, err = m.run(body, s)
	var l *left
	if errors.As(err, &l) {
		return !l.again, l.value, nil
	}
	return false, nil, err
}

type forExpr struct {
	name, counter string
	over          expr
	body          *block
	at            place
}

func (e *forExpr) eval(m *machine, s *scope) (any, error) {
	over, err := e.over.eval(m, s)
	if err != nil {
		return nil, err
	}
	var items []any
	switch over := over.(type) {
	case *array:
		items = append(items, over.items...)
	case string:
		for _, r := range over {
			items = append(items, string(r))
		}
	default:
		return nil, e.at.fail("For loop expects iterable type, not '%s'", typeName(over))
	}
	for i, item := range items {
		inner := newScope(s)
		inner.declare(e.name, copyOf(item))
		if e.counter != "" {
			inner.declare(e.counter, int64(i))
		}
		done, v, err := m.round(e.body, inner)
		if done || err != nil {
			return v, err
		}
	}
	return nil, nil
}

type leaveExpr struct {
	how   string
	value expr
	at    place
}

func (e *leaveExpr) eval(m *machine, s *scope) (any, error) {
	var v any
	if e.value != nil {
		var err error
		if v, err = e.value.eval(m, s); err != nil {
			return nil, err
		}
	}
	switch e.how {
	case "return":
		return nil, &returned{v}
	case "throw":
		return nil, e.at.fail("Runtime error: %s", text(v))
	}
	return nil, &left{e.how == "continue", v}
}
