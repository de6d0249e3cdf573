// Package webhook keeps the addresses that are told of tasks that ended, and
// tells them.
package webhook

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"sync"

	"github.com/google/uuid"
	"golang.org/x/net/http/httpguts"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

const table = "webhooks"

// The real server's limits.
const (
	maxHooks   = 20
	maxHeaders = 200
)

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
	key, err := keyOf(id)
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
	key, err := keyOf(id)
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
	key, err := keyOf(id)
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
	changed, refused := h.with(id, change)
	if refused != nil {
		return meili.Webhook{}, refused
	}
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

// with gives the webhook as a change makes it.
func (h hook) with(id string, change *request.WebhookChange) (hook, *meili.Error) {
	changed := hook{URL: h.URL, Headers: map[string]string{}}
	if change.URL.Sent && change.URL.Value != nil {
		changed.URL = *change.URL.Value
	}
	if changed.URL == "" {
		return h, meili.NewError("invalid_webhook_url", "The URL for the webhook `%s` is missing.", id)
	}
	if u, err := url.Parse(changed.URL); err != nil || u.Scheme == "" || u.Host == "" {
		return h, meili.NewError("invalid_webhook_url", "Invalid URL `%s`: relative URL without a base", changed.URL)
	}
	if !change.Reset {
		for name, value := range h.Headers {
			changed.Headers[name] = value
		}
		for _, header := range change.Headers {
			if !httpguts.ValidHeaderFieldName(header.Name) {
				return h, meili.NewError("invalid_webhook_headers", "Invalid header name `%s`: invalid HTTP header name", header.Name)
			}
			if header.Value == nil {
				delete(changed.Headers, header.Name)
			} else {
				changed.Headers[header.Name] = *header.Value
			}
		}
	}
	if len(changed.Headers) > maxHeaders {
		return h, meili.NewError("invalid_webhook_headers", "Too many headers for the webhook `%s`. Please limit the number of headers to %d. Hint: To remove an already defined header set its value to `null`", id, maxHeaders)
	}
	return changed, nil
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

func keyOf(id string) (string, *meili.Error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return "", meili.NewError("invalid_webhook_uuid", "Invalid UUID: %s", id)
	}
	return parsed.String(), nil
}
