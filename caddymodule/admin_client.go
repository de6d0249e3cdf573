package caddymodule

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// adminTransport reaches the gateway behind an admin endpoint: the address its
// requests go to, and what takes them there.
func adminTransport(address string) (*url.URL, http.RoundTripper, error) {
	at, err := caddy.ParseNetworkAddress(address)
	if err != nil || at.PortRangeSize() > 1 {
		return nil, nil, fmt.Errorf("the admin endpoint %s: it is no address of one: %w", address, err)
	}
	base := &url.URL{Scheme: "http", Host: "127.0.0.1", Path: clientPath}
	origin := ""
	if at.IsUnixNetwork() {
		at.Host, _, _ = strings.Cut(at.Host, "|") // permissions may follow
	} else {
		base.Host = at.JoinHostPort(0)
		origin = "http://" + base.Host
	}
	transport := node.Transport()
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, at.Network, at.JoinHostPort(0))
	}
	return base, fromOrigin{origin, transport}, nil
}

// fromOrigin names an origin with each request, which an admin endpoint may ask for.
type fromOrigin struct {
	origin string
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t fromOrigin) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.origin != "" {
		r.Header["Origin"] = []string{t.origin} // the request was made for this call
	}
	return t.next.RoundTrip(r)
}
