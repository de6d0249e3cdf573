package settings_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// TestServersChanges makes the changes that were made on a real server, with the
// features on that add settings, and expects the same details and settings.
func TestServersChanges(t *testing.T) {
	var f meili.Features
	for _, name := range []string{"chatCompletions", "foreignKeys", "compositeEmbedders", "multimodal"} {
		f.Set(name, true)
	}
	file, err := os.Open("testdata/changes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	now, want := settings.Default(), make(map[string]json.RawMessage)
	for lines.Scan() {
		var line struct {
			Patch, Details json.RawMessage
			Error          string
			Changed        map[string]json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		p, refused := settings.Parse(line.Patch)
		if refused == nil {
			refused = p.Check(f)
		}
		if refused != nil {
			t.Fatalf("%s: %s", line.Patch, refused.Message)
		}
		if !same(p.Details(), line.Details) {
			t.Errorf("%s: details\n got %s\nwant %s", line.Patch, p.Details(), line.Details)
		}
		next, failed := p.Apply(now)
		if failed != nil {
			if failed.Message != line.Error {
				t.Errorf("%s: fails with %q, want %q", line.Patch, failed.Message, line.Error)
			}
			next = now
		} else if line.Error != "" {
			t.Errorf("%s: does not fail, want %q", line.Patch, line.Error)
		}
		now = next
		for key, value := range line.Changed {
			want[key] = value
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(now.JSON(f), &got); err != nil {
			t.Fatal(err)
		}
		for key := range want {
			if !same(got[key], want[key]) {
				t.Errorf("%s: %s\n got %s\nwant %s", line.Patch, key, got[key], want[key])
			}
		}
		again, err := settings.FromRaw(now.Raw())
		if err != nil || !again.Equal(now) {
			t.Errorf("%s: %s reads back as %s, %v", line.Patch, now.Raw(), again.Raw(), err)
		}
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
}

// same compares but for spaces.
func same(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && x.String() == y.String()
}
