package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/uuid"
)

func TestRequestIDIsKeptWhereItIsOne(t *testing.T) {
	valid, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		given string
		kept  bool
	}{
		"none":               {"", false},
		"of the right kind":  {valid.String(), true},
		"random":             {uuid.NewString(), false},
		"with braces":        {"{" + valid.String() + "}", false},
		"as a URN":           {valid.URN(), false},
		"no UUID":            {"0192f0c1-7f00-7000-8000-00000000000g", false},
		"something for logs": {"x\" injected=\"1", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			r.Header.Set(requestIDHeader, c.given)
			w := httptest.NewRecorder()
			r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, &caddyhttp.Server{})
			for range 3 { // once for each of the handlers
				identify(w, r)
			}
			ids := w.Header().Values(requestIDHeader)
			if len(ids) != 1 || r.Header.Get(requestIDHeader) != ids[0] || caddyhttp.GetVar(r.Context(), requestIDVar) != ids[0] {
				t.Fatalf("ids are %q, onward %q", ids, r.Header.Get(requestIDHeader))
			}
			if parsed, err := uuid.Parse(ids[0]); err != nil || parsed.Version() != requestIDVersion {
				t.Errorf("id is %q: %v", ids[0], err)
			}
			if (ids[0] == c.given) != c.kept {
				t.Errorf("id is %q, came as %q", ids[0], c.given)
			}
		})
	}
}
