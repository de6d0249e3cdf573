package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"github.com/zeebo/xxh3"
)

// validID is what a group or a node may be called: ids stand in headers, labels
// and file names.
var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Validate reports everything that is wrong with the topology, or nil.
func (t *Topology) Validate() error {
	if len(t.Groups) == 0 {
		return errors.New("no group: name at least one group with one node")
	}
	var errs []error
	groups, nodes, addresses := map[string]bool{}, map[string]bool{}, map[string]string{}
	for _, g := range t.Groups {
		if !validID.MatchString(g.ID) {
			errs = append(errs, fmt.Errorf("group id %q: only letters, digits, dots, hyphens and underscores are allowed", g.ID))
		}
		if groups[g.ID] {
			errs = append(errs, fmt.Errorf("group %q is named twice", g.ID))
		}
		groups[g.ID] = true
		if len(g.Nodes) < t.Replication {
			errs = append(errs, fmt.Errorf("replication is %d, but group %q has %d nodes", t.Replication, g.ID, len(g.Nodes)))
		}
		for _, n := range g.Nodes {
			errs = append(errs, n.validate(nodes, addresses))
		}
	}
	if t.Replication < 1 {
		errs = append(errs, fmt.Errorf("replication is %d: it must be at least 1", t.Replication))
	}
	return errors.Join(errs...)
}

func (n Node) validate(ids map[string]bool, addresses map[string]string) error {
	switch {
	case !validID.MatchString(n.ID):
		return fmt.Errorf("node id %q: only letters, digits, dots, hyphens and underscores are allowed", n.ID)
	case ids[n.ID]:
		return fmt.Errorf("node %q is named twice", n.ID)
	case n.URL == nil || n.URL.Host == "" || n.URL.Scheme != "http" && n.URL.Scheme != "https":
		return fmt.Errorf("node %q: its address must be an http or https URL", n.ID)
	case n.URL.User != nil || n.URL.RawQuery != "" || n.URL.Fragment != "":
		return fmt.Errorf("node %q: its address must be no more than scheme, host and path", n.ID)
	}
	ids[n.ID] = true
	address := strings.ToLower(n.URL.Host) + strings.TrimRight(n.URL.Path, "/")
	if other, taken := addresses[address]; taken {
		return fmt.Errorf("nodes %q and %q have the same address %s", other, n.ID, address)
	}
	addresses[address] = n.ID
	return nil
}

// Node finds a node by its id.
func (t *Topology) Node(id string) (Node, bool) {
	for _, g := range t.Groups {
		for _, n := range g.Nodes {
			if n.ID == id {
				return n, true
			}
		}
	}
	return Node{}, false
}

// Nodes lists all nodes, group by group.
func (t *Topology) Nodes() []Node {
	var all []Node
	for _, g := range t.Groups {
		all = append(all, g.Nodes...)
	}
	return all
}

// Place gives the wanted placement of an index: in each group, every shard on
// the Replication nodes that weigh most for it. It is rendezvous hashing, so
// that a node that joins takes its part and no shard moves between the others.
func Place(t *Topology, index string, shards int) *Placement {
	p := &Placement{Epoch: 1, Groups: make([]GroupPlacement, len(t.Groups))}
	for i, g := range t.Groups {
		placed := GroupPlacement{ID: g.ID, Copies: min(t.Replication, len(g.Nodes)), Shards: make([][]string, shards)}
		for shard := range placed.Shards {
			placed.Shards[shard] = heaviest(g.Nodes, index, shard, t.Replication)
		}
		p.Groups[i] = placed
	}
	return p
}

func heaviest(nodes []Node, index string, shard, copies int) []string {
	type weighed struct {
		id     string
		weight uint64
	}
	all := make([]weighed, len(nodes))
	for i, n := range nodes {
		all[i] = weighed{n.ID, weight(index, shard, n.ID)}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].weight != all[j].weight {
			return all[i].weight > all[j].weight
		}
		return all[i].id < all[j].id
	})
	ids := make([]string, min(copies, len(all)))
	for i := range ids {
		ids[i] = all[i].id
	}
	return ids
}

// weight must never change: placements of every fleet follow from it.
func weight(index string, shard int, node string) uint64 {
	key := make([]byte, 0, len(index)+len(node)+6)
	key = append(key, index...)
	key = append(key, 0)
	key = binary.BigEndian.AppendUint32(key, uint32(shard))
	key = append(key, 0)
	key = append(key, node...)
	return xxh3.Hash(key)
}
