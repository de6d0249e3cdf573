// Package index keeps the catalog of logical indexes: which there are, under
// which names nodes know them, where their shards lie, and their settings as
// clients see them and as nodes get them.
package index

import (
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
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
func (ix *Index) View() meili.Index {
	v := meili.Index{UID: ix.UID, CreatedAt: meili.FormatTime(ix.CreatedAt), UpdatedAt: meili.FormatTime(ix.UpdatedAt)}
	if ix.PrimaryKey != "" {
		v.PrimaryKey = &ix.PrimaryKey
	}
	return v
}
