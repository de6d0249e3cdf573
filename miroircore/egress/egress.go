// Package egress connects to addresses that clients name, as those of webhooks
// and of servers that are exported to.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const dialTimeout = 10 * time.Second

// Dial is a DialContext for http.Transport. It connects to public addresses and
// to those in networks that allowed gives at that time, which may be nil for
// none: otherwise whoever may set a webhook could reach what only the gateway
// can. The address is looked at after names are resolved, so that no name leads
// past it.
func Dial(allowed func() []netip.Prefix) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		var networks []netip.Prefix
		if allowed != nil {
			networks = allowed()
		}
		return check(address, networks)
	}}
	return dialer.DialContext
}

// check refuses addresses that are not public and not allowed.
func check(address string, allowed []netip.Prefix) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s: %w", address, err)
	}
	ip := at.Addr().Unmap()
	for _, network := range allowed {
		if network.Contains(ip.WithZone("")) {
			return nil
		}
	}
	if ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("address %s is in a private network, which allowed_networks does not name", ip)
	}
	return nil
}
