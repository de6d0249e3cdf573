package miroircore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
)

// operator does what operators ask for.
type operator struct{ e *Engine }

func refused(err error) *meili.Error {
	var refusal *wanted.RefusalError
	var unknown *wanted.UnknownError
	var own *meili.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &refusal):
		return meili.NewError("miroir_refused", "%s", capital(refusal.Error()))
	case errors.As(err, &unknown):
		return meili.NewError("miroir_unknown_node", "%s", err.Error())
	}
	return meili.NewError("internal", "%v", err)
}

func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// Wish changes the wanted topology. What follows from it, the reconciler does.
func (o *operator) Wish(ctx context.Context, w wanted.Wish) (*api.Granted, *meili.Error) {
	f := o.e.fleet
	if err := f.inspectAll(ctx, w); err != nil {
		return nil, refused(err)
	}
	out, err := o.grant(w)
	if err != nil {
		return nil, refused(err)
	}
	if out.Changed {
		o.e.o.Logger.Info("the wanted topology was changed", "action", string(w.Action), "id", w.ID, "said", out.Said, "lost", out.Lost)
	}
	if out.Changed && w.Action == wanted.Replace && w.As == "" {
		// Another server may be behind the address: it has to show that it is the
		// one that was written to last.
		f.admitted.Delete(w.ID)
		o.e.writer.Suspect(w.ID)
	}
	if err := o.forsake(ctx, out.Forsaken); err != nil {
		return nil, refused(fmt.Errorf("the topology was changed, but the copies that are given up could not be taken out; ask again: %w", err))
	}
	return &api.Granted{Changed: out.Changed, Message: out.Said, Lost: out.Lost}, nil
}

// grant changes the wanted topology and puts it in force.
func (o *operator) grant(w wanted.Wish) (wanted.Outcome, error) {
	e := o.e
	e.mu.Lock()
	defer e.mu.Unlock()
	config := e.config()
	out, err := e.fleet.wanted.Grant(config.Topology, w, e.fleet.facts())
	if err != nil || !out.Changed {
		return out, err
	}
	return out, e.fleet.configure(config)
}

// facts are what wishes are weighed against.
func (f *fleet) facts() wanted.Facts {
	var all []wanted.Holding
	for _, ix := range f.e.catalog.List() {
		all = append(all, wanted.Holding{UID: ix.UID, Shards: ix.Shards, Placement: ix.Placement})
	}
	return wanted.Facts{Indexes: all, Whole: func(id, uid string) bool {
		ix, ok := f.e.catalog.Get(uid)
		return ok && f.e.Readable(id, ix.Physical)
	}}
}

// inspectAll looks at the servers that a wish brings in: one that cannot be
// used is better refused now than found out of order later.
func (f *fleet) inspectAll(ctx context.Context, w wanted.Wish) error {
	if w.Force {
		return nil
	}
	incoming := w.Nodes
	switch w.Action {
	case wanted.Add, wanted.Replace:
		incoming = []wanted.Named{{ID: w.ID, URL: w.URL}}
	case wanted.AddGroup:
	default:
		return nil
	}
	for _, n := range incoming {
		if u, err := url.Parse(n.URL); err == nil && u.Host != "" {
			if reason := f.inspect(ctx, n.ID, u); reason != nil {
				return &wanted.RefusalError{Reason: fmt.Sprintf("node %s at %s cannot be used: %v", n.ID, u.Redacted(), reason),
					Needed: "Put that right and ask again; `--force` takes it in all the same, and it is used once it is right"}
			}
		}
	}
	return nil
}

// inspect tells why a server cannot be a node of this fleet, or nil.
func (f *fleet) inspect(ctx context.Context, id string, at *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	c := f.client(id, at, f.e.config())
	version, err := c.Version(ctx)
	if err != nil {
		return err
	}
	if err := cluster.Compatible(version.PkgVersion); err != nil {
		return err
	}
	mine, err := f.marked(ctx, c)
	if err != nil || mine {
		return err
	}
	return f.strangers(ctx, c)
}

// Adopt takes a node into this fleet that belongs to another, or that has
// indexes this gateway does not know. They stay as they are.
func (o *operator) Adopt(ctx context.Context, id string, force bool) *meili.Error {
	c, ok := o.e.fleet.Client(id)
	if !ok {
		return meili.NewError("miroir_unknown_node", "There is no node `%s`.", id)
	}
	if err := o.e.fleet.forsaken(ctx, c); err != nil && !force {
		return refused(err)
	}
	if err := o.e.fleet.mark(ctx, c); err != nil {
		if answer := node.AnswerOf(err); answer != nil && answer.Status < http.StatusInternalServerError {
			return meili.NewError("miroir_unavailable_node", "Node `%s` refuses: %v", id, err)
		}
		return meili.NewError("miroir_unavailable_node", "%v", err)
	}
	o.e.fleet.admitted.Store(id, new(probation))
	return nil
}

// MendSettings brings the settings of an index at once to the nodes that show
// others.
func (o *operator) MendSettings(ctx context.Context, uid string, force bool) (*api.Granted, *meili.Error) {
	m, failed := o.e.writer.Mend(ctx, uid, force)
	if failed != nil {
		return nil, failed
	}
	mended, left := strings.Join(m.Mended, ", "), strings.Join(m.Left, ", ")
	switch {
	case left != "" && !force:
		return nil, refused(&wanted.RefusalError{Reason: fmt.Sprintf("node %s does not take the settings of index %s: %v", left, uid, m.Reason),
			Needed: "Put that right and ask again; `--force` lets writes go on all the same, while the node is not read until it takes them"})
	case left != "":
		o.e.o.Logger.Warn("an operator lets writes go on though nodes do not take the settings of an index", "index", uid, "nodes", m.Left)
		return &api.Granted{Changed: true, Message: fmt.Sprintf("writes to index %s go on; it is not read on node %s until that takes its settings", uid, left)}, nil
	case mended != "":
		return &api.Granted{Changed: true, Message: fmt.Sprintf("node %s has the settings of index %s now", mended, uid)}, nil
	}
	return &api.Granted{Message: fmt.Sprintf("no node is known to have other settings for index %s", uid)}, nil
}
