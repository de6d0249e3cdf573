package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

func init() {
	caddy.RegisterModule(adminAPI{})
}

const (
	statusPath = "/miroir/status"
	adoptPath  = "/miroir/nodes/%s/adopt"
)

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
	return []caddy.AdminRoute{
		{Pattern: statusPath, Handler: caddy.AdminHandlerFunc(serveStatus)},
		{Pattern: fmt.Sprintf(adoptPath, "{id}"), Handler: caddy.AdminHandlerFunc(serveAdopt)},
	}
}

// serveStatus answers with the state of the fleet.
func serveStatus(w http.ResponseWriter, r *http.Request) error {
	at, err := running(r, http.MethodGet)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(at.engine.Report())
}

// serveAdopt takes a node of another fleet into this one.
func serveAdopt(w http.ResponseWriter, r *http.Request) error {
	at, err := running(r, http.MethodPost)
	if err != nil {
		return err
	}
	if err := at.engine.Adopt(r.Context(), r.PathValue("id")); err != nil {
		status := http.StatusBadGateway
		var unknown *meili.Error
		if errors.As(err, &unknown) {
			status = unknown.Status
		}
		return caddy.APIError{HTTPStatus: status, Err: err}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// running gives what answers a request to the admin endpoint.
func running(r *http.Request, method string) (*attachment, error) {
	if r.Method != method {
		return nil, caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed", r.Method)}
	}
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
