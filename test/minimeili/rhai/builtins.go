package rhai

import (
	"slices"
	"sort"
	"strings"
)

// callExpr calls a function, or a method of a value.
type callExpr struct {
	name string
	self expr // nil: a function
	args []expr
	safe bool // a method of () gives ()
	at   place
}

func (e *callExpr) eval(m *machine, s *scope) (any, error) {
	if err := m.tick(); err != nil {
		return nil, err
	}
	args, err := m.all(e.args, s)
	if err != nil {
		return nil, err
	}
	if e.self != nil {
		self, err := e.self.eval(m, s)
		if err != nil {
			return nil, err
		}
		if self == nil && e.safe {
			return nil, nil
		}
		if o, ok := self.(*object); ok {
			if f, ok := o.fields[e.name].(*closure); ok {
				return m.call(f, args, e.at)
			}
		}
		if old, ok := self.(string); ok && e.changes(args) {
			return nil, e.change(m, s, old, args)
		}
		args = append([]any{self}, args...)
	} else if v := s.find(e.name); v != nil {
		if f, ok := v.value.(*closure); ok {
			return m.call(f, args, e.at)
		}
	}
	if f := m.functions[e.name]; f != nil && len(f.params) == len(args) {
		return m.call(f, args, e.at)
	}
	return e.builtin(m, args)
}

// changes tells whether the method changes the string it is called on.
func (e *callExpr) changes(args []any) bool {
	n, ok := map[string]int{"make_upper": 0, "make_lower": 0, "trim": 0, "replace": 2}[e.name]
	return ok && n == len(args)
}

func (e *callExpr) change(m *machine, s *scope, old string, args []any) error {
	switch e.name {
	case "make_upper":
		old = strings.ToUpper(old)
	case "make_lower":
		old = strings.ToLower(old)
	case "trim":
		old = strings.TrimSpace(old)
	case "replace":
		old = strings.ReplaceAll(old, text(args[0]), text(args[1]))
	}
	switch e.self.(type) {
	case *nameExpr, *fieldExpr, *indexExpr:
		return (&assignExpr{target: e.self, at: e.at}).store(m, s, old)
	}
	return nil // a value that nothing holds
}

func (e *callExpr) builtin(m *machine, args []any) (any, error) {
	if len(args) > 0 {
		switch self := args[0].(type) {
		case *closure:
			if e.name == "call" {
				return m.call(self, args[1:], e.at)
			}
		case string:
			if v, ok := stringMethod(e.name, self, args[1:]); ok {
				return v, nil
			}
		case *array:
			if v, ok, err := e.arrayMethod(m, self, args[1:]); ok || err != nil {
				return v, err
			}
		case *object:
			if v, ok := objectMethod(e.name, self, args[1:]); ok {
				return v, nil
			}
		case int64, float64:
			if v, ok := numberMethod(e.name, self, args[1:]); ok {
				return v, nil
			}
		}
		switch {
		case e.name == "type_of" && len(args) == 1:
			return typeName(args[0]), nil
		case (e.name == "to_string" || e.name == "to_debug") && len(args) == 1:
			if e.name == "to_debug" {
				return debug(args[0]), nil
			}
			return text(args[0]), nil
		case e.name == "print" || e.name == "debug":
			return nil, nil
		}
	}
	types := make([]string, len(args))
	for i, a := range args {
		types[i] = argumentName(a)
	}
	return nil, e.at.fail("Function not found: %s (%s)", e.name, strings.Join(types, ", "))
}

func stringArg(args []any, i int) (string, bool) {
	if i >= len(args) {
		return "", false
	}
	s, ok := args[i].(string)
	return s, ok
}

func intArg(args []any, i int) (int, bool) {
	if i >= len(args) {
		return 0, false
	}
	n, ok := args[i].(int64)
	return int(n), ok
}

func closureArg(args []any) (*closure, bool) {
	if len(args) == 0 {
		return nil, false
	}
	f, ok := args[0].(*closure)
	return f, ok
}

func stringArray(l []string) *array {
	a := &array{}
	for _, s := range l {
		a.items = append(a.items, s)
	}
	return a
}

func (e *callExpr) arrayMethod(m *machine, self *array, args []any) (any, bool, error) {
	switch e.name {
	case "len":
		return int64(len(self.items)), true, nil
	case "is_empty":
		return len(self.items) == 0, true, nil
	case "push":
		if len(args) == 1 {
			self.items = append(self.items, copyOf(args[0]))
			return nil, true, nil
		}
	case "pop", "shift":
		return self.take(e.name == "pop"), true, nil
	case "clear":
		self.items = nil
		return nil, true, nil
	case "reverse":
		for i, j := 0, len(self.items)-1; i < j; i, j = i+1, j-1 {
			self.items[i], self.items[j] = self.items[j], self.items[i]
		}
		return nil, true, nil
	case "sort":
		sort.SliceStable(self.items, func(i, j int) bool {
			v, err := binary("<", self.items[i], self.items[j], e.at)
			return err == nil && v == true
		})
		return nil, true, nil
	case "contains":
		return len(args) == 1 && contains(self, args[0]), true, nil
	case "index_of":
		for i, v := range self.items {
			if len(args) == 1 && equal(v, args[0]) {
				return int64(i), true, nil
			}
		}
		return int64(-1), true, nil
	case "remove":
		if i, ok := intArg(args, 0); ok && i >= 0 && i < len(self.items) {
			v := self.items[i]
			self.items = append(self.items[:i:i], self.items[i+1:]...)
			return v, true, nil
		}
		return nil, true, nil
	case "insert":
		if i, ok := intArg(args, 0); ok && len(args) == 2 {
			i = max(0, min(i, len(self.items)))
			self.items = slices.Insert(self.items, i, copyOf(args[1]))
			return nil, true, nil
		}
	case "truncate":
		if n, ok := intArg(args, 0); ok {
			self.items = self.items[:max(0, min(n, len(self.items)))]
			return nil, true, nil
		}
	case "reduce":
		if f, ok := closureArg(args); ok && len(args) == 2 {
			sum := args[1]
			for _, item := range self.items {
				var err error
				if sum, err = m.call(f, []any{sum, item}, e.at); err != nil {
					return nil, false, err
				}
			}
			return sum, true, nil
		}
	case "find":
		if f, ok := closureArg(args); ok {
			for _, item := range self.items {
				if v, err := m.call(f, []any{item}, e.at); err != nil || v == true {
					return item, true, err
				}
			}
			return nil, true, nil
		}
	case "map", "filter", "all", "some":
		if len(args) == 1 {
			if f, ok := args[0].(*closure); ok {
				return e.each(m, self, f)
			}
		}
	}
	return nil, false, nil
}

func (a *array) take(last bool) any {
	if len(a.items) == 0 {
		return nil
	}
	i := 0
	if last {
		i = len(a.items) - 1
	}
	v := a.items[i]
	a.items = append(a.items[:i:i], a.items[i+1:]...)
	return v
}

// each calls a function with every element.
func (e *callExpr) each(m *machine, self *array, f *closure) (any, bool, error) {
	out := &array{}
	found := e.name == "all"
	for _, item := range self.items {
		v, err := m.call(f, []any{item}, e.at)
		if err != nil {
			return nil, false, err
		}
		switch {
		case e.name == "map":
			out.items = append(out.items, v)
		case e.name == "filter" && v == true:
			out.items = append(out.items, copyOf(item))
		case e.name == "all":
			found = found && v == true
		case e.name == "some":
			found = found || v == true
		}
	}
	if e.name == "map" || e.name == "filter" {
		return out, true, nil
	}
	return found, true, nil
}
