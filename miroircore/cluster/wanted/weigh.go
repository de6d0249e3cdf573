package wanted

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// Facts are what a wish is weighed against.
type Facts struct {
	// Indexes are all indexes with the place of their shards.
	Indexes []Holding
	// Whole tells whether a node answers and what it holds of an index is in
	// order, so that it can be copied from.
	Whole func(node, index string) bool
}

// Holding is one index and where its shards lie.
type Holding struct {
	UID       string
	Shards    int
	Placement *cluster.Placement
}

// weigh tells why the change from one topology to another, by which nodes leave,
// is not to be made, and which nodes' copies would be given up by it.
func weigh(w Wish, gone []string, before, after *cluster.Topology, facts Facts) (*RefusalError, []string) {
	if len(after.Groups) == 0 {
		return &RefusalError{Reason: fmt.Sprintf("%s would leave no node at all", describe(w)), Needed: "Add another node first (`caddy miroir node add`)"}, nil
	}
	short := shortage(w, before, after)
	only, dead := onlyCopies(w, gone, after, facts)
	switch {
	case short != nil && only != nil:
		short.Lost = append(short.Lost, only.Lost...)
		short.Reason += "; and " + only.Reason
		short.Needed += ". " + only.Needed
		return short, dead
	case only != nil:
		return only, dead
	}
	return short, nil
}

func describe(w Wish) string {
	switch w.Action {
	case Drain:
		return "draining node " + w.ID
	case Remove:
		return "removing node " + w.ID
	case Replace:
		return "replacing node " + w.ID
	case RemoveGroup:
		return "removing group " + w.ID
	case SetCopies:
		return fmt.Sprintf("keeping %d copies", w.Copies)
	}
	return string(w.Action) + " " + w.ID
}

// shortage refuses what leaves a group with fewer nodes than copies, unless it
// had too few before.
func shortage(w Wish, before, after *cluster.Topology) *RefusalError {
	for _, g := range after.Groups {
		if len(g.Nodes) >= after.Replication {
			continue
		}
		was := slices.IndexFunc(before.Groups, func(b cluster.Group) bool { return b.ID == g.ID })
		if was >= 0 && len(before.Groups[was].Nodes) <= len(g.Nodes) && before.Replication >= after.Replication {
			continue // it is not this wish's doing
		}
		r := &RefusalError{
			Reason: fmt.Sprintf("%s would leave group %s with %s for %d copies of each shard", describe(w), g.ID, nodes(len(g.Nodes)), after.Replication),
			Needed: fmt.Sprintf("Add a node to group %s first (`caddy miroir node add`), or lower the copies to %d (`caddy miroir copies %d`)", g.ID, len(g.Nodes), len(g.Nodes)),
		}
		if w.Action != SetCopies && w.Action != AddGroup {
			r.Lost = []string{fmt.Sprintf("one of the %d copies of each shard in group %s, until a node is added: of the %d left, %d must take a write",
				after.Replication, g.ID, len(g.Nodes), after.Replication/2+1)}
			if len(g.Nodes) < after.Replication/2+1 {
				r.Lost[0] += ", which the group alone cannot give: writes that no other group takes are refused"
			}
		}
		return r
	}
	return nil
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}

// onlyCopies refuses what would give up shards that no node that stays has in
// order and that cannot be copied away from those that leave. Of the latter it
// names those that cannot: the copies of the others are copied even if it is
// forced.
func onlyCopies(w Wish, gone []string, after *cluster.Topology, facts Facts) (refusal *RefusalError, dead []string) {
	if len(gone) == 0 {
		return nil, nil
	}
	var lost, kept []string
	for _, ix := range facts.Indexes {
		none, alive := tally(w, ix, gone, after, facts.Whole)
		if len(none) > 0 {
			lost = append(lost, fmt.Sprintf("%s of index %s", shardList(none, ix.Shards), ix.UID))
			dead = append(dead, holding(ix, gone, none)...)
		}
		if len(alive) > 0 {
			kept = append(kept, fmt.Sprintf("%s of index %s", shardList(alive, ix.Shards), ix.UID))
		}
	}
	slices.Sort(dead)
	dead = slices.Compact(dead)
	names, meanwhile := strings.Join(dead, ", "), ""
	if len(kept) > 0 {
		meanwhile = "until they are copied, every document of " + strings.Join(kept, ", ") + " lies on nodes that are leaving: none of them must fail meanwhile"
	}
	switch {
	case len(lost) > 0:
		refusal = &RefusalError{
			Reason: fmt.Sprintf("%s would give up the only copy there is of %s: no other node has them in order, and node %s cannot be copied from now", describe(w), strings.Join(lost, ", "), names),
			Needed: fmt.Sprintf("Bring node %s back and wait until it is in order (`caddy miroir status`): it is emptied by itself then", names),
			Lost:   []string{"every document of " + strings.Join(lost, ", ")},
		}
		if meanwhile != "" {
			refusal.Lost = append(refusal.Lost, meanwhile)
		}
	case len(kept) > 0:
		refusal = &RefusalError{
			Reason: fmt.Sprintf("%s would remove the only copy there is of %s", describe(w), strings.Join(kept, ", ")),
			Needed: "Wait until the other groups are active (`caddy miroir status`), or bring their nodes back",
			Lost:   []string{meanwhile},
		}
	}
	return refusal, dead
}

// holding gives those of some nodes that hold one of some shards.
func holding(ix Holding, nodes []string, shards []int) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(id string) bool {
		return !slices.ContainsFunc(shards, func(shard int) bool { return ix.Placement.Holds(id, shard) })
	})
}

// tally lists the shards of an index that no staying node has in order: those
// that no node at all has, and, where a group leaves, those that the leaving
// nodes alone have.
func tally(w Wish, ix Holding, gone []string, after *cluster.Topology, whole func(node, index string) bool) (dead, alive []int) {
	ok := map[string]bool{}
	for _, id := range ix.Placement.Nodes() {
		ok[id] = whole(id, ix.UID)
	}
	for shard := range ix.Shards {
		held, there, stays := false, false, false
		for _, g := range ix.Placement.Groups {
			for _, id := range g.Shards[shard] {
				leaves := slices.Contains(gone, id)
				held = held || leaves
				there = there || ok[id]
				_, wanted := after.Node(id)
				stays = stays || ok[id] && wanted && !leaves
			}
		}
		switch {
		case !held || stays:
		case !there:
			dead = append(dead, shard)
		case w.Action == RemoveGroup:
			alive = append(alive, shard)
		}
	}
	return dead, alive
}

// shardList names shards, the first few of them.
func shardList(shards []int, of int) string {
	if len(shards) == of {
		return fmt.Sprintf("all %d shards", of)
	}
	const most = 8
	var names []string
	for _, s := range shards[:min(most, len(shards))] {
		names = append(names, fmt.Sprint(s))
	}
	text := strings.Join(names, ", ")
	if len(shards) > most {
		text += fmt.Sprintf(" and %d more", len(shards)-most)
	}
	if len(shards) == 1 {
		return fmt.Sprintf("shard %s of %d", text, of)
	}
	return fmt.Sprintf("%d of %d shards (%s)", len(shards), of, text)
}
