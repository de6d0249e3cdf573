package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App makes several unmodified Meilisearch servers look like one. It knows
// their groups and nodes, how many copies each shard has, and where the gateway
// keeps its state; the handlers `miroir_route`, `miroir_search` and
// `miroir_admin` answer requests with it.
//
// Secrets may be written as they are or as placeholders (`{env.NAME}`,
// `{file./run/secrets/name}`), which are replaced when the configuration is
// loaded; one that turns out empty is refused.
type App struct {
	// The key that all keys of clients derive from, as Meilisearch's own master
	// key. It is never sent to a node. Placeholders may be used. Required.
	MasterKey string `json:"master_key,omitempty"`

	// The key the nodes are spoken to with: their master key, or a key with the
	// action `*`. A second one may follow while keys are being changed; it is
	// tried where the first is refused. Placeholders may be used. Required.
	NodeKeys []string `json:"node_keys,omitempty"`

	// The replica groups. Each holds every shard, so that any one of them can
	// answer a search. At least one with one node is required.
	Groups []Group `json:"groups,omitempty"`

	// How many copies of a shard a group holds. It cannot be more than the
	// smallest group has nodes. Default: 3, or the number of nodes of the
	// smallest group where that is less.
	Replication int `json:"replication,omitempty"`

	// The number of slots that the documents of an index are spread over. It is
	// fixed for an index when that is created. Default: 64. Maximum: 32768.
	Shards int `json:"shards,omitempty"`

	// How many copies must have taken a write before it is acknowledged:
	// `majority` of a group's copies, `one` (and the gateway's disk), or `all`.
	// Default: `majority`.
	WriteQuorum string `json:"write_quorum,omitempty"`

	// What a search does while a shard has no copy that can be read: answer
	// without it and say so in `X-Miroir-Degraded` (`partial`), or be refused
	// (`error`). A request may choose with `X-Miroir-Unavailable`.
	// Default: `partial`.
	Unavailable string `json:"unavailable,omitempty"`

	// How far a copy may be behind the first one that applied a write and still
	// be read. Default: `1s`.
	MaxLag caddy.Duration `json:"max_lag,omitempty"`

	// How long a node may be silent before another copy is asked as well.
	// Default: `500ms`.
	FailoverAfter caddy.Duration `json:"failover_after,omitempty"`

	// Whether, and how often, a slow read is asked of a second copy.
	Hedge *Hedge `json:"hedge,omitempty"`

	// How long a read waits for a node that says nothing, where no other copy
	// answers. Default: `30s`.
	NodeTimeout caddy.Duration `json:"node_timeout,omitempty"`

	// The largest answer of a node to a read, in bytes. A larger one counts as
	// failed. Default: 256 MiB.
	MaxAnswer int64 `json:"max_answer,omitempty"`

	// How many searches and other reads of documents run at a time.
	// Default: 512.
	MaxReads int `json:"max_reads,omitempty"`

	// How many more of them wait for their turn. Further ones are answered 503
	// `too_many_search_requests`. Default: 1000, as Meilisearch's queue.
	QueuedReads int `json:"queued_reads,omitempty"`

	// Up to how many documents a search with distinct values, or with a score
	// threshold, may find in an index that no node has all of for its totals and
	// facets to be those of one server. Beyond that they are estimates.
	// Default: 20000.
	ExactDistinct int `json:"exact_distinct,omitempty"`

	// Of how many values of facets one search asks the nodes in detail, where
	// nodes spell a value in different ways or a text hides a number.
	// Default: 100.
	ExactFacets int `json:"exact_facets,omitempty"`

	// How nodes are probed.
	Health *Health `json:"health,omitempty"`

	// What happens to a document that cannot be indexed: it fails its task, as
	// Meilisearch does it (`task`), or the request is answered with status 400
	// and the document's position (`reject`). Default: `task`.
	BadDocuments string `json:"bad_documents,omitempty"`

	// The largest request body in bytes, after decompression.
	// Default: 100000000, as Meilisearch's.
	MaxBody int64 `json:"max_body,omitempty"`

	// The private networks that webhooks and exports may reach, as `10.0.0.0/8`.
	// Public addresses can always be reached. Default: none.
	AllowedNetworks []string `json:"allowed_networks,omitempty"`

	// The file that holds the gateway's state. Global placeholders may be used.
	// Default: `miroir/state.db` in Caddy's data folder.
	State string `json:"state,omitempty"`

	// The folder for writes that are under way and for large request bodies.
	// Global placeholders may be used. Default: `spool` beside the state file.
	Spool string `json:"spool,omitempty"`

	// How many bytes of writes a node may miss before they are no longer kept
	// for it. Default: 10 GiB.
	OutboxLimit int64 `json:"outbox_limit,omitempty"`

	// How many tasks are kept. Beyond, the oldest finished ones are deleted, a
	// tenth at a time, as Meilisearch does it. Default: 1000000.
	TaskLimit int `json:"task_limit,omitempty"`

	// How many shards are moved to a node at once. Default: 4.
	RebalanceShards int `json:"rebalance_shards,omitempty"`

	// How many documents a second copying shards and comparing copies may read
	// and write together. Default: no bound.
	BackgroundRate int `json:"background_rate,omitempty"`

	// How often copies of shards are compared with each other.
	AntiEntropy *AntiEntropy `json:"anti_entropy,omitempty"`

	// How a change of settings reaches the nodes: all at once, read back from each
	// (`two_phase`), or one after the other, taken back from all where one refuses it
	// (`sequential`); writes to the index wait meanwhile. Default: `two_phase`.
	SettingsStrategy string `json:"settings_strategy,omitempty"`

	// How often the settings on all nodes are compared with those in force.
	// Default: `5m`.
	SettingsCheck caddy.Duration `json:"settings_check,omitempty"`

	// How settings that a node does not have are brought to it again.
	SettingsRepair *Repair `json:"settings_repair,omitempty"`

	// How long, and how many, keys of `Idempotency-Key` are remembered.
	Idempotency *Idempotency `json:"idempotency,omitempty"`

	// How long a read waits for what its `X-Miroir-Session` has written.
	// Default: `5s`.
	SessionWait caddy.Duration `json:"session_wait,omitempty"`

	// The longest that `X-Miroir-Wait` may ask for; more counts as this.
	// Default: `1m`.
	MaxWait caddy.Duration `json:"max_wait,omitempty"`

	// Where the state is kept. Default: `bolt`, one file.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=miroir.stores inline_key=store"`

	// How a copy is chosen where several would serve a read as well: by what is
	// expected to answer first (`adaptive`), in turn (`round_robin`) or by chance
	// (`random`). Default: `adaptive`.
	SelectionRaw json.RawMessage `json:"selection,omitempty" caddy:"namespace=miroir.selection_policies inline_key=policy"`

	// In which order the hits of several nodes stand: as one server would have
	// them (`details`), by their ranks alone (`rrf`), or with words weighed by
	// how rare they are in the whole index (`dfs`). Default: `details`.
	MergerRaw json.RawMessage `json:"merger,omitempty" caddy:"namespace=miroir.mergers inline_key=merger"`

	// How requests travel to the nodes: TLS, proxies, time limits. Default:
	// `http` with 32 idle connections a node, 3 s to connect, no limit for
	// an answer and no compression, which costs a node 40 ms an answer.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	logger *slog.Logger
	config *miroircore.Config
	place  place
	store  Store

	transport *nodeTransport

	// settled is closed once it is known whether this app runs, and attached
	// says with what: nil where it does not.
	settled  chan struct{}
	settle   func()
	attached atomic.Pointer[attachment]
	acquired atomic.Bool
}

// Group is a replica group: nodes that together hold every shard.
type Group struct {
	// The name of the group: letters, digits, `-` and `_`, 64 at most.
	ID string `json:"id"`
	// The nodes of the group. At least one is required.
	Nodes []Node `json:"nodes"`
}

// Node is one Meilisearch server.
type Node struct {
	// The name of the node, unique in the whole fleet: letters, digits, `-` and
	// `_`, 64 at most. What a node holds is known by its name: keep it when the
	// address changes, choose a new one for an empty server.
	ID string `json:"id"`
	// The address: scheme (http or https), host and port.
	URL string `json:"url"`
}

// Hedge says when a slow read is asked of a second copy.
type Hedge struct {
	// Whether hedging is off. Default: false.
	Disabled bool `json:"disabled,omitempty"`
	// The share of extra requests that hedging may cost, 0.05 being 5 %.
	// Default: 0.05.
	Budget float64 `json:"budget,omitempty"`
}

// AntiEntropy says how often copies of shards are compared with each other, and
// put right where they differ though nothing is under way.
type AntiEntropy struct {
	// Whether they are compared only when an operator asks for it. Default: false.
	Disabled bool `json:"disabled,omitempty"`
	// How often by ids and versions. Default: `1h`.
	Interval caddy.Duration `json:"interval,omitempty"`
	// How often by their contents. Default: `24h`.
	ContentInterval caddy.Duration `json:"content_interval,omitempty"`
}

// Repair says how settings are brought again to a node that shows others.
type Repair struct {
	// How often a node may not take its settings before writes to the index stop.
	// Default: 5.
	Attempts int `json:"attempts,omitempty"`
	// The pause before the second attempt. It doubles with each, up to a minute.
	// Default: `1s`.
	Pause caddy.Duration `json:"pause,omitempty"`
}

// Idempotency says how keys of `Idempotency-Key` are remembered.
type Idempotency struct {
	// How long. Default: `24h`.
	Time caddy.Duration `json:"time,omitempty"`
	// How many; beyond, the oldest are forgotten. Default: 1000000.
	Keys int `json:"keys,omitempty"`
}

// Health says how nodes are probed.
type Health struct {
	// The pause between two probes of a node that is up. One that is down is
	// probed every second. Default: `5s`.
	Interval caddy.Duration `json:"interval,omitempty"`
	// How many probes in a row must fail before a node counts as down. Default: 3.
	Fails int `json:"fails,omitempty"`
	// How many probes in a row must succeed before a node is read again.
	// Default: 2.
	Passes int `json:"passes,omitempty"`
}

// CaddyModule names the app.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "miroir", New: func() caddy.Module { return new(App) }}
}

// Provision resolves placeholders and defaults and checks the whole
// configuration. It takes nothing that another configuration may hold.
func (app *App) Provision(ctx caddy.Context) error {
	app.logger = ctx.Slogger()
	app.settled = make(chan struct{})
	app.settle = sync.OnceFunc(func() { close(app.settled) })
	if err := registerCollectors(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	var err error
	if app.transport, err = app.loadTransport(ctx); err != nil {
		return err
	}
	if app.store, err = app.loadStore(ctx); err != nil {
		return err
	}
	repl := caddy.NewReplacer()
	if app.place, err = app.resolvePlace(repl); err != nil {
		return err
	}
	if app.config, err = app.coreConfig(repl); err != nil {
		return err
	}
	app.config.Transport = app.transport
	if app.config.Selection, err = app.loadSelection(ctx); err != nil {
		return err
	}
	app.config.Merger, err = app.loadMerger(ctx)
	return err
}

// Validate refuses a configuration that cannot work.
func (app *App) Validate() error {
	if err := app.config.Validate(); err != nil {
		return fmt.Errorf("configuration of miroir: %w", err)
	}
	return nil
}

// Start opens the state, or takes the one that the running configuration has
// open, and puts this configuration in force.
func (app *App) Start() error {
	defer app.settle()
	app.warn()
	engine, err := app.acquire()
	if err != nil {
		return err
	}
	app.acquired.Store(true)
	generation, err := engine.Attach(app.config)
	if err != nil {
		return fmt.Errorf("putting the configuration in force: %w", err)
	}
	at := &attachment{engine: engine, generation: generation}
	app.attached.Store(at)
	attachments.push(at)
	app.logger.Info("miroir is running", "state", app.place.state, "spool", app.place.spool,
		"groups", len(app.Groups), "nodes", app.nodeCount(), "replication", app.config.Topology.Replication)
	return nil
}

// Stop leaves everything as it is: requests of this configuration may still be
// under way. Cleanup lets go.
func (app *App) Stop() error { return nil }

// Cleanup takes the configuration out of force and gives the state back. It
// is called for configurations that never started, too.
func (app *App) Cleanup() error {
	if app.settle != nil { // provisioning may have failed before it was made
		app.settle()
	}
	if at := app.attached.Swap(nil); at != nil {
		attachments.remove(at)
		at.generation.Detach()
		app.transport.retire()
	}
	if !app.acquired.CompareAndSwap(true, false) {
		return nil
	}
	_, err := engines.Delete(app.place.state)
	return err
}

// warn says in the log what is allowed but seldom meant.
func (app *App) warn() {
	t := app.config.Topology
	if len(t.Groups) == 1 && t.Replication == 2 && app.config.WriteQuorum != "one" {
		app.logger.Warn("two copies in a single group survive the loss of a node for reads only: " +
			"for writes take three copies, a second group, or `write_quorum one`")
	}
	if len(app.config.MasterKey) < minKeyBytes {
		app.logger.Warn("master_key is short: take at least 16 bytes", "bytes", len(app.config.MasterKey))
	}
}

// minKeyBytes is what Meilisearch asks of a master key in production.
const minKeyBytes = 16

func (app *App) nodeCount() int {
	n := 0
	for _, g := range app.Groups {
		n += len(g.Nodes)
	}
	return n
}

// appOf gives the app of the configuration that ctx belongs to.
func appOf(ctx caddy.Context) (*App, error) {
	value, err := ctx.AppIfConfigured("miroir")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, fmt.Errorf("miroir is not configured: add a `miroir` block to the global options: %w", err)
	}
	if err != nil {
		return nil, err
	}
	app, ok := value.(*App)
	if !ok {
		return nil, fmt.Errorf("app miroir is a %T", value)
	}
	return app, nil
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
