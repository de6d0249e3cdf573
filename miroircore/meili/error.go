// Package meili is Meilisearch's vocabulary: its errors, its wire types and its
// ways of writing dates and durations. It knows nothing of fleets; what the
// gateway and the test double answer in Meilisearch's name is built here, in
// one place, so that it equals the real server's bytes.
package meili

import (
	"fmt"
	"net/http"
)

// Error is an error as a client sees it, in an answer's body or in a task's
// error field. Field order is the server's.
type Error struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Type    string `json:"type"`
	Link    string `json:"link"`

	// Status is the HTTP status the error is answered with.
	Status int `json:"-"`
}

// Error implements error; it gives the message and the code.
func (e *Error) Error() string { return e.Message + " (" + e.Code + ")" }

// NewError makes the error of a code; status and type follow from the code.
// An unknown code is answered as an internal error, so that a typing mistake
// is seen and not hidden behind a 200.
func NewError(code, format string, args ...any) *Error {
	status, kind := classOf(code)
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &Error{Message: message, Code: code, Type: kind, Link: linkOf(code), Status: status}
}

// Write answers w with the error. Every 503 carries Retry-After, as the
// server's do.
func (e *Error) Write(w http.ResponseWriter) {
	body, err := Marshal(e)
	if err != nil { // four strings always marshal
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // the client is gone: nobody is left to tell
}
