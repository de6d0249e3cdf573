package miroircore

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/antientropy"
	"github.com/miroir-gateway/miroir/miroircore/replica"
)

// makeChecker makes what compares the copies of shards with each other.
func (e *Engine) makeChecker() (err error) {
	e.checker, err = antientropy.New(antientropy.Options{
		Catalog: e.catalog, Store: e.store, Line: e.writer, Standing: copies{e},
		Mender: &replica.Filler{Client: e.fleet.Client, Stray: e.writer.Stray},
		Client: e.fleet.Client, Nodes: func() []string { return slices.Sorted(maps.Keys(*e.fleet.known.Load())) },
		Schedule: func() antientropy.Schedule {
			c := e.config()
			return antientropy.Schedule{Off: c.NoAntiEntropy, Fast: c.AntiEntropy, Content: c.AntiEntropyContent}
		},
		Throttle: e.throttle, Rest: e.rest, Holder: uuid.NewString(), Logger: e.o.Logger, Metrics: e.metrics, Now: e.o.Now,
	})
	if err != nil {
		return fmt.Errorf("open anti-entropy: %w", err)
	}
	return nil
}

const (
	// quiet is how long no read has begun where nobody is disturbed, aside how many
	// times as long as a request nodes are left alone where somebody is.
	quiet = 200 * time.Millisecond
	aside = 9
)

// rest has comparing step aside while there are searches.
func (e *Engine) rest(took time.Duration) time.Duration {
	if e.reader.Idle() > quiet {
		return 0
	}
	return aside * took
}

// copies is what is known of nodes and their copies, for comparing them.
type copies struct{ e *Engine }

func (c copies) Up(id string) bool { return c.e.fleet.Up(id) }

func (c copies) Sound(id, physical string) bool {
	if s := c.e.writer.NodeState(id); s.Stale || s.RolledBack || s.Suspect {
		return false
	}
	for _, d := range c.e.writer.Drifts() {
		if d.Node == id && d.Physical == physical {
			return false
		}
	}
	return true
}

func (c copies) InOrder(id, physical string) bool {
	return c.e.Readable(id, physical) && !c.e.writer.Behind(id, physical)
}

func (c copies) Drifted(id, physical string) {
	c.e.writer.Drifted(id, physical, true)
	c.e.balance.Wake()
}
