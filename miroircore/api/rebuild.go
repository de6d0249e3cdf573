package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/rebuild"
)

// RebuildWish is what a rebuilding of the state is asked for with.
type RebuildWish struct {
	// Consent changes the state; without it is only said what would come of it.
	Consent bool `json:"consent"`
	// Force goes on without the nodes that do not answer.
	Force bool `json:"force"`
}

// Rebuilt is what a rebuilding of the state came to, or would.
type Rebuilt struct {
	Granted
	// Fleet is the fleet whose nodes these were.
	Fleet   string            `json:"fleet"`
	Indexes []rebuild.Summary `json:"indexes"`
	// Notes say what was decided without being certain, and what is not known.
	Notes []string `json:"notes,omitempty"`
}

func (s *Server) rebuild(c *call) *meili.Error {
	var w RebuildWish
	if err := c.optional(&w); err != nil {
		return err
	}
	out, err := s.Operator.Rebuild(c.ctx, w)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, out)
}
