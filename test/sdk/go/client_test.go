// Package client holds meilisearch-go, as published, to a server at MIROIR_URL.
// It is a module of its own so that nobody who builds Miroir fetches the client.
package client

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

type film struct {
	ID       int      `json:"id"`
	Title    string   `json:"title"`
	Genres   []string `json:"genres"`
	Year     int      `json:"year"`
	Rating   float64  `json:"rating"`
	Studio   string   `json:"studio"`
	Overview string   `json:"overview"`
}

func connect(t *testing.T, key string) meilisearch.ServiceManager {
	t.Helper()
	url := os.Getenv("MIROIR_URL")
	if url == "" {
		t.Fatal("MIROIR_URL names no server; the suite is run by test/sdk")
	}
	client := meilisearch.New(url, meilisearch.WithAPIKey(key))
	t.Cleanup(client.Close)
	return client
}

func master(t *testing.T) meilisearch.ServiceManager {
	t.Helper()
	return connect(t, os.Getenv("MIROIR_KEY"))
}

func films(t *testing.T) []film {
	t.Helper()
	content, err := os.ReadFile("../films.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []film
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// done waits for a task with the client's own function and wants it to succeed.
func done(t *testing.T, client meilisearch.ServiceManager) func(*meilisearch.TaskInfo, error) *meilisearch.Task {
	return func(info *meilisearch.TaskInfo, err error) *meilisearch.Task {
		t.Helper()
		task := finished(t, client)(info, err)
		if task.Status != meilisearch.TaskStatusSucceeded {
			t.Fatalf("task %d (%s): %s: %s", task.UID, task.Type, task.Status, task.Error.Message)
		}
		return task
	}
}

func finished(t *testing.T, client meilisearch.ServiceManager) func(*meilisearch.TaskInfo, error) *meilisearch.Task {
	return func(info *meilisearch.TaskInfo, err error) *meilisearch.Task {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		task, err := client.WaitForTask(info.TaskUID, 10*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return task
	}
}

// library is an index with all films and the settings that searches need.
func library(t *testing.T, uid string) (meilisearch.ServiceManager, meilisearch.IndexManager) {
	t.Helper()
	client := master(t)
	wait := done(t, client)
	wait(client.CreateIndex(&meilisearch.IndexConfig{Uid: uid, PrimaryKey: "id"}))
	index := client.Index(uid)
	wait(index.UpdateSettings(&meilisearch.Settings{
		FilterableAttributes: []string{"genres", "year", "rating", "studio"},
		SortableAttributes:   []string{"year", "rating", "title"},
	}))
	wait(index.AddDocuments(films(t), nil))
	return client, index
}

func ids(t *testing.T, hits meilisearch.Hits) []int {
	t.Helper()
	found := []int{}
	for _, hit := range hits {
		var f film
		if err := hit.DecodeInto(&f); err != nil {
			t.Fatal(err)
		}
		found = append(found, f.ID)
	}
	return found
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// refused wants the client's error type with the server's code and status.
func refused(t *testing.T, err error, status int, code string) {
	t.Helper()
	var refusal *meilisearch.Error
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	same(t, "status of "+code, refusal.StatusCode, status)
	same(t, "code", refusal.MeilisearchApiError.Code, code)
	same(t, "kind of error", refusal.ErrCode, meilisearch.MeilisearchApiError)
}
