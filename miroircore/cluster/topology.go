// Package cluster knows the nodes: which there are, in which groups, which
// hold what, which are well, and which belong to this fleet.
package cluster

import (
	"maps"
	"net/url"
	"slices"
)

// Node is one Meilisearch server. It is known by its id, never by its address:
// an address may change, what the node holds does not.
type Node struct {
	ID    string
	Group string
	URL   *url.URL
}

// Group is a replica group: nodes that together hold every shard.
type Group struct {
	ID    string
	Nodes []Node
}

// Topology is the wanted shape of the fleet. It is immutable once made.
type Topology struct {
	Groups []Group
	// Replication is the number of copies of a shard inside each group.
	Replication int
}

// Placement says which nodes hold each shard of one index. It is immutable; a
// change makes a new one with a higher epoch.
type Placement struct {
	Epoch  uint64           `json:"epoch"`
	Groups []GroupPlacement `json:"groups"`
	// Surplus lists, by node, the shards of which the node may hold documents
	// though it is none of their replicas: they are being copied to it, or were
	// not yet deleted there. Such a node is asked for its own part by a filter.
	Surplus map[string][]int `json:"surplus,omitempty"`
}

// GroupPlacement is the part of a placement that lies in one group.
type GroupPlacement struct {
	ID string `json:"id"`
	// Copies is how many copies of each shard the group is to have. A quorum is
	// taken of so many even while one of them is being rebuilt. 0, as in older
	// state, stands for as many as there are.
	Copies int `json:"copies,omitempty"`
	// Shards lists, for each shard, the ids of the nodes that hold it, the
	// preferred one first.
	Shards [][]string `json:"shards"`
}

// Quorum is how many copies of a shard in this group are more than half of
// those that are there or were promised.
func (g *GroupPlacement) Quorum(shard int) int {
	return max(g.Copies, len(g.Shards[shard]))/2 + 1
}

// Holds says whether a node is a replica of a shard.
func (p *Placement) Holds(node string, shard int) bool {
	for _, g := range p.Groups {
		if shard < len(g.Shards) && slices.Contains(g.Shards[shard], node) {
			return true
		}
	}
	return false
}

// Nodes lists the nodes that hold a shard, and those that may hold documents of
// one that is not theirs, sorted.
func (p *Placement) Nodes() []string {
	ids := make(map[string]bool)
	for _, g := range p.Groups {
		for _, replicas := range g.Shards {
			for _, id := range replicas {
				ids[id] = true
			}
		}
	}
	for id := range p.Surplus {
		ids[id] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// Clone gives a copy of the next epoch, which may be changed before it is used.
func (p *Placement) Clone() *Placement {
	next := &Placement{Epoch: p.Epoch + 1, Groups: slices.Clone(p.Groups)}
	for i := range next.Groups {
		next.Groups[i].Shards = slices.Clone(next.Groups[i].Shards)
		for s, replicas := range next.Groups[i].Shards {
			next.Groups[i].Shards[s] = slices.Clone(replicas)
		}
	}
	for id, shards := range p.Surplus {
		if next.Surplus == nil {
			next.Surplus = make(map[string][]int, len(p.Surplus))
		}
		next.Surplus[id] = slices.Clone(shards)
	}
	return next
}
