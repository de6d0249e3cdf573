package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	minPoll = 5 * time.Millisecond
	maxPoll = 200 * time.Millisecond
	// pollTasks bounds the tasks that one poll asks for.
	pollTasks = 100
	callTime  = 10 * time.Second
)

// watch makes sure that somebody polls for the pending tasks.
func (n *Node) watch() {
	if !n.watching && !n.closed {
		n.watching = true
		n.wg.Add(1)
		go n.poll()
		return
	}
	select {
	case n.poke <- struct{}{}:
	default:
	}
}

// poll asks for the pending tasks, often while something happens and seldom
// while nothing does.
func (n *Node) poll() {
	defer n.wg.Done()
	wait := minPoll
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.poke:
			wait = min(wait, 4*minPoll)
			timer.Reset(wait)
			continue
		case <-timer.C:
		}
		n.mutex.Lock()
		if n.closed || len(n.pending) == 0 && len(n.strays) == 0 && len(n.wanderers) == 0 {
			n.watching = false
			n.mutex.Unlock()
			return
		}
		blocked := n.suspect || n.rolled
		uids := slices.Sorted(maps.Keys(n.pending))
		n.mutex.Unlock()
		progress := false
		if !blocked && len(uids) > 0 {
			progress = n.ask(uids[:min(len(uids), pollTasks)])
		}
		if !blocked {
			n.findStrays()
			n.findWanderers()
		}
		if progress {
			wait = minPoll
		} else {
			wait = min(wait*3/2, maxPoll)
		}
		timer.Reset(wait)
	}
}

// ask looks at some pending tasks and says whether one of them ended.
func (n *Node) ask(uids []uint32) bool {
	client, ok := n.opts.Client()
	if !ok {
		return false
	}
	ctx, cancel := context.WithTimeout(n.ctx, callTime)
	defer cancel()
	page, err := client.Tasks(ctx, node.TaskQuery{UIDs: uids, Limit: len(uids)})
	if err != nil {
		n.troubled(err)
		return false
	}
	tasks := make(map[uint32]*meili.Task, len(page.Results))
	for i := range page.Results {
		tasks[page.Results[i].UID] = &page.Results[i]
	}
	progress := false
	for _, uid := range uids {
		n.mutex.Lock()
		d := n.pending[uid]
		n.mutex.Unlock()
		if d == nil {
			continue
		}
		task := tasks[uid]
		switch {
		case task == nil:
			n.vanished(d)
		case task.EnqueuedAt != d.mark.EnqueuedAt && d.mark.EnqueuedAt != "":
			n.Suspect() // another task has the uid: the disk is not the one it was
			return progress
		case !task.Status.Finished():
			continue
		default:
			n.finished(client, d, task)
		}
		progress = true
	}
	return progress
}

// troubled notes an error of a call that asks something.
func (n *Node) troubled(err error) {
	if n.ctx.Err() != nil {
		return
	}
	if n.opts.Report != nil {
		n.opts.Report(n.opts.Node, err)
	}
	if node.KindOf(err) != node.KindStatus {
		n.Suspect()
	}
}

// vanished handles a task that the node does not know any more: an older disk,
// or it pruned its list. Its operations are sent again in order.
func (n *Node) vanished(d *delivery) {
	n.Suspect()
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.pending[d.mark.UID] != d {
		return
	}
	delete(n.pending, d.mark.UID)
	n.cond.Broadcast()
	for _, it := range d.items {
		it.state = refused // not in flight, and not past
		d.queue.fail(it, false)
	}
}

// finished handles a task that ended.
func (n *Node) finished(client *node.Client, d *delivery, task *meili.Task) {
	q := d.queue
	o := Outcome{Details: task.Details, StartedAt: parseTime(task.StartedAt), FinishedAt: parseTime(task.FinishedAt)}
	n.mutex.Lock()
	joined := len(d.items) > 1
	n.mutex.Unlock()
	own := true
	if task.Status != meili.StatusSucceeded {
		own = !joined && task.Status == meili.StatusFailed && n.ranAlone(client, task)
	}
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.pending[d.mark.UID] != d {
		return
	}
	delete(n.pending, d.mark.UID)
	defer n.cond.Broadcast()
	switch {
	case len(d.items) == 0: // dropped meanwhile
		q.changed()
	case task.Status == meili.StatusSucceeded:
		n.succeed(d, o)
	case own && d.items[0].step.accepts(task.Error):
		n.succeed(d, o)
	case own && refusedHere(task.Error, 0):
		q.backOff = 0
		d.items[0].state = refused
		if q.rewind != nil && slices.Index(q.items, d.items[0]) >= slices.Index(q.items, q.rewind) {
			return // it is sent again anyway
		}
		o.Error = task.Error
		q.tellEnded(d.items, o)
	default:
		for _, it := range d.items {
			it.state = refused
			q.fail(it, own)
		}
		q.changed()
	}
}

func (n *Node) succeed(d *delivery, o Outcome) {
	q := d.queue
	again := q.rewind != nil && slices.Index(q.items, d.items[0]) >= slices.Index(q.items, q.rewind)
	for _, it := range d.items {
		it.state = succeeded
	}
	if again { // it is sent again, behind what failed before it
		return
	}
	q.backOff = 0
	wasOut := q.trouble || q.careful != nil
	if slices.Index(q.items, d.items[0]) == 0 {
		q.trouble = false
	}
	q.trim()
	fresh := slices.DeleteFunc(slices.Clone(d.items), func(it *item) bool { return it.done })
	q.tellEnded(fresh, o)
	if wasOut {
		q.changed()
	}
}

// ranAlone reports whether the task was the only one of its batch. One that was
// not may have failed for another's sake.
func (n *Node) ranAlone(client *node.Client, task *meili.Task) bool {
	if task.BatchUID == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(n.ctx, callTime)
	defer cancel()
	var page meili.TaskPage
	if err := client.Get(ctx, fmt.Sprintf("/tasks?batchUids=%d&limit=1", *task.BatchUID), &page); err != nil {
		n.troubled(err)
		return false
	}
	return page.Total <= 1
}

func parseTime(text *string) time.Time {
	if text == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, *text)
	if err != nil {
		return time.Time{}
	}
	return t
}
