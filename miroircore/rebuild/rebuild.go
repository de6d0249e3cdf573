// Package rebuild makes a gateway's state anew from what its nodes hold: which
// indexes there are, where their shards lie, their settings, and which numbers
// were given. What nodes were told of the catalog is taken where it agrees with
// what they hold, and what they hold where it does not. Copies are compared
// before they are believed: one that missed writes is not.
package rebuild

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// The numbers that were given out last are not known. So many are passed over,
// that none is given twice.
const (
	operationsPassed = 1 << 28
	tasksPassed      = 1 << 20
)

// Node is a node to look at.
type Node struct {
	ID, Group string
	Client    *node.Client
}

// Options are what a state is rebuilt with.
type Options struct {
	Nodes    []Node
	Topology *cluster.Topology
	// Shards is the number of shards of an index for which nothing tells it.
	Shards int
	// Force goes on without the nodes that do not answer.
	Force  bool
	Logger *slog.Logger
}

// Summary is one index as it was found.
type Summary struct {
	UID       string `json:"uid"`
	Physical  string `json:"physical"`
	Documents int    `json:"documents"`
	Shards    int    `json:"shards"`
	// Nodes are those whose copies are believed, Stale those of which some are
	// not: they are made anew from the others.
	Nodes []string `json:"nodes"`
	Stale []string `json:"stale,omitempty"`
}

// Plan is the state that the nodes lead to. Nothing is changed by making it.
type Plan struct {
	// Fleet is the id that the nodes are marked with; empty where none is.
	Fleet string
	// Revision is the highest that a node was told of, Contents what takes the
	// catalog's place.
	Revision uint64
	Contents index.Contents
	// Operation and Task are numbers that the next write has at least, Known and
	// KnownTask those that were seen to be given out.
	Operation, Known uint64
	Task, KnownTask  uint32
	Features         meili.Features

	Indexes []Summary
	// Notes say what was decided without being certain, Lost what is gone.
	Notes, Lost []string
}

// Make looks at all nodes and plans the state.
func Make(ctx context.Context, o Options) (*Plan, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	all, away, err := look(ctx, &o)
	if err != nil {
		return nil, err
	}
	p := &Plan{Contents: index.Contents{}}
	newest, err := p.owner(all)
	if err != nil {
		return nil, err
	}
	catalog, err := newest.entries(ctx)
	if err != nil {
		p.Notes = append(p.Notes, err.Error())
	}
	if newest != nil {
		p.Contents.Dropped = slices.Clone(newest.mark.Dropped)
		p.Features = newest.features
	}
	for _, id := range away {
		p.Notes = append(p.Notes, fmt.Sprintf("node %s does not answer: what it alone holds is not there until it comes back, and is then taken as it is", id))
	}
	if err := p.indexes(ctx, &o, all, catalog); err != nil {
		return nil, err
	}
	p.number(all)
	if err := undisturbed(ctx, all); err != nil {
		return nil, err
	}
	return p, nil
}

// owner finds out whose the nodes are, and which was told of the catalog last.
func (p *Plan) owner(all []*seen) (newest *seen, err error) {
	fleets := make(map[string][]string)
	for _, s := range all {
		if s.mark == nil {
			continue
		}
		fleets[s.mark.Fleet] = append(fleets[s.mark.Fleet], s.ID)
		if newest == nil || s.mark.Revision > newest.mark.Revision {
			newest = s
		}
	}
	if len(fleets) > 1 {
		var said []string
		for _, fleet := range slices.Sorted(maps.Keys(fleets)) {
			said = append(said, strings.Join(fleets[fleet], ", ")+" to fleet "+fleet)
		}
		return nil, &wanted.RefusalError{Reason: "the nodes do not belong together: " + strings.Join(said, ", "),
			Needed: "Leave those out of the configuration that are not of this fleet, or run `caddy miroir node adopt` for them once the others are rebuilt"}
	}
	if newest != nil {
		p.Fleet, p.Revision = newest.mark.Fleet, newest.mark.Revision
	}
	return newest, nil
}

// number sets the numbers to go on with.
func (p *Plan) number(all []*seen) {
	for _, s := range all {
		if s.mark != nil {
			p.Known, p.KnownTask = max(p.Known, s.mark.Operation), max(p.KnownTask, s.mark.Task)
		}
		for _, h := range s.indexes {
			p.Known = max(p.Known, h.applied+1)
		}
	}
	p.Operation, p.Task = p.Known+operationsPassed, p.KnownTask+tasksPassed
	p.Contents.Revision = p.Revision + 1
}

// indexes plans every index that a node holds or was told of.
func (p *Plan) indexes(ctx context.Context, o *Options, all []*seen, catalog map[string]*index.Index) error {
	names := make(map[string]bool)
	for physical := range catalog {
		names[physical] = true
	}
	for _, s := range all {
		for physical := range s.indexes {
			names[physical] = true
		}
		for _, foreign := range s.foreign {
			p.Notes = append(p.Notes, fmt.Sprintf("index %s on node %s was not made by a gateway: it is left where it is, unknown", foreign, s.ID))
		}
	}
	taken := make(map[string]bool)
	for _, entry := range catalog {
		taken[entry.UID] = true
	}
	for _, physical := range slices.Sorted(maps.Keys(names)) {
		if slices.Contains(p.Contents.Dropped, physical) {
			p.Notes = append(p.Notes, fmt.Sprintf("index %s was being deleted: it is not brought back", physical))
			continue
		}
		f := &finding{plan: p, o: o, physical: physical, entry: catalog[physical], nodes: all}
		ix, err := f.index(ctx, taken)
		if err != nil {
			return fmt.Errorf("index %s: %w", physical, err)
		}
		if ix != nil {
			taken[ix.UID] = true
			p.Contents.Indexes = append(p.Contents.Indexes, ix)
		}
	}
	return nil
}

// undisturbed fails if a node was given anything to do while it was looked at.
func undisturbed(ctx context.Context, all []*seen) error {
	for _, s := range all {
		newest, err := newestTask(ctx, s.Client)
		if err != nil {
			return err
		}
		if newest != s.newest {
			return &wanted.RefusalError{Reason: fmt.Sprintf("node %s was written to while it was looked at", s.ID),
				Needed: "Stop whatever writes to it, such as another gateway of its fleet, and ask again"}
		}
	}
	return nil
}

// each runs fn for all nodes at once.
func each(all []*seen, fn func(s *seen) error) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = fn(s) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
