package caddymodule_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/google/uuid"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// attempts is how often a request is sent whose connection broke before it was
// answered, as one may that comes in just while Caddy reloads.
const attempts = 5

// ask sends a request to a fleet's gateway and reads the whole answer.
func ask(t *testing.T, f *fleet.Fleet, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	var broken error
	for range attempts {
		request, err := http.NewRequestWithContext(t.Context(), method, f.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+fleet.MasterKey)
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			broken = err
			continue
		}
		content, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		return response, string(content)
	}
	t.Fatal(broken)
	return nil, ""
}

func TestEveryAnswerHasARequestID(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	const own = "01932d6e-5f3a-7c21-9d3e-2f6b8a4c1e70"
	for _, path := range []string{"/health", "/_miroir/health", "/indexes/none/search", "/indexes/none", "/nothing/of/the/sort", "/_miroir/none"} {
		r, _ := ask(t, f, http.MethodGet, path, "")
		if ids := r.Header.Values("X-Request-Id"); len(ids) != 1 || uuid.Validate(ids[0]) != nil {
			t.Errorf("%s: ids are %q", path, ids)
		}
		r, _ = ask(t, f, http.MethodGet, path, "", "X-Request-Id", own)
		if ids := r.Header.Values("X-Request-Id"); len(ids) != 1 || ids[0] != own {
			t.Errorf("%s: ids are %q and not the client's", path, ids)
		}
	}
}

func TestAccessLogShowsTheRequestID(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	log := filepath.Join(t.TempDir(), "access.log")
	load(t, f, strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", "\tmiroir\n\tlog {\n\t\toutput file "+log+"\n\t}\n}\n", 1))
	r, _ := ask(t, f, http.MethodGet, "/version", "")
	if err := caddy.Stop(); err != nil { // writes the log to its end
		t.Fatal(err)
	}
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		RequestID string `json:"request_id"`
		Short     string `json:"request_short"`
	}
	if err := json.Unmarshal(content, &line); err != nil {
		t.Fatalf("%s: %v", content, err)
	}
	id := r.Header.Get("X-Request-Id")
	if line.RequestID != id || line.Short != id[len(id)-8:] {
		t.Errorf("the log has %+v, the answer %s", line, id)
	}
	if bytes.Contains(content, []byte(fleet.MasterKey)) {
		t.Error("the log shows the key")
	}
}

func TestAnswersAreCompressedOnceWithAndWithoutEncode(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	for name, config := range map[string]string{
		"alone":          f.Caddyfile(),
		"behind encode":  strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", "\tencode\n\tmiroir\n}\n", 1),
		"before encode":  strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", "\troute {\n\t\tmiroir\n\t\tencode\n\t\trespond /other \"{}\"\n\t}\n}\n", 1),
		"one at a time":  strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", "\tmiroir_route\n\tmiroir_admin\n\tmiroir_search\n}\n", 1),
		"with a matcher": strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", "\tmiroir /*\n}\n", 1),
	} {
		t.Run(name, func(t *testing.T) {
			load(t, f, config)
			plain, want := ask(t, f, http.MethodGet, "/keys", "", "Accept-Encoding", "identity")
			if plain.StatusCode != http.StatusOK {
				t.Fatal(plain.Status, want)
			}
			r, body := ask(t, f, http.MethodGet, "/keys", "", "Accept-Encoding", "gzip")
			if codings := r.Header.Values("Content-Encoding"); len(codings) != 1 || codings[0] != "gzip" {
				t.Fatalf("encodings are %q", codings)
			}
			reader, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(reader); err != nil || string(got) != want {
				t.Errorf("uncompressed it is %s (%v), want %s", got, err, want)
			}
		})
	}
}

// What no handler knows goes on to whatever stands behind.
func TestWhatIsNotMiroirsIsPassedOn(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	site := "\troute {\n\t\tmiroir\n\t\trespond \"from behind\" 418\n\t}\n}\n"
	load(t, f, strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", site, 1))
	for path, status := range map[string]int{
		"/elsewhere": http.StatusTeapot, "/_miroir/none": http.StatusTeapot,
		"/health": http.StatusOK, "/_miroir/health": http.StatusOK, "/indexes": http.StatusOK,
	} {
		if r, body := ask(t, f, http.MethodGet, path, ""); r.StatusCode != status {
			t.Errorf("%s: %s %s", path, r.Status, body)
		}
	}
}

// A check of a configuration beside a running server must not want its state.
func TestValidateTakesNothingFromTheRunningConfiguration(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(f.Caddyfile("max_lag 3s")), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal(adapted, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Error(err)
	}
	if r, body := ask(t, f, http.MethodGet, "/stats", ""); r.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s %s", r.Status, body)
	}
}

func TestCountersGoOnThroughReloadsAndRefusals(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	metrics := strings.Replace(f.Caddyfile(), "\tmiroir\n}\n", "\tmiroir\n\tmetrics /caddy-metrics\n}\n", 1)
	load(t, f, metrics)
	count := func(path string) int {
		_, body := ask(t, f, http.MethodGet, path, "")
		for line := range strings.Lines(body) {
			if value, found := strings.CutPrefix(line, `miroir_requests_total{method="GET",route="/version",status="200"} `); found {
				var n int
				if err := json.Unmarshal([]byte(value), &n); err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		return 0
	}
	for i := 1; i <= 3; i++ {
		if r, body := ask(t, f, http.MethodGet, "/version", ""); r.StatusCode != http.StatusOK {
			t.Fatal(r.Status, body)
		}
		for _, path := range []string{"/caddy-metrics", "/_miroir/metrics"} {
			if got := count(path); got != i {
				t.Errorf("%s: %d requests, want %d", path, got, i)
			}
		}
		load(t, f, metrics)
		if err := f.Load(strings.Replace(metrics, "master_key "+fleet.MasterKey, "master_key {env.MIROIR_TEST_UNSET}", 1)); err == nil {
			t.Error("a missing secret is not refused")
		}
	}
}

// Another state is another gateway: the first is let go, its tasks are not.
func TestStateCanBeExchangedAndTakenBack(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	if r, body := ask(t, f, http.MethodPost, "/indexes", `{"uid":"kept"}`); r.StatusCode != http.StatusAccepted {
		t.Fatal(r.Status, body)
	}
	other := strings.Replace(f.Caddyfile(), "\t\tstate ", "\t\tstate "+t.TempDir(), 1)
	if err := f.Load(strings.Replace(other, "\tmiroir\n}\n", "\tmiroir_admin\n}\n", 1)); err != nil {
		t.Fatal(err)
	}
	load(t, f, f.Caddyfile())
	if r, body := ask(t, f, http.MethodGet, "/tasks/0", ""); r.StatusCode != http.StatusOK || !strings.Contains(body, `"indexUid":"kept"`) {
		t.Errorf("%s %s", r.Status, body)
	}
}

func TestStoreOfARunningStateCannotChange(t *testing.T) {
	f := fleet.Start(t, fleet.One)
	err := f.Load(f.Caddyfile("store memory"))
	if err == nil || !strings.Contains(err.Error(), "is in use with miroir.stores.bolt") {
		t.Errorf("error is %v", err)
	}
	if r, body := ask(t, f, http.MethodGet, "/stats", ""); r.StatusCode != http.StatusOK {
		t.Errorf("afterwards: %s %s", r.Status, body)
	}
}

func TestMemoryStoreWorksAndLeavesNothing(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	shape := fleet.One
	shape.Options = []string{"store memory"}
	f := fleet.Start(t, shape)
	if r, body := ask(t, f, http.MethodPost, "/indexes", `{"uid":"short"}`); r.StatusCode != http.StatusAccepted {
		t.Fatal(r.Status, body)
	}
	load(t, f, f.Caddyfile())
	if r, body := ask(t, f, http.MethodGet, "/tasks/0", ""); r.StatusCode != http.StatusOK {
		t.Errorf("after a reload: %s %s", r.Status, body)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(scratch, "miroir-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func load(t *testing.T, f *fleet.Fleet, config string) {
	t.Helper()
	if err := f.Load(config); err != nil {
		t.Fatal(err)
	}
}
