package task

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// counter gives numbers without a gap. The end of the block in use is durable,
// so that a crash gives no number twice.
type counter struct {
	store state.Store
	key   string

	mu      sync.Mutex
	at, end uint32
}

func (c *counter) load(tx state.Tx) {
	if raw := tx.Get(metaTable, []byte(c.key)); len(raw) == 4 {
		c.at = binary.BigEndian.Uint32(raw)
		c.end = c.at
	}
}

// above makes sure that n is not given again.
func (c *counter) above(n uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n >= c.at && n < math.MaxUint32 {
		c.at = n + 1
	}
}

func (c *counter) next() (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at >= math.MaxUint32-block {
		return 0, errors.New("all numbers were given")
	}
	if c.at >= c.end {
		if err := c.write(c.at + block); err != nil {
			return 0, err
		}
		c.end = c.at + block
	}
	c.at++
	return c.at - 1, nil
}

func (c *counter) write(end uint32) error {
	return c.store.Update(func(tx state.Tx) error { return tx.Put(metaTable, []byte(c.key), uidKey(end)) })
}

// settle writes where counting ended, so that a clean restart leaves no gap.
func (c *counter) settle() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == c.end {
		return nil
	}
	if err := c.write(c.at); err != nil {
		return fmt.Errorf("write %s: %w", c.key, err)
	}
	c.end = c.at
	return nil
}
