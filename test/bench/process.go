package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	masterKey = "benchmark-master-key-of-clients"
	nodeKey   = "benchmark-node-key"
)

// buildDouble makes the double as a program.
func buildDouble(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "minimeili")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "./test/minimeili/cmd/minimeili").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the double: %w: %s", err, out)
	}
	return path, nil
}

// process is a server that was started.
type process struct {
	command *exec.Cmd
	url     string
	key     string
}

func (p *process) stop() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait() // its exit code after a signal says nothing
}

// again starts a process that was stopped, on what it has.
func (p *process) again(ctx context.Context) error {
	next, err := start(ctx, p.command.Path, p.command.Dir, nil, p.url, p.key, p.command.Args[1:]...)
	if err == nil {
		p.command = next.command
	}
	return err
}

// startNode starts a Meilisearch, real or the double, on an empty folder.
func (b *bench) startNode(ctx context.Context, real bool, more ...string) (*process, error) {
	binary := b.double
	if real {
		binary = b.node
		if binary == "" {
			return nil, errors.New("needs a real Meilisearch: name its binary in MEILISEARCH_BIN")
		}
	}
	dir, err := os.MkdirTemp(b.dir, "node-")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{"--db-path", filepath.Join(dir, "db"), "--http-addr", address, "--master-key", nodeKey}
	if real {
		args = append(args, "--no-analytics", "--log-level", "OFF", "--dump-dir", filepath.Join(dir, "dumps"), "--snapshot-dir", filepath.Join(dir, "snapshots"))
	}
	return start(ctx, binary, dir, nil, "http://"+address, nodeKey, append(args, more...)...)
}

// startGateway starts Miroir in front of nodes, and in front of the first of
// them a plain reverse_proxy at proxy.
func (b *bench) startGateway(ctx context.Context, nodes ...*process) (gateway *process, proxy string, err error) {
	return b.startFleet(ctx, 1, nodes...)
}

// startFleet is startGateway with so many copies of each document.
func (b *bench) startFleet(ctx context.Context, copies int, nodes ...*process) (gateway *process, proxy string, err error) {
	dir, err := os.MkdirTemp(b.dir, "gateway-")
	if err != nil {
		return nil, "", err
	}
	var addresses [3]string
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return nil, "", err
		}
	}
	var group strings.Builder
	for i, n := range nodes {
		fmt.Fprintf(&group, "\t\t\tnode n%d %s\n", i+1, n.url)
	}
	config := fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	log {
		level ERROR
	}
	miroir {
		master_key %s
		node_key %s
		state %s
		group g {
%s		}
		replication %d
	}
}
http://%s {
	miroir
}
http://%s {
	reverse_proxy %s {
		transport http {
			compression off
		}
	}
}
`, addresses[0], masterKey, nodeKey, filepath.Join(dir, "state.db"), group.String(), copies, addresses[1], addresses[2], strings.TrimPrefix(nodes[0].url, "http://"))
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, "", err
	}
	gateway, err = start(ctx, b.binary, dir, []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, "http://"+addresses[1], masterKey, "run", "--config", file, "--adapter", "caddyfile")
	return gateway, "http://" + addresses[2], err
}

func start(ctx context.Context, binary, dir string, env []string, url, key string, args ...string) (*process, error) {
	absolute, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.CommandContext(ctx, absolute, args...), url: url, key: key}
	p.command.Dir = dir
	p.command.Env = append(os.Environ(), env...)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); pause(20 * time.Millisecond) {
		if resp, err := http.Get(url + "/health"); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p, nil
			}
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s does not answer at %s", binary, url)
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// memory reads a figure of a process's memory in MiB: VmRSS now, VmHWM at most.
func (p *process) memory(field string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the process's status", field)
}

// resetPeak makes VmHWM begin anew.
func (p *process) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.command.Process.Pid), []byte("5"), 0o600)
}
