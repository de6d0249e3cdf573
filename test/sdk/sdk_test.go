// Package sdk runs Meilisearch's official clients, as they are published, against
// fleets. Each client has its suite in its own language beside this file; what
// they have in common is only the documents of films.json.
package sdk

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// suite is the tests of one client.
type suite struct {
	name    string
	dir     string
	command []string
	// pins name the releases; install.sh leaves installed once they are there.
	// A client without them is fetched by its own tool.
	pins, installed string
}

var suites = []suite{
	{name: "go", dir: "go", command: []string{"go", "test", "-count", "1", "-v", "./..."}},
	{name: "js", dir: "js", command: []string{"node", "--test"},
		pins: "js/package-lock.json", installed: "js/node_modules/.installed"},
	{name: "python", dir: "python", command: []string{".venv/bin/python", "-W", "error::UserWarning", "-m", "unittest", "-v"},
		pins: "python/requirements.txt", installed: "python/.venv/.installed"},
}

// Every client does the same to a fleet whose groups are split and to one whose
// nodes hold everything.
func TestPublishedClients(t *testing.T) {
	for _, shape := range []struct {
		name  string
		fleet fleet.Shape
	}{
		{"groups", fleet.Groups},
		{"copies", fleet.Copies},
	} {
		for _, s := range suites {
			t.Run(shape.name+"/"+s.name, func(t *testing.T) {
				s.install(t)
				f := fleet.Start(t, shape.fleet)
				s.run(t, f.URL)
			})
		}
	}
}

// install puts the client's pinned release into the project, once and again
// whenever the pins are newer than what is there.
func (s suite) install(t *testing.T) {
	t.Helper()
	if s.pins == "" || newer(s.installed, s.pins) {
		return
	}
	out, err := bounded(t, "./install.sh", s.name).CombinedOutput()
	if err != nil {
		t.Fatalf("install.sh %s: %v\n%s", s.name, err, out)
	}
}

func (s suite) run(t *testing.T, url string) {
	t.Helper()
	command := bounded(t, s.command[0], s.command[1:]...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "MIROIR_URL="+url, "MIROIR_KEY="+fleet.MasterKey)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, out)
	}
	t.Logf("%s", out)
}

// bounded is a command that ends with the test, and with it all that it started.
func bounded(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, name, args...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	return command
}

// newer says whether a file is there and was written after another one.
func newer(file, than string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	other, err := os.Stat(than)
	return err == nil && info.ModTime().After(other.ModTime())
}
