package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in a Caddyfile is refused, or adapts to what the app reads
// back strictly and to the same again.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "adapt", "*.caddytest"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		config, _, _ := strings.Cut(string(content), dashes)
		f.Add(config)
	}
	f.Fuzz(func(t *testing.T, config string) {
		if strings.Contains(config, "import") { // reads files of this machine
			return
		}
		adapted, _, err := adapt(config)
		if err != nil {
			return
		}
		var got struct {
			Apps struct{ Miroir json.RawMessage }
		}
		if err := json.Unmarshal(adapted, &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Apps.Miroir) == 0 {
			return
		}
		app := new(App)
		decoder := json.NewDecoder(bytes.NewReader(got.Apps.Miroir))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(app); err != nil {
			t.Fatalf("%s\nadapts to what cannot be read: %v", config, err)
		}
		if len(app.Groups) == 0 || app.MasterKey == "" || len(app.NodeKeys) == 0 || app.Replication > smallestGroup(app.Groups) {
			t.Fatalf("%s\nis not refused: %+v", config, app)
		}
		again, err := json.Marshal(app)
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, got.Apps.Miroir); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, compact.Bytes()) {
			t.Fatalf("reads back as %s, was %s", again, compact.Bytes())
		}
	})
}
