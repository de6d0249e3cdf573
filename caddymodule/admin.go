package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

const statusPath = "/miroir/status"

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
	return []caddy.AdminRoute{{Pattern: statusPath, Handler: caddy.AdminHandlerFunc(serveStatus)}}
}

// serveStatus answers with the state of the fleet.
func serveStatus(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed", r.Method)}
	}
	app, err := appOf(caddy.ActiveContext())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	at := app.enter(r.Context())
	if at == nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New("miroir is not running yet")}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(at.engine.Report())
}

var _ caddy.AdminRouter = adminAPI{}
