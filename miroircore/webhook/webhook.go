// Package webhook keeps the addresses that are told of tasks that ended, and
// tells them.
package webhook

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

const table = "webhooks"

// maxHooks is the real server's limit.
const maxHooks = 20

// hook is a webhook as it is kept, its headers in clear.
type hook struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// Book keeps the webhooks. It is safe for concurrent use.
type Book struct {
	store state.Store
	mu    sync.RWMutex
	hooks map[string]hook
}

// Open reads the webhooks from the store.
func Open(store state.Store) (*Book, error) {
	b := &Book{store: store, hooks: map[string]hook{}}
	var broken error
	err := store.View(func(tx state.Tx) error {
		return tx.Scan(table, nil, func(key, value []byte) bool {
			var h hook
			if broken = json.Unmarshal(value, &h); broken != nil {
				return false
			}
			b.hooks[string(key)] = h
			return true
		})
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return nil, fmt.Errorf("read webhooks: %w", err)
	}
	return b, nil
}

// List gives all webhooks in order of their ids.
func (b *Book) List() []meili.Webhook {
	b.mu.RLock()
	defer b.mu.RUnlock()
	views := make([]meili.Webhook, 0, len(b.hooks))
	for id, h := range b.hooks {
		views = append(views, h.view(id))
	}
	sort.Slice(views, func(i, j int) bool { return views[i].UUID < views[j].UUID })
	return views
}

// all gives the webhooks to deliver to.
func (b *Book) all() map[string]hook {
	b.mu.RLock()
	defer b.mu.RUnlock()
	all := make(map[string]hook, len(b.hooks))
	for id, h := range b.hooks {
		all[id] = h
	}
	return all
}

// Get gives one webhook.
func (b *Book) Get(id string) (meili.Webhook, *meili.Error) {
	key, err := request.WebhookUUID(id)
	if err != nil {
		return meili.Webhook{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	h, ok := b.hooks[key]
	if !ok {
		return meili.Webhook{}, meili.WebhookNotFound(key)
	}
	return h.view(key), nil
}

// Create makes a webhook.
func (b *Book) Create(w *request.WebhookChange) (meili.Webhook, *meili.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := uuid.NewString()
	if len(b.hooks) >= maxHooks {
		return meili.Webhook{}, meili.NewError("invalid_webhooks", "Defining too many webhooks would crush the server. Please limit the number of webhooks to %d. You may use a third-party proxy server to dispatch events to more than %d endpoints.", maxHooks, maxHooks)
	}
	return b.put(id, hook{Headers: map[string]string{}}, w)
}

// Update changes a webhook.
func (b *Book) Update(id string, w *request.WebhookChange) (meili.Webhook, *meili.Error) {
	key, err := request.WebhookUUID(id)
	if err != nil {
		return meili.Webhook{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h, ok := b.hooks[key]
	if !ok {
		return meili.Webhook{}, meili.WebhookNotFound(key)
	}
	return b.put(key, h, w)
}

// Delete removes a webhook.
func (b *Book) Delete(id string) *meili.Error {
	key, err := request.WebhookUUID(id)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.hooks[key]; !ok {
		return meili.WebhookNotFound(key)
	}
	if err := b.store.Update(func(tx state.Tx) error { return tx.Delete(table, []byte(key)) }); err != nil {
		return meili.NewError("internal", "removing webhook %s: %v", key, err)
	}
	delete(b.hooks, key)
	return nil
}

// put applies a change to a webhook and keeps it. The caller holds the lock.
func (b *Book) put(id string, h hook, change *request.WebhookChange) (meili.Webhook, *meili.Error) {
	address, headers, refused := change.Apply(id, h.URL, h.Headers)
	if refused != nil {
		return meili.Webhook{}, refused
	}
	changed := hook{URL: address, Headers: headers}
	saved, err := json.Marshal(changed)
	if err == nil {
		err = b.store.Update(func(tx state.Tx) error { return tx.Put(table, []byte(id), saved) })
	}
	if err != nil {
		return meili.Webhook{}, meili.NewError("internal", "keeping webhook %s: %v", id, err)
	}
	b.hooks[id] = changed
	return changed.view(id), nil
}

// view is the webhook as clients see it: credentials are cut short.
func (h hook) view(id string) meili.Webhook {
	v := meili.Webhook{UUID: id, IsEditable: true, URL: h.URL, Headers: map[string]string{}}
	for name, value := range h.Headers {
		if strings.EqualFold(name, "Authorization") {
			value = settings.HideSecret(value, len(value)-len(strings.TrimPrefix(value, "Bearer ")))
		}
		v.Headers[name] = value
	}
	return v
}
