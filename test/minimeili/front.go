package minimeili

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// front receives every request: it counts it, lets faults strike, adds what all
// answers carry and hands it to the routes.
type front struct {
	server   *Server
	core     *instance
	closing  chan struct{}
	mu       sync.Mutex
	closed   bool
	requests sync.WaitGroup
}

func (f *front) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.requests.Add(1)
	}
	return !f.closed
}

// close lets waiting requests go and waits for all of them.
func (f *front) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	close(f.closing)
	f.requests.Wait()
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.enter() {
		panic(http.ErrAbortHandler)
	}
	defer f.requests.Done()
	match := routes.find(r)
	f.server.counts.add(r.Method + " " + match.pattern)
	fault, resumed := f.server.faults.take(r)
	r = f.thaw(r, resumed)
	if fault.Delay > 0 && !f.sleep(fault.Delay) || fault.Reset {
		panic(http.ErrAbortHandler)
	}
	if fault.Status != 0 {
		failure := meili.NewError("internal", "this request was told to fail")
		failure.Status = fault.Status
		failure.Write(w)
		return
	}
	if !fault.Drop && !fault.Garbage && !fault.Truncate {
		f.handle(w, r, match)
		return
	}
	recorder := httptest.NewRecorder()
	f.handle(recorder, r, match)
	spoil(w, recorder, fault)
}

// spoil sends a recorded answer the wrong way.
func spoil(w http.ResponseWriter, recorder *httptest.ResponseRecorder, fault Fault) {
	if fault.Drop {
		panic(http.ErrAbortHandler)
	}
	body := recorder.Body.Bytes()
	if fault.Garbage {
		body = []byte("\x00\xff<html>not what you asked for{{{")
	}
	for name, values := range recorder.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(recorder.Code)
	if fault.Truncate {
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

// thaw waits until the server is not paused. A paused request is read whole and
// then no longer hangs on its client, as when a stopped process finds it in its
// socket's buffer.
func (f *front) thaw(r *http.Request, resumed <-chan struct{}) *http.Request {
	select {
	case <-resumed:
		return r
	default:
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	select {
	case <-resumed:
	case <-f.closing:
		panic(http.ErrAbortHandler)
	}
	r = r.WithContext(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r
}

// sleep waits, and says whether the server still runs.
func (f *front) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-f.closing:
		return false
	}
}

func (f *front) handle(w http.ResponseWriter, r *http.Request, match match) {
	header := w.Header()
	header.Set("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	if r.Header.Get("Origin") != "" {
		header.Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			preflight(header, r)
			w.WriteHeader(http.StatusOK)
			return
		}
	}
	if match.route == nil {
		if match.allow != "" {
			header.Set("Allow", match.allow)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		return
	}
	c := &call{instance: f.core, route: match.route, params: match.params, r: r}
	a := c.answer()
	start := time.Now()
	body, more := a.pack(r.Header.Get("Accept-Encoding"))
	if rest := c.rest - time.Since(start); rest > 0 {
		f.sleep(rest)
	}
	for name, values := range more {
		header[name] = append(header[name], values...)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // the client is gone: nobody is left to tell
}

func preflight(header http.Header, r *http.Request) {
	header.Set("Access-Control-Allow-Methods", "OPTIONS, DELETE, PUT, CONNECT, GET, HEAD, PATCH, TRACE, POST")
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		header.Set("Access-Control-Allow-Headers", wanted)
	}
	header.Set("Access-Control-Max-Age", "86400")
}

// counter counts requests by route.
type counter struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counter) add(route string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[route]++
}
