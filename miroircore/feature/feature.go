// Package feature keeps the experimental features: which are on is the
// gateway's to say, and every node follows.
package feature

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

const table = "features"

var key = []byte("all")

// pushTimeout bounds one node's answer. A node that misses it is told again
// when it is next seen to be well.
const pushTimeout = 5 * time.Second

// followed are the features that change what a node does with documents and
// searches. The others concern routes that the gateway answers by itself, and
// network must stay off: a node must not believe to be part of one.
var followed = []string{
	"editDocumentsByFunction", "containsFilter", "compositeEmbedders", "chatCompletions",
	"multimodal", "foreignKeys", "disableDocumentsFetchQueue", "legacySearch",
}

// Set is the set of features. It is safe for concurrent use.
type Set struct {
	store  state.Store
	nodes  func() []*node.Client
	logger *slog.Logger

	mu      sync.Mutex // one update at a time, from the store to the nodes
	current atomic.Pointer[meili.Features]
}

// Open reads the features from the store; nodes lists those to keep alike.
func Open(store state.Store, nodes func() []*node.Client, logger *slog.Logger) (*Set, error) {
	s := &Set{store: store, nodes: nodes, logger: logger}
	var features meili.Features
	err := store.View(func(tx state.Tx) error {
		if saved := tx.Get(table, key); saved != nil {
			return json.Unmarshal(saved, &features)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read experimental features: %w", err)
	}
	s.current.Store(&features)
	return s, nil
}

// All gives the features as they are.
func (s *Set) All() meili.Features { return *s.current.Load() }

// Update sets the features that are named and tells the nodes. A node that does
// not answer follows when it is back.
func (s *Set) Update(ctx context.Context, change request.FeaturesUpdate) (meili.Features, *meili.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	features := s.All()
	for name, on := range change {
		features.Set(name, on)
	}
	saved, err := json.Marshal(features)
	if err == nil {
		err = s.store.Update(func(tx state.Tx) error { return tx.Put(table, key, saved) })
	}
	if err != nil {
		return s.All(), meili.NewError("internal", "keeping the experimental features: %v", err)
	}
	s.current.Store(&features)
	s.pushAll(ctx)
	return features, nil
}

func (s *Set) pushAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, n := range s.nodes() {
		wg.Go(func() {
			if err := s.Push(ctx, n); err != nil {
				s.logger.Warn("node does not follow the experimental features yet", "node", n.ID(), "error", err)
			}
		})
	}
	wg.Wait()
}

// Push tells one node, if it differs.
func (s *Set) Push(ctx context.Context, n *node.Client) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushTimeout)
	defer cancel()
	features := s.All()
	known, err := n.Features(ctx)
	if err != nil {
		return fmt.Errorf("read experimental features of node %s: %w", n.ID(), err)
	}
	change := map[string]bool{}
	for _, name := range followed {
		if features.Get(name) != known.Get(name) {
			change[name] = features.Get(name)
		}
	}
	if len(change) == 0 {
		return nil
	}
	if _, err := n.SetFeatures(ctx, change); err != nil {
		return fmt.Errorf("set experimental features of node %s: %w", n.ID(), err)
	}
	return nil
}
