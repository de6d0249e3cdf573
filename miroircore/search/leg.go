package search

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// outcome is how one way of answering for a leg's shards went.
type outcome struct {
	parts   []part
	missing plan.Set
	err     error
}

func (o *outcome) whole() bool { return o.err == nil && o.missing.Len() == 0 }

func (o *outcome) release() { (&gathered{parts: o.parts}).release() }

// race is a leg under way: its node, and once that has failed or is late other
// copies. Whichever answers first wins.
type race struct {
	s     *scatter
	ctx   context.Context
	leg   plan.Leg
	tried []string

	first  *sending // nil once its reply has come
	others chan outcome
	flying int
	second bool // other copies were asked, or there are none
	best   *outcome
}

// errOutrun is why other copies are given up: another was faster.
var errOutrun = errors.New("another copy was faster")

// leg gets the answer for a leg's shards: from its node, or where that fails or
// is silent from other copies.
func (s *scatter) leg(ctx context.Context, leg plan.Leg, whole bool, tried []string) ([]part, plan.Set, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &race{s: s, ctx: ctx, leg: leg, tried: tried, others: make(chan outcome, 1), flying: 1}
	r.first = s.send(ctx, leg, whole)
	wait, why := s.patience()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for r.flying > 0 {
		var o outcome
		select {
		case came := <-r.first.wait():
			o = s.understood(ctx, r.first, came)
			r.first = nil
		case o = <-r.others:
		case <-timer.C:
			switch {
			case r.second || ctx.Err() != nil:
			case why == "hedge" && !s.mayHedge():
				why = "failover"
				timer.Reset(max(s.tuning.FailoverAfter-wait, time.Millisecond))
			default:
				r.ask(why)
			}
			continue
		}
		r.flying--
		if o.whole() || o.err != nil {
			r.end(cancel)
			return o.parts, o.missing, o.err
		}
		r.keep(o)
		if !r.second && ctx.Err() == nil {
			r.ask("failover")
		}
	}
	return r.best.parts, r.best.missing, nil
}

// ask asks other copies for the shards.
func (r *race) ask(why string) {
	r.second = true
	avoid := append(slices.Clone(r.tried), r.leg.Node)
	p := r.s.cover(r.leg.Shards, avoid)
	if len(p.Legs) == 0 {
		return
	}
	r.s.r.o.Metrics.Extra(why)
	r.flying++
	go func() {
		parts, missing, err := r.s.legs(r.ctx, p, avoid)
		r.others <- outcome{parts, missing, err}
	}()
}

// keep keeps the outcome that lacks the least.
func (r *race) keep(o outcome) {
	if r.best != nil && r.best.missing.Len() <= o.missing.Len() {
		o.release()
		return
	}
	if r.best != nil {
		r.best.release()
	}
	r.best = &o
}

// end leaves those who lost. A request to the leg's own node may run on for a
// while, so that it is known how long the node takes and its connection stays.
// Other copies are canceled and waited for.
func (r *race) end(cancel context.CancelCauseFunc) {
	if r.best != nil {
		r.best.release()
	}
	if r.first != nil {
		r.flying--
		r.s.outrun(r.ctx, r.first)
	}
	cancel(errOutrun)
	for range r.flying {
		o := <-r.others
		o.release()
	}
}

// mayHedge takes one of the hedges that are left, to this read and to all.
func (s *scatter) mayHedge() bool {
	return s.hedges.Add(1) <= hedgesPerRead && s.r.hedge.take()
}

// patience is how long to wait for a node before another copy is asked.
func (s *scatter) patience() (time.Duration, string) {
	if !s.tuning.NoHedge {
		s.r.hedge.earn(s.tuning.HedgeBudget)
		if d, ok := s.r.hedge.delay(); ok && d < s.tuning.FailoverAfter {
			return d, "hedge"
		}
	}
	return s.tuning.FailoverAfter, "failover"
}
