package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/miroir-gateway/miroir/test/minimeili"
)

// node is one Meilisearch server of the demonstration.
type node struct {
	id, url string
	kill    func()
}

// startNodes starts the nodes: the test double inside this process, or the real
// server that binary names.
func startNodes(ctx context.Context, binary, dir, key string, ids []string) ([]*node, error) {
	var nodes []*node
	for _, id := range ids {
		n, err := startNode(ctx, binary, filepath.Join(dir, id), key)
		if err != nil {
			killAll(nodes)
			return nil, fmt.Errorf("node %s: %w", id, err)
		}
		n.id = id
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func killAll(nodes []*node) {
	for _, n := range nodes {
		n.kill()
	}
}

func startNode(ctx context.Context, binary, dir, key string) (*node, error) {
	if binary == "" {
		m, err := minimeili.Start(minimeili.WithMasterKey(key))
		if err != nil {
			return nil, err
		}
		return &node{url: m.URL(), kill: m.Close}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary, "--http-addr", address, "--master-key", key,
		"--db-path", filepath.Join(dir, "data.ms"), "--no-analytics", "--log-level", "ERROR")
	cmd.Dir = dir
	return startProcess(cmd, "http://"+address)
}

// startProcess starts a server that ends when it is killed or the program ends.
func startProcess(cmd *exec.Cmd, url string) (*node, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed: it does not end well
	}()
	return &node{url: url, kill: func() {
		_ = cmd.Process.Kill() // or it has ended by itself
		<-ended
	}}, nil
}

// freeAddress finds a port of this machine that nothing listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
