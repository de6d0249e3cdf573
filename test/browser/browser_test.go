// Package browser runs the search page that most people build on Meilisearch,
// InstantSearch with Meilisearch's adapter, both as published, in a real browser
// against fleets.
package browser

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

func TestInstantSearch(t *testing.T) {
	install(t)
	for _, shape := range []struct {
		name  string
		fleet fleet.Shape
	}{
		{"groups", fleet.Groups},
		{"copies", fleet.Copies},
	} {
		t.Run(shape.name, func(t *testing.T) {
			f := fleet.Start(t, shape.fleet)
			command := bounded(t, "node", "--test")
			command.Env = append(os.Environ(), "MIROIR_URL="+f.URL, "MIROIR_KEY="+fleet.MasterKey, "CHROMIUM_BIN="+chromium())
			out, err := command.CombinedOutput()
			if err != nil {
				t.Fatalf("node: %v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// chromium is the browser's path; CHROMIUM_BIN names another.
func chromium() string { return cmp.Or(os.Getenv("CHROMIUM_BIN"), "/usr/bin/chromium") }

// install puts packages and browser in place, once and again whenever the lock
// file is newer than what is there.
func install(t *testing.T) {
	t.Helper()
	_, err := os.Stat(chromium())
	if err == nil && newer("node_modules/.installed", "package-lock.json") {
		return
	}
	out, err := bounded(t, "./install.sh").CombinedOutput()
	if err != nil {
		t.Fatalf("install.sh: %v\n%s", err, out)
	}
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
