package miroircore

import (
	"context"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/imprint"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

const (
	// publishEvery is how often it is looked whether nodes know the catalog as it
	// is. Several changes at once, as when indexes are made one after another, are
	// one task for a node.
	publishEvery = 100 * time.Millisecond
	// publishWithin is how long a node that has writes to do is left alone first:
	// one small task costs a node as much as thousands of documents that it would
	// have taken together.
	publishWithin = 10 * time.Second
	// publishAgain is how long a node that did not take it is left alone.
	publishAgain = 5 * time.Second
)

// publisher keeps what nodes know of the catalog up to date.
type publisher struct {
	f     *fleet
	wg    sync.WaitGroup
	nodes map[string]*publishing // used by run alone
}

// publishing is what is done for one node.
type publishing struct {
	writer imprint.Writer
	client *node.Client
	next   time.Time
	behind time.Time     // since when the node lacks something; zero: it has all
	done   chan struct{} // closed when the write under way is over; nil: there is none
}

// run works until the context ends.
func (p *publisher) run(ctx context.Context) {
	defer p.wg.Wait()
	ticker := time.NewTicker(publishEvery)
	defer ticker.Stop()
	for {
		p.pass(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// pass begins to write to each node that lacks something and can take it.
func (p *publisher) pass(ctx context.Context) {
	contents := p.f.e.catalog.Contents()
	for _, c := range p.f.Clients() {
		id := c.ID()
		at := p.nodes[id]
		if at == nil {
			at = &publishing{}
			p.nodes[id] = at
		}
		if at.done != nil {
			select {
			case <-at.done:
				at.done = nil
			default:
				continue // it is busy with other things
			}
		}
		if at.client != c {
			at.client, at.writer = c, imprint.Writer{} // perhaps another server
		}
		// What an older disk says of itself is needed until that node is in order.
		s := p.f.e.writer.NodeState(id)
		_, admitted := p.f.admitted.Load(id)
		if !admitted || s.Suspect || s.RolledBack || s.Stale || time.Now().Before(at.next) {
			at.writer = imprint.Writer{}
			continue
		}
		mark := p.f.markOf(id, &contents)
		if !at.writer.Behind(mark) {
			at.behind = time.Time{}
			continue
		}
		if at.behind.IsZero() {
			at.behind = time.Now()
		}
		if s.Waiting > 0 && time.Since(at.behind) < publishWithin {
			continue
		}
		done := make(chan struct{})
		at.done = done
		p.wg.Go(func() {
			defer close(done)
			if err := at.writer.Write(ctx, c, mark, contents.Indexes); err != nil && ctx.Err() == nil {
				at.next = time.Now().Add(publishAgain)
				p.f.e.o.Logger.Warn("a node could not be told of the indexes and is told again", "node", id, "error", err)
			}
		})
	}
}

// markOf is what a node is to be marked with.
func (f *fleet) markOf(id string, c *index.Contents) imprint.Mark {
	return imprint.Mark{Fleet: f.id, Node: id, Revision: c.Revision, Dropped: c.Dropped, Operation: f.e.writer.Numbered(), Task: f.e.tasks.Numbered()}
}
