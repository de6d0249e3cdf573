package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, opts Options) (*Journal, []*Operation) {
	t.Helper()
	j, found, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, found
}

func reopen(t testing.TB, j *Journal, opts Options) (*Journal, []*Operation) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, opts)
}

func header(op uint64) Record {
	return Record{Kind: Header, Op: op, Body: fmt.Appendf(nil, "header %d", op)}
}

func TestRecoveryGivesOpenOperationsInOrder(t *testing.T) {
	opts := Options{Dir: t.TempDir()}
	j, found := open(t, opts)
	if len(found) != 0 {
		t.Fatalf("a new journal has %d operations", len(found))
	}
	for op := uint64(1); op <= 3; op++ {
		if err := j.AppendSync(header(op), Record{Payload, op, []byte("payload")}).Durable(); err != nil {
			t.Fatal(err)
		}
	}
	j.Append(Record{Bound, 1, []byte("bound")}, Record{Delivered, 1, []byte("d1")}, Record{Delivered, 1, []byte("d2")})
	j.Append(Record{Ended, 1, []byte("e")}, Record{Finished, 1, []byte("f")}, Record{Closed, 2, nil})
	j, found = reopen(t, j, opts)
	if len(found) != 2 || found[0].Op != 1 || found[1].Op != 3 {
		t.Fatalf("found %+v", found)
	}
	o := found[0]
	if string(o.Header) != "header 1" || string(o.Bound) != "bound" || len(o.Delivered) != 2 || len(o.Ended) != 1 || string(o.Finished) != "f" {
		t.Errorf("operation 1 is %+v", o)
	}
	if string(found[1].Content) != "payload" {
		t.Errorf("the payload that was read along is %q", found[1].Content)
	}
	payload, err := j.Payload(3)
	if err != nil || string(payload) != "payload" {
		t.Errorf("payload %q, error %v", payload, err)
	}
	if payload, err := j.Payload(2); payload != nil || err != nil {
		t.Errorf("a closed operation's payload: %q, %v", payload, err)
	}
}

func TestManyAppendersShareASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var appends, syncs int
		opts := Options{Dir: t.TempDir(), Synced: func(n int) { appends += n; syncs++ }}
		j, _ := open(t, opts)
		release := make(chan struct{})
		unset := failpoint.Set("journal.sync", func() error { <-release; return nil })
		defer unset()
		var wg sync.WaitGroup
		wg.Go(func() { _ = j.AppendSync(header(1)).Durable() })
		synctest.Wait() // the first sync is under way
		for op := uint64(2); op <= 100; op++ {
			wg.Go(func() {
				if err := j.AppendSync(header(op)).Durable(); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if appends != 100 || syncs != 2 {
			t.Errorf("%d appends in %d syncs", appends, syncs)
		}
		_ = j.Close()
	})
}

// Every cut of the last write leaves what was there before, and whole records
// only.
func TestTornTailIsTolerated(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, Options{Dir: dir})
	for op := uint64(1); op <= 3; op++ {
		if err := j.AppendSync(header(op)).Durable(); err != nil {
			t.Fatal(err)
		}
	}
	_ = j.Close()
	names, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	whole, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	size := len(whole) / 3
	for cut := range len(whole) {
		other := t.TempDir()
		for name, content := range map[string][]byte{"cut": whole[:cut], "zeroed": append(bytes.Clone(whole[:cut]), make([]byte, 100)...)} {
			if err := os.WriteFile(filepath.Join(other, segmentName(0)), content, 0o600); err != nil {
				t.Fatal(err)
			}
			j, found, err := Open(Options{Dir: other})
			if err != nil {
				t.Fatalf("%s at %d: %v", name, cut, err)
			}
			if len(found) != cut/size {
				t.Errorf("%s at %d: %d operations", name, cut, len(found))
			}
			if err := j.AppendSync(header(9)).Durable(); err != nil {
				t.Fatal(err)
			}
			_ = j.Close()
			again, found, err := Open(Options{Dir: other})
			if err != nil || len(found) != cut/size+1 {
				t.Errorf("%s at %d: after a restart %d operations, %v", name, cut, len(found), err)
			}
			_ = again.Close()
			if err := os.RemoveAll(other); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(other, 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestFullDiskLeavesNothingHalfDone(t *testing.T) {
	causes := map[string]error{"journal.write": syscall.ENOSPC, "journal.sync": syscall.EDQUOT, "journal.rotate": syscall.EFBIG}
	for point, cause := range causes {
		t.Run(point, func(t *testing.T) {
			opts := Options{Dir: t.TempDir(), SegmentSize: 1}
			j, _ := open(t, opts)
			if err := j.AppendSync(header(1)).Durable(); err != nil {
				t.Fatal(err)
			}
			unset := failpoint.Set(point, func() error { return cause })
			err := j.AppendSync(header(2)).Durable()
			unset()
			if !errors.Is(err, ErrFull) {
				t.Fatalf("error %v", err)
			}
			if err := j.AppendSync(header(3)).Durable(); err != nil {
				t.Fatalf("after the disk has room again: %v", err)
			}
			_, found := reopen(t, j, opts)
			if len(found) != 2 || found[0].Op != 1 || found[1].Op != 3 {
				t.Errorf("found %d operations", len(found))
			}
		})
	}
}

func TestSegmentsGoInOrderWhenAllIsClosed(t *testing.T) {
	var saved, allowed atomic.Bool
	opts := Options{Dir: t.TempDir(), SegmentSize: 1, BeforeDrop: func() error {
		saved.Store(true)
		if !allowed.Load() {
			return errors.New("not now")
		}
		return nil
	}}
	j, _ := open(t, opts)
	for op := uint64(1); op <= 4; op++ {
		if err := j.AppendSync(header(op)).Durable(); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		_ = j.AppendSync().Durable()
		names, _ := filepath.Glob(filepath.Join(opts.Dir, "*"+segmentSuffix))
		return len(names)
	}
	before := count()
	_ = j.AppendSync(Record{Closed, 2, nil}).Durable()
	if n := count(); n < before {
		t.Errorf("a segment went while an older one was needed")
	}
	_ = j.AppendSync(Record{Closed, 1, nil}).Durable()
	if n := count(); n < before || !saved.Load() {
		t.Errorf("a segment went though what it stands for was not saved")
	}
	allowed.Store(true)
	_ = j.AppendSync(Record{Closed, 3, nil}).Durable()
	_ = count()
	_ = count()
	if j.Open() != 1 {
		t.Errorf("%d operations are open", j.Open())
	}
	_, found := reopen(t, j, opts)
	if len(found) != 1 || found[0].Op != 4 {
		t.Errorf("found %d operations", len(found))
	}
}

// What was durable is found after any sequence of appends, failures and
// restarts, and what failed is not.
func TestJournalModel(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		opts := Options{Dir: filepath.Join(dir, fmt.Sprint(n)), SegmentSize: 200}
		j, _, err := Open(opts)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = j.Close() }()
		var live []uint64
		next := uint64(1)
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(rt *rapid.T) {
				body := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "body")
				if err := j.AppendSync(Record{Header, next, body}).Durable(); err != nil {
					rt.Fatal(err)
				}
				live = append(live, next)
				next++
			},
			"fail": func(rt *rapid.T) {
				point := rapid.SampledFrom([]string{"journal.write", "journal.sync"}).Draw(rt, "point")
				unset := failpoint.Set(point, func() error { return syscall.EIO })
				err := j.AppendSync(header(next)).Durable()
				unset()
				if err == nil {
					rt.Fatal("no error")
				}
				next++
			},
			"close": func(rt *rapid.T) {
				if len(live) == 0 {
					return
				}
				i := rapid.IntRange(0, len(live)-1).Draw(rt, "i")
				if err := j.AppendSync(Record{Closed, live[i], nil}).Durable(); err != nil {
					rt.Fatal(err)
				}
				live = slices.Delete(live, i, i+1)
			},
			"restart": func(rt *rapid.T) {
				if err := j.Close(); err != nil {
					rt.Fatal(err)
				}
				var found []*Operation
				if j, found, err = Open(opts); err != nil {
					rt.Fatal(err)
				}
				var ops []uint64
				for _, o := range found {
					ops = append(ops, o.Op)
				}
				if !slices.Equal(ops, live) {
					rt.Fatalf("found %v, want %v", ops, live)
				}
			},
		})
	})
}

func BenchmarkAppendSync(b *testing.B) {
	j, _ := open(b, Options{Dir: b.TempDir()})
	body := make([]byte, 600)
	for op := uint64(1); b.Loop(); op++ {
		if err := j.AppendSync(Record{Header, op, body}).Durable(); err != nil {
			b.Fatal(err)
		}
	}
}
