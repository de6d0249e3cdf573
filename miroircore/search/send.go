package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// sending is a request to a node, under way or about to be.
type sending struct {
	part   part
	client *node.Client // nil where the node is not known any more
	body   *node.Body
	start  time.Time

	cancel context.CancelFunc
	state  atomic.Int32
	outrun atomic.Bool // it is canceled, if at all, because another copy was faster
	ended  func()      // tells who took it over that it has ended
}

// The states of a sending.
const (
	awaited  int32 = iota
	answered       // its reply has come while somebody waited for it
	left           // nobody waits for it any more
)

// reply is what came of it.
type reply struct {
	resp *node.Response
	took time.Duration
	err  error
}

// sending makes the question to one node ready to be sent.
func (s *scatter) sending(leg plan.Leg, whole bool) *sending {
	r := s.r
	q := &sending{part: part{leg: leg, whole: whole, behind: r.behind(leg.Node, s.q.ix.Physical)}}
	client, ok := r.o.Client(leg.Node)
	if !ok {
		return q
	}
	q.client = client
	s.asked.Add(1)
	if s.q.body != nil {
		q.body = node.JSON(s.q.body(leg, whole))
	}
	q.start = r.o.Now()
	s.tuning.Policy.Begin(leg.Node)
	r.breaker.begin(leg.Node)
	return q
}

// call sends it and waits for the reply.
func (s *scatter) call(ctx context.Context, q *sending) reply {
	if q.client == nil {
		return reply{err: fmt.Errorf("node %s: %w", q.part.leg.Node, errAbsent)}
	}
	resp, err := q.client.Call(ctx, s.q.method, s.q.path, q.body, s.tuning.MaxAnswer)
	return reply{resp, s.r.o.Now().Sub(q.start), err}
}

// understood makes sense of a node's reply. The context is the one of those who
// wait for it.
func (s *scatter) understood(ctx context.Context, q *sending, came reply) outcome {
	p := q.part
	if came.err == nil {
		p.resp = came.resp
		came.err = s.understand(&p)
	}
	how := plan.Dropped
	if q.outrun.Load() || errors.Is(context.Cause(ctx), errOutrun) {
		how = plan.Outrun
	}
	s.learn(p.leg.Node, came, how)
	if came.err == nil {
		return outcome{parts: []part{p}}
	}
	if _, refused := errors.AsType[*refusal](came.err); refused {
		return outcome{err: came.err}
	}
	return outcome{missing: slices.Clone(p.leg.Shards)}
}

// leave leaves a request that another copy was faster than, and reports whether
// it runs on for a while without the read: so it is known how long the node
// takes, and its connection stays.
func (s *scatter) leave(q *sending) bool {
	q.outrun.Store(true)
	if s.r.duplicates.adopt(q, duplicatePatience*s.tuning.FailoverAfter) {
		return true
	}
	q.cancel()
	return false
}

// unread learns from a reply that nobody waits for any more.
func (s *scatter) unread(q *sending, came reply) {
	how := plan.Outrun
	if s.r.duplicates.life.Err() != nil {
		how = plan.Dropped
	}
	if came.err == nil && came.resp.Status >= http.StatusInternalServerError {
		came.err = fmt.Errorf("node %s: status %d", q.part.leg.Node, came.resp.Status)
	}
	s.learn(q.part.leg.Node, came, how)
	came.resp.Release()
	q.ended()
}

// learn notes how a request to a node went; canceled is how it counts where it
// was given up.
func (s *scatter) learn(id string, came reply, canceled plan.Ending) {
	r, err := s.r, came.err
	_, refused := errors.AsType[*refusal](err)
	switch {
	case errors.Is(err, errAbsent) && came.resp == nil: // it was not sent
	case err == nil || refused:
		s.tuning.Policy.End(id, came.took, plan.Answered)
		r.breaker.success(id)
		r.hedge.observe(came.took)
		r.o.Metrics.Leg(id, map[bool]string{false: "ok", true: "refused"}[refused], came.took)
	case node.KindOf(err) == node.KindCanceled:
		s.tuning.Policy.End(id, came.took, canceled)
		r.o.Metrics.Leg(id, "canceled", came.took)
	default:
		s.tuning.Policy.End(id, came.took, plan.Failed)
		if !errors.Is(err, errAbsent) {
			r.breaker.failure(id)
		}
		if r.o.Report != nil {
			r.o.Report(id, err)
		}
		r.o.Metrics.Leg(id, "failed", came.took)
		r.o.Logger.Debug("node did not answer a read", "node", id, "index", s.q.ix.UID, "error", err)
	}
}

// understand tells answers from refusals and from failures.
func (s *scatter) understand(p *part) error {
	status := p.resp.Status
	switch {
	case status == http.StatusOK:
		if s.q.read == nil {
			return nil
		}
		a, err := s.q.read(p.resp.Body, p.whole)
		if err != nil {
			return fmt.Errorf("node %s: %w", p.leg.Node, err)
		}
		p.answer = a
		return nil
	case status >= 500 || status < 400:
		return fmt.Errorf("node %s: status %d", p.leg.Node, status)
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return fmt.Errorf("node %s: status %d", p.leg.Node, status)
	}
	var answer meili.Error
	if err := json.Unmarshal(p.resp.Body, &answer); err != nil || answer.Code == "" {
		return fmt.Errorf("node %s: status %d without an error", p.leg.Node, status)
	}
	if answer.Code == "index_not_found" {
		s.absent.Store(true)
		return fmt.Errorf("node %s: %w", p.leg.Node, errAbsent)
	}
	answer.Status = status
	return &refusal{&answer}
}
