package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

const (
	// compactStep is about how many bytes are brought forward at a time: appenders
	// wait so long at most.
	compactStep = 1 << 20
	// compactRest is for how many batches nothing is brought forward after that
	// failed, as on a full disk.
	compactRest = 256
)

// place says what a record is and where it lies in a batch.
func place(r Record, offset int64) placed {
	p := placed{kind: r.Kind, op: r.Op, size: frameSize(r), offset: offset}
	if r.Kind == whole {
		at := int64(frameHead + bodyHead)
		for _, inner := range unfold(r.Body) {
			if inner.Kind == Payload {
				p.payload = span{offset: at, size: frameSize(inner)}
			}
			at += frameSize(inner)
		}
	}
	return p
}

// unfold gives the records that a whole holds.
func unfold(body []byte) (records []Record) {
	for reader := bytes.NewReader(body); reader.Len() > 0; {
		r, _, err := readRecord(reader)
		if err != nil {
			return records // the checksum around them fits: they were written so
		}
		records = append(records, r)
	}
	return records
}

// wasteful says whether there is more that nothing needs any more than that
// something does, and old operations stand before it. It is called with the mutex
// held.
func (j *Journal) wasteful() bool {
	x := &j.index
	if j.resting > 0 || len(x.segments) < 3 || x.segments[0].open == 0 {
		return false
	}
	return x.size()-x.live > max(2*j.opts.SegmentSize, x.live)
}

// compact brings open operations of the oldest segment forward, so that it can
// go: each as one record, which stands for the earlier ones from when it is on the
// disk. Those are forgotten only then, so that it may end at any point.
func (j *Journal) compact() {
	b, err := j.forward()
	if err == nil {
		var at int64
		at, err = j.write(b, true)
		if err == nil {
			err = failpoint.Hit("journal.compacted")
		}
		j.mutex.Lock()
		if err == nil {
			j.current.size += int64(len(b.data))
			j.index.add(b.records, j.current, at)
		}
		drop := j.index.droppable(j.current)
		j.mutex.Unlock()
		if drop > 0 {
			j.drop()
		}
	}
	if err != nil {
		j.opts.Logger.Warn("old operations could not be brought forward in the journal, and are left for a while", "error", err)
		j.mutex.Lock()
		j.resting = compactRest
		j.mutex.Unlock()
	}
}

// forward reads operations of the oldest segment, the oldest first.
func (j *Journal) forward() (*batch, error) {
	if err := failpoint.Hit("journal.compact"); err != nil {
		return nil, err
	}
	j.mutex.Lock()
	oldest := j.index.segments[0]
	entries := make(map[uint64][]span)
	for op, e := range j.index.entries {
		if e.home == oldest {
			entries[op] = slices.Clone(e.records)
		}
	}
	j.mutex.Unlock()
	files := make(map[*segment]*os.File)
	defer func() {
		for _, file := range files {
			_ = file.Close() // it was only read
		}
	}()
	b := &batch{done: make(chan struct{})}
	for _, op := range slices.SortedFunc(maps.Keys(entries), cmp.Compare[uint64]) {
		body, err := gather(files, entries[op])
		if err != nil {
			return nil, fmt.Errorf("read operation %d: %w", op, err)
		}
		r := Record{Kind: whole, Op: op, Body: body}
		b.records = append(b.records, place(r, int64(len(b.data))))
		b.data = appendRecord(b.data, r)
		if len(b.data) >= compactStep {
			break
		}
	}
	return b, nil
}

// gather reads the records of one operation, one after the other.
func gather(files map[*segment]*os.File, records []span) ([]byte, error) {
	var body []byte
	for _, where := range records {
		file := files[where.segment]
		if file == nil {
			var err error
			if file, err = os.Open(where.segment.path); err != nil {
				return nil, err
			}
			files[where.segment] = file
		}
		raw := make([]byte, where.size)
		if _, err := file.ReadAt(raw, where.offset); err != nil {
			return nil, err
		}
		r, _, err := readRecord(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		if r.Kind == whole {
			raw = r.Body
		}
		body = append(body, raw...)
	}
	return body, nil
}
