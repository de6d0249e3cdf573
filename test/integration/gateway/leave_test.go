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

// importDump has a real server, where there is one, start from the dump.
func importDump(t *testing.T, file string) {
	t.Helper()
	if fleet.Binary() == "" {
		return
	}
	dir := t.TempDir()
	const address, key = "127.0.0.1:17744", "the-key-after-leaving"
	command := exec.Command(fleet.Binary(), "--db-path", filepath.Join(dir, "db"), "--import-dump", file, "--http-addr", address, "--master-key", key, "--no-analytics", "--log-level", "OFF")
	command.Dir = dir
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	fleet.Eventually(t, "the real server has imported the dump", func() bool {
		resp, err := http.Get("http://" + address + "/health")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	var stats struct {
		Documents int            `json:"numberOfDocuments"`
		Fields    map[string]int `json:"fieldDistribution"`
	}
	fleet.Do(t, "http://"+address, key, "GET", "/indexes/books/stats", "").Decode(t, &stats)
	if stats.Documents != 2499 || len(stats.Fields) != 3 {
		t.Errorf("the real server has %+v after the import", stats)
	}
	if a := fleet.Do(t, "http://"+address, key, "GET", "/keys/6062abda-a5aa-4414-ac91-ecd7944c0f8d", ""); a.Status != 200 {
		t.Errorf("the real server does not know the key: %s", a.Body)
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
