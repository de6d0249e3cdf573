// Package full lets the gateway's disk be full and have room again.
package full

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"golang.org/x/sys/unix"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// configVariable names the configuration that a process of its own serves: a bound
// on the files of the test's process would be one for the nodes too.
const configVariable = "GATEWAY_OF_ITS_OWN"

func TestMain(m *testing.M) {
	if config := os.Getenv(configVariable); config != "" {
		os.Args = []string{"miroir", "run", "--config", config, "--adapter", "caddyfile"}
		caddycmd.Main()
		return
	}
	os.Exit(m.Run())
}

// gateway is the gateway in a process of its own, on a fleet's state.
type gateway struct {
	t       *testing.T
	command *exec.Cmd
}

func serve(t *testing.T, f *fleet.Fleet) *gateway {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	config := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(config, []byte(f.Caddyfile()), 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, command: exec.Command(own)}
	g.command.Env = append(os.Environ(), configVariable+"="+config)
	if err := g.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	fleet.Eventually(t, "the gateway is ready", func() bool {
		response, err := http.Get(f.URL + "/_miroir/ready")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	return g
}

// kill ends the process at once; a second call does nothing.
func (g *gateway) kill() {
	if g.command.ProcessState == nil {
		_ = g.command.Process.Kill()
		_ = g.command.Wait() // its exit code after a signal says nothing
	}
}

// fill lets the process write no byte into any file; room takes that back.
func (g *gateway) fill() { g.limit(0) }

func (g *gateway) room() { g.limit(unix.RLIM_INFINITY) }

func (g *gateway) limit(most uint64) {
	g.t.Helper()
	var limit unix.Rlimit
	err := unix.Prlimit(g.command.Process.Pid, unix.RLIMIT_FSIZE, nil, &limit)
	if err == nil {
		limit.Cur = min(most, limit.Max)
		err = unix.Prlimit(g.command.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// While the gateway's disk is full every kind of write is refused with 507 and
// says why, searches and reads go on, and once there is room writes do. Nothing
// of what was refused is there, and all that was accepted is, also after a crash.
func TestAFullDiskRefusesWritesAndNothingElse(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	g := serve(t, f)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=id", `[{"id":1,"title":"one"},{"id":2,"title":"two"}]`)
	search := func(want string) {
		t.Helper()
		a := f.Want(t, http.StatusOK, http.MethodPost, "/indexes/books/search", `{"attributesToRetrieve":["id"]}`)
		if !strings.Contains(string(a.Body), `"hits":`+want) {
			t.Errorf("the search gives %s, want %s", a.Body, want)
		}
	}
	for round := range 3 {
		g.fill()
		large := `[{"id":77,"title":"` + strings.Repeat("large ", 400_000) + `"}]`
		for _, write := range []struct{ method, path, body string }{
			{http.MethodPost, "/indexes/books/documents", `[{"id":99,"title":"refused"}]`},
			{http.MethodPost, "/indexes/books/documents", large},
			{http.MethodDelete, "/indexes/books/documents/1", ""},
			{http.MethodPost, "/indexes/books/documents/delete", `{"filter":"id = 1"}`},
			{http.MethodPatch, "/indexes/books/settings", `{"distinctAttribute":"title"}`},
			{http.MethodPost, "/indexes", `{"uid":"films"}`},
			{http.MethodDelete, "/indexes/books", ""},
		} {
			a := f.Do(t, write.method, write.path, write.body)
			if a.Status != http.StatusInsufficientStorage || !strings.Contains(string(a.Body), "miroir_spool_full") || !strings.Contains(string(a.Body), "disk") || !strings.Contains(string(a.Body), "is full") {
				t.Errorf("%s %s: %d %s", write.method, write.path, a.Status, a.Body)
			}
		}
		ids := []string{`[{"id":1},{"id":2}]`, `[{"id":1},{"id":2},{"id":10}]`, `[{"id":1},{"id":2},{"id":10},{"id":11}]`, `[{"id":1},{"id":2},{"id":10},{"id":11},{"id":12}]`}
		search(ids[round])
		f.Want(t, http.StatusOK, http.MethodGet, "/indexes/books/documents/1", "")
		f.Want(t, http.StatusOK, http.MethodGet, "/tasks?limit=5", "")
		f.Want(t, http.StatusOK, http.MethodGet, "/health", "")
		g.room()
		done := f.Write(t, http.MethodPost, "/indexes/books/documents", fmt.Sprintf(`[{"id":%d,"title":"accepted"}]`, 10+round))
		if done.Status != "succeeded" {
			t.Errorf("once there is room: %+v", done)
		}
		search(ids[round+1])
	}
	g.kill()
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
	fleet.Eventually(t, "the gateway is ready", func() bool { return f.Do(t, http.MethodGet, "/_miroir/ready", "").Status == http.StatusOK })
	search(`[{"id":1},{"id":2},{"id":10},{"id":11},{"id":12}]`)
	f.Want(t, http.StatusNotFound, http.MethodGet, "/indexes/films", "")
	if a := f.Want(t, http.StatusOK, http.MethodGet, "/indexes/books/settings/distinct-attribute", ""); string(a.Body) != "null" {
		t.Errorf("settings that were refused are in force: %s", a.Body)
	}
}
