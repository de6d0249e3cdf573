package adopt

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// taker takes documents as the gateway does: a task with a document that is
// marked fails as a whole.
type taker struct {
	mu    sync.Mutex
	tasks []meili.Task
	taken []string
}

func (k *taker) answer(r *http.Request) (int, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		t := meili.Task{UID: uint32(len(k.tasks)), Status: meili.StatusSucceeded}
		lines := strings.Split(strings.TrimSpace(string(body)), "\n")
		if strings.Contains(string(body), "bad") {
			t.Status, t.Error = meili.StatusFailed, &meili.Error{Code: "vector_embedding_error", Message: "no vectors provided"}
		} else {
			k.taken = append(k.taken, lines...)
		}
		k.tasks = append(k.tasks, t)
		return http.StatusAccepted, fmt.Sprintf(`{"taskUid":%d,"status":"enqueued"}`, t.UID)
	}
	var list []meili.Task
	var uid int
	if _, err := fmt.Sscanf(r.URL.Path, "/tasks/%d", &uid); err == nil {
		text, _ := meili.Marshal(k.tasks[uid])
		return http.StatusOK, string(text)
	}
	for _, text := range strings.Split(r.URL.Query().Get("uids"), ",") {
		_, _ = fmt.Sscan(text, &uid)
		list = append(list, k.tasks[uid])
	}
	text, _ := meili.Marshal(meili.TaskPage{Results: list})
	return http.StatusOK, string(text)
}

func TestDocumentsThatFailATaskAreFoundAndTheOthersTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := new(taker)
		a := adopting(nil, k.answer, Options{})
		s := a.sender(&IndexPlan{UID: "x", PrimaryKey: "id"})
		s.passes, s.meter = 1, newMeter("x", Documents, 100, a.Progress)
		var items []item
		for i := range 100 {
			word := "good"
			if i == 13 || i == 14 || i == 99 {
				word = "bad"
			}
			items = append(items, item{id: fmt.Sprint(i), content: uint64(i), text: fmt.Appendf(nil, `{"id":%d,"w":%q}`, i, word)})
		}
		for range 2 { // the second time they are known and not sent
			sent := len(k.tasks)
			if err := s.send(t.Context(), items); err != nil {
				t.Fatal(err)
			}
			if err := s.drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(s.refused) != 3 || s.refused["13"] == nil || s.refused["14"] == nil || s.refused["99"].content != 99 {
				t.Errorf("refused: %v", s.refused)
			}
			if sent > 0 && len(k.tasks) != sent+1 {
				t.Errorf("%d tasks the second time", len(k.tasks)-sent)
			}
		}
		if len(k.taken) != 2*97 || s.written != 2*97 || s.meter.event.Done != 200 {
			t.Errorf("%d taken, %d counted, %d done", len(k.taken), s.written, s.meter.event.Done)
		}
	})
}

func TestAnIndexOfWhichMostIsRefusedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := adopting(nil, func(*http.Request) (int, string) {
			return http.StatusBadRequest, `{"message":"no","code":"invalid_document_id"}`
		}, Options{})
		s := a.sender(&IndexPlan{UID: "x", PrimaryKey: "id"})
		s.meter = newMeter("x", Documents, 2000, a.Progress)
		items := make([]item, 2000)
		for i := range items {
			items[i] = item{id: fmt.Sprint(i), text: fmt.Appendf(nil, `{"id":%d}`, i)}
		}
		if err := s.send(t.Context(), items); err == nil || !strings.Contains(err.Error(), "more than 1000 documents are refused") || len(s.refused) > mostRefused+1 {
			t.Errorf("%v, %d refused", err, len(s.refused))
		}
	})
}
