package task

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

var (
	dates     = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*Z"`)
	durations = regexp.MustCompile(`"PT[0-9.]+S"`)
	traces    = regexp.MustCompile(`"progressTrace":\{[^}]*\}`)
)

func plain(tb testing.TB, v any) string {
	tb.Helper()
	out, err := meili.Marshal(v)
	must(tb, err)
	out = traces.ReplaceAll(out, []byte(`"progressTrace":{}`))
	out = dates.ReplaceAll(out, []byte(`"<date>"`))
	return string(durations.ReplaceAll(out, []byte(`"<duration>"`)))
}

type step struct {
	Step    int
	Wait    *uint32
	Request struct {
		Method, Path string
	}
	Status int
	Body   json.RawMessage
}

func recorded(t *testing.T) (steps []step) {
	t.Helper()
	file, err := os.Open(filepath.Join("..", "..", "test", "recordings", "data", "tasks.jsonl"))
	must(t, err)
	defer file.Close()
	scan := bufio.NewScanner(file)
	scan.Buffer(nil, 1<<22)
	for scan.Scan() {
		var s step
		must(t, json.Unmarshal(scan.Bytes(), &s))
		var body bytes.Buffer
		must(t, json.Compact(&body, s.Body))
		s.Body = body.Bytes()
		steps = append(steps, s)
	}
	return steps
}

// The whole recorded session is played: what the server answered about a task is
// what the table must say.
func TestRecordedSession(t *testing.T) {
	table := open(t, memory.New(), Options{})
	kept := map[uint32]meili.Task{}
	for _, s := range recorded(t) {
		if s.Wait != nil {
			var end meili.Task
			must(t, json.Unmarshal(s.Body, &end))
			kept[*s.Wait] = end
		}
	}
	for _, s := range recorded(t) {
		path, query, _ := strings.Cut(s.Request.Path, "?")
		var got any
		switch {
		case s.Wait != nil:
			end := kept[*s.Wait]
			if !end.Type.Global() {
				must(t, table.Start(*s.Wait, table.opts.Now()))
				table.Finish(*s.Wait, Outcome{Status: end.Status, Details: end.Details, Error: end.Error, At: table.opts.Now()})
			}
			task, _ := table.Get(*s.Wait)
			got = task.View()
		case s.Status >= 400 && s.Status != 404:
			continue // refused by the parsers
		case s.Request.Method == "GET" && path == "/tasks":
			q, refusal := request.ParseTasks(query)
			if refusal != nil {
				t.Fatal(refusal)
			}
			page, err := table.List(*q, nil)
			must(t, err)
			got = page
		case s.Request.Method == "GET" && path == "/batches":
			q, refusal := request.ParseTasks(query)
			if refusal != nil {
				t.Fatal(refusal)
			}
			page, err := table.Batches(*q, nil)
			must(t, err)
			got = page
			s.Body = traces.ReplaceAll(s.Body, []byte(`"progressTrace":{}`))
		case strings.HasPrefix(path, "/tasks/") && s.Request.Method == "GET":
			task, ok := table.Find(path[len("/tasks/"):])
			if got = task.View(); !ok {
				got = meili.TaskNotFound(path[len("/tasks/"):])
			}
		case strings.HasPrefix(path, "/batches/"):
			if _, ok := table.Batch(999); ok {
				t.Error("a batch that is not there was found")
			}
			got = meili.BatchNotFound("999")
		default:
			got = enqueue(t, table, s, path, query, kept)
		}
		if text := plain(t, got); text != string(s.Body) {
			t.Errorf("step %d %s %s:\n got %s\nwant %s", s.Step, s.Request.Method, s.Request.Path, text, s.Body)
		}
	}
}

func enqueue(t *testing.T, table *Table, s step, path, query string, kept map[uint32]meili.Task) meili.TaskSummary {
	t.Helper()
	var made Task
	var err error
	switch path {
	case "/tasks/cancel":
		f, refusal := request.ParseTaskFilter(query, "cancel")
		if refusal != nil {
			t.Fatal(refusal)
		}
		made, err = table.Cancel(*f, "?"+query, nil, func(uint32) bool { return true })
	case "/tasks":
		f, refusal := request.ParseTaskFilter(query, "delete")
		if refusal != nil {
			t.Fatal(refusal)
		}
		made, err = table.Delete(*f, "?"+query, nil)
	default:
		var summary meili.TaskSummary
		must(t, json.Unmarshal(s.Body, &summary))
		end := kept[summary.TaskUID]
		uid := table.addOne(t, end.Type, *end.IndexUID, string(end.Details))
		made, _ = table.Get(uid)
	}
	must(t, err)
	return made.Summary()
}

func TestCancelAsTheServerDoes(t *testing.T) {
	store := memory.New()
	table := open(t, store, Options{})
	first := table.addOne(t, meili.TypeDocumentAdditionOrUpdate, "a1", `{"receivedDocuments":9,"indexedDocuments":null}`)
	must(t, table.Start(first, table.opts.Now()))
	for _, one := range [][3]string{
		{"documentAdditionOrUpdate", "a2", `{"receivedDocuments":1,"indexedDocuments":null}`},
		{"documentDeletion", "a2", `{"providedIds":1,"deletedDocuments":null,"originalFilter":null}`},
		{"documentDeletion", "a2", `{"deletedDocuments":null}`},
		{"documentDeletion", "a2", `{"providedIds":0,"deletedDocuments":null,"originalFilter":"\"a=1\""}`},
		{"settingsUpdate", "a2", `{"stopWords":["a"]}`},
		{"indexCreation", "a3", `{"primaryKey":null}`},
		{"indexUpdate", "a3", `{"primaryKey":"x","oldIndexUid":"a3","newIndexUid":"a4"}`},
		{"indexDeletion", "a3", `{"deletedDocuments":null}`},
		{"indexSwap", "", `{"swaps":[{"indexes":["a3","a4"],"rename":false}]}`},
	} {
		table.addOne(t, meili.TaskType(one[0]), one[1], one[2])
	}
	own, err := table.Cancel(request.TaskFilter{Statuses: []meili.TaskStatus{"enqueued", "processing"}}, "?statuses=enqueued", nil,
		func(uid uint32) bool { return uid != first })
	must(t, err)
	page, err := table.List(request.Tasks{Limit: 20, TaskFilter: request.TaskFilter{CanceledBy: []uint32{own.UID}}}, nil)
	must(t, err)
	if page.Total != 9 {
		t.Errorf("%d tasks were canceled", page.Total)
	}
	if got, want := plain(t, page.Results[8]), `{"uid":1,"batchUid":1,"indexUid":"a2","status":"canceled","type":"documentAdditionOrUpdate","canceledBy":10,`+
		`"details":{"receivedDocuments":1,"indexedDocuments":0},"error":null,"duration":"<duration>","enqueuedAt":"<date>","startedAt":"<date>","finishedAt":"<date>"}`; got != want {
		t.Errorf("got %s", got)
	}
	batch, _ := table.Batch(1)
	want := `{"uid":1,"progress":null,"details":{"receivedDocuments":1,"indexedDocuments":0,"primaryKey":"x","providedIds":1,"deletedDocuments":0,` +
		`"matchedTasks":10,"canceledTasks":9,"originalFilter":"\"a=1\"&?statuses=enqueued","stopWords":["a"],` +
		`"swaps":[{"indexes":["a3","a4"],"rename":false}],"oldIndexUid":"a3","newIndexUid":"a4"},` +
		`"stats":{"totalNbTasks":10,"status":{"succeeded":1,"canceled":9},"types":{"documentAdditionOrUpdate":1,"documentDeletion":3,"settingsUpdate":1,` +
		`"indexCreation":1,"indexDeletion":1,"indexUpdate":1,"indexSwap":1,"taskCancelation":1},"indexUids":{"a2":5,"a3":3},"progressTrace":{}},` +
		`"duration":"<duration>","startedAt":"<date>","finishedAt":"<date>",` +
		`"batchStrategy":"created batch containing only task with id 10 of type ` + "`taskCancelation`" + ` that cannot be batched with any other task."}`
	if got := plain(t, batch); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	byIndex, err := table.Batches(request.Tasks{Limit: 5, TaskFilter: request.TaskFilter{Statuses: []meili.TaskStatus{"canceled"}, Types: []meili.TaskType{"indexSwap"}}}, nil)
	must(t, err)
	if byIndex.Total != 1 || *byIndex.From != 1 {
		t.Errorf("batches with a canceled swap: %+v", byIndex)
	}
	again := open(t, store, Options{}) // as after a crash
	if got, _ := again.Batch(1); plain(t, got) != want {
		t.Errorf("after a crash: %s", plain(t, got))
	}
	if p, _ := again.List(request.Tasks{TaskFilter: request.TaskFilter{CanceledBy: []uint32{own.UID}}}, nil); p.Total != 9 {
		t.Errorf("after a crash %d are canceled", p.Total)
	}
}
