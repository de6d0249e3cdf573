package format_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
	"github.com/miroir-gateway/miroir/miroircore/state/format"
)

// fixture unpacks a state that a version of its format wrote: two indexes were
// made, one of them deleted, with settings, documents and a key.
func fixture(t *testing.T, n int) string {
	t.Helper()
	packed, err := os.Open(filepath.Join("testdata", fmt.Sprintf("format%d.db.gz", n)))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string, steps []bolt.Migration) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(path, bolt.Options{Migrations: steps})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestAStateOfEachFormatIsOpened(t *testing.T) {
	for n := range len(format.Steps) + 1 {
		path := fixture(t, n)
		store := open(t, path, format.Steps)
		catalog, err := index.Open(store)
		if err != nil {
			t.Fatal(err)
		}
		ix, ok := catalog.Get("books")
		if !ok || len(catalog.List()) != 1 {
			t.Fatalf("format %d: there are %d indexes", n, len(catalog.List()))
		}
		if ix.PrimaryKey != "isbn" || ix.Shards != 4 || ix.Settings.Distinct() != "title" || !ix.Deletes || ix.Placement.Groups[0].Copies != 2 {
			t.Errorf("format %d: the index is %+v", n, ix)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		e, err := miroircore.Open(miroircore.Options{StatePath: path, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatalf("format %d: %v", n, err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A placement that does not say how many copies are to be there had as many as
// it has, and the file as it was is kept.
func TestFormat0PlacementsGetTheirCopies(t *testing.T) {
	path := fixture(t, 0)
	store := open(t, path, nil)
	var before []byte
	err := store.Update(func(tx state.Tx) error {
		before = bytes.ReplaceAll(tx.Get("indexes", []byte("books")), []byte(`"copies":2,`), nil)
		return tx.Put("indexes", []byte("books"), before)
	})
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(before, []byte("copies")) {
		t.Fatalf("the record still has copies: %s", before)
	}
	store = open(t, path, format.Steps)
	catalog, err := index.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	ix, _ := catalog.Get("books")
	if got := ix.Placement.Groups[0].Copies; got != 2 {
		t.Errorf("%d copies are promised", got)
	}
	kept := open(t, path+".format0", nil)
	if err := kept.View(func(tx state.Tx) error {
		if got := tx.Get("indexes", []byte("books")); !bytes.Equal(got, before) {
			t.Errorf("the kept copy has %s", got)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestANewerFormatIsRefusedWithBothNumbers(t *testing.T) {
	path := fixture(t, 0)
	newer := uint32(len(format.Steps) + 1)
	store := open(t, path, nil)
	err := store.Update(func(tx state.Tx) error {
		return tx.Put("meta", []byte("schema"), binary.BigEndian.AppendUint32(nil, newer))
	})
	if err = errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = miroircore.Open(miroircore.Options{StatePath: path})
	want := fmt.Sprintf("its format is %d, this program knows none above %d", newer, newer-1)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want %q", err, want)
	}
}

// A step that fails leaves the file as it was, earlier steps included.
func TestAFailedStepLeavesTheFileAsItWas(t *testing.T) {
	path := fixture(t, 0)
	broken := errors.New("broken")
	steps := []bolt.Migration{
		func(tx state.Tx) error { return tx.Put("t", []byte("k"), []byte("v")) },
		func(state.Tx) error { return broken },
	}
	if _, err := bolt.Open(path, bolt.Options{Migrations: steps}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	store := open(t, path, format.Steps)
	if err := store.View(func(tx state.Tx) error {
		if tx.Get("t", []byte("k")) != nil {
			t.Error("half of the steps are in force")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
