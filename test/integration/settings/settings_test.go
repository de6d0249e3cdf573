// Package settings has the suite of a node that does not take its settings.
package settings

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miroir-gateway/miroir/test/fleet"
)

// liar stands in front of a node and shows other settings than it has.
func liar(t *testing.T, node fleet.Node) (address string, lies *atomic.Bool) {
	t.Helper()
	to, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	lies = new(atomic.Bool)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !lies.Load() || r.Request.Method != http.MethodGet || !strings.HasSuffix(r.Request.URL.Path, "/books/settings") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		body = bytes.Replace(body, []byte(`"the"`), []byte(`"not"`), 1)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return err
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL, lies
}

// An index whose settings a node does not take stops its writes and nothing
// else; status, the metrics and the refusal say so, and an operator can end it.
func TestAnIndexWithoutItsSettingsTakesNoWritesUntilSomebodyEndsIt(t *testing.T) {
	shape := fleet.Copies
	shape.Options = []string{"settings_check 50ms", "settings_repair 2 20ms"}
	f := fleet.Start(t, shape)
	address, lies := liar(t, f.Nodes[1])
	if err := f.Load(strings.Replace(f.Caddyfile(), f.Nodes[1].URL(), address, 1)); err != nil {
		t.Fatal(err)
	}
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":1,"title":"one"}]`)
	f.Write(t, http.MethodPatch, "/indexes/books/settings", `{"stopWords":["the"]}`)
	figure := func(want string) bool {
		return strings.Contains(string(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/metrics", "").Body), "\nmiroir_frozen_indexes "+want+"\n")
	}
	problems := func() (status, said string) {
		var report struct {
			Status   string
			Problems []string
		}
		if err := json.Unmarshal(f.Want(t, http.StatusOK, http.MethodGet, "/_miroir/topology", "").Body, &report); err != nil {
			t.Fatal(err)
		}
		return report.Status, strings.Join(report.Problems, "\n")
	}
	if !figure("0") {
		t.Error("an index is frozen that is all right")
	}

	lies.Store(true)
	fleet.Eventually(t, "the writes are stopped", func() bool { return figure("1") })
	status, said := problems()
	if status != "degraded" || !strings.Contains(said, "index books takes no writes") || !strings.Contains(said, "index books on node g1n2 has other settings") {
		t.Errorf("status %s: %s", status, said)
	}
	a := f.Want(t, http.StatusServiceUnavailable, http.MethodPost, "/indexes/books/documents", `[{"id":2}]`)
	if !strings.Contains(string(a.Body), "miroir_settings_diverged") || a.Header.Get("Retry-After") == "" {
		t.Errorf("refused with %s", a.Body)
	}
	f.Write(t, http.MethodPost, "/indexes/films/documents", `[{"id":1}]`)
	a = f.Want(t, http.StatusOK, http.MethodPost, "/indexes/books/search", `{"q":"one"}`)
	if !strings.Contains(string(a.Body), `"id":1`) || a.Header.Get("X-Miroir-Degraded") != "" {
		t.Errorf("a search was answered %s, %s", a.Body, a.Header.Get("X-Miroir-Degraded"))
	}

	a = f.Want(t, http.StatusConflict, http.MethodPost, "/_miroir/indexes/books/repair", "")
	if !strings.Contains(string(a.Body), "node g1n2 does not take the settings of index books") && !strings.Contains(string(a.Body), "Node g1n2 does not take the settings of index books") {
		t.Errorf("a repair in vain was answered %s", a.Body)
	}
	f.Want(t, http.StatusOK, http.MethodPost, "/_miroir/indexes/books/repair", `{"force":true}`)
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":2}]`)
	if !figure("0") {
		t.Error("the index is still frozen")
	}

	lies.Store(false)
	fleet.Eventually(t, "all is well", func() bool { status, _ := problems(); return status == "ok" })
	lies.Store(true)
	fleet.Eventually(t, "the writes are stopped again", func() bool { return figure("1") })
	lies.Store(false)
	fleet.Eventually(t, "the writes go on by themselves", func() bool { return figure("0") })
	f.Write(t, http.MethodPost, "/indexes/books/documents", `[{"id":3}]`)
}
