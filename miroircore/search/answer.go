package search

import (
	"math/bits"
	"strings"
	"sync"
)

// Answer is what a client is answered with.
type Answer struct {
	Status int
	Body   []byte
	// Degraded is the value of X-Miroir-Degraded, "" where nothing is missing.
	Degraded string
	// Nodes is how many nodes the answer is made of, Retries how many more
	// requests than that were sent.
	Nodes, Retries int

	uid   int // where requestUid's text lies in the body, 0 for nowhere
	total int
	stale bool // one of the answers that it is made of was
	room  *room
}

// Stale says that some shard was read from a copy that is behind, there being
// no other.
func (a *Answer) Stale() bool { return a.stale || strings.Contains(a.Degraded, "stale=") }

// Release gives the memory of the body back for that of another answer. Nothing
// may refer to it afterwards. An answer need not be released.
func (a *Answer) Release() {
	const most = 1 << 20
	if a.room == nil {
		return
	}
	if cap(a.Body) <= most {
		a.room.bytes = a.Body[:0]
	}
	rooms.Put(a.room)
	a.room, a.Body = nil, nil
}

// room is memory for the body of an answer.
type room struct{ bytes []byte }

var rooms = sync.Pool{New: func() any { return new(room) }}

// of gives memory for so many bytes, and then some.
func (r *room) of(size int) []byte {
	if cap(r.bytes) < size {
		r.bytes = make([]byte, 0, 1<<bits.Len(uint(size-1)))
	}
	return r.bytes[:0]
}
