package antientropy

import (
	"errors"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// lease is which gateway compares: one at a time does.
type lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

var errTaken = errors.New("another gateway compares copies")

// lead takes or keeps the lease, and says whether this gateway has it.
func (c *Checker) lead() bool {
	now := c.o.Now()
	var l lease
	err := c.o.Store.View(func(tx state.Tx) error {
		_, err := get(tx, leaseKey, &l)
		return err
	})
	if err == nil && (l.Holder != c.o.Holder || l.Until.Sub(now) <= leaseTime/2) {
		err = c.o.Store.Update(func(tx state.Tx) error {
			l = lease{}
			if _, err := get(tx, leaseKey, &l); err != nil {
				return err
			}
			if l.Holder != c.o.Holder && now.Before(l.Until) {
				return errTaken
			}
			return put(tx, leaseKey, lease{c.o.Holder, now.Add(leaseTime)})
		})
	}
	if err != nil && !errors.Is(err, errTaken) {
		c.o.Logger.Error("the lease of comparing copies cannot be taken", "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = err == nil
	return c.holding
}

// release gives the lease back, so that another gateway need not wait.
func (c *Checker) release() {
	c.mu.Lock()
	holding := c.holding
	c.holding = false
	c.mu.Unlock()
	if !holding {
		return
	}
	err := c.o.Store.Update(func(tx state.Tx) error {
		var l lease
		if _, err := get(tx, leaseKey, &l); err != nil || l.Holder != c.o.Holder {
			return err
		}
		return tx.Delete(table, leaseKey)
	})
	if err != nil {
		c.o.Logger.Warn("the lease of comparing copies was not given back", "error", err)
	}
}
