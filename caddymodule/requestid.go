package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/miroir-gateway/miroir/miroircore/requestuid"
)

const (
	requestIDHeader = "X-Request-Id"
	// requestIDVar is the name under which other handlers and log formats find
	// the id: {http.vars.miroir_request_id}.
	requestIDVar = "miroir_request_id"

	shortIDLength = 8
)

// identify gives the request its id: the one it came with where that is a
// UUIDv7, else a new one. The id goes onto the answer, to whatever handles the
// request next, and into the access log, there also in short, since the last
// characters of a UUIDv7 are random and the first ones are the time.
func identify(w http.ResponseWriter, r *http.Request) {
	if _, done := caddyhttp.GetVar(r.Context(), requestIDVar).(string); done {
		return // by another of the three handlers
	}
	id := requestID(r.Header.Get(requestIDHeader))
	r.Header.Set(requestIDHeader, id)
	w.Header().Set(requestIDHeader, id)
	caddyhttp.SetVar(r.Context(), requestIDVar, id)
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Set(zap.String("request_id", id))
		extra.Set(zap.String("request_short", id[len(id)-shortIDLength:]))
	}
}

// requestIDVersion is the version of UUID that begins with the time.
const requestIDVersion = 7

func requestID(given string) string {
	const canonical = 36 // characters; uuid.Parse takes other spellings, too
	if len(given) == canonical {
		if id, err := uuid.Parse(given); err == nil && id.Version() == requestIDVersion {
			return id.String()
		}
	}
	return requestuid.New()
}
