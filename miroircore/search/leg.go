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
	err     error // a refusal
}

func (o *outcome) whole() bool { return o.err == nil && o.missing.Len() == 0 }

func (o *outcome) release() { (&gathered{parts: o.parts}).release() }

// round is the legs of a plan under way at once.
type round struct {
	s      *scatter
	ctx    context.Context
	cancel context.CancelFunc
	tried  []string
	races  []race
	events chan event
	flying int // ways of answering under way
}

// race is a leg: its node, and once that has failed or is late other copies.
// Whichever answers first wins.
type race struct {
	leg    plan.Leg
	first  *sending // the request to the leg's node while it is waited for
	second bool     // other copies were asked, or there are none
	giveUp context.CancelCauseFunc
	best   *outcome
	over   bool
}

// event is what came of one way of answering for a leg's shards.
type event struct {
	leg int
	own bool // by the leg's own node
	outcome
}

// errOutrun is why other copies are given up: another was faster.
var errOutrun = errors.New("another copy was faster")

// legs gets the answers for the legs of a plan, each from its node, or where that
// fails or is silent from other copies.
func (s *scatter) legs(ctx context.Context, p plan.Plan, tried []string) ([]part, plan.Set, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f := &round{s: s, ctx: ctx, cancel: cancel, tried: tried, races: make([]race, len(p.Legs)), events: make(chan event, 2*len(p.Legs))}
	lone := true
	for i, leg := range p.Legs {
		f.races[i].leg = leg
		lone = lone && s.layout.Alone(leg)
	}
	if lone {
		f.ask(p.Whole)
	} else {
		f.run(p.Whole)
	}
	return f.result(p.Missing)
}

// ask asks nodes of which each is the only one that has its shards. There is
// nothing to watch meanwhile, so that the last is asked right here.
func (f *round) ask(whole bool) {
	last := len(f.races) - 1
	if last < 0 {
		return
	}
	for i := range last {
		f.flying++
		q := f.s.sending(f.races[i].leg, whole)
		go func() { f.events <- event{i, true, f.asked(q)} }()
	}
	own := f.asked(f.s.sending(f.races[last].leg, whole))
	f.races[last].best = &own
	for range last {
		e := <-f.events
		f.races[e.leg].best = &e.outcome
	}
}

func (f *round) asked(q *sending) outcome {
	ctx, cancel := context.WithTimeout(f.ctx, f.s.tuning.Timeout)
	defer cancel()
	o := f.s.understood(f.ctx, q, f.s.call(ctx, q))
	if o.err != nil {
		f.cancel() // one refusal is the answer
	}
	return o
}

// run asks the nodes and, where one fails or is late, other copies.
func (f *round) run(whole bool) {
	apart := context.WithoutCancel(f.ctx)
	var wait time.Duration
	var why string
	for i := range f.races {
		f.send(apart, i, whole)
		wait, why = f.s.patience()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	gone := f.ctx.Done()
	for f.flying > 0 {
		select {
		case e := <-f.events:
			f.came(e)
		case <-gone:
			gone = nil
			f.abandon()
		case <-timer.C:
			if f.ctx.Err() == nil && f.late(why) {
				timer.Reset(max(f.s.tuning.FailoverAfter-wait, time.Millisecond))
				why = "failover"
			}
		}
	}
}

// send asks a leg's node. The request may outlive the read, so that it does not
// end with the read's context by itself.
func (f *round) send(apart context.Context, i int, whole bool) {
	s := f.s
	q := s.sending(f.races[i].leg, whole)
	own, cancel := context.WithTimeout(apart, s.tuning.Timeout)
	q.cancel = cancel
	f.races[i].first = q
	f.flying++
	go func() {
		defer cancel()
		came := s.call(own, q)
		if q.state.CompareAndSwap(awaited, answered) {
			f.events <- event{i, true, s.understood(f.ctx, q, came)}
			return
		}
		s.unread(q, came)
	}()
}

// abandon ends the requests to the legs' nodes; those to other copies end with
// the context.
func (f *round) abandon() {
	for i := range f.races {
		if q := f.races[i].first; q != nil {
			q.cancel()
		}
	}
}

// late asks other copies for what has not been answered, and reports whether some
// of it has to wait for longer.
func (f *round) late(why string) (again bool) {
	for i := range f.races {
		switch r := &f.races[i]; {
		case r.over || r.second:
		case why == "hedge" && !f.s.mayHedge():
			again = true
		default:
			f.others(i, why)
		}
	}
	return again
}

// others asks other copies for a leg's shards.
func (f *round) others(i int, why string) {
	r, s := &f.races[i], f.s
	r.second = true
	avoid := append(slices.Clone(f.tried), r.leg.Node)
	p := s.cover(r.leg.Shards, avoid)
	if len(p.Legs) == 0 {
		return
	}
	s.r.o.Metrics.Extra(why)
	f.flying++
	ctx, giveUp := context.WithCancelCause(f.ctx)
	r.giveUp = giveUp
	go func() {
		defer giveUp(nil)
		parts, missing, err := s.legs(ctx, p, avoid)
		f.events <- event{i, false, outcome{parts, missing, err}}
	}()
}

// came takes what came of one way of answering.
func (f *round) came(e event) {
	f.flying--
	r := &f.races[e.leg]
	if e.own {
		r.first = nil
	}
	switch {
	case r.over:
		e.release()
	case e.whole() || e.err != nil:
		f.won(r, e.outcome)
	default:
		r.keep(e.outcome)
		if !r.second && f.ctx.Err() == nil {
			f.others(e.leg, "failover")
		}
	}
}

// won ends a race: who lost it is left alone. Other copies are canceled and
// waited for.
func (f *round) won(r *race, o outcome) {
	if r.best != nil {
		r.best.release()
	}
	r.best, r.over = &o, true
	if r.first != nil && f.s.leave(r.first) {
		f.flying--
		r.first = nil
	}
	if r.giveUp != nil {
		r.giveUp(errOutrun)
	}
	if o.err != nil {
		f.cancel() // one refusal is the answer
	}
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

// result joins what came of the legs.
func (f *round) result(missing plan.Set) ([]part, plan.Set, error) {
	parts := make([]part, 0, len(f.races))
	var refused error
	for i := range f.races {
		o := f.races[i].best
		if o.err != nil && refused == nil {
			refused = o.err
		}
		parts = append(parts, o.parts...)
		missing = union(missing, o.missing)
	}
	if refused != nil {
		(&gathered{parts: parts}).release()
		return nil, nil, refused
	}
	return parts, missing, nil
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
