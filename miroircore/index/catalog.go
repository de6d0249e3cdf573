package index

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Tables of the store.
const (
	indexesTable = "indexes"         // records by logical uid
	droppedTable = "dropped_indexes" // physical names that nodes may still hold
	catalogTable = "catalog"         // the revision
)

var revisionKey = []byte("revision")

// maxUID is the longest index uid that a node takes.
const maxUID = 400

// Catalog holds the indexes. Reading takes no lock; each mutation is one durable
// transaction. What the server would refuse is given as a *meili.Error.
type Catalog struct {
	store   state.Store
	mu      sync.Mutex // held by whoever changes the catalog
	current atomic.Pointer[snapshot]
	// promised are names given by FreePhysical that no index has yet: Create
	// takes them, even when a shorter one has become free meanwhile.
	promised map[string]string
}

// snapshot is the catalog at one moment. It is never changed.
type snapshot struct {
	list       []*Index // by uid
	byUID      map[string]*Index
	byPhysical map[string]*Index
	dropped    map[string]bool
	revision   uint64
}

func newSnapshot(byUID map[string]*Index, dropped map[string]bool, revision uint64) *snapshot {
	s := &snapshot{byUID: byUID, dropped: dropped, revision: revision, byPhysical: make(map[string]*Index, len(byUID)), list: make([]*Index, 0, len(byUID))}
	for _, ix := range byUID {
		s.list = append(s.list, ix)
		s.byPhysical[ix.Physical] = ix
	}
	slices.SortFunc(s.list, func(a, b *Index) int { return cmp.Compare(a.UID, b.UID) })
	return s
}

// Open reads the catalog from the store.
func Open(store state.Store) (*Catalog, error) {
	byUID, dropped := make(map[string]*Index), make(map[string]bool)
	var revision uint64
	err := store.View(func(tx state.Tx) error {
		var bad error
		if raw := tx.Get(catalogTable, revisionKey); len(raw) == 8 {
			revision = binary.BigEndian.Uint64(raw)
		}
		err := tx.Scan(indexesTable, nil, func(key, value []byte) bool {
			var ix *Index
			if ix, bad = decode(string(key), value); bad == nil {
				byUID[ix.UID] = ix
			}
			return bad == nil
		})
		if err = errors.Join(err, bad); err != nil {
			return err
		}
		return tx.Scan(droppedTable, nil, func(key, _ []byte) bool {
			dropped[string(key)] = true
			return true
		})
	})
	if err != nil {
		return nil, fmt.Errorf("open the index catalog: %w", err)
	}
	c := &Catalog{store: store, promised: make(map[string]string)}
	c.current.Store(newSnapshot(byUID, dropped, revision))
	return c, nil
}

// Get gives the index of a logical uid.
func (c *Catalog) Get(uid string) (*Index, bool) {
	ix, ok := c.current.Load().byUID[uid]
	return ix, ok
}

// ByPhysical gives the index that nodes know by a name; dropped ones are not found.
func (c *Catalog) ByPhysical(physical string) (*Index, bool) {
	ix, ok := c.current.Load().byPhysical[physical]
	return ix, ok
}

// List gives all indexes in the order of their uids. The slice is shared: it
// must not be changed.
func (c *Catalog) List() []*Index { return c.current.Load().list }

// Dropped lists the physical names that nodes may still hold, sorted.
func (c *Catalog) Dropped() []string {
	return slices.Sorted(maps.Keys(c.current.Load().dropped))
}

// draft is a change of the catalog that is being made up.
type draft struct {
	was      *snapshot
	byUID    map[string]*Index
	dropped  map[string]bool
	revision uint64
}

// change makes one durable transaction of what fn does to a draft. Nothing has
// changed when it fails.
func (c *Catalog) change(fn func(d *draft) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.current.Load()
	d := &draft{was: was, byUID: maps.Clone(was.byUID), dropped: maps.Clone(was.dropped), revision: was.revision}
	if err := fn(d); err != nil {
		return err
	}
	if d.revised() {
		d.revision++
	}
	for uid, ix := range d.byUID {
		if was.byUID[uid] != ix {
			ix.durable = ix.UpdatedAt
		}
	}
	if err := c.store.Update(d.write); err != nil {
		return fmt.Errorf("write the index catalog: %w", err)
	}
	c.current.Store(newSnapshot(d.byUID, d.dropped, d.revision))
	return nil
}

// revised says whether the draft differs in anything but when indexes were
// changed: what would be missed if it were lost.
func (d *draft) revised() bool {
	if len(d.byUID) != len(d.was.byUID) || !maps.Equal(d.dropped, d.was.dropped) {
		return true
	}
	for uid, ix := range d.byUID {
		was := d.was.byUID[uid]
		if was != ix && (was == nil || was.Physical != ix.Physical || was.PrimaryKey != ix.PrimaryKey || was.Provisional != ix.Provisional ||
			was.Placement != ix.Placement || was.SettingsVersion != ix.SettingsVersion) {
			return true
		}
	}
	return false
}

// write stores what differs from the snapshot that the draft began with.
func (d *draft) write(tx state.Tx) error {
	if d.revision != d.was.revision {
		if err := tx.Put(catalogTable, revisionKey, binary.BigEndian.AppendUint64(nil, d.revision)); err != nil {
			return err
		}
	}
	for uid := range d.was.byUID {
		if d.byUID[uid] == nil {
			if err := tx.Delete(indexesTable, []byte(uid)); err != nil {
				return err
			}
		}
	}
	for uid, ix := range d.byUID {
		if d.was.byUID[uid] == ix {
			continue
		}
		raw, err := ix.encode()
		if err != nil {
			return err
		}
		if err := tx.Put(indexesTable, []byte(uid), raw); err != nil {
			return err
		}
	}
	for name := range d.was.dropped {
		if !d.dropped[name] {
			if err := tx.Delete(droppedTable, []byte(name)); err != nil {
				return err
			}
		}
	}
	for name := range d.dropped {
		if !d.was.dropped[name] {
			if err := tx.Put(droppedTable, []byte(name), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// Spec is what an index is made from.
type Spec struct {
	UID string
	// Physical is the name that nodes know the index by; empty takes what
	// FreePhysical gave for the uid.
	Physical    string
	PrimaryKey  string
	Provisional bool
	Shards      int
	Place       func(physical string, shards int) *cluster.Placement
	At          time.Time
}

// Create makes an index; index_already_exists when there is one of that uid.
func (c *Catalog) Create(s Spec) (*Index, error) {
	var made *Index
	err := c.change(func(d *draft) error {
		if d.byUID[s.UID] != nil {
			return meili.IndexAlreadyExists(s.UID)
		}
		physical := s.Physical
		if physical == "" {
			physical = c.promise(s.UID)
		}
		if d.was.taken(physical) {
			return fmt.Errorf("create index %s: nodes may still hold another as %s", s.UID, physical)
		}
		at := s.At.UTC()
		made = &Index{
			UID: s.UID, Physical: physical, PrimaryKey: s.PrimaryKey, Provisional: s.Provisional && s.PrimaryKey != "",
			CreatedAt: at, UpdatedAt: at, Shards: s.Shards, Placement: s.Place(physical, s.Shards),
			Settings: settings.Default(), SettingsVersion: 1, SettingsDigest: Digest(settings.Default()),
		}
		d.byUID[s.UID] = made
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	delete(c.promised, s.UID)
	c.mu.Unlock()
	return made, nil
}

// FreePhysical gives the physical name that the next incarnation of uid gets:
// the uid itself, or, while nodes may hold another index of that name, one made
// from it. The name is kept for uid until Create.
func (c *Catalog) FreePhysical(uid string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.promise(uid)
}

func (c *Catalog) promise(uid string) string {
	was := c.current.Load()
	if name, ok := c.promised[uid]; ok && !was.taken(name) {
		return name
	}
	name := uid
	for n := 2; was.taken(name) || c.isPromised(name); n++ {
		suffix := "-" + strconv.Itoa(n)
		name = uid[:min(len(uid), maxUID-len(suffix))] + suffix
	}
	c.promised[uid] = name
	return name
}

func (c *Catalog) isPromised(name string) bool {
	for _, promised := range c.promised {
		if promised == name {
			return true
		}
	}
	return false
}

// taken says whether nodes have or may have an index of that name.
func (s *snapshot) taken(physical string) bool {
	return s.byPhysical[physical] != nil || s.dropped[physical]
}

// Drop removes an index. Its physical name stays taken until Forget.
func (c *Catalog) Drop(uid string) (*Index, error) {
	var gone *Index
	err := c.change(func(d *draft) error {
		if gone = d.byUID[uid]; gone == nil {
			return meili.IndexNotFound(uid)
		}
		delete(d.byUID, uid)
		d.dropped[gone.Physical] = true
		return nil
	})
	return gone, err
}

// Forget frees a dropped physical name: no node holds it any more.
func (c *Catalog) Forget(physical string) error {
	return c.change(func(d *draft) error {
		delete(d.dropped, physical)
		return nil
	})
}
