package caddymodule

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/miroir-gateway/miroir/miroircore"
	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

func init() {
	caddy.RegisterModule(AdminHandler{})
	caddy.RegisterModule(SearchHandler{})
	caddy.RegisterModule(RouteHandler{})
	httpcaddyfile.RegisterHandlerDirective("miroir_admin", handlerParser(new(AdminHandler)))
	httpcaddyfile.RegisterHandlerDirective("miroir_search", handlerParser(new(SearchHandler)))
	httpcaddyfile.RegisterHandlerDirective("miroir_route", handlerParser(new(RouteHandler)))
	httpcaddyfile.RegisterDirective("miroir", parseShorthand)
	for _, directive := range []string{"miroir_admin", "miroir_search", "miroir_route", "miroir"} {
		httpcaddyfile.RegisterDirectiveOrder(directive, httpcaddyfile.Before, "reverse_proxy")
	}
}

// startingTime is how long a request waits for the engine while the server
// starts or reloads, before it is told to come again.
const startingTime = 10 * time.Second

// AdminHandler answers what lies under `/_miroir/`: the state of the fleet, for
// people and for probes. It passes on everything else.
type AdminHandler struct{ handler }

// SearchHandler answers the reads that are merged from several nodes: search,
// multi-search, facet search, similar documents, and reading documents. It
// passes on everything else.
type SearchHandler struct{ handler }

// RouteHandler answers everything else of Meilisearch's API: documents,
// indexes, settings, tasks, keys. It passes on what is not of that API.
type RouteHandler struct{ handler }

// CaddyModule names the module.
func (AdminHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.miroir_admin", New: func() caddy.Module { return new(AdminHandler) }}
}

// CaddyModule names the module.
func (SearchHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.miroir_search", New: func() caddy.Module { return new(SearchHandler) }}
}

// CaddyModule names the module.
func (RouteHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.miroir_route", New: func() caddy.Module { return new(RouteHandler) }}
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *AdminHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.serve(w, r, next, (*miroircore.Generation).ServeAdmin)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *SearchHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.serve(w, r, next, (*miroircore.Generation).ServeSearch)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *RouteHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return h.serve(w, r, next, (*miroircore.Generation).ServeRoute)
}

// handler is what the three handlers share.
type handler struct {
	app    *App
	logger *slog.Logger
}

// Caddy's own limit for the header of a request, and Meilisearch's: searches
// with long filters in their URLs pass one server and have to pass here.
const (
	caddyHeaderBytes       = 16 << 10
	meilisearchHeaderBytes = 128 << 10
)

// Provision finds the app, and has the server take the headers that Meilisearch
// takes, unless it was told what to take.
func (h *handler) Provision(ctx caddy.Context) (err error) {
	h.logger = ctx.Slogger()
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.MaxHeaderBytes == caddyHeaderBytes {
		server.MaxHeaderBytes = meilisearchHeaderBytes
	}
	h.app, err = appOf(ctx)
	return err
}

// UnmarshalCaddyfile reads the directives, which have no options:
//
//	miroir_admin  [<matcher>]
//	miroir_search [<matcher>]
//	miroir_route  [<matcher>]
//	miroir        [<matcher>]    # all three in this order
func (h *handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name of the directive
	return last(d)
}

// serveFunc is how the engine is asked for an answer.
type serveFunc = func(g *miroircore.Generation, w http.ResponseWriter, r *http.Request, next api.Next) error

// serve asks the engine for the answer. What the engine passes on is handled
// as if this handler were not there.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, ask serveFunc) error {
	identify(w, r)
	at := h.app.enter(r.Context())
	if at == nil {
		meili.NewError("miroir_starting", "Miroir is starting: ask again in a moment.").Write(w)
		return nil
	}
	passedOn := false
	a := newAnswer(w, r)
	err := ask(at.generation, a, r, func(outer http.ResponseWriter, r *http.Request) error {
		passedOn, a.open = true, false
		defer func() { a.open = true }()
		return next.ServeHTTP(outer, r)
	})
	if passedOn {
		return err
	}
	return h.finish(a, r, err)
}

// finish ends an answer. Once its header is out an error can only be shown by
// cutting the connection: an answer that ends as it should is taken for whole.
func (h *handler) finish(a *answer, r *http.Request, err error) error {
	if err != nil && a.status < http.StatusOK {
		return err
	}
	if err == nil {
		if err = a.close(); err == nil {
			return nil
		}
	}
	h.logger.Debug("answer was cut", "method", r.Method, "request_id", r.Header.Get(requestIDHeader), "error", err)
	panic(http.ErrAbortHandler)
}

// enter gives the configuration that answers a request, or nil where none will
// in time. Caddy starts apps in any order, so a request may be
// here before its app is. And an app may fail to start after the server beside
// it has taken a request: then the configuration that goes on answers it.
func (app *App) enter(ctx context.Context) *attachment {
	select {
	case <-app.settled:
	default:
		timeout := time.NewTimer(startingTime)
		defer timeout.Stop()
		select {
		case <-app.settled:
		case <-timeout.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	if at := app.attached.Load(); at != nil {
		return at
	}
	return attachments.newest()
}

// handlerParser makes the parser of a directive that stands for one handler.
func handlerParser(prototype caddyhttp.MiddlewareHandler) httpcaddyfile.UnmarshalHandlerFunc {
	return func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return prototype, new(handler).UnmarshalCaddyfile(h.Dispenser)
	}
}

// parseShorthand makes the directive miroir, which stands for all three.
func parseShorthand(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	if err := new(handler).UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	var routes []httpcaddyfile.ConfigValue
	for _, one := range []caddyhttp.MiddlewareHandler{new(AdminHandler), new(SearchHandler), new(RouteHandler)} {
		routes = append(routes, h.NewRoute(matcher, one)...)
	}
	return routes, nil
}

var (
	_ caddyhttp.MiddlewareHandler = (*AdminHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*SearchHandler)(nil)
	_ caddyhttp.MiddlewareHandler = (*RouteHandler)(nil)
	_ caddy.Provisioner           = (*AdminHandler)(nil)
	_ caddy.Provisioner           = (*SearchHandler)(nil)
	_ caddy.Provisioner           = (*RouteHandler)(nil)
	_ caddyfile.Unmarshaler       = (*AdminHandler)(nil)
	_ caddyfile.Unmarshaler       = (*SearchHandler)(nil)
	_ caddyfile.Unmarshaler       = (*RouteHandler)(nil)
)
