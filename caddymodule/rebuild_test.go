package caddymodule_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// The command says what would come of it, does it only with the word for it, and
// refuses where nothing was lost.
func TestTheRebuildCommandAsksFirst(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	f.Write(t, http.MethodPost, "/indexes/books/documents?primaryKey=id", `[{"id":1,"title":"one"},{"id":2,"title":"two"}]`)
	if said, err := command(t, f, "rebuild", "--yes"); err == nil || !strings.Contains(err.Error(), "nothing to rebuild") {
		t.Errorf("a state in order: %v %s", err, said)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(f.Dir(), "state.db")
	if err := errors.Join(os.Remove(state), os.RemoveAll(miroircore.Beside(state, "journal"))); err != nil {
		t.Fatal(err)
	}
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
	said, err := command(t, f, "rebuild")
	if err != nil || !strings.Contains(said, "books") || !strings.Contains(said, "With --yes it is done") {
		t.Fatalf("%v %s", err, said)
	}
	f.Want(t, http.StatusNotFound, http.MethodGet, "/indexes/books", "")
	if said, err := command(t, f, "rebuild", "--yes"); err != nil || !strings.Contains(said, "were taken over") {
		t.Fatalf("%v %s", err, said)
	}
	fleet.Eventually(t, "the index is served", func() bool {
		return strings.Contains(string(f.Do(t, http.MethodPost, "/indexes/books/search", `{"q":"two"}`).Body), `"title":"two"`)
	})
}
