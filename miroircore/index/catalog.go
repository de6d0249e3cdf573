package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Indexes are stored by their logical uid. A dropped physical name is stored
// until no node holds it any more: what belonged to a deleted index must not
// land in its successor.
const (
	indexTable   = "indexes"
	droppedTable = "dropped_indexes"
)

// Catalog holds the indexes. Reading takes no lock; each mutation is one durable
// transaction. What the server would refuse is given as a *meili.Error.
type Catalog struct {
	store   state.Store
	mu      sync.Mutex // one mutation at a time
	current atomic.Pointer[book]
}

// book is the catalog at one moment. It is never changed.
type book struct {
	byUID      map[string]*Index
	byPhysical map[string]*Index
	sorted     []*Index
	dropped    map[string]bool
}

func newBook(byUID map[string]*Index, dropped map[string]bool) *book {
	b := &book{byUID: byUID, byPhysical: make(map[string]*Index, len(byUID)), dropped: dropped}
	for _, ix := range byUID {
		b.byPhysical[ix.Physical] = ix
		b.sorted = append(b.sorted, ix)
	}
	sort.Slice(b.sorted, func(i, j int) bool { return b.sorted[i].UID < b.sorted[j].UID })
	return b
}

// Open reads the catalog from the store.
func Open(store state.Store) (*Catalog, error) {
	c := &Catalog{store: store}
	byUID, dropped := map[string]*Index{}, map[string]bool{}
	err := store.View(func(tx state.Tx) error {
		var broken error
		err := tx.Scan(indexTable, nil, func(key, value []byte) bool {
			var ix *Index
			if ix, broken = decodeIndex(value); broken != nil {
				broken = fmt.Errorf("index %s: %w", key, broken)
				return false
			}
			byUID[ix.UID] = ix
			return true
		})
		return errors.Join(err, broken, tx.Scan(droppedTable, nil, func(key, _ []byte) bool {
			dropped[string(key)] = true
			return true
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalog: %w", err)
	}
	c.current.Store(newBook(byUID, dropped))
	return c, nil
}

// stored is an index as it is kept.
type stored struct {
	UID, Physical, PrimaryKey string
	Provisional, Deletes      bool
	CreatedAt, UpdatedAt      time.Time
	Shards                    int
	Placement                 *cluster.Placement
	Settings                  json.RawMessage
	SettingsVersion           uint64
}

func (ix *Index) encode() ([]byte, error) {
	return json.Marshal(stored{
		UID: ix.UID, Physical: ix.Physical, PrimaryKey: ix.PrimaryKey, Provisional: ix.Provisional, Deletes: ix.Deletes,
		CreatedAt: ix.CreatedAt, UpdatedAt: ix.UpdatedAt, Shards: ix.Shards, Placement: ix.Placement,
		Settings: ix.Settings.Raw(), SettingsVersion: ix.SettingsVersion,
	})
}

func decodeIndex(value []byte) (*Index, error) {
	var s stored
	if err := json.Unmarshal(value, &s); err != nil {
		return nil, err
	}
	logical, err := settings.FromRaw(s.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return &Index{
		UID: s.UID, Physical: s.Physical, PrimaryKey: s.PrimaryKey, Provisional: s.Provisional, Deletes: s.Deletes,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, Shards: s.Shards, Placement: s.Placement,
		Settings: logical, SettingsVersion: s.SettingsVersion, SettingsDigest: Digest(logical),
	}, nil
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
func (c *Catalog) List() []*Index { return c.current.Load().sorted }

// change is what a mutation does to the catalog: nil removes an index.
type change struct {
	indexes map[string]*Index
	drop    []string
	forget  []string
}

// apply makes a change durable and then visible. The caller holds the lock.
func (c *Catalog) apply(ch change) error {
	err := c.store.Update(func(tx state.Tx) error {
		for uid, ix := range ch.indexes {
			if err := put(tx, uid, ix); err != nil {
				return err
			}
		}
		for _, physical := range ch.drop {
			if err := tx.Put(droppedTable, []byte(physical), []byte{1}); err != nil {
				return err
			}
		}
		for _, physical := range ch.forget {
			if err := tx.Delete(droppedTable, []byte(physical)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change the catalog: %w", err)
	}
	old := c.current.Load()
	byUID, dropped := maps.Clone(old.byUID), maps.Clone(old.dropped)
	for uid, ix := range ch.indexes {
		if ix == nil {
			delete(byUID, uid)
		} else {
			byUID[uid] = ix
		}
	}
	for _, physical := range ch.drop {
		dropped[physical] = true
	}
	for _, physical := range ch.forget {
		delete(dropped, physical)
	}
	c.current.Store(newBook(byUID, dropped))
	return nil
}

func put(tx state.Tx, uid string, ix *Index) error {
	if ix == nil {
		return tx.Delete(indexTable, []byte(uid))
	}
	value, err := ix.encode()
	if err != nil {
		return err
	}
	return tx.Put(indexTable, []byte(uid), value)
}

// Spec is what an index is made from.
type Spec struct {
	UID         string
	PrimaryKey  string
	Provisional bool
	Shards      int
	Place       func(physical string, shards int) *cluster.Placement
	At          time.Time
}

// Create makes an index; index_already_exists when there is one of that uid.
func (c *Catalog) Create(s Spec) (*Index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, exists := c.Get(s.UID); exists {
		return nil, meili.IndexAlreadyExists(s.UID)
	}
	physical := c.FreePhysical(s.UID)
	logical := settings.Default()
	ix := &Index{
		UID: s.UID, Physical: physical, PrimaryKey: s.PrimaryKey, Provisional: s.Provisional, CreatedAt: s.At, UpdatedAt: s.At,
		Shards: s.Shards, Placement: s.Place(physical, s.Shards), Settings: logical, SettingsVersion: 1, SettingsDigest: Digest(logical),
	}
	return ix, c.apply(change{indexes: map[string]*Index{s.UID: ix}})
}

// Drop removes an index. Its physical name stays taken until Forget.
func (c *Catalog) Drop(uid string) (*Index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ix, ok := c.Get(uid)
	if !ok {
		return nil, meili.IndexNotFound(uid)
	}
	return ix, c.apply(change{indexes: map[string]*Index{uid: nil}, drop: []string{ix.Physical}})
}

// Dropped lists the physical names that nodes may still hold.
func (c *Catalog) Dropped() []string {
	return slices.Sorted(maps.Keys(c.current.Load().dropped))
}

// Forget frees a dropped physical name: no node holds it any more.
func (c *Catalog) Forget(physical string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apply(change{forget: []string{physical}})
}

// FreePhysical gives the physical name that the next incarnation of uid gets:
// the uid itself, or the first of uid-2, uid-3 … that neither an index nor one
// that nodes may still hold has.
func (c *Catalog) FreePhysical(uid string) string {
	b := c.current.Load()
	name := uid
	for n := 2; b.dropped[name] || b.byPhysical[name] != nil; n++ {
		suffix := "-" + strconv.Itoa(n)
		name = uid[:min(len(uid), maxUID-len(suffix))] + suffix
	}
	return name
}

// maxUID is the longest uid of an index that the server takes, in bytes.
const maxUID = 400

// edit replaces an index by a changed copy.
func (c *Catalog) edit(uid string, by func(*Index)) (*Index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ix, ok := c.Get(uid)
	if !ok {
		return nil, meili.IndexNotFound(uid)
	}
	changed := *ix
	by(&changed)
	return &changed, c.apply(change{indexes: map[string]*Index{uid: &changed}})
}

// SetPrimaryKey sets or, when it is empty, clears the primary key.
func (c *Catalog) SetPrimaryKey(uid, primaryKey string, provisional bool, at time.Time) (*Index, error) {
	return c.edit(uid, func(ix *Index) { ix.PrimaryKey, ix.Provisional, ix.UpdatedAt = primaryKey, provisional, at })
}

// SetSettings puts new logical settings in force, with the next version.
func (c *Catalog) SetSettings(uid string, s *settings.Settings, at time.Time) (*Index, error) {
	return c.edit(uid, func(ix *Index) {
		ix.Settings, ix.SettingsDigest, ix.UpdatedAt = s, Digest(s), at
		ix.SettingsVersion++
	})
}

// Touch sets when the index was last changed.
func (c *Catalog) Touch(uid string, at time.Time) error {
	_, err := c.edit(uid, func(ix *Index) { ix.UpdatedAt = at })
	return err
}

// SetPlacement replaces the placement; its epoch must be higher than the present one.
func (c *Catalog) SetPlacement(uid string, p *cluster.Placement) (*Index, error) {
	if ix, ok := c.Get(uid); ok && ix.Placement.Epoch >= p.Epoch {
		return nil, fmt.Errorf("placement of index %s: epoch %d is not above %d", uid, p.Epoch, ix.Placement.Epoch)
	}
	return c.edit(uid, func(ix *Index) { ix.Placement = p })
}

// MarkDeletes notes that an operation may have removed documents.
func (c *Catalog) MarkDeletes(uid string) error {
	if ix, ok := c.Get(uid); ok && ix.Deletes {
		return nil
	}
	_, err := c.edit(uid, func(ix *Index) { ix.Deletes = true })
	return err
}

// Rename gives an index another uid.
func (c *Catalog) Rename(from, to string, at time.Time) (*Index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ix, ok := c.Get(from)
	if !ok {
		return nil, meili.IndexNotFound(from)
	}
	if _, taken := c.Get(to); taken {
		return nil, meili.IndexAlreadyExists(to)
	}
	moved := *ix
	moved.UID, moved.UpdatedAt = to, at
	return &moved, c.apply(change{indexes: map[string]*Index{from: nil, to: &moved}})
}

// CheckSwap gives the error that a swap would fail with, nil when it would not.
func (c *Catalog) CheckSwap(swaps []request.Swap) *meili.Error {
	missing := map[string]bool{}
	for _, s := range swaps {
		a, b := s.Indexes[0], s.Indexes[1]
		if _, ok := c.Get(a); !ok {
			missing[a] = true
		}
		_, ok := c.Get(b)
		switch {
		case s.Rename && ok:
			return meili.NewError("index_already_exists", "Cannot rename `%s` to `%s` as the index already exists. Hint: You can remove `%s` first and then do your remove.", a, b, b)
		case !s.Rename && !ok:
			missing[b] = true
		}
	}
	if len(missing) > 0 {
		return meili.IndexesNotFound(slices.Sorted(maps.Keys(missing))...)
	}
	return nil
}

// Swap exchanges indexes, or renames them, all pairs or none.
func (c *Catalog) Swap(swaps []request.Swap, at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.CheckSwap(swaps); err != nil {
		return err
	}
	moves := map[string]*Index{}
	move := func(from, to string) {
		ix, _ := c.Get(from)
		moved := *ix
		moved.UID, moved.UpdatedAt = to, at
		moves[to] = &moved
	}
	for _, s := range swaps {
		a, b := s.Indexes[0], s.Indexes[1]
		move(a, b)
		if s.Rename {
			moves[a] = nil
		} else {
			move(b, a)
		}
	}
	return c.apply(change{indexes: moves})
}
