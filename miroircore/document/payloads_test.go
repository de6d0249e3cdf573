package document

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// payload is a body that a real server (v1.50.0) was sent, and what it said.
type payload struct {
	Index      string                     `json:"index"`
	Format     string                     `json:"format"`
	Body       string                     `json:"body"`
	Base64     []byte                     `json:"base64"`
	PrimaryKey string                     `json:"primaryKey"`
	Delimiter  string                     `json:"delimiter"`
	Settings   map[string]json.RawMessage `json:"settings"`

	Status    int                             `json:"status"`
	Error     *struct{ Message, Code string } `json:"error"`
	Received  int                             `json:"received"`
	Key       string                          `json:"key"`
	Documents []map[string]any                `json:"documents"`
}

func (p payload) bytes() []byte {
	if p.Base64 != nil {
		return p.Base64
	}
	return []byte(p.Body)
}

func (p payload) options(t testing.TB) Options {
	o := Options{PrimaryKey: p.PrimaryKey, Shards: 64, Spool: testSpool(t), Index: p.Index}
	o.Format = request.Format(slices.Index([]string{"json", "ndjson", "csv"}, p.Format))
	if p.Delimiter != "" {
		o.Delimiter = p.Delimiter[0]
	}
	for _, name := range []string{"filterableAttributes", "sortableAttributes"} {
		o.Geo = o.Geo || bytes.Contains(p.Settings[name], []byte(`"_geo"`))
	}
	if p.Settings["embedders"] != nil {
		o.Embedders = []string{"e"}
	}
	return o
}

func testSpool(t testing.TB) *Spool {
	t.Helper()
	s, err := NewSpool(t.TempDir(), 100_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func payloads(t testing.TB) []payload {
	t.Helper()
	file, err := os.Open("testdata/payloads.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []payload
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var p payload
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// inFile gives a body that lies in a file, as large ones do.
func inFile(t testing.TB, text []byte) *Body {
	t.Helper()
	b := &Body{dir: t.TempDir()}
	if _, err := b.Write(text); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPayloadsAreAnsweredAsByTheServer holds every body to the server's answer:
// what it refuses and with which words, what it accepts and fails, and what
// documents come out of the rest.
func TestPayloadsAreAnsweredAsByTheServer(t *testing.T) {
	for i, p := range payloads(t) {
		for _, where := range []string{"memory", "file"} {
			name := fmt.Sprintf("%d %s %s %.60q", i, where, p.Format, p.bytes())
			t.Run(name, func(t *testing.T) {
				body := BytesBody(p.bytes())
				if where == "file" {
					body = inFile(t, p.bytes())
				}
				batch, refused, failed := Scan(body, p.options(t))
				if batch != nil {
					defer batch.Close()
				}
				p.check(t, batch, refused, failed)
			})
		}
	}
}

func (p payload) check(t *testing.T, batch *Batch, refused, failed *meili.Error) {
	t.Helper()
	said := "accepted"
	got := refused
	if got == nil {
		got = failed
	}
	if got != nil {
		said = got.Code + ": " + got.Message
	}
	want := "accepted"
	if p.Error != nil {
		want = p.Error.Code + ": " + p.Error.Message
	}
	if said != want {
		t.Errorf("said %s\nwant %s", said, want)
		return
	}
	if (refused != nil) != (p.Status != 202) {
		t.Errorf("refused %v, want status %d", refused, p.Status)
	}
	if refused != nil {
		return
	}
	if batch.Count != p.Received {
		t.Errorf("%d documents, want %d", batch.Count, p.Received)
	}
	if failed == nil {
		p.compare(t, batch)
	}
}

// compare holds what the nodes are sent to what the server made of the body.
func (p payload) compare(t *testing.T, batch *Batch) {
	t.Helper()
	if batch.PrimaryKey != p.Key {
		t.Errorf("primary key %q, want %q", batch.PrimaryKey, p.Key)
	}
	text, err := io.ReadAll(batch.Reader(All, 7))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(text)) != batch.Size(All) {
		t.Errorf("%d bytes, announced %d", len(text), batch.Size(All))
	}
	got := make(map[string]map[string]any)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		if line == "" && batch.Count == 0 {
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			if strings.Contains(line, "e999") {
				return // no number of encoding/json
			}
			t.Fatalf("line %d %q: %v", i, line, err)
		}
		version, err := hidden.Value(doc[hidden.VersionField].(string))
		if err != nil || version != Version(7, i) {
			t.Errorf("line %d has version %v, %v", i, version, err)
		}
		delete(doc, hidden.VersionField)
		delete(doc, hidden.ShardField)
		got[fmt.Sprint(lookupTest(doc, p.Key))] = doc
	}
	want := make(map[string]map[string]any)
	for _, doc := range p.Documents {
		want[fmt.Sprint(lookupTest(doc, p.Key))] = doc
	}
	for _, docs := range []map[string]map[string]any{got, want} {
		for _, doc := range docs {
			delete(doc, "_vectors") // shown only where asked for
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("documents %v\nwant %v", got, want)
	}
}

func lookupTest(doc map[string]any, path string) any {
	if v, ok := doc[path]; ok {
		return v
	}
	return fmt.Sprint(doc)
}
