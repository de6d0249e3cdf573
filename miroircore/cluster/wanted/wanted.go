// Package wanted keeps what operators changed about the shape of the fleet
// besides its configuration: nodes that were added, drained, removed or given
// another address, and the number of copies. The wanted topology is the
// configuration's with these changes. Where the configuration itself changes
// on such a point later, it is what counts.
package wanted

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

// Leave is how a node leaves.
type Leave string

// A drained node is to hold nothing but stays known, and may take part again. A
// removed one is forgotten once it holds nothing.
const (
	Drained Leave = "drained"
	Removed Leave = "removed"
)

// Node is a node that was added, or whose address was changed.
type Node struct {
	Group string `json:"group"`
	URL   string `json:"url"`
	// Instead is the address that the configuration gave when this one was set;
	// empty where it did not name the node.
	Instead string `json:"instead,omitempty"`
}

// Copies is a number of copies that was set.
type Copies struct {
	Count int `json:"count"`
	// Instead is what the configuration said when the number was set.
	Instead int `json:"instead"`
}

// Changes are what operators changed. They are never changed in place; the zero
// value changes nothing.
type Changes struct {
	Nodes   map[string]Node  `json:"nodes,omitempty"`
	Leaving map[string]Leave `json:"leaving,omitempty"`
	Copies  *Copies          `json:"copies,omitempty"`
}

func (c Changes) clone() Changes {
	out := Changes{Nodes: maps.Clone(c.Nodes), Leaving: maps.Clone(c.Leaving), Copies: c.Copies}
	if out.Nodes == nil {
		out.Nodes = map[string]Node{}
	}
	if out.Leaving == nil {
		out.Leaving = map[string]Leave{}
	}
	return out
}

// settled gives the changes without those that the configuration has overtaken:
// it names the node that was added, gives another address or another number of
// copies than when the change was made, or no longer names what was to leave.
func (c Changes) settled(config *cluster.Topology) Changes {
	out := c.clone()
	for id, n := range c.Nodes {
		if named, ok := config.Node(id); ok && (named.URL.String() != n.Instead || n.URL == n.Instead) {
			delete(out.Nodes, id)
		} else if !ok && n.Instead != "" {
			delete(out.Nodes, id) // the configuration named it, and took it out since
		}
	}
	for id := range c.Leaving {
		_, named := config.Node(id)
		if _, added := out.Nodes[id]; !named && !added {
			delete(out.Leaving, id)
		}
	}
	if c.Copies != nil && (c.Copies.Instead != config.Replication || c.Copies.Count == config.Replication) {
		out.Copies = nil
	}
	return out
}

// all gives every node that the configuration or an operator named, those that
// are to leave included, in the order of groups.
func (c Changes) all(config *cluster.Topology) *cluster.Topology {
	t := &cluster.Topology{Replication: config.Replication}
	if c.Copies != nil {
		t.Replication = c.Copies.Count
	}
	at := map[string]int{}
	for i, g := range config.Groups {
		at[g.ID] = i
		group := cluster.Group{ID: g.ID}
		for _, n := range g.Nodes {
			if moved, ok := c.Nodes[n.ID]; ok {
				n.URL = address(moved.URL)
			}
			group.Nodes = append(group.Nodes, n)
		}
		t.Groups = append(t.Groups, group)
	}
	for _, id := range slices.SortedFunc(maps.Keys(c.Nodes), func(a, b string) int {
		return strings.Compare(c.Nodes[a].Group+" "+a, c.Nodes[b].Group+" "+b)
	}) {
		n := c.Nodes[id]
		if _, named := config.Node(id); named {
			continue
		}
		i, ok := at[n.Group]
		if !ok {
			i = len(t.Groups)
			at[n.Group] = i
			t.Groups = append(t.Groups, cluster.Group{ID: n.Group})
		}
		t.Groups[i].Nodes = append(t.Groups[i].Nodes, cluster.Node{ID: id, Group: n.Group, URL: address(n.URL)})
	}
	return t
}

// topology is the wanted one: all nodes but those that are to leave, and no
// group without a node.
func (c Changes) topology(config *cluster.Topology) *cluster.Topology {
	all := c.all(config)
	t := &cluster.Topology{Replication: all.Replication}
	for _, g := range all.Groups {
		g.Nodes = slices.DeleteFunc(g.Nodes, func(n cluster.Node) bool { return c.Leaving[n.ID] != "" })
		if len(g.Nodes) > 0 {
			t.Groups = append(t.Groups, g)
		}
	}
	return t
}

// address reads an address that was checked before it was kept.
func address(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		return &url.URL{}
	}
	return u
}

const table = "wanted"

var changesKey = []byte("changes")

// Book keeps the changes. It is safe for concurrent use.
type Book struct {
	store   state.Store
	mu      sync.Mutex // held by whoever changes them
	current atomic.Pointer[Changes]
}

// Open reads the changes from the store.
func Open(store state.Store) (*Book, error) {
	b := &Book{store: store}
	c := Changes{}
	err := store.View(func(tx state.Tx) error {
		if raw := tx.Get(table, changesKey); raw != nil {
			return json.Unmarshal(raw, &c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the wanted topology: %w", err)
	}
	b.current.Store(&c)
	return b, nil
}

// Topology is the wanted topology under a configuration.
func (b *Book) Topology(config *cluster.Topology) *cluster.Topology {
	return b.current.Load().settled(config).topology(config)
}

// All is the wanted topology with the nodes that were drained or removed and
// are still named.
func (b *Book) All(config *cluster.Topology) *cluster.Topology {
	return b.current.Load().settled(config).all(config)
}

// Short says in words which groups are left with fewer nodes than copies, as
// some of theirs are to leave, and what would be needed.
func (b *Book) Short(config *cluster.Topology) map[string]string {
	c := b.current.Load().settled(config)
	after, short := c.topology(config), map[string]string{}
	for _, g := range c.all(config).Groups {
		var leave []string
		for _, n := range g.Nodes {
			if how := c.Leaving[n.ID]; how != "" {
				leave = append(leave, fmt.Sprintf("%s is %s", n.ID, how))
			}
		}
		left := len(g.Nodes) - len(leave)
		if left == 0 || left >= after.Replication {
			continue // a group that leaves whole is none
		}
		short[g.ID] = fmt.Sprintf("group %s has %s for %d copies of each shard", g.ID, nodes(left), after.Replication)
		if len(leave) > 0 {
			short[g.ID] += ": " + strings.Join(leave, ", ") + ". Let them take part again (`caddy miroir node undrain`), add a node"
		} else {
			short[g.ID] += ". Add a node"
		}
		short[g.ID] += fmt.Sprintf(", or lower the copies to %d", left)
	}
	return short
}

// Leaving says how a node is to leave, or "".
func (b *Book) Leaving(id string) Leave { return b.current.Load().Leaving[id] }

// Added tells whether a node is known by an operator's word alone.
func (b *Book) Added(id string) bool {
	n, ok := b.current.Load().Nodes[id]
	return ok && n.Instead == ""
}

// Settle drops the changes that the configuration has overtaken, for good.
func (b *Book) Settle(config *cluster.Topology) error {
	return b.change(config, func(*Changes) error { return nil })
}

// change makes one durable change of what fn does to a copy of the changes.
func (b *Book) change(config *cluster.Topology, fn func(c *Changes) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := *b.current.Load()
	next := was.settled(config)
	if err := fn(&next); err != nil {
		return err
	}
	return b.keep(was, next)
}

func (b *Book) keep(was, next Changes) error {
	before, err := json.Marshal(was)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(next)
	if err != nil || string(raw) == string(before) {
		return err
	}
	err = b.store.Update(func(tx state.Tx) error { return tx.Put(table, changesKey, raw) })
	if err != nil {
		return fmt.Errorf("write the wanted topology: %w", err)
	}
	b.current.Store(&next)
	return nil
}
