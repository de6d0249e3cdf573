package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// Status is what is known of a node's health.
type Status string

// The statuses: unknown until the first probes are over; up and down by
// probes; incompatible when the node answers but must not be used.
const (
	StatusUnknown      Status = "unknown"
	StatusUp           Status = "up"
	StatusDown         Status = "down"
	StatusIncompatible Status = "incompatible"
)

// State is what is known of one node.
type State struct {
	Status  Status
	Since   time.Time
	Version meili.Version
	// LastError says why the last probe failed; empty after a good one.
	LastError string

	failed, passed int
	next           time.Time
	probing        bool
	// answered says that the last probe was good: writes may go again.
	answered bool
}

// Tuning are the parts of Health that a reload may change.
type Tuning struct {
	// Interval is the pause between probes of a node that is up; one that is
	// down, or failed its last probe, is asked every second.
	Interval time.Duration
	// Fails takes a node down, Passes brings it back.
	Fails, Passes int
}

const (
	downInterval = time.Second
	probeTimeout = 3 * time.Second
	// giveUpAfter is how long the first probes of a node may take before the
	// gateway counts it as down and begins its work without it.
	giveUpAfter = 5 * time.Second
)

// HealthOptions are what Health works with.
type HealthOptions struct {
	Client func(id string) (*node.Client, bool)
	// Changed is called, outside of locks, when a node goes up or down, and
	// Answered after each probe that found it well: what it may have missed is
	// brought to it there, and where that fails it is tried again.
	Changed  func(id string, up bool)
	Answered func(id string)
	// Admit may refuse a node that answers, with the reason. It is asked at each
	// probe.
	Admit  func(ctx context.Context, c *node.Client) error
	Logger *slog.Logger
	Now    func() time.Time
}

// Health probes nodes and remembers what it saw. It is safe for concurrent use.
type Health struct {
	o    HealthOptions
	wake chan struct{}

	mu     sync.Mutex
	tuning Tuning
	nodes  map[string]*State
	ready  bool // once and for all
	probes sync.WaitGroup
}

// NewHealth makes a Health that knows no node yet.
func NewHealth(o HealthOptions) *Health {
	return &Health{o: o, wake: make(chan struct{}, 1), nodes: map[string]*State{}}
}

// Configure sets the nodes to probe and how. What is known of a node that was
// there before is kept.
func (h *Health) Configure(ids []string, t Tuning) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled() // before nodes are added of which nothing is known
	h.tuning = t
	kept := map[string]*State{}
	for _, id := range ids {
		if s, known := h.nodes[id]; known {
			kept[id] = s
		} else {
			kept[id] = &State{Status: StatusUnknown, Since: h.o.Now()}
		}
	}
	h.nodes = kept
	h.nudge()
}

func (h *Health) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Run probes until ctx ends and all probes are over.
func (h *Health) Run(ctx context.Context) {
	defer h.probes.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-h.wake:
		}
		timer.Reset(h.probeDue(ctx))
	}
}

// probeDue starts the probes that are due and gives the time until the next.
func (h *Health) probeDue(ctx context.Context) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now, pause := h.o.Now(), downInterval
	for id, s := range h.nodes {
		if s.probing {
			continue
		}
		if wait := s.next.Sub(now); wait > 0 {
			pause = min(pause, wait)
			continue
		}
		s.probing = true
		h.probes.Go(func() { h.probe(ctx, id) })
	}
	return max(pause, time.Millisecond)
}

func (h *Health) probe(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	client, ok := h.o.Client(id)
	if !ok {
		h.settle(id, func(s *State) { s.next = h.o.Now().Add(downInterval) })
		return
	}
	version, unfit, err := h.ask(ctx, id, client)
	if ctx.Err() == context.Canceled {
		h.settle(id, func(*State) {})
		return
	}
	h.record(id, version, unfit, err)
}

// ask asks a node how it is and what it is. The version is asked for each time,
// though it seldom changes: a node may have been replaced between two probes,
// and it is the cheapest request that tells whether the key is still accepted.
func (h *Health) ask(ctx context.Context, id string, client *node.Client) (version meili.Version, unfit, err error) {
	if err := client.Health(ctx); err != nil {
		return version, nil, err
	}
	v, err := client.Version(ctx)
	if err != nil {
		unfit, err = sorted(err)
		return version, unfit, err
	}
	if unfit := Compatible(v.PkgVersion); unfit != nil {
		return *v, unfit, nil
	}
	unfit, err = sorted(h.o.Admit(ctx, client))
	return *v, unfit, err
}

// sorted tells what makes a node unfit from a request that failed: a node that
// is slow to answer whose it is has not been refused.
func sorted(err error) (unfit, failed error) {
	if e, ok := errors.AsType[*node.Error](err); ok && e.Unreachable() {
		return nil, err
	}
	return err, nil
}

// settle ends a probe and applies what it found to the node, if it is still one.
func (h *Health) settle(id string, apply func(*State)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.nodes[id]; ok {
		s.probing = false
		apply(s)
	}
	h.nudge()
}

func (h *Health) record(id string, version meili.Version, unfit, err error) {
	var before, after Status
	well := err == nil && unfit == nil
	h.settle(id, func(s *State) {
		before = s.Status
		s.answered = well
		h.judge(s, version, unfit, err)
		after = s.Status
	})
	if well {
		h.o.Answered(id)
	}
	if before != after && after != "" {
		h.tell(id, after, unfit, err)
	}
}

// judge sets a node's state after a probe. The lock is held.
func (h *Health) judge(s *State, version meili.Version, unfit, err error) {
	now := h.o.Now()
	s.next = now.Add(h.tuning.Interval)
	status := s.Status
	switch {
	case err != nil:
		s.passed, s.LastError = 0, err.Error()
		s.failed++
		s.next = now.Add(downInterval)
		if s.failed >= h.tuning.Fails || s.Status == StatusUnknown && now.Sub(s.Since) >= giveUpAfter {
			status = StatusDown
		}
	case unfit != nil:
		s.failed, s.passed, s.LastError, s.Version = 0, 0, unfit.Error(), version
		s.next = now.Add(downInterval)
		status = StatusIncompatible
	default:
		s.failed, s.LastError, s.Version = 0, "", version
		s.passed++
		if s.Status != StatusDown || s.passed >= h.tuning.Passes {
			status = StatusUp
		} else {
			s.next = now.Add(downInterval)
		}
	}
	if status != s.Status {
		s.Status, s.Since = status, now
	}
}

// tell logs a change once and passes it on.
func (h *Health) tell(id string, status Status, unfit, err error) {
	switch status {
	case StatusUp:
		h.o.Logger.Info("node is up", "node", id)
	case StatusIncompatible:
		h.o.Logger.Error("node is refused", "node", id, "reason", unfit)
	default:
		h.o.Logger.Error("node is down", "node", id, "error", err)
	}
	h.o.Changed(id, status == StatusUp)
}

// State gives what is known of a node; the zero State of one it does not know.
func (h *Health) State(id string) State {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.nodes[id]; ok {
		return *s
	}
	return State{Status: StatusUnknown}
}

// Up tells whether a node is up.
func (h *Health) Up(id string) bool { return h.State(id).Status == StatusUp }

// Writable tells whether a node answered its last probe: it may be written to
// before it has proved itself well enough to be read.
func (h *Health) Writable(id string) bool {
	s := h.State(id)
	return s.answered || s.Status == StatusUp
}

// Failed tells that a request of the traffic did not reach the node, so that it
// is probed at once and not after its interval.
func (h *Health) Failed(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.nodes[id]; ok && s.Status == StatusUp && s.failed == 0 {
		s.next = time.Time{}
		h.nudge()
	}
}

// Ready tells whether each node was probed or given up on. It stays true: a
// node that a reload adds is no reason to stop answering.
func (h *Health) Ready() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.settled()
}

// settled is Ready with the lock held.
func (h *Health) settled() bool {
	if h.ready {
		return true
	}
	for _, s := range h.nodes {
		if s.Status == StatusUnknown && h.o.Now().Sub(s.Since) < giveUpAfter {
			return false
		}
	}
	h.ready = len(h.nodes) > 0
	return true
}
