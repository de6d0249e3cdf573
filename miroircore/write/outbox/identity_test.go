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

// What failed before the removal of the index is not sent again behind it.
func TestRule11RemovalEndsWhatIsBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{delay: 50 * time.Millisecond, batch: true}
		f.fail = func(task *fakeTask) *meili.Error {
			if strings.HasPrefix(task.path, http.MethodPost) {
				return meili.NewError("invalid_document_filter", "bad")
			}
			return nil
		}
		box, l := start(t, f, Options{})
		removal := add(3)
		removal.Method, removal.Path, removal.Join, removal.Body, removal.Last = http.MethodDelete, "/indexes/x", "", nil, true
		first, second := add(1), add(2)
		first.Join, second.Join = "", ""
		box.Push("x", first, second)
		settle(10 * time.Millisecond)
		box.Push("x", removal)
		settle(10 * time.Second)
		if got := l.ends(); !slices.Equal(got, numbers(1, 3)) {
			t.Errorf("ended %v", got)
		}
		if got := f.requests(); len(got) > 4 || box.State().Waiting != 0 || !box.InOrder("x") {
			t.Errorf("requests %v, state %+v", got, box.State())
		}
		box.Close(t.Context())
	})
}

// Operations that were joined into one task before a restart all end with it.
func TestRule22JoinedTaskIsTakenUpWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{delay: time.Second}
		r, err := http.NewRequest(http.MethodPost, "/indexes/x/documents", nil)
		if err != nil {
			t.Fatal(err)
		}
		task := f.add(r, []byte("1 2 3"))
		box, l := start(t, f, Options{})
		for op := uint64(1); op <= 3; op++ {
			s := add(op)
			s.Delivery = &Mark{UID: task.UID, EnqueuedAt: task.EnqueuedAt}
			box.Push("x", s)
		}
		box.Push("x", add(4))
		settle(10 * time.Second)
		if got := l.ends(); !slices.Equal(got, []string{"1", "2", "3", "4"}) || box.State().Waiting != 0 {
			t.Errorf("ended %v, state %+v", got, box.State())
		}
		if got := f.applied(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			t.Errorf("applied %v", got)
		}
		box.Close(t.Context())
	})
}
