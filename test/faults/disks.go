package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// wipe has a node come back with an empty disk.
func (s *schedule) wipe(ctx context.Context, n *node, away time.Duration) error {
	s.log("fault: %s: %s", n.id, emptyDisk)
	n.kill()
	if !sleep(ctx, away) {
		return context.Cause(ctx)
	}
	if err := os.RemoveAll(n.data()); err != nil {
		return fmt.Errorf("empty the disk of %s: %w", n.id, err)
	}
	return s.comeBack(ctx, n)
}

// turnBack has a node come back with the disk that it had a while ago, as after
// a snapshot of the machine was restored.
func (s *schedule) turnBack(ctx context.Context, n *node, away time.Duration) error {
	s.log("fault: %s: %s", n.id, olderDisk)
	old := filepath.Join(s.fleet.dir, n.id+"-old")
	defer os.RemoveAll(old)
	n.kill()
	if err := os.CopyFS(old, os.DirFS(n.data())); err != nil {
		return fmt.Errorf("copy the disk of %s: %w", n.id, err)
	}
	if err := s.comeBack(ctx, n); err != nil {
		return err
	}
	s.healed = time.Now()
	s.awaitOrder(ctx)
	if !sleep(ctx, time.Second) { // writes that the old disk will not have
		return context.Cause(ctx)
	}
	n.kill()
	if !sleep(ctx, away) {
		return context.Cause(ctx)
	}
	if err := os.RemoveAll(n.data()); err != nil {
		return fmt.Errorf("replace the disk of %s: %w", n.id, err)
	}
	if err := os.Rename(old, n.data()); err != nil {
		return fmt.Errorf("replace the disk of %s: %w", n.id, err)
	}
	return s.comeBack(ctx, n)
}

// comeBack starts a node whose disk is another one now. It is made anew from its
// peers, which may take longer than catching up does.
func (s *schedule) comeBack(ctx context.Context, n *node) error {
	s.made = true
	if err := n.start(); err != nil {
		return err
	}
	err := n.await(ctx, "/health", 30*time.Second)
	s.log("healed: %s", n.id)
	return err
}

// join adds a node to the last group, and takes it away again once it holds its
// part. Meanwhile another node may be in trouble.
func (s *schedule) join(ctx context.Context, trouble *node, kind string, length time.Duration) error {
	s.log("fault: %s", newNode)
	s.made = true
	last := len(s.fleet.shape.groups) - 1
	s.fleet.joined++
	n, err := s.fleet.addNode(fmt.Sprintf("g%dx%d", last+1, s.fleet.joined), last)
	if err != nil {
		return err
	}
	if err := n.await(ctx, "/health", 30*time.Second); err != nil {
		return err
	}
	if err := s.fleet.reload(ctx); err != nil {
		return err
	}
	err = s.during(ctx, trouble, kind, func() error { sleep(ctx, length); return nil })
	if err != nil {
		return err
	}
	s.healed = time.Now()
	s.awaitOrder(ctx)
	s.log("%s holds its part and leaves", n.id)
	s.fleet.leave(n)
	s.made = true
	if err := s.fleet.reload(ctx); err != nil {
		return err
	}
	s.healed = time.Now()
	s.awaitOrder(ctx)
	known, err := s.w.knows(ctx, n.id)
	switch {
	case err != nil:
		return err
	case known:
		return fmt.Errorf("%s left and is still known", n.id)
	}
	n.end()
	return ctx.Err()
}
