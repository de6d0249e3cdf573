package miroircore

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miroir-gateway/miroir/miroircore/imprint"
)

// prover carries the requests to one node, and believes no answer about documents
// that may come from another server than the one that was written to: one that
// was started again on an older or empty disk in the time between two probes
// answers as if nothing had happened. What cannot stay the same then is the
// connections. So after each new one the node's last known task is asked for
// before an answer is given on.
type prover struct {
	next  http.RoundTripper
	prove func(ctx context.Context) error
	trace *httptrace.ClientTrace

	made   *atomic.Uint64 // connections made
	proved *atomic.Uint64 // connections made when the node was last seen to be itself
	turn   *sync.Mutex    // of the one who asks
}

// proof is what is known of the connections to a node, through reloads.
type proof struct {
	made, proved atomic.Uint64
	turn         sync.Mutex
}

func newProver(next http.RoundTripper, p *proof, prove func(ctx context.Context) error) *prover {
	return &prover{next: next, prove: prove, made: &p.made, proved: &p.proved, turn: &p.turn,
		trace: &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused {
				p.made.Add(1)
			}
		}}}
}

// RoundTrip implements http.RoundTripper.
func (p *prover) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := p.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), p.trace)))
	if err != nil || !aboutDocuments(r) {
		return response, err
	}
	if err := p.sure(r.Context()); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// sure has the node prove itself unless no connection was made since it did.
func (p *prover) sure(ctx context.Context) error {
	if p.made.Load() == p.proved.Load() {
		return nil
	}
	p.turn.Lock()
	defer p.turn.Unlock()
	made := p.made.Load()
	if made == p.proved.Load() {
		return nil
	}
	if err := p.prove(ctx); err != nil {
		return fmt.Errorf("%w: it is not known to be the server that was written to: %w", io.ErrUnexpectedEOF, err)
	}
	p.proved.Store(made)
	return nil
}

// aboutDocuments says whether a request reads documents of clients.
func aboutDocuments(r *http.Request) bool {
	path := r.URL.Path
	for _, read := range []string{"/search", "/facet-search", "/similar", "/documents/fetch", "/stats"} {
		if strings.HasSuffix(path, read) {
			return true
		}
	}
	return r.Method == http.MethodGet && strings.Contains(path, "/documents") && !strings.Contains(path, "/indexes/"+imprint.Index+"/")
}

// proofOf is what is known of the connections to a node.
func (f *fleet) proofOf(id string) *proof {
	p, _ := f.proofs.LoadOrStore(id, new(proof))
	return p.(*proof)
}

// prover makes what carries requests to a node of the fleet.
func (f *fleet) prover(id string, next http.RoundTripper) *prover {
	return newProver(next, f.proofOf(id), func(ctx context.Context) error {
		if f.e.writer == nil { // nothing was written by this process, and nothing is read yet
			return nil
		}
		return f.e.writer.Prove(ctx, id)
	})
}
