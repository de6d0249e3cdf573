package minimeili_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestAcceptedTasksSurviveAKilledProcess(t *testing.T) {
	dir := t.TempDir()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), serveVariable+"="+dir)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	base, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{`[{"id":1,"t":"one"}]`, `[{"id":2}]`, `[{"id":3}]`} {
		response, answer, err := try(strings.TrimSpace(base), "POST", "/indexes/x/documents", body)
		if err != nil || response.StatusCode != 202 {
			t.Fatal(response, string(answer), err)
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // it was killed

	m := minimeili.Run(t, minimeili.WithDir(dir))
	m.WaitIdle()
	if got := ids(t, m.Docs("x")); got != "1 2 3" {
		t.Fatalf("documents %q\n%s", got, m.Dump())
	}
	if answer := expect(t, m, 202, "DELETE", "/indexes/x/documents/1", ""); !strings.Contains(answer, `"taskUid":3`) {
		t.Fatalf("task uids do not go on: %s", answer)
	}
}

// everything shows all that a client can see of a server.
func everything(t *testing.T, m *minimeili.Server) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{
		"/indexes", "/tasks?limit=1000", "/batches?limit=1000", "/keys", "/experimental-features", "/webhooks",
		"/indexes/a/documents?limit=100", "/indexes/a/settings", "/indexes/a/stats", "/indexes/b/documents",
	} {
		b.WriteString(expect(t, m, 200, "GET", path, "", "Authorization", "Bearer key"))
		b.WriteByte('\n')
	}
	return b.String()
}

func TestRestartFromItsFolderIsTheSameServer(t *testing.T) {
	dir := t.TempDir()
	m := minimeili.Run(t, minimeili.WithDir(dir), minimeili.WithMasterKey("key"))
	do := func(method, path, body string) {
		t.Helper()
		if status, answer := ask(t, m, method, path, body, "Authorization", "Bearer key"); status >= 300 {
			t.Fatal(path, answer)
		}
		m.WaitIdle()
	}
	do("PATCH", "/indexes/a/settings", `{"filterableAttributes":["n"],"sortableAttributes":["n"]}`)
	do("POST", "/indexes/a/documents", `[{"id":1,"n":1},{"id":2,"n":2},{"id":3,"n":3}]`)
	do("POST", "/indexes/a/documents/delete", `{"filter":"n = 2"}`)
	do("PUT", "/indexes/a/documents", `[{"id":4,"n":1e2},{"id":1,"x":[]}]`)
	do("POST", "/indexes/a/documents", `[{"bad":true}]`)
	do("POST", "/indexes/b/documents", `[{"id":"b"}]`)
	do("POST", "/indexes", `{"uid":"c"}`)
	do("POST", "/swap-indexes", `[{"indexes":["a","b"]}]`)
	do("POST", "/swap-indexes", `[{"indexes":["a","b"]},{"indexes":["c","d"],"rename":true}]`)
	do("POST", "/keys", `{"actions":["search"],"indexes":["a"],"expiresAt":null,"name":"n"}`)
	do("PATCH", "/experimental-features", `{"containsFilter":true}`)
	do("POST", "/webhooks", `{"url":"http://127.0.0.1:1/"}`)
	do("DELETE", "/tasks?uids=0,1", "")
	m.FullIndexDisk(true)
	do("POST", "/indexes/a/documents", `[{"id":77}]`)
	m.FullIndexDisk(false)
	do("POST", "/dumps", "")
	before := everything(t, m)

	copied := t.TempDir()
	if err := os.CopyFS(filepath.Join(copied, "disk"), os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	do("DELETE", "/indexes/a", "")
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	if m.Docs("a") != nil {
		t.Fatal("a deleted index came back")
	}
	old := minimeili.Run(t, minimeili.WithDir(filepath.Join(copied, "disk")), minimeili.WithMasterKey("key"))
	if after := everything(t, old); after != before {
		t.Fatalf("the copied folder is another server:\n%s\n%s", before, after)
	}
}

func TestHalfWrittenEndOfTheJournalIsDropped(t *testing.T) {
	dir := t.TempDir()
	m := minimeili.Run(t, minimeili.WithDir(dir))
	if err := m.Seed("x", "", `[{"id":1}]`); err != nil {
		t.Fatal(err)
	}
	m.Stop()
	journal, err := os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.WriteString(`{"task":{"uid":1,"ty`); err != nil {
		t.Fatal(err)
	}
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second start reads what the first wrote after the cut
		if err := m.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := m.Seed("x", "", `[{"id":2}]`); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(t, m.Docs("x")); got != "1 2" || len(m.Tasks()) != 3 {
		t.Fatal(m.Dump())
	}
}

func TestRestartWithoutAFolderKeepsTheState(t *testing.T) {
	m := minimeili.Run(t)
	if err := m.Seed("x", "id", `[{"id":1}]`); err != nil {
		t.Fatal(err)
	}
	url := m.URL()
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	if m.URL() != url || len(m.Docs("x")) != 1 {
		t.Fatal(m.Dump())
	}
	var health struct{ Status string }
	if err := json.Unmarshal([]byte(expect(t, m, 200, "GET", "/health", "")), &health); err != nil || health.Status != "available" {
		t.Fatal(health, err)
	}
}
