package outbox

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// plain makes the step of a request whose task cannot be named.
func plain(op uint64, t meili.TaskType, method, path string) *Step {
	s := add(op)
	s.Metadata, s.Join, s.Type, s.Method, s.Path = false, "", t, method, path
	return s
}

// A request whose task has no name is known as a duplicate by being none of the
// tasks that the outbox has made.
func TestRule09DuplicateWithoutANameIsSeen(t *testing.T) {
	for name, s := range map[string]*Step{
		"settings": plain(1, meili.TypeSettingsUpdate, http.MethodPatch, "/indexes/x/settings"),
		"update":   plain(1, meili.TypeIndexUpdate, http.MethodPatch, "/indexes/x"),
		"creation": plain(1, meili.TypeIndexCreation, http.MethodPost, "/indexes/x/create"),
		"deletion": plain(1, meili.TypeIndexDeletion, http.MethodDelete, "/indexes/x"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := &fakeNode{kind: s.Type}
				var held *http.Request
				f.before = func(r *http.Request) error {
					if isWrite(r) && held == nil {
						held = r
						return errors.New("timeout")
					}
					return nil
				}
				box, l := start(t, f, Options{})
				box.Push("x", s)
				settle(3 * time.Second)
				again := *s
				again.Op = 2
				box.Push("x", &again)
				settle(30 * time.Second)
				if l.diverged || !box.Watched("x") || box.Watched("y") {
					t.Errorf("diverged %v, watched %v", l.diverged, box.Watched("x"))
				}
				f.mutex.Lock()
				f.add(held, []byte("1"))
				f.mutex.Unlock()
				settle(3 * time.Second)
				if !slices.Equal(l.late, []meili.TaskType{s.Type}) || box.Watched("x") {
					t.Errorf("late %v, watched %v", l.late, box.Watched("x"))
				}
				settle(time.Minute)
				if len(l.late) != 1 || strings.Join(l.ends(), ",") != "1,2" {
					t.Errorf("late %v, ended %v", l.late, l.ends())
				}
				box.Close(t.Context())
			})
		})
	}
}

// A request that was lost and never ran is watched for no longer than needed.
func TestRule09WatchingForADuplicateEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		lost := false
		f.before = func(r *http.Request) error {
			if isWrite(r) && !lost {
				lost = true
				return errors.New("timeout")
			}
			return nil
		}
		box, l := start(t, f, Options{})
		box.Push("x", plain(1, meili.TypeSettingsUpdate, http.MethodPatch, "/indexes/x/settings"))
		settle(9 * time.Minute)
		if !box.Watched("x") {
			t.Error("nobody watches any more")
		}
		settle(2 * time.Minute)
		if box.Watched("x") || l.diverged {
			t.Error("it is watched for ever")
		}
		box.Close(t.Context())
	})
}

// Two tasks of one type of which one is a duplicate are not two operations.
func TestRule08DuplicateIsNotTheNextOperation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := &fakeNode{}
		var held *http.Request
		lost := 0
		f.before = func(r *http.Request) error {
			if isWrite(r) && held == nil {
				held = r
				return errors.New("timeout")
			}
			return nil
		}
		f.after = func(r *http.Request) error {
			if isWrite(r) && lost == 0 { // the second attempt runs, and the first one behind it
				lost++
				f.mutex.Lock()
				f.add(held, []byte("1"))
				f.mutex.Unlock()
				return errors.New("connection reset")
			}
			return nil
		}
		box, l := start(t, f, Options{})
		box.Push("x", plain(1, meili.TypeSettingsUpdate, http.MethodPatch, "/indexes/x/settings"),
			plain(2, meili.TypeSettingsUpdate, http.MethodPatch, "/indexes/x/settings"))
		settle(10 * time.Second)
		if got := f.applied(); !slices.Equal(got, []string{"1", "1", "2"}) || strings.Join(l.ends(), ",") != "1,2" {
			t.Errorf("applied %v, ended %v", got, l.ends())
		}
		box.Close(t.Context())
	})
}
