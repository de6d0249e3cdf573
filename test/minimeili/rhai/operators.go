package rhai

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

type unaryExpr struct {
	op string
	of expr
	at place
}

func (e *unaryExpr) eval(m *machine, s *scope) (any, error) {
	v, err := e.of.eval(m, s)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case bool:
		if e.op == "!" {
			return !v, nil
		}
	case int64:
		if e.op == "-" {
			return -v, nil
		} else if e.op == "+" {
			return v, nil
		}
	case float64:
		if e.op == "-" {
			return -v, nil
		} else if e.op == "+" {
			return v, nil
		}
	}
	return nil, e.at.fail("Function not found: %s (%s)", e.op, typeName(v))
}

type binaryExpr struct {
	op          string
	left, right expr
	at          place
}

func (e *binaryExpr) eval(m *machine, s *scope) (any, error) {
	if err := m.tick(); err != nil {
		return nil, err
	}
	l, err := e.left.eval(m, s)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "&&", "||":
		if b, ok := l.(bool); ok && b == (e.op == "||") {
			return b, nil
		}
	case "??":
		if l != nil {
			return l, nil
		}
		return e.right.eval(m, s)
	}
	r, err := e.right.eval(m, s)
	if err != nil {
		return nil, err
	}
	return binary(e.op, l, r, e.at)
}

func binary(op string, l, r any, at place) (any, error) {
	switch op {
	case "==":
		return equal(l, r), nil
	case "!=":
		return !equal(l, r), nil
	case "in":
		return contains(r, l), nil
	}
	if v, ok, err := integers(op, l, r); ok || err != nil {
		return v, err
	}
	if v, ok := floats(op, l, r); ok {
		return v, nil
	}
	if v, ok := others(op, l, r); ok {
		return v, nil
	}
	return nil, at.fail("Function not found: %s (%s, %s)", op, argumentName(l), argumentName(r))
}

func integers(op string, l, r any) (any, bool, error) {
	a, okA := l.(int64)
	b, okB := r.(int64)
	if !okA || !okB {
		return nil, false, nil
	}
	switch op {
	case "+":
		if v := a + b; (v > a) == (b > 0) {
			return v, true, nil
		}
		return nil, false, fmt.Errorf("Addition overflow: %d + %d", a, b)
	case "-":
		if v := a - b; (v < a) == (b > 0) {
			return v, true, nil
		}
		return nil, false, fmt.Errorf("Subtraction overflow: %d - %d", a, b)
	case "*":
		if v := a * b; a == 0 || v/a == b {
			return v, true, nil
		}
		return nil, false, fmt.Errorf("Multiplication overflow: %d * %d", a, b)
	case "<<":
		return a << uint64(b), true, nil
	case ">>":
		return a >> uint64(b), true, nil
	case "/", "%":
		if b == 0 {
			return nil, false, fmt.Errorf("Division by zero: %d %s %d", a, op, b)
		}
		if op == "/" {
			return a / b, true, nil
		}
		return a % b, true, nil
	case "**":
		v := int64(1)
		for range b {
			v *= a
		}
		return v, true, nil
	case "..", "..=":
		if op == "..=" {
			b++
		}
		items := &array{}
		for i := a; i < b && len(items.items) < maxOperations; i++ {
			items.items = append(items.items, i)
		}
		return items, true, nil
	case "&":
		return a & b, true, nil
	case "|":
		return a | b, true, nil
	case "^":
		return a ^ b, true, nil
	}
	v, ok := compared(op, cmp.Compare(a, b))
	return v, ok, nil
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func floats(op string, l, r any) (any, bool) {
	a, okA := asFloat(l)
	b, okB := asFloat(r)
	if !okA || !okB {
		return nil, false
	}
	switch op {
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	case "/":
		return a / b, true
	case "%":
		return math.Mod(a, b), true
	case "**":
		return math.Pow(a, b), true
	}
	return compared(op, cmp.Compare(a, b))
}

func compared(op string, c int) (any, bool) {
	switch op {
	case "<":
		return c < 0, true
	case "<=":
		return c <= 0, true
	case ">":
		return c > 0, true
	case ">=":
		return c >= 0, true
	}
	return nil, false
}

// others are the operators of strings, arrays, object maps and truth values.
func others(op string, l, r any) (any, bool) {
	switch a := l.(type) {
	case bool:
		if b, ok := r.(bool); ok {
			switch op {
			case "&&", "&":
				return a && b, true
			case "||", "|":
				return a || b, true
			case "^":
				return a != b, true
			}
		}
	case *array:
		if op == "+" {
			if b, ok := r.(*array); ok {
				return &array{append(append([]any{}, a.items...), b.items...)}, true
			}
		}
	case *object:
		if b, ok := r.(*object); ok && op == "+" {
			merged := copyOf(a).(*object)
			for k, v := range b.fields {
				merged.fields[k] = v
			}
			return merged, true
		}
	case string:
		switch b := r.(type) {
		case string:
			if op == "-" {
				return strings.ReplaceAll(a, b, ""), true
			}
			if v, ok := compared(op, strings.Compare(a, b)); ok {
				return v, true
			}
		}
		if op == "+" {
			return a + text(r), true
		}
	}
	if b, ok := r.(string); ok && op == "+" {
		return text(l) + b, true
	}
	if _, ok := compared(op, 0); ok && typeName(l) != typeName(r) {
		return false, true // values of different types are never in order
	}
	return nil, false
}

func equal(l, r any) bool {
	if a, ok := asFloat(l); ok {
		b, ok := asFloat(r)
		return ok && a == b
	}
	switch a := l.(type) {
	case *array:
		b, ok := r.(*array)
		if !ok || len(a.items) != len(b.items) {
			return false
		}
		for i := range a.items {
			if !equal(a.items[i], b.items[i]) {
				return false
			}
		}
		return true
	case *object:
		b, ok := r.(*object)
		if !ok || len(a.fields) != len(b.fields) {
			return false
		}
		for k, v := range a.fields {
			if w, ok := b.fields[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	return l == r
}

func contains(in, v any) bool {
	switch in := in.(type) {
	case string:
		s, ok := v.(string)
		return ok && strings.Contains(in, s)
	case *array:
		for _, e := range in.items {
			if equal(e, v) {
				return true
			}
		}
	case *object:
		k, ok := v.(string)
		if ok {
			_, ok = in.fields[k]
		}
		return ok
	}
	return false
}
