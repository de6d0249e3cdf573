package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// Operators see when copies were compared, and have it done.
func TestOperatorsHaveCopiesCompared(t *testing.T) {
	f := fleet.Start(t, fleet.Copies)
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":1}]`)
	for _, step := range []struct {
		args []string
		said string
		ok   bool
	}{
		{[]string{"check"}, "compared on schedule, 0 documents differed", true},
		{[]string{"status"}, "compared on schedule", true},
		{[]string{"check", "--content"}, "--content needs --now", false},
		{[]string{"check", "--now", "--content"}, "copies", true},
		{[]string{"check", "--json"}, `"indexes":[{"index":"books"`, true},
	} {
		said, err := command(t, f, step.args...)
		if err != nil {
			said += err.Error()
		}
		if (err == nil) != step.ok || !strings.Contains(said, step.said) {
			t.Errorf("%v: %v\n%s\nwant %q", step.args, err, said, step.said)
		}
		t.Logf("$ caddy miroir %s\n%s", strings.Join(step.args, " "), said)
	}
	fleet.Eventually(t, "the copies are compared", func() bool {
		said, err := command(t, f, "check")
		return err == nil && strings.Contains(said, "content pass complete") && strings.Contains(said, "books")
	})
	figures := string(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/metrics", "").Body)
	for _, figure := range []string{`miroir_anti_entropy_documents_total{pass="content"} 3`, `miroir_anti_entropy_differences_total 0`, `miroir_anti_entropy_last_pass_timestamp_seconds{pass="content"}`} {
		if !strings.Contains(figures, figure) {
			t.Errorf("no figure %s", figure)
		}
	}
	f.Want(t, http.StatusBadRequest, http.MethodPost, "/_miroir/check", `{"contents":true}`)
	f.Want(t, http.StatusBadRequest, http.MethodPost, "/_miroir/check", `{`)
}
