package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// mode is what a proxy does with the connections between gateway and node.
type mode string

const (
	pass   mode = "pass"
	slow   mode = "slow"   // each piece of data comes late
	cut    mode = "cut"    // connections break in the middle, again and again
	refuse mode = "refuse" // nobody listens
	hang   mode = "hang"   // data goes nowhere, and nobody is told
	mute   mode = "mute"   // requests arrive, connections break instead of an answer
)

const (
	slowBy   = 150 * time.Millisecond
	cutEvery = 120 * time.Millisecond
)

// proxy stands between the gateway and one node.
type proxy struct {
	address, target string

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mutex    sync.Mutex
	mode     mode
	changed  chan struct{} // closed when the mode changes
	listener net.Listener
	pairs    map[*pair]bool
}

// pair is one connection and its continuation to the node.
type pair struct{ client, node net.Conn }

func (p *pair) close() {
	for _, c := range []net.Conn{p.client, p.node} {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // the other side sees a reset, as after a crash
		}
		_ = c.Close()
	}
}

func startProxy(target string) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a proxy: %w", err)
	}
	p := &proxy{address: listener.Addr().String(), target: target, mode: pass, changed: make(chan struct{}),
		listener: listener, pairs: make(map[*pair]bool)}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(func() { p.accept(listener) })
	return p, nil
}

// set changes what the proxy does, with the connections that exist as well.
func (p *proxy) set(m mode) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if m == p.mode {
		return nil
	}
	was := p.mode
	p.mode = m
	close(p.changed)
	p.changed = make(chan struct{})
	switch {
	case m == refuse:
		_ = p.listener.Close()
		p.dropAll()
	case was == refuse:
		listener, err := net.Listen("tcp", p.address)
		if err != nil {
			return fmt.Errorf("listen again at %s: %w", p.address, err)
		}
		p.listener = listener
		p.wg.Go(func() { p.accept(listener) })
	case was == hang || was == mute:
		p.dropAll() // what was swallowed is never sent later
	}
	if m == cut {
		p.wg.Go(p.cutting)
	}
	return nil
}

// dropAll breaks all connections. It is called with the mutex held.
func (p *proxy) dropAll() {
	for c := range p.pairs {
		c.close()
	}
}

// cutting breaks all connections again and again while the mode is cut.
func (p *proxy) cutting() {
	for sleep(p.ctx, cutEvery) {
		p.mutex.Lock()
		on := p.mode == cut
		if on {
			p.dropAll()
		}
		p.mutex.Unlock()
		if !on {
			return
		}
	}
}

func (p *proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if !sleep(p.ctx, time.Millisecond) {
				return
			}
			continue
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *proxy) serve(client net.Conn) {
	node, err := net.DialTimeout("tcp", p.target, 3*time.Second)
	if err != nil {
		(&pair{client, client}).close()
		return
	}
	c := &pair{client, node}
	p.mutex.Lock()
	if p.ctx.Err() != nil || p.mode == refuse {
		p.mutex.Unlock()
		c.close()
		return
	}
	p.pairs[c] = true
	p.mutex.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.carry(c, node, client, false) })
	both.Go(func() { p.carry(c, client, node, true) })
	both.Wait()
	p.mutex.Lock()
	delete(p.pairs, c)
	p.mutex.Unlock()
}

// carry brings data from one side to the other and breaks the connection when
// one side ends it.
func (p *proxy) carry(c *pair, to, from net.Conn, answers bool) {
	defer c.close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !p.wait(answers) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// wait holds a piece of data back as the mode wants it, and says whether it
// goes on at all.
func (p *proxy) wait(answer bool) bool {
	p.mutex.Lock()
	m, changed := p.mode, p.changed
	p.mutex.Unlock()
	switch {
	case m == slow:
		return sleep(p.ctx, slowBy)
	case m == hang:
		select {
		case <-changed:
		case <-p.ctx.Done():
		}
		return false
	case m == mute && answer, m == refuse:
		return false
	}
	return true
}

// close ends the proxy and all its connections.
func (p *proxy) close() {
	p.cancel()
	p.mutex.Lock()
	_ = p.listener.Close()
	p.dropAll()
	p.mutex.Unlock()
	p.wg.Wait()
}
