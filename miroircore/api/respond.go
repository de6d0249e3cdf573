package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// allowOrigin lets pages of any origin read the answer, as the real server does.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	if r.Header.Get("Origin") != "" {
		h.Set("Access-Control-Allow-Origin", "*")
	}
}

// preflight answers a browser's question whether it may ask.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Access-Control-Allow-Methods", "OPTIONS, DELETE, GET, POST, PUT, PATCH, TRACE, CONNECT, HEAD")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// bytes answers with JSON that is already encoded.
func (c *call) bytes(status int, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // the client is gone: nobody is left to tell
}

// json answers with a value. Text is written as the real server writes it,
// without escaping what HTML would mind.
func (c *call) json(status int, value any) *meili.Error {
	body, err := encode(value)
	if err != nil {
		return meili.NewError("internal", "encoding the answer: %v", err)
	}
	c.bytes(status, body)
	return nil
}

func encode(value any) ([]byte, error) {
	if raw, ok := value.(json.RawMessage); ok {
		return raw, nil
	}
	return meili.Marshal(value)
}

// jsonBody reads the body of a route that takes JSON only.
func (c *call) jsonBody() ([]byte, *meili.Error) {
	if err := request.CheckJSON(c.r.Header); err != nil {
		return nil, err
	}
	return c.readBody()
}

// parsed reads the body of a route that takes JSON only with what understands it.
func parsed[Q any](c *call, parse func([]byte) (Q, *meili.Error)) (Q, *meili.Error) {
	body, err := c.jsonBody()
	if err != nil {
		var none Q
		return none, err
	}
	return parse(body)
}

func (c *call) readBody() ([]byte, *meili.Error) {
	spooled, refused := c.settings.Spool.Accept(c.r.Body, c.r.Header.Get("Content-Encoding"))
	if refused != nil {
		return nil, refused
	}
	defer func() { _ = spooled.Close() }() // a large body lies in a file without a name: closing frees it
	body := make([]byte, spooled.Size())
	if _, err := io.ReadFull(spooled.Open(), body); err != nil {
		return nil, meili.NewError("internal", "reading the request's body back: %v", err)
	}
	return body, nil
}

// asError gives the error a client sees: the one that was meant for it, or an
// internal one where something of the gateway itself failed.
func asError(err error) *meili.Error {
	var seen *meili.Error
	if errors.As(err, &seen) {
		return seen
	}
	return meili.NewError("internal", "%v", err)
}
