// Package tls has the suite of nodes that are reached over TLS and ask the
// gateway for a certificate.
package tls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// issue gives a certificate for both ends of a connection.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// save writes an authority's certificate, or a certificate and its key, into
// files, and gives their paths.
func save(t *testing.T, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func saveCert(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return save(t, "CERTIFICATE", c.Certificate[0]), save(t, "PRIVATE KEY", der)
}

// guard is a TLS listener in front of a node, which asks for a certificate and
// notes what came through.
type guard struct {
	*httptest.Server
	mutex sync.Mutex
	seen  []string
}

func (g *guard) requests() []string {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return slices.Clone(g.seen)
}

func guarded(t *testing.T, node fleet.Node, server tls.Certificate, clients *x509.CertPool, http2 bool) *guard {
	t.Helper()
	to, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mutex.Lock()
		g.seen = append(g.seen, r.Method+" "+r.URL.RequestURI())
		g.mutex.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	g.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	g.EnableHTTP2 = http2
	g.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are meant to
	g.StartTLS()
	t.Cleanup(g.Close)
	return g
}

// secured is a fleet whose nodes are reached through guards.
type secured struct {
	*fleet.Fleet
	guards []*guard
}

// caddyfile is the configuration with a certificate and those that are trusted.
func (s *secured) caddyfile(t *testing.T, mine tls.Certificate, trusted *authority) string {
	t.Helper()
	cert, key := saveCert(t, mine)
	text := s.Caddyfile("fails 1", "passes 1", fmt.Sprintf("transport http {\n\ttls_client_auth %s %s\n\ttls_trust_pool file %s\n}", cert, key,
		save(t, "CERTIFICATE", trusted.cert.Raw)))
	for i, g := range s.guards {
		text = strings.Replace(text, s.Nodes[i].URL(), g.URL, 1)
	}
	return text
}

// lastErrors are what status says of the nodes.
func (s *secured) lastErrors(t *testing.T) (statuses, errors []string) {
	t.Helper()
	var report struct {
		Groups []struct {
			Nodes []struct{ Status, LastError string }
		}
	}
	s.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &report)
	for _, g := range report.Groups {
		for _, n := range g.Nodes {
			statuses, errors = append(statuses, n.Status), append(errors, n.LastError)
		}
	}
	return statuses, errors
}

func all(list []string, fits func(string) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(s string) bool { return !fits(s) })
}

func is(want string) func(string) bool { return func(has string) bool { return has == want } }

func TestNodesAreReachedOverTLSWithACertificate(t *testing.T) {
	nodes, gateways := newAuthority(t, "nodes"), newAuthority(t, "gateways")
	s := &secured{Fleet: fleet.Start(t, fleet.Mixed)}
	for i, n := range s.Nodes {
		s.guards = append(s.guards, guarded(t, n, nodes.issue(t, n.ID), gateways.pool(), i == 1)) // the second speaks HTTP/2, as servers may
	}
	load := func(text string) {
		t.Helper()
		if err := s.Load(text); err != nil {
			t.Fatal(err)
		}
	}
	load(s.caddyfile(t, gateways.issue(t, "gateway"), nodes))
	up := func() {
		t.Helper()
		fleet.Eventually(t, "every node is up", func() bool {
			statuses, _ := s.lastErrors(t)
			return all(statuses, is("up"))
		})
	}
	up()
	docs := make([]string, 200)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"id":%d,"v":"word"}`, i)
	}
	s.Write(t, http.MethodPost, "/indexes/books/documents", "["+strings.Join(docs, ",")+"]")
	s.Write(t, http.MethodPatch, "/indexes/books/settings", `{"filterableAttributes":["id"]}`)
	found := func() {
		t.Helper()
		a := s.Want(t, http.StatusOK, http.MethodPost, "/indexes/books/search", `{"q":"word","limit":1,"hitsPerPage":1}`)
		if !strings.Contains(string(a.Body), `"totalHits":200`) {
			t.Errorf("found %s", a.Body)
		}
	}
	for range 50 {
		found()
	}
	if task := s.Write(t, http.MethodPost, "/dumps", ""); task.Status != "succeeded" {
		t.Errorf("the dump is %+v", task)
	}
	// One copy more: shards are filled from node to node.
	load(strings.Replace(s.caddyfile(t, gateways.issue(t, "gateway"), nodes), "replication 2", "replication 3", 1))
	for _, n := range s.Nodes {
		fleet.Eventually(t, "node "+n.ID+" was filled", func() bool {
			return strings.Contains(string(n.Do(t, http.MethodGet, "/indexes/books/stats", "").Body), `"numberOfDocuments":200,`)
		})
	}
	for i, g := range s.guards {
		for _, what := range []string{"GET /health", "GET /version", "POST /indexes/books/documents", "PATCH /indexes/books/settings", "miroir-fill", "/search"} {
			if !slices.ContainsFunc(g.requests(), func(r string) bool { return strings.Contains(r, what) }) {
				t.Errorf("guard %d saw no request with %s", i, what)
			}
		}
	}

	// A certificate that the nodes do not know, one of theirs that the gateway does
	// not know, and none at all: status names it, and a right one ends it.
	stranger := newAuthority(t, "strangers")
	for name, c := range map[string]struct{ config, says string }{
		"unknown to the nodes":   {s.caddyfile(t, stranger.issue(t, "gateway"), nodes), "the node refuses the gateway's certificate"},
		"unknown to the gateway": {s.caddyfile(t, gateways.issue(t, "gateway"), stranger), "the node's certificate is not trusted"},
		"none":                   {without(s.caddyfile(t, gateways.issue(t, "gateway"), nodes)), "the node refuses the gateway's certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			load(c.config)
			fleet.Eventually(t, "status says that "+c.says, func() bool {
				statuses, errors := s.lastErrors(t)
				return all(statuses, is("down")) && all(errors, func(e string) bool { return strings.Contains(e, c.says) })
			})
			load(s.caddyfile(t, gateways.issue(t, "gateway"), nodes))
			up()
			fleet.Eventually(t, "searches are answered", func() bool {
				return s.Do(t, http.MethodPost, "/indexes/books/search", `{}`).Header.Get("X-Miroir-Degraded") == ""
			})
			found()
		})
	}
}

// without leaves the gateway's own certificate out.
func without(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.Contains(line, "tls_client_auth") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
