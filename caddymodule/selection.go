package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/miroir-gateway/miroir/miroircore/search/plan"
)

func init() {
	caddy.RegisterModule(AdaptiveSelection{})
	caddy.RegisterModule(RoundRobinSelection{})
	caddy.RegisterModule(RandomSelection{})
}

// SelectionPolicy is a module of the namespace miroir.selection_policies: a way
// to choose between copies that would answer a read as well. Policy is called
// once for each configuration.
type SelectionPolicy interface {
	caddy.Module
	Policy() plan.Policy
}

// loadSelection loads the module that chooses between copies.
func (app *App) loadSelection(ctx caddy.Context) (plan.Policy, error) {
	var module any
	var err error
	if len(app.SelectionRaw) == 0 {
		module, err = ctx.LoadModuleByID("miroir.selection_policies.adaptive", nil)
	} else {
		module, err = ctx.LoadModule(app, "SelectionRaw")
	}
	if err != nil {
		return nil, fmt.Errorf("selection: %w", err)
	}
	policy, ok := module.(SelectionPolicy)
	if !ok {
		return nil, fmt.Errorf("selection %T chooses between no copies", module)
	}
	return policy.Policy(), nil
}

func (b *block) selection(d *caddyfile.Dispenser) error {
	raw, err := guest(d, "miroir.selection_policies.", "policy")
	b.app.SelectionRaw = raw
	return err
}

// AdaptiveSelection asks the copy that is expected to answer first: it goes by
// how long nodes took lately and how much they have to do, of which indexing is a
// part. One read in twenty also tries a node that is not its first choice; one
// that is known to be slow gets a duplicate that no client waits for. What was
// learned outlives a reload.
type AdaptiveSelection struct{}

// CaddyModule names the module.
func (AdaptiveSelection) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.selection_policies.adaptive", New: func() caddy.Module { return new(AdaptiveSelection) }}
}

// Policy makes the policy.
func (AdaptiveSelection) Policy() plan.Policy { return plan.NewAdaptive(nil) }

// UnmarshalCaddyfile reads the module's options, of which there are none:
//
//	selection adaptive
func (*AdaptiveSelection) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	return last(d)
}

// RoundRobinSelection asks copies in turn, however fast they are.
type RoundRobinSelection struct{}

// CaddyModule names the module.
func (RoundRobinSelection) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.selection_policies.round_robin", New: func() caddy.Module { return new(RoundRobinSelection) }}
}

// Policy makes the policy.
func (RoundRobinSelection) Policy() plan.Policy { return plan.NewRoundRobin() }

// UnmarshalCaddyfile reads the module's options, of which there are none:
//
//	selection round_robin
func (*RoundRobinSelection) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	return last(d)
}

// RandomSelection asks any copy, by chance. It remembers nothing, so that many
// gateways before the same nodes do not fall into step.
type RandomSelection struct{}

// CaddyModule names the module.
func (RandomSelection) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.selection_policies.random", New: func() caddy.Module { return new(RandomSelection) }}
}

// Policy makes the policy.
func (RandomSelection) Policy() plan.Policy { return plan.NewRandom() }

// UnmarshalCaddyfile reads the module's options, of which there are none:
//
//	selection random
func (*RandomSelection) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	return last(d)
}

var (
	_ SelectionPolicy       = (*AdaptiveSelection)(nil)
	_ SelectionPolicy       = (*RoundRobinSelection)(nil)
	_ SelectionPolicy       = (*RandomSelection)(nil)
	_ caddyfile.Unmarshaler = (*AdaptiveSelection)(nil)
	_ caddyfile.Unmarshaler = (*RoundRobinSelection)(nil)
	_ caddyfile.Unmarshaler = (*RandomSelection)(nil)
)
