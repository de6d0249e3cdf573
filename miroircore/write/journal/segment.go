package journal

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

const segmentSuffix = ".journal"

// segment is one file of records.
type segment struct {
	path string
	file *os.File // nil once nothing more is written to it
	size int64
	open int // operations whose header lies here and that are not closed
	// broken is why what was written here without a sync may be gone.
	broken error
}

func segmentName(n uint64) string { return fmt.Sprintf("%016d%s", n, segmentSuffix) }

// span is where a record lies.
type span struct {
	segment *segment
	offset  int64
	size    int64
}

// entry is what is known of an open operation.
type entry struct {
	home    *segment // where its header lies
	records []span
	payload span
	size    int64 // of all its records
}

// index knows of each open operation where its records lie.
type index struct {
	segments []*segment
	entries  map[uint64]*entry
	live     int64 // bytes that open operations take
}

func (x *index) init() { x.entries = make(map[uint64]*entry) }

func (x *index) add(records []placed, s *segment, at int64) {
	for _, r := range records {
		e := x.entries[r.op]
		switch {
		case r.kind == Closed:
			x.remove(r.op)
			continue
		case r.kind == whole:
			x.remove(r.op)
			e = x.enter(r.op, s)
			if r.payload.size > 0 {
				e.payload = span{segment: s, offset: at + r.offset + r.payload.offset, size: r.payload.size}
			}
		case e == nil && r.kind == Header:
			e = x.enter(r.op, s)
		case e == nil:
			continue // it is closed
		}
		where := span{segment: s, offset: at + r.offset, size: r.size}
		if r.kind == Payload {
			e.payload = where
		}
		e.records = append(e.records, where)
		e.size += r.size
		x.live += r.size
	}
}

func (x *index) enter(op uint64, home *segment) *entry {
	e := &entry{home: home, records: make([]span, 0, 6)}
	x.entries[op] = e
	home.open++
	return e
}

func (x *index) remove(op uint64) {
	if e := x.entries[op]; e != nil {
		e.home.open--
		x.live -= e.size
		delete(x.entries, op)
	}
}

// droppable counts the leading segments that hold no open operation. Only a
// prefix may go: a later segment may hold the end of an operation that an
// earlier one opens.
func (x *index) droppable(current *segment) int {
	n := 0
	for n < len(x.segments) && x.segments[n].open == 0 && x.segments[n] != current {
		n++
	}
	return n
}

// drop removes the leading segments that nothing needs any more.
func (j *Journal) drop() {
	if j.opts.BeforeDrop != nil {
		if err := j.opts.BeforeDrop(); err != nil {
			j.opts.Logger.Warn("journal segments kept", "error", err)
			return
		}
	}
	j.mutex.Lock()
	n := j.index.droppable(j.current)
	gone := slices.Clone(j.index.segments[:n])
	j.index.segments = slices.Delete(j.index.segments, 0, n)
	j.mutex.Unlock()
	for _, s := range gone {
		err := failpoint.Hit("journal.drop")
		if err == nil {
			err = os.Remove(s.path)
		}
		if err != nil {
			j.opts.Logger.Warn("journal segment not removed", "segment", s.path, "error", err)
		}
	}
}

// Size is the number of bytes in all segments.
func (j *Journal) Size() int64 {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.index.size()
}

func (x *index) size() (size int64) {
	for _, s := range x.segments {
		size += s.size
	}
	return size
}

// Open reports how many operations are not closed.
func (j *Journal) Open() int {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return len(j.index.entries)
}

// Payload reads the payload of an open operation back; nil where none was
// written.
func (j *Journal) Payload(op uint64) ([]byte, error) {
	for {
		j.mutex.Lock()
		var where span
		if e := j.index.entries[op]; e != nil {
			where = e.payload
		}
		j.mutex.Unlock()
		if where.size == 0 {
			return nil, nil
		}
		body, err := where.read()
		if errors.Is(err, fs.ErrNotExist) && j.elsewhere(op, where) {
			continue // it was brought forward meanwhile, or closed
		}
		if err != nil {
			return nil, fmt.Errorf("read the payload of operation %d: %w", op, err)
		}
		return body, nil
	}
}

func (j *Journal) elsewhere(op uint64, where span) bool {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	e := j.index.entries[op]
	return e == nil || e.payload != where
}

// read reads the body of the record.
func (s span) read() ([]byte, error) {
	file, err := os.Open(s.segment.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	record, _, err := readRecord(io.NewSectionReader(file, s.offset, s.size))
	return record.Body, err
}

// Operation is what the journal knows of an operation that was not closed.
type Operation struct {
	Op         uint64
	Header     []byte
	HasPayload bool
	// Content is the payload where it is small and there are not too many; nil
	// does not say that there is none.
	Content   []byte
	Bound     []byte
	Delivered [][]byte
	Ended     [][]byte
	Finished  []byte
}

// recover reads all segments. A segment is read up to its first damaged
// record: what follows one was never acknowledged.
func (j *Journal) recover() ([]*Operation, error) {
	names, err := filepath.Glob(filepath.Join(j.opts.Dir, "*"+segmentSuffix))
	if err != nil {
		return nil, fmt.Errorf("list the journal's segments: %w", err)
	}
	slices.Sort(names)
	found := make(map[uint64]*Operation)
	spare := room(mostContent)
	for _, path := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), segmentSuffix), 10, 64)
		if err != nil {
			continue // not a segment's name
		}
		j.next = n + 1
		s := &segment{path: path}
		if err := j.readSegment(s, func(r Record) {
			switch o := found[r.Op]; {
			case r.Kind == Closed:
				spare.drop(o)
				delete(found, r.Op)
			case r.Kind == Header || r.Kind == whole:
				spare.drop(o)
				o = &Operation{Op: r.Op}
				found[r.Op] = o
				o.apply(r, &spare)
			case o != nil: // else its header went with an earlier segment: it was closed
				o.apply(r, &spare)
			}
		}); err != nil {
			return nil, err
		}
		j.index.segments = append(j.index.segments, s)
	}
	// Numbers are given in the order of headers, which may have been brought forward.
	return slices.SortedFunc(maps.Values(found), func(a, b *Operation) int { return cmp.Compare(a.Op, b.Op) }), nil
}

// Payloads of up to smallContent bytes are kept from the one reading of the
// journal, up to mostContent in all: reading each one by itself again takes longer
// than all else.
const (
	smallContent = 64 << 10
	mostContent  = 64 << 20
)

// room is how many bytes of payloads may still be kept.
type room int

func (left *room) drop(o *Operation) {
	if o != nil {
		*left += room(len(o.Content))
	}
}

func (o *Operation) apply(r Record, spare *room) {
	switch r.Kind {
	case Header:
		o.Header = r.Body
	case Payload:
		o.HasPayload = true
		if size := room(len(r.Body)); size <= smallContent && size <= *spare {
			o.Content = r.Body
			*spare -= size
		}
	case Bound:
		o.Bound = r.Body
	case Delivered:
		o.Delivered = append(o.Delivered, r.Body)
	case Ended:
		o.Ended = append(o.Ended, r.Body)
	case Finished:
		o.Finished = r.Body
	case whole:
		for _, inner := range unfold(r.Body) {
			o.apply(inner, spare)
		}
	case Closed:
	}
}

func (j *Journal) readSegment(s *segment, fn func(Record)) error {
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("open a journal segment: %w", err)
	}
	defer file.Close()
	reader := bufio.NewReaderSize(file, 1<<20)
	for {
		r, size, err := readRecord(reader)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errTorn) {
			j.opts.Logger.Warn("journal segment ends in a torn record", "segment", s.path, "offset", s.size)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.path, err)
		}
		j.index.add([]placed{place(r, 0)}, s, s.size)
		fn(r)
		s.size += size
	}
}
