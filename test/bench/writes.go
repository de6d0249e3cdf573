package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// ready waits until a gateway uses all of its nodes.
func ready(ctx context.Context, gateway *process) error {
	c := newClient(gateway.key, false)
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); pause(20 * time.Millisecond) {
		report, err := c.do(ctx, http.MethodGet, gateway.url+"/_miroir/topology", jsonType, nil)
		if err == nil && bytes.Contains(report, []byte(`"status":"ok"`)) {
			return nil
		}
	}
	return errors.New("the gateway does not get to use its nodes")
}

// ingested is how long a server takes for documents.
func ingested(ctx context.Context, p *process, documents []byte) (time.Duration, error) {
	start := time.Now()
	err := newClient(p.key, false).load(ctx, p.url, "bench", documents, 8<<20)
	return time.Since(start), err
}

// alone is how long an empty node takes for documents when it is asked directly.
func (b *bench) alone(ctx context.Context, real bool, documents []byte, args ...string) (time.Duration, error) {
	node, err := b.startNode(ctx, real, args...)
	if err != nil {
		return 0, err
	}
	defer node.stop()
	return ingested(ctx, node, documents)
}

// small is a document of a write of one.
func small(i int) []byte {
	return fmt.Appendf(nil, `{"id":%d,"title":"The %s %s"}`, i, word(i), word(i/3))
}

// ingest loads the same documents through the gateway and into a node directly,
// each into an empty server, one after the other.
func ingest(ctx context.Context, b *bench) (string, bool, error) {
	documents := lines(100_000)
	alone, err := b.alone(ctx, true, documents)
	if err != nil {
		return "", false, err
	}
	node, err := b.startNode(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer node.stop()
	gateway, _, err := b.startGateway(ctx, node)
	if err != nil {
		return "", false, err
	}
	defer gateway.stop()
	if err := ready(ctx, gateway); err != nil {
		return "", false, err
	}
	through, err := ingested(ctx, gateway, documents)
	if err != nil {
		return "", false, err
	}
	rate := ratio(alone, through)
	return fmt.Sprintf("%.2f × (%.1f s, %.1f s)", rate, through.Seconds(), alone.Seconds()), rate >= 0.85, nil
}

func oneDocument(ctx context.Context, b *bench) (string, bool, error) {
	node, gateway, _, stop, err := b.searched(ctx, 1000)
	defer stop()
	if err != nil {
		return "", false, err
	}
	write := func(p *process, index string) *target {
		return &target{newClient(p.key, false), p.url, small, http.MethodPost, "/indexes/" + index + "/documents?primaryKey=id", jsonType}
	}
	p50, err := compare(ctx, 500, 1, write(gateway, "bench"), write(node, "direct"))
	if err != nil {
		return "", false, err
	}
	above := p50[0] - p50[1]
	return fmt.Sprintf("%v (%v, %v)", micros(above), micros(p50[0]), micros(p50[1])), above <= 3*time.Millisecond, nil
}

// manyWriters compares writes of one document each, sixteen at a time, to three
// nodes of two copies and to one server. What was written is waited for before it
// is the other's turn.
func manyWriters(ctx context.Context, b *bench) (string, bool, error) {
	t, err := b.startTrio(ctx, true, 2, false, lines(1000))
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	one, err := b.startNode(ctx, true)
	if err != nil {
		return "", false, err
	}
	defer one.stop()
	if err := newClient(one.key, false).load(ctx, one.url, "bench", lines(1000), 4<<20); err != nil {
		return "", false, err
	}
	const turnsOfEach, connections, writes = 7, 16, 100
	servers := []*process{t.gateway, one}
	times, took := make([][]time.Duration, 2), make([]time.Duration, 2)
	for turn := range turnsOfEach {
		for i, p := range servers {
			list, elapsed, err := writeMany(ctx, p, turn*connections*writes, connections, writes)
			if err != nil {
				return "", false, err
			}
			if turn > 0 { // the first warms up
				times[i], took[i] = append(times[i], list...), took[i]+elapsed
			}
		}
	}
	for i := range times {
		slices.Sort(times[i])
	}
	rate := ratio(took[1], took[0])
	above := at(times[0], .5) - at(times[1], .5)
	return fmt.Sprintf("%.2f ×, %v (%v, %v)", rate, micros(above), micros(at(times[0], .5)), micros(at(times[1], .5))), rate >= 1 && above <= 3*time.Millisecond, nil
}

// writeMany sends writes of one document over so many connections, so many each,
// and waits until the last of them has been done.
func writeMany(ctx context.Context, p *process, first, connections, writes int) ([]time.Duration, time.Duration, error) {
	c := newClient(p.key, false)
	var mutex sync.Mutex
	var times []time.Duration
	var failure error
	var last uint32
	var wg sync.WaitGroup
	start := time.Now()
	for worker := range connections {
		wg.Go(func() {
			for n := range writes {
				i := first + worker*writes + n
				began := time.Now()
				task, err := c.enqueue(ctx, http.MethodPost, p.url, "/indexes/bench/documents", jsonType, small(i))
				took := time.Since(began)
				mutex.Lock()
				times, failure, last = append(times, took), errors.Join(failure, err), max(last, task)
				mutex.Unlock()
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	if failure == nil {
		failure = c.wait(ctx, p.url, last)
	}
	return times, elapsed, failure
}

// ingestReal loads documents through three nodes of one copy, and then the same
// parts, with the settings and hidden fields that nodes get, straight into three
// others at once.
func ingestReal(ctx context.Context, b *bench) (string, bool, error) {
	documents := lines(100_000)
	t, err := b.startTrio(ctx, true, 1, false, nil)
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	through, err := ingested(ctx, t.gateway, documents)
	if err != nil {
		return "", false, err
	}
	settings, err := newClient(t.nodes[0].key, false).do(ctx, http.MethodGet, t.nodes[0].url+"/indexes/bench/settings", jsonType, nil)
	if err != nil {
		return "", false, err
	}
	t.stop()
	straight, err := b.straight(ctx, documents, settings)
	if err != nil {
		return "", false, err
	}
	rate := ratio(straight, through)
	return fmt.Sprintf("%.2f × (%.1f s, %.1f s)", rate, through.Seconds(), straight.Seconds()), rate >= 0.95, nil
}

// straight is how long three servers take for a third of the documents each, at
// the same time.
func (b *bench) straight(ctx context.Context, documents, settings []byte) (time.Duration, error) {
	batch, err := scan(documents, request.NDJSON)
	if err != nil {
		return 0, err
	}
	type part struct {
		node *process
		body bytes.Buffer
	}
	var parts [3]part
	for i := range parts {
		p := &parts[i]
		mine := func(shard int) bool { return shard%len(parts) == i }
		if err := batch.WriteShards(&p.body, mine, func(position int) uint64 { return document.Version(1, position) }); err != nil {
			return 0, err
		}
		if p.node, err = b.startNode(ctx, true); err != nil {
			return 0, err
		}
		defer p.node.stop()
		c := newClient(p.node.key, false)
		task, err := c.enqueue(ctx, http.MethodPatch, p.node.url, "/indexes/bench/settings", jsonType, settings)
		if err == nil {
			err = c.wait(ctx, p.node.url, task)
		}
		if err != nil {
			return 0, err
		}
	}
	var wg sync.WaitGroup
	var errs [len(parts)]error
	start := time.Now()
	for i := range parts {
		p := &parts[i]
		wg.Go(func() {
			errs[i] = newClient(p.node.key, false).load(ctx, p.node.url, "bench", p.body.Bytes(), 8<<20/len(parts))
		})
	}
	wg.Wait()
	return time.Since(start), errors.Join(errs[:]...)
}

// ingestDouble loads documents into one double and through three of one copy, all
// as if on machines of their own.
func ingestDouble(ctx context.Context, b *bench) (string, bool, error) {
	const each = "150us"
	documents := lines(100_000)
	alone, err := b.alone(ctx, false, documents, "--index-time", each)
	if err != nil {
		return "", false, err
	}
	t, err := b.startTrio(ctx, false, 1, false, nil, "--index-time", each)
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	through, err := ingested(ctx, t.gateway, documents)
	if err != nil {
		return "", false, err
	}
	rate := ratio(alone, through)
	return fmt.Sprintf("%.2f × (%.1f s, %.1f s)", rate, through.Seconds(), alone.Seconds()), rate >= 2.5, nil
}
