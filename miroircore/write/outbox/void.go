package outbox

import (
	"errors"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// backlog is how many tasks before the newest known one are looked through for a
// request that did not go through the outbox: it may have been taken while the
// outbox went on.
const backlog = 5000

// wanderer is a request that may still reach the node though nothing waits for
// it any more: its operations were dropped while it was under way, or it was
// sent beside the outbox and not answered.
type wanderer struct {
	index    string
	metadata string // of a request beside the outbox; empty for operations
	// kind is set for requests that no metadata names; own are tasks of that type
	// that are none of them.
	kind     meili.TaskType
	own      map[uint32]bool
	from, to uint64 // the operations, both included
	base     *Mark  // it is a newer task than this one, if any
	looked   bool   // the node was asked, and it was not there
	until    time.Time
	nextAt   time.Time
}

// is says whether a task of the node is the request.
func (v *wanderer) is(task *meili.Task) bool {
	if v.kind != "" {
		return isBare(task, v.kind) && !v.own[task.UID]
	}
	if v.metadata != "" {
		return task.CustomMetadata != nil && *task.CustomMetadata == v.metadata
	}
	named, ok := parseMetadata(task.CustomMetadata)
	return ok && named.lastOp >= v.from && named.firstOp <= v.to
}

// Void drops what waits for the node of an index: the steps end as gone. What
// the node already has in its queue runs there all the same; Queued counts it
// until it has. A request whose answer is not known is watched for.
func (n *Node) Void(index string) {
	n.mutex.Lock()
	q := n.queues[index]
	if q == nil {
		n.mutex.Unlock()
		return
	}
	delete(n.queues, index)
	q.void = true
	dropped := q.items
	for _, it := range dropped {
		n.bytes -= it.step.Size
	}
	if q.sending {
		n.flying[index]++
	}
	if q.unsure && len(dropped) > 0 {
		n.wander(&wanderer{index: index, from: dropped[0].step.Op, to: dropped[len(dropped)-1].step.Op, base: q.base})
	}
	for _, s := range n.strays {
		if s.queue == q {
			n.wander(&wanderer{index: index, from: s.firstOp, to: s.firstOp, base: s.base, kind: s.kind, own: s.own})
		}
	}
	n.strays = slices.DeleteFunc(n.strays, func(s *stray) bool { return s.queue == q })
	for _, d := range n.pending {
		if d.queue == q {
			d.items = nil
		}
	}
	q.items, q.rewind, q.until, q.careful, q.trouble, q.unsure = nil, nil, nil, nil, false, false
	n.cond.Broadcast()
	n.mutex.Unlock()
	n.gone(index, dropped, Outcome{Gone: true, Void: true})
}

// Stray watches for a request that was sent to the node beside the outbox and
// was not answered: where it shows up late, the node's copy of the index is not
// what it was taken for.
func (n *Node) Stray(index, metadata string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	v := &wanderer{index: index, metadata: metadata}
	if n.last != nil && n.last.UID > backlog {
		v.base = &Mark{UID: n.last.UID - backlog}
	}
	n.wander(v)
}

// wander begins to watch for a request. It is called with the mutex held.
func (n *Node) wander(v *wanderer) {
	now := time.Now()
	v.until, v.nextAt = now.Add(n.opts.StrayTime), now
	n.wanderers = append(n.wanderers, v)
	n.watch()
}

// landed ends the request that was under way when its queue was dropped. It is
// called with the mutex held.
func (q *queue) landed(group []*item, base *Mark, mark Mark, answer *meili.Error, err error) {
	n := q.node
	n.flying[q.index]--
	var failure *node.Error
	switch {
	case err == nil && answer == nil:
		n.follow(q, mark)
	case errors.As(err, &failure) && failure.Kind != node.KindStatus && !failure.Unsent():
		v := &wanderer{index: q.index, from: group[0].step.Op, to: group[len(group)-1].step.Op, base: base}
		if step := group[0].step; bare(step.Type) && !step.Metadata {
			v.kind, v.own = step.Type, make(map[uint32]bool)
		}
		n.wander(v)
		n.suspectLocked()
	}
}

// follow waits for a task that belongs to no step any more. It is called with
// the mutex held.
func (n *Node) follow(q *queue, mark Mark) {
	n.seen(mark)
	n.ours(q.index, mark.UID)
	if n.pending[mark.UID] == nil {
		n.pending[mark.UID] = &delivery{queue: q, mark: mark}
	}
	n.watch()
}

// Queued is the number of steps of the index that have not ended on the node,
// requests that may still be on their way included.
func (n *Node) Queued(index string) int {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	count := n.flying[index]
	if q := n.queues[index]; q != nil {
		for _, it := range q.items {
			if it.state != succeeded || !it.done {
				count++
			}
		}
	}
	for _, d := range n.pending {
		if d.queue.void && d.queue.index == index {
			count++
		}
	}
	for _, v := range n.wanderers {
		if v.index == index && !v.looked {
			count++
		}
	}
	return count
}

// findWanderers looks for requests that nothing waits for. One that was not
// there at first and shows up later makes the node's copy of the index void.
func (n *Node) findWanderers() {
	n.mutex.Lock()
	now := time.Now()
	n.wanderers = slices.DeleteFunc(n.wanderers, func(v *wanderer) bool { return now.After(v.until) })
	i := slices.IndexFunc(n.wanderers, func(v *wanderer) bool { return !now.Before(v.nextAt) })
	if i < 0 {
		n.mutex.Unlock()
		return
	}
	v := n.wanderers[i]
	v.nextAt = now.Add(strayPause)
	n.mutex.Unlock()
	tasks, err := n.tasksAfter(v.base, v.index)
	if err != nil {
		return
	}
	n.mutex.Lock()
	late, found := false, false
	for i := range tasks {
		t := &tasks[i]
		if v.base == nil || t.UID > v.base.UID {
			v.base = &Mark{UID: t.UID}
		}
		if !v.is(t) || n.pending[t.UID] != nil || n.known[t.UID] {
			continue
		}
		found = true
		late = late || v.looked
		if !t.Status.Finished() {
			n.follow(&queue{node: n, index: v.index, void: true}, Mark{UID: t.UID, EnqueuedAt: t.EnqueuedAt})
		}
	}
	v.looked = true
	if v.metadata != "" && found { // there is only one
		n.wanderers = slices.DeleteFunc(n.wanderers, func(o *wanderer) bool { return o == v })
	}
	n.mutex.Unlock()
	if late {
		n.opts.Logger.Error("a request that was given up ran late: the index has to be resynchronised on the node", "node", n.opts.Node, "index", v.index)
		t := meili.TypeDocumentAdditionOrUpdate
		if v.kind != "" {
			t = v.kind
		}
		n.opts.Events.Diverged(n.opts.Node, v.index, t)
	}
	n.opts.Events.Changed(n.opts.Node, v.index)
}
