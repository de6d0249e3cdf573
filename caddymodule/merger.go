package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/miroir-gateway/miroir/miroircore/search/merge"
)

func init() {
	caddy.RegisterModule(DetailsMerger{})
	caddy.RegisterModule(RRFMerger{})
	caddy.RegisterModule(DFSMerger{})
}

// Merger is a module of the namespace miroir.mergers: a way to put the hits of
// several nodes in one order. Merger is called once for each configuration.
type Merger interface {
	caddy.Module
	Merger() merge.Merger
}

// loadMerger loads the module that orders hits.
func (app *App) loadMerger(ctx caddy.Context) (merge.Merger, error) {
	var module any
	var err error
	if len(app.MergerRaw) == 0 {
		module, err = ctx.LoadModuleByID("miroir.mergers.details", nil)
	} else {
		module, err = ctx.LoadModule(app, "MergerRaw")
	}
	if err != nil {
		return nil, fmt.Errorf("merger: %w", err)
	}
	merger, ok := module.(Merger)
	if !ok {
		return nil, fmt.Errorf("merger %T orders no hits", module)
	}
	return merger.Merger(), nil
}

func (b *block) merger(d *caddyfile.Dispenser) error {
	raw, err := guest(d, "miroir.mergers.", "merger")
	b.app.MergerRaw = raw
	return err
}

// DetailsMerger orders hits rule by rule, by the details of the ranking score:
// the order that one Meilisearch with all documents gives.
type DetailsMerger struct{}

// CaddyModule names the module.
func (DetailsMerger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.mergers.details", New: func() caddy.Module { return new(DetailsMerger) }}
}

// Merger makes the merger.
func (DetailsMerger) Merger() merge.Merger { return merge.Details{} }

// UnmarshalCaddyfile reads the module's options, of which there are none:
//
//	merger details
func (*DetailsMerger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	return last(d)
}

// RRFMerger orders hits by reciprocal rank fusion: by their rank on their own
// node alone, and hybrid searches by the ranks in both of their lists.
type RRFMerger struct {
	// How little the first ranks stand out: a hit of rank r scores 1/(k+r) in
	// each list it is in. Default: 60.
	K int `json:"k,omitempty"`
}

// maxK bounds RRF's constant: beyond it every rank scores the same.
const maxK = 10_000

// CaddyModule names the module.
func (RRFMerger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.mergers.rrf", New: func() caddy.Module { return new(RRFMerger) }}
}

// Validate refuses a constant that cannot be meant.
func (m *RRFMerger) Validate() error {
	if m.K < 0 || m.K > maxK {
		return fmt.Errorf("k is %d: it must be between 1 and %d", m.K, maxK)
	}
	return nil
}

// Merger makes the merger.
func (m *RRFMerger) Merger() merge.Merger { return &merge.RRF{K: float64(m.K)} }

// UnmarshalCaddyfile reads the module's options:
//
//	merger rrf {
//	    k <number>
//	}
func (m *RRFMerger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return onlyNumber(d, "the merger rrf", "k", &m.K, maxK)
}

// DFSMerger orders the first hits anew, with words weighed by how rare they are
// in the whole index, of which it asks the nodes first.
type DFSMerger struct {
	// How many hits are weighed; what comes after them stands as `details` has
	// it. Each node is asked for at least so many. Default: 100.
	Depth int `json:"depth,omitempty"`
}

// maxDepth is as far as Meilisearch lets anyone page by default.
const maxDepth = 1000

// CaddyModule names the module.
func (DFSMerger) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.mergers.dfs", New: func() caddy.Module { return new(DFSMerger) }}
}

// Validate refuses a depth that would have nodes send everything.
func (m *DFSMerger) Validate() error {
	if m.Depth < 0 || m.Depth > maxDepth {
		return fmt.Errorf("depth is %d: it must be between 1 and %d", m.Depth, maxDepth)
	}
	return nil
}

// Merger makes the merger.
func (m *DFSMerger) Merger() merge.Merger { return &merge.DFS{Depth: m.Depth} }

// UnmarshalCaddyfile reads the module's options:
//
//	merger dfs {
//	    depth <number>
//	}
func (m *DFSMerger) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return onlyNumber(d, "the merger dfs", "depth", &m.Depth, maxDepth)
}

// onlyNumber reads the block of a module that has one option, a number.
func onlyNumber(d *caddyfile.Dispenser, module, name string, to *int, most int) error {
	d.Next() // the name of the module
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != name {
			return d.Errf("unrecognized option '%s' of %s: there is %s", d.Val(), module, name)
		}
		if *to != 0 {
			return d.Errf("%s is given twice", name)
		}
		if err := number(d, to, most); err != nil {
			return err
		}
	}
	return nil
}

var (
	_ Merger                = (*DetailsMerger)(nil)
	_ Merger                = (*RRFMerger)(nil)
	_ Merger                = (*DFSMerger)(nil)
	_ caddy.Validator       = (*RRFMerger)(nil)
	_ caddy.Validator       = (*DFSMerger)(nil)
	_ caddyfile.Unmarshaler = (*DetailsMerger)(nil)
	_ caddyfile.Unmarshaler = (*RRFMerger)(nil)
	_ caddyfile.Unmarshaler = (*DFSMerger)(nil)
)
