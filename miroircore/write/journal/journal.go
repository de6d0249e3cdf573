// Package journal keeps the write operations that have not ended everywhere on
// the gateway's disk. Records are appended to segment files; many appenders
// share one sync. A segment goes when everything up to its end is closed; what
// is not closed for long is brought forward, so that it does not keep all that
// came after it.
package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// ErrFull is wrapped by every error of an append that the disk had no room
// for. Nothing of such an append stays.
var ErrFull = errors.New("the journal's disk is full")

// ErrClosed is the error of an append after Close.
var ErrClosed = errors.New("the journal is closed")

// Options configure a journal.
type Options struct {
	// Dir is the folder of the segments; it is made if missing.
	Dir string
	// SegmentSize is the length after which a new segment is begun; 16 MiB if
	// zero.
	SegmentSize int64
	// Logger hears of torn tails and failing disks; it may be nil.
	Logger *slog.Logger
	// Synced is told how many appends one sync made durable; it may be nil.
	Synced func(appends int)
	// BeforeDrop is called before segments are removed. What the closed
	// operations left elsewhere must be durable when it returns; an error
	// keeps the segments. It may be nil.
	BeforeDrop func() error
}

// Journal is an open journal. Its methods are safe for concurrent use.
type Journal struct {
	opts Options

	mutex   sync.Mutex // guards what follows
	wake    *sync.Cond
	batch   *batch
	closing bool
	index   index // which operations are open, and which segments they hold

	done chan struct{}

	// Owned by the goroutine that writes.
	current *segment
	next    uint64
	resting int // batches for which nothing is brought forward, since that failed
}

// batch is what the next write takes to the disk: records of many appenders.
type batch struct {
	data    []byte
	records []placed
	sync    bool
	appends int
	segment *segment // where it was written
	err     error
	done    chan struct{}
}

type placed struct {
	kind    Kind
	op      uint64
	size    int64
	offset  int64 // inside the batch's data
	payload span  // of a whole: where its payload lies inside it
}

// Ticket stands for one append.
type Ticket struct {
	journal *Journal
	batch   *batch
	err     error
}

// Open reads the journal in the folder and gives the operations that were
// never closed, in the order of their headers.
func Open(opts Options) (*Journal, []*Operation, error) {
	if opts.SegmentSize == 0 {
		opts.SegmentSize = 16 << 20
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the journal's folder: %w", err)
	}
	j := &Journal{opts: opts, done: make(chan struct{})}
	j.wake = sync.NewCond(&j.mutex)
	j.index.init()
	operations, err := j.recover()
	if err != nil {
		return nil, nil, err
	}
	go j.run()
	return j, operations, nil
}

// Append puts records behind all earlier ones. The order of appends is the
// order of calls; the ticket tells when they are on the disk.
func (j *Journal) Append(records ...Record) *Ticket { return j.append(false, records) }

// AppendSync is Append followed at once by the wish to have it durable, so that
// the sync begins before the caller waits for it.
func (j *Journal) AppendSync(records ...Record) *Ticket { return j.append(true, records) }

func (j *Journal) append(durable bool, records []Record) *Ticket {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.closing {
		return &Ticket{err: ErrClosed}
	}
	b := j.batch
	if b == nil {
		b = &batch{done: make(chan struct{})}
		j.batch = b
	}
	for _, r := range records {
		offset := int64(len(b.data))
		b.data = appendRecord(b.data, r)
		b.records = append(b.records, place(r, offset))
	}
	b.appends++
	b.sync = b.sync || durable
	j.wake.Signal()
	return &Ticket{journal: j, batch: b}
}

// Written waits until the append was given to the system, so that it can be read
// and outlives this process, if not the machine.
func (t *Ticket) Written() error {
	if t.err != nil {
		return t.err
	}
	<-t.batch.done
	return t.batch.err
}

// Durable waits until the append is on the disk. Its error means that nothing
// of the append will be found after a restart.
func (t *Ticket) Durable() error {
	if t.err != nil {
		return t.err
	}
	b, j := t.batch, t.journal
	j.mutex.Lock()
	if j.batch == b { // not yet taken by the writer
		b.sync = true
	}
	synced := b.sync
	j.mutex.Unlock()
	<-b.done
	if b.err != nil || synced {
		return b.err
	}
	// Written, not synced: a sync of anything later covers it, unless its
	// segment was given up in between.
	if err := j.append(true, nil).Durable(); err != nil {
		return err
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return b.segment.broken
}

// run writes batch after batch until the journal is closed. In between it brings
// operations forward, a little at a time.
func (j *Journal) run() {
	defer close(j.done)
	for {
		j.mutex.Lock()
		for j.batch == nil && !j.closing && !j.wasteful() {
			j.wake.Wait()
		}
		b := j.batch
		j.batch = nil
		if b == nil && j.closing {
			j.mutex.Unlock()
			return
		}
		durable := b != nil && b.sync
		forward := j.wasteful()
		j.mutex.Unlock()
		if b != nil {
			j.put(b, durable)
		}
		if forward {
			j.compact()
		}
	}
}

// put writes a batch and tells its appenders.
func (j *Journal) put(b *batch, durable bool) {
	at, err := j.write(b, durable)
	if durable && err == nil && j.opts.Synced != nil {
		j.opts.Synced(b.appends)
	}
	j.mutex.Lock()
	b.err, b.segment = err, j.current
	if err == nil {
		j.current.size += int64(len(b.data))
		j.index.add(b.records, j.current, at)
		j.resting = max(0, j.resting-1)
	}
	drop := j.index.droppable(j.current)
	close(b.done)
	j.mutex.Unlock()
	if drop > 0 {
		j.drop()
	}
}

// write puts a batch at the end of the current segment, or of a new one, and
// gives the offset where it lies.
func (j *Journal) write(b *batch, durable bool) (int64, error) {
	if j.current == nil || (j.current.size >= j.opts.SegmentSize && len(b.data) > 0) {
		if err := j.rotate(); err != nil {
			return 0, classify(err)
		}
	}
	s := j.current
	at := s.size
	err := failpoint.Hit("journal.write")
	if err == nil && len(b.data) > 0 {
		_, err = s.file.WriteAt(b.data, at)
	}
	if err == nil && durable {
		if err = failpoint.Hit("journal.sync"); err == nil {
			err = syncData(s.file)
		}
	}
	if err == nil {
		return at, nil
	}
	j.abandon(err)
	return 0, classify(err)
}

// abandon gives up the current segment after a failed write or sync: what the
// kernel did with the failed pages is unknown, so nothing more is written
// there, and the failed batch is cut off.
func (j *Journal) abandon(cause error) {
	s := j.current
	j.opts.Logger.Error("journal write failed", "segment", s.path, "error", cause)
	if err := s.file.Truncate(s.size); err != nil {
		j.opts.Logger.Error("journal segment could not be cut", "segment", s.path, "error", err)
	}
	if err := syncData(s.file); err != nil {
		j.opts.Logger.Error("journal segment could not be synced", "segment", s.path, "error", err)
		j.mutex.Lock()
		s.broken = classify(err)
		j.mutex.Unlock()
	}
	_ = s.file.Close() // nothing more is written to it
	s.file = nil
	j.current = nil
}

// rotate begins a new segment and makes its name durable.
func (j *Journal) rotate() error {
	if j.current != nil {
		if err := syncData(j.current.file); err != nil {
			j.abandon(err)
			return err
		}
		if err := j.current.file.Close(); err != nil {
			j.current = nil
			return err
		}
		j.current.file = nil
		j.current = nil
	}
	if err := failpoint.Hit("journal.rotate"); err != nil {
		return err
	}
	path := filepath.Join(j.opts.Dir, segmentName(j.next))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	j.next++
	if err := SyncDir(j.opts.Dir); err != nil {
		_ = file.Close()
		_ = os.Remove(path)
		return err
	}
	s := &segment{path: path, file: file}
	j.current = s
	j.mutex.Lock()
	j.index.segments = append(j.index.segments, s)
	j.mutex.Unlock()
	return nil
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Full says whether an error means that the disk has no room. A bound on the
// length of files is as good as a full disk.
func Full(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func classify(err error) error {
	if Full(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("write to the journal: %w", err)
}

// Close writes what was appended, syncs it and releases the files.
func (j *Journal) Close() error {
	last := j.append(true, nil)
	err := last.Durable()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	j.mutex.Lock()
	j.closing = true
	j.wake.Signal()
	j.mutex.Unlock()
	<-j.done
	if j.current != nil && j.current.file != nil {
		if closeErr := j.current.file.Close(); err == nil {
			err = closeErr
		}
	}
	if err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close the journal: %w", err)
	}
	return nil
}
