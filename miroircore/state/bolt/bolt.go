// Package bolt keeps state in one bbolt file. Concurrent updates are committed
// together: whoever comes while a commit is being synced joins the next one.
package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

const (
	// metaTable holds what describes the file itself.
	metaTable = "meta"

	dirMode  = 0o700
	fileMode = 0o600

	// lockTimeout is how long another process may hold the file before opening
	// it fails: long enough for one that is ending, short enough to be told.
	lockTimeout = 3 * time.Second

	// maxGroup bounds how many updates share a commit, so that the first of
	// them does not wait for an endless queue.
	maxGroup = 1024
)

var schemaKey = []byte("schema")

// Migration brings the tables from one schema version to the next.
type Migration func(state.Tx) error

// Options change how a store is opened; the zero value is the usual way.
type Options struct {
	// Migrations are run in order on a file that has not seen them yet. The
	// format of a file is the number of migrations it has seen. Before any is run a
	// copy of the file is kept as <path>.format<n>, where n is its format.
	Migrations []Migration
	// Copied says that the file is a copy itself: no other is kept.
	Copied bool
	// LockTimeout is how long to wait for another process to let go of the
	// file. Default 3 s.
	LockTimeout time.Duration
}

// Store is a state.Store in one file.
type Store struct {
	db *bbolt.DB

	// leader is held by the update that commits for all pending ones.
	leader sync.Mutex

	mu      sync.Mutex // guards the rest
	pending []*update
	closed  bool
}

// update is one call of Update that waits to be committed.
type update struct {
	fn       func(state.Tx) error
	err      error
	panicked any
	failed   bool // fn itself failed: it is left out of the commit
	done     bool
}

var _ state.Store = (*Store)(nil)

// Open opens the store at path, making it and its folder where they are not.
func Open(path string, opts Options) (*Store, error) {
	if opts.LockTimeout == 0 {
		opts.LockTimeout = lockTimeout
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return nil, fmt.Errorf("make the folder of the state file: %w", err)
	}
	db, err := bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout:        opts.LockTimeout,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true, // rebuilt when opening, so that each commit writes less
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("state file %s is locked: another process holds it, perhaps a gateway that still runs: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open state file %s: %w", path, err)
	}
	s := &Store{db: db}
	if err := s.migrate(path, opts); err != nil {
		return nil, errors.Join(fmt.Errorf("state file %s: %w", path, err), db.Close())
	}
	return s, nil
}

// migrate runs the migrations that the file has not seen, all in one transaction
// with the version that they lead to, so that a crash or a failure leaves the
// file as it was. A copy of the file as it was is kept beside it.
func (s *Store) migrate(path string, opts Options) error {
	var at int
	migrations := opts.Migrations
	err := s.Update(func(tx state.Tx) (err error) {
		at, err = schemaVersion(tx, len(migrations))
		return err
	})
	if err != nil || at == len(migrations) {
		return err
	}
	if !opts.Copied {
		if err := s.copyTo(fmt.Sprintf("%s.format%d", path, at)); err != nil {
			return fmt.Errorf("keep a copy before it is brought from format %d to %d: %w", at, len(migrations), err)
		}
	}
	return s.Update(func(tx state.Tx) error {
		for n := at; n < len(migrations); n++ {
			if err := migrations[n](tx); err != nil {
				return fmt.Errorf("bring it from format %d to %d: %w", n, n+1, err)
			}
		}
		return tx.Put(metaTable, schemaKey, binary.BigEndian.AppendUint32(nil, uint32(len(migrations))))
	})
}

// copyTo writes a copy of the file. One that is there under the name is whole.
func (s *Store) copyTo(name string) error {
	part := name + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	if err := errors.Join(s.Backup(file), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, name)
}

// schemaVersion reads the schema version of a file; a new file is given the
// newest one, since there is nothing in it to migrate.
func schemaVersion(tx state.Tx, newest int) (int, error) {
	raw := tx.Get(metaTable, schemaKey)
	if raw == nil {
		return newest, tx.Put(metaTable, schemaKey, binary.BigEndian.AppendUint32(nil, uint32(newest)))
	}
	if len(raw) != 4 {
		return 0, fmt.Errorf("its format is written in %d bytes", len(raw))
	}
	at := int(binary.BigEndian.Uint32(raw))
	if at > newest {
		return 0, fmt.Errorf("written by a newer version: its format is %d, this program knows none above %d: run the newer program, or restore a backup that this one made", at, newest)
	}
	return at, nil
}

// View implements state.Store.
func (s *Store) View(fn func(state.Tx) error) error {
	err := s.db.View(func(btx *bbolt.Tx) error { return fn(tx{btx}) })
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return state.ErrClosed
	}
	return err
}

// Update implements state.Store. The caller that gets hold of the leader lock
// commits everything that has queued up, its own update included.
func (s *Store) Update(fn func(state.Tx) error) error {
	call := &update{fn: fn}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return state.ErrClosed
	}
	s.pending = append(s.pending, call)
	s.mu.Unlock()

	s.leader.Lock()
	for !call.done {
		s.mu.Lock()
		n := min(len(s.pending), maxGroup)
		group := s.pending[:n:n]
		s.pending = s.pending[n:]
		s.mu.Unlock()
		s.commit(group)
	}
	s.leader.Unlock()
	if call.panicked != nil {
		panic(call.panicked)
	}
	return call.err
}

// commit runs a group of updates in one transaction. A transaction cannot be
// undone in part, so when one of them fails the others are run again without it.
func (s *Store) commit(group []*update) {
	for {
		err := s.db.Update(func(btx *bbolt.Tx) error {
			for _, u := range group {
				if u.failed {
					continue
				}
				if u.run(tx{btx}); u.failed {
					return errLeftOut
				}
			}
			return nil
		})
		if errors.Is(err, errLeftOut) {
			continue
		}
		for _, u := range group {
			u.done = true
			if !u.failed {
				u.err = err
			}
		}
		return
	}
}

// errLeftOut rolls a group's transaction back to leave a failed update out.
var errLeftOut = errors.New("an update of the group failed")

func (u *update) run(tx state.Tx) {
	defer func() {
		if p := recover(); p != nil {
			u.panicked, u.failed = p, true
		}
	}()
	u.err = u.fn(tx)
	u.failed = u.err != nil
}

// Backup writes a consistent copy of the file to w while the store is in use.
func (s *Store) Backup(w io.Writer) error {
	err := s.db.View(func(btx *bbolt.Tx) error {
		_, err := btx.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("back up state: %w", err)
	}
	return nil
}

// Close implements state.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.leader.Lock() // whoever queued before is committed by its own call
	defer s.leader.Unlock()
	s.mu.Lock()
	rest := s.pending
	s.pending = nil
	s.mu.Unlock()
	if len(rest) > 0 {
		s.commit(rest)
	}
	return s.db.Close()
}

// tx is a transaction; bbolt knows itself whether it may be written to.
type tx struct{ *bbolt.Tx }

func (t tx) Get(table string, key []byte) []byte {
	bucket := t.Bucket([]byte(table))
	if bucket == nil {
		return nil
	}
	return bucket.Get(key)
}

func (t tx) Put(table string, key, value []byte) error {
	if !t.Writable() {
		return state.ErrReadOnly
	}
	if len(key) == 0 {
		return state.ErrEmptyKey
	}
	bucket, err := t.CreateBucketIfNotExists([]byte(table))
	if err != nil {
		return fmt.Errorf("make table %s: %w", table, err)
	}
	// bbolt keeps the value's slice until the commit, which comes after the
	// caller's function has returned.
	if err := bucket.Put(key, append([]byte{}, value...)); err != nil {
		return fmt.Errorf("put into table %s: %w", table, err)
	}
	return nil
}

func (t tx) Delete(table string, key []byte) error {
	if !t.Writable() {
		return state.ErrReadOnly
	}
	bucket := t.Bucket([]byte(table))
	if bucket == nil {
		return nil
	}
	if err := bucket.Delete(key); err != nil {
		return fmt.Errorf("delete from table %s: %w", table, err)
	}
	return nil
}

func (t tx) Scan(table string, from []byte, fn func(key, value []byte) bool) error {
	bucket := t.Bucket([]byte(table))
	if bucket == nil {
		return nil
	}
	cursor := bucket.Cursor()
	for key, value := cursor.Seek(from); key != nil; key, value = cursor.Next() {
		if !fn(key, value) {
			return nil
		}
	}
	return nil
}
