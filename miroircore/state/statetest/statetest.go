// Package statetest holds every state.Store to one contract. A store's own
// tests call Run with a function that opens it.
package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Run tests the stores that open gives; each call must give an empty one.
func Run(t *testing.T, open func(t testing.TB) state.Store) {
	for name, test := range map[string]func(*testing.T, state.Store){
		"ReadsOwnWrites":   readsOwnWrites,
		"UndoesFailures":   undoesFailures,
		"RefusesWrites":    refusesWrites,
		"CopiesSlices":     copiesSlices,
		"ScansInOrder":     scansInOrder,
		"KeepsTablesApart": keepsTablesApart,
		"SeesOneSnapshot":  seesOneSnapshot,
		"CountsUp":         countsUp,
		"SurvivesPanics":   survivesPanics,
		"Closes":           closes,
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			defer func() { must(t, s.Close()) }()
			test(t, s)
		})
	}
	t.Run("EqualsModel", func(t *testing.T) { equalsModel(t, open) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, s state.Store, table, key, value string) {
	t.Helper()
	must(t, s.Update(func(tx state.Tx) error { return tx.Put(table, []byte(key), []byte(value)) }))
}

// get reads a key; "<none>" stands for one that is not there.
func get(t testing.TB, s state.Store, table, key string) string {
	t.Helper()
	out := "<none>"
	must(t, s.View(func(tx state.Tx) error {
		if v := tx.Get(table, []byte(key)); v != nil {
			out = string(v)
		}
		return nil
	}))
	return out
}

func expect(t testing.TB, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func readsOwnWrites(t *testing.T, s state.Store) {
	expect(t, "a table never written to", get(t, s, "a", "k"), "<none>")
	must(t, s.Update(func(tx state.Tx) error {
		if err := tx.Put("a", []byte("k"), []byte("1")); err != nil {
			return err
		}
		if got := string(tx.Get("a", []byte("k"))); got != "1" {
			return fmt.Errorf("read %q inside the transaction", got)
		}
		if err := tx.Put("a", []byte("empty"), nil); err != nil {
			return err
		}
		return tx.Delete("a", []byte("was never there"))
	}))
	expect(t, "k", get(t, s, "a", "k"), "1")
	expect(t, "an empty value", get(t, s, "a", "empty"), "")
	must(t, s.Update(func(tx state.Tx) error { return tx.Delete("a", []byte("k")) }))
	expect(t, "k after its deletion", get(t, s, "a", "k"), "<none>")
}

func undoesFailures(t *testing.T, s state.Store) {
	put(t, s, "a", "k", "1")
	put(t, s, "a", "gone", "2")
	broken := errors.New("broken")
	err := s.Update(func(tx state.Tx) error {
		return errors.Join(tx.Put("a", []byte("k"), []byte("9")), tx.Put("a", []byte("new"), []byte("9")),
			tx.Put("b", []byte("new"), []byte("9")), tx.Delete("a", []byte("gone")), broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want the function's error", err)
	}
	expect(t, "k", get(t, s, "a", "k"), "1")
	expect(t, "gone", get(t, s, "a", "gone"), "2")
	expect(t, "new", get(t, s, "a", "new"), "<none>")
	expect(t, "new in b", get(t, s, "b", "new"), "<none>")
}

func refusesWrites(t *testing.T, s state.Store) {
	put(t, s, "a", "k", "1")
	must(t, s.View(func(tx state.Tx) error {
		if err := tx.Put("a", []byte("k"), nil); !errors.Is(err, state.ErrReadOnly) {
			return fmt.Errorf("put in a view gave %v", err)
		}
		if err := tx.Delete("a", []byte("k")); !errors.Is(err, state.ErrReadOnly) {
			return fmt.Errorf("delete in a view gave %v", err)
		}
		return nil
	}))
	err := s.Update(func(tx state.Tx) error { return tx.Put("a", nil, []byte("x")) })
	if !errors.Is(err, state.ErrEmptyKey) {
		t.Fatalf("an empty key gave %v", err)
	}
}

func copiesSlices(t *testing.T, s state.Store) {
	key, value := []byte("key"), []byte("value")
	must(t, s.Update(func(tx state.Tx) error {
		err := tx.Put("a", key, value)
		copy(key, "xxx")
		copy(value, "xxxxx")
		return err
	}))
	expect(t, "key", get(t, s, "a", "key"), "value")
}

func scansInOrder(t *testing.T, s state.Store) {
	for _, k := range []string{"b", "a\xff", "a", "c", "a\x00", "\xff"} {
		put(t, s, "a", k, "v"+k)
	}
	scan := func(from string, limit int) []string {
		var keys []string
		must(t, s.View(func(tx state.Tx) error {
			return tx.Scan("a", []byte(from), func(k, v []byte) bool {
				if string(v) != "v"+string(k) {
					t.Errorf("key %q has value %q", k, v)
				}
				keys = append(keys, fmt.Sprintf("%q", k))
				return len(keys) < limit
			})
		}))
		return keys
	}
	expect(t, "all", scan("", 99), []string{`"a"`, `"a\x00"`, `"a\xff"`, `"b"`, `"c"`, `"\xff"`})
	expect(t, "from a missing key", scan("aa", 2), []string{`"a\xff"`, `"b"`})
	expect(t, "from a key", scan("c", 99), []string{`"c"`, `"\xff"`})
	expect(t, "past the end", scan("\xff\xff", 99), []string{})
}

func keepsTablesApart(t *testing.T, s state.Store) {
	put(t, s, "a", "k", "1")
	put(t, s, "ab", "k", "2")
	expect(t, "a", get(t, s, "a", "k"), "1")
	expect(t, "ab", get(t, s, "ab", "k"), "2")
	must(t, s.View(func(tx state.Tx) error {
		return tx.Scan("a", nil, func(_, v []byte) bool {
			if string(v) != "1" {
				t.Errorf("table a holds %q", v)
			}
			return true
		})
	}))
}

func seesOneSnapshot(t *testing.T, s state.Store) {
	put(t, s, "a", "x", "0")
	put(t, s, "a", "y", "0")
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i <= 50; i++ {
			v := []byte(fmt.Sprint(i))
			if err := s.Update(func(tx state.Tx) error {
				return errors.Join(tx.Put("a", []byte("x"), v), tx.Put("a", []byte("y"), v))
			}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 200 {
		must(t, s.View(func(tx state.Tx) error {
			if x, y := string(tx.Get("a", []byte("x"))), string(tx.Get("a", []byte("y"))); x != y {
				return fmt.Errorf("one view saw x=%s and y=%s", x, y)
			}
			return nil
		}))
	}
	wg.Wait()
}

// countsUp runs increments at once, some of which fail after their write: the
// others must not be lost with them, nor counted twice.
func countsUp(t *testing.T, s state.Store) {
	const workers, rounds = 8, 25
	broken := errors.New("broken")
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				fail := (w+i)%3 == 0
				err := s.Update(func(tx state.Tx) error {
					var n int
					_, _ = fmt.Sscan(string(tx.Get("a", []byte("n"))), &n) // nothing there is zero
					if err := tx.Put("a", []byte("n"), []byte(fmt.Sprint(n+1))); err != nil {
						return err
					}
					if fail {
						return broken
					}
					return nil
				})
				if fail != errors.Is(err, broken) || (!fail && err != nil) {
					t.Errorf("update gave %v", err)
				}
			}
		})
	}
	wg.Wait()
	want := 0
	for w := range workers {
		for i := range rounds {
			if (w+i)%3 != 0 {
				want++
			}
		}
	}
	expect(t, "sum", get(t, s, "a", "n"), want)
}

func survivesPanics(t *testing.T, s state.Store) {
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic of an update was swallowed")
			}
		}()
		_ = s.Update(func(tx state.Tx) error {
			must(t, tx.Put("a", []byte("k"), []byte("1")))
			panic("broken")
		})
	}()
	expect(t, "k", get(t, s, "a", "k"), "<none>")
	put(t, s, "a", "k", "2")
	expect(t, "k", get(t, s, "a", "k"), "2")
}

func closes(t *testing.T, s state.Store) {
	must(t, s.Close())
	nothing := func(state.Tx) error { return nil }
	if err := s.View(nothing); !errors.Is(err, state.ErrClosed) {
		t.Errorf("view after close gave %v", err)
	}
	if err := s.Update(nothing); !errors.Is(err, state.ErrClosed) {
		t.Errorf("update after close gave %v", err)
	}
}

// equalsModel runs random transactions against a plain map.
func equalsModel(t *testing.T, open func(t testing.TB) state.Store) {
	s := open(t)
	defer func() { must(t, s.Close()) }()
	model := map[string]string{}
	keys := rapid.StringMatching(`[a-c]{1,3}`)
	rapid.Check(t, func(rt *rapid.T) {
		broken := errors.New("broken")
		next := map[string]string{}
		for k, v := range model {
			next[k] = v
		}
		type op struct {
			key, value string
			del        bool
		}
		ops := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) op {
			return op{keys.Draw(rt, "key"), rapid.String().Draw(rt, "value"), rapid.Bool().Draw(rt, "delete")}
		}), 0, 8).Draw(rt, "ops")
		fail := rapid.Bool().Draw(rt, "fail")
		err := s.Update(func(tx state.Tx) error {
			for _, o := range ops {
				var err error
				if o.del {
					err = tx.Delete("m", []byte(o.key))
					delete(next, o.key)
				} else {
					err = tx.Put("m", []byte(o.key), []byte(o.value))
					next[o.key] = o.value
				}
				if err != nil {
					return err
				}
			}
			if fail {
				return broken
			}
			return nil
		})
		if fail != errors.Is(err, broken) || (!fail && err != nil) {
			rt.Fatalf("update gave %v", err)
		}
		if !fail {
			model = next
		}
		from := keys.Draw(rt, "from")
		var got, want []string
		if err := s.View(func(tx state.Tx) error {
			return tx.Scan("m", []byte(from), func(k, v []byte) bool {
				if !bytes.Equal(tx.Get("m", k), v) {
					rt.Fatalf("scan and get differ on %q", k)
				}
				got = append(got, string(k)+"="+string(v))
				return true
			})
		}); err != nil {
			rt.Fatal(err)
		}
		for k, v := range model {
			if k >= from {
				want = append(want, k+"="+v)
			}
		}
		sort.Strings(want)
		sort.Strings(got)
		if !slices.Equal(got, want) {
			rt.Fatalf("from %q: got %q, want %q", from, got, want)
		}
	})
}
