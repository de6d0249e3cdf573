package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/rebalance"
)

// Balance moves shards to where they are wanted.
type Balance interface {
	// Report tells what is being moved and what cannot be.
	Report() rebalance.Report
	// Pause stops moving, after a restart too, until Resume.
	Pause() error
	// Resume goes on.
	Resume() error
}

func (s *Server) balanceRoutes() []route {
	return []route{
		{method: get, pattern: "/_miroir/rebalance", action: "*", handle: func(c *call) *meili.Error { return c.json(http.StatusOK, s.Balance.Report()) }},
		{method: post, pattern: "/_miroir/rebalance/pause", action: "*", handle: s.balanced(Balance.Pause)},
		{method: post, pattern: "/_miroir/rebalance/resume", action: "*", handle: s.balanced(Balance.Resume)},
	}
}

// balanced answers with how things stand after a change.
func (s *Server) balanced(change func(Balance) error) func(*call) *meili.Error {
	return func(c *call) *meili.Error {
		if err := change(s.Balance); err != nil {
			return meili.NewError("internal", "%v", err)
		}
		return c.json(http.StatusOK, s.Balance.Report())
	}
}
