package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

func (s *Server) listKeys(c *call) *meili.Error {
	p, err := request.ParsePage(c.r.URL.RawQuery, "api_key")
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, s.Keys.List(*p))
}

func (s *Server) createKey(c *call) *meili.Error {
	wanted, err := parsed(c, request.ParseKeyCreate)
	if err != nil {
		return err
	}
	made, failure := s.Keys.Create(wanted)
	if failure != nil {
		return asError(failure)
	}
	return c.json(http.StatusCreated, made)
}

func (s *Server) getKey(c *call) *meili.Error {
	key, err := s.Keys.Get(c.uid)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, key)
}

func (s *Server) updateKey(c *call) *meili.Error {
	change, err := parsed(c, request.ParseKeyUpdate)
	if err != nil {
		return err
	}
	key, failure := s.Keys.Update(c.uid, change)
	if failure != nil {
		return asError(failure)
	}
	return c.json(http.StatusOK, key)
}

func (s *Server) deleteKey(c *call) *meili.Error {
	if err := s.Keys.Delete(c.uid); err != nil {
		return asError(err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
