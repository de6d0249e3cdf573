package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// Answer is what a server answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the answer's body into a value.
func (a Answer) Decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("answer %d %s: %v", a.Status, a.Body, err)
	}
}

// Do sends a request with the master key. Headers stand as "Name: value". Writes
// have a key of their own unless the headers name one: a connection that a reload
// closed is no answer, and what was sent on it is sent again.
func (f *Fleet) Do(t testing.TB, method, path, body string, headers ...string) Answer {
	t.Helper()
	if method != http.MethodGet {
		headers = append([]string{"Idempotency-Key: " + uuid.NewString()}, headers...)
	}
	return Do(t, f.URL, MasterKey, method, path, body, headers...)
}

// Do sends a request to any server; an empty key sends none.
func Do(t testing.TB, base, key, method, path, body string, headers ...string) Answer {
	t.Helper()
	answer, err := attempt(t, base, key, method, path, body, headers)
	for range 5 {
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			break
		}
		http.DefaultClient.CloseIdleConnections()
		answer, err = attempt(t, base, key, method, path, body, headers)
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func attempt(t testing.TB, base, key, method, path, body string, headers []string) (Answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, answer}, err
}

// Want sends a request and fails the test unless it is answered with a status.
func (f *Fleet) Want(t testing.TB, status int, method, path, body string, headers ...string) Answer {
	t.Helper()
	answer := f.Do(t, method, path, body, headers...)
	if answer.Status != status {
		t.Fatalf("%s %s: %d %s, want %d", method, path, answer.Status, answer.Body, status)
	}
	return answer
}

// Task is what tests look at of a task.
type Task struct {
	UID     uint32          `json:"uid"`
	Status  string          `json:"status"`
	Details json.RawMessage `json:"details"`
	Error   *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Write sends a write and waits for its task.
func (f *Fleet) Write(t testing.TB, method, path, body string, headers ...string) Task {
	t.Helper()
	answer := f.Do(t, method, path, body, headers...)
	if answer.Status != http.StatusAccepted && answer.Status != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	var summary struct {
		TaskUID uint32 `json:"taskUid"`
	}
	answer.Decode(t, &summary)
	return f.Await(t, summary.TaskUID)
}

// Await waits until a task has ended.
func (f *Fleet) Await(t testing.TB, uid uint32) Task {
	t.Helper()
	var task Task
	Eventually(t, fmt.Sprintf("task %d has ended", uid), func() bool {
		f.Want(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/tasks/%d", uid), "").Decode(t, &task)
		return task.Status != "enqueued" && task.Status != "processing"
	})
	return task
}

// Eventually waits until something holds, at most half a minute, or three where
// real servers do the work.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	patience := 30 * time.Second
	if Binary() != "" {
		patience = 3 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
