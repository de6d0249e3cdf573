// Package access decides who may do what: it keeps the API keys, derives their
// values from the master key, and checks tenant tokens, as Meilisearch does.
// Nodes are never asked, and no secret is ever logged or put into an error.
package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// table holds the keys by the 16 bytes of their uids.
const table = "keys"

// Keys are the API keys of a gateway. It is safe for concurrent use.
type Keys struct {
	store     state.Store
	masterKey func() string
	now       func() time.Time
	salt      [32]byte // of digests, so that lookups tell nothing by their timing

	mu      sync.Mutex // held by whoever changes the keys or derives them anew
	current atomic.Pointer[ring]
}

// ring is all keys as one master key derives them. But for what it remembers of
// tokens it is never changed.
type ring struct {
	master       string
	masterDigest [32]byte
	list         []*key // the newest first
	byUID        map[uuid.UUID]*key
	byDigest     map[[32]byte]*key
	verified     verified
}

// record is a key as it is stored. Its value is not: it follows from the uid
// and the master key.
type record struct {
	UID         uuid.UUID  `json:"uid"`
	Name        *string    `json:"name,omitempty"`
	Description *string    `json:"description,omitempty"`
	Actions     []string   `json:"actions"`
	Indexes     []string   `json:"indexes"`
	ExpiresAt   *time.Time `json:"expiresAt,omitempty"`
	CreatedAt   time.Time  `json:"createdAt"`
	UpdatedAt   time.Time  `json:"updatedAt"`
}

// key is a record with all that requests need of it worked out.
type key struct {
	record
	value    string // 64 hex digits
	granted  actionSet
	all      bool // holds the pattern *
	patterns patterns
}

// Open reads the keys from the store and makes the default ones where there are
// none. masterKey gives the master key in force; it may change at any time, and
// the values of all keys with it.
func Open(store state.Store, masterKey func() string, now func() time.Time) (*Keys, error) {
	k := &Keys{store: store, masterKey: masterKey, now: now}
	if _, err := rand.Read(k.salt[:]); err != nil {
		return nil, fmt.Errorf("salt of key digests: %w", err)
	}
	records, err := k.load()
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		records = defaultKeys(now().UTC())
		if err := k.save(records...); err != nil {
			return nil, err
		}
	}
	k.current.Store(k.derive(records, masterKey()))
	return k, nil
}

func (k *Keys) load() (records []record, err error) {
	err = k.store.View(func(tx state.Tx) error {
		var bad error
		err := tx.Scan(table, nil, func(_, value []byte) bool {
			var r record
			if bad = json.Unmarshal(value, &r); bad != nil {
				return false
			}
			records = append(records, r)
			return true
		})
		if err == nil {
			err = bad
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read API keys: %w", err)
	}
	return records, nil
}

func (k *Keys) save(records ...record) error {
	err := k.store.Update(func(tx state.Tx) error {
		for _, r := range records {
			value, err := json.Marshal(r)
			if err != nil {
				return err
			}
			if err := tx.Put(table, r.UID[:], value); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write API keys: %w", err)
	}
	return nil
}

// defaultKeys are the keys a new instance has, in the order they are made. Their
// times differ, since keys are listed by them.
func defaultKeys(at time.Time) []record {
	made := func(i int, name, description string, actions ...string) record {
		created := at.Add(time.Duration(i))
		return record{
			UID: uuid.New(), Name: &name, Description: &description,
			Actions: actions, Indexes: []string{"*"}, CreatedAt: created, UpdatedAt: created,
		}
	}
	return []record{
		made(0, "Default Chat API Key", "Use it to chat and search from the frontend", "chatCompletions", "search"),
		made(1, "Default Read-Only Admin API Key", "Use it to read information across the whole database. "+
			"Caution! Do not expose this key on a public frontend", "*.get", "keys.get"),
		made(2, "Default Admin API Key", "Use it for anything that is not a search operation. "+
			"Caution! Do not expose it on a public frontend", "*"),
		made(3, "Default Search API Key", "Use it to search from the frontend", "search"),
	}
}

// derive works out the ring of the records under a master key.
func (k *Keys) derive(records []record, master string) *ring {
	r := &ring{
		master:       master,
		masterDigest: k.digest(master),
		byUID:        make(map[uuid.UUID]*key, len(records)),
		byDigest:     make(map[[32]byte]*key, len(records)),
	}
	for _, rec := range records {
		derived := &key{record: rec, value: keyValue(master, rec.UID), granted: expand(rec.Actions)}
		derived.all = slices.Contains(rec.Indexes, "*")
		derived.patterns = newPatterns(rec.Indexes)
		r.list = append(r.list, derived)
		r.byUID[rec.UID] = derived
		if master != "" {
			r.byDigest[k.digest(derived.value)] = derived
		}
	}
	slices.SortStableFunc(r.list, func(a, b *key) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return r
}

// ring gives the keys as the master key in force derives them.
func (k *Keys) ring() *ring {
	r, master := k.current.Load(), k.masterKey()
	if r.master == master {
		return r
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r = k.current.Load()
	if r.master != master {
		r = k.derive(r.records(), master)
		k.current.Store(r)
	}
	return r
}

func (r *ring) records() []record {
	records := make([]record, len(r.list))
	for i, derived := range r.list {
		records[len(r.list)-1-i] = derived.record
	}
	return records
}

// keyValue is the token of the key of that uid.
func keyValue(master string, uid uuid.UUID) string {
	mac := hmac.New(sha256.New, []byte(master))
	mac.Write([]byte(uid.String()))
	return hex.EncodeToString(mac.Sum(nil))
}

// digest turns a token into what tokens are looked up by: how far two digests
// agree tells nothing about how far the tokens do.
func (k *Keys) digest(token string) [32]byte {
	var room [160]byte
	return sha256.Sum256(append(append(room[:0], k.salt[:]...), token...))
}

// List gives a page of the keys, the newest first.
func (k *Keys) List(page request.Page) meili.Page[meili.Key] {
	r := k.ring()
	cut := meili.PageOf(r.list, page.Offset, page.Limit)
	out := meili.Page[meili.Key]{
		Results: make([]meili.Key, 0, len(cut.Results)), Offset: cut.Offset, Limit: cut.Limit, Total: cut.Total,
	}
	for _, found := range cut.Results {
		out.Results = append(out.Results, *found.view())
	}
	return out
}

// Create makes a key. What the server refuses is given as a *meili.Error.
func (k *Keys) Create(c *request.KeyCreate) (*meili.Key, error) {
	if len(c.Indexes) > 0 && !slices.Contains(c.Indexes, "*") {
		for _, action := range c.Actions {
			if scopeOf(action) == globalOnly {
				return nil, meili.NewError("index_scoped_api_key_with_global_action", "%s", scopedMessage(action))
			}
		}
	}
	uid := uuid.New()
	if c.UID != nil {
		sent, err := uuid.Parse(*c.UID)
		if err != nil {
			return nil, meili.NewError("invalid_api_key_uid", "Invalid value at `.uid`: %s", uuidReason(*c.UID))
		}
		uid = sent
	}
	now := k.now().UTC()
	made := record{
		UID: uid, Name: c.Name, Description: c.Description, Actions: notNil(c.Actions),
		Indexes: notNil(c.Indexes), ExpiresAt: c.ExpiresAt, CreatedAt: now, UpdatedAt: now,
	}
	return k.change(func(r *ring) (*record, error) {
		if _, taken := r.byUID[uid]; taken {
			return nil, meili.APIKeyAlreadyExists(uid.String())
		}
		return &made, nil
	})
}

func scopedMessage(action string) string {
	name := `"` + action + `"`
	return "cannot create index-scoped API key with global action `" + name + "`\n  - Hint: remove action `" + name +
		"` from the action list, or remove `indexes` to make the key global"
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Get gives a key by its uid or its value.
func (k *Keys) Get(uidOrKey string) (*meili.Key, *meili.Error) {
	found, err := k.find(k.ring(), uidOrKey)
	if err != nil {
		return nil, err
	}
	return found.view(), nil
}

// Update changes the name and the description of a key.
func (k *Keys) Update(uidOrKey string, u *request.KeyUpdate) (*meili.Key, error) {
	return k.change(func(r *ring) (*record, error) {
		found, refusal := k.find(r, uidOrKey)
		if refusal != nil {
			return nil, refusal
		}
		changed := found.record
		if u.Name.Sent {
			changed.Name = u.Name.Value
		}
		if u.Description.Sent {
			changed.Description = u.Description.Value
		}
		changed.UpdatedAt = k.now().UTC()
		return &changed, nil
	})
}

// change stores the record that decide gives, then puts it in force.
func (k *Keys) change(decide func(*ring) (*record, error)) (*meili.Key, error) {
	k.ring() // derives anew if the master key changed, before the lock is taken
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.current.Load()
	changed, err := decide(r)
	if err != nil {
		return nil, err
	}
	if err := k.save(*changed); err != nil {
		return nil, err
	}
	records := slices.DeleteFunc(r.records(), func(rec record) bool { return rec.UID == changed.UID })
	r = k.derive(append(records, *changed), r.master)
	k.current.Store(r)
	return r.byUID[changed.UID].view(), nil
}

// Delete removes a key.
func (k *Keys) Delete(uidOrKey string) error {
	k.ring()
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.current.Load()
	found, refusal := k.find(r, uidOrKey)
	if refusal != nil {
		return refusal
	}
	err := k.store.Update(func(tx state.Tx) error { return tx.Delete(table, found.UID[:]) })
	if err != nil {
		return fmt.Errorf("delete API key %s: %w", found.UID, err)
	}
	records := slices.DeleteFunc(r.records(), func(rec record) bool { return rec.UID == found.UID })
	k.current.Store(k.derive(records, r.master))
	return nil
}

// find looks a key up as the key routes do: what reads as a uuid is a uid.
func (k *Keys) find(r *ring, uidOrKey string) (*key, *meili.Error) {
	if uid, ok := parseUUID(uidOrKey); ok {
		if found := r.byUID[uid]; found != nil {
			return found, nil
		}
		return nil, meili.APIKeyNotFound(uid.String())
	}
	if found := k.byToken(r, uidOrKey); found != nil {
		return found, nil
	}
	return nil, meili.APIKeyNotFound(uidOrKey)
}

func (k *key) view() *meili.Key {
	out := &meili.Key{
		Name: k.Name, Description: k.Description, Key: k.value, UID: k.UID.String(),
		Actions: slices.Clone(k.Actions), Indexes: slices.Clone(k.Indexes),
		CreatedAt: meili.FormatTime(k.CreatedAt), UpdatedAt: meili.FormatTime(k.UpdatedAt),
	}
	if k.ExpiresAt != nil {
		at := k.ExpiresAt.Format(time.RFC3339Nano) // with the offset it was sent with, as the server keeps it
		out.ExpiresAt = &at
	}
	return out
}
