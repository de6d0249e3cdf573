package miroircore

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

const nodeKeyOfTests = "aNodeKeyForTheTests"

// gateway is an engine before nodes, with state of its own.
func gateway(t *testing.T, nodes []*minimeili.Server) *Engine {
	t.Helper()
	e, err := Open(Options{StatePath: filepath.Join(t.TempDir(), "state.db")})
	if err != nil {
		t.Fatal(err)
	}
	g := cluster.Group{ID: "g"}
	for i, n := range nodes {
		u, err := url.Parse(n.URL())
		if err != nil {
			t.Fatal(err)
		}
		g.Nodes = append(g.Nodes, cluster.Node{ID: fmt.Sprintf("n%d", i), Group: "g", URL: u})
	}
	generation, err := e.Attach(&Config{MasterKey: "aMasterKeyForTests", NodeKeys: []string{nodeKeyOfTests}, HealthInterval: 20 * time.Millisecond,
		Topology: &cluster.Topology{Replication: len(nodes), Groups: []cluster.Group{g}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		generation.Detach()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// uses lists for each node whether the gateway uses it, and what it says of those
// that it does not.
func uses(e *Engine) (used []bool, why []string) {
	for _, n := range e.Report().Groups[0].Nodes {
		used, why = append(used, n.Status == "up"), append(why, n.LastError)
	}
	return used, why
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-limit:
			t.Fatalf("not in time: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func doubles(t *testing.T, n int) (nodes []*minimeili.Server) {
	t.Helper()
	for range n {
		nodes = append(nodes, minimeili.Run(t, minimeili.WithMasterKey(nodeKeyOfTests)))
	}
	return nodes
}

// A gateway that is pointed at nodes of another one uses none of them, and says
// whose they are.
func TestASecondGatewayIsRefusedByName(t *testing.T) {
	nodes := doubles(t, 2)
	first := gateway(t, nodes)
	eventually(t, "the first gateway uses both", func() bool { used, _ := uses(first); return used[0] && used[1] })
	second := gateway(t, nodes)
	eventually(t, "the second says why not", func() bool {
		_, why := uses(second)
		return strings.Contains(why[0], "belongs to fleet "+first.fleet.id) && strings.Contains(why[1], "belongs to fleet "+first.fleet.id)
	})
	if used, why := uses(first); !used[0] || !used[1] {
		t.Errorf("the first gateway lost its nodes: %v", why)
	}
	// An operator gives a node to the second: the first leaves it, and says so.
	if err := (&operator{second}).Adopt(t.Context(), "n1", true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first has left it", func() bool {
		used, why := uses(first)
		return used[0] && !used[1] && strings.Contains(why[1], "fleet "+second.fleet.id)
	})
	eventually(t, "the second uses it", func() bool { used, _ := uses(second); return !used[0] && used[1] })
}

// Of two gateways that are started before the same empty nodes at the same
// moment, each node ends up with one.
func TestTwoGatewaysAtOnceDoNotShareANode(t *testing.T) {
	nodes := doubles(t, 3)
	first, second := gateway(t, nodes), gateway(t, nodes)
	alone := 0
	eventually(t, "each node has one gateway", func() bool {
		a, _ := uses(first)
		b, _ := uses(second)
		for i := range nodes {
			if a[i] == b[i] {
				alone = 0
				return false
			}
		}
		alone++
		return alone == 100 // and stays with it
	})
}
