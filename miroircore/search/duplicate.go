package search

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

// duplicates are the requests under way that nobody waits for.
type duplicates struct {
	life context.Context
	end  context.CancelFunc
	mu   sync.Mutex
	at   map[string]bool // nodes that have one
	// adopted are requests of reads that have ended without them.
	adopted int
	over    bool
	wg      sync.WaitGroup
}

func newDuplicates() *duplicates {
	d := &duplicates{at: make(map[string]bool)}
	d.life, d.end = context.WithCancel(context.Background())
	return d
}

// run runs something about a node that has nothing else run for it.
func (d *duplicates) run(id string, do func(ctx context.Context)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.at[id] {
		return
	}
	d.at[id] = true
	d.wg.Go(func() {
		do(d.life)
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.at, id)
	})
}

// maxAdopted bounds the requests that run on after another copy was faster.
const maxAdopted = 64

// adopt takes over a request that nobody waits for, for as long as it may take,
// unless there are too many already or its reply has come.
func (d *duplicates) adopt(q *sending, patience time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over || d.adopted >= maxAdopted {
		return false
	}
	spared := context.AfterFunc(d.life, q.cancel)
	timer := time.AfterFunc(patience, q.cancel)
	q.ended = func() {
		spared()
		timer.Stop()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.adopted--
		d.wg.Done()
	}
	if !q.state.CompareAndSwap(awaited, left) {
		spared()
		timer.Stop()
		return false
	}
	d.adopted++
	d.wg.Add(1)
	return true
}

// close ends what is under way and waits for it.
func (d *duplicates) close() {
	d.mu.Lock()
	d.over = true
	d.mu.Unlock()
	d.end()
	d.wg.Wait()
}

// patience of a duplicate, in times of failover_after: a node that takes longer
// has shown what it was to show.
const duplicatePatience = 4

// duplicate asks a node what the read asks others, to see how long it takes.
func (s *scatter) duplicate(id string) {
	leg := s.layout.Held(id, plan.Want{Shards: s.q.shards})
	client, ok := s.r.o.Client(id)
	if !ok || leg.Shards.Len() == 0 {
		return
	}
	var body *node.Body
	if s.q.body != nil { // made now: what it is made of is the read's own
		body = node.JSON(s.q.body(leg, !leg.Filter && leg.Shards.Len() == s.layout.Shards()))
	}
	r, t, method, path := s.r, s.tuning, s.q.method, s.q.path
	r.duplicates.run(id, func(life context.Context) {
		ctx, cancel := context.WithTimeout(life, duplicatePatience*t.FailoverAfter)
		defer cancel()
		r.o.Metrics.Extra("explore")
		start := r.o.Now()
		t.Policy.Begin(id)
		r.breaker.begin(id)
		resp, err := client.Call(ctx, method, path, body, t.MaxAnswer)
		took, how := r.o.Now().Sub(start), plan.Answered
		switch {
		case life.Err() != nil:
			how = plan.Dropped
		case err != nil || resp.Status != http.StatusOK:
			how = plan.Failed
			r.breaker.failure(id)
			r.o.Metrics.Leg(id, "failed", took)
		default:
			r.breaker.success(id)
			r.o.Metrics.Leg(id, "ok", took)
		}
		t.Policy.End(id, took, how)
		resp.Release()
	})
}
