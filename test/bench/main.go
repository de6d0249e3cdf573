// Command bench prints the figures that have targets, each measured in one run
// against its baseline, and whether on real servers or on the test double. Rows
// that need a real Meilisearch fail without MEILISEARCH_BIN; they are not left
// out in silence.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// row is one figure with its target.
type row struct {
	what   string
	target string
	// nodes is what the row was measured on: none, double or real.
	nodes string
	run   func(ctx context.Context, b *bench) (figure string, met bool, err error)
}

// bench is what rows work with.
type bench struct {
	binary string // bin/miroir
	node   string // a real Meilisearch, or ""
	double string // the double as a program
	dir    string
	soak   time.Duration
}

func main() {
	b := &bench{node: os.Getenv("MEILISEARCH_BIN")}
	flag.StringVar(&b.binary, "binary", filepath.Join("bin", "miroir"), "the server")
	flag.DurationVar(&b.soak, "soak", 20*time.Second, "how long the row of 200 concurrent searches takes")
	only := flag.String("only", "", "run the rows whose text holds this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, only string) (err error) {
	if b.dir, err = os.MkdirTemp("", "miroir-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.double, err = buildDouble(ctx, b.dir); err != nil {
		return err
	}
	missed := 0
	fmt.Printf("%-76s %-7s %-34s %s\n", "what", "nodes", "target", "measured")
	for _, r := range rows() {
		if !strings.Contains(r.what, only) {
			continue
		}
		figure, met, err := r.run(ctx, b)
		mark := "ok"
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			figure, mark = err.Error(), "FAILED"
			missed++
		case !met:
			mark = "missed"
			missed++
		}
		fmt.Printf("%-76s %-7s %-34s %s (%s)\n", r.what, r.nodes, r.target, figure, mark)
	}
	if missed > 0 {
		return fmt.Errorf("%d figures miss their targets", missed)
	}
	return nil
}

func rows() []row {
	return []row{
		{"route 10,000 documents to 3 nodes, 64 shards, the least of ten", "≤ 60 µs, no allocation", "none", routeDocuments},
		{"find, check, hash and splice NDJSON on one core", "≥ 400 MB/s", "none", spliceLines},
		{"find, check, hash and splice a JSON array on one core", "≥ 400 MB/s", "none", spliceArray},
		{"merge 3 × 1,000 scanned hits, take 1,000, the least of 300", "≤ 20 µs", "none", mergeThousands},
		{"scan, merge and emit 3 × 333 hits of 460 B and their details, the least of 300", "≤ 0.5 ms, ≤ 1 KiB garbage a hit", "none", scanMergeEmit},
		{"page of 20 from three nodes, processor time without HTTP", "≤ 100 µs", "none", pageTime},
		{"idle gateway, resident", "≤ 64 MiB", "double", idleMemory},
		{"100 MB body, resident above idle", "≤ 64 MiB", "real", largeBody},
		{"search passed through, 1 connection: p50 by reverse_proxy, by the node", "≤ 1.1 ×, ≤ 1.25 ×", "real", passThrough(1)},
		{"search passed through, 8 connections: p50 by reverse_proxy, by the node", "≤ 1.1 ×, ≤ 1.25 ×", "real", passThrough(8)},
		{"search with gzip on a kept-alive connection: p50 by the node asked directly", "≤ 0.1 ×", "real", compressedSearch},
		{"search split over three nodes, 500 mixed queries, by a bare fan-out: p50, p99", "≤ 1.1 ×, ≤ 1.2 ×", "real", splitSearch},
		{"offset 900, limit 100, documents of 2 KB: by a bare fan-out for keys, for all", "≤ 1.15 ×, ≤ 0.9 ×", "real", deepPages},
		{"first page, search of 5 ms, three nodes, two copies, by one node: p50", "≤ 1.15 ×", "double", served},
		{"one of three nodes slowed by 500 ms: p99 after a second, by before", "≤ 2 ×", "double", struck(false, slowed)},
		{"one of three nodes slowed by 500 ms: p99 after a second, by before", "≤ 2 ×", "real", struck(true, slowed)},
		{"one of three nodes killed: p99 after a second, by before", "≤ 2 ×", "double", struck(false, killed)},
		{"one of three nodes killed: p99 after a second, by before", "≤ 2 ×", "real", struck(true, killed)},
		{"one of three nodes paused: p99 after a second, by before", "≤ 2 ×", "double", struck(false, paused)},
		{"one of three nodes paused: p99 after a second, by before", "≤ 2 ×", "real", struck(true, paused)},
		{"200 concurrent searches: memory early and late", "no growth", "double", soaked},
		{"rebalance after adding a fourth node to three, 100,000 documents: copied by the least, p99 of searches by before", "≤ 1.05 ×, ≤ 1.5 ×", "real", grown(true, 100_000)},
		{"catching up a node that missed 100,000 documents, by what it takes directly", "≥ 0.8 ×", "real", caughtUp(true, 100_000)},
		{"copies that are in order compared, 100,000 documents on two of three nodes: documents read, p50 of searches by before", "≥ 200,000/s, ≤ 1.1 ×", "real", compared(true, 100_000)},
		{"restart after kill -9 with 10,000 undelivered writes: first search, first write", "≤ 1 s, ≤ 2 s", "double", restarted(false, 10_000)},
		{"restart after kill -9 with 10,000 undelivered writes: first search, first write", "≤ 1 s, ≤ 2 s", "real", restarted(true, 10_000)},
		{"ingest 100,000 documents through one node, by that node directly", "≥ 0.85 ×", "real", ingest},
		{"ingest 100,000 documents through three nodes, one copy, by the same parts sent straight", "≥ 0.95 ×", "real", ingestReal},
		{"ingest 100,000 documents through three nodes, one copy, by one node", "≥ 2.5 ×", "double", ingestDouble},
		{"one-document writes, 16 connections, three nodes of two copies: rate by one server's, p50 above its", "≥ 1 ×, ≤ 3 ms", "real", manyWriters},
		{"one-document write, time to 202 at p50, above the node", "≤ 3 ms", "real", oneDocument},
	}
}
