package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// compared has the copies of an index that is in order compared by ids and
// versions, and gives how many documents a second were read, and p50 of searches
// meanwhile by p50 before and after.
func compared(real bool, documents int, args ...string) func(context.Context, *bench) (string, bool, error) {
	const passes = 2
	return func(ctx context.Context, b *bench) (string, bool, error) {
		t, err := b.startTrio(ctx, real, 2, false, lines(documents), args...)
		if err != nil {
			return "", false, err
		}
		defer t.stop()
		c := newClient(t.gateway.key, false)
		alone, err := pass(ctx, c, t.gateway.url)
		if err != nil {
			return "", false, err
		}
		ask := searchOf(t.gateway, t.gateway.url, query)
		if !real {
			ask = searchOf(t.gateway, t.gateway.url, brief)
		}
		before, err := turns(ctx, 1000, ask)
		if err != nil {
			return "", false, err
		}
		var read, seconds float64
		during, err := meanwhile(ctx, ask, func() error {
			for range passes {
				r, err := pass(ctx, c, t.gateway.url)
				if err != nil {
					return err
				}
				read, seconds = read+r.Documents, seconds+r.Seconds
			}
			return nil
		})
		if err != nil {
			return "", false, err
		}
		after, err := turns(ctx, 1000, ask)
		if err != nil {
			return "", false, err
		}
		quiet := (at(before[0], .5) + at(after[0], .5)) / 2
		rate, busy, p50 := alone.Documents/alone.Seconds, read/seconds, ratio(at(during, .5), quiet)
		return fmt.Sprintf("%.0f/s, %.2f × (%.0f/s beside searches, %v, %v; p99 %v, %v)", rate, p50, busy, micros(at(during, .5)), micros(quiet),
			micros(at(during, .99)), micros(at(before[0], .99))), rate >= 200_000 && p50 <= 1.1, nil
	}
}

// passed is what a pass over an index came to.
type passed struct {
	BeganAt                                time.Time
	Documents, Seconds, Skipped, Different float64
}

// pass has copies compared and waits until they are.
func pass(ctx context.Context, c *client, gateway string) (passed, error) {
	began := time.Now()
	if _, err := c.do(ctx, http.MethodPost, gateway+"/_miroir/check", jsonType, nil); err != nil {
		return passed{}, err
	}
	for ; ctx.Err() == nil; pause(20 * time.Millisecond) {
		answer, err := c.do(ctx, http.MethodGet, gateway+"/_miroir/check", jsonType, nil)
		if err != nil {
			return passed{}, err
		}
		var report struct{ Indexes []struct{ Fast *passed } }
		if err := json.Unmarshal(answer, &report); err != nil {
			return passed{}, err
		}
		if len(report.Indexes) == 0 || report.Indexes[0].Fast == nil || report.Indexes[0].Fast.BeganAt.Before(began) {
			continue
		}
		r := *report.Indexes[0].Fast
		if r.Skipped+r.Different > 0 {
			return r, errors.New("the copies were not all compared, or differed")
		}
		return r, nil
	}
	return passed{}, ctx.Err()
}
