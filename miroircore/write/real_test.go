package write

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/test/minimeili"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const serverKey = "masterKeyForTheTests0"

// realServer is a Meilisearch of its own for one test.
type realServer struct {
	t   testing.TB
	url *url.URL
	rt  *http.Transport
	cmd *exec.Cmd
	dir string
}

// realServers starts a server where MEILISEARCH_BIN names the binary, and gives
// none otherwise.
func realServers(t testing.TB) []*realServer {
	bin := os.Getenv("MEILISEARCH_BIN")
	if bin == "" {
		return nil
	}
	return []*realServer{startReal(t, bin)}
}

func startReal(t testing.TB, bin string) *realServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	s := &realServer{t: t, url: &url.URL{Scheme: "http", Host: address}, rt: node.Transport(), dir: t.TempDir()}
	s.run(bin)
	t.Cleanup(func() {
		s.stop()
		s.rt.CloseIdleConnections()
	})
	return s
}

func (s *realServer) run(bin string) {
	s.t.Helper()
	s.cmd = exec.Command(bin, "--db-path", filepath.Join(s.dir, "db"), "--http-addr", s.url.Host, "--master-key", serverKey,
		"--no-analytics", "--experimental-max-number-of-batched-tasks", "100")
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = io.Discard, io.Discard
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	for s.client().Health(ctx) != nil {
		if ctx.Err() != nil {
			s.t.Fatal("the server does not start")
		}
	}
}

func (s *realServer) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *realServer) client() *node.Client {
	return node.New(s.url.Host, s.url, func() []string { return []string{serverKey} }, s.rt)
}

func (s *realServer) call(method, path string, body any) map[string]any {
	s.t.Helper()
	var reader io.Reader
	if body != nil {
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(body); err != nil {
			s.t.Fatal(err)
		}
		reader = &buffer
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url.String()+path, reader)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+serverKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.rt.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		s.t.Fatalf("%s %s: %d: %v", method, path, resp.StatusCode, err)
	}
	return answer
}

func (s *realServer) wait(summary map[string]any) map[string]any {
	s.t.Helper()
	uid, ok := summary["taskUid"]
	if !ok {
		s.t.Fatalf("no task: %v", summary)
	}
	for {
		task := s.call("GET", fmt.Sprintf("/tasks/%v", uid), nil)
		if status := task["status"]; status == "succeeded" || status == "failed" || status == "canceled" {
			return task
		}
	}
}

// backends are the servers that flows are held to: the real one where
// MEILISEARCH_BIN names it, and always the double.
func backends() map[string]func(testing.TB) *url.URL {
	all := map[string]func(testing.TB) *url.URL{"double": func(t testing.TB) *url.URL { return parse(t, double(t).URL()) }}
	if bin := os.Getenv("MEILISEARCH_BIN"); bin != "" {
		all["real"] = func(t testing.TB) *url.URL { return startReal(t, bin).url }
	}
	return all
}

func double(t testing.TB) *minimeili.Server {
	return minimeili.Run(t, minimeili.WithMasterKey(serverKey))
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
