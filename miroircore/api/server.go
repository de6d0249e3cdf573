// Package api is Meilisearch's HTTP surface in front of the fleet, and Miroir's
// own under /_miroir/: it finds the route, checks the key, decodes the request
// in the server's words, hands it to the package that does the work, and writes
// the answer.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/access"
	"github.com/miroir-gateway/miroir/miroircore/document"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/search"
	"github.com/miroir-gateway/miroir/miroircore/task"
	"github.com/miroir-gateway/miroir/miroircore/write"
)

// Fleet is what the API asks of the nodes besides reading and writing documents.
type Fleet interface {
	// Version is the lowest version of the nodes, with its commit.
	Version() meili.Version
	// Health says what is wrong with the fleet, or nil when every shard can be read.
	Health() *meili.Error
	// Report is the state of nodes, shards and operations.
	Report() Report
}

// Instance is what the API asks of the parts that concern the whole instance
// and no index.
type Instance struct {
	Features Features
	Webhooks Webhooks
	Stats    Stats
	Jobs     Jobs
	Metrics  Metrics
}

// Options are what a Server needs. All fields are required.
type Options struct {
	Keys    *access.Keys
	Catalog *index.Catalog
	Tasks   *task.Table
	Reader  *search.Reader
	Writer  *write.Writer
	Fleet   Fleet
	// Operator changes the fleet.
	Operator Operator
	// Balance moves shards.
	Balance Balance
	// Checker compares copies of shards.
	Checker Checker
	// Readable tells whether searches may ask a node for a physical index now.
	Readable func(nodeID, physical string) bool
	Instance
	Logger *slog.Logger
	Now    func() time.Time
}

// Settings are the parts of a configuration that requests depend on.
type Settings struct {
	// Unavailable is partial or error.
	Unavailable string
	// RejectBadDocuments answers a bad document with 400 instead of a failed task.
	RejectBadDocuments bool
	// SessionWait is how long a read waits for what its session has written,
	// MaxWait the longest that X-Miroir-Wait may ask for.
	SessionWait, MaxWait time.Duration
	// Spool takes in request bodies, the large ones on disk. It bounds them.
	Spool *document.Spool
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	Options
	routes *table
}

// New makes a Server.
func New(o Options) *Server {
	s := &Server{Options: o}
	s.routes = newTable(s.meiliRoutes(), s.adminRoutes())
	return s
}

// Family says which of the three handlers a route belongs to.
type Family uint8

// The families: FamilyRoute is all of Meilisearch's API that FamilySearch, the
// reads that are merged, does not have; FamilyAdmin is what lies under /_miroir/.
const (
	FamilyRoute Family = iota
	FamilySearch
	FamilyAdmin
)

// Next is the handler behind this one.
type Next func(w http.ResponseWriter, r *http.Request) error

// Found is the route that a request falls under.
type Found struct{ match }

// Find finds the route of a request.
func (s *Server) Find(r *http.Request) Found {
	return Found{s.routes.find(r.Method, r.URL.Path)}
}

// OwnedBy tells whether the request is the family's own to answer.
func (f Found) OwnedBy(family Family) bool { return f.route != nil && f.route.family == family }

// Template gives the template of the route, for metrics, or "other": labels
// never hold what a client chose.
func (f Found) Template() string {
	if f.route == nil {
		return "other"
	}
	return f.route.pattern
}

// Serve answers a request of the given family under the given settings and
// passes on what is not the family's own.
func (s *Server) Serve(family Family, found Found, settings *Settings, w http.ResponseWriter, r *http.Request, next Next) error {
	switch {
	case found.OwnedBy(family):
		s.answer(found.match, settings, w, r)
		return nil
	case family != FamilyRoute || found.route != nil:
		return next(w, r)
	case r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		preflight(w, r)
		return nil
	case len(found.allowed) > 0:
		methodNotAllowed(w, found.allowed)
		return nil
	}
	return notFoundUnlessWritten(w, r, next)
}

func (s *Server) answer(found match, settings *Settings, w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, ctx: r.Context(), settings: settings, uid: found.params[0], second: found.params[1]}
	allowOrigin(w, r)
	route := found.route
	if route.action != "" {
		grant, err := s.Keys.Authorize(r.Header.Get("Authorization"), route.action, found.indexUID())
		if err != nil {
			err.Write(w)
			return
		}
		c.grant = grant
	}
	if route.family == FamilySearch {
		if err := s.readYourWrites(c); err != nil {
			err.Write(w)
			return
		}
	}
	if err := route.handle(c); err != nil {
		err.Write(w)
	}
}

// call is one request on its way through a handler.
type call struct {
	w        http.ResponseWriter
	r        *http.Request
	ctx      context.Context
	settings *Settings
	grant    *access.Grant
	// uid is the first path parameter, most often an index's; second the other.
	uid, second string
	floor       floor
}
