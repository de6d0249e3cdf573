package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/miroir-gateway/miroir/miroircore/hidden"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("miroir", parseGlobal)
}

func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("the miroir block is already there: one is allowed")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "miroir", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile reads the global block:
//
//	miroir {
//	    master_key <key>
//	    node_key   <key> [<second key>]
//	    group <id> {
//	        node <id> <address>
//	    }
//	    replication     <copies>
//	    shards          <number>
//	    write_quorum    majority|one|all
//	    unavailable     partial|error
//	    max_lag         <duration>
//	    failover_after  <duration>
//	    hedge           on|off [<percent>]
//	    node_timeout    <duration>
//	    max_answer      <size>
//	    max_reads       <number>
//	    queued_reads    <number>
//	    exact_distinct  <number>
//	    exact_facets    <number>
//	    health_interval <duration>
//	    fails           <number>
//	    passes          <number>
//	    bad_documents   task|reject
//	    max_body        <size>
//	    allowed_networks <network>...
//	    state           <file>
//	    spool           <folder>
//	    outbox_limit    <size>
//	    task_limit      <number>
//	    rebalance_shards <number>
//	    background_rate <number>
//	    anti_entropy    off|<duration> [<duration>]
//	    settings_strategy two_phase|sequential
//	    settings_check  <duration>
//	    settings_repair <number> [<duration>]
//	    idempotency     <duration> [<number>]
//	    session_wait    <duration>
//	    max_wait        <duration>
//	    store           <module> [<arguments>]
//	    selection       <module> [<arguments>]
//	    merger          <module> [<arguments>]
//	    transport       <module> [<arguments>]
//	}
//
// Options stand in any order, each once; only group repeats.
func (app *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the block
	if d.NextArg() {
		return d.ArgErr()
	}
	b := &block{app: app, head: *d, seen: map[string]caddyfile.Dispenser{}, nodes: map[string]bool{}, addresses: map[string]string{}}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := b.option(d.NewFromNextSegment()); err != nil {
			return err
		}
	}
	return b.finish()
}

// block reads the options of one miroir block. It remembers where each stood,
// so that what only shows at the end is still refused with its line.
type block struct {
	app       *App
	head      caddyfile.Dispenser
	seen      map[string]caddyfile.Dispenser
	nodes     map[string]bool
	addresses map[string]string // by node id, in canonical spelling
}

type option struct {
	name  string
	parse func(b *block, d *caddyfile.Dispenser) error
}

// options in the order in which an unknown one is told of them.
var options = []option{
	{"master_key", func(b *block, d *caddyfile.Dispenser) error { return text(d, &b.app.MasterKey) }},
	{"node_key", (*block).nodeKeys},
	{"group", (*block).group},
	{"replication", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.Replication, maxCount) }},
	{"shards", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.Shards, hidden.MaxShards) }},
	{"write_quorum", func(b *block, d *caddyfile.Dispenser) error {
		return oneOf(d, &b.app.WriteQuorum, "majority", "one", "all")
	}},
	{"unavailable", func(b *block, d *caddyfile.Dispenser) error {
		return oneOf(d, &b.app.Unavailable, "partial", "error")
	}},
	{"max_lag", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.app.MaxLag) }},
	{"failover_after", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.app.FailoverAfter) }},
	{"hedge", (*block).hedge},
	{"node_timeout", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.app.NodeTimeout) }},
	{"max_answer", func(b *block, d *caddyfile.Dispenser) error { return size(d, &b.app.MaxAnswer) }},
	{"max_reads", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.MaxReads, maxReads) }},
	{"queued_reads", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.QueuedReads, maxReads) }},
	{"exact_distinct", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.ExactDistinct, maxExact) }},
	{"exact_facets", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.ExactFacets, maxExact) }},
	{"health_interval", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.health().Interval) }},
	{"fails", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.health().Fails, maxCount) }},
	{"passes", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.health().Passes, maxCount) }},
	{"bad_documents", func(b *block, d *caddyfile.Dispenser) error {
		return oneOf(d, &b.app.BadDocuments, "task", "reject")
	}},
	{"max_body", func(b *block, d *caddyfile.Dispenser) error { return size(d, &b.app.MaxBody) }},
	{"allowed_networks", (*block).networks},
	{"state", func(b *block, d *caddyfile.Dispenser) error { return text(d, &b.app.State) }},
	{"spool", func(b *block, d *caddyfile.Dispenser) error { return text(d, &b.app.Spool) }},
	{"outbox_limit", func(b *block, d *caddyfile.Dispenser) error { return size(d, &b.app.OutboxLimit) }},
	{"task_limit", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.TaskLimit, maxTasks) }},
	{"rebalance_shards", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.RebalanceShards, maxCount) }},
	{"background_rate", func(b *block, d *caddyfile.Dispenser) error { return number(d, &b.app.BackgroundRate, maxRate) }},
	{"anti_entropy", (*block).antiEntropy},
	{"settings_strategy", func(b *block, d *caddyfile.Dispenser) error {
		return oneOf(d, &b.app.SettingsStrategy, "two_phase", "sequential")
	}},
	{"settings_check", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.app.SettingsCheck) }},
	{"settings_repair", (*block).repair},
	{"idempotency", (*block).idempotency},
	{"session_wait", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.app.SessionWait) }},
	{"max_wait", func(b *block, d *caddyfile.Dispenser) error { return duration(d, &b.app.MaxWait) }},
	{"store", (*block).store},
	{"selection", (*block).selection},
	{"merger", (*block).merger},
	{"transport", (*block).transport},
}

func optionNames() string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return strings.Join(names, ", ")
}

func (b *block) option(d *caddyfile.Dispenser) error {
	d.Next()
	name := d.Val()
	for _, o := range options {
		if o.name != name {
			continue
		}
		if _, twice := b.seen[name]; twice && name != "group" {
			return d.Errf("%s is given twice", name)
		}
		b.seen[name] = *d
		return o.parse(b, d)
	}
	return d.Errf("unrecognized miroir option '%s': there are %s", name, optionNames())
}

// finish checks what can only be known once all options are read.
func (b *block) finish() error {
	for _, required := range []string{"master_key", "node_key", "group"} {
		if _, ok := b.seen[required]; !ok {
			return b.head.Errf("miroir needs %s", required)
		}
	}
	if copies, nodes := b.app.Replication, smallestGroup(b.app.Groups); copies > nodes {
		at := b.seen["replication"]
		return at.Errf("replication is %d, but the smallest group has %d nodes", copies, nodes)
	}
	return nil
}

func (b *block) health() *Health {
	if b.app.Health == nil {
		b.app.Health = new(Health)
	}
	return b.app.Health
}

func (b *block) nodeKeys(d *caddyfile.Dispenser) error {
	b.app.NodeKeys = d.RemainingArgs()
	if n := len(b.app.NodeKeys); n < 1 || n > 2 {
		return d.Errf("node_key takes one key, or two while keys are being changed, not %d", n)
	}
	for _, key := range b.app.NodeKeys {
		if key == "" {
			return d.Err("node_key is empty")
		}
	}
	return noBlock(d)
}

func (b *block) networks(d *caddyfile.Dispenser) error {
	b.app.AllowedNetworks = d.RemainingArgs()
	if len(b.app.AllowedNetworks) == 0 {
		return d.ArgErr()
	}
	if _, err := parseNetworks(b.app.AllowedNetworks); err != nil {
		return d.WrapErr(err)
	}
	return noBlock(d)
}

func (b *block) group(d *caddyfile.Dispenser) error {
	var g Group
	if err := value(d, &g.ID); err != nil {
		return err
	}
	if err := checkID("group", g.ID); err != nil {
		return d.WrapErr(err)
	}
	for _, other := range b.app.Groups {
		if other.ID == g.ID {
			return d.Errf("group %s is given twice", g.ID)
		}
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if d.Val() != "node" {
			return d.Errf("unrecognized option '%s' of a group: there is node", d.Val())
		}
		n, err := b.node(d.NewFromNextSegment())
		if err != nil {
			return err
		}
		g.Nodes = append(g.Nodes, n)
	}
	if len(g.Nodes) == 0 {
		return d.Errf("group %s has no node", g.ID)
	}
	b.app.Groups = append(b.app.Groups, g)
	return nil
}

func (b *block) node(d *caddyfile.Dispenser) (n Node, err error) {
	d.Next()
	if !d.AllArgs(&n.ID, &n.URL) {
		return n, d.Err("a node is given as: node <id> <address>")
	}
	if err := checkID("node", n.ID); err != nil {
		return n, d.WrapErr(err)
	}
	if b.nodes[n.ID] {
		return n, d.Errf("node %s is given twice: ids are unique in the whole fleet", n.ID)
	}
	u, err := parseAddress(n.URL)
	if err != nil {
		return n, d.WrapErr(err)
	}
	address := strings.ToLower(u.String())
	if other, taken := b.addresses[address]; taken {
		return n, d.Errf("node %s has the address of node %s: one server cannot be two nodes", n.ID, other)
	}
	b.nodes[n.ID], b.addresses[address] = true, n.ID
	return n, noBlock(d)
}

func (b *block) hedge(d *caddyfile.Dispenser) error {
	b.app.Hedge = new(Hedge)
	var state string
	if err := value(d, &state); err != nil {
		return err
	}
	switch state {
	case "on":
	case "off":
		b.app.Hedge.Disabled = true
	default:
		return d.Errf("hedge is '%s': it must be on or off", state)
	}
	if !d.NextArg() {
		return noBlock(d)
	}
	figure, isPercent := strings.CutSuffix(d.Val(), "%")
	percent, err := strconv.ParseFloat(figure, 64)
	switch {
	case b.app.Hedge.Disabled:
		return d.Err("hedge off has no budget")
	case !isPercent || err != nil:
		return d.Errf("hedge budget '%s': it is a percentage, as 5%%", d.Val())
	case !(percent > 0 && percent <= 100):
		return d.Errf("hedge budget '%s': it must be more than 0%% and at most 100%%", d.Val())
	}
	b.app.Hedge.Budget = percent / 100
	return last(d)
}

func (b *block) repair(d *caddyfile.Dispenser) error {
	b.app.SettingsRepair = new(Repair)
	name := d.Val()
	err := count(d, name, &b.app.SettingsRepair.Attempts, maxCount)
	if err == nil && d.CountRemainingArgs() > 0 {
		err = length(d, name, &b.app.SettingsRepair.Pause)
	}
	return orLast(d, err)
}

func (b *block) antiEntropy(d *caddyfile.Dispenser) error {
	b.app.AntiEntropy = new(AntiEntropy)
	name, peek := d.Val(), *d
	if peek.NextArg() && peek.Val() == "off" {
		b.app.AntiEntropy.Disabled = true
		d.NextArg()
		return last(d)
	}
	err := within(d, name, &b.app.AntiEntropy.Interval, maxPeriod, "30 days")
	if err == nil && d.CountRemainingArgs() > 0 {
		err = within(d, name, &b.app.AntiEntropy.ContentInterval, maxPeriod, "30 days")
	}
	return orLast(d, err)
}

func (b *block) idempotency(d *caddyfile.Dispenser) error {
	b.app.Idempotency = new(Idempotency)
	name := d.Val()
	err := length(d, name, &b.app.Idempotency.Time)
	if err == nil && d.CountRemainingArgs() > 0 {
		err = count(d, name, &b.app.Idempotency.Keys, maxTasks)
	}
	return orLast(d, err)
}

// orLast gives an error, or else refuses what follows.
func orLast(d *caddyfile.Dispenser, err error) error {
	if err != nil {
		return err
	}
	return last(d)
}

func (b *block) store(d *caddyfile.Dispenser) error {
	raw, err := guest(d, "miroir.stores.", "store")
	b.app.StoreRaw = raw
	return err
}

func (b *block) transport(d *caddyfile.Dispenser) error {
	raw, err := guest(d, "http.reverse_proxy.transport.", "protocol")
	b.app.TransportRaw = raw
	return err
}

var _ caddyfile.Unmarshaler = (*App)(nil)
