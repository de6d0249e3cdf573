package miroircore

import (
	"net/http"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/api"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Generation is one configuration attached to an Engine, from Attach to Detach.
// Requests that came in under it are answered under it, even while a newer one
// is in force.
type Generation struct {
	engine   *Engine
	config   Config
	settings api.Settings
}

// Detach takes the configuration away; it must be called once. If it was in
// force, the newest one still attached is put back.
func (g *Generation) Detach() { g.engine.detach(g) }

// ServeRoute answers all of Meilisearch's API but the reads that are merged.
func (g *Generation) ServeRoute(w http.ResponseWriter, r *http.Request, next api.Next) error {
	return g.serve(api.FamilyRoute, w, r, next)
}

// ServeSearch answers the reads that are merged from several nodes.
func (g *Generation) ServeSearch(w http.ResponseWriter, r *http.Request, next api.Next) error {
	return g.serve(api.FamilySearch, w, r, next)
}

// ServeAdmin answers what lies under /_miroir/.
func (g *Generation) ServeAdmin(w http.ResponseWriter, r *http.Request, next api.Next) error {
	return g.serve(api.FamilyAdmin, w, r, next)
}

// Operate answers a request for a path, under /_miroir/ or of Meilisearch's API,
// as if it came with the master key: for those who may do anything already.
func (g *Generation) Operate(path string, w http.ResponseWriter, r *http.Request) error {
	asked := r.Clone(r.Context())
	asked.URL.Path, asked.URL.RawPath = path, ""
	asked.Header.Set("Authorization", "Bearer "+g.config.MasterKey)
	none := func(w http.ResponseWriter, _ *http.Request) error {
		meili.NewError("bad_request", "There is no %s %s.", r.Method, path).Write(w)
		return nil
	}
	if strings.HasPrefix(path, "/_miroir/") {
		return g.ServeAdmin(w, asked, none)
	}
	return g.ServeSearch(w, asked, func(w http.ResponseWriter, r *http.Request) error { return g.ServeRoute(w, r, none) })
}

func (g *Generation) serve(family api.Family, w http.ResponseWriter, r *http.Request, next api.Next) error {
	e := g.engine
	e.users.Add(1)
	defer e.users.Done()
	if e.closing.Load() {
		meili.NewError("miroir_starting", "The gateway is stopping. Retry.").Write(w)
		return nil
	}
	found := e.server.Find(r)
	if !found.OwnedBy(family) {
		return e.server.Serve(family, found, &g.settings, w, r, next)
	}
	seen := &statusWatch{ResponseWriter: w, status: http.StatusOK}
	done := e.metrics.Request(found.Template(), r.Method)
	err := e.server.Serve(family, found, &g.settings, seen, r, next)
	done(seen.status)
	return err
}

// statusWatch remembers the status of an answer.
type statusWatch struct {
	http.ResponseWriter
	status int
}

func (w *statusWatch) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach what the writer below can do.
func (w *statusWatch) Unwrap() http.ResponseWriter { return w.ResponseWriter }
