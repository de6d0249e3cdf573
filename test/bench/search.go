package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// trio is three nodes behind a gateway, each behind a proxy that can be slow.
type trio struct {
	nodes   []*process
	delays  []*atomic.Int64
	gateway *process
	stops   []func()
}

func (t *trio) stop() {
	for _, stop := range slices.Backward(t.stops) {
		stop()
	}
}

// startTrio starts a gateway before three nodes and loads documents. With
// proxies each node can be slowed down.
func (b *bench) startTrio(ctx context.Context, real bool, copies int, proxied bool, documents []byte, args ...string) (*trio, error) {
	t := &trio{}
	var seen []*process
	for range 3 {
		node, err := b.startNode(ctx, real, args...)
		if err != nil {
			t.stop()
			return nil, err
		}
		t.nodes, t.stops = append(t.nodes, node), append(t.stops, node.stop)
		address := &process{url: node.url, key: node.key}
		if proxied {
			delay, front := slowProxy(node.url)
			t.delays, t.stops = append(t.delays, delay), append(t.stops, front.Close)
			address.url = front.URL
		}
		seen = append(seen, address)
	}
	gateway, _, err := b.startFleet(ctx, copies, seen...)
	if err != nil {
		t.stop()
		return nil, err
	}
	t.gateway, t.stops = gateway, append(t.stops, gateway.stop)
	// The gateway is well as soon as one node is; documents need all of them.
	if err := ready(ctx, gateway); err != nil {
		t.stop()
		return nil, err
	}
	if len(documents) == 0 {
		return t, nil
	}
	if err := newClient(gateway.key, false).load(ctx, gateway.url, "bench", documents, 4<<20); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

func slowProxy(target string) (*atomic.Int64, *httptest.Server) {
	delay := new(atomic.Int64)
	address, err := url.Parse(target)
	if err != nil { // it was made here
		panic(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(address)
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	return delay, httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := time.Duration(delay.Load()); d > 0 {
			pause(d)
		}
		proxy.ServeHTTP(w, r)
	}))
}

// fanOut sends what it gets, with the score details, to all nodes at once and
// answers with what the first of them said, once all have answered.
func fanOut(nodes []*process) *httptest.Server {
	c := newClient(nodes[0].key, false)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		body = append(bytes.TrimSuffix(body, []byte("}")), `,"showRankingScoreDetails":true}`...)
		answers := make([][]byte, len(nodes))
		errs := make([]error, len(nodes))
		var wg sync.WaitGroup
		for i, n := range nodes {
			wg.Go(func() { answers[i], errs[i] = c.do(r.Context(), http.MethodPost, n.url+r.URL.Path, jsonType, body) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write(answers[0])
	}))
}

func searchOf(p *process, base string, body func(int) []byte) *target {
	return &target{newClient(p.key, false), base, body, http.MethodPost, "/indexes/bench/search", jsonType}
}

// turns asks the targets one by one in turn and gives the times of each, sorted.
func turns(ctx context.Context, rounds int, targets ...*target) ([][]time.Duration, error) {
	times := make([][]time.Duration, len(targets))
	for n := range rounds + 50 {
		for i, t := range targets {
			start := time.Now()
			if _, err := t.client.do(ctx, t.method, t.url+t.path, t.kind, t.body(n)); err != nil {
				return nil, err
			}
			if n >= 50 { // the first warm up
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times, nil
}

func at(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// mixed are searches of many kinds.
func mixed(i int) []byte {
	switch i % 5 {
	case 0:
		return fmt.Appendf(nil, `{"q":"%s","limit":50}`, word(i))
	case 1:
		return fmt.Appendf(nil, `{"q":"%s %s %s"}`, word(i), word(i/3), word(i / 7)[:3])
	case 2:
		return fmt.Appendf(nil, `{"q":"%s","showRankingScore":true,"attributesToHighlight":["title"]}`, word(i)[:4])
	case 3:
		return fmt.Appendf(nil, `{"q":"%s","offset":%d}`, word(i), i%100)
	}
	return query(i)
}

// brief are first pages that cost a double next to nothing: what it takes beyond
// its service time would be measured otherwise.
func brief(i int) []byte { return fmt.Appendf(nil, `{"limit":%d}`, 10+i%20) }

func splitSearch(ctx context.Context, b *bench) (string, bool, error) {
	t, err := b.startTrio(ctx, true, 1, false, lines(10_000))
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	bare := fanOut(t.nodes)
	defer bare.Close()
	times, err := turns(ctx, 500, searchOf(t.gateway, t.gateway.url, mixed), searchOf(t.gateway, bare.URL, mixed))
	if err != nil {
		return "", false, err
	}
	p50, p99 := ratio(at(times[0], .5), at(times[1], .5)), ratio(at(times[0], .99), at(times[1], .99))
	return fmt.Sprintf("%.2f ×, %.2f × (%v, %v)", p50, p99, micros(at(times[0], .5)), micros(at(times[1], .5))), p50 <= 1.1 && p99 <= 1.2, nil
}

func deepPages(ctx context.Context, b *bench) (string, bool, error) {
	var documents bytes.Buffer
	for i := range 6000 {
		fmt.Fprintf(&documents, `{"id":%d,"title":"The %s %s","text":"%s%s%s%s%s%s%s"}`+"\n", i, word(i), word(i/7), text(i), text(i+1), text(i+2), text(i+3), text(i+4), text(i+5), text(i+6))
	}
	t, err := b.startTrio(ctx, true, 1, false, documents.Bytes())
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	bare := fanOut(t.nodes)
	defer bare.Close()
	with := func(rest string) func(int) []byte {
		return func(i int) []byte { return fmt.Appendf(nil, `{"q":"%s",%s}`, word(i)[:4], rest) }
	}
	times, err := turns(ctx, 100, searchOf(t.gateway, t.gateway.url, with(`"offset":900,"limit":100`)),
		searchOf(t.gateway, bare.URL, with(`"limit":1000,"attributesToRetrieve":["id"]`)), searchOf(t.gateway, bare.URL, with(`"limit":1000`)))
	if err != nil {
		return "", false, err
	}
	byKeys, byBodies := ratio(at(times[0], .5), at(times[1], .5)), ratio(at(times[0], .5), at(times[2], .5))
	return fmt.Sprintf("%.2f ×, %.2f × (%v)", byKeys, byBodies, micros(at(times[0], .5))), byKeys <= 1.15 && byBodies <= 0.9, nil
}

// served compares three doubles of two copies with one, all as if on machines of
// their own.
func served(ctx context.Context, b *bench) (string, bool, error) {
	documents := lines(200)
	t, err := b.startTrio(ctx, false, 2, false, documents, "--service-time", "5ms")
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	one, err := b.startNode(ctx, false, "--service-time", "5ms")
	if err != nil {
		return "", false, err
	}
	defer one.stop()
	if err := newClient(one.key, false).load(ctx, one.url, "bench", documents, 4<<20); err != nil {
		return "", false, err
	}
	times, err := turns(ctx, 500, searchOf(t.gateway, t.gateway.url, brief), searchOf(one, one.url, brief))
	if err != nil {
		return "", false, err
	}
	p50 := ratio(at(times[0], .5), at(times[1], .5))
	return fmt.Sprintf("%.2f × (%v, %v)", p50, micros(at(times[0], .5)), micros(at(times[1], .5))), p50 <= 1.15, nil
}

// struck measures p99 while something is wrong with a node, from the second
// second on, by p99 before that.
func struck(real bool, strike func(t *trio) error) func(context.Context, *bench) (string, bool, error) {
	return func(ctx context.Context, b *bench) (string, bool, error) {
		var args []string
		if !real {
			args = []string{"--service-time", "5ms"}
		}
		t, err := b.startTrio(ctx, real, 2, true, lines(200), args...)
		if err != nil {
			return "", false, err
		}
		defer t.stop()
		ask := searchOf(t.gateway, t.gateway.url, brief)
		quiet, err := turns(ctx, 500, ask)
		if err != nil {
			return "", false, err
		}
		if err := strike(t); err != nil {
			return "", false, err
		}
		for end := time.Now().Add(time.Second); time.Now().Before(end); {
			if _, err := ask.client.do(ctx, ask.method, ask.url+ask.path, ask.kind, ask.body(1)); err != nil {
				return "", false, err
			}
		}
		after, err := turns(ctx, 500, ask)
		if err != nil {
			return "", false, err
		}
		p99 := ratio(at(after[0], .99), at(quiet[0], .99))
		return fmt.Sprintf("%.2f × (%v, %v)", p99, micros(at(after[0], .99)), micros(at(quiet[0], .99))), p99 <= 2, nil
	}
}

func slowed(t *trio) error { t.delays[0].Store(int64(500 * time.Millisecond)); return nil }

func killed(t *trio) error { t.nodes[0].stop(); return nil }

func paused(t *trio) error { return t.nodes[0].command.Process.Signal(syscall.SIGSTOP) }

// soaked is how much the gateway's memory grows under 200 concurrent searches
// between the first quarter of the time and its end.
func soaked(ctx context.Context, b *bench) (string, bool, error) {
	t, err := b.startTrio(ctx, false, 2, false, lines(200), "--service-time", "5ms")
	if err != nil {
		return "", false, err
	}
	defer t.stop()
	ctx, cancel := context.WithTimeout(ctx, b.soak)
	defer cancel()
	var wg sync.WaitGroup
	var failures atomic.Int64
	for worker := range 200 {
		c := newClient(t.gateway.key, false)
		wg.Go(func() {
			for i := worker; ctx.Err() == nil; i += 200 {
				answer, err := c.do(ctx, http.MethodPost, t.gateway.url+"/indexes/bench/search", jsonType, brief(i))
				if ctx.Err() == nil && (err != nil || !json.Valid(answer)) {
					failures.Add(1)
				}
			}
		})
	}
	pause(b.soak / 4)
	early, err := t.gateway.memory("VmRSS")
	if err != nil {
		return "", false, err
	}
	pause(b.soak * 7 / 10)
	late, err := t.gateway.memory("VmRSS")
	wg.Wait()
	return fmt.Sprintf("%.0f MiB, then %.0f MiB, %d failed", early, late, failures.Load()), failures.Load() == 0 && late <= early*1.25+16, err
}
