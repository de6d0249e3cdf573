package outbox

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRule21RolledBackNodeGetsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		box, l := start(t, f, Options{})
		box.Push("x", add(1), add(2))
		settle(time.Second)
		// The disk is put back to before both, and the uids are handed out again.
		f.mutex.Lock()
		f.tasks = nil
		f.mutex.Unlock()
		f.mutex.Lock()
		f.before = func(*http.Request) error { return errors.New("reset") }
		f.mutex.Unlock()
		box.Push("x", add(3))
		settle(time.Second)
		f.mutex.Lock()
		f.before = nil
		for range 4 {
			r, _ := http.NewRequest(http.MethodPost, "/indexes/y/documents", nil)
			f.add(r, []byte("foreign"))
		}
		f.mutex.Unlock()
		settle(10 * time.Second)
		if box.InOrder("x") || !box.State().RolledBack {
			t.Errorf("state %+v", box.State())
		}
		if slices.Contains(f.requests(), "3") || len(l.ends()) != 2 {
			t.Errorf("a rolled back node was written to: %v", f.requests())
		}
		box.Close(t.Context())
	})
}

func TestRule21NothingBeforeTheLastTaskIsSeen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{before: func(*http.Request) error { return errors.New("down") }}
		box, l := start(t, f, Options{})
		box.Push("x", add(1))
		settle(10 * time.Second)
		if box.InOrder("x") {
			t.Error("in order though nobody has seen it")
		}
		f.mutex.Lock()
		f.before = nil
		f.mutex.Unlock()
		settle(3 * time.Second) // back-off of at most 2 s
		if !box.InOrder("x") || len(l.ends()) != 1 {
			t.Errorf("in order %v, ended %v", box.InOrder("x"), l.ends())
		}
		box.Close(t.Context())
	})
}

// A task that the node does not know any more is sent again, and what came
// behind it too.
func TestRule15VanishedTaskIsSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{delay: time.Second}
		box, l := start(t, f, Options{})
		first := add(1)
		first.Join = ""
		box.Push("x", first)
		synctest.Wait()
		box.Push("x", add(2))
		settle(100 * time.Millisecond)
		f.mutex.Lock()
		f.tasks[0].hidden = true
		f.mutex.Unlock()
		settle(10 * time.Second)
		if got := f.applied(); !slices.Equal(got, []string{"1", "2", "1", "2"}) {
			t.Errorf("applied %v", got)
		}
		if got := l.ends(); !slices.Equal(got, numbers(1, 2)) || !box.InOrder("x") {
			t.Errorf("ended %v", got)
		}
		box.Close(t.Context())
	})
}

func TestOutboxLimitGivesTheNodeUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{before: func(*http.Request) error { return errors.New("down") }}
		box, l := start(t, f, Options{Limit: 5})
		box.Push("x", add(1), add(2))
		settle(time.Second)
		if len(l.ends()) != 0 {
			t.Errorf("ended %v", l.ends())
		}
		box.Push("x", add(3))
		settle(time.Second)
		box.Push("x", add(4))
		settle(time.Second)
		if got := strings.Join(l.ends(), ","); got != "1 gone,2 gone,3 gone,4 gone" {
			t.Errorf("ended %v", got)
		}
		if box.InOrder("x") {
			t.Error("a stale node is in order")
		}
		f.mutex.Lock()
		f.before = nil
		f.mutex.Unlock()
		box.Revive()
		box.Push("x", add(5))
		settle(5 * time.Second)
		if got := f.applied(); !slices.Equal(got, []string{"5"}) || !box.InOrder("x") {
			t.Errorf("applied %v", got)
		}
		box.Close(t.Context())
	})
}

func TestPollingIsAdaptive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{delay: 10 * time.Second}
		box, l := start(t, f, Options{})
		for op := uint64(1); op <= 50; op++ {
			s := add(op)
			s.Join = ""
			box.Push("x", s)
		}
		settle(15 * time.Second)
		if len(l.ends()) != 50 {
			t.Errorf("%d ended", len(l.ends()))
		}
		if f.polls > 90 {
			t.Errorf("%d polls in ten seconds", f.polls)
		}
		box.Close(t.Context())
	})
}
