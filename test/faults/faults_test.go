package main

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// Writes that were acknowledged are there, on every copy, whatever was killed,
// stopped, cut off, reloaded or out of room meanwhile, and searches find them.
// `make faults` does the same for longer. How long things took depends on the
// machine and is only printed here.
func TestPromisesHoldUnderFaults(t *testing.T) {
	binaries := t.TempDir()
	gateway, err := build(t.Context(), binaries, "miroir", "caddymodule/cmd/miroir")
	if err != nil {
		t.Fatal(err)
	}
	double, err := build(t.Context(), binaries, "minimeili", "test/minimeili/cmd/minimeili")
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := kindsOf("")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range shapes {
		seed := uint64(i + 1)
		t.Run(fmt.Sprintf("%s, seed %d", s.name, seed), func(t *testing.T) {
			r, err := trial(t.Context(), options{length: 10 * time.Second, shape: s, seed: seed, gateway: gateway, double: double,
				node: os.Getenv("MEILISEARCH_BIN"), quiet: time.Minute, kinds: kinds, log: func(string, ...any) {}})
			if err != nil {
				t.Fatal(err)
			}
			t.Log("\n" + r.String())
			if r.broken() {
				t.Errorf("%d promises were broken", len(r.Violations)+r.More)
			}
		})
	}
}
