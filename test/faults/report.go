package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what a run found.
type report struct {
	Shape  string  `json:"shape"`
	Nodes  string  `json:"nodes"`
	Seed   uint64  `json:"seed"`
	Length seconds `json:"seconds"`

	Operations   map[string]int `json:"operations"`
	Acknowledged int            `json:"acknowledged"`
	Refused      int            `json:"refusedAttempts"`
	Repeated     int            `json:"repeatedAttempts"`
	Replayed     int            `json:"replayedWrites"`
	Searches     int            `json:"searches"`
	Resent       int            `json:"searchesSentAgainAtReload"`
	Faults       map[string]int `json:"faults"`

	Documents     int `json:"documents"`
	Tasks         int `json:"tasks"`
	Replicas      int `json:"replicas"`
	RightReplicas int `json:"replicasWithTheModelsDigest"`

	Steps      int `json:"stepsOfHistories"`
	Disordered int `json:"historiesWithoutAnOrder"`

	Lost           int `json:"lost"`
	Resurrected    int `json:"resurrected"`
	Diverged       int `json:"diverged"`
	Unended        int `json:"tasksWithoutFinalState"`
	Twice          int `json:"tasksWithTwoFinalStates"`
	FailedSearches int `json:"failedSearches"`
	Missed         int `json:"searchesWithMissingHits"`
	Behind         int `json:"searchesThatSaidTheyWereBehind"`

	LongestSearch      seconds `json:"longestSearch"`
	LongestPause       seconds `json:"longestWritePause"`
	SlowestWrite       seconds `json:"slowestWrite"`
	SlowestKind        string  `json:"slowestWriteKind"`
	PauseWithoutQuorum seconds `json:"longestPauseWithoutQuorum"`
	PauseAtGateway     seconds `json:"longestPauseWithGatewayKilled"`
	PauseFull          seconds `json:"longestPauseWithFullDisk"`
	GatewayAway        seconds `json:"gatewayKeptAway"`
	GatewayReady       seconds `json:"gatewayReadyAfter"`
	OrderAfterFault    seconds `json:"inOrderAfterAFault"`
	OrderAfterMaking   seconds `json:"inOrderAfterCopiesWereMade"`
	OrderInTheEnd      seconds `json:"inOrderInTheEnd"`

	Violations []string `json:"violations"`
	More       int      `json:"moreViolations"`
}

// seconds is a time that JSON shows as a number.
type seconds time.Duration

// MarshalJSON gives the seconds with milliseconds.
func (s seconds) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(s).Milliseconds()) / 1000)
}

func (s seconds) String() string { return round(time.Duration(s)).String() }

func (w *workload) report(s *schedule) *report {
	r := w.record
	pauses := r.pauses(w.began, w.ended)
	if w.opts.pause > 0 && pauses[""] > w.opts.pause {
		r.violate("no write was acknowledged for %s though a quorum lived", round(pauses[""]))
	}
	if w.opts.pause > 0 && r.slowest > w.opts.pause {
		r.violate("a write (%s) was acknowledged after %s though a quorum lived", r.slowestOf, round(r.slowest))
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	nodes := "double"
	if w.opts.node != "" {
		nodes = filepath.Base(w.opts.node)
	}
	v := w.verdict
	return &report{
		Shape: w.opts.shape.name, Nodes: nodes, Seed: w.opts.seed, Length: seconds(w.opts.length),
		Operations: r.operations, Acknowledged: len(r.acked), Refused: r.refused, Repeated: r.repeated, Replayed: r.replayed,
		Searches: r.searches, Resent: r.resent, Faults: s.done,
		Documents: v.documents, Tasks: v.tasks, Replicas: v.replicas, RightReplicas: v.right,
		Steps: v.steps, Disordered: v.disordered,
		Lost: v.lost, Resurrected: v.resurrected, Diverged: v.diverged, Unended: v.unended, Twice: r.twice,
		FailedSearches: r.failed, Missed: r.stale, Behind: r.behind,
		LongestSearch: seconds(r.longest), LongestPause: seconds(pauses[""]), SlowestWrite: seconds(r.slowest), SlowestKind: r.slowestOf,
		PauseWithoutQuorum: seconds(pauses[quorumAway]), PauseAtGateway: seconds(pauses[gatewayAway]), PauseFull: seconds(pauses[noRoom]),
		GatewayAway: seconds(s.awayFor), GatewayReady: seconds(s.readyIn),
		OrderAfterFault: seconds(s.orderIn), OrderAfterMaking: seconds(s.madeIn), OrderInTheEnd: seconds(w.quietAfter),
		Violations: r.violations, More: r.more,
	}
}

func (r *report) broken() bool { return len(r.Violations) > 0 }

// String is the report for people.
func (r *report) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-42s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("shape", "%s, nodes: %s", r.Shape, r.Nodes)
	line("seed", "%d, for %s", r.Seed, r.Length)
	line("writes acknowledged", "%d", r.Acknowledged)
	for _, what := range slices.Sorted(maps.Keys(r.Operations)) {
		line("  "+what, "%d", r.Operations[what])
	}
	line("attempts to write", "%d answered with an error, %d repeated, %d sent again under their key", r.Refused, r.Repeated, r.Replayed)
	line("searches and reads", "%d, %d sent again since a reload closed the connection", r.Searches, r.Resent)
	faults := 0
	for _, n := range r.Faults {
		faults += n
	}
	line("faults", "%d", faults)
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		line("  "+kind, "%d", r.Faults[kind])
	}
	line("documents in the end", "%d, tasks %d", r.Documents, r.Tasks)
	line("replicas of shards with the model's digest", "%d of %d", r.RightReplicas, r.Replicas)
	line("lost", "%d", r.Lost)
	line("resurrected", "%d", r.Resurrected)
	line("diverged", "%d", r.Diverged)
	line("tasks without a final state", "%d", r.Unended)
	line("tasks with two", "%d", r.Twice)
	line("histories without an order", "%d, of %d steps", r.Disordered, r.Steps)
	line("failed searches", "%d, the longest took %s", r.FailedSearches, r.LongestSearch)
	line("searches that missed what was applied", "%d, %d said that they may", r.Missed, r.Behind)
	line("longest write pause", "%s; slowest write %s (%s)", r.LongestPause, r.SlowestWrite, r.SlowestKind)
	line("  without a quorum", "%s", r.PauseWithoutQuorum)
	line("  with a full disk", "%s", r.PauseFull)
	line("  with the gateway killed", "%s, kept away for up to %s, ready %s after its start", r.PauseAtGateway, r.GatewayAway, r.GatewayReady)
	line("in order", "%s after a fault at most, %s after a node lost its disk, joined or left, %s in the end", r.OrderAfterFault, r.OrderAfterMaking, r.OrderInTheEnd)
	line("violations", "%d", len(r.Violations)+r.More)
	for _, text := range r.Violations {
		fmt.Fprintf(&b, "  %.1000s\n", text)
	}
	if r.More > 0 {
		fmt.Fprintf(&b, "  and %d more\n", r.More)
	}
	if r.broken() {
		line("again", "go run ./test/faults -for %s -shape %s -seed %d", time.Duration(r.Length), r.Shape, r.Seed)
	}
	return b.String()
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
