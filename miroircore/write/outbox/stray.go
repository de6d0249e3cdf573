package outbox

import (
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

const strayPause = time.Second

// stray is a request that may still run though it was sent again.
type stray struct {
	queue         *queue
	firstOp       uint64
	number        int
	base          *Mark // it is a newer task than this one, if any
	until, nextAt time.Time
	// kind is set for requests without metadata: a task of this type that is none
	// of the outbox's own since is the duplicate.
	kind meili.TaskType
	own  map[uint32]bool
}

// bare says whether requests of a type that cannot be named by metadata do harm
// when they run late.
func bare(t meili.TaskType) bool {
	switch t {
	case meili.TypeSettingsUpdate, meili.TypeIndexUpdate, meili.TypeIndexCreation, meili.TypeIndexDeletion:
		return true
	}
	return false
}

// noteStray remembers a request without an answer, so that it is seen if it
// runs after all.
func (n *Node) noteStray(q *queue, group []*item, base *Mark) {
	step := group[0].step
	if !step.Metadata && !bare(step.Type) {
		return
	}
	s := &stray{queue: q, base: base, firstOp: step.Op, number: step.Number,
		until: time.Now().Add(n.opts.StrayTime), nextAt: time.Now().Add(strayPause)}
	if !step.Metadata {
		s.kind, s.own = step.Type, make(map[uint32]bool)
	}
	n.strays = append(n.strays, s)
	n.watch()
}

// ours notes that a task of the node is one that the outbox knows, so that it is
// not taken for a duplicate. It is called with the mutex held.
func (n *Node) ours(index string, uid uint32) {
	for _, s := range n.strays {
		if s.kind != "" && s.queue.index == index {
			s.own[uid] = true
		}
	}
	for _, v := range n.wanderers {
		if v.kind != "" && v.index == index {
			v.own[uid] = true
		}
	}
}

// Watched says whether a request for the index may still show up late.
func (n *Node) Watched(index string) bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	return slices.ContainsFunc(n.strays, func(s *stray) bool { return s.queue.index == index }) ||
		slices.ContainsFunc(n.wanderers, func(v *wanderer) bool { return v.index == index })
}

// findStrays looks for requests that ran a second time. One that ran behind a
// later operation makes the node's copy of the index void.
func (n *Node) findStrays() {
	n.mutex.Lock()
	now := time.Now()
	n.strays = slices.DeleteFunc(n.strays, func(s *stray) bool { return now.After(s.until) })
	i := slices.IndexFunc(n.strays, func(s *stray) bool { return !now.Before(s.nextAt) && !s.queue.unsure })
	if i < 0 {
		n.mutex.Unlock()
		return
	}
	s := n.strays[i]
	s.nextAt = now.Add(strayPause)
	n.mutex.Unlock()
	tasks, err := n.tasksAfter(s.base, s.queue.index)
	if err != nil {
		return
	}
	n.mutex.Lock()
	found, outOfOrder := n.judge(s, tasks)
	if found {
		n.strays = slices.DeleteFunc(n.strays, func(o *stray) bool {
			return o == s || s.kind == "" && o.queue == s.queue && o.firstOp == s.firstOp && o.number == s.number
		})
	}
	n.mutex.Unlock()
	if outOfOrder {
		n.opts.Logger.Error("a repeated request ran late: what it changes has to be made right on the node",
			"node", n.opts.Node, "index", s.queue.index, "op", s.firstOp, "type", s.typ())
		n.opts.Events.Diverged(n.opts.Node, s.queue.index, s.typ())
	}
}

func (s *stray) typ() meili.TaskType {
	if s.kind == "" {
		return meili.TypeDocumentAdditionOrUpdate
	}
	return s.kind
}

// judge says whether both the request and its repetition ran, and whether a
// later operation may have run between them. It is called with the mutex held.
func (n *Node) judge(s *stray, tasks []meili.Task) (found, outOfOrder bool) {
	if s.kind == "" {
		return n.named(s, tasks)
	}
	for i := range tasks {
		t := &tasks[i]
		if isBare(t, s.kind) && t.Status.Finished() && !s.own[t.UID] && !n.known[t.UID] && n.pending[t.UID] == nil {
			n.ours(s.queue.index, t.UID) // one duplicate is not that of two requests
			return true, true
		}
	}
	return false, false
}

func isBare(t *meili.Task, kind meili.TaskType) bool {
	return t.Type == kind && t.CustomMetadata == nil
}

// named is judge for requests with metadata. A duplicate that has not ended yet
// counts as queued until it has.
func (n *Node) named(s *stray, tasks []meili.Task) (found, outOfOrder bool) {
	runs, later := 0, false
	for i := range tasks {
		named, ok := parseMetadata(tasks[i].CustomMetadata)
		switch {
		case !ok:
			later = later || runs > 0
		case named.firstOp == s.firstOp && named.firstNumber == s.number:
			runs++
			if t := &tasks[i]; !t.Status.Finished() {
				n.follow(&queue{node: n, index: s.queue.index, void: true}, Mark{UID: t.UID, EnqueuedAt: t.EnqueuedAt})
			}
			if runs > 1 {
				return true, later
			}
		case named.firstOp > s.firstOp:
			later = later || runs > 0
		}
	}
	return false, false
}
