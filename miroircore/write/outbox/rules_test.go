package outbox

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

func bubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, fn)
}

func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRule06OneRequestInFlightInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		flying := 0
		f := &fakeNode{delay: time.Hour}
		f.before = func(r *http.Request) error {
			if isWrite(r) {
				if flying++; flying > 1 {
					t.Error("two requests of one index are under way")
				}
				time.Sleep(time.Millisecond)
			}
			return nil
		}
		f.after = func(r *http.Request) error {
			if isWrite(r) {
				flying--
			}
			return nil
		}
		box, l := start(t, f, Options{})
		for op := range uint64(20) {
			s := add(op + 1)
			s.Join = ""
			box.Push("x", s)
		}
		settle(time.Second)
		// Sent as soon as possible: nothing has ended on the node, all are there.
		if got := f.requests(); !slices.Equal(got, numbers(1, 20)) {
			t.Errorf("requests %v", got)
		}
		if len(l.ends()) != 0 {
			t.Errorf("ended %v", l.ends())
		}
		box.Close(t.Context())
	})
}

func TestRule07SmallAddsAreJoined(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		f.before = func(r *http.Request) error {
			if isWrite(r) {
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}
		box, l := start(t, f, Options{MaxJoinSteps: 4})
		steps := []*Step{}
		for op := uint64(1); op <= 8; op++ {
			steps = append(steps, add(op))
		}
		steps[6].Join = "update" // another method may not be joined
		box.Push("x", steps[0])
		synctest.Wait()
		box.Push("x", steps[1:]...)
		settle(time.Second)
		if got, want := strings.Join(f.requests(), " "), "1 2+3+4+5 6 7 8"; got != want {
			t.Errorf("requests %q, want %q", got, want)
		}
		if got := l.ends(); !slices.Equal(got, numbers(1, 8)) {
			t.Errorf("ended %v", got)
		}
		box.Close(t.Context())
	})
}

func TestRule07EditsGoAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{delay: 100 * time.Millisecond}
		box, _ := start(t, f, Options{})
		edit := add(2)
		edit.Alone, edit.Join = true, ""
		box.Push("x", add(1), edit, add(3))
		settle(50 * time.Millisecond)
		if got := f.requests(); !slices.Equal(got, numbers(1, 1)) {
			t.Errorf("sent behind an unfinished task: %v", got)
		}
		settle(110 * time.Millisecond)
		if got := f.requests(); !slices.Equal(got, numbers(1, 2)) {
			t.Errorf("sent behind an edit: %v", got)
		}
		settle(time.Second)
		if got := f.requests(); !slices.Equal(got, numbers(1, 3)) {
			t.Errorf("requests %v", got)
		}
		box.Close(t.Context())
	})
}

func TestRule08LostAnswerIsLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		lost := 0
		f.after = func(r *http.Request) error {
			if isWrite(r) && lost < 3 {
				lost++
				return errors.New("connection reset")
			}
			return nil
		}
		box, l := start(t, f, Options{})
		settings := add(4)
		settings.Metadata, settings.Join, settings.Type, settings.Path = false, "", meili.TypeSettingsUpdate, "/indexes/x/settings"
		box.Push("x", add(1), add(2), add(3), settings, add(5))
		settle(5 * time.Second)
		if got := f.applied(); !slices.Equal(got, numbers(1, 5)) {
			t.Errorf("applied %v", got)
		}
		if got := l.ends(); !slices.Equal(got, numbers(1, 5)) {
			t.Errorf("ended %v", got)
		}
		box.Close(t.Context())
	})
}

func TestRule08UnsentIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		failures := 0
		f.before = func(r *http.Request) error {
			if isWrite(r) && failures < 5 {
				failures++
				return errors.New("connection reset")
			}
			return nil
		}
		box, l := start(t, f, Options{})
		box.Push("x", add(1), add(2))
		settle(30 * time.Second)
		if got := f.applied(); !slices.Equal(got, numbers(1, 2)) || len(l.ends()) != 2 {
			t.Errorf("applied %v, ended %v", got, l.ends())
		}
		box.Close(t.Context())
	})
}

func TestRule09DuplicateOutOfOrderIsSeen(t *testing.T) {
	for name, later := range map[string]bool{"behind a later operation": true, "before any": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := &fakeNode{}
				var held *http.Request
				f.before = func(r *http.Request) error {
					if isWrite(r) && held == nil { // the server is stopped and keeps the request
						held = r
						return errors.New("timeout")
					}
					return nil
				}
				box, l := start(t, f, Options{})
				box.Push("x", add(1))
				settle(time.Second)
				if later {
					box.Push("x", add(2))
					settle(time.Second)
				}
				f.mutex.Lock()
				f.add(held, []byte("1"))
				f.mutex.Unlock()
				settle(5 * time.Second)
				if l.diverged != later {
					t.Errorf("diverged %v", l.diverged)
				}
				box.Close(t.Context())
			})
		})
	}
}

// A failure of a batch of several tasks may be another's: everything from the
// first failed one on is sent again, one by one.
func TestRule11BatchFailureIsNotBelieved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{batch: true, delay: 50 * time.Millisecond}
		f.fail = func(task *fakeTask) *meili.Error {
			if strings.Contains(" "+strings.Join(strings.Fields(task.body), " ")+" ", " 3 ") {
				return meili.NewError("invalid_document_geo_field", "bad")
			}
			return nil
		}
		box, l := start(t, f, Options{})
		l.verdict = func(*Step) bool { return true }
		for op := uint64(1); op <= 5; op++ {
			s := add(op)
			s.Join = ""
			box.Push("x", s)
		}
		settle(10 * time.Second)
		if got := f.applied(); !slices.Equal(got, []string{"1", "2", "4", "5"}) {
			t.Errorf("applied %v", got)
		}
		if got := l.ends(); !slices.Equal(got, []string{"1", "2", "3 invalid_document_geo_field", "4", "5"}) {
			t.Errorf("ended %v", got)
		}
		if !box.InOrder("x") {
			t.Error("out of order when all is done")
		}
		box.Close(t.Context())
	})
}

// A later operation that succeeded meanwhile is sent again behind the failed
// one, or the failed one would overwrite it.
func TestRule11LaterOnesAreSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		failed := false
		f.fail = func(task *fakeTask) *meili.Error {
			if strings.HasPrefix(task.body, "1") && !failed {
				failed = true
				return meili.NewError("invalid_document_geo_field", "bad")
			}
			return nil
		}
		// Both are enqueued, then run: the first in a batch with a foreign task.
		f.delay = 20 * time.Millisecond
		box, l := start(t, f, Options{})
		second := add(2)
		second.Join = ""
		first := add(1)
		first.Join = ""
		l.verdict = func(*Step) bool { return false } // another replica could do it
		box.Push("x", first, second)
		settle(10 * time.Second)
		if got := f.applied(); !slices.Equal(got, []string{"2", "1", "2"}) {
			t.Errorf("applied %v", got)
		}
		box.Close(t.Context())
	})
}

func TestRule12NodeTroubleStaysAtTheHead(t *testing.T) {
	for _, code := range []string{"no_space_left_on_device", "io_error", "internal", "vector_embedding_error"} {
		t.Run(code, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := &fakeNode{}
				until := time.Now().Add(10 * time.Second)
				f.fail = func(*fakeTask) *meili.Error {
					if time.Now().Before(until) {
						return meili.NewError(code, "trouble")
					}
					return nil
				}
				box, l := start(t, f, Options{})
				box.Push("x", add(1), add(2))
				settle(5 * time.Second)
				if box.InOrder("x") || len(l.ends()) != 0 {
					t.Errorf("in order %v, ended %v", box.InOrder("x"), l.ends())
				}
				settle(20 * time.Second)
				if got := l.ends(); !slices.Equal(got, numbers(1, 2)) || !box.InOrder("x") {
					t.Errorf("ended %v, in order %v", got, box.InOrder("x"))
				}
				box.Close(t.Context())
			})
		})
	}
}

func TestRule12MissingVectorsAreTheOperations(t *testing.T) {
	for message, own := range map[string]bool{
		"Index `x`: While embedding documents for embedder `own`: no vectors provided for document `e`\n- Note: …":                    true,
		"Index `x`: While embedding documents for embedder `rest`: user error: could not authenticate against embedding server":       true,
		"Index `x`: While embedding documents for embedder `rest`: runtime error: was expecting embeddings of dimension `2`, got `3`": true,
		"Index `x`: While embedding documents for embedder `rest`: runtime error: could not reach embedding server:\n  - io: refused": false,
	} {
		if refusedHere(meili.NewError("vector_embedding_error", "%s", message), 0) != own {
			t.Errorf("%q: %v", message, !own)
		}
	}
}

func TestRule12StatusesOfTheNode(t *testing.T) {
	for status, own := range map[int]bool{400: true, 404: true, 413: true, 401: false, 403: false, 408: false, 429: false, 500: false, 503: false} {
		if refusedHere(nil, status) != own {
			t.Errorf("status %d: %v", status, !own)
		}
	}
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		until := time.Now().Add(3 * time.Second)
		f.answer = func(r *http.Request) *meili.Error {
			if isWrite(r) && time.Now().Before(until) {
				return &meili.Error{Code: "too_many_search_requests", Message: "busy", Status: 503}
			}
			return nil
		}
		box, l := start(t, f, Options{})
		box.Push("x", add(1))
		settle(time.Second)
		if box.InOrder("x") {
			t.Error("in order while it refuses for its own sake")
		}
		settle(10 * time.Second)
		if got := l.ends(); !slices.Equal(got, numbers(1, 1)) || !box.InOrder("x") {
			t.Errorf("ended %v", got)
		}
		box.Close(t.Context())
	})
}

// A change of settings waits for the filters before it: sent again behind it
// they could be refused for its sake.
func TestRule11SettingsWaitForFilters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{delay: 100 * time.Millisecond}
		box, _ := start(t, f, Options{})
		filter, change := add(2), add(3)
		filter.Filtered, filter.Join = true, ""
		change.Settings, change.Join = true, ""
		box.Push("x", add(1), filter, change)
		settle(50 * time.Millisecond)
		if got := f.requests(); !slices.Equal(got, numbers(1, 2)) {
			t.Errorf("requests %v", got)
		}
		settle(time.Second)
		if got := f.requests(); !slices.Equal(got, numbers(1, 3)) {
			t.Errorf("requests %v", got)
		}
		box.Close(t.Context())
	})
}
