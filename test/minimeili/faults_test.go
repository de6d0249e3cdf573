package minimeili_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestFailNextFailsThatManyRequests(t *testing.T) {
	m := minimeili.Run(t)
	m.FailNext(2, 503)
	for i, want := range []int{503, 503, 200} {
		response, _, err := try(m.URL(), "GET", "/health", "")
		if err != nil || response.StatusCode != want {
			t.Fatalf("request %d: %v %v", i, response, err)
		}
		if want == 503 && response.Header.Get("Retry-After") != "10" {
			t.Fatal("a 503 without Retry-After")
		}
	}
}

func TestInjectedFaultsStrikeOnlyWhatTheyMatch(t *testing.T) {
	m := minimeili.Run(t)
	remove := m.Inject(minimeili.Fault{Match: minimeili.Route("POST", "/indexes/x/"), Status: 500})
	expect(t, m, 200, "GET", "/health", "")
	expect(t, m, 500, "POST", "/indexes/x/search", "{}")
	remove()
	expect(t, m, 404, "POST", "/indexes/x/search", "{}")
}

func TestDroppedAnswerLeavesTheEffect(t *testing.T) {
	m := minimeili.Run(t)
	m.DropAnswers(1)
	if _, _, err := try(m.URL(), "POST", "/indexes/x/documents", `[{"id":1}]`); err == nil {
		t.Fatal("the answer arrived")
	}
	m.WaitIdle()
	if len(m.Docs("x")) != 1 {
		t.Fatal(m.Dump())
	}
}

func TestGarbageAndTruncatedAnswers(t *testing.T) {
	m := minimeili.Run(t)
	m.Garbage(1)
	if answer := expect(t, m, 200, "GET", "/health", ""); strings.HasPrefix(answer, "{") {
		t.Fatal(answer)
	}
	m.Truncate(1)
	if _, answer, err := try(m.URL(), "GET", "/health", ""); err == nil || len(answer) == 0 {
		t.Fatalf("got %q, %v", answer, err)
	}
	m.Inject(minimeili.Fault{Times: 1, Reset: true})
	if _, _, err := try(m.URL(), "GET", "/health", ""); err == nil {
		t.Fatal("the connection was not cut")
	}
	expect(t, m, 200, "GET", "/health", "")
}

func TestRefusedPortIsRefusedAndOpensAgain(t *testing.T) {
	m := minimeili.Run(t)
	m.Refuse()
	if _, _, err := try(m.URL(), "GET", "/health", ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	if err := m.Accept(); err != nil {
		t.Fatal(err)
	}
	expect(t, m, 200, "GET", "/health", "")
}

func TestPausedServerRunsWhatItsClientsGaveUp(t *testing.T) {
	m := minimeili.Run(t)
	m.Pause()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", m.URL()+"/indexes/x/documents", strings.NewReader(`[{"id":1}]`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if _, err := client.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", m.Addr())
	if err != nil {
		t.Fatal("a paused server accepts connections:", err)
	}
	if err := connection.Close(); err != nil {
		t.Fatal(err)
	}
	m.Resume()
	expect(t, m, 200, "GET", "/health", "")
	for len(m.Tasks()) == 0 { // the abandoned request has no answer to wait for
		expect(t, m, 200, "GET", "/tasks", "")
	}
	m.WaitIdle()
	if len(m.Docs("x")) != 1 {
		t.Fatal(m.Dump())
	}
}

func TestStoppingAPausedServerCutsWaitingRequests(t *testing.T) {
	m := minimeili.Run(t)
	m.Pause()
	failed := make(chan error)
	go func() {
		_, _, err := try(m.URL(), "GET", "/health", "")
		failed <- err
	}()
	for m.Requests("GET /health") == 0 {
		select {
		case err := <-failed:
			t.Fatal("answered before the stop", err)
		case <-time.After(time.Millisecond):
		}
	}
	m.Stop()
	if err := <-failed; err == nil {
		t.Fatal("a stopped server answered")
	}
}

func TestDelayAndServiceTimeAreWaited(t *testing.T) {
	const wait = 30 * time.Millisecond
	m := minimeili.Run(t, minimeili.WithServiceTime(wait))
	if err := m.Seed("x", "", `[{"id":1}]`); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	expect(t, m, 200, "POST", "/indexes/x/search", "{}")
	if time.Since(start) < wait {
		t.Fatal("a search was faster than its service time")
	}
	m.Delay(wait)
	start = time.Now()
	expect(t, m, 200, "GET", "/health", "")
	if time.Since(start) < wait {
		t.Fatal("an answer came before its delay")
	}
}

func TestIndexTimeIsWaited(t *testing.T) {
	const wait = 10 * time.Millisecond
	m := minimeili.Run(t, minimeili.WithIndexTime(wait))
	start := time.Now()
	expect(t, m, 202, "POST", "/indexes/x/documents", `[{"id":1},{"id":2},{"id":3}]`)
	m.WaitIdle()
	if time.Since(start) < 3*wait {
		t.Fatal("three documents were faster than their time")
	}
}

func TestFullDisk(t *testing.T) {
	m := minimeili.Run(t)
	m.FullDisk(true)
	if answer := expect(t, m, 422, "POST", "/indexes/x/documents", `[{"id":1}]`); !strings.Contains(answer, "no_space_left_on_device") {
		t.Fatal(answer)
	}
	expect(t, m, 200, "DELETE", "/tasks?statuses=failed", "")
	m.FullDisk(false)
	m.FullIndexDisk(true)
	expect(t, m, 202, "POST", "/indexes/x/documents", `[{"id":1}]`)
	m.WaitIdle()
	last := m.Tasks()[1]
	if last.Error == nil || last.Error.Code != "no_space_left_on_device" || string(last.Details) != `{"receivedDocuments":1,"indexedDocuments":0}` {
		t.Fatal(m.Dump())
	}
	m.ClearFaults()
	if err := m.Seed("x", "", `[{"id":1}]`); err != nil {
		t.Fatal(err)
	}
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	m := minimeili.Run(t)
	expect(t, m, 404, "GET", "/indexes/x/documents/7", "")
	expect(t, m, 404, "GET", "/indexes//x/documents/8/", "")
	if n := m.Requests("GET /indexes/{uid}/documents/{id}"); n != 2 {
		t.Fatal(m.RequestCounts())
	}
	m.ResetCounts()
	if len(m.RequestCounts()) != 0 {
		t.Fatal(m.RequestCounts())
	}
}
