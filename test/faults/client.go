package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// requestTime is longer than the gateway lets a write wait for its quorum.
const requestTime = 40 * time.Second

// answer is what a server said, or why it said nothing.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
	// excused says that the gateway was away while the request was under way.
	excused bool
	// reloaded says that the configuration was reloaded meanwhile, resent that
	// this is the answer to a second try for that reason.
	reloaded, resent bool
	began            time.Time
	took             time.Duration
}

// failed says that a living gateway gave no answer, or one that blames itself.
func (a *answer) failed() bool { return !a.excused && (a.err != nil || a.status >= 500) }

// into decodes the body.
func (a *answer) into(v any) error {
	if a.err != nil {
		return a.err
	}
	if a.status >= 300 {
		return fmt.Errorf("status %d: %s", a.status, a.body)
	}
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.UseNumber()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("decode %.200s: %w", a.body, err)
	}
	return nil
}

func (a *answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("after %s: %s", a.took.Round(time.Millisecond), a.err)
	}
	return fmt.Sprintf("after %s: %d %.300s", a.took.Round(time.Millisecond), a.status, a.body)
}

// asker sends requests to one server.
type asker struct {
	url, key string
	http     *http.Client
	// presence, if not nil, tells of the server's absences.
	presence func() presence
}

func newAsker(url, key string) *asker {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}
	return &asker{url: url, key: key, http: &http.Client{Transport: transport, Timeout: requestTime}}
}

func (c *asker) close() { c.http.CloseIdleConnections() }

// ask sends one request. A body that is not nil is sent as JSON. A read whose
// connection a reload closed is sent once more, as any client would.
func (c *asker) ask(ctx context.Context, method, path string, body any, header ...string) *answer {
	a := c.once(ctx, method, path, body, header)
	if a.err != nil && a.reloaded && (method == http.MethodGet || strings.HasSuffix(path, "/search")) {
		again := c.once(ctx, method, path, body, header)
		again.resent = true
		return again
	}
	return a
}

func (c *asker) once(ctx context.Context, method, path string, body any, header []string) *answer {
	var before presence
	if c.presence != nil {
		before = c.presence()
	}
	began := time.Now()
	a := c.send(ctx, method, path, body, header)
	a.began, a.took = began, time.Since(began)
	if c.presence != nil {
		after := c.presence()
		a.excused = before.down || after.down || after.away != before.away
		a.reloaded = before.reloading || after.reloading || after.reloads != before.reloads
	}
	return a
}

func (c *asker) send(ctx context.Context, method, path string, body any, header []string) *answer {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return &answer{err: err}
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		return &answer{err: err}
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
		// A write is not repeated by the transport: the workload does that, and
		// counts it.
		request.GetBody = nil
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return &answer{err: err}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return &answer{status: response.StatusCode, header: response.Header, body: text, err: err}
}
