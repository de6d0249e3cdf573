package task

import (
	"math"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// row is what is kept in memory of every task: enough to filter and to count
// without reading records. It takes 28 bytes, and the place in heads four more.
type row struct {
	// enqueuedHigh and enqueuedLow are the nanoseconds of enqueuedAt in two
	// halves, since a whole one would be padded to 32 bytes.
	enqueuedHigh, enqueuedLow uint32
	// started and finished are whole milliseconds after enqueuedAt, plus one; 0
	// is none. Filters that need more look into the record.
	started, finished uint32
	batch             uint32 // plus one
	index             uint32 // number of the index's name plus one
	kind, status      uint8
	flags             uint8
}

const (
	present uint8 = 1 << iota
	// inexact: a time does not fit, so that the record has to be asked.
	inexact
)

func (r *row) enqueued() int64 { return int64(uint64(r.enqueuedHigh)<<32 | uint64(r.enqueuedLow)) }

func (r *row) setEnqueued(nanos int64) {
	r.enqueuedHigh, r.enqueuedLow = uint32(uint64(nanos)>>32), uint32(uint64(nanos))
}

func (r *row) finishedStatus() bool { return r.status >= statusSucceeded }

// Places of statuses in meili.TaskStatuses.
const (
	statusEnqueued = iota
	statusProcessing
	statusSucceeded
)

// offset gives the milliseconds plus one from the row's enqueuedAt to at.
func (r *row) offset(at time.Time) uint32 {
	if at.IsZero() {
		return 0
	}
	delta := nanos(at) - r.enqueued()
	millis := delta / int64(time.Millisecond)
	if delta < 0 || millis >= math.MaxUint32-1 {
		r.flags |= inexact
		return 1
	}
	return uint32(millis) + 1
}

// nanos gives a time in nanoseconds, or the nearest that can be counted so.
func nanos(at time.Time) int64 {
	switch {
	case at.Year() > 2261:
		return math.MaxInt64
	case at.Year() < 1679:
		return math.MinInt64
	}
	return at.UnixNano()
}

const (
	segmentBits = 12
	segmentSize = 1 << segmentBits
)

type segment struct {
	rows [segmentSize]row
	used int
}

// rows holds the rows by uid. A segment goes when its last row does.
type rows struct {
	segments []*segment
	count    int
}

func (r *rows) get(uid uint32) *row {
	at := int(uid >> segmentBits)
	if at >= len(r.segments) || r.segments[at] == nil {
		return nil
	}
	found := &r.segments[at].rows[uid%segmentSize]
	if found.flags&present == 0 {
		return nil
	}
	return found
}

// add gives the row of a uid that has none yet.
func (r *rows) add(uid uint32) *row {
	at := int(uid >> segmentBits)
	for at >= len(r.segments) {
		r.segments = append(r.segments, nil)
	}
	if r.segments[at] == nil {
		r.segments[at] = new(segment)
	}
	r.segments[at].used++
	r.count++
	made := &r.segments[at].rows[uid%segmentSize]
	*made = row{flags: present}
	return made
}

func (r *rows) remove(uid uint32) {
	at := int(uid >> segmentBits)
	if r.get(uid) == nil {
		return
	}
	r.segments[at].rows[uid%segmentSize] = row{}
	r.count--
	if r.segments[at].used--; r.segments[at].used == 0 {
		r.segments[at] = nil
	}
}

// each calls fn for every row, oldest or newest first, until it gives false.
// from may name the uid to begin at or shortly before it.
func (r *rows) each(oldestFirst bool, from *uint32, fn func(uid uint32, row *row) bool) {
	for i := range r.segments {
		at := i
		if !oldestFirst {
			at = len(r.segments) - 1 - i
		}
		seg := r.segments[at]
		if seg == nil || from != nil && skipped(at, *from, oldestFirst) {
			continue
		}
		for j := range segmentSize {
			place := j
			if !oldestFirst {
				place = segmentSize - 1 - j
			}
			found := &seg.rows[place]
			if found.flags&present != 0 && !fn(uint32(at<<segmentBits|place), found) {
				return
			}
		}
	}
}

// skipped says whether a segment lies wholly before from, in the order of walking.
func skipped(at int, from uint32, oldestFirst bool) bool {
	if oldestFirst {
		return at < int(from>>segmentBits)
	}
	return at > int(from>>segmentBits)
}

// names numbers the uids of indexes. A swap exchanges names and leaves the
// numbers in the rows alone, so that it costs nothing however many tasks there are.
type names struct {
	byNumber []string
	byName   map[string][]uint32 // several numbers once a rename met older tasks
	changed  map[uint32]bool     // not durable yet
}

func newNames() *names {
	return &names{byName: make(map[string][]uint32), changed: make(map[uint32]bool)}
}

// number gives the number of a name, making one where there is none.
func (n *names) number(name string) uint32 {
	if found := n.byName[name]; len(found) > 0 {
		return found[0]
	}
	made := uint32(len(n.byNumber))
	n.byNumber = append(n.byNumber, name)
	n.byName[name] = []uint32{made}
	n.changed[made] = true
	return made
}

// put enters a name that was read from the store.
func (n *names) put(number uint32, name string) {
	for int(number) >= len(n.byNumber) {
		n.byNumber = append(n.byNumber, "")
	}
	n.byNumber[number] = name
	n.byName[name] = append(n.byName[name], number)
}

func (n *names) swap(a, b string) {
	ofA, ofB := n.byName[a], n.byName[b]
	for _, number := range ofA {
		n.byNumber[number] = b
		n.changed[number] = true
	}
	for _, number := range ofB {
		n.byNumber[number] = a
		n.changed[number] = true
	}
	n.byName[a], n.byName[b] = ofB, ofA
}

func statusName(number uint8) meili.TaskStatus { return meili.TaskStatuses[number] }
func kindName(number uint8) meili.TaskType     { return meili.TaskTypes[number] }
