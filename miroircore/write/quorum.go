package write

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// touch notes the shards that have to reach their quorum.
func (o *operation) touch() {
	o.needs = make(map[int]bool)
	if o.bind.placement == nil {
		return
	}
	for i := range o.bind.Targets {
		for _, s := range o.bind.Targets[i].Shards {
			o.needs[s] = true
		}
	}
	o.touched = slices.Sorted(maps.Keys(o.needs))
}

// enough says whether the copies of a shard that fulfil have are a quorum.
func enough(q Quorum, p *cluster.Placement, shard int, have func(node string) bool) bool {
	some := false
	for _, g := range p.Groups {
		if shard >= len(g.Shards) {
			continue
		}
		n := 0
		for _, id := range g.Shards[shard] {
			if have(id) {
				n++
			}
		}
		copies := len(g.Shards[shard])
		switch q {
		case One:
			some = some || n > 0
		case All:
			if n < copies {
				return false
			}
			some = true
		default:
			some = some || n >= g.Quorum(shard)
		}
	}
	return some
}

// reachable refuses a write whose quorum is known to be out of reach, before
// anything is stored.
func (w *Writer) reachable(o *operation) *meili.Error {
	topology := w.opts.Topology()
	quorum := w.opts.Quorum()
	var missing []string
	look := func(uid string, p *cluster.Placement, shards []int) {
		for _, s := range shards {
			if !enough(quorum, p, s, w.usable) {
				missing = append(missing, uid+"/"+strconv.Itoa(s))
			}
		}
	}
	uids := o.lineUIDs()
	for _, uid := range uids {
		ix, ok := w.opts.Catalog.Get(uid)
		if !ok {
			if !w.groupWithQuorum(topology, quorum) {
				return meili.NewError("miroir_no_quorum", "No group has enough nodes that can be written to.")
			}
			continue
		}
		shards := everyShard(ix.Shards)
		if narrow, ok := o.action.(interface {
			shards(shards int) []int
		}); ok {
			shards = narrow.shards(ix.Shards)
		}
		look(uid, ix.Placement, shards)
	}
	if len(missing) > 0 {
		return meili.NewError("miroir_no_quorum", "Not enough copies can be written to of the shards %s.", abbreviate(missing))
	}
	return nil
}

func abbreviate(list []string) string {
	const most = 10
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// groupWithQuorum says whether a new index could be written to.
func (w *Writer) groupWithQuorum(t *cluster.Topology, q Quorum) bool {
	for _, g := range t.Groups {
		up := 0
		for _, n := range g.Nodes {
			if w.usable(n.ID) {
				up++
			}
		}
		copies := min(max(t.Replication, 1), len(g.Nodes))
		down := len(g.Nodes) - up
		switch {
		case q == All && down > 0:
			return false
		case q == One && down < copies, q == Majority && copies-down >= copies/2+1:
			return true
		}
	}
	return q == All
}

// usable says whether the node can be written to now, as far as is known.
func (w *Writer) usable(id string) bool {
	if !w.opts.NodeUp(id) {
		return false
	}
	w.mutex.Lock()
	b := w.box(id)
	w.mutex.Unlock()
	s := b.State()
	return !s.RolledBack && !s.Stale
}

// await waits for the quorum and gives the answer of the write.
func (w *Writer) await(ctx context.Context, o *operation) (*Receipt, *meili.Error) {
	r := o.receipt()
	hold := time.NewTimer(w.opts.HoldTime)
	defer hold.Stop()
	limit := time.NewTimer(w.opts.AckTime)
	defer limit.Stop()
	look := time.NewTicker(250 * time.Millisecond)
	defer look.Stop()
	lost, ended := 0, o.ended
	for {
		select {
		case <-o.acked:
			return w.acknowledge(o, r)
		case <-ended:
			// A copy that went away does not hold the task up, but it does hold up
			// the word that the write will survive the loss of another.
			w.mutex.Lock()
			enough := o.isAcked || o.outcome.Status != meili.StatusSucceeded || o.bind.placement == nil
			w.mutex.Unlock()
			if enough {
				return w.acknowledge(o, r)
			}
			ended = nil
		case <-hold.C:
			w.mutex.Lock()
			held := o.state < dispatched
			w.mutex.Unlock()
			if held { // it waits for another operation, on the gateway's disk
				return w.hold(o, r)
			}
		case <-look.C:
			if w.lost(o) {
				lost++
			} else {
				lost = 0
			}
			if lost < 8 {
				continue
			}
			return w.underWay(o, r)
		case <-limit.C:
			return w.underWay(o, r)
		case <-ctx.Done():
			return w.underWay(o, r)
		case <-w.ctx.Done():
			return w.underWay(o, r)
		}
	}
}

// underWay answers a write that is not acknowledged, but will be delivered
// whatever happens to this gateway.
func (w *Writer) underWay(o *operation, r *Receipt) (*Receipt, *meili.Error) {
	if err := o.payload.durable(); err != nil {
		return r, w.refusal(err)
	}
	return r, meili.NewError("miroir_no_quorum", "Not enough copies have the write yet. It is stored and will be delivered: see its task.")
}

// acknowledge makes sure that what some node has not taken is on the gateway's
// disk, and names what missed its quorum.
func (w *Writer) acknowledge(o *operation, r *Receipt) (*Receipt, *meili.Error) {
	w.mutex.Lock()
	all := o.state >= decided
	if !all && o.bind != nil {
		all = !slices.ContainsFunc(o.bind.Targets, func(t target) bool { return !t.taken() && !t.over() })
	}
	w.mutex.Unlock()
	if !all {
		if err := o.payload.durable(); err != nil {
			w.log.Error("a payload could not be stored", "op", o.op, "error", err)
			return r, w.refusal(err)
		}
		r.Degraded = w.degraded(o)
	}
	return r, nil
}

// hold acknowledges from the gateway's disk.
func (w *Writer) hold(o *operation, r *Receipt) (*Receipt, *meili.Error) {
	if err := o.payload.durable(); err != nil {
		return r, w.refusal(err)
	}
	w.mutex.Lock()
	o.waiting = true
	w.mutex.Unlock()
	r.Held = true
	return r, nil
}

// lost says whether too many nodes went away for the quorum to be reached soon.
func (w *Writer) lost(o *operation) bool {
	w.mutex.Lock()
	if o.state < dispatched || o.bind.placement == nil {
		w.mutex.Unlock()
		return false
	}
	p := o.bind.placement
	var needs []int
	for s, need := range o.needs {
		if need {
			needs = append(needs, s)
		}
	}
	taken, gone := o.takers(), make(map[string]bool)
	for i := range o.bind.Targets {
		gone[o.bind.Targets[i].Node] = o.bind.Targets[i].gone
	}
	w.mutex.Unlock()
	quorum := w.opts.Quorum()
	for _, s := range needs {
		if !enough(quorum, p, s, func(id string) bool { return taken[id] || !gone[id] && w.usable(id) }) {
			return true
		}
	}
	return false
}

func (o *operation) takers() map[string]bool {
	taken := make(map[string]bool)
	for i := range o.bind.Targets {
		taken[o.bind.Targets[i].Node] = o.bind.Targets[i].taken()
	}
	return taken
}

// checkQuorum notes the shards that reached their quorum, and lets the answer
// go when all have. It is called with the mutex held.
func (w *Writer) checkQuorum(o *operation) {
	if o.isAcked {
		return
	}
	if o.bind.placement == nil {
		if slices.ContainsFunc(o.bind.Targets, func(t target) bool { return !t.taken() && !t.over() }) {
			return
		}
	} else {
		quorum := w.opts.Quorum()
		taken := o.takers()
		for s, need := range o.needs {
			if need && enough(quorum, o.bind.placement, s, func(id string) bool { return taken[id] }) {
				o.needs[s] = false
			}
		}
		for _, need := range o.needs {
			if need {
				return
			}
		}
	}
	o.isAcked = true
	close(o.acked)
}

// degraded lists, for each group, the shards that miss their quorum there
// because of nodes that are away.
func (w *Writer) degraded(o *operation) string {
	w.mutex.Lock()
	if o.bind == nil || o.bind.placement == nil {
		w.mutex.Unlock()
		return ""
	}
	p, touched, taken := o.bind.placement, o.touched, o.takers()
	w.mutex.Unlock()
	up := make(map[string]bool)
	var parts []string
	for _, g := range p.Groups {
		var missed []string
		for _, s := range touched {
			n := 0
			for _, id := range g.Shards[s] {
				can, asked := up[id]
				if !asked {
					can = w.usable(id)
					up[id] = can
				}
				if taken[id] || can {
					n++
				}
			}
			if n < g.Quorum(s) {
				missed = append(missed, strconv.Itoa(s))
			}
		}
		if len(missed) > 0 {
			parts = append(parts, "quorum="+g.ID+"; shards="+strings.Join(missed, ","))
		}
	}
	return strings.Join(parts, ", ")
}
