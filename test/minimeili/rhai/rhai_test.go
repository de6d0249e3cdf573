package rhai

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

const (
	sampleDoc     = `{"id":1,"title":"Shazam!","n":3,"f":2.5,"tags":["a","b","c"],"o":{"k":"v","deep":{"x":1}},"ok":true,"nul":null}`
	sampleContext = `{"t":"ctx","n":7,"list":["p","q"],"o":{"z":1.5}}`
)

// recorded is what a real server made of the sample with a function: a document
// (none when it was deleted), a refusal or a failure.
type recorded struct {
	Function, Refused, Error string
	Doc                      json.RawMessage
}

func load(t *testing.T) []recorded {
	t.Helper()
	f, err := os.Open("testdata/edits.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []recorded
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestFunctionsDoWhatTheServersDo(t *testing.T) {
	for _, r := range load(t) {
		if strings.HasPrefix(r.Error, "Document") { // judged by who stores the document
			continue
		}
		t.Run(r.Function, func(t *testing.T) { check(t, r) })
	}
}

func check(t *testing.T, r recorded) {
	p, err := Compile(r.Function)
	if (err != nil) != (r.Refused != "") {
		t.Fatalf("Compile: %v, want %q", err, r.Refused)
	}
	if err != nil {
		return
	}
	out, err := p.Run(json.RawMessage(sampleDoc), json.RawMessage(sampleContext))
	if (err != nil) != (r.Error != "") {
		t.Fatalf("Run: %s %v, want %q %s", out, err, r.Error, r.Doc)
	}
	if err == nil && !reflect.DeepEqual(value(t, out), value(t, r.Doc)) {
		t.Errorf("got  %s\nwant %s", out, r.Doc)
	}
}

func value(t *testing.T, raw json.RawMessage) any {
	t.Helper()
	if raw == nil {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
