package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/search/hit"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// question is what is asked of the nodes of an index.
type question struct {
	ix     *index.Index
	shards plan.Set // nil means all
	method string
	path   string
	// body makes the request's body for a leg. whole says that the leg answers
	// for the whole index by itself.
	body func(leg plan.Leg, whole bool) []byte
	// read makes sense of an answer; an error means that the answer is no
	// answer and another copy has to be asked.
	read func(body []byte, whole bool) (*hit.Answer, error)
	// sticky asks the same copies each time, where the order of what they
	// answer may differ from copy to copy.
	sticky bool
}

// part is what one node answered.
type part struct {
	leg    plan.Leg
	whole  bool
	status int
	body   []byte
	answer *hit.Answer
}

// gathered is what all nodes answered.
type gathered struct {
	parts   []part
	missing plan.Set
	asked   int
	layout  *plan.Layout
}

func (g *gathered) release() {
	for _, p := range g.parts {
		if p.answer != nil {
			p.answer.Release()
		}
	}
}

func (g *gathered) answers() []*hit.Answer {
	list := make([]*hit.Answer, len(g.parts))
	for i := range g.parts {
		list[i] = g.parts[i].answer
	}
	return list
}

// refusal is a node's error that the client is to see: asking another copy
// would give the same.
type refusal struct{ err *meili.Error }

func (r *refusal) Error() string { return r.err.Error() }

// errAbsent is a node that does not know the index. The gateway does, so
// another copy is asked; only where all say so is it the answer.
var errAbsent = errors.New("the node does not have the index")

// scatter is one read under way.
type scatter struct {
	r      *Reader
	q      *question
	layout *plan.Layout
	tuning Tuning
	asked  atomic.Int32
	absent atomic.Bool
}

// gather asks the question of a covering set and gives the parts in the order
// of the plan.
func (r *Reader) gather(ctx context.Context, call Call, q *question) (*gathered, *meili.Error) {
	defer r.Begin()() // before the placement is looked at
	s := &scatter{r: r, q: q, layout: r.layout(q.ix), tuning: *r.tuning.Load()}
	own, cancel := detached(ctx, call)
	defer cancel()
	p := s.cover(q.shards, nil)
	parts, missing, err := s.legs(own, p, nil)
	if err != nil {
		return nil, s.refused(ctx, err)
	}
	g := &gathered{parts: parts, missing: missing, asked: int(s.asked.Load()), layout: s.layout}
	if missing.Len() == 0 {
		return g, nil
	}
	if ctx.Err() != nil {
		g.release()
		return nil, s.refused(ctx, ctx.Err())
	}
	if len(parts) == 0 && s.absent.Load() {
		return nil, meili.IndexNotFound(q.ix.UID)
	}
	if len(parts) == 0 || call.Unavailable == "error" {
		g.release()
		return nil, meili.NewError("miroir_unavailable_shards", "No copy of %s of index `%s` can be read.", shardList(missing), q.ix.UID)
	}
	return g, nil
}

func (s *scatter) refused(ctx context.Context, err error) *meili.Error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return index.Scrub(s.q.ix, r.err)
	}
	if ctx.Err() != nil { // the client is gone: nobody reads this
		return meili.NewError("internal", "The request was canceled.")
	}
	return meili.NewError("internal", "%v", err)
}

// cover plans for a set of shards without the nodes that were tried.
func (s *scatter) cover(shards plan.Set, tried []string) plan.Plan {
	physical := s.q.ix.Physical
	readable := func(id string) bool {
		if slices.Contains(tried, id) || !s.r.o.Readable(id, physical) {
			return false
		}
		_, ok := s.r.o.Client(id)
		return ok
	}
	want := plan.Want{Shards: shards, Readable: func(id string) bool { return readable(id) && s.r.breaker.allows(id) }}
	if !s.q.sticky {
		want.Rank = s.tuning.Policy.Rank
	}
	p := s.layout.Cover(want)
	if p.Missing.Len() > 0 && s.r.breaker.any() {
		// A node that failed lately is better than none.
		want.Readable = readable
		p = s.layout.Cover(want)
	}
	return p
}

// legs asks the legs of a plan at once.
func (s *scatter) legs(ctx context.Context, p plan.Plan, tried []string) ([]part, plan.Set, error) {
	missing := p.Missing
	if len(p.Legs) == 1 {
		parts, m, err := s.leg(ctx, p.Legs[0], p.Whole, tried)
		return parts, union(missing, m), err
	}
	type result struct {
		parts   []part
		missing plan.Set
		err     error
	}
	results := make([]result, len(p.Legs))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i, leg := range p.Legs {
		wg.Go(func() {
			r := &results[i]
			r.parts, r.missing, r.err = s.leg(ctx, leg, false, tried)
			if r.err != nil {
				cancel() // one refusal is the answer
			}
		})
	}
	wg.Wait()
	var parts []part
	var first error
	for _, r := range results {
		if _, refused := errors.AsType[*refusal](r.err); r.err != nil && (first == nil || refused) {
			first = r.err
		}
		parts = append(parts, r.parts...)
		missing = union(missing, r.missing)
	}
	if first != nil {
		(&gathered{parts: parts}).release()
		return nil, nil, first
	}
	return parts, missing, nil
}

func union(a, b plan.Set) plan.Set {
	if a == nil {
		return b
	}
	for i := range b {
		a[i] |= b[i]
	}
	return a
}

// outcome is how one way of answering for a leg's shards went.
type outcome struct {
	parts   []part
	missing plan.Set
	err     error
	other   bool // by other nodes than the leg's
}

func (o *outcome) whole() bool { return o.err == nil && o.missing.Len() == 0 }

// leg gets the answer for a leg's shards: from its node, or where that fails or
// is silent from other copies, whichever answers first.
func (s *scatter) leg(ctx context.Context, leg plan.Leg, whole bool, tried []string) ([]part, plan.Set, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan outcome, 2)
	go func() {
		p, err := s.ask(ctx, leg, whole)
		o := outcome{err: err}
		if err == nil {
			o.parts = []part{p}
		} else if _, refused := errors.AsType[*refusal](err); !refused {
			o.missing, o.err = slices.Clone(leg.Shards), nil
		}
		results <- o
	}()
	wait, why := s.patience()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var best outcome
	have, flying, second := false, 1, false
	other := func() {
		second = true
		avoid := append(slices.Clone(tried), leg.Node)
		p := s.cover(leg.Shards, avoid)
		if len(p.Legs) == 0 {
			return
		}
		s.r.o.Metrics.Extra(why)
		flying++
		go func() {
			parts, missing, err := s.legs(ctx, p, avoid)
			results <- outcome{parts, missing, err, true}
		}()
	}
	for flying > 0 {
		select {
		case o := <-results:
			flying--
			if o.whole() || o.err != nil {
				cancel()
				s.discard(results, flying, &best, have)
				return o.parts, o.missing, o.err
			}
			if !have || o.missing.Len() < best.missing.Len() {
				if have {
					(&gathered{parts: best.parts}).release()
				}
				best, have = o, true
			}
			if !second && ctx.Err() == nil {
				why = "failover"
				other()
			}
		case <-timer.C:
			if !second {
				if why == "hedge" && !s.r.hedge.take() {
					why = "failover"
					timer.Reset(max(s.tuning.FailoverAfter-wait, time.Millisecond))
					continue
				}
				other()
			}
		}
	}
	return best.parts, best.missing, nil
}

// discard waits for the ways that lost, which have been canceled, so that no
// goroutine outlives the request.
func (s *scatter) discard(results chan outcome, flying int, best *outcome, have bool) {
	if have {
		(&gathered{parts: best.parts}).release()
	}
	for range flying {
		o := <-results
		(&gathered{parts: o.parts}).release()
	}
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

// ask sends the question to one node.
func (s *scatter) ask(ctx context.Context, leg plan.Leg, whole bool) (part, error) {
	client, ok := s.r.o.Client(leg.Node)
	if !ok {
		return part{}, fmt.Errorf("node %s: %w", leg.Node, errAbsent)
	}
	s.asked.Add(1)
	r := s.r
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	var body *node.Body
	if s.q.body != nil {
		body = node.JSON(s.q.body(leg, whole))
	}
	start := r.o.Now()
	s.tuning.Policy.Begin(leg.Node)
	resp, err := client.Call(ctx, s.q.method, s.q.path, body, r.o.MaxAnswer)
	p := part{leg: leg, whole: whole}
	if err == nil {
		p.status, p.body = resp.Status, resp.Body
		err = s.understand(&p)
	}
	took := r.o.Now().Sub(start)
	_, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil || refused:
		s.tuning.Policy.End(leg.Node, took, false)
		r.breaker.success(leg.Node)
		r.hedge.observe(took)
		r.o.Metrics.Leg(leg.Node, map[bool]string{false: "ok", true: "refused"}[refused], took)
	case ctx.Err() != nil && node.KindOf(err) == node.KindCanceled:
		// Given up because another was faster, or the client left: slow at
		// worst, and it did take as long as that.
		s.tuning.Policy.End(leg.Node, took, false)
		r.o.Metrics.Leg(leg.Node, "canceled", took)
	default:
		s.tuning.Policy.End(leg.Node, took, true)
		if !errors.Is(err, errAbsent) {
			r.breaker.failure(leg.Node)
		}
		r.o.Metrics.Leg(leg.Node, "failed", took)
		r.o.Logger.LogAttrs(ctx, slog.LevelDebug, "node did not answer a read",
			slog.String("node", leg.Node), slog.String("index", s.q.ix.UID), slog.Any("error", err))
	}
	return p, err
}

// understand tells answers from refusals and from failures.
func (s *scatter) understand(p *part) error {
	switch {
	case p.status == http.StatusOK:
		if s.q.read == nil {
			return nil
		}
		a, err := s.q.read(p.body, p.whole)
		if err != nil {
			return fmt.Errorf("node %s: %w", p.leg.Node, err)
		}
		p.answer = a
		return nil
	case p.status >= 500 || p.status < 400:
		return fmt.Errorf("node %s: status %d", p.leg.Node, p.status)
	}
	switch p.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return fmt.Errorf("node %s: status %d", p.leg.Node, p.status)
	}
	var answer meili.Error
	if err := json.Unmarshal(p.body, &answer); err != nil || answer.Code == "" {
		return fmt.Errorf("node %s: status %d without an error", p.leg.Node, p.status)
	}
	if answer.Code == "index_not_found" {
		s.absent.Store(true)
		return fmt.Errorf("node %s: %w", p.leg.Node, errAbsent)
	}
	answer.Status = p.status
	return &refusal{&answer}
}
