package decode

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Query is the root of a query string: an object whose members are strings. Of
// a parameter sent twice the later value counts.
func Query(rawQuery string) In {
	v := &Value{Kind: Object}
	var index map[string]int
	for rawQuery != "" {
		var part string
		part, rawQuery, _ = strings.Cut(rawQuery, "&")
		if part == "" {
			continue
		}
		name, text, _ := strings.Cut(part, "=")
		name, text = unescape(name), unescape(text)
		at := place(v, name, &index)
		if at == len(v.Members) {
			v.Members = append(v.Members, Member{Name: name})
		}
		v.Members[at].Value = StringValue(text)
	}
	return In{Value: v, Code: "bad_request", at: &location{}, query: true}
}

// unescape decodes a part of a query string; what is not an escape stays as it
// is, and bytes that are no UTF-8 become replacement characters.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return strings.ToValidUTF8(s, "\uFFFD")
	}
	if plain, err := url.QueryUnescape(s); err == nil {
		return strings.ToValidUTF8(plain, "\uFFFD")
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '+' {
			out = append(out, ' ')
			continue
		}
		if s[i] == '%' && i+2 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(c))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// ParamUint reads a parameter that is an integer from 0 to most.
func (in In) ParamUint(dst *uint64, most uint64) *meili.Error {
	// Rust's parser takes a plus sign, Go's for unsigned integers does not.
	n, err := strconv.ParseUint(strings.TrimPrefix(in.Value.Text, "+"), 10, 64)
	if err != nil || n > most || strings.HasPrefix(in.Value.Text, "++") {
		return in.Invalid("could not parse `" + in.Value.Text + "` as a positive integer")
	}
	*dst = n
	return nil
}

// ParamInt is ParamUint into an int.
func (in In) ParamInt(dst *int) *meili.Error {
	var n uint64
	if err := in.ParamUint(&n, 1<<64-1); err != nil {
		return err
	}
	*dst = int(min(n, 1<<63-1))
	return nil
}

// ParamBool reads a parameter that is true or false.
func (in In) ParamBool(dst *bool) *meili.Error {
	switch in.Value.Text {
	case "true":
		*dst = true
	case "false":
		*dst = false
	default:
		return in.Invalid("could not parse `" + in.Value.Text + "` as a boolean, expected either `true` or `false`")
	}
	return nil
}

// Split cuts a parameter at its commas; empty parts are left out. It is never nil.
func (in In) Split() []string {
	parts := []string{}
	for part := range strings.SplitSeq(in.Value.Text, ",") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// EachPart reads the parts of a parameter one after the other; a star among
// them makes star true. Messages number the parts when there are several.
func (in In) EachPart(read func(in In) *meili.Error) (star bool, err *meili.Error) {
	parts := in.Split()
	for i, part := range parts {
		if part == "*" {
			star = true
			continue
		}
		v := StringValue(part)
		elem := In{Value: &v, Code: in.Code, at: in.at, query: true}
		if len(parts) > 1 {
			elem = in.Elem(i, &v)
		}
		if err := read(elem); err != nil {
			return star, err
		}
	}
	return star, nil
}
