package recordings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// value is a JSON value that remembers the order of its fields and the text of
// its numbers, since both are part of what is compared.
type value struct {
	kind   byte // '{' object, '[' array, 's' string, 'n' number, 'b' boolean, '0' null
	text   string
	names  []string
	values []*value
}

func parseValue(raw []byte) (*value, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	v, err := readValue(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON value")
	}
	return v, nil
}

func readValue(decoder *json.Decoder) (*value, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		return readContainer(decoder, byte(token))
	case string:
		return &value{kind: 's', text: token}, nil
	case json.Number:
		return &value{kind: 'n', text: token.String()}, nil
	case bool:
		return &value{kind: 'b', text: fmt.Sprint(token)}, nil
	default:
		return &value{kind: '0', text: "null"}, nil
	}
}

func readContainer(decoder *json.Decoder, kind byte) (*value, error) {
	v := &value{kind: kind}
	for decoder.More() {
		if kind == '{' {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			v.names = append(v.names, name.(string))
		}
		member, err := readValue(decoder)
		if err != nil {
			return nil, err
		}
		v.values = append(v.values, member)
	}
	_, err := decoder.Token() // the closing delimiter
	return v, err
}

func (v *value) String() string {
	switch v.kind {
	case 's':
		return quote(v.text)
	case '{', '[':
		parts := make([]string, len(v.values))
		for i, member := range v.values {
			parts[i] = member.String()
			if v.kind == '{' {
				parts[i] = quote(v.names[i]) + ":" + parts[i]
			}
		}
		return string(v.kind) + strings.Join(parts, ",") + string(v.kind+2) // '{'+2 is '}', '['+2 is ']'
	default:
		return v.text
	}
}

func quote(s string) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil { // a string always marshals
		panic(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// volatile lists the values of strings that differ from run to run.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$`), "<date>"},
	{regexp.MustCompile(`^P(\d+D)?T[\d.]+S$`), "<duration>"},
	{regexp.MustCompile(`^\d{8}-\d{9}$`), "<dump>"},
	{regexp.MustCompile("and we're now `\\d+`"), "and we're now `<seconds>`"},
}

// volatileFields lists the fields whose value differs from run to run whatever
// it is.
var volatileFields = map[string]string{
	"requestUid":        "<uuid>",
	"queryUid":          "<uuid>",
	"processingTimeMs":  "<ms>",
	"databaseSize":      "<size>",
	"usedDatabaseSize":  "<size>",
	"rawDocumentDbSize": "<size>",
	"avgDocumentSize":   "<size>",
	"commitSha":         "<version>",
	"commitDate":        "<version>",
	"pkgVersion":        "<version>",
}

// normalise replaces what differs from run to run by a placeholder.
func (v *value) normalise() {
	if v.kind == 's' {
		for _, rule := range volatile {
			v.text = rule.pattern.ReplaceAllString(v.text, rule.with)
		}
	}
	for i, member := range v.values {
		if v.kind == '{' {
			if with, found := volatileFields[v.names[i]]; found && member.kind != '{' && member.kind != '[' {
				v.values[i] = &value{kind: 's', text: with}
				continue
			}
		}
		member.normalise()
	}
}
