package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// edit changes one index.
func (c *Catalog) edit(uid string, fn func(ix *Index) error) (*Index, error) {
	var edited Index
	err := c.change(func(d *draft) error {
		found := d.byUID[uid]
		if found == nil {
			return meili.IndexNotFound(uid)
		}
		edited = *found
		if err := fn(&edited); err != nil {
			return err
		}
		d.byUID[uid] = &edited
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &edited, nil
}

// touched sets when an index was last changed; it does not go back.
func (ix *Index) touched(at time.Time) {
	if at.After(ix.UpdatedAt) {
		ix.UpdatedAt = at.UTC()
	}
}

// Rename gives an index another uid. Its own uid changes nothing.
func (c *Catalog) Rename(from, to string, at time.Time) (*Index, error) {
	var renamed *Index
	err := c.change(func(d *draft) error {
		found := d.byUID[from]
		if found == nil {
			return meili.IndexNotFound(from)
		}
		if from == to {
			renamed = found
			return nil
		}
		if d.byUID[to] != nil {
			return meili.IndexAlreadyExists(to)
		}
		renamed = found.moved(to)
		renamed.touched(at)
		delete(d.byUID, from)
		d.byUID[to] = renamed
		return nil
	})
	return renamed, err
}

func (ix *Index) moved(to string) *Index {
	moved := *ix
	moved.UID = to
	return &moved
}

// CheckSwap gives the error that a swap would fail with, nil when it would not.
func (c *Catalog) CheckSwap(swaps []request.Swap) *meili.Error {
	return checkSwap(c.current.Load().byUID, swaps)
}

func checkSwap(byUID map[string]*Index, swaps []request.Swap) *meili.Error {
	missing := map[string]bool{}
	taken := map[[2]string]bool{}
	for _, swap := range swaps {
		from, to := swap.Indexes[0], swap.Indexes[1]
		if byUID[from] == nil {
			missing[from] = true
		}
		switch there := byUID[to] != nil; {
		case there && swap.Rename:
			taken[swap.Indexes] = true
		case !there && !swap.Rename:
			missing[to] = true
		}
	}
	if len(missing) > 0 {
		return meili.IndexesNotFound(slices.Sorted(maps.Keys(missing))...)
	}
	pairs := slices.SortedFunc(maps.Keys(taken), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	switch len(pairs) {
	case 0:
		return nil
	case 1:
		return meili.NewError("index_already_exists", "Cannot rename `%s` to `%s` as the index already exists. "+
			"Hint: You can remove `%s` first and then do your remove.", pairs[0][0], pairs[0][1], pairs[0][1])
	}
	names := make([]string, len(pairs))
	for i, pair := range pairs {
		names[i] = "`" + pair[1] + "`"
	}
	return meili.NewError("index_already_exists", "The following indexes are being renamed but cannot because their new "+
		"name conflicts with an already existing index: %s. Renaming doesn't overwrite the other index name.",
		strings.Join(names, ", "))
}

// Swap exchanges indexes, or renames them, all pairs or none. As on the server,
// it is no change of the indexes themselves: updatedAt stays.
func (c *Catalog) Swap(swaps []request.Swap, _ time.Time) error {
	return c.change(func(d *draft) error {
		if refusal := checkSwap(d.byUID, swaps); refusal != nil {
			return refusal
		}
		for _, swap := range swaps {
			from, to := swap.Indexes[0], swap.Indexes[1]
			a, b := d.byUID[from], d.byUID[to]
			if a == nil {
				return fmt.Errorf("swap %s and %s: an earlier pair took the first", from, to)
			}
			delete(d.byUID, from)
			if b != nil {
				d.byUID[from] = b.moved(from)
			}
			d.byUID[to] = a.moved(to)
		}
		return nil
	})
}

// SetPrimaryKey sets or, when it is empty, clears the primary key.
func (c *Catalog) SetPrimaryKey(uid, primaryKey string, provisional bool, at time.Time) (*Index, error) {
	return c.edit(uid, func(ix *Index) error {
		ix.PrimaryKey, ix.Provisional = primaryKey, provisional && primaryKey != ""
		ix.touched(at)
		return nil
	})
}

// SetSettings puts new logical settings in force, with the next version.
func (c *Catalog) SetSettings(uid string, s *settings.Settings, at time.Time) (*Index, error) {
	return c.edit(uid, func(ix *Index) error {
		ix.Settings, ix.SettingsDigest = s, Digest(s)
		ix.SettingsVersion++
		ix.touched(at)
		return nil
	})
}

// touchEvery is how often the time of an index's last change is made durable
// when nothing else of the index changes: a sync for each write of documents
// would be a high price for a date. After a crash it may lie so far back.
const touchEvery = time.Second

// Touch sets when the index was last changed.
func (c *Catalog) Touch(uid string, at time.Time) error {
	c.mu.Lock()
	was := c.current.Load()
	found := was.byUID[uid]
	if found != nil && at.Sub(found.durable) < touchEvery {
		touched := *found
		touched.touched(at)
		byUID := maps.Clone(was.byUID)
		byUID[uid] = &touched
		c.current.Store(newSnapshot(byUID, was.dropped, was.revision))
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	_, err := c.edit(uid, func(ix *Index) error {
		ix.touched(at)
		return nil
	})
	return err
}

// SetPlacement replaces the placement; its epoch must be higher than the present one.
func (c *Catalog) SetPlacement(uid string, p *cluster.Placement) (*Index, error) {
	return c.edit(uid, func(ix *Index) error {
		if ix.Placement != nil && p.Epoch <= ix.Placement.Epoch {
			return fmt.Errorf("placement of index %s: epoch %d is not after %d", uid, p.Epoch, ix.Placement.Epoch)
		}
		ix.Placement = p
		return nil
	})
}

// Place replaces the placement of the index that nodes know by a name. It fails
// unless the new one is the next after the one that the index has now.
func (c *Catalog) Place(physical string, p *cluster.Placement) (*Index, error) {
	var placed Index
	err := c.change(func(d *draft) error {
		found := d.was.byPhysical[physical]
		if found == nil {
			return meili.IndexNotFound(physical)
		}
		if p.Epoch != found.Placement.Epoch+1 {
			return fmt.Errorf("placement of index %s: epoch %d does not follow %d", found.UID, p.Epoch, found.Placement.Epoch)
		}
		placed = *found
		placed.Placement = p
		d.byUID[found.UID] = &placed
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &placed, nil
}

// MarkDeletes notes that an operation may have removed documents.
func (c *Catalog) MarkDeletes(uid string) error {
	if ix, ok := c.Get(uid); ok && ix.Deletes {
		return nil // by far the most calls: nothing to write
	}
	_, err := c.edit(uid, func(ix *Index) error {
		ix.Deletes = true
		return nil
	})
	return err
}
