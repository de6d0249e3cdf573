package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

const smallSegment = 4 << 10

// old opens operations that stay open, with all that an operation may have.
func old(t testing.TB, j *Journal, from, to uint64) {
	t.Helper()
	for op := from; op <= to; op++ {
		j.Append(header(op), Record{Payload, op, fmt.Appendf(nil, "payload %d", op)}, Record{Bound, op, []byte("bound")})
		if err := j.AppendSync(Record{Delivered, op, []byte("first")}).Durable(); err != nil {
			t.Fatal(err)
		}
	}
}

// traffic opens and closes operations, so many bytes of them.
func traffic(t testing.TB, j *Journal, op *uint64, size int) {
	t.Helper()
	body := bytes.Repeat([]byte("x"), 500)
	for written := 0; written < size; written += len(body) {
		*op++
		j.Append(header(*op), Record{Payload, *op, body})
		if err := j.AppendSync(Record{Closed, *op, nil}).Durable(); err != nil {
			t.Fatal(err)
		}
	}
}

// expectOld fails unless exactly the old operations are open, each with all that
// was said of it, in its order.
func expectOld(t testing.TB, found []*Operation, count int, delivered ...string) {
	t.Helper()
	if len(found) != count {
		t.Fatalf("%d operations are open, %d should be", len(found), count)
	}
	for i, o := range found {
		if o.Op != uint64(i+1) || string(o.Header) != fmt.Sprintf("header %d", o.Op) || !o.HasPayload || string(o.Bound) != "bound" {
			t.Fatalf("operation %d in place %d is %+v", o.Op, i, o)
		}
		if got := fmt.Sprintf("%s", o.Delivered); got != fmt.Sprint(delivered) {
			t.Fatalf("operation %d was delivered as %s, want %s", o.Op, got, delivered)
		}
	}
}

// files gives the number of segments and their bytes.
func files(t testing.TB, dir string) (count int, size int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return len(names), size
}

// A few operations that do not end keep no more on the disk than as much again as
// they take themselves, and some segments.
func TestOldOperationsDoNotKeepWhatCameAfter(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentSize: smallSegment}
	j, _ := open(t, opts)
	old(t, j, 1, 5)
	op := uint64(5)
	most := int64(0)
	for range 50 {
		traffic(t, j, &op, smallSegment)
		_, size := files(t, opts.Dir)
		most = max(most, size)
	}
	if most > 6*smallSegment {
		t.Errorf("%d bytes are kept for five operations", most)
	}
	for n := uint64(1); n <= 5; n++ {
		if got, err := j.Payload(n); err != nil || string(got) != fmt.Sprintf("payload %d", n) {
			t.Errorf("payload %d is %q, %v", n, got, err)
		}
		j.Append(Record{Delivered, n, []byte("second")})
	}
	traffic(t, j, &op, 10*smallSegment)
	if count := j.Open(); count != 5 {
		t.Errorf("%d operations are open", count)
	}
	j, found := reopen(t, j, opts)
	expectOld(t, found, 5, "first", "second")
	if got, err := j.Payload(3); err != nil || string(got) != "payload 3" {
		t.Errorf("after a restart the payload is %q, %v", got, err)
	}
	for n := uint64(1); n <= 5; n++ {
		j.Append(Record{Closed, n, nil})
	}
	traffic(t, j, &op, 2*smallSegment)
	_, found = reopen(t, j, opts)
	expectOld(t, found, 0)
}

// Whenever the process dies while operations are brought forward, the next one
// finds the same operations.
func TestADeathWhileOperationsAreBroughtForwardLosesNothing(t *testing.T) {
	for _, point := range []string{"journal.compact", "journal.write", "journal.sync", "journal.rotate", "journal.compacted", "journal.drop"} {
		t.Run(point, func(t *testing.T) {
			opts := Options{Dir: t.TempDir(), SegmentSize: smallSegment}
			j, _ := open(t, opts)
			old(t, j, 1, 40)
			var copies []string
			var mutex sync.Mutex
			unset := failpoint.Set(point, func() error {
				mutex.Lock()
				defer mutex.Unlock()
				if len(copies) < 40 {
					copies = append(copies, copyOf(t, opts.Dir))
				}
				return nil
			})
			op := uint64(40)
			traffic(t, j, &op, 20*smallSegment)
			unset()
			if len(copies) < 3 {
				t.Fatalf("the point was passed %d times", len(copies))
			}
			for _, dir := range copies {
				died, found, err := Open(Options{Dir: dir, SegmentSize: smallSegment})
				if err != nil {
					t.Fatal(err)
				}
				if n := len(found); n > 40 && found[40].Op > 40 {
					found = found[:40] // what was under way besides
				}
				expectOld(t, found, 40, "first")
				if got, err := died.Payload(17); err != nil || string(got) != "payload 17" {
					t.Errorf("the payload is %q, %v", got, err)
				}
				if err := died.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to, err := os.MkdirTemp(t.TempDir(), "died")
	if err == nil {
		err = os.CopyFS(to, os.DirFS(dir))
	}
	if err != nil {
		t.Error(err)
	}
	return to
}

// A disk that is too full to bring anything forward stops nothing, and is tried
// again later.
func TestWhatCannotBeBroughtForwardIsLeftForAWhile(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentSize: smallSegment}
	j, _ := open(t, opts)
	old(t, j, 1, 5)
	op := uint64(5)
	tried := 0
	unset := failpoint.Set("journal.compacted", func() error {
		tried++
		if tried == 1 {
			return syscall.ENOSPC
		}
		return nil
	})
	defer unset()
	traffic(t, j, &op, 10*smallSegment)
	_, full := files(t, opts.Dir)
	traffic(t, j, &op, 60*smallSegment)
	_ = j.Close()
	if _, size := files(t, opts.Dir); tried < 2 || size >= full {
		t.Errorf("tried %d times; there are %d bytes, %d before", tried, size, full)
	}
	_, found := open(t, opts)
	expectOld(t, found, 5, "first")
}

// An old operation that cannot be read stays where it is.
func TestAnOperationThatCannotBeReadIsNotMoved(t *testing.T) {
	opts := Options{Dir: t.TempDir(), SegmentSize: smallSegment}
	j, _ := open(t, opts)
	old(t, j, 1, 1)
	broken := errors.New("the disk cannot be read")
	unset := failpoint.Set("journal.compact", func() error { return broken })
	defer unset()
	op := uint64(1)
	traffic(t, j, &op, 10*smallSegment)
	_, found := reopen(t, j, opts)
	expectOld(t, found, 1, "first")
}

// BenchmarkTrafficPastAnOldOperation shows what bringing operations forward costs:
// appends of 600 bytes while 1,000 old operations stay open.
func BenchmarkTrafficPastAnOldOperation(b *testing.B) {
	for name, open := range map[string]uint64{"none": 0, "thousand": 1000} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			j, _, err := Open(Options{Dir: dir, SegmentSize: 1 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer j.Close()
			old(b, j, 1, open)
			body := make([]byte, 600)
			op := open
			for b.Loop() {
				op++
				j.Append(header(op), Record{Payload, op, body})
				if err := j.AppendSync(Record{Closed, op, nil}).Durable(); err != nil {
					b.Fatal(err)
				}
			}
			_, size := files(b, dir)
			b.ReportMetric(float64(size)/(1<<20), "MiB-kept")
		})
	}
}
