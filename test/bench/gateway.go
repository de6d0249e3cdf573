package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"
)

const jsonType = "application/json"

// idleMemory is what the gateway takes once it has started and settled.
func idleMemory(ctx context.Context, b *bench) (string, bool, error) {
	node, err := b.startNode(ctx, false)
	if err != nil {
		return "", false, err
	}
	defer node.stop()
	gateway, _, err := b.startGateway(ctx, node)
	if err != nil {
		return "", false, err
	}
	defer gateway.stop()
	pause(3 * time.Second)
	resident, err := gateway.memory("VmRSS")
	return fmt.Sprintf("%.0f MiB", resident), resident <= 64, err
}

// largeBody is what one body of 100 MB takes above that.
func largeBody(ctx context.Context, b *bench) (string, bool, error) {
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
	pause(2 * time.Second)
	idle, err := gateway.memory("VmRSS")
	if err != nil {
		return "", false, err
	}
	if err := gateway.resetPeak(); err != nil {
		return "", false, err
	}
	line := append(append([]byte(`{"id":0,"text":"`), bytes.Repeat([]byte("word "), 1990)...), "\"}\n"...)
	body := bytes.Repeat(line, 99_000_000/len(line))
	c := newClient(gateway.key, false)
	if _, err := c.enqueue(ctx, http.MethodPost, gateway.url, "/indexes/large/documents", "application/x-ndjson", body); err != nil {
		return "", false, err
	}
	peak, err := gateway.memory("VmHWM")
	return fmt.Sprintf("%.0f MiB above %.0f MiB", peak-idle, idle), peak-idle <= 64, err
}

// searched is a real node with documents behind a gateway.
func (b *bench) searched(ctx context.Context, documents int) (node, gateway *process, proxy string, stop func(), err error) {
	stop = func() {}
	if node, err = b.startNode(ctx, true); err != nil {
		return nil, nil, "", stop, err
	}
	stop = node.stop
	if gateway, proxy, err = b.startGateway(ctx, node); err != nil {
		return nil, nil, "", stop, err
	}
	stop = func() { gateway.stop(); node.stop() }
	return node, gateway, proxy, stop, newClient(gateway.key, false).load(ctx, gateway.url, "bench", lines(documents), 4<<20)
}

func query(i int) []byte {
	return fmt.Appendf(nil, `{"q":"%s %s"}`, word(i), word(i / 5)[:3])
}

func passThrough(connections int) func(context.Context, *bench) (string, bool, error) {
	return func(ctx context.Context, b *bench) (string, bool, error) {
		node, gateway, proxy, stop, err := b.searched(ctx, 10_000)
		defer stop()
		if err != nil {
			return "", false, err
		}
		ask := func(url, key string) *target {
			return &target{newClient(key, false), url, query, http.MethodPost, "/indexes/bench/search", jsonType}
		}
		p50, err := compare(ctx, 1000, connections, ask(gateway.url, gateway.key), ask(proxy, node.key), ask(node.url, node.key))
		if err != nil {
			return "", false, err
		}
		byProxy, byNode := ratio(p50[0], p50[1]), ratio(p50[0], p50[2])
		return fmt.Sprintf("%.2f ×, %.2f × (%v, %v, %v)", byProxy, byNode, micros(p50[0]), micros(p50[1]), micros(p50[2])), byProxy <= 1.1 && byNode <= 1.25, nil
	}
}

func compressedSearch(ctx context.Context, b *bench) (string, bool, error) {
	node, gateway, _, stop, err := b.searched(ctx, 10_000)
	defer stop()
	if err != nil {
		return "", false, err
	}
	ask := func(p *process) *target {
		return &target{newClient(p.key, true), p.url, query, http.MethodPost, "/indexes/bench/search", jsonType}
	}
	p50, err := compare(ctx, 200, 1, ask(gateway), ask(node))
	if err != nil {
		return "", false, err
	}
	byNode := ratio(p50[0], p50[1])
	return fmt.Sprintf("%.3f × (%v, %v)", byNode, micros(p50[0]), micros(p50[1])), byNode <= 0.1, nil
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func micros(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
