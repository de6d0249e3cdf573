package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
	"github.com/miroir-gateway/miroir/miroircore/state/format"
	"github.com/miroir-gateway/miroir/miroircore/state/memory"
)

func init() {
	caddy.RegisterModule(BoltStore{})
	caddy.RegisterModule(MemoryStore{})
}

// Store is a module of the namespace miroir.stores: a way to keep the
// gateway's state. OpenStore may take locks; it is called when a configuration
// starts, never while one is only checked, and once for all configurations
// that follow each other on one path.
type Store interface {
	caddy.Module
	OpenStore(path string) (state.Store, error)
}

// ephemeral is what a Store also is if what it keeps ends with the process.
type ephemeral interface{ Ephemeral() bool }

// loadStore loads the module that keeps the state.
func (app *App) loadStore(ctx caddy.Context) (Store, error) {
	var module any
	var err error
	if len(app.StoreRaw) == 0 {
		module, err = ctx.LoadModuleByID("miroir.stores.bolt", nil)
	} else {
		module, err = ctx.LoadModule(app, "StoreRaw")
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	store, ok := module.(Store)
	if !ok {
		return nil, fmt.Errorf("store %T keeps no state", module)
	}
	return store, nil
}

// BoltStore keeps the state in one file of this machine. One gateway can use
// it at a time.
type BoltStore struct {
	// How long to wait for another process to let go of the file.
	// Default: `3s`.
	LockTimeout caddy.Duration `json:"lock_timeout,omitempty"`
}

// CaddyModule names the module.
func (BoltStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.stores.bolt", New: func() caddy.Module { return new(BoltStore) }}
}

// OpenStore opens the file.
func (s *BoltStore) OpenStore(path string) (state.Store, error) {
	return bolt.Open(path, bolt.Options{Migrations: format.Steps, LockTimeout: time.Duration(s.LockTimeout)})
}

// UnmarshalCaddyfile reads the module's options:
//
//	store bolt {
//	    lock_timeout <duration>
//	}
func (s *BoltStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "lock_timeout" {
			return d.Errf("unrecognized option '%s' of the store bolt: there is lock_timeout", d.Val())
		}
		if s.LockTimeout != 0 {
			return d.Err("lock_timeout is given twice")
		}
		if err := duration(d, &s.LockTimeout); err != nil {
			return err
		}
	}
	return nil
}

// MemoryStore keeps the state in memory: it is gone when the process ends. It
// is for trials and tests, where the nodes are as short-lived.
type MemoryStore struct{}

// CaddyModule names the module.
func (MemoryStore) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir.stores.memory", New: func() caddy.Module { return new(MemoryStore) }}
}

// OpenStore makes an empty store.
func (MemoryStore) OpenStore(string) (state.Store, error) { return memory.New(), nil }

// Ephemeral says that nothing is kept beyond the process.
func (MemoryStore) Ephemeral() bool { return true }

// UnmarshalCaddyfile reads the module's options, of which there are none:
//
//	store memory
func (*MemoryStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the module
	return last(d)
}

var (
	_ Store                 = (*BoltStore)(nil)
	_ Store                 = (*MemoryStore)(nil)
	_ caddyfile.Unmarshaler = (*BoltStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryStore)(nil)
)
