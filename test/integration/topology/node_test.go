package topology

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
	"github.com/miroir-gateway/miroir/test/fleet"
)

// Another server takes the place of a node, which is emptied.
func TestANodeIsReplacedUnderLoad(t *testing.T) {
	f := fleet.Start(t, fleet.Mixed)
	load(t, f)
	settled(t, f, 2, func(map[string]int) bool { return true })
	spare := fleet.Plain(t)
	stop := traffic(t, f)
	f.Want(t, http.StatusOK, http.MethodPut, "/_miroir/nodes/g1n2", fmt.Sprintf(`{"url":%q,"as":"g1n9"}`, spare.URL()))
	settled(t, f, 2, func(s map[string]int) bool { return s["g1n9"] > 0 && s["g1n2"] == 0 })
	stop()
	whole(t, f)
	same(t, f, []fleet.Node{f.Nodes[0], f.Nodes[2], spare}, 2)
	if left := ids(t, f.Nodes[1].Do(t, http.MethodGet, everything, "")); len(left) > 0 {
		t.Errorf("the node that was replaced still has %d documents", len(left))
	}
}

// A node dies while it is being drained: its shards are made from their other
// copies. When it is back and takes part again, nothing of what it had is shown
// that is not so any more.
func TestADrainedNodeDiesInTheMiddle(t *testing.T) {
	shape := fleet.Mixed
	shape.Options = []string{"write_quorum one"} // else two copies refuse writes while one is away
	f := fleet.Start(t, shape)
	load(t, f)
	settled(t, f, 2, func(map[string]int) bool { return true })
	f.Grow(t)
	settled(t, f, 2, func(s map[string]int) bool { return s["g1n4"] > 0 })
	hits := 0
	dies := failpoint.Set("rebalance.held", func() error {
		if hits++; hits == 3 {
			f.Nodes[0].Kill()
		}
		return nil
	})
	defer dies()
	stop := traffic(t, f)
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/nodes/g1n1/drain", "")
	fleet.Eventually(t, "its shards are elsewhere", func() bool {
		var last report
		f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Decode(t, &last)
		return last.Rebalance.State == "idle" && last.Rebalance.Leftover == 0 && len(shardsOf(t, f, "g1n1")) == 0
	})
	stop()
	whole(t, f)
	same(t, f, f.Nodes[1:], 2)
	if hits < 3 {
		t.Fatalf("the node did not die: %d shards were taken over", hits)
	}
	write(t, f, http.MethodPost, "/indexes/books/documents/delete", `{"filter":"kind = passing"}`)
	f.Nodes[0].Restart()
	status(t, f, "ok")
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/nodes/g1n1/undrain", "")
	settled(t, f, 2, func(s map[string]int) bool { return s["g1n1"] > 0 })
	whole(t, f)
	counted(t, f, "passing", 0)
	same(t, f, f.Nodes, 2)
}

// A group is added, filled, read, and removed, while its index is written to and
// searched. Its state is told at each step.
func TestAGroupIsAddedAndRemovedUnderLoad(t *testing.T) {
	f := fleet.Start(t, fleet.Shape{Groups: []int{2}, Replication: 1})
	load(t, f)
	state := func() string {
		var last struct {
			Groups []struct{ ID, State string }
		}
		send(t, f, http.MethodGet, "/_miroir/topology", "", &last)
		for _, g := range last.Groups {
			if g.ID == "us" {
				return g.State
			}
		}
		return ""
	}
	var seen []string
	see := func() error {
		if now := state(); len(seen) == 0 || seen[len(seen)-1] != now {
			seen = append(seen, now)
		}
		return nil
	}
	for _, point := range []string{"rebalance.marked", "rebalance.caught_up"} {
		defer failpoint.Set(point, see)()
	}
	x, y := fleet.Plain(t), fleet.Plain(t)
	stop := traffic(t, f)
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/groups", fmt.Sprintf(`{"id":"us","nodes":[{"id":"x","url":%q},{"id":"y","url":%q}]}`, x.URL(), y.URL()))
	settled(t, f, 2, func(s map[string]int) bool { return s["x"]+s["y"] == 64 })
	stop()
	whole(t, f)
	same(t, f, []fleet.Node{x, y}, 1)
	if order := strings.Join(append(seen, state()), ", "); order != "initializing, syncing, active" {
		t.Errorf("the states of the group were %s", order)
	}
	x.Kill()
	fleet.Eventually(t, "the group has all, and cannot be read whole", func() bool { return state() == "sync complete" })
	whole(t, f)
	x.Restart()
	fleet.Eventually(t, "the group is active again", func() bool { return state() == "active" })

	stop = traffic(t, f)
	f.Want(t, http.StatusOK, http.MethodDelete, "/_miroir/groups/us", "")
	settled(t, f, 1, func(s map[string]int) bool { _, there := s["x"]; return !there })
	stop()
	whole(t, f)
	same(t, f, f.Nodes, 1)
	for _, n := range []fleet.Node{x, y} {
		if left := ids(t, n.Do(t, http.MethodGet, everything, "")); len(left) > 0 {
			t.Errorf("a node of the group that left still has %d documents", len(left))
		}
	}
}
