package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Kind says what went wrong with a call, as far as it decides what to do next.
type Kind uint8

// The kinds of errors.
const (
	// KindOther is none of the others.
	KindOther Kind = iota
	// KindRefused means that no connection came about: no byte was sent.
	KindRefused
	// KindTimeout means that the deadline passed. The node may still act on the request.
	KindTimeout
	// KindCanceled means that the caller gave up. The node may still act on the request.
	KindCanceled
	// KindCut means that the connection broke under way or the answer is not
	// whole. The node may have acted on the request.
	KindCut
	// KindTooLarge means that the answer is larger than the caller's bound.
	KindTooLarge
	// KindStatus means an answer other than success, where success was needed.
	KindStatus
	// KindMalformed means an answer that is not what such a request is answered with.
	KindMalformed
	// KindRequest means that the request could not be made: an error of the caller.
	KindRequest
)

var kindNames = [...]string{"error", "refused", "timeout", "canceled", "cut", "too large", "status", "malformed", "request"}

// String gives the kind as a word, as used in logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindOther]
}

// Error is why a call to a node gave no answer, or not the wanted one.
type Error struct {
	// Node is the id of the node, Op the method and the path.
	Node, Op string
	Kind     Kind
	// Status is the status of a KindStatus, Answer what the node said with it,
	// if it said something in its usual form.
	Status int
	Answer *meili.Error
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "node %s: %s: %s", e.Node, e.Op, e.Kind)
	switch {
	case e.Answer != nil:
		fmt.Fprintf(&b, " %d: %v", e.Status, e.Answer)
	case e.Status != 0:
		fmt.Fprintf(&b, " %d", e.Status)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Unsent says whether it is certain that the node has seen nothing of the
// request, so that it may be sent again without a second thought.
func (e *Error) Unsent() bool { return e.Kind == KindRefused || e.Kind == KindRequest }

// Unreachable says whether the error speaks of the node or the way to it and
// not of the request: such errors count against a node's health.
func (e *Error) Unreachable() bool {
	switch e.Kind {
	case KindRefused, KindTimeout, KindCut, KindMalformed, KindOther:
		return true
	case KindStatus:
		return e.Status >= 500
	default:
		return false
	}
}

// KindOf gives the kind of an error of a call, KindOther for any other error.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindOther
}

// AnswerOf gives what the node answered where that is the error, else nil.
func AnswerOf(err error) *meili.Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Answer
	}
	return nil
}

// wrap gives an error of sending or reading its kind, node and operation.
func (c *Client) wrap(ctx context.Context, method, pathAndQuery string, err error) error {
	path, _, _ := strings.Cut(pathAndQuery, "?")
	op := method + " " + path
	if e, ok := errors.AsType[*Error](err); ok {
		e.Node, e.Op = c.id, op
		return e
	}
	return &Error{Node: c.id, Op: op, Kind: classify(ctx, err), Err: explained(once(err))}
}

// explained says in words what an error about certificates means: operators read
// it.
func explained(err error) error {
	switch {
	case untrusted(err):
		return fmt.Errorf("the node's certificate is not trusted: %w", err)
	case turnedAway(err):
		return fmt.Errorf("the node refuses the gateway's certificate, or asks for one: %w", err)
	}
	return err
}

// untrusted says whether the node's certificate was refused here.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}

// turnedAway says whether the node ended the handshake for the sake of the
// gateway's certificate: it has seen no request, though one may have been
// written. Which alert it sent is told by its words alone.
func turnedAway(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" && op.Err != nil && strings.Contains(op.Err.Error(), "certificate")
}

// once gives an error of dialing without the second one around it that says the
// same: net/http adds its own to that of any dialer but net's.
func once(err error) error {
	outer, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return err
	}
	if inner, ok := errors.AsType[*net.OpError](outer.Err); ok {
		return inner
	}
	return err
}

func classify(ctx context.Context, err error) Kind {
	// The context first: what the transport says of a connection that it closed
	// itself because of it is an accident.
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return KindCanceled
	case ctx.Err() != nil:
		return KindTimeout
	case unconnected(err):
		return KindRefused
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return KindTimeout
	}
	return KindCut
}

// unconnected says whether the error comes from connecting, before any byte of
// a request could be written.
func unconnected(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	return untrusted(err) || turnedAway(err)
}
