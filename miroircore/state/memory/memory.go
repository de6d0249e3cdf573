// Package memory keeps state in memory only: for tests, and for gateways that
// are rebuilt from their configuration each time.
package memory

import (
	"bytes"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Store is a state.Store that nothing of survives the process.
type Store struct {
	mu     sync.RWMutex
	tables map[string]*table
	closed bool
}

var _ state.Store = (*Store)(nil)

// New makes an empty store.
func New() *Store { return &Store{tables: make(map[string]*table)} }

// View implements state.Store. Updates wait until fn has returned.
func (s *Store) View(fn func(state.Tx) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return state.ErrClosed
	}
	return fn(&tx{store: s})
}

// Update implements state.Store. What fn changed is undone when it fails.
func (s *Store) Update(fn func(state.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.ErrClosed
	}
	t := &tx{store: s, writable: true}
	kept := false
	defer func() { // also when fn panics
		if !kept {
			t.undo()
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	kept = true
	return nil
}

// Close implements state.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// change is what a key was before a transaction touched it.
type change struct {
	table string
	key   []byte
	value []byte
	was   bool
}

type tx struct {
	store    *Store
	writable bool
	changes  []change
}

func (t *tx) undo() {
	for i := len(t.changes) - 1; i >= 0; i-- {
		c := t.changes[i]
		if c.was {
			t.store.tables[c.table].put(c.key, c.value)
		} else {
			t.store.tables[c.table].remove(c.key)
		}
	}
}

func (t *tx) Get(name string, key []byte) []byte {
	rows := t.store.tables[name]
	if rows == nil {
		return nil
	}
	value, _ := rows.get(key)
	return value
}

func (t *tx) Put(name string, key, value []byte) error {
	if !t.writable {
		return state.ErrReadOnly
	}
	if len(key) == 0 {
		return state.ErrEmptyKey
	}
	rows := t.store.tables[name]
	if rows == nil {
		rows = new(table)
		t.store.tables[name] = rows
	}
	old, was := rows.get(key)
	key = bytes.Clone(key)
	t.changes = append(t.changes, change{name, key, old, was})
	rows.put(key, append([]byte{}, value...))
	return nil
}

func (t *tx) Delete(name string, key []byte) error {
	if !t.writable {
		return state.ErrReadOnly
	}
	rows := t.store.tables[name]
	if rows == nil {
		return nil
	}
	if old, was := rows.get(key); was {
		t.changes = append(t.changes, change{name, bytes.Clone(key), old, true})
		rows.remove(key)
	}
	return nil
}

func (t *tx) Scan(name string, from []byte, fn func(key, value []byte) bool) error {
	if rows := t.store.tables[name]; rows != nil {
		rows.scan(from, fn)
	}
	return nil
}
