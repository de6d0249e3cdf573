// Package node speaks to one Meilisearch server.
//
// Answers are asked for uncompressed, since the server writes a compressed one
// in two pieces and the second waits 40 ms for the kernel's delayed
// acknowledgement. Connections are kept alive, redirects are not followed, and
// an answer that ends early, lies about its length or grows past the caller's
// bound is an error of its own kind, never a short or empty answer.
package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili/room"
)

// DefaultLimit bounds an answer whose caller names no bound.
const DefaultLimit = 64 << 20

// Client is one node. It is safe for use by many goroutines; requests share
// nothing but the transport and the key that worked last.
type Client struct {
	id     string
	host   string
	prefix string // scheme, host and path prefix
	keys   func() []string
	rt     http.RoundTripper
	last   atomic.Pointer[string] // the key that was accepted after another had been refused
}

// New makes the client of the node with the given id. The base address may
// have a path. Keys gives the keys to speak with, the first one first: during
// a rotation the second is tried once where the first is refused, and is
// remembered if it is accepted. A nil round tripper means one of Transport.
//
// The round tripper is called with the caller's context. Where it keeps state
// in there, as Caddy's does, it has to give each request its own.
func New(id string, base *url.URL, keys func() []string, rt http.RoundTripper) *Client {
	if rt == nil {
		rt = Transport()
	}
	prefix := base.Scheme + "://" + base.Host + strings.TrimRight(base.EscapedPath(), "/")
	return &Client{id: id, host: base.Host, prefix: prefix, keys: keys, rt: rt}
}

// Transport makes a transport suited to nodes: uncompressed, with enough idle
// connections for a fan-out and a short time to connect. How long an answer
// may take is the caller's to say, by context.
func Transport() *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 3 * time.Second,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     90 * time.Second,
		WriteBufferSize:     64 << 10,
		ReadBufferSize:      32 << 10,
		ForceAttemptHTTP2:   true,
	}
}

// ID gives the id of the node.
func (c *Client) ID() string { return c.id }

// Address gives the address requests go to, without a trailing slash.
func (c *Client) Address() string { return c.prefix }

// Body is a request's body. It can be opened as often as the request is sent.
type Body struct {
	ContentType string
	// Length is the number of bytes, -1 if it is not known.
	Length int64
	// Open gives a new reader at the start of the body. The reader is always closed.
	Open func() io.ReadCloser
}

// JSON makes the body of a JSON text.
func JSON(text []byte) *Body {
	return &Body{
		ContentType: "application/json",
		Length:      int64(len(text)),
		Open:        func() io.ReadCloser { return io.NopCloser(bytes.NewReader(text)) },
	}
}

// Response is a node's answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte

	room *room.Room
}

// Release gives the memory of the body back for that of another answer. Nothing
// may refer to it afterwards. An answer need not be released.
func (r *Response) Release() {
	if r == nil || r.room == nil {
		return
	}
	r.room.Give(r.Body)
	r.room, r.Body = nil, nil
}

// OK says whether the status is one of success.
func (r *Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Call sends one request and reads the whole answer, whatever its status. An
// answer of more than limit bytes is an error; a limit of 0 means
// DefaultLimit. Every error is an *Error.
func (c *Client) Call(ctx context.Context, method, pathAndQuery string, body *Body, limit int64) (*Response, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	keys := c.keysToTry()
	for i, key := range keys {
		resp, err := c.send(ctx, method, pathAndQuery, body, limit, key)
		if err != nil {
			return nil, c.wrap(ctx, method, pathAndQuery, err)
		}
		refused := resp.Status == http.StatusForbidden && bytes.Contains(resp.Body, []byte(`"invalid_api_key"`))
		if refused && i+1 < len(keys) {
			continue
		}
		if !refused && i > 0 {
			c.last.Store(&key)
		}
		return resp, nil
	}
	return nil, c.wrap(ctx, method, pathAndQuery, errors.New("no key to speak with")) // not reached: there is always one
}

// keysToTry gives at most two keys, the one that was accepted last in front.
func (c *Client) keysToTry() []string {
	var keys []string
	if c.keys != nil {
		keys = c.keys()
	}
	if len(keys) == 0 {
		return []string{""}
	}
	if len(keys) > 2 {
		keys = keys[:2]
	}
	if last := c.last.Load(); last != nil && len(keys) == 2 && keys[1] == *last {
		return []string{keys[1], keys[0]}
	}
	return keys
}

func (c *Client) send(ctx context.Context, method, pathAndQuery string, body *Body, limit int64, key string) (*Response, error) {
	req, err := c.request(ctx, method, pathAndQuery, body, key)
	if err != nil {
		return nil, &Error{Kind: KindRequest, Err: err}
	}
	resp, err := c.rt.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	space := room.Take()
	text, err := read(resp, limit, space)
	if err != nil {
		return nil, err
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: text, room: space}, nil
}

func (c *Client) request(ctx context.Context, method, pathAndQuery string, body *Body, key string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.prefix+pathAndQuery, nil)
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.Host = c.host
	req.Header["Accept-Encoding"] = []string{"identity"}
	req.Header["User-Agent"] = []string{"Miroir"}
	if key != "" {
		req.Header["Authorization"] = []string{"Bearer " + key}
	}
	if id := RequestID(ctx); id != "" {
		req.Header["X-Request-Id"] = []string{id}
	}
	if body == nil {
		return req, nil
	}
	req.Header["Content-Type"] = []string{body.ContentType}
	req.ContentLength = body.Length
	if body.Length == 0 {
		return req, nil
	}
	req.Body = body.Open()
	// Lets the transport open it again where a kept connection turned out to
	// be closed before a byte was written.
	req.GetBody = func() (io.ReadCloser, error) { return body.Open(), nil }
	return req, nil
}

type requestIDKey struct{}

// WithRequestID gives a context whose calls carry the id as X-Request-Id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID gives the id that WithRequestID put into the context, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
