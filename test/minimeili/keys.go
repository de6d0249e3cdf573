package minimeili

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// key is an API key. Its value follows from its uid and the master key.
type key struct {
	UID         string     `json:"uid"`
	Name        *string    `json:"name"`
	Description *string    `json:"description"`
	Actions     []string   `json:"actions"`
	Indexes     []string   `json:"indexes"`
	ExpiresAt   *time.Time `json:"expiresAt"`
	CreatedAt   time.Time  `json:"createdAt"`
	UpdatedAt   time.Time  `json:"updatedAt"`
}

// keyring is all keys, in the order in which they were made.
type keyring struct{ list []*key }

func (r *keyring) put(k *key) {
	for i, other := range r.list {
		if other.UID == k.UID {
			r.list[i] = k
			return
		}
	}
	r.list = append(r.list, k)
}

func (r *keyring) remove(uid string) {
	r.list = slices.DeleteFunc(r.list, func(k *key) bool { return k.UID == uid })
}

func (r *keyring) byUID(uid string) *key {
	for _, k := range r.list {
		if k.UID == uid {
			return k
		}
	}
	return nil
}

func (r *keyring) byValue(value, master string) *key {
	for _, k := range r.list {
		if hmac.Equal([]byte(k.value(master)), []byte(value)) {
			return k
		}
	}
	return nil
}

// value gives what a client sends to use the key.
func (k *key) value(master string) string { return keyValue(k.UID, master) }

func keyValue(uid, master string) string {
	mac := hmac.New(sha256.New, []byte(master))
	mac.Write([]byte(uid))
	return hex.EncodeToString(mac.Sum(nil))
}

func (k *key) expired(now time.Time) bool { return k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) }

func (k *key) view(master string) meili.Key {
	view := meili.Key{
		Name: k.Name, Description: k.Description, Key: k.value(master), UID: k.UID, Actions: k.Actions, Indexes: k.Indexes,
		CreatedAt: meili.FormatTime(k.CreatedAt), UpdatedAt: meili.FormatTime(k.UpdatedAt),
	}
	if k.ExpiresAt != nil {
		view.ExpiresAt = formatted(*k.ExpiresAt)
	}
	return view
}

// defaultKeys are the keys of a new server, the last listed first.
func defaultKeys(now time.Time) []*key {
	make := func(age time.Duration, name, description string, actions ...string) *key {
		at := now.UTC().Add(-age)
		return &key{UID: newUUID(), Name: &name, Description: &description, Actions: actions, Indexes: []string{"*"}, CreatedAt: at, UpdatedAt: at}
	}
	return []*key{
		make(3, "Default Chat API Key", "Use it to chat and search from the frontend", "chatCompletions", "search"),
		make(2, "Default Read-Only Admin API Key", "Use it to read information across the whole database. Caution! "+
			"Do not expose this key on a public frontend", "*.get", "keys.get"),
		make(1, "Default Admin API Key", "Use it for anything that is not a search operation. Caution! "+
			"Do not expose it on a public frontend", "*"),
		make(0, "Default Search API Key", "Use it to search from the frontend", "search"),
	}
}

func (c *call) listKeys() (answer, *meili.Error) {
	p, err := request.ParsePage(c.r.URL.RawQuery, "api_key")
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	sorted := slices.Clone(c.keys.list)
	slices.Reverse(sorted) // what was made in one instant goes newest first too
	slices.SortStableFunc(sorted, func(a, b *key) int { return b.CreatedAt.Compare(a.CreatedAt) })
	var views []meili.Key
	for _, k := range sorted {
		views = append(views, k.view(c.config.masterKey))
	}
	return ok(meili.PageOf(views, p.Offset, p.Limit))
}

// findKey gives the key the path names by its uid or its value. The caller holds mu.
func (c *call) findKey() (*key, *meili.Error) {
	name := c.params[0]
	k := c.keys.byUID(strings.ToLower(name))
	if k == nil {
		k = c.keys.byValue(name, c.config.masterKey)
	}
	if k == nil {
		return nil, meili.APIKeyNotFound(name)
	}
	return k, nil
}

func (c *call) getKey() (answer, *meili.Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, err := c.findKey()
	if err != nil {
		return refuse(err)
	}
	return ok(k.view(c.config.masterKey))
}

func (c *call) createKey() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseKeyCreate(body)
	if err != nil {
		return refuse(err)
	}
	now := c.config.now().UTC()
	k := &key{
		UID: newUUID(), Name: p.Name, Description: p.Description, Actions: p.Actions, Indexes: p.Indexes,
		ExpiresAt: p.ExpiresAt, CreatedAt: now, UpdatedAt: now,
	}
	if p.UID != nil {
		k.UID = strings.ToLower(*p.UID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys.byUID(k.UID) != nil {
		return refuse(meili.APIKeyAlreadyExists(k.UID))
	}
	c.keys.put(k)
	return c.saved(event{Key: k}, answer{status: 201, body: k.view(c.config.masterKey)})
}

// saved answers once an event is on disk.
func (c *call) saved(e event, a answer) (answer, *meili.Error) {
	c.record(e)
	if err := c.sync(); err != nil {
		return refuse(meili.NewError("io_error", "%v", err))
	}
	return a, nil
}

func (c *call) updateKey() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseKeyUpdate(body)
	if err != nil {
		return refuse(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old, err := c.findKey()
	if err != nil {
		return refuse(err)
	}
	k := *old
	if p.Name.Sent {
		k.Name = p.Name.Value
	}
	if p.Description.Sent {
		k.Description = p.Description.Value
	}
	k.UpdatedAt = c.config.now().UTC()
	c.keys.put(&k)
	return c.saved(event{Key: &k}, answer{status: 200, body: k.view(c.config.masterKey)})
}

func (c *call) deleteKey() (answer, *meili.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, err := c.findKey()
	if err != nil {
		return refuse(err)
	}
	c.keys.remove(k.UID)
	return c.saved(event{KeyGone: k.UID}, answer{status: 204})
}
