package rebalance

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
)

// The states of a reconciler: every shard is where it is wanted, shards are
// being moved, something is wanted that cannot be done now, an operator paused
// it, another gateway does it.
const (
	Idle      = "idle"
	Moving    = "moving"
	Waiting   = "waiting"
	Paused    = "paused"
	Elsewhere = "elsewhere"
)

// Report is what the reconciler is doing, for operators.
type Report struct {
	// State is one of the states of a reconciler.
	State string `json:"state"`
	Moves []Move `json:"moves"`
	// Leftover is how many shards may have documents on nodes that they are not
	// wanted on: they are deleted there.
	Leftover int `json:"leftover"`
	// Problems say in words what cannot be done, and what would be needed.
	Problems []string `json:"problems"`
}

// Move is what one node is being filled with of one index.
type Move struct {
	Index string `json:"index"`
	Node  string `json:"node"`
	// Shards is how many the node lacked when it began, Done how many of them it
	// has by now, Moving those under way and From where they come from.
	Shards int    `json:"shards"`
	Done   int    `json:"done"`
	Moving []int  `json:"moving"`
	From   string `json:"from,omitempty"`
	// Documents were copied so far, Rate of them a second.
	Documents int     `json:"documents"`
	Rate      float64 `json:"rate"`
	// SecondsLeft is how long the rest takes if it goes on like this.
	SecondsLeft *float64 `json:"secondsLeft,omitempty"`
}

type moveKey struct{ physical, node string }

type move struct {
	missing, done, copied int
	moving                []int
	from                  string
	began                 time.Time
}

// report is what Report is made from.
type report struct{ moves map[moveKey]*move }

// expect notes which copies of an index are missing.
func (r *Reconciler) expect(ix *index.Index, gaps []gap) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, m := range r.now.moves {
		if key.physical == ix.Physical {
			m.missing = 0
		}
	}
	for _, g := range gaps {
		key := moveKey{ix.Physical, g.node}
		m := r.now.moves[key]
		if m == nil {
			m = &move{}
			r.now.moves[key] = m
		}
		m.missing++
	}
}

// began notes a unit under way; the function it gives notes its end.
func (r *Reconciler) began(physical string, u unit) (ended func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.now.moves[moveKey{physical, u.target}]
	if m == nil {
		m = &move{}
		r.now.moves[moveKey{physical, u.target}] = m
	}
	if m.began.IsZero() {
		m.began = r.o.Now()
	}
	m.moving, m.from = u.shards, u.source
	r.figures()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		defer r.figures()
		m.moving, m.from = nil, ""
		if ix, ok := r.o.Catalog.ByPhysical(physical); ok {
			for _, shard := range u.shards {
				if ix.Placement.Holds(u.target, shard) {
					m.done++
					m.missing--
				}
			}
		}
	}
}

// copied adds what a round copied.
func (r *Reconciler) copied(physical string, u unit, p Progress) {
	r.o.Metrics.Filled(u.target, p.Copied, p.Deleted)
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.now.moves[moveKey{physical, u.target}]; m != nil {
		m.copied += p.Copied
	}
}

// idle forgets the moves that are over and sets the figures.
func (r *Reconciler) idle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, m := range r.now.moves {
		_, there := r.o.Catalog.ByPhysical(key.physical)
		if m.missing <= 0 && len(m.moving) == 0 || !there {
			delete(r.now.moves, key)
		}
	}
	maps.DeleteFunc(r.prepared, func(p preparation, _ prepared) bool {
		_, there := r.o.Catalog.ByPhysical(p.physical)
		return !there
	})
	r.figures()
}

// figures sets how much is left to do. r.mu is held.
func (r *Reconciler) figures() {
	missing, moving := 0, 0
	for _, m := range r.now.moves {
		missing += max(m.missing, 0)
		moving += len(m.moving)
	}
	r.o.Metrics.Pending(missing, moving, r.leftover())
}

func (r *Reconciler) leftover() (n int) {
	wanted := r.o.Wanted()
	for _, ix := range r.o.Catalog.List() {
		if wanted == nil || len(ix.Placement.Surplus) == 0 {
			continue
		}
		for _, shards := range r.situation(ix, wanted).leftovers() {
			n += len(shards)
		}
	}
	return n
}

// Report tells what is being done and what cannot be.
func (r *Reconciler) Report() Report {
	out := Report{State: Idle, Moves: []Move{}, Leftover: r.leftover(), Problems: []string{}}
	wanted := r.o.Wanted()
	if wanted == nil {
		return out
	}
	waits := false
	for _, ix := range r.unsettled(wanted) {
		s := r.situation(ix, wanted)
		waits = waits || !s.done()
		out.Problems = append(out.Problems, r.blocked(ix, s)...)
	}
	out.Problems = append(out.Problems, r.stranded()...)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.delays)) {
		out.Problems = append(out.Problems, fmt.Sprintf("%s: %v", strings.ReplaceAll(name, "/", " "), r.delays[name].err))
	}
	for key, m := range r.now.moves {
		if ix, ok := r.o.Catalog.ByPhysical(key.physical); ok && (m.missing > 0 || len(m.moving) > 0) {
			out.Moves = append(out.Moves, m.view(ix.UID, key.node, r.o.Now()))
		}
	}
	slices.SortFunc(out.Moves, func(a, b Move) int { return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Node, b.Node)) })
	switch {
	case r.paused:
		out.State = Paused
	case !r.holding:
		out.State = Elsewhere
	case waits && len(out.Problems) == 0, slices.ContainsFunc(out.Moves, func(m Move) bool { return len(m.Moving) > 0 }):
		out.State = Moving
	case waits:
		out.State = Waiting
	}
	return out
}

func (m *move) view(uid, id string, now time.Time) Move {
	v := Move{Index: uid, Node: id, Shards: m.done + max(m.missing, 0), Done: m.done, Moving: m.moving, From: m.from, Documents: m.copied}
	if v.Moving == nil {
		v.Moving = []int{}
	}
	if took := now.Sub(m.began).Seconds(); !m.began.IsZero() && took > 0 {
		v.Rate = float64(m.copied) / took
		if m.done > 0 {
			left := took / float64(m.done) * float64(m.missing)
			v.SecondsLeft = &left
		}
	}
	return v
}

// blocked says which copies of an index cannot be made now, and why.
func (r *Reconciler) blocked(ix *index.Index, s *situation) []string {
	why := make(map[string][]int)
	for _, g := range s.gaps() {
		switch {
		case len(g.sources) == 0:
			why["there is no copy in order to make it from: a node that has one must come back"] = append(why["there is no copy in order to make it from: a node that has one must come back"], g.shard)
		case !r.o.Up(g.node):
			why["node "+g.node+" does not answer"] = append(why["node "+g.node+" does not answer"], g.shard)
		}
	}
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		shards := why[reason]
		slices.Sort(shards)
		list = append(list, fmt.Sprintf("index %s: a copy of %s cannot be made: %s", ix.UID, shardNames(slices.Compact(shards)), reason))
	}
	return list
}

// stranded names the nodes that are out of order and hold only copies.
func (r *Reconciler) stranded() []string {
	held := make(map[string]int)
	for _, ix := range r.o.Catalog.List() {
		for _, id := range replicas(ix.Placement) {
			if !r.void(id) {
				continue
			}
			for _, g := range ix.Placement.Groups {
				for _, nodes := range g.Shards {
					if slices.Contains(nodes, id) {
						held[id]++
					}
				}
			}
		}
	}
	var list []string
	for _, id := range slices.Sorted(maps.Keys(held)) {
		list = append(list, fmt.Sprintf("node %s is not what it was, and has the only copy of %d shards: put its disk back, or run `caddy miroir node accept %s` to go on with what it has", id, held[id], id))
	}
	return list
}

func shardNames(shards []int) string {
	const most = 8
	var b strings.Builder
	b.WriteString("shards ")
	for i, shard := range shards {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(shards)-most)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, shard)
	}
	return b.String()
}

// stepOf is the kind of a step, of its name.
func stepOf(name string) string {
	kind, _, _ := strings.Cut(name, "/")
	return kind
}

// The states of a group: it has nothing yet, it is being filled, it has all but
// cannot serve all yet, it serves.
const (
	Initializing = "initializing"
	Syncing      = "syncing"
	SyncComplete = "sync complete"
	Active       = "active"
)

// GroupState says how far a group is.
func (r *Reconciler) GroupState(id string) string {
	wanted := r.o.Wanted()
	if wanted == nil {
		return Active
	}
	there, missing, serves := 0, 0, true
	for _, ix := range r.o.Catalog.List() {
		s := r.situation(ix, wanted)
		g, a := groupOf(s.wanted, id), groupOf(s.actual, id)
		if g == nil {
			continue
		}
		for shard, nodes := range g.Shards {
			serving := false
			for _, on := range nodes {
				if a == nil || !slices.Contains(a.Shards[shard], on) {
					missing++
					continue
				}
				there++
			}
			if a != nil {
				serving = slices.ContainsFunc(a.Shards[shard], s.readable)
			}
			serves = serves && serving
		}
	}
	switch {
	case missing > 0 && there == 0:
		return Initializing
	case missing > 0 && !serves:
		return Syncing
	case !serves:
		return SyncComplete
	default:
		return Active
	}
}
