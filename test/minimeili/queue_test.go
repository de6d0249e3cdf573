package minimeili_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

// batches tells the tasks of each batch, oldest first, and why it ended.
func batches(t *testing.T, m *minimeili.Server) []string {
	t.Helper()
	var page struct {
		Results []struct {
			UID           uint32
			BatchStrategy string
		}
	}
	if err := json.Unmarshal([]byte(expect(t, m, 200, "GET", "/batches?reverse=true&limit=100", "")), &page); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, b := range page.Results {
		var uids []string
		for _, task := range m.Tasks() {
			if task.BatchUID != nil && *task.BatchUID == b.UID {
				uids = append(uids, fmt.Sprint(task.UID))
			}
		}
		list = append(list, strings.Join(uids, ",")+": "+b.BatchStrategy)
	}
	return list
}

func TestTasksOfAnIndexAreBatchedAsTheServerDoes(t *testing.T) {
	const add = "POST /indexes/x/documents"
	tests := []struct {
		name     string
		requests []string // method, path and body
		want     []string // the batches
		statuses string
	}{
		{
			"additions, updates and deletions by id join",
			[]string{add + ` [{"id":1}]`, `PUT /indexes/x/documents [{"id":1,"a":1}]`, `DELETE /indexes/x/documents/1`},
			[]string{"0,1,2: batched all enqueued tasks"}, "succeeded succeeded succeeded",
		},
		{
			"one bad payload fails alone",
			[]string{add + ` [{"id":1}]`, add + ` [{"noid":1}]`, add + ` [{"id":2}]`},
			[]string{"0,1,2: batched all enqueued tasks"}, "succeeded failed succeeded",
		},
		{
			"a deletion by filter waits for additions before it and joins those after",
			[]string{add + ` [{"id":1}]`, `POST /indexes/x/documents/delete {"filter":"id = 1"}`, add + ` [{"id":2}]`},
			[]string{
				"0: stopped before task with id 1 because it is a deletion by filter which cannot be batched with document operations",
				"1,2: batched all enqueued tasks",
			}, "succeeded failed failed",
		},
		{
			"settings do not join documents",
			[]string{
				`PUT /indexes/x/settings/stop-words ["a"]`, `PUT /indexes/x/settings/stop-words ["b"]`, add + ` [{"id":1}]`,
				`PATCH /indexes/x/settings {"stopWords":["c"]}`,
			},
			[]string{
				"0,1: stopped before task with id 2 because it is a document operation which cannot be batched with settings changes",
				"2: stopped before task with id 3 because it is a settings change which cannot be batched with document operations",
				"3: batched all enqueued tasks",
			}, "succeeded succeeded succeeded succeeded",
		},
		{
			"the deletion of the index swallows what came before",
			[]string{add + ` [{"id":1}]`, `DELETE /indexes/x/documents`, `DELETE /indexes/x`, add + ` [{"id":2}]`},
			[]string{
				"0,1,2: stopped after task with id 2 because it deletes the index",
				"3: batched all enqueued tasks",
			}, "succeeded succeeded succeeded succeeded",
		},
		{
			"primary keys that differ do not join",
			[]string{"POST /indexes/x/documents?primaryKey=a [{\"a\":1}]", "POST /indexes/x/documents?primaryKey=b [{\"b\":1}]"},
			[]string{
				"0: stopped batching before task with id 1 because its primary key `b` is different from the primary key of the batch `a`",
				"1: stopped batching before task with id 1 because its primary key `b` is different from the primary key of the index `a`",
			}, "succeeded failed",
		},
		{
			"other indexes come after",
			[]string{add + ` [{"id":1}]`, `POST /indexes/y/documents [{"id":1}]`, add + ` [{"id":2}]`},
			[]string{"0,2: batched all enqueued tasks for index `x`", "1: batched all enqueued tasks"}, "succeeded succeeded succeeded",
		},
		{
			"a dump overtakes, a cancelation more so",
			[]string{add + ` [{"id":1}]`, `POST /dumps`, `POST /tasks/cancel?uids=0`},
			[]string{
				"0,2: created batch containing only task with id 2 of type `taskCancelation` that cannot be batched with any other task.",
				"1: created batch containing only task with id 1 of type `dumpCreation` that cannot be batched with any other task.",
			}, "canceled succeeded succeeded",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := minimeili.Run(t, minimeili.WithDumpDir(t.TempDir()))
			m.HoldTasks()
			for _, request := range test.requests {
				parts := append(strings.SplitN(request, " ", 3), "")
				if status, answer := ask(t, m, parts[0], parts[1], parts[2]); status >= 300 {
					t.Fatal(answer)
				}
			}
			m.ReleaseTasks()
			m.WaitIdle()
			if got := batches(t, m); strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("batches:\n%s\nwants:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if got := statuses(m); got != test.statuses {
				t.Errorf("statuses %q, wants %q\n%s", got, test.statuses, m.Dump())
			}
		})
	}
}

func TestErrorOfTheIndexerFailsTheWholeBatchAndUndoesIt(t *testing.T) {
	m := minimeili.Run(t)
	if err := m.SeedSettings("x", `{"filterableAttributes":["_geo"]}`); err != nil {
		t.Fatal(err)
	}
	if err := m.Seed("x", "id", `[{"id":1,"v":"old"},{"id":2}]`); err != nil {
		t.Fatal(err)
	}
	before := m.Docs("x")
	m.HoldTasks()
	expect(t, m, 202, "POST", "/indexes/x/documents", `[{"id":1,"v":"new"},{"id":3}]`)
	expect(t, m, 202, "DELETE", "/indexes/x/documents/2", "")
	expect(t, m, 202, "POST", "/indexes/x/documents", `[{"id":4,"_geo":"nowhere"}]`)
	m.ReleaseTasks()
	m.WaitIdle()
	if got := statuses(m); got != "succeeded succeeded failed failed failed" {
		t.Fatal(m.Dump())
	}
	if fmt.Sprintf("%s", m.Docs("x")) != fmt.Sprintf("%s", before) {
		t.Fatal(m.Dump())
	}
}

func TestBatchThatClearsAndChangesSettingsShowsBoth(t *testing.T) {
	m := minimeili.Run(t)
	m.HoldTasks()
	expect(t, m, 202, "PUT", "/indexes/x/settings/stop-words", `["a"]`)
	expect(t, m, 202, "DELETE", "/indexes/x/documents", "")
	expect(t, m, 202, "PATCH", "/indexes/x/settings", `{"pagination":{"maxTotalHits":5},"stopWords":["b"]}`)
	m.ReleaseTasks()
	m.WaitIdle()
	want := `"details":{"deletedDocuments":0,"stopWords":["b"],"pagination":{"maxTotalHits":5}}`
	if answer := expect(t, m, 200, "GET", "/batches/0", ""); !strings.Contains(answer, want) {
		t.Fatal(answer)
	}
}

func TestCancelReachesTasksInProcessing(t *testing.T) {
	m := minimeili.Run(t)
	m.StallTasks()
	expect(t, m, 202, "POST", "/indexes/x/documents", `[{"id":1}]`)
	for statuses(m) != "processing" {
		expect(t, m, 200, "GET", "/tasks/0", "")
	}
	if answer := expect(t, m, 200, "GET", "/batches/0", ""); !strings.Contains(answer, `"percentage":0.0`) || !strings.Contains(answer, `"finishedAt":null`) {
		t.Fatal(answer)
	}
	expect(t, m, 200, "POST", "/tasks/cancel?statuses=processing", "")
	m.WaitIdle()
	if got := statuses(m); got != "canceled succeeded" || m.Docs("x") != nil {
		t.Fatal(m.Dump())
	}
	if canceled := m.Tasks()[0]; canceled.CanceledBy == nil || *canceled.CanceledBy != 1 ||
		string(canceled.Details) != `{"receivedDocuments":1,"indexedDocuments":0}` {
		t.Fatal(m.Dump())
	}
}

func TestHeldTasksRunBatchByBatch(t *testing.T) {
	m := minimeili.Run(t, minimeili.WithoutAutobatching())
	m.HoldTasks()
	for i := range 3 {
		expect(t, m, 202, "POST", "/indexes/x/documents", fmt.Sprintf(`[{"id":%d}]`, i))
	}
	m.RunBatches(1)
	for statuses(m) != "succeeded enqueued enqueued" {
		expect(t, m, 200, "GET", "/tasks", "")
	}
	m.RunBatches(2)
	m.WaitIdle()
	if got := ids(t, m.Docs("x")); got != "0 1 2" {
		t.Fatal(m.Dump())
	}
}
