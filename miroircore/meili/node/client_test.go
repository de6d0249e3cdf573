package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clientOf makes a client of address and closes its connections with the test.
func clientOf(t *testing.T, address string, keys ...string) *Client {
	t.Helper()
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	rt := Transport()
	t.Cleanup(rt.CloseIdleConnections)
	return New("a", base, func() []string { return keys }, rt)
}

// serve answers with handler until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return srv
}

// serveRaw answers each connection's first request with the bytes and hangs up.
func serveRaw(t *testing.T, answer string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(conn, answer)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return "http://" + ln.Addr().String()
}

func TestCallSendsWhatANodeNeedsAndNothingOfTheClient(t *testing.T) {
	var got *http.Request
	var body []byte
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	c := clientOf(t, srv.URL+"/base/", "secret")
	ctx := WithRequestID(t.Context(), "0190-x")
	resp, err := c.Call(ctx, http.MethodPost, "/indexes/a%2Fb/search?x=1", JSON([]byte(`{"q":""}`)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if !resp.OK() || string(resp.Body) != `{"ok":true}` {
		t.Fatalf("answer %d %s", resp.Status, resp.Body)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer secret", "Accept-Encoding": "identity", "X-Request-Id": "0190-x",
		"Content-Type": "application/json", "User-Agent": "Miroir",
	} {
		if h := got.Header.Get(name); h != want {
			t.Errorf("%s is %q, want %q", name, h, want)
		}
	}
	if got.RequestURI != "/base/indexes/a%2Fb/search?x=1" || string(body) != `{"q":""}` || got.ContentLength != 8 {
		t.Errorf("sent %s with %q", got.RequestURI, body)
	}
	if got.Host != strings.TrimPrefix(srv.URL, "http://") {
		t.Errorf("host %q", got.Host)
	}
}

func TestAnswersThatAreNotWholeAreErrors(t *testing.T) {
	const json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	cases := []struct {
		name, answer string
		limit        int64
		want         Kind
	}{
		{"no answer", "", 0, KindCut},
		{"cut in the head", "HTTP/1.1 200 OK\r\nContent-Ty", 0, KindCut},
		{"not HTTP", "hello there\r\n\r\n", 0, KindCut},
		{"shorter than its length", json + "Content-Length: 10\r\n\r\n{}", 0, KindCut},
		{"no body for its length", json + "Content-Length: 10\r\n\r\n", 0, KindCut},
		{"empty by length", json + "Content-Length: 0\r\n\r\n", 0, KindMalformed},
		{"cut with a fitting length", json + "Content-Length: 6\r\n\r\n{\"a\":1", 0, KindMalformed},
		{"only spaces", json + "Content-Length: 2\r\n\r\n  ", 0, KindMalformed},
		{"cut between chunks", json + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 0, KindCut},
		{"cut in a chunk", json + "Transfer-Encoding: chunked\r\n\r\n9\r\n{}", 0, KindCut},
		{"neither length nor chunks", json + "\r\n{}", 0, KindCut},
		{"compressed unasked", json + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 0, KindMalformed},
		{"larger than the bound by its length", json + "Content-Length: 4\r\n\r\n[10]", 3, KindTooLarge},
		{"larger than the bound in chunks", json + "Transfer-Encoding: chunked\r\n\r\n4\r\n[10]\r\n0\r\n\r\n", 3, KindTooLarge},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := clientOf(t, serveRaw(t, tc.answer), "k")
			resp, err := c.Call(t.Context(), http.MethodGet, "/stats", nil, tc.limit)
			if err == nil {
				t.Fatalf("no error but %d %q", resp.Status, resp.Body)
			}
			if KindOf(err) != tc.want {
				t.Errorf("kind %v of %v, want %v", KindOf(err), err, tc.want)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Node != "a" || e.Op != "GET /stats" {
				t.Errorf("error %#v does not name node and operation", err)
			}
		})
	}
}

func TestWholeAnswersOfEveryFormAreTaken(t *testing.T) {
	const json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for _, answer := range []string{
		json + "Content-Length: 2\r\n\r\n{}", json + "Content-Length: 4\r\n\r\n[]\r\n", json + "Content-Length: 4\r\n\r\nnull",
		json + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nx 1",
		"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
	} {
		if _, err := clientOf(t, serveRaw(t, answer)).Call(t.Context(), http.MethodGet, "/", nil, 4); err != nil {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

func TestNobodyListensIsRefusedAndUnsent(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + ln.Addr().String()
	_ = ln.Close()
	_, err = clientOf(t, address).Call(t.Context(), http.MethodGet, "/health", nil, 0)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != KindRefused || !e.Unsent() || !e.Unreachable() {
		t.Fatalf("got %v", err)
	}
}

type dialError struct{ error } // as a transport that dials for itself gives

func (w dialError) Unwrap() error { return w.error }

func TestARefusedConnectionIsSaidOnce(t *testing.T) {
	base, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	inner := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connect: connection refused")}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, fmt.Errorf("%w", dialError{inner})
	}}
	_, err = New("a", base, func() []string { return nil }, transport).Call(t.Context(), http.MethodGet, "/health", nil, 0)
	if got, want := fmt.Sprint(err), "node a: GET /health: refused: dial tcp: connect: connection refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestContextEndsACallInTheMiddleOfAnAnswer(t *testing.T) {
	ends := make(chan struct{})
	began := make(chan struct{}, 2)
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"half":`)
		_ = http.NewResponseController(w).Flush()
		began <- struct{}{}
		<-ends
	})
	defer close(ends)
	c := clientOf(t, srv.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := c.Call(ctx, http.MethodGet, "/", nil, 0); KindOf(err) != KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Call(ctx, http.MethodGet, "/", nil, 0); KindOf(err) != KindTimeout {
		t.Errorf("deadline: %v", err)
	}
}

func TestSecondKeyIsTriedOnceAndRemembered(t *testing.T) {
	var asked []string
	var valid atomic.Value
	valid.Store("new")
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		asked = append(asked, key+" "+string(text))
		if key != valid.Load() {
			meili.InvalidAPIKey().Write(w)
			return
		}
		_, _ = io.WriteString(w, "{}")
	})
	c := clientOf(t, srv.URL, "old", "new")
	call := func(want int) {
		t.Helper()
		resp, err := c.Call(t.Context(), http.MethodPost, "/x", JSON([]byte("[1]")), 0)
		if err != nil || resp.Status != want {
			t.Fatalf("got %v, %v", resp, err)
		}
	}
	call(200)
	call(200)
	valid.Store("old")
	call(200)
	call(200)
	valid.Store("neither")
	call(403)
	want := "old [1],new [1],new [1],new [1],old [1],old [1],old [1],new [1]"
	if got := strings.Join(asked, ","); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

func TestForbiddenForAnotherReasonIsNotTriedAgain(t *testing.T) {
	asked := 0
	srv := serve(t, func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(403) })
	resp, err := clientOf(t, srv.URL, "a", "b").Call(t.Context(), http.MethodGet, "/x", nil, 0)
	if err != nil || resp.Status != 403 || asked != 1 {
		t.Errorf("status %v, %v after %d requests", resp, err, asked)
	}
}

func TestAWriteThatWasSentIsNotSentAgainByTheTransport(t *testing.T) {
	var posts atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts.Add(1)
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.Close()
			return
		}
		_, _ = io.WriteString(w, "{}")
	})
	c := clientOf(t, srv.URL)
	if _, err := c.Call(t.Context(), http.MethodGet, "/warm", nil, 0); err != nil {
		t.Fatal(err)
	}
	_, err := c.Call(t.Context(), http.MethodPost, "/x", JSON([]byte("[1]")), 0)
	if KindOf(err) != KindCut || posts.Load() != 1 {
		t.Errorf("%v after %d posts", err, posts.Load())
	}
}

func TestTypedRoutes(t *testing.T) {
	answers := map[string]string{
		"GET /health":                `{"status":"available"}`,
		"GET /version":               `{"commitSha":"x","commitDate":"y","pkgVersion":"1.50.0"}`,
		"GET /tasks/7":               `{"uid":7,"status":"succeeded","type":"indexCreation"}`,
		"GET /stats":                 `{"databaseSize":1,"lastUpdate":null,"indexes":{"a":{"numberOfDocuments":3}}}`,
		"GET /indexes/a/stats":       `{"numberOfDocuments":3}`,
		"GET /indexes/a/settings":    `{"rankingRules":[]}`,
		"GET /indexes/a":             `{"uid":"a","primaryKey":null}`,
		"GET /experimental-features": `{"metrics":true}`,
		"POST /indexes":              `{"taskUid":8,"status":"enqueued"}`,
		"GET /tasks?from=4&indexUids=a%2Cb&limit=2&reverse=true&statuses=failed&types=indexCreation&uids=1%2C2": `{"results":[{"uid":2}],"total":1,"limit":2,"from":2,"next":null}`,
	}
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.RequestURI]
		if !ok && r.URL.Path == "/indexes" {
			answer = `{"results":[{"uid":"a"},{"uid":"b"}],"total":2}`
		} else if !ok {
			meili.IndexNotFound("zzz").Write(w)
			return
		}
		_, _ = io.WriteString(w, answer)
	})
	c, ctx := clientOf(t, srv.URL), t.Context()
	from := uint32(4)
	page, errTasks := c.Tasks(ctx, TaskQuery{UIDs: []uint32{1, 2}, IndexUIDs: []string{"a", "b"}, From: &from, Limit: 2, Reverse: true,
		Statuses: []meili.TaskStatus{meili.StatusFailed}, Types: []meili.TaskType{meili.TypeIndexCreation}})
	version, errVersion := c.Version(ctx)
	task, errTask := c.Wait(ctx, 7)
	stats, errStats := c.Stats(ctx)
	one, errOne := c.IndexStats(ctx, "a")
	settings, errSettings := c.Settings(ctx, "a")
	index, errIndex := c.Index(ctx, "a")
	indexes, errIndexes := c.Indexes(ctx)
	features, errFeatures := c.Features(ctx)
	summary, errEnqueue := c.Enqueue(ctx, http.MethodPost, "/indexes", JSON([]byte("{}")))
	if err := errors.Join(c.Health(ctx), errTasks, errVersion, errTask, errStats, errOne, errSettings, errIndex, errIndexes, errFeatures, errEnqueue); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(page.Results[0].UID, version.PkgVersion, task.Status, stats.Indexes["a"].NumberOfDocuments, one.NumberOfDocuments,
		string(settings), index.UID, len(indexes), features.Get("metrics"), summary.TaskUID)
	if want := fmt.Sprint(2, "1.50.0", "succeeded", 3, 3, `{"rankingRules":[]}`, "a", 2, true, 8); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	_, err := c.Task(ctx, 99)
	if e := AnswerOf(err); KindOf(err) != KindStatus || e == nil || e.Code != "index_not_found" || e.Status != 404 {
		t.Errorf("not found: %v", err)
	}
}

// BenchmarkCall measures what a call adds to the transport; no network.
func BenchmarkCall(b *testing.B) {
	body := bytes.Repeat([]byte(`{"a":1},`), 1000)
	body[0], body[len(body)-1] = '[', ']'
	rt := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, ProtoMajor: 1, ContentLength: int64(len(body)), Header: http.Header{},
			Body: io.NopCloser(bytes.NewReader(body))}, nil
	})
	base, _ := url.Parse("http://x")
	c := New("a", base, func() []string { return []string{"k"} }, rt)
	request := JSON([]byte("{}"))
	for b.Loop() {
		if _, err := c.Call(b.Context(), http.MethodPost, "/indexes/a/search", request, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
