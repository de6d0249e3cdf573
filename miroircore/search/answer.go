package search

import (
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili/room"
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
	room  *room.Room
}

// Stale says that some shard was read from a copy that is behind, there being
// no other.
func (a *Answer) Stale() bool { return a.stale || strings.Contains(a.Degraded, "stale=") }

// Release gives the memory of the body back for that of another answer. Nothing
// may refer to it afterwards. An answer need not be released.
func (a *Answer) Release() {
	if a.room == nil {
		return
	}
	a.room.Give(a.Body)
	a.room, a.Body = nil, nil
}
