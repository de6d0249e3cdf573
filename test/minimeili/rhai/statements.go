package rhai

import (
	"errors"
	"fmt"
)

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
