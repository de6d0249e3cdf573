package search

import (
	"context"
	"slices"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// gate lets so many reads run at a time. More wait in order, and those that find
// no place to wait are refused: what reads hold in memory is bounded by how many
// there are.
type gate struct {
	mu      sync.Mutex
	most    int
	running int
	queue   []chan struct{}
}

// Enter waits until a read may run. The function it gives tells that it has
// ended. It is for requests of clients; reads that are part of another do not
// enter by themselves.
func (r *Reader) Enter(ctx context.Context) (leave func(), refused *meili.Error) {
	g, most := &r.gate, r.tuning.Load().QueuedReads
	g.mu.Lock()
	if g.running < g.most {
		g.running++
		g.mu.Unlock()
		return g.leave, nil
	}
	if len(g.queue) >= most {
		g.mu.Unlock()
		return nil, meili.TooManySearches(most)
	}
	turn := make(chan struct{})
	g.queue = append(g.queue, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return g.leave, nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(g.queue, turn)
	if i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
	}
	g.mu.Unlock()
	if i < 0 { // its turn came meanwhile
		g.leave()
	}
	return nil, meili.NewError("internal", "The request was canceled.")
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.next()
}

// widen sets how many reads run at a time.
func (g *gate) widen(most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.most = most
	g.next()
}

// next lets those in front run while there is room. It is called with the mutex held.
func (g *gate) next() {
	for g.running < g.most && len(g.queue) > 0 {
		close(g.queue[0])
		g.queue = g.queue[1:]
		g.running++
	}
}
