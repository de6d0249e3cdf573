package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// sending is a request to a node under way.
type sending struct {
	part   part
	cancel context.CancelFunc
	alone  func() bool // keeps the read's end from canceling it
	came   chan reply
}

// reply is what came of it.
type reply struct {
	resp *node.Response
	took time.Duration
	err  error
}

// wait gives what its reply comes by.
func (q *sending) wait() <-chan reply {
	if q == nil {
		return nil
	}
	return q.came
}

// send sends the question to one node.
func (s *scatter) send(ctx context.Context, leg plan.Leg, whole bool) *sending {
	r, t := s.r, &s.tuning
	q := &sending{part: part{leg: leg, whole: whole, behind: r.behind(leg.Node, s.q.ix.Physical)}, came: make(chan reply, 1)}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.Timeout)
	q.cancel, q.alone = cancel, context.AfterFunc(ctx, cancel)
	client, ok := r.o.Client(leg.Node)
	if !ok {
		q.came <- reply{err: fmt.Errorf("node %s: %w", leg.Node, errAbsent)}
		return q
	}
	s.asked.Add(1)
	var body *node.Body
	if s.q.body != nil {
		body = node.JSON(s.q.body(leg, whole))
	}
	start := r.o.Now()
	t.Policy.Begin(leg.Node)
	r.breaker.begin(leg.Node)
	method, path := s.q.method, s.q.path
	go func() {
		resp, err := client.Call(own, method, path, body, t.MaxAnswer)
		q.came <- reply{resp, r.o.Now().Sub(start), err}
	}()
	return q
}

// understood makes sense of a node's reply.
func (s *scatter) understood(ctx context.Context, q *sending, came reply) outcome {
	q.alone()
	q.cancel()
	p := q.part
	if came.err == nil {
		p.status, p.body = came.resp.Status, came.resp.Body
		came.err = s.understand(&p)
	}
	how := plan.Dropped
	if errors.Is(context.Cause(ctx), errOutrun) {
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

// outrun leaves a request that another copy was faster than.
func (s *scatter) outrun(ctx context.Context, q *sending) {
	q.alone()
	patience := duplicatePatience * s.tuning.FailoverAfter
	adopted := s.r.duplicates.adopt(func(life context.Context) {
		defer context.AfterFunc(life, q.cancel)()
		defer time.AfterFunc(patience, q.cancel).Stop()
		s.unread(life, q, <-q.came)
	})
	if !adopted {
		q.cancel()
		s.unread(ctx, q, <-q.came)
	}
}

// unread learns from a reply that nobody waits for any more.
func (s *scatter) unread(life context.Context, q *sending, came reply) {
	q.cancel()
	how := plan.Outrun
	if life.Err() != nil {
		how = plan.Dropped
	}
	if came.err == nil && came.resp.Status >= http.StatusInternalServerError {
		came.err = fmt.Errorf("node %s: status %d", q.part.leg.Node, came.resp.Status)
	}
	s.learn(q.part.leg.Node, came, how)
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
