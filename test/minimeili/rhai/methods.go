package rhai

import (
	"math"
	"strconv"
	"strings"
)

func stringMethod(name, self string, args []any) (any, bool) {
	a, okA := stringArg(args, 0)
	switch name {
	case "len":
		return int64(len([]rune(self))), true
	case "to_upper":
		return strings.ToUpper(self), true
	case "to_lower":
		return strings.ToLower(self), true
	case "is_empty":
		return self == "", true
	case "to_string":
		return self, true
	case "parse_int":
		n, err := strconv.ParseInt(strings.TrimSpace(self), 10, 64)
		return n, err == nil
	case "parse_float":
		f, err := strconv.ParseFloat(strings.TrimSpace(self), 64)
		return f, err == nil
	case "contains":
		return strings.Contains(self, a), okA
	case "starts_with":
		return strings.HasPrefix(self, a), okA
	case "ends_with":
		return strings.HasSuffix(self, a), okA
	case "index_of":
		i := strings.Index(self, a)
		if i > 0 {
			i = len([]rune(self[:i]))
		}
		return int64(i), okA
	case "split":
		if len(args) == 0 {
			return stringArray(strings.Fields(self)), true
		}
		return stringArray(strings.Split(self, a)), okA
	case "sub_string":
		return subString(self, args)
	}
	return nil, false
}

func subString(self string, args []any) (any, bool) {
	runes := []rune(self)
	start, ok := intArg(args, 0)
	if start < 0 {
		start = max(0, start+len(runes))
	}
	start = min(start, len(runes))
	n := len(runes) - start
	if length, ok := intArg(args, 1); ok {
		n = min(n, max(0, length))
	}
	return string(runes[start : start+n]), ok
}

func objectMethod(name string, self *object, args []any) (any, bool) {
	key, ok := stringArg(args, 0)
	switch name {
	case "len":
		return int64(len(self.fields)), true
	case "is_empty":
		return len(self.fields) == 0, true
	case "keys":
		return stringArray(self.keys()), true
	case "values":
		a := &array{}
		for _, k := range self.keys() {
			a.items = append(a.items, copyOf(self.fields[k]))
		}
		return a, true
	case "contains":
		return contains(self, key), ok
	case "get":
		return self.fields[key], ok
	case "remove":
		v := self.fields[key]
		delete(self.fields, key)
		return v, ok
	case "clear":
		clear(self.fields)
		return nil, true
	case "set":
		if ok && len(args) == 2 {
			self.fields[key] = copyOf(args[1])
			return nil, true
		}
	case "mixin", "+=":
		if o, ok := args[0].(*object); ok {
			for k, v := range o.fields {
				self.fields[k] = copyOf(v)
			}
			return nil, true
		}
	}
	return nil, false
}

func numberMethod(name string, self any, args []any) (any, bool) {
	f, _ := asFloat(self)
	i, isInt := self.(int64)
	switch name {
	case "abs":
		if isInt {
			return max(i, -i), true
		}
		return math.Abs(f), true
	case "to_int":
		return int64(f), true
	case "to_float":
		return f, true
	case "floor", "ceiling", "round", "int":
		if isInt {
			return i, true
		}
		return map[string]func(float64) float64{"floor": math.Floor, "ceiling": math.Ceil, "round": math.Round, "int": math.Trunc}[name](f), true
	case "sqrt":
		return math.Sqrt(f), !isInt
	case "min", "max":
		if len(args) == 1 {
			less, err := binary("<", self, args[0], place{})
			if err == nil && (less == true) == (name == "min") {
				return self, true
			}
			return args[0], err == nil
		}
	case "is_odd":
		return i%2 != 0, isInt
	case "is_even":
		return i%2 == 0, isInt
	}
	return nil, false
}
