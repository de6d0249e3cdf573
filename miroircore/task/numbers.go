package task

import "errors"

// Numbered gives the uid that the next task has at least. It does not go back
// when the gateway is started again.
func (t *Table) Numbered() uint32 {
	t.uids.mu.Lock()
	defer t.uids.mu.Unlock()
	return t.uids.at
}

// PassOver has the next task get a uid of at least uid: lower ones were given out
// by a state that is lost.
func (t *Table) PassOver(uid uint32) error {
	return errors.Join(t.uids.raise(uid), t.batches.raise(uid))
}

// raise has the counter go on at n, durably.
func (c *counter) raise(n uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n <= c.at {
		return nil
	}
	if err := c.write(n); err != nil {
		return err
	}
	c.at, c.end = n, n
	return nil
}
