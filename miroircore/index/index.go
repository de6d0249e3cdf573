// Package index keeps the catalog of logical indexes: which there are, under
// which names nodes know them, where their shards lie, and their settings as
// clients see them and as nodes get them.
package index

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

	durable time.Time // what the store has for UpdatedAt
}

// View is the index as the index routes show it.
func (ix *Index) View() meili.Index {
	out := meili.Index{UID: ix.UID, CreatedAt: meili.FormatTime(ix.CreatedAt), UpdatedAt: meili.FormatTime(ix.UpdatedAt)}
	if ix.PrimaryKey != "" {
		primaryKey := ix.PrimaryKey
		out.PrimaryKey = &primaryKey
	}
	return out
}

// Digest is the SHA-256 of settings in their canonical form, in hex.
func Digest(s *settings.Settings) string {
	sum := sha256.Sum256(s.Raw())
	return hex.EncodeToString(sum[:])
}

// record is an index as it is stored, by its uid.
type record struct {
	Physical        string             `json:"physical"`
	PrimaryKey      string             `json:"primaryKey,omitempty"`
	Provisional     bool               `json:"provisional,omitempty"`
	CreatedAt       time.Time          `json:"createdAt"`
	UpdatedAt       time.Time          `json:"updatedAt"`
	Shards          int                `json:"shards"`
	Placement       *cluster.Placement `json:"placement"`
	Settings        json.RawMessage    `json:"settings"`
	SettingsVersion uint64             `json:"settingsVersion"`
	Deletes         bool               `json:"deletes,omitempty"`
}

func (ix *Index) encode() ([]byte, error) {
	out, err := meili.Marshal(record{
		Physical: ix.Physical, PrimaryKey: ix.PrimaryKey, Provisional: ix.Provisional, CreatedAt: ix.CreatedAt,
		UpdatedAt: ix.UpdatedAt, Shards: ix.Shards, Placement: ix.Placement, Settings: ix.Settings.Raw(),
		SettingsVersion: ix.SettingsVersion, Deletes: ix.Deletes,
	})
	if err != nil {
		return nil, fmt.Errorf("encode index %s: %w", ix.UID, err)
	}
	return out, nil
}

func decode(uid string, raw []byte) (*Index, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("read index %s: %w", uid, err)
	}
	logical, err := settings.FromRaw(r.Settings)
	if err != nil {
		return nil, fmt.Errorf("read settings of index %s: %w", uid, err)
	}
	return &Index{
		UID: uid, Physical: r.Physical, PrimaryKey: r.PrimaryKey, Provisional: r.Provisional, CreatedAt: r.CreatedAt,
		UpdatedAt: r.UpdatedAt, Shards: r.Shards, Placement: r.Placement, Settings: logical,
		SettingsVersion: r.SettingsVersion, SettingsDigest: Digest(logical), Deletes: r.Deletes,
		durable: r.UpdatedAt,
	}, nil
}
