package index

import (
	"fmt"

	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Contents are all that a catalog holds at one moment.
type Contents struct {
	// Revision grows with each change that is more than a date.
	Revision uint64
	Indexes  []*Index
	// Dropped are physical names that nodes may still hold.
	Dropped []string
}

// Contents gives what the catalog holds. The indexes must not be changed.
func (c *Catalog) Contents() Contents {
	now := c.current.Load()
	out := Contents{Revision: now.revision, Indexes: now.list}
	for name := range now.dropped {
		out.Dropped = append(out.Dropped, name)
	}
	return out
}

// Replace puts other contents in the place of all that there is, in one durable
// transaction with what also does. Their revision must not be below the present
// one.
func (c *Catalog) Replace(next Contents, also func(tx state.Tx) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.current.Load()
	if next.Revision < was.revision {
		return fmt.Errorf("replace the index catalog: revision %d is before %d", next.Revision, was.revision)
	}
	d := &draft{was: was, byUID: make(map[string]*Index), dropped: make(map[string]bool), revision: next.Revision}
	for _, ix := range next.Indexes {
		d.byUID[ix.UID] = ix
		ix.durable = ix.UpdatedAt
	}
	for _, name := range next.Dropped {
		d.dropped[name] = true
	}
	err := c.store.Update(func(tx state.Tx) error {
		if err := d.write(tx); err != nil {
			return err
		}
		return also(tx)
	})
	if err != nil {
		return fmt.Errorf("replace the index catalog: %w", err)
	}
	c.current.Store(newSnapshot(d.byUID, d.dropped, d.revision))
	clear(c.promised)
	return nil
}

// Record is the index as the store keeps it, but for its uid.
func (ix *Index) Record() ([]byte, error) { return ix.encode() }

// FromRecord makes the index of a uid that a Record describes.
func FromRecord(uid string, record []byte) (*Index, error) { return decode(uid, record) }
