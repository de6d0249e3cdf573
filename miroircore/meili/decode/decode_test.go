package decode_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili/decode"
)

func TestSyntaxErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "EOF while parsing a value at line 1 column 0",
		"{":                      "EOF while parsing an object at line 1 column 1",
		"[1":                     "EOF while parsing a list at line 1 column 2",
		"[1,":                    "EOF while parsing a value at line 1 column 3",
		"[1,]":                   "trailing comma at line 1 column 4",
		`{"a":1,}`:               "trailing comma at line 1 column 8",
		`{"a" 1}`:                "expected `:` at line 1 column 6",
		"{a:1}":                  "key must be a string at line 1 column 2",
		"[1 2]":                  "expected `,` or `]` at line 1 column 4",
		"{} x":                   "trailing characters at line 1 column 4",
		"nul":                    "EOF while parsing a value at line 1 column 3",
		"nulx":                   "expected ident at line 1 column 4",
		"01":                     "invalid number at line 1 column 2",
		"1.":                     "EOF while parsing a value at line 1 column 2",
		"1.x":                    "invalid number at line 1 column 3",
		"1e400":                  "number out of range at line 1 column 5",
		"\"a\nb\"":               "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
		`"\ud800"`:               "unexpected end of hex escape at line 1 column 8",
		`"\udc00"`:               "lone leading surrogate in hex escape at line 1 column 7",
		`"\x"`:                   "invalid escape at line 1 column 3",
		"\"\xff\"":               "invalid unicode code point at line 1 column 3",
		"{\n\n \"a\"":            "EOF while parsing an object at line 3 column 4",
		strings.Repeat("[", 128): "recursion limit exceeded at line 1 column 128",
	} {
		if _, err := decode.Parse([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		` {"b":1,"a":[1.50,-2,true,null],"b":"x"} `: `{"b":"x","a":[1.5,-2,true,null]}`,
		"18446744073709551615":                      "18446744073709551615",
		"18446744073709551616":                      "1.8446744073709552e+19",
		"-9223372036854775808":                      "-9223372036854775808",
		"-9223372036854775809":                      "-9.223372036854776e+18",
		"-0":                                        "-0.0",
		"1E2":                                       "100.0",
		"1e-400":                                    "0.0",
		`"\u00e9\ud83d\ude00\/"`:                    `"é😀/"`,
	} {
		v, err := decode.Parse([]byte(text))
		if err != nil || string(v.JSON()) != want {
			t.Errorf("%s: got %s, %v, want %s", text, v.JSON(), err, want)
		}
	}
}

func TestManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteByte('{')
	for i := range 5000 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k` + strings.Repeat("x", i%70) + `":` + "1")
	}
	b.WriteByte('}')
	v, err := decode.Parse([]byte(b.String()))
	if err != nil || len(v.Members) != 70 {
		t.Errorf("got %d members, %v", len(v.Members), err)
	}
}

func TestQuery(t *testing.T) {
	in := decode.Query("a=1&b=x+y%41&a=2&&c&%zz=%")
	if got, want := string(in.Value.JSON()), `{"a":"2","b":"x yA","c":"","%zz":"%"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDebug(t *testing.T) {
	if got := decode.Debug("a\"\\\n'é\u0301\u200b"); got != `"a\"\\\n'é`+"\u0301"+`\u{200b}"` {
		t.Errorf("got %s", got)
	}
}

// longNumber finds numbers that may be read as a neighbour of the nearest
// double, as the server reads them, and so may change when they are read again.
var longNumber = regexp.MustCompile(`[0-9.]{16}|[0-9][eE]`)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u0041"]}`, "[[]]", `"\ud83d\ude00"`, "-1e-5", "{\"a\":1,\"a\":2}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decode.Parse(text)
		if err != nil {
			return
		}
		written := v.JSON()
		if !json.Valid(text) || !json.Valid(written) {
			t.Fatalf("%q is taken for JSON and written as %q", text, written)
		}
		again, err := decode.Parse(written)
		if err != nil || string(again.JSON()) != string(written) && !longNumber.Match(text) {
			t.Fatalf("%q: %q reads back as %q, %v", text, written, again.JSON(), err)
		}
	})
}
