package webhook

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func book(t *testing.T) *Book {
	t.Helper()
	b, err := Open(memory.New())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, body string) *request.WebhookChange {
	t.Helper()
	w, err := request.ParseWebhookCreate([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestFinishedTasksAreDelivered(t *testing.T) {
	type delivery struct {
		token string
		tasks []meili.Task
	}
	got := make(chan delivery, 10)
	failures := 1
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failures > 0 {
			failures--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		d := delivery{token: r.Header.Get("Authorization")}
		zip, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		for lines := bufio.NewScanner(zip); lines.Scan(); {
			var shown meili.Task
			if err := json.Unmarshal(lines.Bytes(), &shown); err != nil {
				t.Error(err)
			}
			d.tasks = append(d.tasks, shown)
		}
		got <- d
	}))
	defer hook.Close()
	b := book(t)
	if _, err := b.Create(parse(t, `{"url":"`+hook.URL+`","headers":{"Authorization":"Bearer secret"}}`)); err != nil {
		t.Fatal(err)
	}
	s := Start(b, new(net.Dialer).DialContext, slog.New(slog.DiscardHandler))
	defer s.Close()
	s.Ended([]task.Task{{UID: 7, Status: meili.StatusSucceeded, Type: meili.TypeSettingsUpdate, EnqueuedAt: time.Unix(1, 0)}, {UID: 8, Status: meili.StatusFailed, Type: meili.TypeSettingsUpdate, EnqueuedAt: time.Unix(1, 0)}})
	d := <-got
	if d.token != "Bearer secret" || len(d.tasks) != 2 || d.tasks[0].UID != 7 || d.tasks[1].Status != meili.StatusFailed {
		t.Errorf("delivered %+v", d)
	}
}

func TestWebhooksAreKeptAndTheirSecretsNotShown(t *testing.T) {
	store := memory.New()
	b, err := Open(store)
	if err != nil {
		t.Fatal(err)
	}
	made, failed := b.Create(parse(t, `{"url":"https://hooks.example/x","headers":{"Authorization":"Bearer abcdefghijklmnopqrstuvwxyz0123456789","X-A":"b"}}`))
	if failed != nil {
		t.Fatal(failed)
	}
	if b, err = Open(store); err != nil {
		t.Fatal(err)
	}
	again, failed := b.Get(made.UUID)
	if failed != nil || strings.Contains(again.Headers["Authorization"], "abcdefg") || again.Headers["X-A"] != "b" {
		t.Errorf("kept %+v, %v", again, failed)
	}
	change, failed := request.ParseWebhookUpdate([]byte(`{"headers":{"X-A":null}}`))
	if failed != nil {
		t.Fatal(failed)
	}
	if again, failed = b.Update(made.UUID, change); failed != nil || len(again.Headers) != 1 {
		t.Errorf("changed to %+v, %v", again, failed)
	}
	if failed := b.Delete(made.UUID); failed != nil {
		t.Error(failed)
	}
	if _, failed := b.Get(made.UUID); failed == nil || failed.Status != http.StatusNotFound {
		t.Errorf("a webhook that was deleted answers %v", failed)
	}
}

func TestThereIsABoundOnWebhooks(t *testing.T) {
	b := book(t)
	for range maxHooks {
		if _, err := b.Create(parse(t, `{"url":"https://hooks.example/x"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Create(parse(t, `{"url":"https://hooks.example/x"}`)); err == nil || err.Code != "invalid_webhooks" {
		t.Errorf("one more than allowed: %v", err)
	}
}
