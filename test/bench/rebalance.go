package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// grown adds a fourth node to three and gives what was copied by the new node's
// share, and p99 of searches meanwhile by p99 before.
func grown(real bool, documents int, args ...string) func(context.Context, *bench) (string, bool, error) {
	return func(ctx context.Context, b *bench) (string, bool, error) {
		t, err := b.startTrio(ctx, real, 1, false, lines(documents), args...)
		if err != nil {
			return "", false, err
		}
		defer t.stop()
		fourth, err := b.startNode(ctx, real, args...)
		if err != nil {
			return "", false, err
		}
		defer fourth.stop()
		c := newClient(t.gateway.key, false)
		ask := searchOf(t.gateway, t.gateway.url, query)
		if !real {
			ask = searchOf(t.gateway, t.gateway.url, brief)
		}
		quiet, err := turns(ctx, 1000, ask)
		if err != nil {
			return "", false, err
		}
		start := time.Now()
		if _, err := c.do(ctx, http.MethodPost, t.gateway.url+"/_miroir/nodes", jsonType, fmt.Appendf(nil, `{"id":"n4","group":"g","url":%q}`, fourth.url)); err != nil {
			return "", false, err
		}
		during, err := meanwhile(ctx, ask, func() error { return moved(ctx, c, t.gateway.url) })
		if err != nil {
			return "", false, err
		}
		took := time.Since(start)
		copied, err := figure(ctx, c, t.gateway.url, `miroir_rebalance_documents_total{node="n4",what="copied"}`)
		if err != nil {
			return "", false, err
		}
		share, err := held(ctx, fourth)
		if err != nil {
			return "", false, err
		}
		p99, least := ratio(at(during, .99), at(quiet[0], .99)), copied/float64(share)
		return fmt.Sprintf("%.3f ×, %.2f × (%d of %d documents in %.1f s; %v, %v)", least, p99, share, documents, took.Seconds(),
			micros(at(during, .99)), micros(at(quiet[0], .99))), share > 0 && least <= 1.05 && p99 <= 1.5, nil
	}
}

// meanwhile asks again and again until something has ended, and gives the times,
// sorted.
func meanwhile(ctx context.Context, ask *target, something func() error) ([]time.Duration, error) {
	var done atomic.Bool
	failure := make(chan error, 1)
	go func() {
		defer done.Store(true)
		failure <- something()
	}()
	var times []time.Duration
	var asked error
	for n := 0; !done.Load(); n++ {
		start := time.Now()
		if _, err := ask.client.do(ctx, ask.method, ask.url+ask.path, ask.kind, ask.body(n)); err != nil {
			asked = err
			break
		}
		times = append(times, time.Since(start))
	}
	err := errors.Join(asked, <-failure)
	slices.Sort(times)
	if len(times) == 0 {
		err = errors.Join(err, errors.New("no search was answered"))
	}
	return times, err
}

// moved waits until every shard is where it is wanted.
func moved(ctx context.Context, c *client, gateway string) error {
	for begun := false; ctx.Err() == nil; pause(20 * time.Millisecond) {
		answer, err := c.do(ctx, http.MethodGet, gateway+"/_miroir/rebalance", jsonType, nil)
		if err != nil {
			return err
		}
		var report struct {
			State    string
			Leftover int
		}
		if err := json.Unmarshal(answer, &report); err != nil {
			return err
		}
		if begun && report.State == "idle" && report.Leftover == 0 {
			return nil
		}
		begun = begun || report.State != "idle"
	}
	return ctx.Err()
}

// figure reads one of the gateway's figures.
func figure(ctx context.Context, c *client, gateway, name string) (float64, error) {
	answer, err := c.do(ctx, http.MethodGet, gateway+"/_miroir/metrics", jsonType, nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(answer)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var value float64
			_, err := fmt.Sscan(rest, &value)
			return value, err
		}
	}
	return 0, fmt.Errorf("there is no figure %s", name)
}

// held is how many documents a node has.
func held(ctx context.Context, node *process) (int, error) {
	answer, err := newClient(node.key, false).do(ctx, http.MethodGet, node.url+"/indexes/bench/documents?limit=0", jsonType, nil)
	if err != nil {
		return 0, err
	}
	var page struct{ Total int }
	return page.Total, json.Unmarshal(answer, &page)
}

// holds waits until a node has so many documents.
func holds(ctx context.Context, node *process, documents int) error {
	for ctx.Err() == nil {
		if n, err := held(ctx, node); err != nil || n >= documents {
			return err
		}
		pause(20 * time.Millisecond)
	}
	return ctx.Err()
}

// caughtUp has one of three nodes miss documents, and gives how fast it gets them
// when it is back, by how fast the same server takes them directly.
func caughtUp(real bool, documents int) func(context.Context, *bench) (string, bool, error) {
	return func(ctx context.Context, b *bench) (string, bool, error) {
		all := lines(documents)
		first := bytes.IndexByte(all, '\n') + 1
		t, err := b.startTrio(ctx, real, 3, false, all[:first])
		if err != nil {
			return "", false, err
		}
		defer t.stop()
		late := t.nodes[2]
		late.stop()
		c := newClient(t.gateway.key, false)
		if err := c.load(ctx, t.gateway.url, "bench", all[first:], 8<<20); err != nil {
			return "", false, err
		}
		// The other two share the machine: nothing may be left for them to do.
		if err := errors.Join(holds(ctx, t.nodes[0], documents), holds(ctx, t.nodes[1], documents)); err != nil {
			return "", false, err
		}
		if err := late.again(ctx); err != nil {
			return "", false, err
		}
		start := time.Now()
		if err := holds(ctx, late, documents); err != nil {
			return "", false, err
		}
		behind := time.Since(start)
		t.stop()
		alone, err := b.alone(ctx, real, all)
		if err != nil {
			return "", false, err
		}
		rate := ratio(alone, behind)
		return fmt.Sprintf("%.2f × (%.1f s, %.1f s)", rate, behind.Seconds(), alone.Seconds()), rate >= 0.8, nil
	}
}
