package outbox

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// lookUpPage is how many tasks one look-up request lists.
const lookUpPage = 1000

// check looks whether the last known task of the node is still there, until it
// knows.
func (n *Node) check() {
	defer n.wg.Done()
	wait := minBackOff
	for {
		asked, known, gone := n.checkOnce()
		n.mutex.Lock()
		if gone && n.last != asked { // it takes part anew meanwhile, and another task counts
			n.mutex.Unlock()
			continue
		}
		if known || n.ctx.Err() != nil || n.closed {
			n.checking = false
			n.suspect = !known
			changed := n.rolled != gone
			n.rolled = gone
			if gone && changed {
				n.opts.Logger.Error("the node has lost tasks that it had: it is not used until it is rebuilt",
					"node", n.opts.Node, "task", n.last.UID)
			}
			indexes := make([]string, 0, len(n.queues))
			for index := range n.queues {
				indexes = append(indexes, index)
			}
			n.cond.Broadcast()
			n.mutex.Unlock()
			slices.Sort(indexes)
			for _, index := range indexes {
				n.opts.Events.Changed(n.opts.Node, index)
			}
			n.opts.Events.Changed(n.opts.Node, "")
			return
		}
		n.mutex.Unlock()
		if !n.pause(wait) {
			continue
		}
		wait = min(2*wait, maxCheckBackOff)
	}
}

// checkOnce asks for the last known task. Known says whether there was an
// answer, gone whether the task asked for is not there.
func (n *Node) checkOnce() (asked *Mark, known, gone bool) {
	client, ok := n.opts.Client()
	if !ok {
		return nil, false, false
	}
	n.mutex.Lock()
	last := n.last
	n.mutex.Unlock()
	ctx, cancel := context.WithTimeout(n.ctx, callTime)
	defer cancel()
	if last == nil {
		page, err := client.Tasks(ctx, node.TaskQuery{Limit: 1})
		if err != nil {
			return nil, false, false
		}
		n.mutex.Lock()
		defer n.mutex.Unlock()
		if len(page.Results) > 0 {
			n.seen(Mark{UID: page.Results[0].UID, EnqueuedAt: page.Results[0].EnqueuedAt})
		}
		return nil, true, false
	}
	task, err := client.Task(ctx, last.UID)
	if err == nil {
		return last, true, last.EnqueuedAt != "" && task.EnqueuedAt != last.EnqueuedAt
	}
	if failure, ok := errors.AsType[*node.Error](err); ok && failure.Status == http.StatusNotFound {
		return last, true, true
	}
	return last, false, false
}

// lookUp lists the node's tasks since before the unsure send and adopts those
// that are the queue's waiting items. It is called with the node's mutex held.
func (q *queue) lookUp() {
	n := q.node
	base := q.base
	n.mutex.Unlock()
	tasks, err := n.tasksAfter(base, q.index)
	n.mutex.Lock()
	if err != nil {
		n.suspectLocked()
		n.mutex.Unlock()
		n.troubled(err)
		n.pause(minBackOff)
		n.mutex.Lock()
		return
	}
	q.unsure, q.base = false, nil
	for i := range tasks {
		if n.pending[tasks[i].UID] != nil || n.known[tasks[i].UID] {
			continue
		}
		if group := q.match(&tasks[i]); len(group) > 0 {
			mark := Mark{UID: tasks[i].UID, EnqueuedAt: tasks[i].EnqueuedAt}
			q.tellEnqueued(group, mark)
			q.adopt(group, mark)
		}
	}
}

// match gives the waiting items that a task of the node is.
func (q *queue) match(task *meili.Task) []*item {
	named, ok := parseMetadata(task.CustomMetadata)
	var group []*item
	for _, it := range q.items {
		if it.state != waiting {
			continue
		}
		if task.UID <= it.step.After && it.step.Unsure {
			break
		}
		if it.step.Metadata {
			if ok && named.covers(it.step) {
				group = append(group, it)
			}
			continue
		}
		// Without metadata the type has to do: nobody else writes to the index,
		// and the queue's items are sent in order. One that was never sent is
		// none of the node's tasks: it may be a duplicate of the one before.
		sent := it.attempt > 0 || it.step.Unsure
		if !ok && len(group) == 0 && sent && it.step.Type == task.Type {
			return []*item{it}
		}
		break
	}
	return group
}

// tasksAfter lists the tasks of an index that are newer than the mark, oldest
// first.
func (n *Node) tasksAfter(base *Mark, index string) ([]meili.Task, error) {
	client, ok := n.opts.Client()
	if !ok {
		return nil, &node.Error{Node: n.opts.Node, Kind: node.KindRefused}
	}
	var from uint32
	if base != nil {
		from = base.UID + 1
	}
	var all []meili.Task
	for {
		ctx, cancel := context.WithTimeout(n.ctx, callTime)
		query := node.TaskQuery{From: &from, Limit: lookUpPage, Reverse: true}
		if index != "" {
			query.IndexUIDs = []string{index}
		}
		page, err := client.Tasks(ctx, query)
		cancel()
		if err != nil {
			return nil, err
		}
		all = append(all, page.Results...)
		if page.Next == nil || len(page.Results) == 0 {
			return all, nil
		}
		from = *page.Next
	}
}
