// Package cluster knows the nodes: which there are, in which groups, which
// hold what, which are well, and which belong to this fleet.
package cluster

import "net/url"

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
}

// GroupPlacement is the part of a placement that lies in one group.
type GroupPlacement struct {
	ID string `json:"id"`
	// Shards lists, for each shard, the ids of the nodes that hold it, the
	// preferred one first.
	Shards [][]string `json:"shards"`
}
