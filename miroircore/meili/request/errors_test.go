package request_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// TestServersErrors holds refusals to what a real server said to a thousand bad
// requests, on an index with the settings below and one document that has all
// attributes the filters name.
func TestServersErrors(t *testing.T) {
	p, err := settings.Parse([]byte(`{"filterableAttributes":["a","b",
		{"attributePatterns":["eq*"],"features":{"filter":{"equality":true,"comparison":false}}},
		{"attributePatterns":["cm*"],"features":{"filter":{"equality":false,"comparison":true}}},"_geo"],
		"sortableAttributes":["p","_geo"]}`))
	if err != nil {
		t.Fatal(err)
	}
	ix, err := p.Apply(settings.Default())
	if err != nil {
		t.Fatal(err)
	}
	file, fail := os.Open("testdata/errors.jsonl")
	if fail != nil {
		t.Fatal(fail)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Method, Path, Body, Code, Message string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		v := &server{settings: map[string]*settings.Settings{"m": ix}}
		var s step
		s.Request.Method, s.Request.Path = line.Method, line.Path
		s.Request.Headers = map[string]string{"Content-Type": "application/json"}
		s.Request.Body = meili.AppendString(nil, line.Body)
		got := v.handle(&s)
		if got == nil {
			t.Errorf("%s %s %s: not refused, want %q", line.Method, line.Path, line.Body, line.Message)
		} else if got.Message != line.Message || got.Code != line.Code {
			t.Errorf("%s %s %s:\n got %s %q\nwant %s %q", line.Method, line.Path, line.Body, got.Code, got.Message, line.Code, line.Message)
		}
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
}
