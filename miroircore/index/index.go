// Package index keeps the catalog of logical indexes: which there are, under
// which names nodes know them, where their shards lie, and their settings as
// clients see them and as nodes get them.
package index

import (
	"encoding/json"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Index is one logical index as it was at one moment. It is never changed; a
// mutation of the catalog makes another.
type Index struct {
	// UID is the name clients use; Physical the one nodes know it by.
	UID, Physical string
	// PrimaryKey is empty until there is one. Provisional says that it was
	// inferred or asked for by an operation that has not succeeded yet.
	PrimaryKey  string
	Provisional bool
	CreatedAt   time.Time
	UpdatedAt   time.Time
	// Shards is the number of hash slots, fixed when the index was made.
	Shards    int
	Placement *cluster.Placement
	// Settings are the logical settings in force. SettingsVersion grows with
	// each change of them, and SettingsDigest is the SHA-256 of their canonical
	// form, in hex.
	Settings        *settings.Settings
	SettingsVersion uint64
	SettingsDigest  string
	// Deletes says that some operation may have removed documents.
	Deletes bool
}

// View is the index as the index routes show it.
func (ix *Index) View() meili.Index { return meili.Index{} }

// Catalog holds the indexes. Reading takes no lock; each mutation is one durable
// transaction. What the server would refuse is given as a *meili.Error.
type Catalog struct{}

// Open reads the catalog from the store.
func Open(store state.Store) (*Catalog, error) { return &Catalog{}, nil }

// Get gives the index of a logical uid.
func (c *Catalog) Get(uid string) (*Index, bool) { return nil, false }

// ByPhysical gives the index that nodes know by a name; dropped ones are not found.
func (c *Catalog) ByPhysical(physical string) (*Index, bool) { return nil, false }

// List gives all indexes in the order of their uids. The slice is shared: it
// must not be changed.
func (c *Catalog) List() []*Index { return nil }

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
func (c *Catalog) Create(s Spec) (*Index, error) { return nil, nil }

// Drop removes an index. Its physical name stays taken until Forget.
func (c *Catalog) Drop(uid string) (*Index, error) { return nil, nil }

// Dropped lists the physical names that nodes may still hold.
func (c *Catalog) Dropped() []string { return nil }

// Forget frees a dropped physical name: no node holds it any more.
func (c *Catalog) Forget(physical string) error { return nil }

// Rename gives an index another uid.
func (c *Catalog) Rename(from, to string, at time.Time) (*Index, error) { return nil, nil }

// CheckSwap gives the error that a swap would fail with, nil when it would not.
func (c *Catalog) CheckSwap(swaps []request.Swap) *meili.Error { return nil }

// Swap exchanges indexes, or renames them, all pairs or none.
func (c *Catalog) Swap(swaps []request.Swap, at time.Time) error { return nil }

// SetPrimaryKey sets or, when it is empty, clears the primary key.
func (c *Catalog) SetPrimaryKey(uid, primaryKey string, provisional bool, at time.Time) (*Index, error) {
	return nil, nil
}

// SetSettings puts new logical settings in force, with the next version.
func (c *Catalog) SetSettings(uid string, s *settings.Settings, at time.Time) (*Index, error) {
	return nil, nil
}

// Touch sets when the index was last changed.
func (c *Catalog) Touch(uid string, at time.Time) error { return nil }

// SetPlacement replaces the placement; its epoch must be higher than the present one.
func (c *Catalog) SetPlacement(uid string, p *cluster.Placement) (*Index, error) { return nil, nil }

// MarkDeletes notes that an operation may have removed documents.
func (c *Catalog) MarkDeletes(uid string) error { return nil }

// FreePhysical gives the physical name that the next incarnation of uid gets.
func (c *Catalog) FreePhysical(uid string) string { return "" }

// Physical is the settings that nodes are given for logical ones.
func Physical(logical *settings.Settings) json.RawMessage { return nil }

// CheckSettings refuses logical settings that would touch the hidden fields.
func CheckSettings(s *settings.Settings) *meili.Error { return nil }

// Digest is the SHA-256 of settings in their canonical form, in hex.
func Digest(s *settings.Settings) string { return "" }

// Scrub turns a node's error about an index into the words a client knows.
func Scrub(ix *Index, e *meili.Error) *meili.Error { return e }

// Fields answers the fields route from the names of the fields in the documents.
func Fields(ix *Index, names []string, f *request.Fields) meili.Page[json.RawMessage] {
	return meili.Page[json.RawMessage]{}
}

// JoinStats adds up what the nodes tell of one index: each node's part is
// divided by the number of nodes that hold each of its documents.
func JoinStats(parts []meili.IndexStats, copies int) meili.IndexStats { return meili.IndexStats{} }
