package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Defaults of the http transport that differ from those of reverse_proxy: a
// search asks many nodes at once, an answer may take as long as it takes, and a
// node compresses slowly.
const (
	idleConnsPerNode = 32
	dialTimeout      = "3s"
)

// loadTransport loads the module that carries requests to nodes.
func (app *App) loadTransport(ctx caddy.Context) (http.RoundTripper, error) {
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
	return nodeTransport{transport}, nil
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

// nodeTransport gives each request to a node a set of variables and a replacer
// of its own. Caddy's transports write into the former, so legs that share a
// client's would race, and read the latter while dialing, where its absence
// ends the process.
type nodeTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t nodeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{})
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer())
	return t.next.RoundTrip(r.WithContext(ctx))
}
