// Package state is where the gateway keeps what must survive it: ordered
// tables of keys and values behind two small interfaces. bolt keeps them in a
// file, memory in a map; statetest holds every store to the same contract.
package state

import "errors"

// ErrReadOnly is what Put and Delete give inside View.
var ErrReadOnly = errors.New("state is read-only inside a view")

// ErrClosed is what View and Update give after Close.
var ErrClosed = errors.New("state store is closed")

// ErrEmptyKey is what Put gives for a key without a byte.
var ErrEmptyKey = errors.New("state key is empty")

// Store is a set of ordered tables with one writer at a time. All methods are
// safe for concurrent use.
type Store interface {
	// View runs fn over one consistent snapshot. Slices that fn is given are
	// valid only until it returns.
	View(fn func(Tx) error) error
	// Update runs fn and makes its changes durable, all or none, before it
	// returns nil. Concurrent updates may share one sync. fn may be run more
	// than once and must not have side effects outside the transaction.
	Update(fn func(Tx) error) error
	// Close releases the store. It waits for transactions under way.
	Close() error
}

// Tx reads and, inside Update, changes tables. A table that was never written
// to reads as empty.
type Tx interface {
	// Get gives the value of a key, nil where there is none.
	Get(table string, key []byte) []byte
	// Put sets a key. It fails inside View. Both slices may be changed by the
	// caller once Put has returned.
	Put(table string, key, value []byte) error
	// Delete removes a key; one that is not there is no error.
	Delete(table string, key []byte) error
	// Scan calls fn for each key from `from` upward in byte order until fn
	// gives false. fn must not change the table.
	Scan(table string, from []byte, fn func(key, value []byte) bool) error
}
