package outbox

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Options configure the outbox of one node.
type Options struct {
	// Node is the id of the node, Client gives its client; false while the node
	// is not part of the fleet.
	Node   string
	Client func() (*node.Client, bool)
	Events Events
	Logger *slog.Logger
	// Last is the newest task known of the node; nil where none is.
	Last *Mark
	// Known are older tasks of operations that have not ended everywhere.
	Known []uint32
	// Stale says that the node's copies were already void before.
	Stale bool
	// Limit bounds the bytes that wait for the node, MaxSteps the steps; beyond
	// them what waits is given up and the node is stale. Without bound and
	// 500,000 if zero.
	Limit    int64
	MaxSteps int
	// MaxJoinBytes and MaxJoinSteps bound what is joined into one request;
	// 1 MiB and 1,000 if zero.
	MaxJoinBytes int64
	MaxJoinSteps int
	// MaxRefusals is how often the node may refuse what another copy could do
	// before it is left behind; 20 if zero.
	MaxRefusals int
	// StrayTime is how long a request without an answer is expected to turn up
	// late; 10 min if zero: a stopped server does what it was sent when it goes on.
	StrayTime time.Duration
	// Report is told of each answered or failed request; it may be nil.
	Report func(node string, err error)
}

const (
	maxBackOff = 2 * time.Second
	minBackOff = 20 * time.Millisecond
	// maxCheckBackOff is the most between two looks at a node that is away: its
	// writes wait for that.
	maxCheckBackOff = 500 * time.Millisecond
)

// Node is the outbox of one node. Its methods are safe for concurrent use.
type Node struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mutex   sync.Mutex
	cond    *sync.Cond
	queues  map[string]*queue
	pending map[uint32]*delivery
	known   map[uint32]bool // tasks that ended, of operations that had not
	last    *Mark
	bytes   int64
	suspect bool // a connection failed since the last known task was seen
	rolled  bool // the last known task is gone: an older disk was put back
	stale   bool // its copies are void
	checking,
	watching,
	closed bool
	poke      chan struct{} // wakes the watcher
	strays    []*stray
	wanderers []*wanderer
	flying    map[string]int // requests under way whose queue was dropped, by index
}

// New makes the outbox of a node and begins to look whether its last known task
// is still there.
func New(opts Options) *Node {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.MaxJoinBytes == 0 {
		opts.MaxJoinBytes = 1 << 20
	}
	if opts.MaxRefusals == 0 {
		opts.MaxRefusals = 20
	}
	if opts.StrayTime == 0 {
		opts.StrayTime = 10 * time.Minute
	}
	if opts.MaxSteps == 0 {
		opts.MaxSteps = 500_000
	}
	if opts.MaxJoinSteps == 0 {
		opts.MaxJoinSteps = 1000
	}
	n := &Node{opts: opts, queues: make(map[string]*queue), pending: make(map[uint32]*delivery),
		known: make(map[uint32]bool), flying: make(map[string]int), last: opts.Last, stale: opts.Stale, poke: make(chan struct{}, 1)}
	for _, uid := range opts.Known {
		n.known[uid] = true
	}
	n.cond = sync.NewCond(&n.mutex)
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.Suspect()
	return n
}

// Push puts steps behind all earlier ones of the index.
func (n *Node) Push(index string, steps ...*Step) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.stale && !n.closed {
		n.wg.Go(func() {
			for _, s := range steps {
				n.opts.Events.Ended(n.opts.Node, index, s, Outcome{Gone: true})
			}
		})
		return
	}
	q := n.queues[index]
	if q == nil {
		q = &queue{node: n, index: index}
		n.queues[index] = q
	}
	for _, s := range steps {
		it := &item{step: s}
		q.items = append(q.items, it)
		n.bytes += s.Size
		if s.Delivery != nil {
			q.adopt([]*item{it}, *s.Delivery)
		}
		q.unsure = q.unsure || s.Unsure
	}
	if n.opts.Limit > 0 && n.bytes > n.opts.Limit || len(q.items) > n.opts.MaxSteps {
		n.wg.Add(1)
		go n.giveUp()
		return
	}
	if !q.running && !n.closed {
		q.running = true
		n.wg.Add(1)
		go q.run()
	}
	n.cond.Broadcast()
}

// giveUp voids the node's copies: too much waits for it, so that it is cheaper
// to make them anew from its peers.
func (n *Node) giveUp() {
	defer n.wg.Done()
	n.mutex.Lock()
	if n.stale {
		n.mutex.Unlock()
		return
	}
	n.stale = true
	n.opts.Logger.Warn("too much waits for the node: its copies have to be rebuilt", "node", n.opts.Node, "bytes", n.bytes)
	dropped := n.dropAll()
	n.mutex.Unlock()
	n.ended(dropped)
}

// dropAll empties all queues and gives what was in them.
func (n *Node) dropAll() map[string][]*item {
	dropped := make(map[string][]*item)
	for index, q := range n.queues {
		dropped[index] = q.items
		q.items, q.rewind, q.careful, q.trouble, q.unsure = nil, nil, nil, false, false
	}
	n.bytes = 0
	clear(n.pending)
	n.cond.Broadcast()
	return dropped
}

func (n *Node) ended(dropped map[string][]*item) {
	for _, index := range slices.Sorted(maps.Keys(dropped)) {
		n.gone(index, dropped[index], Outcome{Gone: true})
	}
}

// gone tells that dropped items will never be done.
func (n *Node) gone(index string, dropped []*item, o Outcome) {
	for _, it := range dropped {
		if !it.done {
			n.opts.Events.Ended(n.opts.Node, index, it.step, o)
		}
	}
	n.opts.Events.Changed(n.opts.Node, index)
}

// GiveUp voids the node's copies: what waits for it is dropped, and so is what
// comes, until Revive.
func (n *Node) GiveUp() {
	n.wg.Add(1)
	n.giveUp()
}

// Revive takes writes again after the node's copies were made anew. Its tasks of
// before may be another's now: what they were to do is sent again.
func (n *Node) Revive() {
	n.mutex.Lock()
	n.stale, n.rolled = false, false
	n.last = nil
	for uid, d := range n.pending {
		delete(n.pending, uid)
		for _, it := range d.items {
			it.state = refused
			d.queue.fail(it, false)
		}
	}
	clear(n.known)
	n.strays, n.wanderers = nil, nil
	for _, q := range n.queues {
		q.unsure, q.base = false, nil
		for _, it := range q.items {
			it.step.Unsure = false
		}
	}
	n.mutex.Unlock()
	n.Suspect()
}

// Settle gives the verdict on a step that the node refused. Accepted, the
// operation failed everywhere and the outbox goes on behind it; otherwise
// another replica could do it, and this node tries again from there on.
func (n *Node) Settle(index string, s *Step, accepted bool) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	q := n.queues[index]
	if q == nil {
		return
	}
	for _, it := range q.items {
		if it.step != s || it.state != refused {
			continue
		}
		it.refusals++
		switch {
		case accepted:
			it.state = succeeded
			q.trim()
		case it.refusals < n.opts.MaxRefusals:
			q.fail(it, true)
		default:
			n.opts.Logger.Error("the node refuses what another copy could do: the index has to be resynchronised there",
				"node", n.opts.Node, "index", index, "op", s.Op)
			it.state = succeeded
			q.trim()
			q.tellEnded([]*item{it}, Outcome{Lost: true})
		}
		break
	}
	n.cond.Broadcast()
}

// Suspect says that a connection to the node failed: it gets nothing until its
// last known task was seen again.
func (n *Node) Suspect() {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	n.suspect = true
	if !n.checking && !n.closed {
		n.checking = true
		n.wg.Add(1)
		go n.check()
	}
}

// InOrder reports whether the node may be read for the index as far as its own
// state goes: it is known to be itself, and nothing that it should have done
// waits for a second try.
func (n *Node) InOrder(index string) bool {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.suspect || n.rolled || n.stale {
		return false
	}
	q := n.queues[index]
	return q == nil || q.rewind == nil && q.careful == nil && !q.trouble
}

// State describes the node for the operator.
type State struct {
	Waiting    int
	Bytes      int64
	Last       *Mark
	Suspect    bool
	RolledBack bool
	Stale      bool
}

// State gives what the outbox knows of the node.
func (n *Node) State() State {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	s := State{Bytes: n.bytes, Last: n.last, Suspect: n.suspect, RolledBack: n.rolled, Stale: n.stale}
	for _, q := range n.queues {
		s.Waiting += len(q.items)
	}
	return s
}

// Close stops sending. What is under way has until the context ends; what is
// left is found again by the journal.
func (n *Node) Close(ctx context.Context) {
	n.mutex.Lock()
	n.closed = true
	n.cond.Broadcast()
	n.mutex.Unlock()
	stop := context.AfterFunc(ctx, func() {
		n.mutex.Lock()
		n.cond.Broadcast()
		n.mutex.Unlock()
	})
	defer stop()
	n.mutex.Lock()
	for n.sending() && ctx.Err() == nil {
		n.cond.Wait()
	}
	n.mutex.Unlock()
	n.cancel()
	n.wg.Wait()
}

func (n *Node) sending() bool {
	for _, q := range n.queues {
		if q.sending {
			return true
		}
	}
	return false
}

// seen notes the newest task of the node.
func (n *Node) seen(m Mark) {
	if n.last == nil || m.UID > n.last.UID {
		n.last = &m
	}
}

// pause waits, unless the outbox is closed.
func (n *Node) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.ctx.Done():
		return false
	}
}
