package memory_test

import (
	"encoding/binary"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
	"github.com/miroir-gateway/miroir/miroircore/state/statetest"
)

func TestContract(t *testing.T) {
	statetest.Run(t, func(testing.TB) state.Store { return memory.New() })
}

// Enough rows for many runs, put in three orders and taken out again.
func TestManyRows(t *testing.T) {
	const n = 5000
	for name, at := range map[string]func(i int) int{
		"up": func(i int) int { return i }, "down": func(i int) int { return n - 1 - i }, "mixed": func(i int) int { return i * 7919 % n },
	} {
		t.Run(name, func(t *testing.T) {
			s := memory.New()
			err := s.Update(func(tx state.Tx) error {
				for i := range n {
					if err := tx.Put("t", binary.BigEndian.AppendUint32(nil, uint32(at(i))), []byte{1}); err != nil {
						return err
					}
				}
				for i := 0; i < n; i += 2 {
					if err := tx.Delete("t", binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
						return err
					}
				}
				next := uint32(1)
				return tx.Scan("t", nil, func(key, _ []byte) bool {
					if got := binary.BigEndian.Uint32(key); got != next {
						t.Errorf("got %d, want %d", got, next)
						return false
					}
					next += 2
					return true
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
