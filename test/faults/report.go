package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// report is what a run found.
type report struct {
	text       string
	violations []string
	// faults counts the faults that were made, writes the acknowledged writes.
	faults, writes, searches int
}

func (r *report) String() string { return r.text }

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
	out := &report{violations: r.violations, writes: len(r.acked), searches: r.searches}
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-42s %s\n", name, fmt.Sprintf(format, args...))
	}
	nodes := "the test double"
	if w.opts.node != "" {
		nodes = "real servers (" + filepath.Base(w.opts.node) + ")"
	}
	line("shape", "%s: %v nodes in groups, %d copies in each; %s", w.opts.shape.name, w.opts.shape.groups, w.opts.shape.copies, nodes)
	line("seed", "%d, for %s", w.opts.seed, w.opts.length)
	line("operations acknowledged", "%d", len(r.acked))
	for _, what := range slices.Sorted(maps.Keys(r.operations)) {
		line("  "+what, "%d", r.operations[what])
	}
	line("attempts to write answered with an error", "%d, repeated %d", r.refused, r.repeated)
	line("searches and reads", "%d", r.searches)
	for _, kind := range slices.Sorted(maps.Keys(s.done)) {
		out.faults += s.done[kind]
		line("fault: "+kind, "%d", s.done[kind])
	}
	v := w.verdict
	line("documents in the end", "%d, tasks %d", v.documents, v.tasks)
	line("replicas of shards with the model's digest", "%d of %d", v.right, v.replicas)
	line("lost", "%d", v.lost)
	line("resurrected", "%d", v.resurrected)
	line("diverged", "%d", v.diverged)
	line("failed searches", "%d", r.failed)
	line("reads that missed what was applied", "%d", r.stale)
	line("longest write pause", "%s; slowest write %s (%s)", round(pauses[""]), round(r.slowest), r.slowestOf)
	line("  without a quorum", "%s", round(pauses[quorumAway]))
	line("  with the gateway killed", "%s, kept away for up to %s, ready %s after its start", round(pauses[gatewayAway]), round(s.awayFor), round(s.readyIn))
	line("in order after the last fault", "%s", round(w.quietAfter))
	line("violations", "%d", len(r.violations)+r.more)
	for _, text := range r.violations {
		fmt.Fprintf(&b, "  %.1000s\n", text)
	}
	if r.more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", r.more)
	}
	out.text = b.String()
	return out
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
