package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scanOf scans a JSON list whose key is id, in memory or in a file.
func scanOf(t testing.TB, text []byte, format request.Format, file bool) *Batch {
	t.Helper()
	body := BytesBody(text)
	if file {
		body = inFile(t, text)
	}
	batch, refused, failed := Scan(body, Options{Format: format, PrimaryKey: "id", Shards: 64, Spool: testSpool(t)})
	if refused != nil || failed != nil {
		t.Fatalf("refused %v, failed %v", refused, failed)
	}
	t.Cleanup(func() { _ = batch.Close() })
	return batch
}

// list writes n documents with ids from 0 as a JSON list.
func list(n, size int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteString(",\n ")
		}
		fmt.Fprintf(&b, `{"id": %d, "title": "Document number %d", "nested": {"a": [1, 2.50, {"b": null}], "ok": true}, "text": "%s"}`,
			i, i, strings.Repeat("lorem ipsum ", size))
	}
	b.WriteByte(']')
	return b.Bytes()
}

func TestScannerAcceptsWhatIsJSON(t *testing.T) {
	cases := []string{
		`{}`, ` {} `, `{"a":1}`, `{"a":[]}`, `{"a":[{}]}`, `{"a":[1,2,{"b":[null,true,false]}],"c":-1.5e+10}`, `{"a":"\u00e9\\\"\/"}`, `{"":0}`,
		`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":-}`, `{"a":+1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{a:1}`, `{"a":[1,]}`, `{"a":[,1]}`,
		`{"a":[1 2]}`, `{"a":"\x"}`, `{"a":"\u12"}`, "{\"a\":\"\n\"}", `{"a":nul}`, `{"a":truee}`, `{"a":1}}`, `{"a":[}]}`, `{"a":{]}`, `{"a":0x1}`, `{"a":1_0}`,
		`{"a":-0.0e-0}`, `{"a":[[[[]]]]}`, `{"a" : { "b" : [ ] } }`, `{"a":"` + strings.Repeat("x", 100) + `"}`, `{"a":"x`, `{"a":{"b":1,"b":2}}`, `{`, `{"`, `{"a`, "{\x00}",
	}
	for _, text := range cases {
		if got, want := wellFormed([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// wellFormed says whether text is one object by the scanner, and by the
// grammar, which have to agree.
func wellFormed(text []byte) bool {
	i := skipSpace(text, 0)
	if i == len(text) || text[i] != '{' {
		return false
	}
	var s scanner
	end := s.value(text, i)
	ok := end > 0 && skipSpace(text, end) == len(text)
	c := checker{text: text}
	f := c.skim()
	if told := f == nil && skipSpace(text, c.i) == len(text); told != ok {
		panic(fmt.Sprintf("the scanner says %v of %q, the grammar %v", ok, text, f))
	}
	p := parser{w: &window{buf: text, end: true}, fields: newFieldTable("id")}
	if walked := p.walk(i); walked >= 0 != (end >= 0) {
		panic(fmt.Sprintf("the scanner says %d of %q, the walk %d", end, text, walked))
	}
	return ok
}

func FuzzScanner(f *testing.F) {
	for _, p := range payloads(f) {
		f.Add(p.bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if i := skipSpace(text, 0); i == len(text) || text[i] != '{' {
			return
		}
		if len(text) > 5000 {
			return // encoding/json bounds the depth
		}
		// encoding/json does not look at the encoding.
		if got, want := wellFormed(text), json.Valid(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	})
}

// FuzzScan holds every format to this: whatever comes in, what goes out are as
// many valid documents as were counted, of the announced size.
func FuzzScan(f *testing.F) {
	for _, p := range payloads(f) {
		f.Add(p.bytes(), p.Format)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, format string) {
		o := Options{Shards: 7, Spool: &Spool{dir: dir, limit: 1 << 20}}
		switch format {
		case "ndjson":
			o.Format = request.NDJSON
		case "csv":
			o.Format = request.CSV
		}
		batch, refused, failed := Scan(BytesBody(text), o)
		if refused != nil || failed != nil {
			if batch != nil {
				_ = batch.Close()
			}
			return
		}
		defer batch.Close()
		checkOutput(t, batch)
	})
}

// checkOutput reads all documents of a batch and looks at each.
func checkOutput(t interface {
	Errorf(string, ...any)
	Fatal(...any)
}, batch *Batch) [][]byte {
	text, err := io.ReadAll(batch.Reader(All, 1))
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(text)) != batch.Size(All) {
		t.Errorf("%d bytes, announced %d", len(text), batch.Size(All))
	}
	lines := bytes.Split(text, []byte{'\n'})
	lines = lines[:len(lines)-1]
	if len(lines) != batch.Count {
		t.Errorf("%d lines for %d documents", len(lines), batch.Count)
	}
	for _, line := range lines {
		if !json.Valid(line) || !utf8.Valid(line) {
			t.Errorf("not a document: %q", line)
		}
	}
	return lines
}

// value draws a JSON value.
func value(depth int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kinds := 5
		if depth > 0 {
			kinds = 7
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
		case 1:
			return fmt.Sprint(rapid.Int64().Draw(t, "int"))
		case 2:
			text, _ := json.Marshal(rapid.Float64().Draw(t, "float"))
			return string(text)
		case 3, 4:
			text, _ := json.Marshal(rapid.String().Draw(t, "string"))
			return string(text)
		case 5:
			return "[" + strings.Join(rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "list"), " , ") + "]"
		default:
			var members []string
			for i, v := range rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "members") {
				members = append(members, fmt.Sprintf("\"m%d\" :\t%s", i, v))
			}
			return "{ " + strings.Join(members, "\n,") + "}"
		}
	})
}

// TestEveryDocumentArrivesOnceInItsShard draws payloads, in any form and cut by
// small windows, and looks at what comes out for each split of the shards.
func TestEveryDocumentArrivesOnceInItsShard(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "n")
		shards := rapid.SampledFrom([]int{1, 2, 7, 64, 1025}).Draw(t, "shards")
		var docs []string
		for i := range n {
			docs = append(docs, fmt.Sprintf(`{"x":%s, "id" : %d,"y":%s}`, value(2).Draw(t, "x"), i, value(2).Draw(t, "y")))
		}
		o := Options{PrimaryKey: "id", Shards: shards}
		text := "[" + strings.Join(docs, ",\n") + "]"
		if rapid.Bool().Draw(t, "ndjson") {
			o.Format = request.NDJSON
			text = strings.Join(docs, "\n") + "\n"
		}
		body := &Body{dir: dir}
		if _, err := body.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		batch, refused, failed := Scan(body, o)
		if refused != nil || failed != nil {
			t.Fatalf("%v %v of %s", refused, failed, text)
		}
		defer batch.Close()
		checkOutput(t, batch)
		split := rapid.IntRange(1, 3).Draw(t, "split")
		total := 0
		for part := range split {
			wanted := func(shard int) bool { return shard%split == part }
			out, err := io.ReadAll(iotest.OneByteReader(batch.Reader(wanted, 5)))
			if err != nil || int64(len(out)) != batch.Size(wanted) {
				t.Fatalf("%v, %d bytes, announced %d", err, len(out), batch.Size(wanted))
			}
			for line := range strings.Lines(string(out)) {
				total++
				var doc struct {
					ID      int    `json:"id"`
					Shard   string `json:"_miroir_shard"`
					Version string `json:"_miroir_version"`
				}
				if err := json.Unmarshal([]byte(line), &doc); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				shard, _ := hidden.Value(doc.Shard)
				version, _ := hidden.Value(doc.Version)
				if int(shard) != ShardString(fmt.Sprint(doc.ID), shards) || !wanted(int(shard)) || version != Version(5, doc.ID) {
					t.Fatalf("document %d has shard %d, version %d", doc.ID, shard, version)
				}
				if got := string(Strip(nil, []byte(line))); strings.TrimSpace(got) != strings.ReplaceAll(docs[doc.ID], "\n", " ") {
					t.Fatalf("document %d came out as %q, was %q", doc.ID, got, docs[doc.ID])
				}
			}
		}
		if total != n {
			t.Fatalf("%d documents, want %d", total, n)
		}
	})
}

func TestReservedFieldsAreRefusedWithThePosition(t *testing.T) {
	for _, name := range []string{"_miroir_shard", "_miroir_expires_at", "_miroir_x", `\u005fmiroir_x`} {
		text := `[{"id":1},{"id":2,"` + name + `":1}]`
		_, refused, _ := Scan(BytesBody([]byte(text)), Options{Shards: 64})
		if refused == nil || refused.Code != "miroir_reserved_field" || !strings.Contains(refused.Message, "position 1 ") || refused.Status != 400 {
			t.Errorf("%s: %v", name, refused)
		}
	}
	_, refused, failed := Scan(BytesBody([]byte(`[{"id":1,"o":{"_miroir_x":1},"miroir_":2}]`)), Options{Shards: 64})
	if refused != nil || failed != nil {
		t.Errorf("nested: %v %v", refused, failed)
	}
}

func TestMoreFieldsThanAnIndexCanHave(t *testing.T) {
	var b strings.Builder
	b.WriteString(`[{"id":1`)
	for i := 1; i < maxFields; i++ {
		fmt.Fprintf(&b, `,"f%d":1`, i)
	}
	if _, refused, failed := Scan(BytesBody([]byte(b.String()+"}]")), Options{Shards: 64}); refused != nil || failed != nil {
		t.Errorf("as many as there may be: %v %v", refused, failed)
	}
	text := []byte(b.String() + `},{"id":2,"one more":1},{}]`)
	batch, refused, failed := Scan(BytesBody(text), Options{Shards: 64})
	if refused != nil || failed == nil || failed.Code != "max_fields_limit_exceeded" || batch.Count != 3 {
		t.Errorf("one more: %v %v", refused, failed)
	}
}

func TestPatchedDocumentKeepsTheLastKey(t *testing.T) {
	batch := scanOf(t, []byte(`[{"id":1, "a":1,"id":"z","b":2}, {"id":3}]`), request.JSON, true)
	lines := checkOutput(t, batch)
	if got := string(Strip(nil, lines[0])); got != `{"id":"z","a":1,"b":2}` {
		t.Errorf("patched to %s", got)
	}
	if want := ShardString("z", 64); batch.InShard(want) == 0 || !slices.Contains(batch.Touched(), want) {
		t.Errorf("shards %v, want %d", batch.Touched(), want)
	}
}

func TestStripTakesOutOnlyWhatIsOurs(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":1,"_miroir_shard":"x","_miroir_version":"y"}`:   `{"id":1}`,
		`{"_miroir_shard":"x","id":1}`:                         `{"id":1}`,
		`{"_miroir_shard":"x"}`:                                `{}`,
		`{ "_miroir_shard" : "x" , "a" : {"_miroir_b":1} }`:    `{"a" : {"_miroir_b":1} }`,
		`{"a":1 , "_miroir_x":[1,{"b":"}"}] , "c":"_miroir_"}`: `{"a":1 , "c":"_miroir_"}`,
		`{"a":1}`:       `{"a":1}`,
		`{}`:            `{}`,
		`_miroir_`:      `_miroir_`,
		`{"_miroir_x":`: `{"_miroir_x":`,
	} {
		if got := string(Strip(nil, []byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// TestHostileDocumentsComeToAnEnd sends what a careless walk would take forever
// for: a cost that grows with the square of the size runs into the test's end.
func TestHostileDocumentsComeToAnEnd(t *testing.T) {
	const n = 100_000
	for _, text := range map[string]string{
		"the key again and again":     `[{` + strings.Repeat(`"id":1,`, n) + `"id":2}]`,
		"places and keys":             `[{` + strings.Repeat(`"_geo":null,"id":1,"_vectors":{},`, n) + `"id":2}]`,
		"deep":                        `[{"id":1,"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]`,
		"deep and cut":                `[{"id":1,"a":` + strings.Repeat(`{"a":`, n),
		"deep and wrong":              `[{"id":1,"a":` + strings.Repeat(`[`, n) + `}]`,
		"an id that is deep":          `[{"id":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}]`,
		"escapes":                     `[{"id":1,"a":"` + strings.Repeat(`\u0041`, n) + `"}]`,
		"names":                       `[{"id":1` + strings.Repeat(`,"x":1`, n) + `}]`,
		"white space":                 strings.Repeat(" \n", n) + `[{"id":1}]`,
		"a number":                    `[{"id":1,"a":` + strings.Repeat("9", n) + `}]`,
		"small documents":             `[` + strings.Repeat(`{"id":1},`, n) + `{"id":1}]`,
		"a key at each depth":         strings.Repeat(`{"id":`, n) + "1" + strings.Repeat("}", n),
		"documents that fail at once": `[` + strings.Repeat(`{"id":null},`, n) + `{}]`,
	} {
		batch, _, failed := Scan(inFile(t, []byte(text)), Options{Shards: 64, Geo: true})
		if batch != nil && failed == nil {
			checkOutput(t, batch)
			_ = batch.Close()
		}
	}
}

func TestWhatClientsSeeOfADocumentHasOneHashWhereverItLies(t *testing.T) {
	plain := []byte(`{"id":1,"a":{"b":2.5},"_vectors":{"own":{"embeddings":[[1.0,2.0]],"regenerate":false}}}`)
	onNode := []byte(`{"a":{"b":2.5},"_miroir_shard":"⊰⊱","id":1,"_miroir_version":"⊰","_vectors":{"own":{"embeddings":[[1.0,2.0]],"regenerate":false}}}`)
	if ClientContent(plain) != ClientContent(onNode) {
		t.Error("the hidden fields count")
	}
	if Content(plain) == Content(onNode) {
		t.Error("the hidden fields do not count between nodes")
	}
	if ClientContent(plain) == ClientContent([]byte(`{"id":1,"a":{"b":2.5}}`)) {
		t.Error("vectors that users gave do not count")
	}
}
