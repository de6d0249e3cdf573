package api

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/antientropy"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Checker compares copies with each other.
type Checker interface {
	// Report tells what was compared, and what was found.
	Report() antientropy.Report
	// Now has a pass begin as soon as none is under way.
	Now(content bool) error
}

func (s *Server) checkRoutes() []route {
	return []route{
		{method: get, pattern: "/_miroir/check", action: "*", handle: func(c *call) *meili.Error { return c.json(http.StatusOK, s.Checker.Report()) }},
		{method: post, pattern: "/_miroir/check", action: "*", handle: s.checkNow},
	}
}

// checkNow has copies compared now: ids and versions, or with "content" in the
// body everything.
func (s *Server) checkNow(c *call) *meili.Error {
	raw, err := c.readBody()
	if err != nil {
		return err
	}
	var body struct {
		Content bool `json:"content"`
	}
	if len(bytes.TrimSpace(raw)) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil {
			return meili.NewError("bad_request", "The request body cannot be read: %v", err)
		}
	}
	if err := s.Checker.Now(body.Content); err != nil {
		return meili.NewError("internal", "%v", err)
	}
	return c.json(http.StatusAccepted, s.Checker.Report())
}
