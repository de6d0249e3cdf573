package caddymodule_test

import (
	"net/http"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// Beyond the limit the oldest finished tasks are deleted, and a task says so.
func TestFinishedTasksArePruned(t *testing.T) {
	shape := fleet.One
	shape.Options = []string{"task_limit 30"}
	f := fleet.Start(t, shape)
	for range 40 {
		f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":1}]`)
	}
	fleet.Eventually(t, "the oldest task is gone", func() bool { return f.Do(t, http.MethodGet, "/tasks/0", "").Status == http.StatusNotFound })
	var page struct {
		Total int `json:"total"`
	}
	fleet.Eventually(t, "no more are kept than the limit", func() bool {
		f.Want(t, 200, http.MethodGet, "/tasks?limit=1", "").Decode(t, &page)
		return page.Total <= 30
	})
	f.Want(t, 200, http.MethodGet, "/tasks/39", "")
	f.Want(t, 200, http.MethodGet, "/tasks?types=taskDeletion", "").Decode(t, &page)
	if page.Total == 0 {
		t.Error("no task tells of the deletion")
	}
}
