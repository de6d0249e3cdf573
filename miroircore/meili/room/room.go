// Package room keeps memory for the bodies of requests and answers: most of what
// a read would else leave behind.
package room

import (
	"math/bits"
	"sync"
)

// most is the largest body of which the memory is kept.
const most = 1 << 20

// Room is memory that one body has, and another after it.
type Room struct{ bytes []byte }

var rooms = sync.Pool{New: func() any { return new(Room) }}

// Take gives a room, which nobody else has until it is given back.
func Take() *Room { return rooms.Get().(*Room) }

// Of gives memory for so many bytes, none of which are used. Its size is a power
// of two, so that it fits other bodies of about that size.
func (r *Room) Of(size int) []byte {
	if cap(r.bytes) < size {
		r.bytes = make([]byte, 0, 1<<bits.Len(uint(size-1)))
	}
	return r.bytes[:0]
}

// Give gives the room back with what has become of its memory, to which nothing
// may refer any more.
func (r *Room) Give(text []byte) {
	if cap(text) > most {
		text = nil
	}
	r.bytes = text
	rooms.Put(r)
}
