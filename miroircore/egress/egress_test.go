package egress

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestAddressesThatAreNotPublicAreRefused(t *testing.T) {
	for _, address := range []string{"127.0.0.1:80", "10.1.2.3:80", "192.168.0.1:443", "172.16.0.1:1", "169.254.169.254:80", "[::1]:80", "[fe80::1%eth0]:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:80"} {
		if check(address, nil) == nil {
			t.Errorf("%s may be reached", address)
		}
	}
	if err := check("93.184.216.34:443", nil); err != nil {
		t.Error(err)
	}
}

func TestNetworksThatAreAllowedAreReached(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	var networks []netip.Prefix
	transport := &http.Transport{DialContext: Dial(func() []netip.Prefix { return networks }), DisableKeepAlives: true}
	client := &http.Client{Transport: transport}
	if _, err := client.Get(server.URL); err == nil || !strings.Contains(err.Error(), "allowed_networks") {
		t.Fatalf("a server on this machine was reached, or its refusal does not say what to do: %v", err)
	}
	networks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	answer, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}
