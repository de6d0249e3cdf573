package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// restarted kills the gateway while so many writes wait for a node that is away,
// and gives how long after its start it answers a search and takes a write.
func restarted(real bool, writes int) func(context.Context, *bench) (string, bool, error) {
	return func(ctx context.Context, b *bench) (string, bool, error) {
		var nodes []*process
		for range 3 {
			n, err := b.startNode(ctx, real)
			if err != nil {
				return "", false, err
			}
			defer n.stop()
			nodes = append(nodes, n)
		}
		gateway, _, err := b.startFleet(ctx, 3, nodes...)
		if err != nil {
			return "", false, err
		}
		defer func() { gateway.stop() }()
		c := newClient(gateway.key, false)
		if err := c.load(ctx, gateway.url, "bench", lines(1000), 4<<20); err != nil {
			return "", false, err
		}
		nodes[2].stop()
		if err := c.write(ctx, gateway.url, writes); err != nil {
			return "", false, err
		}
		gateway.stop()
		search, write, err := awake(ctx, gateway)
		if err != nil {
			return "", false, err
		}
		busy, err := gateway.busy()
		return fmt.Sprintf("%d ms, %d ms (%d ms of processor time)", search.Milliseconds(), write.Milliseconds(), busy.Milliseconds()), search <= time.Second && write <= 2*time.Second, err
	}
}

// write sends writes of one document each over some connections.
func (c *client) write(ctx context.Context, base string, writes int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	var failure atomic.Pointer[error]
	for range 32 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(writes) && failure.Load() == nil; n = next.Add(1) {
				body := fmt.Appendf(nil, `{"id":%d,"title":"written while a node was away %d"}`, n, n)
				if _, err := c.enqueue(ctx, http.MethodPost, base, "/indexes/bench/documents", jsonType, body); err != nil {
					failure.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}

// awake starts a process that was killed and gives when it answered its first
// search and took its first write.
func awake(ctx context.Context, p *process) (search, write time.Duration, err error) {
	command := exec.CommandContext(ctx, p.command.Path, p.command.Args[1:]...)
	command.Dir, command.Env = p.command.Dir, p.command.Env
	started := time.Now()
	if err := command.Start(); err != nil {
		return 0, 0, fmt.Errorf("start %s: %w", p.command.Path, err)
	}
	p.command = command
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	first := func(path, body string) (time.Duration, error) {
		c := newClient(p.key, false)
		for {
			_, err := c.do(ctx, http.MethodPost, p.url+path, jsonType, []byte(body))
			if err == nil {
				return time.Since(started), nil
			}
			if ctx.Err() != nil {
				return 0, fmt.Errorf("not answered in a minute: %w", err)
			}
			pause(5 * time.Millisecond)
		}
	}
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() { search, err = first("/indexes/bench/search", `{"q":"away"}`) })
	wg.Go(func() {
		write, failed = first("/indexes/bench/documents", `{"id":0,"title":"written after the restart"}`)
	})
	wg.Wait()
	if err == nil {
		err = failed
	}
	return search, write, err
}

// busy is how much processor time a process has taken.
func (p *process) busy() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name before may hold spaces; after it come the state and ten figures.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("the kernel tells of no processor time: %q", stat)
	}
	const tick = 10 * time.Millisecond
	var total time.Duration
	for _, field := range fields[11:13] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ticks) * tick
	}
	return total, nil
}
