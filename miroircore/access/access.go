// Package access decides who may do what: it keeps the API keys, derives their
// values from the master key, and checks tenant tokens, as Meilisearch does.
// Nodes are never asked, and no secret is ever logged or put into an error.
package access

import (
	"encoding/json"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Keys are the API keys of a gateway. It is safe for concurrent use.
type Keys struct{}

// Open reads the keys from the store and makes the default ones where there are
// none. masterKey gives the master key in force; it may change at any time, and
// the values of all keys with it.
func Open(store state.Store, masterKey func() string, now func() time.Time) (*Keys, error) {
	return &Keys{}, nil
}

// Authorize says what the bearer of an Authorization header may do with action.
// index is the one named in the path, empty where there is none.
func (k *Keys) Authorize(header, action, index string) (*Grant, *meili.Error) { return nil, nil }

// List gives a page of the keys, the newest first.
func (k *Keys) List(page request.Page) meili.Page[meili.Key] { return meili.Page[meili.Key]{} }

// Create makes a key.
func (k *Keys) Create(c *request.KeyCreate) (*meili.Key, error) { return nil, nil }

// Get gives a key by its uid or its value.
func (k *Keys) Get(uidOrKey string) (*meili.Key, *meili.Error) { return nil, nil }

// Update changes the name and the description of a key.
func (k *Keys) Update(uidOrKey string, u *request.KeyUpdate) (*meili.Key, error) { return nil, nil }

// Delete removes a key.
func (k *Keys) Delete(uidOrKey string) error { return nil }

// Grant is what one request may do.
type Grant struct {
	// All says that every index is allowed: lists need not be narrowed.
	All bool
	// KeyUID is the uid of the key in use, empty for the master key.
	KeyUID string
	// Identity names who asks in logs and limits, without a secret in it.
	Identity string
}

// Allows says whether the index may be touched.
func (g *Grant) Allows(index string) bool { return false }

// AllowsCreation says whether a write may bring the index into being.
func (g *Grant) AllowsCreation(index string) bool { return false }

// Visible is the filter for lists of tasks: nil when everything may be seen.
func (g *Grant) Visible() func(index string) bool { return nil }

// SearchFilter gives the filter that the tenant token adds to searches of the
// index, nil where it adds none, or the refusal when the index is not allowed.
func (g *Grant) SearchFilter(index string) (json.RawMessage, *meili.Error) { return nil, nil }
