// Package miroircore is the engine of Miroir: it makes several unmodified
// Meilisearch servers answer as one. It knows nothing of Caddy.
//
// An Engine holds what must survive a change of configuration (state, journal,
// outboxes, health, tasks). A Generation is one configuration attached to it;
// the newest one attached is in force.
package miroircore

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/antientropy"
	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/cluster"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/rebalance"
	"github.com/miroir-gateway/miroir/miroircore/search"
	"github.com/miroir-gateway/miroir/miroircore/search/merge"
	"github.com/miroir-gateway/miroir/miroircore/search/plan"
	"github.com/miroir-gateway/miroir/miroircore/write"
)

// Defaults of a Config. Zero values in a Config mean these.
const (
	DefaultShards         = 64
	DefaultWriteQuorum    = "majority"
	DefaultUnavailable    = "partial"
	DefaultMaxLag         = time.Second
	DefaultFailoverAfter  = search.DefaultFailoverAfter
	DefaultHedgeBudget    = search.DefaultHedgeBudget
	DefaultNodeTimeout    = search.DefaultTimeout
	DefaultMaxAnswer      = search.DefaultMaxAnswer
	DefaultMaxReads       = search.DefaultMaxReads
	DefaultQueuedReads    = search.DefaultQueuedReads
	DefaultExactDistinct  = search.DefaultExactDistinct
	DefaultExactFacets    = search.DefaultExactFacets
	DefaultHealthInterval = 5 * time.Second
	DefaultFails          = 3
	DefaultPasses         = 2
	DefaultBadDocuments   = "task"
	DefaultMaxBody        = 100_000_000
	DefaultOutboxLimit    = 10 << 30
	DefaultStrategy       = "two_phase"
	DefaultSettingsCheck  = write.DefaultSettingsCheck
	DefaultRepairAttempts = write.DefaultRepairAttempts
	DefaultRepairPause    = write.DefaultRepairPause
	DefaultKeyTime        = write.DefaultKeyTime
	DefaultMostKeys       = write.DefaultMostKeys
	DefaultSessionWait    = api.DefaultSessionWait
	DefaultMaxWait        = api.DefaultMaxWait
	// DefaultRebalanceShards is how many shards are moved at once.
	DefaultRebalanceShards = rebalance.DefaultConcurrency
)

// Config is one configuration of an Engine. It is validated whole before
// anything is touched, and never changed once attached.
type Config struct {
	// Topology names the groups, their nodes and the copies inside a group.
	Topology *cluster.Topology
	// MasterKey is what clients' keys derive from. Required.
	MasterKey string
	// NodeKeys are what nodes are spoken to with: one, or two during rotation.
	// Required.
	NodeKeys []string
	// Shards is the number of slots of an index created from now on. Default 64.
	Shards int
	// WriteQuorum is majority, one or all. Default majority.
	WriteQuorum string
	// Unavailable says what a search does when a shard has no copy that can be
	// read: partial answers with X-Miroir-Degraded, error refuses. Default partial.
	Unavailable string
	// MaxLag is how far a replica may be behind the first to apply an operation
	// and still be read. Default 1 s.
	MaxLag time.Duration
	// FailoverAfter is how long a leg may be silent before another copy is asked
	// as well. Default 500 ms.
	FailoverAfter time.Duration
	// NoHedge turns hedged reads off. HedgeBudget is the share of extra requests
	// that hedging may cost, 0.05 by default.
	NoHedge     bool
	HedgeBudget float64
	// NodeTimeout is after how long a node that says nothing to a read is given
	// up, where no other copy answers. Default 30 s.
	NodeTimeout time.Duration
	// MaxAnswer is the largest answer of a node to a read, in bytes. Default 256 MiB.
	MaxAnswer int64
	// MaxReads is how many reads run at a time, QueuedReads how many more wait for
	// their turn before further ones are refused. Defaults 512 and 1000.
	MaxReads, QueuedReads int
	// ExactDistinct is up to how many documents a search with distinct values may
	// find for its totals and facets to be exact, ExactFacets of how many facet
	// values one search asks the nodes in detail. Defaults 20,000 and 100.
	ExactDistinct, ExactFacets int
	// HealthInterval is the pause between probes of a node that is up, Fails how
	// many failed ones take it down, Passes how many good ones bring it back.
	// Defaults 5 s, 3, 2.
	HealthInterval time.Duration
	Fails, Passes  int
	// BadDocuments is task (a bad document fails its task, as on the real server)
	// or reject (it is answered 400 at once). Default task.
	BadDocuments string
	// MaxBody is the largest request body in bytes, after decompression.
	// Default 100,000,000, as the real server's.
	MaxBody int64
	// AllowedNetworks are the private networks that webhooks and exports may
	// reach. Default none, as on the real server.
	AllowedNetworks []netip.Prefix
	// OutboxLimit is how many bytes of writes one node may miss before it is
	// rebuilt from its peers instead. Default 10 GiB.
	OutboxLimit int64
	// RebalanceShards is how many shards are moved to a node at once. Default 4.
	RebalanceShards int
	// BackgroundRate is how many documents a second copying and comparing may
	// read and write together. 0, the default, sets no bound.
	BackgroundRate int
	// AntiEntropy is how often the copies of shards are compared by ids and
	// versions, AntiEntropyContent how often by their contents, NoAntiEntropy that
	// they are only when somebody asks for it. Defaults 1 h and 24 h.
	AntiEntropy, AntiEntropyContent time.Duration
	NoAntiEntropy                   bool
	// SettingsStrategy says how a change of settings reaches the nodes: all at once
	// and read back (two_phase), or one after the other (sequential). Default
	// two_phase.
	SettingsStrategy string
	// SettingsCheck is how often the settings on all nodes are compared with those
	// in force. Default 5 min.
	SettingsCheck time.Duration
	// RepairAttempts is how often a node may not take its settings before writes to
	// the index stop, RepairPause the pause before the second attempt, which doubles
	// with each up to a minute. Defaults 5 and 1 s.
	RepairAttempts int
	RepairPause    time.Duration
	// KeyTime is how long an Idempotency-Key is remembered, MostKeys how many are.
	// Defaults 24 h and 1,000,000.
	KeyTime  time.Duration
	MostKeys int
	// SessionWait is how long a read waits for what its session has written.
	// Default 5 s.
	SessionWait time.Duration
	// MaxWait is the longest that X-Miroir-Wait may ask for. Default 1 min.
	MaxWait time.Duration
	// Selection chooses between copies that would serve a read as well. Default
	// plan.NewAdaptive.
	Selection plan.Policy
	// Merger puts the hits of several nodes in one order. Default merge.Details.
	Merger merge.Merger
	// Transport carries requests to nodes. Default node.Transport().
	Transport http.RoundTripper
}

// withDefaults gives a copy in which every zero value is its default.
func (c Config) withDefaults() Config {
	set(&c.Shards, DefaultShards)
	set(&c.WriteQuorum, DefaultWriteQuorum)
	set(&c.Unavailable, DefaultUnavailable)
	set(&c.MaxLag, DefaultMaxLag)
	set(&c.FailoverAfter, DefaultFailoverAfter)
	set(&c.HedgeBudget, DefaultHedgeBudget)
	set(&c.NodeTimeout, DefaultNodeTimeout)
	set(&c.MaxAnswer, int64(DefaultMaxAnswer))
	set(&c.MaxReads, DefaultMaxReads)
	set(&c.QueuedReads, DefaultQueuedReads)
	set(&c.ExactDistinct, DefaultExactDistinct)
	set(&c.ExactFacets, DefaultExactFacets)
	set(&c.HealthInterval, DefaultHealthInterval)
	set(&c.Fails, DefaultFails)
	set(&c.Passes, DefaultPasses)
	set(&c.BadDocuments, DefaultBadDocuments)
	set(&c.MaxBody, int64(DefaultMaxBody))
	set(&c.OutboxLimit, int64(DefaultOutboxLimit))
	set(&c.SettingsStrategy, DefaultStrategy)
	set(&c.SettingsCheck, DefaultSettingsCheck)
	set(&c.RepairAttempts, DefaultRepairAttempts)
	set(&c.RepairPause, DefaultRepairPause)
	set(&c.KeyTime, DefaultKeyTime)
	set(&c.MostKeys, DefaultMostKeys)
	set(&c.SessionWait, DefaultSessionWait)
	set(&c.MaxWait, DefaultMaxWait)
	set(&c.RebalanceShards, DefaultRebalanceShards)
	set(&c.AntiEntropy, antientropy.DefaultFast)
	set(&c.AntiEntropyContent, antientropy.DefaultContent)
	return c
}

// writing is what of the configuration concerns how writes are kept and checked.
func (c *Config) writing() write.Tuning {
	return write.Tuning{
		Sequential: c.SettingsStrategy == "sequential", SettingsCheck: c.SettingsCheck,
		RepairAttempts: c.RepairAttempts, RepairPause: c.RepairPause, KeyTime: c.KeyTime, MostKeys: c.MostKeys,
	}
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports everything that is wrong with the configuration, each error
// naming the option, or nil. Zero values are right: they stand for defaults.
func (c *Config) Validate() error {
	full := c.withDefaults()
	var errs []error
	if full.Topology == nil {
		errs = append(errs, errors.New("no group: name at least one group with one node"))
	} else if err := full.Topology.Validate(); err != nil {
		errs = append(errs, err)
	}
	if full.MasterKey == "" {
		errs = append(errs, errors.New("master_key is empty"))
	}
	if n := len(full.NodeKeys); n == 0 || n > 2 {
		errs = append(errs, fmt.Errorf("node_key is given %d times: one is needed, two are allowed during rotation", n))
	}
	if full.Shards < 1 || full.Shards > hidden.MaxShards {
		errs = append(errs, fmt.Errorf("shards is %d: it must be between 1 and %d", full.Shards, hidden.MaxShards))
	}
	errs = append(errs,
		oneOf("write_quorum", full.WriteQuorum, "majority", "one", "all"),
		oneOf("unavailable", full.Unavailable, "partial", "error"),
		oneOf("settings_strategy", full.SettingsStrategy, DefaultStrategy, "sequential"),
		positive("settings_check", int64(full.SettingsCheck)), positive("attempts of settings_repair", int64(full.RepairAttempts)),
		positive("pause of settings_repair", int64(full.RepairPause)), positive("time of idempotency", int64(full.KeyTime)),
		positive("keys of idempotency", int64(full.MostKeys)), positive("session_wait", int64(full.SessionWait)), positive("max_wait", int64(full.MaxWait)),
		oneOf("bad_documents", full.BadDocuments, "task", "reject"),
		positive("max_lag", int64(full.MaxLag)), positive("failover_after", int64(full.FailoverAfter)),
		positive("node_timeout", int64(full.NodeTimeout)), positive("max_answer", full.MaxAnswer),
		positive("max_reads", int64(full.MaxReads)), positive("queued_reads", int64(full.QueuedReads)),
		positive("exact_distinct", int64(full.ExactDistinct)), positive("exact_facets", int64(full.ExactFacets)),
		positive("health_interval", int64(full.HealthInterval)), positive("fails", int64(full.Fails)),
		positive("passes", int64(full.Passes)), positive("max_body", full.MaxBody), positive("outbox_limit", full.OutboxLimit),
		positive("rebalance_shards", int64(full.RebalanceShards)),
		positive("anti_entropy", int64(min(full.AntiEntropy, full.AntiEntropyContent))))
	if full.BackgroundRate < 0 {
		errs = append(errs, fmt.Errorf("background_rate is %d: it must be greater than zero, or left out for no bound", full.BackgroundRate))
	}
	if full.HedgeBudget < 0 || full.HedgeBudget > 1 {
		errs = append(errs, fmt.Errorf("hedge budget is %g: it must be between 0 and 1", full.HedgeBudget))
	}
	return errors.Join(errs...)
}

func oneOf(option, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s is %q: it must be one of %q", option, value, allowed)
}

func positive(option string, value int64) error {
	if value <= 0 {
		return fmt.Errorf("%s must be greater than zero", option)
	}
	return nil
}
