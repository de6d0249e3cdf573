package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// A backup that was made while the gateway ran becomes its state again: the
// nodes are its own, keys and documents answer, and no number is given twice.
func TestABackupBecomesTheStateAgain(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":1,"title":"one"},{"id":2,"title":"two"}]`)
	f.Want(t, 201, http.MethodPost, "/keys", `{"actions":["search"],"indexes":["books"],"expiresAt":null,"uid":"6062abda-a5aa-4414-ac91-ecd7944c0f8d"}`)
	file := filepath.Join(t.TempDir(), "saved")
	if said, err := command(t, f, "backup", file); err != nil || !strings.Contains(said, "state of fleet") {
		t.Fatalf("%v %s", err, said)
	}
	after := f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":2,"title":"changed since"},{"id":3,"title":"three"}]`)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(f.Dir(), "state.db")
	if said, err := command(t, f, "restore", file, "--state", state); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Fatalf("over a state that is there: %v %s", err, said)
	}
	for _, gone := range []string{state, miroircore.Beside(state, "journal")} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	refuseDamaged(t, f, file, state)
	if said, err := command(t, f, "restore", file, "--state", state); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
	fleet.Eventually(t, "the gateway is ready", func() bool { return f.Do(t, http.MethodGet, "/_miroir/ready", "").Status == 200 })
	if a := f.Want(t, 200, http.MethodPost, "/indexes/books/search", `{"q":"changed"}`); !strings.Contains(string(a.Body), "changed since") {
		t.Errorf("what the nodes have is not found: %s", a.Body)
	}
	f.Want(t, 200, http.MethodGet, "/keys/6062abda-a5aa-4414-ac91-ecd7944c0f8d", "")
	later := f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":4,"title":"four"}]`)
	if later.Status != "succeeded" || later.UID <= after.UID {
		t.Errorf("task %d %s after %d: numbers must grow", later.UID, later.Status, after.UID)
	}
}

func refuseDamaged(t *testing.T, f *fleet.Fleet, file, state string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte{}, raw...)
	flipped[len(raw)/2] ^= 1
	for name, test := range map[string]struct {
		content []byte
		said    string
	}{
		"cut":     {raw[:len(raw)-100], "checksum does not fit"},
		"flipped": {flipped, "checksum does not fit"},
		"newer":   {[]byte(strings.Replace(string(raw), `"format":1`, `"format":2`, 1)), "newer version"},
		"other":   {[]byte("something else\n"), "no backup"},
	} {
		damaged := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(damaged, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := command(t, f, "restore", damaged, "--state", state); err == nil || !strings.Contains(err.Error(), test.said) {
			t.Errorf("%s: %v, want %q", name, err, test.said)
		}
	}
}
