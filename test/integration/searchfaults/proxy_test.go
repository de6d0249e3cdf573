package searchfaults_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to the answers of searches.
type fault string

const (
	none      fault = ""
	slow      fault = "slow by 500 ms"
	cut       fault = "cut in the middle of the body"
	failing   fault = "500"
	refusing  fault = "429"
	garbage   fault = "garbage"
	truncated fault = "a truncated body with a fitting length"
	long      fault = "a length that is too long"
	short     fault = "a length that is too short"
)

// proxy stands between the gateway and a node, and spoils reads.
type proxy struct {
	*httptest.Server
	target string

	mu    sync.Mutex
	fault fault
	reads int
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{target: target}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// count is how many reads have come.
func (p *proxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reads
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	read := strings.HasSuffix(r.URL.Path, "/search") || strings.HasSuffix(r.URL.Path, "/documents/fetch")
	p.mu.Lock()
	f := p.fault
	if read {
		p.reads++
	} else {
		f = none
	}
	p.mu.Unlock()
	request, err := http.NewRequestWithContext(r.Context(), r.Method, p.target+r.RequestURI, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request.Header, request.ContentLength = r.Header, r.ContentLength
	if f == slow {
		select {
		case <-time.After(500 * time.Millisecond):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		panic(http.ErrAbortHandler) // as the node would be found without a proxy
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if f == none || f == slow {
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(body)
		return
	}
	spoil(w, f, string(body))
}

// spoil answers by hand: no server writes such answers.
func spoil(w http.ResponseWriter, f fault, body string) {
	status, length := "200 OK", len(body)
	switch f {
	case cut:
		body = body[:length/2]
	case failing:
		status = "500 Internal Server Error"
	case refusing:
		status = "429 Too Many Requests"
	case garbage:
		body = strings.Repeat("\x00{]", length/3+1)[:length]
	case truncated:
		length /= 2
		body = body[:length]
	case long:
		length += 100
	case short:
		length -= 10
	}
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, length, body)
	_ = out.Flush()
}
