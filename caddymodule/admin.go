package caddymodule

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

// adminPath is where Miroir's own routes lie on Caddy's admin endpoint.
const adminPath = "/miroir/"

// clientPath is where Meilisearch's API lies there, as those see it who have the
// master key.
const clientPath = adminPath + "gateway"

// adminAPI adds Miroir's routes to Caddy's admin endpoint, for the command
// line. A router is made for each configuration, before its apps, and is not
// told when the configuration fails: so each request looks up what runs.
type adminAPI struct{}

// CaddyModule names the module.
func (adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.miroir", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (adminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminPath, Handler: caddy.AdminHandlerFunc(serveOperator)}}
}

// serveOperator answers what lies under /_miroir/, and all that clients may ask
// for. No key is asked for: who
// reaches this endpoint may do anything.
func serveOperator(w http.ResponseWriter, r *http.Request) error {
	at, err := running(r)
	if err != nil {
		return err
	}
	path, ok := strings.CutPrefix(r.URL.Path, clientPath+"/")
	if !ok {
		path = "_miroir/" + strings.TrimPrefix(r.URL.Path, adminPath)
	}
	return at.generation.Operate("/"+path, w, r)
}

// running gives what answers a request to the admin endpoint.
func running(r *http.Request) (*attachment, error) {
	app, err := appOf(caddy.ActiveContext())
	if err != nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	at := app.enter(r.Context())
	if at == nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New("miroir is not running yet")}
	}
	return at, nil
}

var _ caddy.AdminRouter = adminAPI{}
