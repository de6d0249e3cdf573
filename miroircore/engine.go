package miroircore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/miroir-gateway/miroir/miroircore/access"
	"github.com/miroir-gateway/miroir/miroircore/antientropy"
	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/egress"
	"github.com/miroir-gateway/miroir/miroircore/feature"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/job"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/metrics"
	"github.com/miroir-gateway/miroir/miroircore/rebalance"
	"github.com/miroir-gateway/miroir/miroircore/replica"
	"github.com/miroir-gateway/miroir/miroircore/search"
	"github.com/miroir-gateway/miroir/miroircore/state"
	"github.com/miroir-gateway/miroir/miroircore/state/bolt"
	"github.com/miroir-gateway/miroir/miroircore/state/format"
	"github.com/miroir-gateway/miroir/miroircore/stats"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/webhook"
	"github.com/miroir-gateway/miroir/miroircore/write"
)

// Options are what an Engine is opened with. They cannot change while it is open.
type Options struct {
	// StatePath is the file of the gateway's state. It is locked while the engine
	// is open; the journal lies beside it. Required unless Store is given.
	StatePath string
	// SpoolDir is where large request bodies wait. Default: spool beside the state.
	SpoolDir string
	// Store keeps the state instead of a file at StatePath. The engine closes it.
	Store state.Store
	// OutboxLimit is how many bytes of writes one node may miss. Default 10 GiB.
	OutboxLimit int64
	// TaskLimit is how many tasks are kept before a tenth of them, the oldest
	// finished ones, are deleted. Default 1,000,000.
	TaskLimit int
	Logger    *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// pruned is how many tasks are deleted at once; 0 is the usual number.
func (o *Options) pruned() int {
	if o.TaskLimit == 0 {
		return 0
	}
	return max(2, o.TaskLimit/10)
}

// Engine is one gateway: its state, its outboxes and what it knows of the
// nodes. It outlives configurations: reload attaches a new Generation and
// detaches the old one. All methods are safe for concurrent use.
type Engine struct {
	o       Options
	store   state.Store
	tasks   *task.Table
	catalog *index.Catalog
	keys    *access.Keys
	fleet   *fleet
	feature *feature.Set
	writer  *write.Writer
	reader  *search.Reader
	server  *api.Server
	metrics *metrics.Set
	balance *rebalance.Reconciler
	checker *antientropy.Checker
	// throttle is shared by all that copies and compares in the background.
	throttle *replica.Throttle
	jobs     *job.Runner
	hooks    *webhook.Book
	sender   *webhook.Sender
	// transport carries requests where a configuration brings none of its own.
	transport *http.Transport
	journal   string

	current atomic.Pointer[Generation] // the newest one attached

	mu       sync.Mutex
	attached []*Generation
	running  sync.WaitGroup
	stop     context.CancelFunc
	users    sync.WaitGroup // requests under way
	closing  atomic.Bool
}

// Beside is the folder of a gateway's for one purpose that lies beside its state.
// It has the name of the purpose where the state file has its usual one, and else
// the state file's too, so that two gateways may keep their states in one folder.
func Beside(statePath, purpose string) string {
	dir, file := filepath.Split(statePath)
	if file == "" || file == usualState {
		return filepath.Join(dir, purpose)
	}
	return filepath.Join(dir, file+"."+purpose)
}

// usualState is what a state file is called unless the configuration names it.
const usualState = "state.db"

// Open opens the state and starts nothing: no request leaves the process before
// the first Attach.
func Open(o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OutboxLimit == 0 {
		o.OutboxLimit = DefaultOutboxLimit
	}
	if o.SpoolDir == "" {
		o.SpoolDir = Beside(o.StatePath, "spool")
	}
	e := &Engine{o: o, store: o.Store, metrics: metrics.New(), transport: node.Transport(), journal: Beside(o.StatePath, "journal")}
	e.throttle = replica.NewThrottle(func() (documents, bytes int) { return e.config().BackgroundRate, 0 })
	if e.store == nil {
		store, err := bolt.Open(o.StatePath, bolt.Options{Migrations: format.Steps})
		if err != nil {
			return nil, err
		}
		e.store = store
	}
	if err := e.load(); err != nil {
		return nil, errors.Join(err, e.store.Close())
	}
	return e, nil
}

// load makes the parts from the state, each from those before it.
func (e *Engine) load() (err error) {
	if e.tasks, err = task.Open(e.store, task.Options{Now: e.o.Now, Keep: e.o.TaskLimit, Prune: e.o.pruned()}); err != nil {
		return fmt.Errorf("open tasks: %w", err)
	}
	if e.catalog, err = index.Open(e.store); err != nil {
		return fmt.Errorf("open catalog: %w", err)
	}
	masterKey := func() string { return e.config().MasterKey }
	if e.keys, err = access.Open(e.store, masterKey, e.o.Now); err != nil {
		return fmt.Errorf("open keys: %w", err)
	}
	if e.fleet, err = openFleet(e); err != nil {
		return fmt.Errorf("open fleet: %w", err)
	}
	if e.feature, err = feature.Open(e.store, e.fleet.Clients, e.o.Logger); err != nil {
		return err
	}
	if e.hooks, err = webhook.Open(e.store); err != nil {
		return err
	}
	return nil
}

// start begins the background work, once a configuration is there to work
// under: what an earlier process left undelivered is delivered, nodes are
// probed. All of it ends in Close.
func (e *Engine) start() (err error) {
	e.writer, err = write.Open(write.Options{
		Dir: e.journal, Store: e.store, Catalog: e.catalog, Tasks: e.tasks,
		Nodes: e.fleet.Client, NodeUp: e.fleet.Writable, Topology: e.fleet.Topology, Report: e.fleet.Reported,
		Features:    e.feature.All,
		Shards:      func() int { return e.config().Shards },
		Quorum:      func() write.Quorum { return write.Quorum(e.config().WriteQuorum) },
		MaxLag:      func() time.Duration { return e.config().MaxLag },
		Tuning:      func() write.Tuning { return e.config().writing() },
		Probed:      e.fleet.health.Ready,
		OutboxLimit: e.o.OutboxLimit, Logger: e.o.Logger, Metrics: e.metrics, Now: e.o.Now,
	})
	if err != nil {
		return fmt.Errorf("open journal: %w", err)
	}
	e.reader = search.New(search.Options{
		Client: e.fleet.Client, Readable: e.Readable, Current: e.catalog.ByPhysical, Features: e.feature.All,
		Behind: e.writer.Behind, Indexing: func(id string) bool { return e.writer.NodeState(id).Waiting > 0 },
		Report: e.fleet.unread, Ended: e.tasks.Ended,
		Logger: e.o.Logger, Now: e.o.Now, Metrics: e.metrics,
	})
	if err := e.makeBalance(); err != nil {
		return errors.Join(err, e.writer.Close(context.Background()))
	}
	if err := e.makeChecker(); err != nil {
		return errors.Join(err, e.writer.Close(context.Background()))
	}
	dial := egress.Dial(func() []netip.Prefix { return e.config().AllowedNetworks })
	e.jobs = job.NewRunner(job.Options{
		Tasks: e.tasks, Catalog: e.catalog, Keys: e.keys, Features: e.feature.All, Client: e.fleet.Client,
		Readable: e.Readable, Begin: e.reader.Begin, Dial: dial, Dir: Beside(e.o.StatePath, "dumps"), Version: e.fleet.Version, Now: e.o.Now,
	})
	e.sender = webhook.Start(e.hooks, dial, e.o.Logger)
	e.tasks.OnFinish(e.sender.Ended)
	e.server = api.New(e.apiOptions())
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	e.running.Go(func() { e.fleet.run(ctx) })
	e.running.Go(func() { e.balance.Run(ctx) })
	e.running.Go(func() { e.checker.Run(ctx) })
	return nil
}

// apiOptions hands the parts to the HTTP surface.
func (e *Engine) apiOptions() api.Options {
	joined := &stats.Joiner{Client: e.fleet.Client, Readable: e.Readable, Count: e.count}
	return api.Options{
		Keys: e.keys, Catalog: e.catalog, Tasks: e.tasks, Reader: e.reader, Writer: e.writer, Fleet: e.fleet, Operator: &operator{e}, Balance: e.balance, Checker: e.checker, Readable: e.Readable,
		Instance: api.Instance{Features: e.feature, Webhooks: e.hooks, Stats: joined, Jobs: e.jobs,
			Metrics: &exposition{engine: e, stats: joined}},
		Logger: e.o.Logger, Now: e.o.Now,
	}
}

// count counts an index's documents over a covering set.
func (e *Engine) count(ctx context.Context, ix *index.Index) (int, *meili.Error) {
	answer, err := e.reader.Documents(ctx, search.Call{Unavailable: "partial"}, ix, &request.DocumentsFetch{Fields: []string{}})
	if err != nil {
		return 0, err
	}
	var page struct {
		Total int `json:"total"`
	}
	if err := json.Unmarshal(answer.Body, &page); err != nil {
		return 0, meili.NewError("internal", "counting documents: %v", err)
	}
	return page.Total, nil
}

// config is the configuration in force, with defaults. Before the first Attach
// it is empty.
func (e *Engine) config() *Config {
	if g := e.current.Load(); g != nil {
		return &g.config
	}
	return &Config{}
}

// Readable tells whether searches may ask a node for a physical index: it
// answers, and it has applied what the others have.
func (e *Engine) Readable(nodeID, physical string) bool {
	return e.fleet.Up(nodeID) && e.writer.Readable(nodeID, physical)
}

// Attach puts a configuration in force. The first one starts probes and
// deliveries; each later one only changes what they work with. A configuration
// that is refused leaves the one in force untouched.
func (e *Engine) Attach(config *Config) (*Generation, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	g := &Generation{engine: e, config: config.withDefaults()}
	spool, err := document.NewSpool(e.o.SpoolDir, g.config.MaxBody)
	if err != nil {
		return nil, err
	}
	g.settings = api.Settings{Unavailable: g.config.Unavailable, RejectBadDocuments: g.config.BadDocuments == "reject", Spool: spool,
		SessionWait: g.config.SessionWait, MaxWait: g.config.MaxWait}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		return nil, errors.New("attach a configuration: the engine is closed")
	}
	if err := e.fleet.affordable(&g.config); err != nil {
		return nil, err
	}
	before := e.current.Load()
	if err := e.use(g); err != nil {
		return nil, err
	}
	if e.stop == nil {
		if err := e.start(); err != nil {
			e.current.Store(before)
			return nil, err
		}
	}
	e.tune(&g.config)
	e.attached = append(e.attached, g)
	return g, nil
}

// use puts a generation in force.
func (e *Engine) use(g *Generation) error {
	if err := e.fleet.configure(&g.config); err != nil {
		return err
	}
	e.current.Store(g)
	return nil
}

// tune has reads follow a configuration.
func (e *Engine) tune(c *Config) {
	e.reader.Tune(search.Tuning{
		FailoverAfter: c.FailoverAfter, NoHedge: c.NoHedge, HedgeBudget: c.HedgeBudget, Timeout: c.NodeTimeout,
		MaxAnswer: c.MaxAnswer, MaxReads: c.MaxReads, QueuedReads: c.QueuedReads,
		ExactDistinct: c.ExactDistinct, ExactFacets: c.ExactFacets, Policy: c.Selection, Merger: c.Merger,
	})
}

// detach takes a generation away. If it was in force, the newest of those left is.
func (e *Engine) detach(g *Generation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, other := range e.attached {
		if other == g {
			e.attached = append(e.attached[:i:i], e.attached[i+1:]...)
			break
		}
	}
	if len(e.attached) == 0 {
		return
	}
	if e.current.Load() != g {
		// The newer configuration stays: what it has overtaken is no longer wished.
		if err := e.fleet.wanted.Settle(e.config().Topology); err != nil {
			e.o.Logger.Error("the wanted topology cannot be tidied", "error", err)
		}
		return
	}
	earlier := e.attached[len(e.attached)-1]
	if err := e.use(earlier); err != nil {
		e.o.Logger.Error("the earlier configuration cannot be put back in force", "error", err)
		return
	}
	e.tune(&earlier.config)
}

// closeTimeout bounds how long Close waits for requests under way.
const closeTimeout = 10 * time.Second

// Close waits for the requests under way, stops the background work and closes
// the state. What was accepted and not yet delivered is delivered after the
// next start.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closing.Store(true)
	stop := e.stop
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.users.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTimeout):
		e.o.Logger.Warn("closing with requests under way")
	}
	var err error
	if stop != nil {
		stop()
		e.running.Wait()
		e.reader.Close()
		e.jobs.Close()
		e.sender.Close()
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		err = e.writer.Close(ctx)
	}
	e.transport.CloseIdleConnections()
	return errors.Join(err, e.tasks.Close(), e.store.Close())
}

// Collectors are the engine's figures for Prometheus, as they are now.
func (e *Engine) Collectors() []prometheus.Collector {
	e.measure()
	return e.metrics.Collectors()
}

// Report is the state of the fleet, as /_miroir/topology shows it.
func (e *Engine) Report() api.Report { return e.fleet.Report() }
