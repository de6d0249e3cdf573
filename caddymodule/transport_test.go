package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestTransportDefaultsFillOnlyWhatIsOpen(t *testing.T) {
	for name, c := range map[string]struct{ given, want string }{
		"nothing": {``, `{"compression":false,"dial_timeout":"3s","keep_alive":{"max_idle_conns_per_host":32},"protocol":"http"}`},
		"some":    {`{"protocol":"http","dial_timeout":"1s"}`, `{"compression":false,"dial_timeout":"1s","keep_alive":{"max_idle_conns_per_host":32},"protocol":"http"}`},
		"other":   {`{"protocol":"fastcgi"}`, `{"protocol":"fastcgi"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := transportWithDefaults(json.RawMessage(c.given))
			if err != nil || string(got) != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Caddy's transports write into the variables of a request. Legs of one
// client's request that shared them would end the process.
func TestLegsOfOneRequestShareNoVariables(t *testing.T) {
	client := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	client = caddyhttp.PrepareRequest(client, caddy.NewReplacer(), httptest.NewRecorder(), &caddyhttp.Server{})
	transport := &nodeTransport{closeIdle: func() {}, next: roundTrip(func(r *http.Request) (*http.Response, error) {
		caddyhttp.SetVar(r.Context(), "leg", r)
		if _, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); !ok {
			t.Error("a leg has no replacer")
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	})}
	var legs sync.WaitGroup
	for range 16 {
		legs.Go(func() {
			for range 100 {
				leg, err := http.NewRequestWithContext(client.Context(), http.MethodGet, "http://node", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := transport.RoundTrip(leg); err != nil {
					t.Error(err)
				}
			}
		})
	}
	legs.Wait()
	if caddyhttp.GetVar(client.Context(), "leg") != nil {
		t.Error("a leg wrote into the client's variables")
	}
}

// Background work has no client and thus none of Caddy's values.
func TestBackgroundRequestsGetWhatCaddyNeeds(t *testing.T) {
	asked := false
	transport := &nodeTransport{closeIdle: func() {}, next: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = true
		caddyhttp.SetVar(r.Context(), "leg", true)
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil)
	if _, err := transport.RoundTrip(request); err != nil || !asked {
		t.Errorf("asked %v, %v", asked, err)
	}
}

func TestADialThatFailsIsToldFromACutRequest(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	transport, err := (&App{}).loadTransport(ctx)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transport.RoundTrip(request)
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		t.Errorf("a refused connection is %T: %v", err, err)
	}
}
