package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
	"github.com/miroir-gateway/miroir/miroircore/state/statetest"
)

func open(t testing.TB, path string, opts bolt.Options) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	statetest.Run(t, func(t testing.TB) state.Store {
		return open(t, filepath.Join(t.TempDir(), "new", "state.db"), bolt.Options{})
	})
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state.db")
	defer open(t, path, bolt.Options{}).Close()
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestSecondOpenNamesPathAndHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	defer open(t, path, bolt.Options{}).Close()
	_, err := bolt.Open(path, bolt.Options{LockTimeout: 10 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "another process holds it") {
		t.Fatalf("got %v", err)
	}
}

func TestSurvivesReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, bolt.Options{})
	set(t, s, "k", "1")
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, bolt.Options{})
	defer s.Close()
	if got := read(t, s, "k"); got != "1" {
		t.Fatalf("read %q", got)
	}
}

func TestMigrations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path, bolt.Options{})
	set(t, s, "k", "")
	mark := func(mark string) bolt.Migration {
		return func(tx state.Tx) error {
			return tx.Put("t", []byte("k"), append(bytes.Clone(tx.Get("t", []byte("k"))), mark...))
		}
	}
	broken := errors.New("broken")
	reopen := func(migrations ...bolt.Migration) error {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		next, err := bolt.Open(path, bolt.Options{Migrations: migrations})
		if err == nil {
			s = next
		}
		return err
	}
	if err := reopen(mark("1"), mark("2")); err != nil {
		t.Fatal(err)
	}
	if err := reopen(mark("1"), mark("2"), mark("3")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, "k"); got != "123" {
		t.Fatalf("migrations left %q", got)
	}
	if err := reopen(mark("1"), mark("2"), mark("3"), func(tx state.Tx) error {
		return errors.Join(mark("4")(tx), broken)
	}); !errors.Is(err, broken) {
		t.Fatalf("a broken migration gave %v", err)
	}
	if err := reopen(mark("1")); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Fatalf("an older program gave %v", err)
	}
	s = open(t, path, bolt.Options{Migrations: []bolt.Migration{nil, nil, nil}})
	defer s.Close()
	if got := read(t, s, "k"); got != "123" {
		t.Fatalf("a broken migration left %q", got)
	}
}

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "state.db"), bolt.Options{})
	defer s.Close()
	set(t, s, "k", "1")
	file, err := os.Create(filepath.Join(dir, "copy.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Backup(file), file.Close()); err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", "2")
	copied := open(t, file.Name(), bolt.Options{})
	defer copied.Close()
	if got := read(t, copied, "k"); got != "1" {
		t.Fatalf("the copy holds %q", got)
	}
}

func TestConcurrentClose(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "state.db"), bolt.Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				err := s.Update(func(tx state.Tx) error { return tx.Put("t", []byte("k"), []byte("v")) })
				if err != nil && !errors.Is(err, state.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// BenchmarkUpdates shows that writers at once share their syncs.
func BenchmarkUpdates(b *testing.B) {
	for name, workers := range map[string]int{"one": 1, "sixteen": 16} {
		b.Run(name, func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "state.db"), bolt.Options{})
			defer s.Close()
			b.SetParallelism(workers)
			work := func() {
				if err := s.Update(func(tx state.Tx) error { return tx.Put("t", []byte("k"), []byte("v")) }); err != nil {
					b.Error(err)
				}
			}
			if workers == 1 {
				for b.Loop() {
					work()
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					work()
				}
			})
		})
	}
}

func set(t testing.TB, s state.Store, key, value string) {
	t.Helper()
	if err := s.Update(func(tx state.Tx) error { return tx.Put("t", []byte(key), []byte(value)) }); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, s state.Store, key string) (out string) {
	t.Helper()
	if err := s.View(func(tx state.Tx) error { out = string(tx.Get("t", []byte(key))); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}
