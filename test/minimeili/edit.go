package minimeili

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

// Functions that edit documents are Rhai in the real server. Here they are the
// few statements tests need: `doc.a.b = expression`, `doc.remove("a")` and
// `doc = ()`, one after the other; expressions have text, templates, numbers,
// true, false, (), doc and context with their fields, and + - * /.

type edition func(doc json.RawMessage) (json.RawMessage, error)

// compileEdit makes a function of its text.
func compileEdit(text string, context json.RawMessage) (edition, *meili.Error) {
	if len(context) == 0 {
		context = json.RawMessage("{}")
	}
	around, syntax := decode.Parse(context)
	if syntax != nil {
		return nil, meili.NewError("edit_documents_by_function_error", "%v", syntax)
	}
	// A run over an empty document finds what cannot be read at all.
	trial := &script{text: text, doc: decode.Value{Kind: decode.Object}, context: around, dry: true}
	if err := trial.run(); err != nil {
		return nil, meili.NewError("edit_documents_by_function_error", "%v", err)
	}
	return func(raw json.RawMessage) (json.RawMessage, error) {
		doc, syntax := decode.Parse(raw)
		if syntax != nil {
			return nil, syntax
		}
		s := &script{text: text, doc: doc, context: around}
		if err := s.run(); err != nil || s.doc.Kind == decode.Null {
			return nil, err
		}
		return s.doc.JSON(), nil
	}, nil
}

// script runs an edition over one document.
type script struct {
	text    string
	pos     int
	doc     decode.Value
	context decode.Value
	dry     bool // only the syntax counts
}

func (s *script) run() error {
	for {
		for s.eat(";") {
		}
		if s.space(); s.pos == len(s.text) {
			return nil
		}
		if err := s.statement(); err != nil {
			return err
		}
	}
}

func (s *script) space() {
	for s.pos < len(s.text) && unicode.IsSpace(rune(s.text[s.pos])) {
		s.pos++
	}
}

func (s *script) eat(token string) bool {
	s.space()
	if !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.pos += len(token)
	return true
}

func (s *script) fail(wanted string) error {
	return fmt.Errorf("syntax error at position %d: expected %s", s.pos+1, wanted)
}

func (s *script) name() string {
	s.space()
	start := s.pos
	for s.pos < len(s.text) && (s.text[s.pos] == '_' || unicode.IsLetter(rune(s.text[s.pos])) || unicode.IsDigit(rune(s.text[s.pos]))) {
		s.pos++
	}
	return s.text[start:s.pos]
}

func (s *script) statement() error {
	if s.name() != "doc" {
		return s.fail("doc")
	}
	var path []string
	for s.eat(".") {
		name := s.name()
		if name == "remove" && s.eat("(") {
			return s.remove(path)
		}
		path = append(path, name)
	}
	if !s.eat("=") {
		return s.fail("=")
	}
	v, err := s.sum()
	if err != nil {
		return err
	}
	if len(path) == 0 {
		s.doc = v
		return nil
	}
	s.doc.Members = assign(s.doc.Members, path, v)
	return nil
}

func assign(members []decode.Member, path []string, v decode.Value) []decode.Member {
	if len(path) == 1 {
		return setMember(members, path[0], v)
	}
	inner := decode.Value{Kind: decode.Object}
	for _, m := range members {
		if m.Name == path[0] && m.Value.Kind == decode.Object {
			inner = m.Value
		}
	}
	inner.Members = assign(inner.Members, path[1:], v)
	return setMember(members, path[0], inner)
}

func (s *script) remove(path []string) error {
	v, err := s.sum()
	if err != nil {
		return err
	}
	if len(path) > 0 || v.Kind != decode.String || !s.eat(")") {
		return s.fail("the name of a field to remove")
	}
	var kept []decode.Member
	for _, m := range s.doc.Members {
		if m.Name != v.Text {
			kept = append(kept, m)
		}
	}
	s.doc.Members = kept
	return nil
}

func (s *script) sum() (decode.Value, error) { return s.chain(s.product, "+", "-") }

func (s *script) product() (decode.Value, error) { return s.chain(s.operand, "*", "/") }

func (s *script) chain(next func() (decode.Value, error), operators ...string) (decode.Value, error) {
	left, err := next()
	for err == nil {
		found := ""
		for _, operator := range operators {
			if s.eat(operator) {
				found = operator
				break
			}
		}
		if found == "" {
			return left, nil
		}
		var right decode.Value
		if right, err = next(); err == nil {
			left, err = s.combine(found, left, right)
		}
	}
	return left, err
}

func (s *script) combine(operator string, a, b decode.Value) (decode.Value, error) {
	if s.dry {
		return a, nil
	}
	if operator == "+" && (a.Kind == decode.String || b.Kind == decode.String) {
		return decode.StringValue(plainText(a) + plainText(b)), nil
	}
	if !number(a) || !number(b) {
		return a, fmt.Errorf("function not found: %s (%s, %s)", operator, a.JSON(), b.JSON())
	}
	x, y := a.Float(), b.Float()
	result := map[string]float64{"+": x + y, "-": x - y, "*": x * y}[operator]
	if operator == "/" {
		result = x / y
	}
	if a.Kind != decode.Float && b.Kind != decode.Float {
		return scalar(strconv.FormatInt(int64(result), 10)), nil
	}
	return scalar(string(meili.AppendFloat(nil, result))), nil
}

func number(v decode.Value) bool {
	return v.Kind == decode.Integer || v.Kind == decode.Negative || v.Kind == decode.Float
}

func plainText(v decode.Value) string {
	if v.Kind == decode.String {
		return v.Text
	}
	return string(v.JSON())
}

func (s *script) operand() (decode.Value, error) {
	s.space()
	if s.eat("(") {
		if s.eat(")") {
			return decode.Value{Kind: decode.Null}, nil
		}
		v, err := s.sum()
		if err == nil && !s.eat(")") {
			err = s.fail(")")
		}
		return v, err
	}
	if s.eat("`") {
		return s.template()
	}
	if v, length, err := decode.Prefix([]byte(s.text[s.pos:])); err == nil && v.Kind != decode.Array && v.Kind != decode.Object {
		s.pos += length
		return v, nil
	}
	switch s.name() {
	case "doc":
		return s.field(s.doc)
	case "context":
		return s.field(s.context)
	}
	return decode.Value{}, s.fail("a value")
}

func (s *script) field(v decode.Value) (decode.Value, error) {
	for s.eat(".") {
		name := s.name()
		if name == "" {
			return v, s.fail("a field")
		}
		if inner := v.Get(name); inner != nil {
			v = *inner
		} else {
			v = decode.Value{Kind: decode.Null}
		}
	}
	return v, nil
}

// template reads up to the closing backtick, filling in what stands in ${}.
func (s *script) template() (decode.Value, error) {
	var b strings.Builder
	for s.pos < len(s.text) {
		switch {
		case s.text[s.pos] == '`':
			s.pos++
			return decode.StringValue(b.String()), nil
		case strings.HasPrefix(s.text[s.pos:], "${"):
			s.pos += 2
			v, err := s.sum()
			if err != nil {
				return v, err
			}
			if !s.eat("}") {
				return v, s.fail("}")
			}
			b.WriteString(plainText(v))
		default:
			b.WriteByte(s.text[s.pos])
			s.pos++
		}
	}
	return decode.Value{}, s.fail("`")
}
