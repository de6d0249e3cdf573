package api

import (
	"encoding/json"
	"strconv"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/search"
)

// readCall gathers what a read needs to know of its request.
func (s *Server) readCall(c *call) (search.Call, *meili.Error) {
	unavailable := c.settings.Unavailable
	if wish := c.r.Header.Get("X-Miroir-Unavailable"); wish != "" {
		if wish != "partial" && wish != "error" {
			return search.Call{}, meili.NewError("bad_request", "Invalid value in header `X-Miroir-Unavailable`: expected one of `partial`, `error`, but found `%s`", wish)
		}
		unavailable = wish
	}
	metadata, _ := strconv.ParseBool(c.r.Header.Get("Meili-Include-Metadata"))
	return search.Call{
		RequestID:       c.w.Header().Get("X-Request-Id"),
		Identity:        c.grant.Identity,
		Unavailable:     unavailable,
		TenantFilter:    func(uid string) (json.RawMessage, *meili.Error) { return c.grant.SearchFilter(uid) },
		IncludeMetadata: metadata,
	}, nil
}

// reading is a read of one index, decoded.
type reading func(search.Call, *index.Index) (*search.Answer, *meili.Error)

// read resolves the index and answers with what the read gives.
func (s *Server) read(c *call, run reading) *meili.Error {
	rc, err := s.readCall(c)
	if err != nil {
		return err
	}
	ix, err := s.lookup(c)
	if err != nil {
		return err
	}
	leave, err := s.Reader.Enter(c.ctx)
	if err != nil {
		return err
	}
	defer leave()
	if c.floor, err = parseFloor(c.r.Header.Get(floorHeader)); err != nil {
		return err
	}
	if err := c.floor.check(ix); err != nil {
		return err
	}
	c.settingsVersion(ix)
	answer, err := run(rc, ix)
	return c.found(answer, err)
}

// settingsVersion tells the client which settings its answer was made under.
func (c *call) settingsVersion(ix *index.Index) {
	c.w.Header().Set(versionHeader, strconv.FormatUint(ix.SettingsVersion, 10))
}

// found answers with what a read gave.
func (c *call) found(answer *search.Answer, err *meili.Error) *meili.Error {
	if err != nil {
		return err
	}
	if least := c.floor.highest(); least > 0 && answer.Stale() {
		return staleSettings(least)
	}
	if answer.Degraded != "" {
		c.w.Header().Set("X-Miroir-Degraded", answer.Degraded)
	}
	c.bytes(answer.Status, answer.Body)
	answer.Release()
	return nil
}

func (s *Server) searchByQuery(c *call) *meili.Error {
	q, err := request.ParseSearchQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return s.search(c, q)
}

func (s *Server) searchByBody(c *call) *meili.Error {
	q, err := parsed(c, request.ParseSearch)
	if err != nil {
		return err
	}
	return s.search(c, q)
}

func (s *Server) search(c *call, q *request.Search) *meili.Error {
	return s.read(c, func(rc search.Call, ix *index.Index) (*search.Answer, *meili.Error) {
		return s.Reader.Search(c.ctx, rc, ix, q)
	})
}

func (s *Server) facetSearch(c *call) *meili.Error {
	q, err := parsed(c, request.ParseFacetSearch)
	if err != nil {
		return err
	}
	return s.read(c, func(rc search.Call, ix *index.Index) (*search.Answer, *meili.Error) {
		return s.Reader.FacetSearch(c.ctx, rc, ix, q)
	})
}

func (s *Server) similarByQuery(c *call) *meili.Error {
	q, err := request.ParseSimilarQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return s.similar(c, q)
}

func (s *Server) similarByBody(c *call) *meili.Error {
	q, err := parsed(c, request.ParseSimilar)
	if err != nil {
		return err
	}
	return s.similar(c, q)
}

func (s *Server) similar(c *call, q *request.Similar) *meili.Error {
	return s.read(c, func(rc search.Call, ix *index.Index) (*search.Answer, *meili.Error) {
		return s.Reader.Similar(c.ctx, rc, ix, q)
	})
}

func (s *Server) multiSearch(c *call) *meili.Error {
	q, err := parsed(c, request.ParseMultiSearch)
	if err != nil {
		return err
	}
	rc, err := s.readCall(c)
	if err != nil {
		return err
	}
	resolve := func(uid string) (*index.Index, *meili.Error) {
		if err := request.IndexUID(uid); err != nil {
			return nil, err
		}
		if !c.grant.Allows(uid) {
			return nil, meili.InvalidAPIKey()
		}
		return s.resolve(uid)
	}
	leave, err := s.Reader.Enter(c.ctx)
	if err != nil {
		return err
	}
	defer leave()
	if c.floor, err = parseFloor(c.r.Header.Get(floorHeader)); err != nil {
		return err
	}
	var under versions
	answer, err := s.Reader.MultiSearch(c.ctx, rc, under.watch(c.floor, resolve), q)
	if err == nil {
		c.w.Header().Set(versionHeader, under.String())
	}
	return c.found(answer, err)
}

func (s *Server) listDocuments(c *call) *meili.Error {
	q, err := request.ParseDocumentsQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return s.documents(c, q)
}

func (s *Server) fetchDocuments(c *call) *meili.Error {
	q, err := parsed(c, request.ParseDocumentsFetch)
	if err != nil {
		return err
	}
	return s.documents(c, q)
}

func (s *Server) documents(c *call, q *request.DocumentsFetch) *meili.Error {
	return s.read(c, func(rc search.Call, ix *index.Index) (*search.Answer, *meili.Error) {
		return s.Reader.Documents(c.ctx, rc, ix, q)
	})
}

func (s *Server) getDocument(c *call) *meili.Error {
	q, err := request.ParseDocumentQuery(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	return s.read(c, func(rc search.Call, ix *index.Index) (*search.Answer, *meili.Error) {
		return s.Reader.Document(c.ctx, rc, ix, c.second, q)
	})
}
