// Package fleet starts what an operator would: Meilisearch nodes and Miroir in
// front of them, in a real Caddy, over real HTTP. The nodes are the test double,
// or real servers where MEILISEARCH_BIN names a binary.
package fleet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	// The modules that a Caddyfile of Miroir needs.
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/miroir-gateway/miroir/caddymodule"
)

// MasterKey is the master key of every fleet of the tests.
const MasterKey = "masterKeyForTheTests0"

// nodeKey is the key of the nodes. It is not the gateway's: nothing may work
// because both are the same.
const nodeKey = "theKeyThatNodesAreSpokenToWith"

// Shape says how many nodes each group has and how many copies.
type Shape struct {
	// Groups holds the number of nodes of each group.
	Groups      []int
	Replication int
	// Options are further lines of the miroir block.
	Options []string
}

// The shapes that suites run on.
var (
	// One is a single node.
	One = Shape{Groups: []int{1}, Replication: 1}
	// Copies is three nodes that each hold everything.
	Copies = Shape{Groups: []int{3}, Replication: 3}
	// Split is three nodes that each hold a third.
	Split = Shape{Groups: []int{3}, Replication: 1}
	// Mixed is three nodes with two copies of each shard.
	Mixed = Shape{Groups: []int{3}, Replication: 2}
	// Groups is two groups of two nodes, each group split over its two.
	Groups = Shape{Groups: []int{2, 2}, Replication: 1}
)

// Fleet is a running gateway with its nodes.
type Fleet struct {
	// URL is the gateway's.
	URL string
	// Nodes are in order of the groups: g1n1, g1n2, … g2n1, …
	Nodes []Node

	shape Shape
	dir   string
	admin string
	addr  string
}

// Start starts a fleet and waits until it is ready and each node is up, which
// a real server takes long for on a busy machine. It is stopped when the test
// ends. Since Caddy's configuration is the process's, one fleet runs at a time.
func Start(t testing.TB, shape Shape) *Fleet {
	t.Helper()
	f := &Fleet{shape: shape, dir: t.TempDir(), admin: freeAddress(t), addr: freeAddress(t)}
	f.URL = "http://" + f.addr
	http.DefaultClient.CloseIdleConnections() // the address may have been an earlier fleet's
	for group, size := range shape.Groups {
		for n := range size {
			f.Nodes = append(f.Nodes, startNode(t, fmt.Sprintf("g%dn%d", group+1, n+1)))
		}
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
	f.await(t, "/_miroir/ready")
	Eventually(t, "every node is up", func() bool {
		var report struct {
			Status string `json:"status"`
		}
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &report)
		return report.Status == "ok"
	})
	return f
}

// Caddyfile is the fleet's configuration.
func (f *Fleet) Caddyfile(options ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel ERROR\n\t}\n\tmiroir {\n", f.admin)
	fmt.Fprintf(&b, "\t\tmaster_key %s\n\t\tnode_key %s\n\t\tstate %s\n", MasterKey, nodeKey, filepath.Join(f.dir, "state.db"))
	next := 0
	for group, size := range f.shape.Groups {
		fmt.Fprintf(&b, "\t\tgroup g%d {\n", group+1)
		for range size {
			fmt.Fprintf(&b, "\t\t\tnode %s %s\n", f.Nodes[next].ID, f.Nodes[next].URL())
			next++
		}
		b.WriteString("\t\t}\n")
	}
	fmt.Fprintf(&b, "\t\treplication %d\n\t\thealth_interval 1s\n", f.shape.Replication)
	for _, option := range append(f.shape.Options, options...) {
		b.WriteString("\t\t" + option + "\n")
	}
	fmt.Fprintf(&b, "\t}\n}\nhttp://%s {\n\tmiroir\n}\n", f.addr)
	return b.String()
}

// Grow adds a node to the last group and has the gateway know it.
func (f *Fleet) Grow(t testing.TB) Node {
	t.Helper()
	group := len(f.shape.Groups) - 1
	groups := append([]int(nil), f.shape.Groups...)
	groups[group]++
	f.shape.Groups = groups
	n := startNode(t, fmt.Sprintf("g%dn%d", group+1, groups[group]))
	f.Nodes = append(f.Nodes, n)
	f.reload(t)
	return n
}

// Shrink takes the newest node out of the configuration. It goes on running.
func (f *Fleet) Shrink(t testing.TB) {
	t.Helper()
	groups := append([]int(nil), f.shape.Groups...)
	groups[len(groups)-1]--
	f.shape.Groups = groups
	f.reload(t)
}

// Copies changes how many copies each group has.
func (f *Fleet) Copies(t testing.TB, n int) {
	t.Helper()
	f.shape.Replication = n
	f.reload(t)
}

func (f *Fleet) reload(t testing.TB) {
	t.Helper()
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
}

// Load puts a Caddyfile in force, as a reload would.
func (f *Fleet) Load(caddyfile string) error {
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return fmt.Errorf("adapt: %w", err)
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			return fmt.Errorf("adapt: %s", w.Message)
		}
	}
	return caddy.Load(config, true)
}

// Admin is the address of the admin endpoint.
func (f *Fleet) Admin() string { return f.admin }

// Dir is the folder of the gateway's state.
func (f *Fleet) Dir() string { return f.dir }

// Restart ends the gateway and starts it again on its state.
func (f *Fleet) Restart(t testing.TB) {
	t.Helper()
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := f.Load(f.Caddyfile()); err != nil {
		t.Fatal(err)
	}
	f.await(t, "/_miroir/health")
}

// await waits until the gateway answers a path with 200.
func (f *Fleet) await(t testing.TB, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the gateway does not answer %s", path)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return address
}
