package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
)

// visible lists the indexes that the caller's key may see, in order of uid.
func (s *Server) visible(c *call) []*index.Index {
	all := s.Catalog.List()
	seen := make([]*index.Index, 0, len(all))
	for _, ix := range all {
		if c.grant.Allows(ix.UID) {
			seen = append(seen, ix)
		}
	}
	return seen
}

func (s *Server) listIndexes(c *call) *meili.Error {
	p, err := request.ParsePage(c.r.URL.RawQuery, "index")
	if err != nil {
		return err
	}
	views := []meili.Index{}
	for _, ix := range s.visible(c) {
		views = append(views, ix.View())
	}
	return c.json(http.StatusOK, meili.PageOf(views, p.Offset, p.Limit))
}

// lookup finds an index by the uid in the path.
func (s *Server) lookup(c *call) (*index.Index, *meili.Error) {
	if err := request.IndexUID(c.uid); err != nil {
		return nil, err
	}
	return s.resolve(c.uid)
}

func (s *Server) resolve(uid string) (*index.Index, *meili.Error) {
	ix, ok := s.Catalog.Get(uid)
	if !ok {
		return nil, meili.IndexNotFound(uid)
	}
	return ix, nil
}

func (s *Server) getIndex(c *call) *meili.Error {
	ix, err := s.lookup(c)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, ix.View())
}
