package adopt

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// side is one of the two servers. What fails for a reason that passes is tried
// again for some time.
type side struct {
	*node.Client
	name     string
	patience time.Duration
	tell     func(Event)
}

const (
	callTimeout  = 2 * time.Minute
	firstPause   = 250 * time.Millisecond
	longestPause = 10 * time.Second
)

// try calls until it succeeds, is refused, or the patience is at its end.
func (s *side) try(ctx context.Context, call func(context.Context) error) error {
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.once(ctx, call)
		if err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
		if time.Since(begun) > s.patience {
			return fmt.Errorf("%s did not recover in %s: %w", s.name, s.patience, err)
		}
		s.tell(Event{Stage: Waiting, Side: s.name, Err: err})
		if sleep(ctx, pause) != nil {
			return err
		}
	}
}

func (s *side) once(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx)
}

// passing says whether an error is worth another try.
func passing(err error) bool {
	e, ok := errors.AsType[*node.Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return e.Unreachable()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// get calls a GET route.
func (s *side) get(ctx context.Context, path string, out any) error {
	return s.try(ctx, func(ctx context.Context) error { return s.Get(ctx, path, out) })
}

// do calls a route with a JSON body.
func (s *side) do(ctx context.Context, method, path string, body, out any) error {
	text, err := meili.Marshal(body)
	if err != nil {
		return err
	}
	return s.try(ctx, func(ctx context.Context) error { return s.Do(ctx, method, path, node.JSON(text), out) })
}

// enqueue calls a route that makes a task and waits for the task to end; the
// error it ended with is given as if it had been the answer.
func (s *side) enqueue(ctx context.Context, method, path string, body any) error {
	var queued meili.TaskSummary
	if err := s.do(ctx, method, path, body, &queued); err != nil {
		return err
	}
	done, err := s.await(ctx, queued.TaskUID)
	if err != nil {
		return err
	}
	return s.failure(method+" "+path, done)
}

// failure gives the error of a task as a refusal.
func (s *side) failure(op string, t *meili.Task) error {
	switch {
	case t.Status == meili.StatusSucceeded:
		return nil
	case t.Error == nil:
		return fmt.Errorf("%s: task %d of %s is %s", s.name, t.UID, op, t.Status)
	}
	return &node.Error{Node: s.ID(), Op: op, Kind: node.KindStatus, Status: http.StatusBadRequest, Answer: t.Error}
}

// await waits until a task has ended, for as long as that takes.
func (s *side) await(ctx context.Context, uid uint32) (*meili.Task, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		var t meili.Task
		if err := s.get(ctx, fmt.Sprintf("/tasks/%d", uid), &t); err != nil {
			return nil, err
		}
		if t.Status.Finished() {
			return &t, nil
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}
