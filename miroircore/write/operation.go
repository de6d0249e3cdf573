package write

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

// header is what the journal knows of an operation before any node does.
type header struct {
	Task     uint32          `json:"task"`
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`
	Type     meili.TaskType  `json:"type"`
	Indexes  []string        `json:"indexes,omitempty"`
	At       time.Time       `json:"at"`
	Metadata *string         `json:"metadata,omitempty"`
	Key      string          `json:"key,omitempty"`
	Hash     uint64          `json:"hash,omitempty"`
	Request  string          `json:"request,omitempty"`
	Create   bool            `json:"create,omitempty"`
	Details  json.RawMessage `json:"details,omitempty"`
	Params   json.RawMessage `json:"params,omitempty"`
}

// binding is what an operation was found to mean when its turn came.
type binding struct {
	Physical   string             `json:"physical,omitempty"`
	PrimaryKey string             `json:"primaryKey,omitempty"`
	Shards     int                `json:"shards,omitempty"`
	New        *cluster.Placement `json:"new,omitempty"` // the index is made by this operation
	Targets    []target           `json:"targets,omitempty"`
	Failure    *meili.Error       `json:"failure,omitempty"`
	Settings   json.RawMessage    `json:"settings,omitempty"` // logical ones to commit
	Version    uint64             `json:"version,omitempty"`  // of the settings before
	Previous   json.RawMessage    `json:"previous,omitempty"` // logical settings before
	Before     map[string]string  `json:"before,omitempty"`   // logical to physical, of a swap
	Had        []string           `json:"had,omitempty"`      // nodes that have the settings already

	placement *cluster.Placement
}

// target is one node's part of an operation.
type target struct {
	Node   string `json:"node"`
	Shards []int  `json:"shards,omitempty"`
	After  uint32 `json:"after,omitempty"` // the newest task known of the node then
	// Documents are the shards of which documents go to the node.
	Documents []int `json:"documents,omitempty"`

	steps    []*outbox.Step
	sent     int // steps that the node has enqueued
	done     int // steps that succeeded
	refusal  *meili.Error
	refused  *outbox.Step
	settled  bool // the refusal was accepted
	gone     bool // the node's copies are void
	lost     bool // nobody can send it to the node any more
	outcomes []outbox.Outcome
}

func (t *target) applied() bool { return !t.gone && !t.lost && t.done == len(t.steps) }
func (t *target) taken() bool   { return t.sent >= len(t.steps) || t.applied() }
func (t *target) over() bool    { return t.gone || t.lost || t.settled || t.applied() }

// progress is where an operation is on its way.
type progress uint8

const (
	sequenced  progress = iota // it has its number
	resolving                  // somebody finds out what it means
	bound                      // it is known what it means
	dispatched                 // the outboxes have it
	decided                    // its outcome is known
	ending                     // its end goes to the journal
	finished                   // its task has ended
)

// manner is how an operation goes along with others of its index.
type manner uint8

const (
	flowing manner = iota // behind any other, without waiting
	ordered               // behind pending changes of settings
	single                // when all before it have finished, with nothing behind it
)

// finish is how a task ended, as the journal keeps it.
type finish struct {
	Status  meili.TaskStatus `json:"status"`
	Details json.RawMessage  `json:"details,omitempty"`
	Error   *meili.Error     `json:"error,omitempty"`
	Started time.Time        `json:"started"`
	At      time.Time        `json:"at"`
}

// operation is one client write. Its fields are guarded by the writer's mutex
// once it is sequenced.
type operation struct {
	header
	op      uint64
	numbers uint64 // how many operation numbers it took
	action  action
	payload payload

	state   progress
	manner  manner
	durable bool
	bind    *binding
	startAt time.Time
	firstAt map[int]time.Time // when the first replica of a shard applied it
	touched []int             // shards; nil for an operation without an index
	needs   map[int]bool      // touched shards still without a quorum
	outcome finish
	acked   chan struct{} // closed when the quorum is reached
	ended   chan struct{} // closed when the task has ended
	isAcked bool
	stored  bool // its header is on the disk
	// canceling holds the operation back while its cancelation goes to the disk.
	canceling bool
	waiting   bool // it was acknowledged from the gateway's disk
	// internal says that no client knows of it: it has no task, and no restart
	// takes it up again.
	internal bool
}

// action is what one kind of operation does.
type action interface {
	// manner says how the operation goes along with those before it. It is
	// called with the writer's mutex held.
	manner(w *Writer, o *operation) manner
	// bind finds out what the operation means. It may take long.
	bind(w *Writer, o *operation) (*binding, error)
	// steps gives the requests for one node.
	steps(w *Writer, o *operation, t *target) []*outbox.Step
	// commit makes what succeeded known to the gateway itself, and gives the
	// details of the task. It can be run again.
	commit(w *Writer, o *operation) (json.RawMessage, error)
	// failed gives the details of a task that failed.
	failed(o *operation) json.RawMessage
}

// lasting is an action that keeps something when it failed, as the index that it
// made.
type lasting interface {
	commitFailed(w *Writer, o *operation) error
}

// line holds the operations of one logical uid that have not finished.
type line struct {
	uid       string
	ops       []*operation
	finishing bool
}

// enlist and strike enter an operation and take it out. They are called with the
// mutex held.
func (w *Writer) enlist(o *operation) { w.ops[o.op], w.active[o.op] = o, o }

func (w *Writer) strike(o *operation) {
	delete(w.ops, o.op)
	delete(w.active, o.op)
}

func (o *operation) indexUID() *string {
	if o.Type.Global() || len(o.Indexes) == 0 {
		return nil
	}
	return &o.Indexes[0]
}

func (o *operation) receipt() *Receipt {
	return &Receipt{Name: o.Name, Summary: meili.TaskSummary{TaskUID: o.Task, IndexUID: o.indexUID(), Status: meili.StatusEnqueued,
		Type: o.Type, EnqueuedAt: meili.FormatTime(o.At), CustomMetadata: o.Metadata}}
}

func (o *operation) target(node string) *target {
	i := slices.IndexFunc(o.bind.Targets, func(t target) bool { return t.Node == node })
	if i < 0 {
		return nil
	}
	return &o.bind.Targets[i]
}

// everyShard lists the shards from 0 on.
func everyShard(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// holders gives, for each node of a placement that holds one of the shards, the
// shards that it holds.
func holders(p *cluster.Placement, shards []int) []target {
	held := make(map[string][]int)
	var order []string
	for _, g := range p.Groups {
		for _, s := range shards {
			for _, id := range g.Shards[s] {
				if held[id] == nil {
					order = append(order, id)
				}
				held[id] = append(held[id], s)
			}
		}
	}
	slices.Sort(order)
	targets := make([]target, len(order))
	for i, id := range order {
		targets[i] = target{Node: id, Shards: held[id]}
	}
	return targets
}

// everyNode gives all nodes of the fleet, each with the shards that it holds.
func everyNode(t *cluster.Topology, p *cluster.Placement, shards int) []target {
	var targets []target
	if p != nil {
		targets = holders(p, everyShard(shards))
	}
	for _, g := range t.Groups {
		for _, n := range g.Nodes {
			if !slices.ContainsFunc(targets, func(t target) bool { return t.Node == n.ID }) {
				targets = append(targets, target{Node: n.ID})
			}
		}
	}
	return targets
}

func indexPath(physical, rest string) string { return "/indexes/" + physical + rest }

// onIndex begins the binding of an operation of an index that exists.
func onIndex(ix *index.Index) *binding {
	return &binding{Physical: ix.Physical, PrimaryKey: ix.PrimaryKey, Shards: ix.Shards, placement: ix.Placement}
}

func (o *operation) String() string {
	if o.internal {
		return fmt.Sprintf("operation %d (%s)", o.op, o.Kind)
	}
	return fmt.Sprintf("operation %d (%s, task %d)", o.op, o.Kind, o.Task)
}

// narrow takes nodes out of an operation on documents that have ceased to be
// replicas since it was bound: a copy that is made anew must not get what was
// meant for the one before. It is called with the mutex held.
func (w *Writer) narrow(o *operation) {
	switch o.Kind {
	case kindDocuments, kindDelete, kindDeleteAll, kindFilter, kindEdit:
	default:
		return
	}
	ix, ok := w.opts.Catalog.ByPhysical(o.bind.Physical)
	if !ok || o.bind.New != nil {
		return
	}
	for i := range o.bind.Targets {
		t := &o.bind.Targets[i]
		holds := func(s int) bool { return ix.Placement.Holds(t.Node, s) }
		if len(t.Shards) > 0 && !slices.ContainsFunc(t.Shards, holds) {
			t.gone = true
		}
	}
}
