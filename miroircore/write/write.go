// Package write brings every change to every replica: it gives each client
// write a place in the order of its index, keeps it on disk until it has ended
// everywhere, and says how it ended. A write that was answered 202 will be there.
package write

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/write/journal"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// Quorum says how many copies a write needs before it is acknowledged.
type Quorum string

// The quorums. In words: more than half of the copies of a shard in some group;
// one copy; every copy.
const (
	Majority Quorum = "majority"
	One      Quorum = "one"
	All      Quorum = "all"
)

// Metrics hears of what the write path does. Its methods must not block.
type Metrics interface {
	// Acknowledged is told of each accepted write and how long that took.
	Acknowledged(kind string, took time.Duration)
	// Ended is told of each task that ended.
	Ended(kind string, status meili.TaskStatus)
	// Synced is told how many appends one sync of the journal covered.
	Synced(appends int)
}

// Options are what a writer works with.
type Options struct {
	// Dir is the folder of the journal and of payloads too large for it.
	Dir     string
	Store   state.Store
	Catalog *index.Catalog
	Tasks   *task.Table
	// Nodes gives the client of a node, NodeUp whether its last probe was good,
	// Topology the wanted shape of the fleet, Probed whether each node was probed
	// or given up on since the start; always if nil.
	Nodes    func(id string) (*node.Client, bool)
	NodeUp   func(id string) bool
	Topology func() *cluster.Topology
	Probed   func() bool
	// Report is told how each request to a node went; it may be nil.
	Report func(id string, err error)
	// Features gives the experimental features that are on; it may be nil.
	Features func() meili.Features
	// Shards, Quorum and MaxLag are read anew for each operation.
	Shards func() int
	Quorum func() Quorum
	MaxLag func() time.Duration
	// Tuning is read anew whenever it matters; the defaults if nil.
	Tuning func() Tuning
	// OutboxLimit bounds the bytes that wait for one node; no limit if zero.
	OutboxLimit int64
	// MaxRefusals is how often a node may refuse what another copy could do before
	// it is left behind, to be resynchronised; 20 if zero.
	MaxRefusals int
	// StrayTime is how long a request to a node that was not answered is expected to
	// turn up late; 10 min if zero.
	StrayTime time.Duration
	// AckTime is how long a write may wait for its quorum before it is answered
	// 503 though it is still delivered; 30 s if zero. HoldTime is how long one
	// that has to wait for an earlier operation waits before it is acknowledged
	// from the gateway's disk; 1 s if zero.
	AckTime, HoldTime time.Duration
	Logger            *slog.Logger
	Metrics           Metrics
	Now               func() time.Time
}

// Defaults of a Tuning. Zero values mean these.
const (
	DefaultSettingsCheck  = 5 * time.Minute
	DefaultRepairAttempts = 5
	DefaultRepairPause    = time.Second
	DefaultKeyTime        = 24 * time.Hour
	DefaultMostKeys       = 1_000_000
)

// Tuning are the parts of a writer that a reload may change.
type Tuning struct {
	// Sequential has changes of settings go from node to node instead of to all
	// at once.
	Sequential bool
	// SettingsCheck is how often the settings on all nodes are compared with the
	// committed ones.
	SettingsCheck time.Duration
	// RepairAttempts is how often a node may come out of a repair with other
	// settings than it was given before writes to the index stop. RepairPause is
	// the pause before the second attempt; it doubles with each, up to a minute.
	RepairAttempts int
	RepairPause    time.Duration
	// KeyTime is how long an Idempotency-Key is remembered, MostKeys how many are.
	KeyTime  time.Duration
	MostKeys int
}

// withDefaults gives a copy in which every zero value is its default.
func (t Tuning) withDefaults() Tuning {
	t.SettingsCheck = cmp.Or(t.SettingsCheck, DefaultSettingsCheck)
	t.RepairAttempts = cmp.Or(t.RepairAttempts, DefaultRepairAttempts)
	t.RepairPause = cmp.Or(t.RepairPause, DefaultRepairPause)
	t.KeyTime = cmp.Or(t.KeyTime, DefaultKeyTime)
	t.MostKeys = cmp.Or(t.MostKeys, DefaultMostKeys)
	return t
}

// tuning is what is in force now.
func (w *Writer) tuning() Tuning {
	if w.opts.Tuning == nil {
		return Tuning{}.withDefaults()
	}
	return w.opts.Tuning().withDefaults()
}

// Call is what a write has to know of its request.
type Call struct {
	RequestID      string
	IdempotencyKey string
	// AllowIndexCreation says that the caller may make an index by writing to it.
	AllowIndexCreation bool
	// RejectBadDocuments answers a bad document at once instead of in the task.
	RejectBadDocuments bool
	CustomMetadata     *string
}

// Receipt is the answer to an accepted write.
type Receipt struct {
	Summary meili.TaskSummary
	// Name is the task's stable name.
	Name string
	// Degraded lists the groups and shards that missed their quorum, or is empty.
	Degraded string
	// Held says that the write waits for an earlier one, on the gateway's disk
	// alone: no node has it yet.
	Held bool
}

// Writer is the write path of a gateway. Its methods are safe for concurrent use.
type Writer struct {
	opts    Options
	log     *slog.Logger
	journal *journal.Journal
	spool   *document.Spool // where CSV goes as JSON
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	// seq orders the giving out of numbers and the appends to the journal. It is
	// taken before mutex, never after it.
	seq      sync.Mutex
	nextOp   uint64
	blockEnd uint64

	mutex    sync.Mutex
	closed   bool
	ops      map[uint64]*operation
	active   map[uint64]*operation // those that something may happen to soon
	over     []*operation          // they have ended everywhere, but are not closed
	endings  []*end                // outcomes that the journal does not have yet
	showing  bool                  // somebody waits for them
	byTask   map[uint32]*operation
	lines    map[string]*line
	boxes    map[string]*outbox.Node
	reserved map[string]bool // physical names of indexes that are being made
	out      map[place]*standing
	newest   map[string]uint64 // the last change of settings of each physical index
	marks    map[string]outbox.Mark
	stale    map[string]bool
	unkept   bool            // the store does not know which places have drifted
	frozen   map[string]bool // physical indexes that take no writes
	repairs  map[place]*repair
	keys     keyTable
	touched  touches
	haunted  map[string]bool // names of dropped indexes that a late request may make anew
}

// place is one index on one node.
type place struct{ node, physical string }

// standing is why a place may not be read.
type standing struct {
	// behind are operations that ended, or that others applied, without the
	// node: true when others applied them more than MaxLag ago.
	behind map[uint64]bool
	// drift says that its documents are not those they should be, settings that
	// its settings are not the committed ones.
	drift, settings bool
}

// Open starts a writer: it reads the journal, enters the tasks of operations
// that have not ended and goes on delivering them.
func Open(opts Options) (*Writer, error) {
	opts.fill()
	w := &Writer{opts: opts, log: opts.Logger, ops: make(map[uint64]*operation), active: make(map[uint64]*operation), byTask: make(map[uint32]*operation),
		lines: make(map[string]*line), boxes: make(map[string]*outbox.Node), reserved: make(map[string]bool),
		out: make(map[place]*standing), repairs: make(map[place]*repair), newest: make(map[string]uint64),
		touched: touches{make(map[string]time.Time), make(map[string]time.Time)}, marks: make(map[string]outbox.Mark), stale: make(map[string]bool), haunted: make(map[string]bool)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	var err error
	if w.spool, err = document.NewSpool(opts.Dir, math.MaxInt64); err != nil {
		return nil, err
	}
	if err := w.loadState(); err != nil {
		return nil, err
	}
	jopts := journal.Options{Dir: opts.Dir, Logger: opts.Logger, BeforeDrop: w.saveState}
	if opts.Metrics != nil {
		jopts.Synced = opts.Metrics.Synced
	}
	j, open, err := journal.Open(jopts)
	if err != nil {
		return nil, fmt.Errorf("open the write journal: %w", err)
	}
	w.journal = j
	if err := w.recover(open); err != nil {
		w.cancel()
		return nil, errors.Join(err, j.Close())
	}
	w.wg.Go(w.watchLag)
	w.wg.Go(w.watchSettings)
	w.wg.Go(w.watchNames)
	return w, nil
}

func (o *Options) fill() {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AckTime == 0 {
		o.AckTime = 30 * time.Second
	}
	if o.HoldTime == 0 {
		o.HoldTime = time.Second
	}
	if o.Quorum == nil {
		o.Quorum = func() Quorum { return Majority }
	}
	if o.MaxLag == nil {
		o.MaxLag = func() time.Duration { return time.Second }
	}
	if o.Probed == nil {
		o.Probed = func() bool { return true }
	}
	if o.Shards == nil {
		o.Shards = func() int { return 64 }
	}
	if o.Features == nil {
		o.Features = func() meili.Features { return meili.Features{} }
	}
	if o.NodeUp == nil {
		o.NodeUp = func(string) bool { return true }
	}
}

// Close stops taking writes, lets requests under way end while the context
// lasts, and makes everything durable. What was not delivered is delivered by
// the next Open.
func (w *Writer) Close(ctx context.Context) error {
	w.mutex.Lock()
	if w.closed {
		w.mutex.Unlock()
		return nil
	}
	w.closed = true
	boxes := make([]*outbox.Node, 0, len(w.boxes))
	for _, b := range w.boxes {
		boxes = append(boxes, b)
	}
	w.mutex.Unlock()
	var closing sync.WaitGroup
	for _, b := range boxes {
		closing.Go(func() { b.Close(ctx) })
	}
	closing.Wait()
	w.cancel()
	w.wg.Wait()
	w.flushTouches()
	w.closeOver()
	err := errors.Join(w.journal.Close(), w.saveState())
	if err != nil {
		return fmt.Errorf("close the writer: %w", err)
	}
	return nil
}

// box gives the outbox of a node, and makes it when the node is new. It is
// called with the mutex held.
func (w *Writer) box(id string) *outbox.Node {
	if b := w.boxes[id]; b != nil {
		return b
	}
	return w.makeBox(id, nil)
}

func (w *Writer) makeBox(id string, known []uint32) *outbox.Node {
	opts := outbox.Options{StrayTime: w.opts.StrayTime, Node: id, Events: w, Logger: w.log, Limit: w.opts.OutboxLimit, MaxRefusals: w.opts.MaxRefusals, Stale: w.stale[id], Report: w.opts.Report, Known: known,
		Client: func() (*node.Client, bool) { return w.opts.Nodes(id) }}
	if m, ok := w.marks[id]; ok {
		opts.Last = &m
	}
	b := outbox.New(opts)
	w.boxes[id] = b
	return b
}

// Suspect says that a connection to the node failed: it is neither read nor
// written to until its last known task was seen again.
func (w *Writer) Suspect(id string) {
	w.mutex.Lock()
	b := w.boxes[id]
	w.mutex.Unlock()
	if b != nil {
		b.Suspect()
	}
}

// must marshals what always can be.
func must(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
