package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// record gathers what a run sees. Its methods are safe for concurrent use.
type record struct {
	log func(format string, args ...any)

	mutex      sync.Mutex
	operations map[string]int
	searches   int
	failed     int           // searches, though a copy lived
	stale      int           // reads that did not show what had been applied
	resent     int           // reads whose connection a reload closed
	behind     int           // reads that said that they come from a copy that is behind
	longest    time.Duration // of the reads
	refused    int           // attempts to write that were answered with an error
	repeated   int
	replayed   int // acknowledged writes that were sent again
	acks       []time.Time
	acked      []acked
	tasks      []porcupine.Operation // from the first attempt of a write to its acknowledgement
	slowest    time.Duration         // of the writes while a quorum lived
	slowestOf  string
	newest     int64 // the largest uid that was acknowledged
	statuses   map[int64]sighting
	twice      int // tasks that were seen to end and then otherwise
	windows    []window
	violations []string
	more       int
}

// acked is a write that was acknowledged.
type acked struct {
	uid   int64
	what  string
	fails bool // its task has to fail
}

// window is a time in which no write can be acknowledged, and why.
type window struct {
	why      string
	from, to time.Time
}

const (
	gatewayAway = "gateway"
	quorumAway  = "quorum"
	noRoom      = "room"
)

// mayRefuse says whether a write may be answered with such an error: there is no
// quorum, or no room.
func (r *record) mayRefuse(a *answer) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	switch a.status {
	case http.StatusServiceUnavailable:
		return true // whether a quorum lived is seen by how long no write is acknowledged
	case http.StatusInsufficientStorage:
		return r.during(a.began, time.Now()) == noRoom
	}
	return false
}

// degraded says whether a read owns up to lacking something. It may come from a
// copy that is behind, where that is the last one.
func (r *record) degraded(a *answer) bool {
	header := a.header.Get("X-Miroir-Degraded")
	if header == "" {
		return false
	}
	r.mutex.Lock()
	r.behind++
	r.mutex.Unlock()
	if strings.Contains(header, "shards=") {
		r.violate("a read lacks shards though a copy lives: %s", header)
	}
	return true
}

func newRecord(log func(string, ...any)) *record {
	return &record{log: log, operations: make(map[string]int), newest: -1, statuses: make(map[int64]sighting)}
}

// violate notes a broken promise. Only the first ones are kept in words.
func (r *record) violate(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.log("VIOLATION %s", text)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	const most = 40
	if len(r.violations) == most {
		r.more++
		return
	}
	r.violations = append(r.violations, time.Now().Format("15:04:05.000 ")+text)
}

// count adds one to a figure.
func (r *record) count(n *int) {
	r.mutex.Lock()
	*n++
	r.mutex.Unlock()
}

// floor is the uid that a write begun now has to exceed.
func (r *record) floor() int64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.newest
}

// acknowledged notes a write that was answered 202.
func (r *record) acknowledged(what string, uid, floor int64, fails bool, began, first time.Time) {
	now := time.Now()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.operations[what]++
	r.acks = append(r.acks, now)
	r.acked = append(r.acked, acked{uid, what, fails})
	r.newest = max(r.newest, uid)
	r.tasks = append(r.tasks, porcupine.Operation{Input: uid, Call: began.UnixNano(), Return: now.UnixNano()})
	if took := now.Sub(first); took > r.slowest && r.during(first, now) == "" {
		r.slowest, r.slowestOf = took, what
	}
	if uid <= floor {
		r.mutex.Unlock()
		r.violate("uids do not grow: %s got task %d, but %d had been acknowledged before it began", what, uid, floor)
		r.mutex.Lock()
	}
}

// during says what made writes impossible in that time, or "". It is called
// with the mutex held.
func (r *record) during(from, to time.Time) string {
	for _, w := range r.windows {
		if w.from.Before(to) && (w.to.IsZero() || w.to.After(from)) {
			return w.why
		}
	}
	return ""
}

// open begins a window and gives what ends it.
func (r *record) open(why string) (end func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	i := len(r.windows)
	r.windows = append(r.windows, window{why: why, from: time.Now()})
	return func() {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		r.windows[i].to = time.Now()
	}
}

// sighting is a status that a task was seen with, and when.
type sighting struct {
	status string
	at     time.Time
}

// status notes the status of a task in an answer to a request that began then.
// A task that has ended stays as it is.
func (r *record) status(uid int64, status string, began time.Time) {
	r.mutex.Lock()
	was, known := r.statuses[uid]
	if !known || !final(was.status) {
		r.statuses[uid] = sighting{status, time.Now()}
	}
	r.mutex.Unlock()
	if final(was.status) && was.status != status && began.After(was.at) {
		r.count(&r.twice)
		r.violate("task %d was %s and is %s", uid, was.status, status)
	}
}

func final(status string) bool {
	return status == "succeeded" || status == "failed" || status == "canceled"
}

// pauses gives the longest times between acknowledgements, by what stood in
// their way.
func (r *record) pauses(from, to time.Time) map[string]time.Duration {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	longest := make(map[string]time.Duration)
	times := append(slices.Clone(r.acks), to)
	slices.SortFunc(times, time.Time.Compare)
	last := from
	for _, t := range times {
		if t.After(to) {
			break
		}
		why := r.during(last, t)
		longest[why] = max(longest[why], t.Sub(last))
		last = t
	}
	return longest
}
