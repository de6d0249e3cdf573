package miroircore

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/state"
)

const fleetTable = "fleet"

var (
	fleetKey    = []byte("id")
	formerlyKey = []byte("formerly")
)

// fleet is the engine's view of its nodes: those that the configuration names
// and those that still hold shards though it names them no more.
type fleet struct {
	e      *Engine
	id     string // written to each node: a node has one owner
	health *cluster.Health
	wanted *wanted.Book

	topology atomic.Pointer[cluster.Topology]
	clients  atomic.Pointer[map[string]*node.Client]
	known    atomic.Pointer[map[string]cluster.Node]
	proofs   sync.Map // node id → *proof
	admitted sync.Map // node id → *probation, once it is known to be of this fleet
	// formerly is the id of the fleet that this one was rebuilt from: whoever has
	// its mark is given this fleet's.
	formerly   atomic.Pointer[string]
	rebuilding sync.Mutex // held while the state is rebuilt
}

func openFleet(e *Engine) (*fleet, error) {
	f := &fleet{e: e}
	f.clients.Store(&map[string]*node.Client{})
	f.known.Store(&map[string]cluster.Node{})
	f.health = cluster.NewHealth(cluster.HealthOptions{
		Client: f.Client, Changed: f.changed, Answered: f.answered, Admit: f.admit, Logger: e.o.Logger, Now: e.o.Now,
	})
	var err error
	if f.wanted, err = wanted.Open(e.store); err != nil {
		return nil, err
	}
	err = e.store.Update(func(tx state.Tx) error {
		f.id = string(tx.Get(fleetTable, fleetKey))
		formerly := string(tx.Get(fleetTable, formerlyKey))
		f.formerly.Store(&formerly)
		if f.id == "" {
			f.id = uuid.NewString()
			return tx.Put(fleetTable, fleetKey, []byte(f.id))
		}
		return nil
	})
	return f, err
}

// configure takes over the nodes of a configuration, with what operators changed.
// Their addresses are kept, so that a node that leaves the file can still be
// reached while it holds shards.
func (f *fleet) configure(c *Config) error {
	topology := f.wanted.Topology(c.Topology)
	known, err := f.remember(f.wanted.All(c.Topology))
	if err != nil {
		return fmt.Errorf("keep the addresses of nodes: %w", err)
	}
	clients := make(map[string]*node.Client, len(known))
	for id, n := range known {
		clients[id] = node.New(id, n.URL, f.keys, f.prover(id, f.transport(c)))
	}
	for id := range *f.known.Load() {
		if _, still := known[id]; !still {
			f.e.metrics.ForgetNode(id)
		}
	}
	f.topology.Store(topology)
	f.clients.Store(&clients)
	f.known.Store(&known)
	f.health.Configure(slices.Sorted(maps.Keys(known)), cluster.Tuning{Interval: c.HealthInterval, Fails: c.Fails, Passes: c.Passes})
	return nil
}

// client makes the client of a server that is not of the fleet yet.
func (f *fleet) client(id string, at *url.URL, c *Config) *node.Client {
	return node.New(id, at, f.keys, f.transport(c))
}

func (f *fleet) keys() []string { return f.e.config().NodeKeys }

func (f *fleet) transport(c *Config) http.RoundTripper {
	if c.Transport == nil {
		return f.e.transport
	}
	return c.Transport
}

// remember gives the nodes of a topology and those that placements still name.
// One that is to be removed is kept only as long as a placement names it.
func (f *fleet) remember(t *cluster.Topology) (map[string]cluster.Node, error) {
	known, placed := map[string]cluster.Node{}, f.placed()
	err := f.e.store.Update(func(tx state.Tx) error {
		clear(known)
		for _, n := range t.Nodes() {
			if f.wanted.Leaving(n.ID) != wanted.Removed || slices.Contains(placed, n.ID) {
				known[n.ID] = n
			}
			if err := tx.Put(fleetTable, nodeKey(n.ID), []byte(n.Group+" "+n.URL.String())); err != nil {
				return err
			}
		}
		for _, id := range placed {
			if _, named := known[id]; named {
				continue
			}
			if n, ok := parseNode(id, tx.Get(fleetTable, nodeKey(id))); ok {
				known[id] = n
			}
		}
		return nil
	})
	return known, err
}

func nodeKey(id string) []byte { return []byte("node/" + id) }

func parseNode(id string, saved []byte) (cluster.Node, bool) {
	var group, address string
	if _, err := fmt.Sscan(string(saved), &group, &address); err != nil {
		return cluster.Node{}, false
	}
	u, err := url.Parse(address)
	return cluster.Node{ID: id, Group: group, URL: u}, err == nil
}

// placed lists the nodes that placements name.
func (f *fleet) placed() []string {
	ids := map[string]bool{}
	for _, ix := range f.e.catalog.List() {
		for _, id := range ix.Placement.Nodes() {
			ids[id] = true
		}
	}
	return slices.Collect(maps.Keys(ids))
}

func (f *fleet) run(ctx context.Context) {
	var own sync.WaitGroup
	defer own.Wait()
	own.Go(func() { (&publisher{f: f, nodes: make(map[string]*publishing)}).run(ctx) })
	f.health.Run(ctx)
}

// predecessor is the id of the fleet that this one was rebuilt from, or one that
// no fleet has.
func (f *fleet) predecessor() string {
	if id := *f.formerly.Load(); id != "" {
		return id
	}
	return "(none)"
}

// Topology is the wanted shape of the fleet.
func (f *fleet) Topology() *cluster.Topology { return f.topology.Load() }

// Client gives the client of a node.
func (f *fleet) Client(id string) (*node.Client, bool) {
	c, ok := (*f.clients.Load())[id]
	return c, ok
}

// Clients gives the clients of the nodes that are up.
func (f *fleet) Clients() []*node.Client {
	var up []*node.Client
	for id, c := range *f.clients.Load() {
		if f.health.Writable(id) {
			up = append(up, c)
		}
	}
	return up
}

// Up tells whether a node may be read.
func (f *fleet) Up(id string) bool { return f.health.Up(id) }

// Writable tells whether a node may be written to.
func (f *fleet) Writable(id string) bool { return f.health.Writable(id) }

// Reported takes how a request of the traffic to a node went.
func (f *fleet) Reported(id string, err error) {
	if err == nil {
		return
	}
	kind := node.KindOf(err)
	f.e.metrics.NodeFailed(id, kind.String())
	if kind == node.KindRefused || kind == node.KindCut || kind == node.KindTimeout {
		f.health.Failed(id)
	}
}

// unread takes that a read did not reach a node: it is looked at before its
// next probe is due.
func (f *fleet) unread(id string, err error) {
	if node.KindOf(err) == node.KindRefused {
		f.health.Failed(id)
	}
}

func (f *fleet) changed(id string, up bool) {
	f.e.metrics.NodeUp(id, up)
	if !up {
		// It may come back as another server: it is asked whose it is again.
		f.admitted.Delete(id)
		f.e.writer.Suspect(id)
	}
}

// answered tells a node that is well what it may have missed besides documents.
func (f *fleet) answered(id string) {
	c, ok := f.Client(id)
	if !ok {
		return
	}
	if err := f.prover(id, nil).sure(context.Background()); err != nil {
		f.e.o.Logger.Debug("a node that answers is looked at again", "node", id, "error", err)
	}
	if err := f.e.feature.Push(context.Background(), c); err != nil {
		f.e.o.Logger.Warn("node does not follow the experimental features yet", "node", id, "error", err)
	}
}

// Version is the lowest version of the nodes that were reached and can be used:
// what it can do all can do.
func (f *fleet) Version() meili.Version {
	var lowest meili.Version
	for id := range *f.known.Load() {
		s := f.health.State(id)
		v := s.Version
		if s.Status == cluster.StatusIncompatible {
			continue
		}
		if v.PkgVersion != "" && (lowest.PkgVersion == "" || cluster.CompareVersions(v.PkgVersion, lowest.PkgVersion) < 0) {
			lowest = v
		}
	}
	if lowest.PkgVersion == "" {
		return meili.Version{CommitSHA: "unknown", CommitDate: "unknown", PkgVersion: cluster.Lowest}
	}
	return lowest
}
