package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
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
	step    *Step
	state   itemState
	attempt int
	done    bool // its end was told
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
	node     *Node
	index    string
	items    []*item
	running  bool
	sending  bool
	unsure   bool  // some item may have been sent without being noted
	base     *Mark // the newest task known before the first unsure send
	rewind   *item // wait for the enqueued ones, then send again from here on
	until    *item // the last of those that failed together
	careful  *item // send one by one until this one is past
	trouble  bool  // the node cannot do the item at the head
	diverged bool  // a duplicate ran out of order
	backOff  time.Duration
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
	for _, it := range group {
		it.state = enqueued
	}
	n.seen(mark)
	n.pending[mark.UID] = &delivery{queue: q, items: group, mark: mark}
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

var errBody = errors.New("no body")

// request sends the items. It gives the task, what the node refuses them with,
// or the error for lack of an answer.
func (q *queue) request(group []*item) (Mark, *meili.Error, error) {
	n := q.node
	client, ok := n.opts.Client()
	if !ok {
		return Mark{}, nil, &node.Error{Node: n.opts.Node, Kind: node.KindRefused, Err: errors.New("the node is not part of the fleet")}
	}
	body, err := joined(group)
	if err != nil {
		return Mark{}, nil, fmt.Errorf("%w: %w", errBody, err)
	}
	if err := failpoint.Hit("outbox.send"); err != nil {
		return Mark{}, nil, &node.Error{Node: n.opts.Node, Kind: node.KindRefused, Err: err}
	}
	s := group[0].step
	query := s.Query
	if s.Metadata {
		if query != "" {
			query += "&"
		}
		query += "customMetadata=" + url.QueryEscape(metadata(group))
	}
	path := s.Path
	if query != "" {
		path += "?" + query
	}
	ctx, cancel := context.WithTimeout(n.ctx, sendTime(body))
	defer cancel()
	summary, err := client.Enqueue(ctx, s.Method, path, body)
	if err == nil {
		err = lostAnswer()
	}
	if n.opts.Report != nil {
		n.opts.Report(n.opts.Node, err)
	}
	if err == nil {
		return Mark{UID: summary.TaskUID, EnqueuedAt: summary.EnqueuedAt}, nil, nil
	}
	var failure *node.Error
	if errors.As(err, &failure) && failure.Kind == node.KindStatus && refusedHere(failure.Answer, failure.Status) {
		answer := failure.Answer
		if answer == nil {
			answer = meili.NewError("bad_request", "The server answered with the status %d.", failure.Status)
		}
		return Mark{}, answer, nil
	}
	return Mark{}, nil, err
}

// lostAnswer lets a test lose the answer to a request that the node has taken.
func lostAnswer() error {
	if err := failpoint.Hit("outbox.answer"); err != nil {
		return &node.Error{Kind: node.KindCut, Err: err}
	}
	return nil
}

// joined puts the bodies of the items behind one another.
func joined(group []*item) (*node.Body, error) {
	if group[0].step.Body == nil {
		return nil, nil
	}
	first, err := group[0].step.Body()
	if err != nil || len(group) == 1 {
		return first, err
	}
	var all bytes.Buffer
	for i, it := range group {
		body := first
		if i > 0 {
			if body, err = it.step.Body(); err != nil {
				return nil, err
			}
		}
		reader := body.Open()
		_, err := io.Copy(&all, reader)
		if err = errors.Join(err, reader.Close()); err != nil {
			return nil, err
		}
	}
	return &node.Body{ContentType: first.ContentType, Length: int64(all.Len()),
		Open: func() io.ReadCloser { return io.NopCloser(bytes.NewReader(all.Bytes())) }}, nil
}

// sendTime is how long a request may take: long enough for its body on a slow
// line.
func sendTime(body *node.Body) time.Duration {
	d := 30 * time.Second
	if body != nil && body.Length > 0 {
		d += time.Duration(body.Length>>20) * time.Second
	}
	return d
}

// metadata names a request so that its task can be found again.
func metadata(group []*item) string {
	first, last := group[0], group[len(group)-1]
	return fmt.Sprintf("miroir/%d.%d-%d.%d/%d", first.step.Op, first.step.Number, last.step.Op, last.step.Number, first.attempt)
}

// span is what a task's metadata says.
type span struct {
	firstOp, lastOp         uint64
	firstNumber, lastNumber int
	attempt                 int
}

func parseMetadata(text *string) (span, bool) {
	var s span
	if text == nil || !strings.HasPrefix(*text, "miroir/") {
		return s, false
	}
	_, err := fmt.Sscanf(*text, "miroir/%d.%d-%d.%d/%d", &s.firstOp, &s.firstNumber, &s.lastOp, &s.lastNumber, &s.attempt)
	return s, err == nil
}

func (s span) covers(step *Step) bool {
	after := step.Op > s.firstOp || step.Op == s.firstOp && step.Number >= s.firstNumber
	before := step.Op < s.lastOp || step.Op == s.lastOp && step.Number <= s.lastNumber
	return after && before
}
