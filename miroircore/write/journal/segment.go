package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// span is where a payload lies.
type span struct {
	segment *segment
	offset  int64
	size    int64
}

// index knows of each open operation where its header and payload lie.
type index struct {
	segments []*segment
	headers  map[uint64]*segment
	payloads map[uint64]span
}

func (x *index) init() {
	x.headers = make(map[uint64]*segment)
	x.payloads = make(map[uint64]span)
}

func (x *index) add(records []placed, s *segment, at int64) {
	for _, r := range records {
		switch r.kind {
		case Header:
			if x.headers[r.op] == nil {
				x.headers[r.op] = s
				s.open++
			}
		case Payload:
			x.payloads[r.op] = span{segment: s, offset: at + r.offset, size: r.size}
		case Closed:
			if home := x.headers[r.op]; home != nil {
				home.open--
				delete(x.headers, r.op)
				delete(x.payloads, r.op)
			}
		}
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
		if err := os.Remove(s.path); err != nil {
			j.opts.Logger.Warn("journal segment not removed", "segment", s.path, "error", err)
		}
	}
}

// Size is the number of bytes in all segments.
func (j *Journal) Size() int64 {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	var size int64
	for _, s := range j.index.segments {
		size += s.size
	}
	return size
}

// Open reports how many operations are not closed.
func (j *Journal) Open() int {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return len(j.index.headers)
}

// Payload reads the payload of an open operation back; nil where none was
// written.
func (j *Journal) Payload(op uint64) ([]byte, error) {
	j.mutex.Lock()
	where, ok := j.index.payloads[op]
	j.mutex.Unlock()
	if !ok {
		return nil, nil
	}
	file, err := os.Open(where.segment.path)
	if err != nil {
		return nil, fmt.Errorf("open a journal segment: %w", err)
	}
	defer file.Close()
	record, _, err := readRecord(io.NewSectionReader(file, where.offset, where.size))
	if err != nil {
		return nil, fmt.Errorf("read the payload of operation %d: %w", op, err)
	}
	return record.Body, nil
}

// Operation is what the journal knows of an operation that was not closed.
type Operation struct {
	Op         uint64
	Header     []byte
	HasPayload bool
	Bound      []byte
	Delivered  [][]byte
	Ended      [][]byte
	Finished   []byte
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
	var order []*Operation
	for _, path := range names {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), segmentSuffix), 10, 64)
		if err != nil {
			continue // not a segment's name
		}
		j.next = n + 1
		s := &segment{path: path}
		if err := j.readSegment(s, func(r Record) {
			o := found[r.Op]
			if o == nil {
				if r.Kind != Header {
					return // its header went with an earlier segment: it was closed
				}
				o = &Operation{Op: r.Op}
				found[r.Op] = o
				order = append(order, o)
			}
			o.apply(r)
			if r.Kind == Closed {
				delete(found, r.Op)
			}
		}); err != nil {
			return nil, err
		}
		j.index.segments = append(j.index.segments, s)
	}
	order = slices.DeleteFunc(order, func(o *Operation) bool { return found[o.Op] != o })
	return order, nil
}

func (o *Operation) apply(r Record) {
	switch r.Kind {
	case Header:
		o.Header = r.Body
	case Payload:
		o.HasPayload = true
	case Bound:
		o.Bound = r.Body
	case Delivered:
		o.Delivered = append(o.Delivered, r.Body)
	case Ended:
		o.Ended = append(o.Ended, r.Body)
	case Finished:
		o.Finished = r.Body
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
		j.index.add([]placed{{kind: r.Kind, op: r.Op, size: size}}, s, s.size)
		fn(r)
		s.size += size
	}
}
