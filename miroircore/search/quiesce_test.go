package search

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRule26OlderReadsAreWaitedForAndLaterOnesAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Options{})
		if err := r.Quiesce(t.Context()); err != nil {
			t.Fatalf("without reads: %v", err)
		}
		first, second := r.Begin(), r.Begin()
		done := make(chan error, 1)
		go func() { done <- r.Quiesce(t.Context()) }()
		synctest.Wait()
		later := r.Begin()
		first()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("an older read is under way, and Quiesce returned %v", err)
		default:
		}
		second()
		synctest.Wait()
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal("Quiesce waits for a read that began after it")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Quiesce(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("with a read that does not end: %v", err)
		}
		later()
		if err := r.Quiesce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(r.reads.open) != 0 {
			t.Errorf("reads are still counted: %v", r.reads.open)
		}
	})
}
