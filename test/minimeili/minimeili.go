// Package minimeili is a Meilisearch double for tests: a real HTTP server on a
// free port that speaks Meilisearch's API, runs its tasks asynchronously with
// its batching, and can be told to fail in the ways real servers fail.
//
//	m := minimeili.Run(t)
//	http.Get(m.URL() + "/health")
//
// Its answers are held to recordings of a real server, byte for byte where
// bytes matter; package recordings has them.
package minimeili

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// T is the part of testing.TB that Run needs.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(cleanup func())
}

// Run starts a server that ends with the test.
func Run(t T, options ...Option) *Server {
	t.Helper()
	m, err := Start(options...)
	if err != nil {
		t.Fatalf("start minimeili: %v", err)
	}
	t.Cleanup(m.Close)
	return m
}

// Server is a running double. Its methods may be called by several goroutines.
type Server struct {
	config config
	faults faults
	counts counter

	mu       sync.Mutex // guards the life cycle below
	address  string     // stays the same over restarts
	listener net.Listener
	http     *http.Server
	served   chan struct{}
	core     *instance
	running  bool
}

// Start starts a server; who starts it has to Close it.
func Start(options ...Option) (*Server, error) {
	m := &Server{config: config{addr: "127.0.0.1:0", now: time.Now, bodyLimit: defaultBodyLimit}}
	for _, option := range options {
		option(&m.config)
	}
	m.faults.resumed = make(chan struct{})
	close(m.faults.resumed)
	m.address = m.config.addr
	if err := m.start(); err != nil {
		return nil, err
	}
	return m, nil
}

// URL gives the server's base address, without a slash at its end.
func (m *Server) URL() string { return "http://" + m.Addr() }

// Addr gives the host and port the server listens on.
func (m *Server) Addr() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.address
}

// MasterKey gives the master key, empty when there is none.
func (m *Server) MasterKey() string { return m.config.masterKey }

// Close ends the server; requests under way are cut.
func (m *Server) Close() { m.Stop() }

// Stop cuts all connections and ends the server, as a crash would: what was
// answered stays, what was not is lost. The address is kept for Restart.
func (m *Server) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return
	}
	m.running = false
	m.stopListening()
	m.core.stop()
}

// Restart stops the server and starts it again on the same address. With a
// folder the state is read from there; without one it is kept.
func (m *Server) Restart() error {
	m.Stop()
	return m.start()
}

// Upgrade is Restart as a server of another version.
func (m *Server) Upgrade(version string) error {
	m.Stop()
	m.mu.Lock()
	m.config.version = version
	m.mu.Unlock()
	return m.start()
}

func (m *Server) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.core == nil || m.config.dir != "" {
		core, err := newInstance(m.config, &m.faults)
		if err != nil {
			return err
		}
		m.core = core
	}
	if err := m.listen(); err != nil {
		m.core.closeJournal()
		return err
	}
	m.core.start()
	m.running = true
	return nil
}

// listen opens the port and serves it. The caller holds m.mu.
func (m *Server) listen() error {
	listener, err := listenAgain(m.address)
	if err != nil {
		return err
	}
	m.listener, m.address = listener, listener.Addr().String()
	handler := &front{server: m, core: m.core, closing: make(chan struct{})}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	m.http = server
	m.served = make(chan struct{})
	served := m.served
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("minimeili serves no more: %v", err))
		}
		handler.close()
	}()
	return nil
}

// stopListening closes the port and every connection, and waits for the
// handlers. The caller holds m.mu.
func (m *Server) stopListening() {
	if m.http == nil {
		return
	}
	_ = m.http.Close() // closing a listener twice is all that can go wrong
	<-m.served
	m.http = nil
}

// listenAgain opens an address that may just have been closed.
func listenAgain(address string) (net.Listener, error) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		listener, err := net.Listen("tcp", address)
		if err == nil {
			return listener, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("listen: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
