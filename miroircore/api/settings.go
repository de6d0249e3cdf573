package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

func (s *Server) getSettings(c *call) *meili.Error {
	ix, err := s.lookup(c)
	if err != nil {
		return err
	}
	c.settingsVersion(ix)
	return c.json(http.StatusOK, ix.Settings.JSON(s.Features.All()))
}

func (s *Server) getSetting(name string) func(*call) *meili.Error {
	return func(c *call) *meili.Error {
		ix, err := s.lookup(c)
		if err != nil {
			return err
		}
		c.settingsVersion(ix)
		return c.json(http.StatusOK, ix.Settings.Sub(name))
	}
}

func (s *Server) updateSettings(c *call) *meili.Error {
	body, err := c.jsonBody()
	if err != nil {
		return err
	}
	patch, err := settings.Parse(body)
	return s.applySettings(c, patch, err)
}

func (s *Server) updateSetting(name string) func(*call) *meili.Error {
	return func(c *call) *meili.Error {
		body, err := c.jsonBody()
		if err != nil {
			return err
		}
		patch, err := settings.ParseSub(name, body)
		return s.applySettings(c, patch, err)
	}
}

func (s *Server) resetSettings(c *call) *meili.Error {
	return s.applyReset(c, settings.ResetAll())
}

func (s *Server) resetSetting(name string) func(*call) *meili.Error {
	return func(c *call) *meili.Error { return s.applyReset(c, settings.ResetSub(name)) }
}

func (s *Server) applySettings(c *call, patch *settings.Patch, err *meili.Error) *meili.Error {
	if err != nil {
		return err
	}
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	if err := patch.Check(s.Features.All()); err != nil {
		return err
	}
	if next, failed := patch.Apply(settings.Default()); failed == nil {
		if err := index.CheckSettings(next); err != nil {
			return err
		}
	}
	receipt, err := s.Writer.Settings(c.ctx, s.writeCall(c, nil), c.uid, patch)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

// applyReset sets settings back. Unlike a change it makes no index.
func (s *Server) applyReset(c *call, patch *settings.Patch) *meili.Error {
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	if err := patch.Check(s.Features.All()); err != nil {
		return err
	}
	receipt, err := s.Writer.ResetSettings(c.ctx, s.writeCall(c, nil), c.uid, patch)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}
