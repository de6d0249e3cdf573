package caddymodule

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/miroircore/cluster"
)

// defaultReplication is the copies inside a group that is large enough.
const defaultReplication = 3

// place is where an engine keeps what it has: the state file, which also is its
// identity, and the spool folder. Both are absolute.
type place struct{ state, spool string }

// resolvePlace makes both paths absolute and free of symbolic links, so that
// two spellings of one file are one engine.
func (app *App) resolvePlace(repl *caddy.Replacer) (place, error) {
	state := app.State
	if state == "" {
		state = filepath.Join(caddy.AppDataDir(), "miroir", "state.db")
	}
	state, err := canonicalPath(repl, "state", state)
	if err != nil {
		return place{}, err
	}
	spool := app.Spool
	if spool == "" {
		return place{state: state, spool: miroircore.Beside(state, "spool")}, nil
	}
	spool, err = canonicalPath(repl, "spool", spool)
	return place{state: state, spool: spool}, err
}

func canonicalPath(repl *caddy.Replacer, option, path string) (string, error) {
	path, err := resolved(repl, option, path)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("%s: %w", option, err)
	}
	return withoutLinks(path), nil
}

// withoutLinks resolves the symbolic links of the part of a path that exists.
func withoutLinks(path string) string {
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		} else if !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			return path
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// resolved replaces the placeholders of an option. What is unknown or comes
// out empty is refused: the error names the option and the placeholder.
func resolved(repl *caddy.Replacer, option, value string) (string, error) {
	if value == "" {
		return "", fmt.Errorf("%s is empty", option)
	}
	out, err := repl.ReplaceOrErr(value, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: %w", option, err)
	}
	if out == "" {
		return "", fmt.Errorf("%s is empty", option)
	}
	return out, nil
}

// coreConfig is the configuration as the engine takes it.
func (app *App) coreConfig(repl *caddy.Replacer) (*miroircore.Config, error) {
	masterKey, err := resolved(repl, "master_key", app.MasterKey)
	if err != nil {
		return nil, err
	}
	if len(app.NodeKeys) == 0 {
		return nil, errors.New("node_key is empty")
	}
	nodeKeys := make([]string, len(app.NodeKeys))
	for i, key := range app.NodeKeys {
		if nodeKeys[i], err = resolved(repl, "node_key", key); err != nil {
			return nil, err
		}
	}
	topology, err := app.topology()
	if err != nil {
		return nil, err
	}
	networks, err := parseNetworks(app.AllowedNetworks)
	if err != nil {
		return nil, err
	}
	c := &miroircore.Config{
		Topology: topology, MasterKey: masterKey, NodeKeys: nodeKeys,
		Shards: app.Shards, WriteQuorum: app.WriteQuorum, Unavailable: app.Unavailable,
		MaxLag: time.Duration(app.MaxLag), FailoverAfter: time.Duration(app.FailoverAfter),
		NodeTimeout: time.Duration(app.NodeTimeout), MaxAnswer: app.MaxAnswer, MaxReads: app.MaxReads, QueuedReads: app.QueuedReads,
		ExactDistinct: app.ExactDistinct, ExactFacets: app.ExactFacets,
		BadDocuments: app.BadDocuments, MaxBody: app.MaxBody, OutboxLimit: app.OutboxLimit,
		AllowedNetworks: networks,
		RebalanceShards: app.RebalanceShards, BackgroundRate: app.BackgroundRate,
	}
	c.SettingsStrategy, c.SettingsCheck = app.SettingsStrategy, time.Duration(app.SettingsCheck)
	c.SessionWait, c.MaxWait = time.Duration(app.SessionWait), time.Duration(app.MaxWait)
	if r := app.SettingsRepair; r != nil {
		c.RepairAttempts, c.RepairPause = r.Attempts, time.Duration(r.Pause)
	}
	if a := app.AntiEntropy; a != nil {
		c.NoAntiEntropy, c.AntiEntropy, c.AntiEntropyContent = a.Disabled, time.Duration(a.Interval), time.Duration(a.ContentInterval)
	}
	if i := app.Idempotency; i != nil {
		c.KeyTime, c.MostKeys = time.Duration(i.Time), i.Keys
	}
	if app.Hedge != nil {
		c.NoHedge, c.HedgeBudget = app.Hedge.Disabled, app.Hedge.Budget
	}
	if app.Health != nil {
		c.HealthInterval = time.Duration(app.Health.Interval)
		c.Fails, c.Passes = app.Health.Fails, app.Health.Passes
	}
	return c, nil
}

// parseNetworks reads networks in CIDR notation. An address stands for itself.
func parseNetworks(texts []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if address, notPrefix := netip.ParseAddr(text); notPrefix == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("allowed_networks has '%s': it must be a network as 10.0.0.0/8, or an address", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

func (app *App) topology() (*cluster.Topology, error) {
	t := &cluster.Topology{Replication: app.Replication}
	for _, g := range app.Groups {
		group := cluster.Group{ID: g.ID}
		for _, n := range g.Nodes {
			address, err := parseAddress(n.URL)
			if err != nil {
				return nil, fmt.Errorf("node %s: %w", n.ID, err)
			}
			group.Nodes = append(group.Nodes, cluster.Node{ID: n.ID, Group: g.ID, URL: address})
		}
		t.Groups = append(t.Groups, group)
	}
	if t.Replication == 0 {
		t.Replication = min(defaultReplication, smallestGroup(app.Groups))
	}
	return t, nil
}

func smallestGroup(groups []Group) int {
	if len(groups) == 0 {
		return 0
	}
	smallest := len(groups[0].Nodes)
	for _, g := range groups {
		smallest = min(smallest, len(g.Nodes))
	}
	return smallest
}

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkID refuses what cannot be a label, a header value and a part of a path.
func checkID(kind, id string) error {
	if !validID.MatchString(id) {
		return fmt.Errorf("%s id %q: letters, digits, - and _ are allowed, 64 at most", kind, id)
	}
	return nil
}

// parseAddress reads the address of a node. Keys do not belong into it: it is
// shown in reports and logs.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("address %q cannot be read: it is scheme, host and port, as http://10.0.0.1:7700", address)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("address %q: it must start with http:// or https://", address)
	case u.Hostname() == "":
		return nil, fmt.Errorf("address %q has no host", address)
	case u.User != nil:
		return nil, fmt.Errorf("address of %s holds a password: keys go into node_key", u.Host)
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("address %q has more than scheme, host and port", address)
	}
	u.Path = ""
	return u, nil
}
