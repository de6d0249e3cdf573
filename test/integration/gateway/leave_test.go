package gateway

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

// dump makes a dump and gives its file.
func dump(t *testing.T, f *fleet.Fleet) string {
	t.Helper()
	task := f.Write(t, "POST", "/dumps", "")
	var details struct {
		UID string `json:"dumpUid"`
	}
	if err := json.Unmarshal(task.Details, &details); err != nil || task.Status != "succeeded" {
		t.Fatalf("dumping: %+v", task)
	}
	return filepath.Join(f.Dir(), "dumps", details.UID+".dump")
}

func prepare(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	load(t, f, 2500)
	f.Write(t, "PATCH", "/indexes/books/settings", `{"filterableAttributes":["genre"],"displayedAttributes":["id","title","genre"],"distinctAttribute":"genre"}`)
	f.Write(t, "DELETE", "/indexes/books/documents/7", "")
	f.Want(t, 201, "POST", "/keys", `{"actions":["search"],"indexes":["books"],"expiresAt":null,"uid":"6062abda-a5aa-4414-ac91-ecd7944c0f8d"}`)
}

func TestADumpHoldsTheFleetAndNothingOfMiroir(t *testing.T) {
	f := fleet.Start(t, fleet.Groups)
	prepare(t, f)
	file := dump(t, f)
	entries := unpack(t, file)
	lines := strings.Split(strings.TrimSpace(entries["./indexes/books/documents.jsonl"]), "\n")
	if len(lines) != 2499 {
		t.Errorf("%d documents in the dump, want 2499", len(lines))
	}
	for name, text := range entries {
		if strings.Contains(text, "_miroir_") {
			t.Errorf("%s holds a hidden field", name)
		}
	}
	if !strings.Contains(entries["./indexes/books/settings.json"], `"distinctAttribute":"genre"`) {
		t.Error("the logical settings are not in the dump")
	}
	if !strings.Contains(entries["./keys.jsonl"], "6062abda-a5aa-4414-ac91-ecd7944c0f8d") {
		t.Error("the key is not in the dump")
	}
	importDump(t, file)
}

// keyAfterLeaving is the master key of the server that a dump is left for.
const keyAfterLeaving = "the-key-after-leaving"

// plain has a real server start from a dump, and gives its address.
func plain(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	const address = "127.0.0.1:17744"
	command := exec.Command(fleet.Binary(), "--db-path", filepath.Join(dir, "db"), "--import-dump", file, "--http-addr", address, "--master-key", keyAfterLeaving, "--no-analytics", "--log-level", "OFF")
	command.Dir = dir
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	fleet.Eventually(t, "the real server has imported the dump", func() bool {
		resp, err := http.Get("http://" + address + "/health")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return "http://" + address
}

// importDump has a real server, where there is one, start from the dump.
func importDump(t *testing.T, file string) {
	t.Helper()
	if fleet.Binary() == "" {
		return
	}
	base := plain(t, file)
	var stats struct {
		Documents int            `json:"numberOfDocuments"`
		Fields    map[string]int `json:"fieldDistribution"`
	}
	fleet.Do(t, base, keyAfterLeaving, "GET", "/indexes/books/stats", "").Decode(t, &stats)
	if stats.Documents != 2499 || len(stats.Fields) != 3 {
		t.Errorf("the real server has %+v after the import", stats)
	}
	if a := fleet.Do(t, base, keyAfterLeaving, "GET", "/keys/6062abda-a5aa-4414-ac91-ecd7944c0f8d", ""); a.Status != 200 {
		t.Errorf("the real server does not know the key: %s", a.Body)
	}
}

const vectors = `[{"pk":"a","t":"one","_vectors":{"own":[0.1,0.2,0.3]}},{"pk":"b","t":"two","_vectors":{"own":[[1,0,0],[0,1,0.5]]}},
{"pk":"c","t":"three","_vectors":{"own":null}},{"pk":"d","t":"four","_vectors":{"own":{"embeddings":[0.5,0.25,0.125],"regenerate":false},"other":[1,2]}},{"pk":"e","t":"five"}]`

func TestADumpHoldsVectors(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	f.Write(t, "PATCH", "/indexes/own/settings", `{"embedders":{"own":{"source":"userProvided","dimensions":3},"made":{"source":"rest","url":"http://127.0.0.1:9/","apiKey":"a-secret-of-the-embedder","dimensions":2,"request":"{{text}}","response":"{{embedding}}"}}}`)
	with := strings.NewReplacer(`"_vectors":{`, `"_vectors":{"made":{"embeddings":[[0.5,0.5]],"regenerate":true},`,
		`"five"`, `"five","_vectors":{"own":null,"made":{"embeddings":[[0.25,0.5]],"regenerate":true}}`).Replace(vectors)
	if task := f.Write(t, "POST", "/indexes/own/documents?primaryKey=pk", with); task.Status != "succeeded" {
		t.Fatalf("%+v", task.Error)
	}
	f.Write(t, "POST", "/indexes/raw/documents?primaryKey=pk", vectors)
	file := dump(t, f)
	entries := unpack(t, file)
	for name, want := range map[string]string{
		"./indexes/own/settings.json":   `"apiKey":"a-secret-of-the-embedder"`,
		"./indexes/own/documents.jsonl": `[0.5,0.25,0.125]`,
		"./indexes/raw/documents.jsonl": `"own":`,
	} {
		if !strings.Contains(entries[name], want) {
			t.Errorf("%s lacks %s:\n%s", name, want, entries[name])
		}
	}
	if fleet.Binary() == "" {
		return
	}
	base := plain(t, file)
	for _, uid := range []string{"own", "raw"} {
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			path := "/indexes/" + uid + "/documents/" + id + "?retrieveVectors=true"
			there, here := fleet.Do(t, base, keyAfterLeaving, "GET", path, ""), f.Want(t, 200, "GET", path, "")
			var a, b any
			there.Decode(t, &a)
			here.Decode(t, &b)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s\nfleet  %s\nserver %s", path, here.Body, there.Body)
			}
		}
	}
	const query = `{"vector":[0.1,0.2,0.4],"hybrid":{"embedder":"own","semanticRatio":1},"attributesToRetrieve":["pk"],"showRankingScore":true}`
	ids := func(a fleet.Answer) (list []string) {
		var found struct{ Hits []struct{ PK string } }
		a.Decode(t, &found)
		for _, h := range found.Hits {
			list = append(list, h.PK)
		}
		return list
	}
	there, here := ids(fleet.Do(t, base, keyAfterLeaving, "POST", "/indexes/own/search", query)), ids(f.Do(t, "POST", "/indexes/own/search", query))
	if !slices.Equal(there[:3], here[:3]) {
		t.Errorf("the fleet finds %v, the server %v", here, there)
	}
}

func TestADocumentWithoutVectorsFailsItsOwnTask(t *testing.T) {
	f := fleet.Start(t, fleet.Split)
	f.Write(t, "PATCH", "/indexes/own/settings", `{"embedders":{"own":{"source":"userProvided","dimensions":3}}}`)
	f.Write(t, "POST", "/indexes/own/documents?primaryKey=pk", vectors[:strings.Index(vectors, `,{"pk":"e"`)]+"]")
	task := f.Write(t, "POST", "/indexes/own/documents", `[{"pk":"e","t":"five"}]`)
	if task.Status != "failed" || task.Error == nil || !strings.Contains(task.Error.Message, "no vectors provided for document `e`") {
		t.Errorf("%+v %+v", task, task.Error)
	}
	if task = f.Write(t, "POST", "/indexes/own/documents", `[{"pk":"e","t":"five","_vectors":{"own":[1,2,3]}}]`); task.Status != "succeeded" {
		t.Errorf("the next one: %+v", task.Error)
	}
}

func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	packed, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	zip, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		entries[header.Name] = string(text)
	}
}

func TestAnExportReachesAnotherServer(t *testing.T) {
	shape := fleet.Mixed
	shape.Options = []string{"allowed_networks 127.0.0.0/8 ::1"}
	f := fleet.Start(t, shape)
	prepare(t, f)
	target := minimeili.Run(t, minimeili.WithMasterKey("the-key-of-the-target"))
	task := f.Write(t, "POST", "/export", fmt.Sprintf(`{"url":%q,"apiKey":"the-key-of-the-target","payloadSize":"64KiB"}`, target.URL()))
	if task.Status != "succeeded" || !strings.Contains(string(task.Details), `"matchedDocuments":2499`) || strings.Contains(string(task.Details), "the-key-of") {
		t.Fatalf("exporting: %+v %s", task, task.Details)
	}
	docs := target.Docs("books")
	if len(docs) != 2499 {
		t.Errorf("%d documents arrived, want 2499", len(docs))
	}
	for _, doc := range docs {
		if strings.Contains(string(doc), "_miroir_") {
			t.Fatalf("a hidden field arrived: %s", doc)
		}
	}
}

func TestAnExportToAPrivateNetworkIsRefused(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	load(t, f, 3)
	task := f.Write(t, "POST", "/export", `{"url":"http://127.0.0.1:7700"}`)
	if task.Status != "failed" || task.Error == nil || !strings.Contains(task.Error.Message, "which allowed_networks does not name") {
		t.Fatalf("exporting to this machine: %+v", task)
	}
}

func TestAWebhookInAPrivateNetworkIsNotTold(t *testing.T) {
	var mu sync.Mutex
	told := 0
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for scanner := bufio.NewScanner(r.Body); scanner.Scan(); {
			told++
		}
	}))
	defer hook.Close()
	f := fleet.Start(t, fleet.One)
	made := f.Want(t, 201, "POST", "/webhooks", fmt.Sprintf(`{"url":%q,"headers":{"Authorization":"Bearer abcdefghijklmnopqrstuvwxyz0123456789"}}`, hook.URL))
	if !strings.Contains(string(made.Body), "Bearer abcdeXXXXXX...") {
		t.Errorf("the webhook's secret is shown: %s", made.Body)
	}
	load(t, f, 3)
	var w struct {
		UUID string `json:"uuid"`
	}
	made.Decode(t, &w)
	f.Want(t, 204, "DELETE", "/webhooks/"+w.UUID, "")
	f.Want(t, 404, "GET", "/webhooks/"+w.UUID, "")
	mu.Lock()
	defer mu.Unlock()
	if told != 0 {
		t.Errorf("%d tasks were told to an address of this machine", told)
	}
}
