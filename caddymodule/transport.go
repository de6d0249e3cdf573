package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// Defaults of the http transport that differ from those of reverse_proxy: a
// search asks many nodes at once, an answer may take as long as it takes, and a
// node compresses slowly.
const (
	idleConnsPerNode = 32
	dialTimeout      = "3s"
)

// loadTransport loads the module that carries requests to nodes.
func (app *App) loadTransport(ctx caddy.Context) (*nodeTransport, error) {
	raw, err := transportWithDefaults(app.TransportRaw)
	if err != nil {
		return nil, err
	}
	app.TransportRaw = raw
	module, err := ctx.LoadModule(app, "TransportRaw")
	if err != nil {
		return nil, fmt.Errorf("transport: %w", err)
	}
	transport, ok := module.(http.RoundTripper)
	if !ok {
		return nil, fmt.Errorf("transport %T carries no HTTP requests", module)
	}
	t := &nodeTransport{next: transport, closeIdle: func() {}}
	if h, ok := transport.(*reverseproxy.HTTPTransport); ok && h.Transport != nil {
		t.closeIdle = h.Transport.CloseIdleConnections
	}
	return t, nil
}

// transportWithDefaults fills in what an http transport leaves open.
func transportWithDefaults(raw json.RawMessage) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{"protocol": json.RawMessage(`"http"`)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, fmt.Errorf("transport: %w", err)
		}
	}
	if string(fields["protocol"]) != `"http"` {
		return raw, nil
	}
	for name, value := range map[string]string{
		"keep_alive":   fmt.Sprintf(`{"max_idle_conns_per_host":%d}`, idleConnsPerNode),
		"dial_timeout": `"` + dialTimeout + `"`,
		"compression":  "false",
	} {
		if _, given := fields[name]; !given {
			fields[name] = json.RawMessage(value)
		}
	}
	return json.Marshal(fields)
}

// nodeTransport carries requests to nodes for one configuration.
type nodeTransport struct {
	next      http.RoundTripper
	closeIdle func()
	retired   atomic.Bool
}

// RoundTrip implements http.RoundTripper. It gives each request a set of
// variables and a replacer of its own: Caddy's transports write into the
// former, so legs that share a client's would race, and read the latter while
// dialing, where its absence ends the process.
func (t *nodeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(r.WithContext(&legContext{Context: r.Context()}))
	if err != nil {
		t.tidy()
		return nil, dialFailure(err)
	}
	response.Body = &legBody{response.Body, t}
	return response, nil
}

// legContext is the context of one request to a node. Its variables and replacer
// are made when they are asked for: most requests go over a connection that is
// there already, and need neither.
type legContext struct {
	context.Context
	mu       sync.Mutex
	vars     map[string]any
	replacer *caddy.Replacer
}

// Value implements context.Context.
func (c *legContext) Value(key any) any {
	switch key {
	case caddyhttp.VarsCtxKey:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.vars == nil {
			c.vars = make(map[string]any)
		}
		return c.vars
	case caddy.ReplacerCtxKey:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.replacer == nil {
			c.replacer = caddy.NewReplacer()
		}
		return c.replacer
	}
	return c.Context.Value(key)
}

// dialFailure lets a failed dial be told from a request that broke under way:
// Caddy's own error for it does not say what it wraps, and only a request that
// was never sent may be sent again without a look at the node's queue.
func dialFailure(err error) error {
	var dial reverseproxy.DialError
	if errors.As(err, &dial) {
		return &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	return err
}

// retire ends the use of idle connections, now and whenever a leg that is
// still under way ends: they would stay open until they time out.
func (t *nodeTransport) retire() {
	t.retired.Store(true)
	t.tidy()
}

func (t *nodeTransport) tidy() {
	if t.retired.Load() {
		t.closeIdle()
	}
}

type legBody struct {
	io.ReadCloser
	transport *nodeTransport
}

func (b *legBody) Close() error {
	err := b.ReadCloser.Close()
	b.transport.tidy()
	return err
}
