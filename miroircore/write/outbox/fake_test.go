package outbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTask is a task of the fake node, with what was sent.
type fakeTask struct {
	meili.Task
	path, body string
	ready      time.Time
	hidden     bool // pruned from the list
}

// fakeNode is a node without a network: requests are handled in the caller's
// goroutine, tasks end by themselves after a while.
type fakeNode struct {
	mutex   sync.Mutex
	tasks   []*fakeTask
	batches uint32
	delay   time.Duration
	// fail gives what a task fails with, if it does; a batch fails whole.
	fail func(*fakeTask) *meili.Error
	// batch says that all tasks that are ready run in one batch.
	batch bool
	// before is called before a request is handled: its error is the transport's.
	// after is called when it was: its error loses the answer.
	before, after func(*http.Request) error
	// answer, if not nil, answers a request in the node's place.
	answer func(*http.Request) *meili.Error
	polls  int
	// kind is the type of all tasks, if not empty.
	kind meili.TaskType
}

func (f *fakeNode) client() (*node.Client, bool) {
	return node.New("a", &url.URL{Scheme: "http", Host: "a"}, func() []string { return []string{"key"} }, f), true
}

// RoundTrip implements http.RoundTripper.
func (f *fakeNode) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	f.mutex.Lock()
	before, after, answer := f.before, f.after, f.answer
	f.mutex.Unlock()
	if before != nil {
		if err := before(r); err != nil {
			return nil, err
		}
	}
	if answer != nil {
		if e := answer(r); e != nil {
			return reply(e.Status, e), nil
		}
	}
	f.mutex.Lock()
	f.work()
	resp := f.handle(r, body)
	f.mutex.Unlock()
	if after != nil {
		if err := after(r); err != nil {
			return nil, err
		}
	}
	return resp, nil
}

func reply(status int, v any) *http.Response {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return &http.Response{StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/json"}},
		ContentLength: int64(len(text)), Body: io.NopCloser(bytes.NewReader(text))}
}

func (f *fakeNode) handle(r *http.Request, body []byte) *http.Response {
	switch {
	case r.URL.Path == "/tasks":
		return reply(200, f.list(r.URL.Query()))
	case strings.HasPrefix(r.URL.Path, "/tasks/"):
		uid, _ := strconv.Atoi(r.URL.Path[len("/tasks/"):])
		if uid >= len(f.tasks) {
			return reply(404, meili.TaskNotFound(strconv.Itoa(uid)))
		}
		return reply(200, f.tasks[uid].Task)
	}
	t := f.add(r, body)
	return reply(202, meili.TaskSummary{TaskUID: t.UID, IndexUID: t.IndexUID, Status: t.Status, Type: t.Type, EnqueuedAt: t.EnqueuedAt})
}

func (f *fakeNode) add(r *http.Request, body []byte) *fakeTask {
	now := time.Now()
	parts := strings.Split(r.URL.Path, "/")
	index := parts[2]
	t := &fakeTask{Task: meili.Task{UID: uint32(len(f.tasks)), IndexUID: &index, Status: meili.StatusEnqueued,
		Type: meili.TypeDocumentAdditionOrUpdate, EnqueuedAt: meili.FormatTime(now.Add(time.Duration(len(f.tasks))))},
		path: r.Method + " " + r.URL.Path, body: string(body), ready: now.Add(f.delay)}
	if strings.HasSuffix(r.URL.Path, "/settings") {
		t.Type = meili.TypeSettingsUpdate
	}
	if f.kind != "" {
		t.Type = f.kind
	}
	if m := r.URL.Query().Get("customMetadata"); m != "" {
		t.CustomMetadata = &m
	}
	f.tasks = append(f.tasks, t)
	return t
}

func (f *fakeNode) list(q url.Values) meili.TaskPage {
	f.polls++
	page := meili.TaskPage{Results: []meili.Task{}}
	limit := 20
	if text := q.Get("limit"); text != "" {
		limit, _ = strconv.Atoi(text)
	}
	tasks := slices.Clone(f.tasks)
	if q.Get("reverse") != "true" {
		slices.Reverse(tasks)
	}
	for _, t := range tasks {
		if t.hidden {
			continue
		}
		uid := strconv.Itoa(int(t.UID))
		if uids := q.Get("uids"); uids != "" && !slices.Contains(strings.Split(uids, ","), uid) {
			continue
		}
		if b := q.Get("batchUids"); b != "" && (t.BatchUID == nil || strconv.Itoa(int(*t.BatchUID)) != b) {
			continue
		}
		if ix := q.Get("indexUids"); ix != "" && *t.IndexUID != ix {
			continue
		}
		if from := q.Get("from"); from != "" {
			n, _ := strconv.Atoi(from)
			if q.Get("reverse") == "true" && int(t.UID) < n || q.Get("reverse") != "true" && int(t.UID) > n {
				continue
			}
		}
		page.Total++
		if len(page.Results) < limit {
			page.Results = append(page.Results, t.Task)
		}
	}
	return page
}

// work runs what is ready.
func (f *fakeNode) work() {
	now := time.Now()
	for i := 0; i < len(f.tasks); i++ {
		if f.tasks[i].Status.Finished() || now.Before(f.tasks[i].ready) {
			continue
		}
		group := []*fakeTask{f.tasks[i]}
		for f.batch && i+1 < len(f.tasks) && !now.Before(f.tasks[i+1].ready) {
			i++
			group = append(group, f.tasks[i])
		}
		uid := f.batches
		f.batches++
		var failure *meili.Error
		for _, t := range group {
			if f.fail != nil && failure == nil {
				failure = f.fail(t)
			}
		}
		for _, t := range group {
			t.BatchUID, t.Error, t.Status = &uid, failure, meili.StatusSucceeded
			if failure != nil {
				t.Status = meili.StatusFailed
			}
		}
	}
}

// applied lists the bodies of the tasks that succeeded, in order.
func (f *fakeNode) applied() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var all []string
	for _, t := range f.tasks {
		if t.Status == meili.StatusSucceeded {
			all = append(all, strings.Fields(t.body)...)
		}
	}
	return all
}

// requests lists the bodies of all tasks.
func (f *fakeNode) requests() []string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var all []string
	for _, t := range f.tasks {
		all = append(all, strings.Join(strings.Fields(t.body), "+"))
	}
	return all
}

// listener notes events.
type listener struct {
	mutex    sync.Mutex
	enqueued []string
	ended    []string
	diverged bool
	late     []meili.TaskType
	box      *Node
	// verdict is given for each refusal; nil gives none.
	verdict func(*Step) bool
}

func (l *listener) Enqueued(_, _ string, s *Step, at Mark) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.enqueued = append(l.enqueued, fmt.Sprintf("%d@%d", s.Op, at.UID))
}

func (l *listener) Ended(_, index string, s *Step, o Outcome) {
	l.mutex.Lock()
	text := strconv.FormatUint(s.Op, 10)
	switch {
	case o.Gone:
		text += " gone"
	case o.Error != nil:
		text += " " + o.Error.Code
	}
	l.ended = append(l.ended, text)
	verdict := l.verdict
	l.mutex.Unlock()
	if o.Error != nil && verdict != nil {
		l.box.Settle(index, s, verdict(s))
	}
}

func (l *listener) Changed(string, string) {}

func (l *listener) Diverged(_, _ string, t meili.TaskType) {
	l.mutex.Lock()
	l.diverged, l.late = true, append(l.late, t)
	l.mutex.Unlock()
}

func (l *listener) ends() []string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return slices.Clone(l.ended)
}

// start makes an outbox before the fake node.
func start(t *testing.T, f *fakeNode, opts Options) (*Node, *listener) {
	t.Helper()
	l := &listener{}
	opts.Node, opts.Client, opts.Events = "a", f.client, l
	l.box = New(opts)
	t.Cleanup(func() { l.box.Close(t.Context()) })
	return l.box, l
}

// add makes the step of a small add whose body is the operation's number.
func add(op uint64) *Step {
	text := fmt.Sprintf("%d\n", op)
	return &Step{Op: op, Method: "POST", Path: "/indexes/x/documents", Type: meili.TypeDocumentAdditionOrUpdate, Metadata: true,
		Join: "add", Size: int64(len(text)), Body: func() (*node.Body, error) {
			b := node.JSON([]byte(text))
			b.ContentType = "application/x-ndjson"
			return b, nil
		}}
}

func numbers(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

func isWrite(r *http.Request) bool { return r.Method != http.MethodGet }
