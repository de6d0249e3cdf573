package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
)

// engines holds the engines of this process by their state file. An engine
// outlives the configuration that opened it as long as another uses it: its
// file is locked, and its background work is not to stop for a reload.
var engines = caddy.NewUsagePool()

// sharedEngine is an engine with what it was opened with.
type sharedEngine struct {
	*miroircore.Engine
	store string // the module that keeps its state
	spool string
	// scratch is a folder that goes with the engine, or "".
	scratch string
}

// Destruct closes the engine once the last configuration has given it back.
func (s *sharedEngine) Destruct() error {
	err := s.Close()
	if s.scratch != "" {
		err = errors.Join(err, os.RemoveAll(s.scratch))
	}
	return err
}

// acquire gives the engine of the state, opened if no configuration has it open.
// Each success must be answered by one engines.Delete.
func (app *App) acquire() (*sharedEngine, error) {
	at, name := app.place, string(app.store.CaddyModule().ID)
	value, _, err := engines.LoadOrNew(at.state, func() (caddy.Destructor, error) {
		return app.openEngine(name)
	})
	if err != nil {
		return nil, err
	}
	shared, ok := value.(*sharedEngine)
	switch {
	case !ok:
		err = fmt.Errorf("state %s is held by a %T", at.state, value)
	case shared.store != name:
		err = fmt.Errorf("state %s is in use with %s: a change of store takes a restart or another path", at.state, shared.store)
	case shared.spool != at.spool:
		err = fmt.Errorf("state %s is in use with the spool %s: a change of spool takes a restart", at.state, shared.spool)
	}
	if err != nil {
		_, deleteErr := engines.Delete(at.state)
		return nil, errors.Join(err, deleteErr)
	}
	return shared, nil
}

func (app *App) openEngine(store string) (*sharedEngine, error) {
	shared := &sharedEngine{store: store, spool: app.place.spool}
	statePath, spool := app.place.state, app.place.spool
	if short, ok := app.store.(ephemeral); ok && short.Ephemeral() {
		// A journal that outlived the state would speak of tasks that nobody knows.
		dir, err := os.MkdirTemp("", "miroir-")
		if err != nil {
			return nil, err
		}
		shared.scratch = dir
		statePath, spool = filepath.Join(dir, "state.db"), filepath.Join(dir, "spool")
	}
	opened, err := app.store.OpenStore(statePath)
	if err != nil {
		err = fmt.Errorf("opening state %s (another process may hold it): %w", statePath, err)
		return nil, errors.Join(err, os.RemoveAll(shared.scratch))
	}
	shared.Engine, err = miroircore.Open(miroircore.Options{
		StatePath: statePath, SpoolDir: spool, Store: opened, OutboxLimit: app.OutboxLimit, TaskLimit: app.TaskLimit, Logger: app.logger,
	})
	if err != nil { // Open has closed the store
		err = fmt.Errorf("opening the engine on %s: %w", statePath, err)
		return nil, errors.Join(err, os.RemoveAll(shared.scratch))
	}
	return shared, nil
}

// attachment is a configuration in force on an engine.
type attachment struct {
	engine     *sharedEngine
	generation *miroircore.Generation
}

// attachments lists the configurations in force in this process. While Caddy
// reloads there are two; if the newer one fails, the older stays.
var attachments attachmentList

type attachmentList struct {
	mu   sync.RWMutex
	list []*attachment
}

func (l *attachmentList) push(a *attachment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, a)
}

func (l *attachmentList) remove(a *attachment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(other *attachment) bool { return other == a })
}

// newest gives the configuration that was put in force last, or nil.
func (l *attachmentList) newest() *attachment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.list) == 0 {
		return nil
	}
	return l.list[len(l.list)-1]
}
