package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The kinds of faults.
const (
	killNode    = "kill -9 of a node"
	stopNode    = "SIGSTOP of a node"
	slowNode    = "slow connections"
	trickleNode = "narrow connections"
	cutNode     = "cut connections"
	refuseNode  = "refused connections"
	hangNode    = "silent connections"
	muteNode    = "answers cut off"
	killGateway = "kill -9 of the gateway"
	killBoth    = "kill -9 of the gateway, a node in trouble"
	twoNodes    = "two nodes in trouble"
	reload      = "reload of the configuration"
	reloadBoth  = "reload, a node in trouble"
	fullDisk    = "full disk of the gateway"
	emptyDisk   = "empty disk of a node"
	olderDisk   = "older disk of a node"
	newNode     = "a node joins and leaves, another in trouble"
)

var nodeFaults = []string{killNode, stopNode, slowNode, trickleNode, cutNode, refuseNode, hangNode, muteNode}

// names are what the command line calls the kinds.
var names = map[string]string{"kill": killNode, "stop": stopNode, "slow": slowNode, "cut": cutNode, "refuse": refuseNode,
	"hang": hangNode, "mute": muteNode, "trickle": trickleNode, "gateway": killGateway, "both": killBoth, "two": twoNodes,
	"reload": reload, "reloadboth": reloadBoth, "full": fullDisk,
	"empty": emptyDisk, "older": olderDisk, "join": newNode}

func kindsOf(list string) ([]string, error) {
	if list == "" {
		kinds := append(slices.Clone(nodeFaults), killGateway, killBoth, twoNodes, reload, reloadBoth, emptyDisk, olderDisk, newNode)
		if canFill {
			kinds = append(kinds, fullDisk)
		}
		return kinds, nil
	}
	var kinds []string
	for name := range strings.SplitSeq(list, ",") {
		kind, ok := names[strings.TrimSpace(name)]
		if !ok {
			return nil, fmt.Errorf("unknown kind of fault %q", name)
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}

// schedule makes faults, one after the other. The kinds come like cards of a
// shuffled deck, so that a short run has all of them as well.
type schedule struct {
	w      *workload
	fleet  *fleet
	record *record
	rng    *rand.Rand
	kinds  []string
	deck   []string
	long   bool // some faults last longer than a request may
	log    func(format string, args ...any)

	done    map[string]int
	readyIn time.Duration // the longest start of the gateway
	awayFor time.Duration // the longest time that it was kept away
	orderIn time.Duration // the longest time from the end of a fault until all was in order
	madeIn  time.Duration // the longest time until copies that were made anew were in order
	healed  time.Time     // when the last fault ended
	made    bool          // copies have to be made since then, which takes as long as there are documents
}

func newSchedule(w *workload) *schedule {
	return &schedule{w: w, fleet: w.fleet, record: w.record, rng: seeded(w.opts.seed, 1), kinds: w.opts.kinds, long: w.opts.length >= 45*time.Second,
		log: w.opts.log, done: make(map[string]int), healed: time.Now()}
}

func (s *schedule) run(ctx context.Context, length time.Duration) {
	for end := time.Now().Add(length); ; {
		if !sleep(ctx, time.Duration(100+s.rng.IntN(900))*time.Millisecond) {
			return
		}
		s.awaitOrder(ctx)
		if ctx.Err() != nil || time.Now().After(end) {
			return
		}
		if err := s.next(ctx); err != nil && ctx.Err() == nil {
			s.record.violate("%s", err)
		}
		s.healed = time.Now()
	}
}

// awaitOrder waits until every copy is read again: what is promised while a copy
// or a quorum lives is promised of such a fleet.
func (s *schedule) awaitOrder(ctx context.Context) {
	for {
		list, err := s.w.unread(ctx)
		if err == nil && len(list) == 0 {
			list, err = s.w.unmoved(ctx)
		}
		took := time.Since(s.healed)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			list = []string{err.Error()}
		case len(list) == 0:
			if s.made {
				s.made, s.madeIn = false, max(s.madeIn, took)
				return
			}
			s.orderIn = max(s.orderIn, took)
			if s.w.opts.back > 0 && took > s.w.opts.back {
				s.record.violate("in order again only %s after the last fault", round(took))
			}
			return
		}
		if limit := s.w.opts.quiet; took > limit && (!s.made || took > 4*limit) {
			s.orderIn = max(s.orderIn, took)
			s.record.violate("not in order %s after the last fault: %s", round(took), strings.Join(list, "; "))
			s.healed, s.made = time.Now(), false
			return
		}
		if !sleep(ctx, 50*time.Millisecond) {
			return
		}
	}
}

func (s *schedule) next(ctx context.Context) error {
	if len(s.deck) == 0 {
		s.deck = slices.Clone(s.kinds)
		s.rng.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	kind := s.deck[0]
	s.deck = s.deck[1:]
	s.done[kind]++
	length := time.Duration(300+s.rng.IntN(2700)) * time.Millisecond
	if s.long && s.rng.IntN(10) == 0 {
		length += 10 * time.Second
	}
	one := s.fleet.nodes[s.rng.IntN(len(s.fleet.nodes))]
	other := s.partner(one)
	plain := func() string { return nodeFaults[s.rng.IntN(len(nodeFaults))] }
	switch kind {
	case killGateway:
		return s.gateway(ctx, length)
	case killBoth:
		return s.during(ctx, one, plain(), func() error { return s.gateway(ctx, length) })
	case reload:
		return s.reload(ctx)
	case reloadBoth:
		return s.during(ctx, one, plain(), func() error {
			sleep(ctx, length/2)
			defer sleep(ctx, length/2)
			return s.reload(ctx)
		})
	case fullDisk:
		return s.fill(ctx, length)
	case emptyDisk:
		return s.wipe(ctx, one, length)
	case olderDisk:
		return s.turnBack(ctx, one, length)
	case newNode:
		return s.join(ctx, one, plain(), length)
	case twoNodes:
		defer s.withoutQuorum(ctx)()
		return s.during(ctx, one, plain(), func() error {
			sleep(ctx, time.Duration(s.rng.IntN(500))*time.Millisecond)
			return s.during(ctx, other, plain(), func() error { sleep(ctx, length); return nil })
		})
	}
	return s.during(ctx, one, kind, func() error { sleep(ctx, length); return nil })
}

// reload has the gateway take another configuration.
func (s *schedule) reload(ctx context.Context) error {
	started := time.Now()
	err := s.fleet.reload(ctx)
	s.log("fault: %s, which took %s", reload, round(time.Since(started)))
	return err
}

// fill leaves the gateway's disk no room, or a little.
func (s *schedule) fill(ctx context.Context, length time.Duration) error {
	defer s.record.open(noRoom)()
	most := int64(s.rng.IntN(2)) * s.rng.Int64N(4<<20)
	s.log("fault: %s, files end at %d", fullDisk, most)
	err := s.fleet.gateway.fill(most)
	if err == nil {
		sleep(ctx, length)
		s.log("healed: there is room again")
		err = s.fleet.gateway.fill(-1)
	}
	return err
}

// partner is a node that may be in trouble together with another one: a copy of
// everything is left.
func (s *schedule) partner(n *node) *node {
	var list []*node
	for _, other := range s.fleet.nodes {
		if other != n && other.group == n.group {
			list = append(list, other)
		}
	}
	return list[s.rng.IntN(len(list))]
}

// withoutQuorum notes that two of three copies are no longer there, until the
// gateway has seen that they are back. A second group is a quorum by itself.
func (s *schedule) withoutQuorum(ctx context.Context) func() {
	if len(s.fleet.shape.groups) > 1 {
		return func() {}
	}
	end := s.record.open(quorumAway)
	return func() {
		s.healed = time.Now()
		s.awaitOrder(ctx)
		end()
	}
}

// gateway kills the gateway and brings it back after a moment.
func (s *schedule) gateway(ctx context.Context, length time.Duration) error {
	away := min(length, time.Second)
	s.log("fault: %s for %s", killGateway, away)
	defer s.record.open(gatewayAway)()
	took, err := s.fleet.restartGateway(ctx, away)
	s.log("the gateway is ready after %s", took)
	s.readyIn, s.awayFor = max(s.readyIn, took), max(s.awayFor, away)
	return err
}

// during does something while a node is in trouble.
func (s *schedule) during(ctx context.Context, n *node, kind string, do func() error) error {
	s.log("fault: %s: %s", n.id, kind)
	var err error
	switch kind {
	case killNode:
		n.kill()
	case stopNode:
		err = n.signal(syscall.SIGSTOP)
	default:
		err = n.proxy.set(modes[kind])
	}
	if err == nil {
		err = do()
	}
	s.log("healed: %s", n.id)
	var healed error
	switch kind {
	case killNode:
		if healed = n.start(); healed == nil {
			healed = n.await(ctx, "/health", 30*time.Second)
		}
	case stopNode:
		healed = n.signal(syscall.SIGCONT)
	default:
		healed = n.proxy.set(pass)
	}
	if err == nil {
		err = healed
	}
	return err
}

var modes = map[string]mode{slowNode: slow, cutNode: cut, refuseNode: refuse, hangNode: hang, muteNode: mute, trickleNode: trickle}
