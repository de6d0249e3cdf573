// Command faults runs a workload of writes, searches and changes of settings
// through Miroir for a given time, on real processes, while nodes are killed,
// stopped and cut off and the gateway itself is killed. Then it heals
// everything, waits for quiet, compares every replica with a model of what was
// acknowledged, and prints a report. It ends with status 1 if a promise was
// broken.
//
//	go run ./test/faults -for 60s -shape copies -seed 7
//
// The same seed makes the same faults and asks for the same operations; how they
// fall together is up to the machine.
//
// The nodes are the test double, or real servers where MEILISEARCH_BIN names a
// binary.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are what a run is made of.
type options struct {
	length  time.Duration
	shape   shape
	seed    uint64
	gateway string // a binary, built when empty
	node    string // a real Meilisearch, the double when empty
	double  string // a binary, built when empty
	keep    bool
	// pause is how long no write may be acknowledged while a quorum lives.
	pause time.Duration
	// back is how long it may take until all is in order after a fault.
	back time.Duration
	// quiet is how long the fleet may take to be in order after the last fault.
	quiet time.Duration
	kinds []string
	log   func(format string, args ...any)
}

func main() {
	broken, err := run(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(2)
	case broken:
		os.Exit(1)
	}
}

func run(args []string) (broken bool, err error) {
	o := options{node: os.Getenv("MEILISEARCH_BIN")}
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.DurationVar(&o.length, "for", time.Minute, "how long to run")
	name := flags.String("shape", "all", "copies: three nodes with three copies; groups: two groups of two nodes; all: one after the other")
	flags.Uint64Var(&o.seed, "seed", 0, "what workload and faults are drawn from; 0 draws one")
	flags.StringVar(&o.gateway, "gateway", "", "binary of the gateway; built from the source if empty")
	flags.StringVar(&o.double, "double", "", "binary of the test double; built from the source if empty")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder with the processes' data and logs")
	flags.DurationVar(&o.pause, "pause", 2*time.Second, "longest time without an acknowledged write while a quorum lives; 0 only reports it")
	flags.DurationVar(&o.back, "back", 5*time.Second, "longest time until all is in order after a fault; 0 only reports it")
	flags.DurationVar(&o.quiet, "quiet", 30*time.Second, "longest time that the fleet may take to be in order, whatever -back says")
	kinds := flags.String("kinds", "", "kinds of faults, separated by commas; all if empty")
	file := flags.String("json", "", "write the reports to this file")
	verbose := flags.Bool("v", false, "print what is done as it is done")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	chosen := shapes
	if *name != "all" {
		s, err := shapeOf(*name)
		if err != nil {
			return false, err
		}
		chosen = []shape{s}
	}
	if o.kinds, err = kindsOf(*kinds); err != nil {
		return false, err
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()>>33 + 1
	}
	o.log = func(string, ...any) {}
	if *verbose {
		started := time.Now()
		o.log = func(format string, args ...any) {
			fmt.Printf("%8.3fs %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	reports, broken, err := all(ctx, o, chosen)
	if err == nil && *file != "" {
		err = save(*file, reports)
	}
	return broken, err
}

// all runs the shapes one after the other.
func all(ctx context.Context, o options, chosen []shape) (reports []*report, broken bool, err error) {
	for _, o.shape = range chosen {
		r, err := trial(ctx, o)
		if err != nil {
			return nil, false, err
		}
		fmt.Println(r)
		broken = broken || r.broken()
		reports = append(reports, r)
	}
	return reports, broken, nil
}

func save(file string, reports []*report) error {
	text, err := json.MarshalIndent(reports, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

// trial is one run: start, work under faults, heal, wait, compare.
func trial(ctx context.Context, o options) (*report, error) {
	f, err := startFleet(ctx, o)
	if err != nil {
		return nil, err
	}
	defer f.stop()
	w := newWorkload(f, o)
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	w.start(ctx)
	scheduled := newSchedule(w)
	scheduled.run(ctx, o.length)
	if err := f.heal(ctx); err != nil {
		w.record.violate("the fleet could not be healed: %s", err)
	}
	w.finish()
	w.settle(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	w.check(ctx)
	return w.report(scheduled), nil
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
