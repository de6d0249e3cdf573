package miroircore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/imprint"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/rebuild"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/write/failpoint"
)

// unknown says what a rebuilt state cannot have.
const unknown = "nodes do not hold API keys (one that is made again with the uid it had is the same; the master key is as it was), webhooks and finished tasks: a backup does"

// Rebuild makes the state anew from what the nodes hold, where it was lost or is
// older than they are. Without consent it only says what would come of it.
func (o *operator) Rebuild(ctx context.Context, w api.RebuildWish) (*api.Rebuilt, *meili.Error) {
	f := o.e.fleet
	if !f.rebuilding.TryLock() {
		return nil, refused(&wanted.RefusalError{Reason: "the state is being rebuilt already", Needed: "Wait for that to end"})
	}
	defer f.rebuilding.Unlock()
	plan, err := rebuild.Make(ctx, f.survey(w.Force))
	if err == nil {
		err = f.needsRebuilding(plan)
	}
	if err != nil {
		return nil, refused(err)
	}
	out := &api.Rebuilt{Fleet: plan.Fleet, Indexes: plan.Indexes, Notes: plan.Notes}
	out.Lost = plan.Lost
	if plan.Fleet != f.id {
		out.Notes = append(out.Notes, unknown)
	}
	if !w.Consent {
		out.Message = fmt.Sprintf("%d indexes would be taken over from the nodes of fleet %s. Nothing was changed: make sure that no other gateway of that fleet runs, and ask again with consent", len(plan.Indexes), plan.Fleet)
		return out, nil
	}
	if err := f.takeOver(ctx, plan); err != nil {
		return nil, refused(err)
	}
	out.Changed = true
	out.Message = fmt.Sprintf("%d indexes were taken over from the nodes of fleet %s; copies that are missing or not believed are made anew by themselves", len(plan.Indexes), plan.Fleet)
	o.e.o.Logger.Warn("the state was rebuilt from the nodes", "fleet", plan.Fleet, "indexes", len(plan.Indexes), "notes", plan.Notes, "lost", plan.Lost)
	return out, nil
}

// survey is what a rebuilding looks at.
func (f *fleet) survey(force bool) rebuild.Options {
	topology := f.Topology()
	o := rebuild.Options{Topology: topology, Shards: f.e.config().Shards, Force: force, Logger: f.e.o.Logger}
	for _, n := range topology.Nodes() {
		if c, ok := f.Client(n.ID); ok {
			o.Nodes = append(o.Nodes, rebuild.Node{ID: n.ID, Group: n.Group, Client: c})
		}
	}
	return o
}

// needsRebuilding refuses unless the state is empty before nodes that are not, or
// older than they are.
func (f *fleet) needsRebuilding(p *rebuild.Plan) error {
	e := f.e
	now := e.catalog.Contents()
	older := p.Fleet == f.id && (p.Revision > now.Revision || p.Known > e.writer.Numbered() || p.KnownTask > e.tasks.Numbered())
	switch {
	case p.Fleet == "" && len(p.Indexes) == 0:
		return &wanted.RefusalError{Reason: "the nodes hold nothing that a gateway made: there is nothing to rebuild"}
	case p.Fleet == f.id && !older || p.Fleet != "" && p.Fleet == f.predecessor():
		return &wanted.RefusalError{Reason: "the state is not older than what the nodes hold: there is nothing to rebuild"}
	case !older && len(now.Indexes) > 0:
		return &wanted.RefusalError{Reason: fmt.Sprintf("this gateway has %d indexes of its own, and the nodes belong to fleet %s", len(now.Indexes), p.Fleet),
			Needed: "Start it on an empty state to rebuild that fleet's"}
	case e.writer.Unfinished() > 0:
		return &wanted.RefusalError{Reason: fmt.Sprintf("%d writes of this state are not on all nodes yet, and would come after later ones", e.writer.Unfinished()),
			Needed: "Stop the gateway, move the folder " + e.journal + " away, start it and ask again"}
	}
	return nil
}

// takeOver puts a plan in force: first the numbers, which harm nobody if it ends
// there, then all else at once.
func (f *fleet) takeOver(ctx context.Context, p *rebuild.Plan) error {
	e := f.e
	if err := errors.Join(e.writer.PassOver(p.Operation), e.tasks.PassOver(p.Task)); err != nil {
		return err
	}
	if err := failpoint.Hit("rebuild.numbered"); err != nil {
		return err
	}
	err := e.catalog.Replace(p.Contents, func(tx state.Tx) error {
		if p.Fleet == f.id {
			return nil
		}
		return tx.Put(fleetTable, formerlyKey, []byte(p.Fleet))
	})
	if err != nil {
		return err
	}
	if p.Fleet != f.id {
		f.formerly.Store(&p.Fleet)
	}
	if err := failpoint.Hit("rebuild.replaced"); err != nil {
		return err
	}
	f.admitted.Clear()
	if e.feature.All() != p.Features {
		change := request.FeaturesUpdate{}
		for _, name := range meili.FeatureNames {
			if p.Features.Get(name) {
				change[name] = true
			}
		}
		if _, refusal := e.feature.Update(ctx, change); refusal != nil {
			return refusal
		}
	}
	return nil
}

// forsaken refuses to take over a node of which the indexes would be nobody's.
func (f *fleet) forsaken(ctx context.Context, c *node.Client) error {
	if len(f.e.catalog.List()) > 0 {
		return nil
	}
	mark, err := imprint.Read(ctx, c)
	if err != nil || mark == nil || mark.Fleet == f.id || len(mark.Indexes) == 0 {
		return nil // an error shows when the node is asked to take its new mark
	}
	return &wanted.RefusalError{Reason: fmt.Sprintf("node %s holds indexes of fleet %s (%s), and this gateway has none", c.ID(), mark.Fleet, strings.Join(mark.Indexes, ", ")),
		Needed: "If the state was lost, `caddy miroir rebuild` makes it anew", Lost: []string{"what a gateway knows of these indexes: they stay on the node and are not served"}}
}
