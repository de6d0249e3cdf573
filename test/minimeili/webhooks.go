package minimeili

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// webhook is where ended tasks are told of.
type webhook struct {
	UUID    string            `json:"uuid"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

func (h *webhook) view() meili.Webhook {
	view := meili.Webhook{UUID: h.UUID, IsEditable: true, URL: h.URL, Headers: map[string]string{}}
	for name, value := range h.Headers {
		if strings.EqualFold(name, "Authorization") {
			offset := 0
			if strings.HasPrefix(value, "Bearer ") {
				offset = len("Bearer ")
			}
			value = settings.HideSecret(value, offset)
		}
		view.Headers[name] = value
	}
	return view
}

func (c *instance) putWebhook(h *webhook) {
	c.removeWebhook(h.UUID)
	c.webhooks = append(c.webhooks, h)
	slices.SortFunc(c.webhooks, func(a, b *webhook) int { return strings.Compare(a.UUID, b.UUID) })
}

func (c *instance) removeWebhook(uuid string) bool {
	n := len(c.webhooks)
	c.webhooks = slices.DeleteFunc(slices.Clone(c.webhooks), func(h *webhook) bool { return h.UUID == uuid })
	return len(c.webhooks) < n
}

func (c *call) listWebhooks() (answer, *meili.Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	views := []meili.Webhook{}
	for _, h := range c.webhooks {
		views = append(views, h.view())
	}
	return ok(struct {
		Results []meili.Webhook `json:"results"`
	}{views})
}

// findWebhook gives the webhook the path names. The caller holds mu.
func (c *call) findWebhook() (*webhook, *meili.Error) {
	uuid, err := request.WebhookUUID(c.params[0])
	if err != nil {
		return nil, err
	}
	for _, h := range c.webhooks {
		if h.UUID == uuid {
			return h, nil
		}
	}
	return nil, meili.WebhookNotFound(uuid)
}

func (c *call) getWebhook() (answer, *meili.Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	h, err := c.findWebhook()
	if err != nil {
		return refuse(err)
	}
	return ok(h.view())
}

// changed gives the webhook after a change.
func (h *webhook) changed(p *request.WebhookChange) (*webhook, *meili.Error) {
	url, headers, err := p.Apply(h.UUID, h.URL, h.Headers)
	return &webhook{UUID: h.UUID, URL: url, Headers: headers}, err
}

func (c *call) createWebhook() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseWebhookCreate(body)
	if err != nil {
		return refuse(err)
	}
	uuid := newUUID()
	if err := p.CheckHeaders(uuid); err != nil {
		return refuse(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.webhooks) >= request.MaxWebhooks {
		return refuse(request.TooManyWebhooks())
	}
	h, err := (&webhook{UUID: uuid}).changed(p)
	if err != nil {
		return refuse(err)
	}
	c.putWebhook(h)
	return c.saved(event{Webhook: h}, answer{status: http.StatusCreated, body: h.view()})
}

func (c *call) updateWebhook() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseWebhookUpdate(body)
	if err != nil {
		return refuse(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old, err := c.findWebhook()
	if err != nil {
		return refuse(err)
	}
	if err := p.CheckHeaders(old.UUID); err != nil {
		return refuse(err)
	}
	h, err := old.changed(p)
	if err != nil {
		return refuse(err)
	}
	c.putWebhook(h)
	return c.saved(event{Webhook: h}, answer{status: http.StatusOK, body: h.view()})
}

func (c *call) deleteWebhook() (answer, *meili.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, err := c.findWebhook()
	if err != nil {
		return refuse(err)
	}
	c.removeWebhook(h.UUID)
	return c.saved(event{WebhookGone: h.UUID}, answer{status: http.StatusNoContent})
}

// notify tells the webhooks of the tasks of a batch, each in its own time.
func (c *instance) notify(hooks []*webhook, tasks []meili.Task) {
	if len(hooks) == 0 {
		return
	}
	var payload bytes.Buffer
	w := gzip.NewWriter(&payload)
	for _, t := range tasks {
		line, err := meili.Marshal(t)
		if err != nil { // a task always marshals
			panic(err)
		}
		_, _ = w.Write(append(line, '\n')) // a buffer takes everything
	}
	_ = w.Close()
	for _, h := range hooks {
		c.done.Add(1)
		go func() {
			defer c.done.Done()
			c.deliver(h, payload.Bytes())
		}()
	}
}

func (c *instance) deliver(h *webhook, payload []byte) {
	ctx, cancel := context.WithTimeout(c.life, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(payload))
	if err != nil {
		return
	}
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("Content-Type", "application/x-ndjson")
	for name, value := range h.Headers {
		r.Header.Set(name, value)
	}
	r.Close = true
	// Whether it arrives is nothing the server tells anybody.
	if response, err := http.DefaultClient.Do(r); err == nil {
		_ = response.Body.Close()
	}
}
