// Package requestuid mints the uids that tell requests apart.
package requestuid

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/google/uuid"
)

// New mints the uid of a request, a UUID of version 7. It is no secret:
// the system's randomness would cost more than the rest of it.
func New() string {
	id, err := uuid.NewV7FromReader(chance{})
	if err != nil { // what it reads from never fails
		panic(err)
	}
	return id.String()
}

// chance reads random bytes.
type chance struct{}

func (chance) Read(p []byte) (int, error) {
	var word [8]byte
	for i := 0; i < len(p); i += len(word) {
		binary.LittleEndian.PutUint64(word[:], rand.Uint64())
		copy(p[i:], word[:])
	}
	return len(p), nil
}
