package minimeili_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestBodiesAndAnswersMayBeCompressed(t *testing.T) {
	m := minimeili.Run(t, minimeili.WithBodyLimit(1000))
	expect(t, m, 202, "POST", "/indexes/x/documents", zipped(t, `[{"id":1}]`), "Content-Encoding", "gzip")
	m.WaitIdle()
	for encoding, reader := range map[string]func(io.Reader) (io.ReadCloser, error){
		"gzip":    func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) },
		"deflate": zlib.NewReader,
	} {
		response, answer, err := try(m.URL(), "GET", "/indexes/x/documents/1", "", "Accept-Encoding", encoding)
		if err != nil || response.Header.Get("Content-Encoding") != encoding {
			t.Fatal(response.Header, err)
		}
		r, err := reader(bytes.NewReader(answer))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(r); err != nil || string(plain) != `{"id":1}` {
			t.Fatalf("%s %v", plain, err)
		}
	}
	long := zipped(t, `[{"id":1,"x":"`+strings.Repeat("a", 1000)+`"}]`)
	answer := expect(t, m, 413, "POST", "/indexes/x/documents", long, "Content-Encoding", "gzip")
	if !strings.Contains(answer, "The maximum accepted payload size is 1 KB.") {
		t.Fatal(answer)
	}
}

func TestPayloadErrorsAreTheServersWords(t *testing.T) {
	const j, n, c = "application/json", "application/x-ndjson", "text/csv"
	const serialize = "The `json` payload provided is malformed. `Couldn't serialize document value: "
	tests := []struct {
		contentType, body string
		status            int
		message           string
	}{
		{j, `[1,2]`, 400, serialize + "trailing characters at line 1 column 4`."},
		{j, `[1]`, 500, "invalid type: integer `1`, expected a map at line 1 column 1"},
		{j, `[1,]`, 400, serialize + "trailing comma at line 1 column 4`."},
		{j, `[{"a":1} {"b":2}]`, 400, serialize + "expected `,` or `]` at line 1 column 10`."},
		{n, "{\"id\":1}\n{bad", 400, "The `ndjson` payload provided is malformed. `Couldn't serialize document value: key must be a string at line 2 column 2`."},
		{c, "id,n:number\n1,abc", 400, "The `csv` payload provided is malformed: `Error parsing number \"abc\" at line 1: invalid float literal`."},
		{c, "id,n:boolean\n1,yes", 400, "The `csv` payload provided is malformed: `Error parsing boolean \"yes\" at line 1: provided string was not `true` or `false``."},
		{c, "id\n1\n2,3", 400, "The `csv` payload provided is malformed: `CSV error: record 2 (line: 3, byte: 5): found record with 2 fields, but the previous record has 1 fields`."},
	}
	m := minimeili.Run(t)
	for _, test := range tests {
		var failure struct{ Message string }
		answer := expect(t, m, test.status, "POST", "/indexes/x/documents", test.body, "Content-Type", test.contentType)
		if err := json.Unmarshal([]byte(answer), &failure); err != nil || failure.Message != test.message {
			t.Errorf("%s: got %q, wants %q", test.body, failure.Message, test.message)
		}
	}
}

func TestDumpHasTheFilesARealServerImports(t *testing.T) {
	dir := t.TempDir()
	m := minimeili.Run(t, minimeili.WithDumpDir(dir), minimeili.WithMasterKey("key"))
	if err := m.Seed("x", "id", `[{"id":1,"t":"one"}]`); err != nil {
		t.Fatal(err)
	}
	expect(t, m, 202, "POST", "/dumps", "", "Authorization", "Bearer key")
	m.WaitIdle()
	var dumped struct{ DumpUID string }
	if err := json.Unmarshal(m.Tasks()[1].Details, &dumped); err != nil {
		t.Fatal(err)
	}
	files := untar(t, filepath.Join(dir, dumped.DumpUID+".dump"))
	for name, part := range map[string]string{
		"./metadata.json":              `"dumpVersion":"V6"`,
		"./keys.jsonl":                 `"name":"Default Search API Key"`,
		"./tasks/queue.jsonl":          `{"documentImport":{"allow_index_creation":true,`,
		"./indexes/x/metadata.json":    `{"uid":"x","primaryKey":"id",`,
		"./indexes/x/settings.json":    `"rankingRules"`,
		"./indexes/x/documents.jsonl":  "{\"id\":1,\"t\":\"one\"}\n",
		"./experimental-features.json": `"metrics":false`,
		"./instance_uid.uuid":          "-4",
	} {
		if !strings.Contains(files[name], part) {
			t.Errorf("%s lacks %s: %s", name, part, files[name])
		}
	}
}

func untar(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	plain, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for reader := tar.NewReader(plain); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func TestExportCopiesIndexesToAnotherServer(t *testing.T) {
	from, to := minimeili.Run(t), minimeili.Run(t, minimeili.WithMasterKey("their key"))
	if err := from.SeedSettings("x", `{"stopWords":["the"]}`); err != nil {
		t.Fatal(err)
	}
	if err := from.Seed("x", "id", `[{"id":1},{"id":2}]`); err != nil {
		t.Fatal(err)
	}
	expect(t, from, 200, "POST", "/export", `{"url":"`+to.URL()+`","apiKey":"their key"}`)
	from.WaitIdle()
	to.WaitIdle()
	if got := ids(t, to.Docs("x")); got != "1 2" || !strings.Contains(string(to.Settings("x")), `"stopWords":["the"]`) {
		t.Fatal(from.Dump(), to.Dump())
	}
	details := string(from.Tasks()[2].Details)
	if want := `"apiKey":"XXX...","indexes":{"x":{"filter":null,"overrideSettings":false,"matchedDocuments":2}}`; !strings.Contains(details, want) {
		t.Fatal(details)
	}
}

func TestWebhookIsToldOfEndedTasks(t *testing.T) {
	told := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		plain, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		lines, err := io.ReadAll(plain)
		if err != nil {
			t.Error(err)
		}
		told <- r.Header.Get("Authorization") + " " + string(lines)
	}))
	defer receiver.Close()
	m := minimeili.Run(t)
	expect(t, m, 201, "POST", "/webhooks", `{"url":"`+receiver.URL+`","headers":{"Authorization":"secret"}}`)
	expect(t, m, 202, "POST", "/indexes/x/documents", `[{"id":1}]`)
	if got := <-told; !strings.HasPrefix(got, `secret {"uid":0,"batchUid":0,"indexUid":"x","status":"succeeded"`) || strings.Count(got, "\n") != 1 {
		t.Fatal(got)
	}
}

func TestKeysOfSomeIndexesSeeOnlyThose(t *testing.T) {
	m := minimeili.Run(t, minimeili.WithMasterKey("master"))
	for _, index := range []string{"a1", "a2", "b"} {
		if err := m.Seed(index, "id", `[{"id":1}]`); err != nil {
			t.Fatal(err)
		}
	}
	master := []string{"Authorization", "Bearer master"}
	answer := expect(t, m, 201, "POST", "/keys", `{"actions":["*"],"indexes":["a*"],"expiresAt":null}`, master...)
	var key struct{ Key string }
	if err := json.Unmarshal([]byte(answer), &key); err != nil {
		t.Fatal(err)
	}
	mine := []string{"Authorization", "Bearer " + key.Key}
	for path, want := range map[string]string{"/indexes": `"total":2`, "/tasks": `"uid":1`, "/stats": `"a2"`} {
		answer := expect(t, m, 200, "GET", path, "", mine...)
		if !strings.Contains(answer, want) || strings.Contains(answer, `"b"`) {
			t.Errorf("%s: %s", path, answer)
		}
	}
	expect(t, m, 403, "GET", "/indexes/b", "", mine...)
	expect(t, m, 403, "GET", "/version", "", mine...)
	expect(t, m, 403, "GET", "/keys", "", mine...)
	expect(t, m, 404, "GET", "/tasks/2", "", mine...)
	expect(t, m, 202, "POST", "/indexes/a3/documents", `[{"id":1}]`, mine...)
	m.WaitIdle()
	if !slices.Contains(m.Indexes(), "a3") {
		t.Fatal(m.Dump())
	}
	expect(t, m, 401, "GET", "/indexes", "")
}

func TestWrongPathsAndMethodsHaveNoBody(t *testing.T) {
	m := minimeili.Run(t)
	for _, test := range []struct {
		method, path, allow string
		status              int
	}{
		{"GET", "/nothing", "", 404},
		{"PUT", "/indexes", "GET, POST", 405},
		{"GET", "/indexes/x/documents/fetch", "POST", 405},
		{"POST", "/indexes/x/settings/nope", "", 404},
		{"PUT", "/indexes/x/settings/typo-tolerance", "GET, PATCH, DELETE", 405},
	} {
		response, body, err := try(m.URL(), test.method, test.path, "")
		if err != nil || response.StatusCode != test.status || len(body) != 0 || response.Header.Get("Allow") != test.allow {
			t.Errorf("%s %s: %v %s %v", test.method, test.path, response, body, err)
		}
	}
	response, _, err := try(m.URL(), "OPTIONS", "/indexes", "", "Origin", "http://x.test", "Access-Control-Request-Method", "POST")
	if err != nil || response.StatusCode != 200 || response.Header.Get("Access-Control-Max-Age") != "86400" {
		t.Fatal(response, err)
	}
}

func TestLongPayloadsAreReadInOnePass(t *testing.T) {
	const n = 20000
	m := minimeili.Run(t)
	var array, lines strings.Builder
	for i := range n {
		document := fmt.Sprintf(`{"id":%d,"text":%q}`, i, strings.Repeat("x", 200))
		array.WriteString(document + ",")
		lines.WriteString(document + "\n")
	}
	m.HoldTasks() // reading is what is looked at
	expect(t, m, 202, "POST", "/indexes/x/documents", "["+strings.TrimSuffix(array.String(), ",")+"]")
	expect(t, m, 202, "POST", "/indexes/x/documents", lines.String(), "Content-Type", "application/x-ndjson")
	for _, task := range m.Tasks() {
		if string(task.Details) != `{"receivedDocuments":20000,"indexedDocuments":null}` {
			t.Fatal(string(task.Details))
		}
	}
}
