package client

import (
	"testing"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

func TestTasks(t *testing.T) {
	client, index := library(t, "go-tasks")
	found, err := client.GetTasks(&meilisearch.TasksQuery{IndexUIDS: []string{"go-tasks"}, Statuses: []meilisearch.TaskStatus{"succeeded"}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tasks", found.Total, int64(3))
	types := []meilisearch.TaskType{}
	for _, task := range found.Results {
		types = append(types, task.Type)
		if task.EnqueuedAt.After(task.StartedAt) || task.StartedAt.After(task.FinishedAt) {
			t.Errorf("times of task %d are out of order", task.UID)
		}
	}
	same(t, "newest first", types, []meilisearch.TaskType{"documentAdditionOrUpdate", "settingsUpdate", "indexCreation"})

	found, err = index.GetTasks(&meilisearch.TasksQuery{Types: []meilisearch.TaskType{meilisearch.TaskTypeSettingsUpdate}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "of a type", found.Total, int64(1))
	uid := found.Results[0].UID
	batches, err := client.GetBatches(&meilisearch.BatchesQuery{UIDs: []int64{uid}})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "batches of a task", batches.Total, int64(1))

	canceled := done(t, client)(client.CancelTasks(&meilisearch.CancelTasksQuery{UIDS: []int64{uid}}))
	same(t, "canceled", canceled.Details.CanceledTasks, int64(0))
	deleted := done(t, client)(client.DeleteTasks(&meilisearch.DeleteTasksQuery{UIDS: []int64{uid}}))
	same(t, "deleted", deleted.Details.DeletedTasks, int64(1))
	_, err = client.GetTask(uid)
	refused(t, err, 404, "task_not_found")

	failed := finished(t, client)(index.AddDocuments([]map[string]any{{"title": "no id"}}, nil))
	same(t, "status without an id", failed.Status, meilisearch.TaskStatusFailed)
	same(t, "code without an id", failed.Error.Code, "missing_document_id")
}

func TestKeys(t *testing.T) {
	client, _ := library(t, "go-keys")
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	key, err := client.CreateKey(&meilisearch.Key{
		Name: "search", Description: "searches", Actions: []string{"search"}, Indexes: []string{"go-keys"}, ExpiresAt: expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "expiry", key.ExpiresAt.UTC(), expires)
	if _, err := client.UpdateKey(key.UID, &meilisearch.Key{Name: "renamed"}); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetKey(key.Key)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "name", got.Name, "renamed")
	list, err := client.GetKeys(&meilisearch.KeysQuery{Limit: 50})
	if err != nil || int(list.Total) != len(list.Results) || list.Total < 5 {
		t.Errorf("keys: %v, %v", list, err)
	}

	limited := connect(t, key.Key)
	found := search(t, limited.Index("go-keys"), "", meilisearch.SearchRequest{})
	same(t, "hits of the key", found.EstimatedTotalHits, int64(20))
	_, err = limited.CreateIndex(&meilisearch.IndexConfig{Uid: "go-forbidden"})
	refused(t, err, 403, "invalid_api_key")
	_, err = limited.Index("go-other").Search("", &meilisearch.SearchRequest{})
	refused(t, err, 403, "invalid_api_key")

	if _, err := client.DeleteKey(key.UID); err != nil {
		t.Fatal(err)
	}
	_, err = client.GetKey(key.UID)
	refused(t, err, 404, "api_key_not_found")
	_, err = limited.Index("go-keys").Search("", &meilisearch.SearchRequest{})
	refused(t, err, 403, "invalid_api_key")
	_, err = connect(t, "").GetKeys(nil)
	refused(t, err, 401, "missing_authorization_header")
}

func TestTenantTokens(t *testing.T) {
	client, _ := library(t, "go-tenants")
	key, err := client.CreateKey(&meilisearch.Key{Actions: []string{"search"}, Indexes: []string{"*"}, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]any{"go-tenants": map[string]any{"filter": "studio = Harbour"}}
	token, err := client.GenerateTenantToken(key.UID, rules, &meilisearch.TenantTokenOptions{APIKey: key.Key, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	tenant := connect(t, token)
	found := search(t, tenant.Index("go-tenants"), "", meilisearch.SearchRequest{Sort: []string{"rating:desc"}})
	same(t, "hits of the tenant", ids(t, found.Hits), []int{13, 16, 6, 1, 17, 2, 7})
	found = search(t, tenant.Index("go-tenants"), "", meilisearch.SearchRequest{Filter: "studio = Kite"})
	same(t, "hits of another's", len(found.Hits), 0)
	_, err = tenant.Index("go-other").Search("", &meilisearch.SearchRequest{})
	refused(t, err, 403, "invalid_api_key")
}
