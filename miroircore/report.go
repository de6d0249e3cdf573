package miroircore

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Health tells why the fleet is not well: it has not yet seen its nodes, or
// some shard has no copy that can be read.
func (f *fleet) Health() *meili.Error {
	if !f.health.Ready() {
		return meili.NewError("miroir_starting", "The gateway has not yet reached its nodes. Retry.")
	}
	for _, ix := range f.e.catalog.List() {
		if missing := f.missing(ix); len(missing) > 0 {
			return meili.NewError("miroir_unavailable_shards", "%d of %d shards of index `%s` have no copy that can be read.", len(missing), ix.Shards, ix.UID)
		}
	}
	if len(f.Clients()) == 0 {
		return meili.NewError("miroir_unavailable_shards", "No node can be reached.")
	}
	return nil
}

// missing lists the shards of an index that no readable node holds.
func (f *fleet) missing(ix *index.Index) []int {
	readable := map[string]bool{}
	var missing []int
	for shard := range ix.Shards {
		if !slices.ContainsFunc(ix.Placement.Groups, func(g cluster.GroupPlacement) bool {
			return slices.ContainsFunc(g.Shards[shard], func(id string) bool {
				ok, asked := readable[id]
				if !asked {
					ok = f.e.Readable(id, ix.Physical)
					readable[id] = ok
				}
				return ok
			})
		}) {
			missing = append(missing, shard)
		}
	}
	return missing
}

// Report is the state of the fleet for operators.
func (f *fleet) Report() api.Report {
	r := api.Report{Status: "ok", Version: f.Version().PkgVersion, Epoch: f.e.catalog.Contents().Revision, Copies: f.Topology().Replication, Groups: []api.GroupReport{}, Problems: []string{}}
	shards := f.shardCounts()
	for _, g := range f.Topology().Groups {
		group := api.GroupReport{ID: g.ID, State: f.e.balance.GroupState(g.ID), Nodes: []api.NodeReport{}}
		for _, n := range g.Nodes {
			group.Nodes = append(group.Nodes, f.node(n, shards[n.ID]))
		}
		r.Groups = append(r.Groups, group)
	}
	r.Groups = append(r.Groups, f.leaving(shards)...)
	f.judge(&r)
	return r
}

func (f *fleet) node(n cluster.Node, shards int) api.NodeReport {
	s := f.health.State(n.ID)
	report := api.NodeReport{ID: n.ID, Group: n.Group, Address: n.URL.Redacted(), Status: string(s.Status),
		Wanted: f.fate(n.ID), Added: f.wanted.Added(n.ID), Version: s.Version.PkgVersion, LastError: s.LastError, Shards: shards, Outbox: f.e.writer.NodeState(n.ID).Waiting}
	if !s.Since.IsZero() {
		report.Since = &s.Since
	}
	return report
}

// fate is what is to become of a node.
func (f *fleet) fate(id string) string {
	if _, named := f.Topology().Node(id); named {
		return "serving"
	}
	if f.wanted.Leaving(id) == wanted.Drained {
		return "drained"
	}
	return "removed"
}

// leaving are the nodes that are to hold nothing.
func (f *fleet) leaving(shards map[string]int) []api.GroupReport {
	group := api.GroupReport{ID: "(leaving)"}
	for id, n := range *f.known.Load() {
		if _, named := f.Topology().Node(id); !named {
			group.Nodes = append(group.Nodes, f.node(n, shards[id]))
		}
	}
	if len(group.Nodes) == 0 {
		return nil
	}
	slices.SortFunc(group.Nodes, func(a, b api.NodeReport) int { return strings.Compare(a.ID, b.ID) })
	return []api.GroupReport{group}
}

// judge sets the report's status and says in words what is wrong.
func (f *fleet) judge(r *api.Report) {
	for _, ix := range f.e.catalog.List() {
		if missing := f.missing(ix); len(missing) > 0 {
			r.Status = "unavailable"
			r.Problems = append(r.Problems, fmt.Sprintf("index %s: %d of %d shards have no copy that can be read", ix.UID, len(missing), ix.Shards))
		}
	}
	f.differing(r)
	short := f.wanted.Short(f.e.config().Topology)
	for _, group := range slices.Sorted(maps.Keys(short)) {
		if r.Problems = append(r.Problems, short[group]); r.Status == "ok" {
			r.Status = "degraded"
		}
	}
	r.Rebalance = f.e.balance.Report()
	r.Problems = append(r.Problems, r.Rebalance.Problems...)
	r.Check = f.e.checker.Report()
	r.Problems = append(r.Problems, r.Check.Problems...)
	for _, g := range r.Groups {
		for _, n := range g.Nodes {
			if n.Status == string(cluster.StatusUp) {
				continue
			}
			if r.Status == "ok" {
				r.Status = "degraded"
			}
			r.Problems = append(r.Problems, fmt.Sprintf("node %s is %s: %s", n.ID, n.Status, n.LastError))
		}
	}
}

// differing names the copies that are not read because they are not what they
// should be, and the indexes whose writes are stopped.
func (f *fleet) differing(r *api.Report) {
	tell := func(problem string) {
		if r.Status == "ok" {
			r.Status = "degraded"
		}
		r.Problems = append(r.Problems, problem)
	}
	for _, d := range f.e.writer.Drifts() {
		what := "documents"
		if d.Settings {
			what = "settings"
		}
		tell(fmt.Sprintf("index %s on node %s has other %s than it should", d.Physical, d.Node, what))
	}
	for _, physical := range f.e.writer.Frozen() {
		uid := physical
		if ix, ok := f.e.catalog.ByPhysical(physical); ok {
			uid = ix.UID
		}
		tell(fmt.Sprintf("index %s takes no writes: a node does not take its settings. `caddy miroir index repair %s` tries again at once, `--force` lets writes go on without that node", uid, uid))
	}
}

// shardCounts counts the shards on each node, over all indexes.
func (f *fleet) shardCounts() map[string]int {
	counts := map[string]int{}
	for _, ix := range f.e.catalog.List() {
		for _, g := range ix.Placement.Groups {
			for _, replicas := range g.Shards {
				for _, id := range replicas {
					counts[id]++
				}
			}
		}
	}
	return counts
}
