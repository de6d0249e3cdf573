package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	masterKey = "masterKeyOfTheFaultTests"
	nodeKey   = "theKeyThatNodesAreSpokenToWith"
)

// shape is the form of a fleet.
type shape struct {
	name   string
	groups []int // nodes of each
	copies int   // inside a group
}

var shapes = []shape{
	{name: "copies", groups: []int{3}, copies: 3},
	{name: "groups", groups: []int{2, 2}, copies: 1},
}

func shapeOf(name string) (shape, error) {
	for _, s := range shapes {
		if s.name == name {
			return s, nil
		}
	}
	return shape{}, fmt.Errorf("unknown shape %q: copies or groups", name)
}

// node is one Meilisearch behind its proxy.
type node struct {
	*process
	id    string
	group int
	proxy *proxy
	// direct asks the node itself, past its proxy.
	direct *asker
}

// fleet is a gateway with its nodes, each a process of its own.
type fleet struct {
	nodes   []*node
	gateway *process
	admin   string // where Caddy's own API listens
	site    string
	shape   shape
	dir     string
	keep    bool

	binary string // of the nodes
	joined int    // how many nodes joined later

	mutex sync.Mutex
	away  int // the gateway's restarts that have begun
	down  bool
	// reloads grows when a reload begins and when it ends.
	reloads  int
	reloaded time.Time // when the last one ended
}

func startFleet(ctx context.Context, o options) (_ *fleet, err error) {
	f := &fleet{shape: o.shape, keep: o.keep}
	if f.dir, err = os.MkdirTemp("", "miroir-faults-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	binary, double := o.gateway, o.double
	if binary == "" {
		if binary, err = build(ctx, f.dir, "miroir", "caddymodule/cmd/miroir"); err != nil {
			return nil, err
		}
	}
	if o.node == "" && double == "" {
		if double, err = build(ctx, f.dir, "minimeili", "test/minimeili/cmd/minimeili"); err != nil {
			return nil, err
		}
	}
	if f.binary = o.node; f.binary == "" {
		f.binary = double
	}
	if f.binary, err = filepath.Abs(f.binary); err != nil {
		return nil, err
	}
	for group, size := range o.shape.groups {
		for i := range size {
			if _, err := f.addNode(fmt.Sprintf("g%dn%d", group+1, i+1), group); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range f.nodes {
		if err := n.await(ctx, "/health", 30*time.Second); err != nil {
			return nil, err
		}
	}
	if err := f.makeGateway(binary); err != nil {
		return nil, err
	}
	if err := f.gateway.start(); err != nil {
		return nil, err
	}
	return f, f.gateway.await(ctx, "/_miroir/ready", 30*time.Second)
}

// addNode starts a node. The gateway knows it once it is configured.
func (f *fleet) addNode(id string, group int) (*node, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(f.dir, id)
	p := &process{name: id, binary: f.binary, dir: dir, url: "http://" + address}
	p.args = []string{"--db-path", filepath.Join(dir, dataFolder), "--http-addr", address, "--master-key", nodeKey,
		"--dump-dir", filepath.Join(dir, "dumps"), "--snapshot-dir", filepath.Join(dir, "snapshots"), "--log-level", "WARN", "--no-analytics"}
	through, err := startProxy(address)
	if err != nil {
		return nil, err
	}
	n := &node{process: p, id: id, group: group, proxy: through, direct: newAsker(p.url, nodeKey)}
	f.nodes = append(f.nodes, n)
	return n, p.start()
}

// leave takes a node out of the configuration that is loaded next.
func (f *fleet) leave(n *node) {
	f.nodes = slices.DeleteFunc(f.nodes, func(other *node) bool { return other == n })
}

const dataFolder = "db"

// data is the folder that holds what the node would lose with its disk.
func (n *node) data() string { return filepath.Join(n.dir, dataFolder) }

// end ends a node for good.
func (n *node) end() {
	n.kill()
	n.proxy.close()
	n.direct.close()
}

func (f *fleet) makeGateway(binary string) (err error) {
	if f.admin, err = freeAddress(); err != nil {
		return err
	}
	if f.site, err = freeAddress(); err != nil {
		return err
	}
	dir := filepath.Join(f.dir, "gateway")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	file := filepath.Join(dir, "Caddyfile")
	f.gateway = &process{name: "gateway", binary: binary, dir: dir, url: "http://" + f.site,
		args: []string{"run", "--config", file, "--adapter", "caddyfile"},
		env:  []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}}
	return os.WriteFile(file, f.caddyfile(), 0o600)
}

// caddyfile is the gateway's configuration. A search that would leave a shard
// out fails, and is counted.
func (f *fleet) caddyfile() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n\tlog {\n\t\tlevel INFO\n\t}\n\tmiroir {\n", f.admin)
	fmt.Fprintf(&b, "\t\tmaster_key %s\n\t\tnode_key %s\n\t\tstate %s\n", masterKey, nodeKey, filepath.Join(f.gateway.dir, "state.db"))
	for group := range f.shape.groups {
		fmt.Fprintf(&b, "\t\tgroup g%d {\n", group+1)
		for _, n := range f.nodes {
			if n.group == group {
				fmt.Fprintf(&b, "\t\t\tnode %s http://%s\n", n.id, n.proxy.address)
			}
		}
		b.WriteString("\t\t}\n")
	}
	fmt.Fprintf(&b, "\t\treplication %d\n\t\tunavailable error\n\t\thealth_interval 1s\n", f.shape.copies)
	fmt.Fprintf(&b, "\t\tfailover_after %dms\n\t}\n}\nhttp://%s {\n\tmiroir\n}\n", 500+f.reloads, f.site)
	return b.Bytes()
}

// reload has the gateway take a configuration that differs in an option.
func (f *fleet) reload(ctx context.Context) error {
	f.mutex.Lock()
	f.reloads++
	f.mutex.Unlock()
	text := f.caddyfile()
	if err := os.WriteFile(filepath.Join(f.gateway.dir, "Caddyfile"), text, 0o600); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.admin+"/load", bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "text/caddyfile")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		return fmt.Errorf("reload: %s: %s", response.Status, answer)
	}
	f.mutex.Lock()
	f.reloads++
	f.reloaded = time.Now()
	f.mutex.Unlock()
	return nil
}

// restartGateway kills the gateway and starts it again after a while. It gives
// how long it took from its start until it was ready.
func (f *fleet) restartGateway(ctx context.Context, after time.Duration) (time.Duration, error) {
	f.mutex.Lock()
	f.away++
	f.down = true
	f.mutex.Unlock()
	f.gateway.kill()
	if !sleep(ctx, after) {
		return 0, context.Cause(ctx)
	}
	started := time.Now()
	if err := f.gateway.start(); err != nil {
		return 0, err
	}
	err := f.gateway.await(ctx, "/_miroir/ready", 30*time.Second)
	f.mutex.Lock()
	f.down = false
	f.mutex.Unlock()
	return time.Since(started), err
}

// presence tells how often the gateway was taken away so far, and whether it
// is away now. A request during which either changes may fail; one during a
// reload may find its connection closed.
func (f *fleet) presence() presence {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return presence{away: f.away, reloads: f.reloads, down: f.down, reloading: f.reloads%2 != 0 || time.Since(f.reloaded) < time.Second}
}

// presence is what a client has to know of the gateway to excuse it.
type presence struct {
	away, reloads int
	down          bool
	reloading     bool // a reload is under way, or was a moment ago
}

// heal ends every fault there may be.
func (f *fleet) heal(ctx context.Context) error {
	var errs []error
	for _, n := range f.nodes {
		errs = append(errs, n.proxy.set(pass))
		if n.died() {
			errs = append(errs, fmt.Errorf("%s ended by itself: see %s", n.name, n.logFile()), n.start())
		} else {
			errs = append(errs, n.signal(syscall.SIGCONT))
		}
	}
	for _, n := range f.nodes {
		errs = append(errs, n.await(ctx, "/health", 30*time.Second))
	}
	if f.gateway.died() {
		errs = append(errs, fmt.Errorf("the gateway ended by itself: see %s", f.gateway.logFile()), f.gateway.start())
	}
	return errors.Join(append(errs, f.gateway.await(ctx, "/_miroir/ready", 30*time.Second))...)
}

// stop ends all processes and removes their data.
func (f *fleet) stop() {
	if f.gateway != nil && f.gateway.command != nil {
		f.gateway.kill()
	}
	for _, n := range f.nodes {
		n.end()
	}
	if f.keep {
		fmt.Println("kept:", f.dir)
		return
	}
	_ = os.RemoveAll(f.dir) // it lies in the system's folder for such things
}
