package outbox

import (
	"errors"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

type itemState uint8

const (
	waiting itemState = iota
	enqueued
	refused // waits for the verdict
	succeeded
)

// item is a step on its way.
type item struct {
	step     *Step
	refusals int // how often it was refused though another copy could do it
	state    itemState
	attempt  int
	done     bool // its end was told
}

// delivery is one task of the node, made by one or more items.
type delivery struct {
	queue *queue
	items []*item
	mark  Mark
}

// queue holds the items of one index in order. All fields are guarded by the
// node's mutex.
type queue struct {
	node    *Node
	index   string
	items   []*item
	running bool
	sending bool
	void    bool  // what was in it was dropped
	unsure  bool  // some item may have been sent without being noted
	base    *Mark // the newest task known before the first unsure send
	rewind  *item // wait for the enqueued ones, then send again from here on
	until   *item // the last of those that failed together
	careful *item // send one by one until this one is past
	trouble bool  // the node cannot do the item at the head
	backOff time.Duration
}

func (q *queue) trim() {
	for len(q.items) > 0 && q.items[0].state == succeeded {
		if q.items[0] == q.careful {
			q.careful = nil
		}
		q.node.bytes -= q.items[0].step.Size
		q.items = q.items[1:]
	}
	if len(q.items) == 0 {
		q.items, q.trouble, q.backOff = nil, false, 0
	}
}

// fail makes the outbox wait for what the node has and send everything from the
// item on again.
func (q *queue) fail(it *item, trouble bool) {
	if q.until == nil || slices.Index(q.items, it) > slices.Index(q.items, q.until) {
		q.until = it
	}
	if q.rewind == nil || slices.Index(q.items, it) < slices.Index(q.items, q.rewind) {
		q.rewind = it
	}
	if trouble {
		q.trouble = true
		q.backOff = min(max(2*q.backOff, minBackOff), maxBackOff)
	}
	q.node.cond.Broadcast()
}

func (q *queue) inFlight() bool {
	return slices.ContainsFunc(q.items, func(it *item) bool { return it.state == enqueued })
}

// run sends the queue's items until none is left.
func (q *queue) run() {
	n := q.node
	defer n.wg.Done()
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for {
		if n.closed || len(q.items) == 0 {
			q.running = false
			return
		}
		if n.suspect || n.rolled {
			n.cond.Wait()
			continue
		}
		if q.absorb() {
			continue
		}
		if q.rewind != nil {
			q.startAgain()
			continue
		}
		if q.unsure {
			q.lookUp()
			continue
		}
		group := q.next()
		if len(group) == 0 {
			n.cond.Wait()
			continue
		}
		q.send(group)
	}
}

// absorb ends everything before the step that removes the index, once the node
// has none of it in its queue. To send it again behind the removal would make
// an index anew that has neither settings nor a future.
func (q *queue) absorb() bool {
	last := len(q.items) - 1
	if last < 1 || !q.items[last].step.Last {
		return false
	}
	before, removal := q.items[:last], q.items[last]
	if slices.ContainsFunc(before, func(it *item) bool { return it.state == enqueued }) {
		return false
	}
	told := slices.DeleteFunc(slices.Clone(before), func(it *item) bool { return it.done })
	if removal.state == succeeded && !removal.done {
		told = append(told, removal)
	}
	for _, it := range before {
		it.state = succeeded
	}
	q.rewind, q.until, q.careful = nil, nil, nil
	if removal.state == refused {
		removal.state = waiting
		removal.attempt++
	}
	q.trim()
	q.tellEnded(told, Outcome{})
	return true
}

// startAgain puts everything from the failed item on back to waiting once the
// node has nothing of the index left.
func (q *queue) startAgain() {
	if q.inFlight() {
		q.node.cond.Wait()
		return
	}
	if wait := q.backOff; q.trouble && wait > 0 {
		q.node.mutex.Unlock()
		q.node.pause(wait)
		q.node.mutex.Lock()
		if q.rewind == nil || q.inFlight() {
			return
		}
	}
	from := slices.Index(q.items, q.rewind)
	q.careful, q.rewind, q.until = q.until, nil, nil
	if from < 0 {
		q.careful = nil
		return
	}
	for _, it := range q.items[from:] {
		it.state = waiting
		it.attempt++
	}
}

// next gives the items of the next request: none if it is not yet time.
func (q *queue) next() []*item {
	first := slices.IndexFunc(q.items, func(it *item) bool { return it.state == waiting })
	if first < 0 {
		return nil
	}
	it := q.items[first]
	open := func(other *item) bool { return other.state != succeeded }
	before := q.items[:first]
	if it.step.Settings && slices.ContainsFunc(before, func(b *item) bool { return b.step.Filtered && open(b) }) {
		return nil
	}
	if (it.step.Alone || q.careful != nil) && slices.ContainsFunc(before, open) {
		return nil
	}
	if slices.ContainsFunc(before, func(b *item) bool { return b.state == refused || b.step.Alone && open(b) }) {
		return nil
	}
	group := []*item{it}
	if it.step.Join == "" || q.careful != nil || it.attempt > 0 {
		return group
	}
	size := it.step.Size
	for _, other := range q.items[first+1:] {
		size += other.step.Size
		if other.state != waiting || other.step.Join != it.step.Join || other.attempt > 0 ||
			size > q.node.opts.MaxJoinBytes || len(group) == q.node.opts.MaxJoinSteps {
			break
		}
		group = append(group, other)
	}
	return group
}

// send makes one request and notes its answer. It is called with the node's
// mutex held and gives it away while the request is under way.
func (q *queue) send(group []*item) {
	n := q.node
	q.sending = true
	base := n.last
	n.mutex.Unlock()
	mark, answer, err := q.request(group)
	n.mutex.Lock()
	q.sending = false
	n.cond.Broadcast()
	if q.void {
		q.landed(group, base, mark, answer, err)
		return
	}
	switch {
	case err == nil && answer == nil:
		q.backOff = 0
		q.tellEnqueued(group, mark)
		q.adopt(group, mark)
	case err == nil && len(group) > 1:
		q.careful = group[len(group)-1] // which of them it refuses is not known
	case err == nil && group[0].step.accepts(answer):
		group[0].state = succeeded
		q.trim()
		q.tellEnded(group, Outcome{})
	case err == nil:
		group[0].state = refused
		q.tellEnded(group, Outcome{Error: answer})
	default:
		q.unanswered(group, base, err)
	}
}

// unanswered handles a request whose answer is not known, or that the node
// could not take now.
func (q *queue) unanswered(group []*item, base *Mark, err error) {
	n := q.node
	if errors.Is(err, ErrLost) {
		q.lose(group)
		return
	}
	if errors.Is(err, errBody) {
		n.opts.Logger.Error("the payload of an operation cannot be read", "node", n.opts.Node, "index", q.index,
			"op", group[0].step.Op, "error", err)
		q.trouble = true
	}
	var failure *node.Error
	if errors.As(err, &failure) && failure.Kind != node.KindStatus {
		if !failure.Unsent() {
			if !q.unsure {
				q.unsure, q.base = true, base
			}
			n.noteStray(q, group, base)
			for _, it := range group {
				it.attempt++
			}
		}
		n.suspectLocked()
	} else {
		q.trouble = true
	}
	q.backOff = min(max(2*q.backOff, minBackOff), maxBackOff)
	wait := q.backOff
	q.changed()
	n.mutex.Unlock()
	n.pause(wait)
	n.mutex.Lock()
}

// lose ends an item whose body is lost, or finds out which one it is.
func (q *queue) lose(group []*item) {
	if len(group) > 1 {
		q.careful = group[len(group)-1]
		return
	}
	group[0].state = succeeded
	q.trim()
	q.tellEnded(group, Outcome{Lost: true})
}

func (n *Node) suspectLocked() {
	n.mutex.Unlock()
	n.Suspect()
	n.mutex.Lock()
}

// changed tells the events without the lock.
func (q *queue) changed() {
	q.node.mutex.Unlock()
	q.node.opts.Events.Changed(q.node.opts.Node, q.index)
	q.node.mutex.Lock()
}

// adopt notes that the items are a task of the node.
func (q *queue) adopt(group []*item, mark Mark) {
	n := q.node
	if q.void {
		n.follow(q, mark)
		return
	}
	for _, it := range group {
		it.state = enqueued
	}
	if n.last != nil && mark.UID <= n.last.UID && after(mark, *n.last) {
		n.suspectLocked() // it counts anew: an older disk, or an empty one
	}
	n.seen(mark)
	n.ours(q.index, mark.UID)
	if d := n.pending[mark.UID]; d != nil { // taken up one by one after a restart
		d.items = append(d.items, group...)
	} else {
		n.pending[mark.UID] = &delivery{queue: q, items: group, mark: mark}
	}
	n.watch()
}

func (q *queue) tellEnqueued(group []*item, mark Mark) {
	n := q.node
	n.mutex.Unlock()
	defer n.mutex.Lock()
	for _, it := range group {
		n.opts.Events.Enqueued(n.opts.Node, q.index, it.step, mark)
	}
}

func (q *queue) tellEnded(group []*item, o Outcome) {
	n := q.node
	for _, it := range group {
		it.done = it.done || o.Error == nil
	}
	n.mutex.Unlock()
	defer n.mutex.Lock()
	for _, it := range group {
		n.opts.Events.Ended(n.opts.Node, q.index, it.step, o)
	}
}

// after says whether a task was enqueued later than another.
func after(m, other Mark) bool {
	at, then := parseTime(&m.EnqueuedAt), parseTime(&other.EnqueuedAt)
	return !then.IsZero() && at.After(then)
}
