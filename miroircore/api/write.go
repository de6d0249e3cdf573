package api

import (
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/write"
)

// writeCall gathers what a write needs to know of its request.
func (s *Server) writeCall(c *call, metadata *string) write.Call {
	return write.Call{
		RequestID:          c.w.Header().Get("X-Request-Id"),
		IdempotencyKey:     c.r.Header.Get("Idempotency-Key"),
		AllowIndexCreation: c.uid != "" && c.grant.AllowsCreation(c.uid),
		CustomMetadata:     metadata,
	}
}

// receipt answers a write that was accepted. With X-Miroir-Wait the answer is
// given when the task has ended or the time is up, and is the task itself if it
// has ended.
func (s *Server) receipt(c *call, status int, r *write.Receipt, err *meili.Error) *meili.Error {
	if r != nil {
		c.w.Header().Set("X-Miroir-Task", r.Name)
		if r.Degraded != "" {
			c.w.Header().Set("X-Miroir-Degraded", r.Degraded)
		} else if r.Held {
			c.w.Header().Set("X-Miroir-Degraded", "held")
		}
	}
	if err != nil {
		return err
	}
	before, err := parseSession(c.r.Header.Get(sessionHeader))
	if err != nil {
		before = nil // the write is stored: what its client sent for reads cannot undo that
	}
	c.w.Header().Set(sessionHeader, s.with(before, r.Summary.TaskUID).String())
	limit, given, err := c.wait()
	if err != nil {
		return err
	}
	if given {
		if ended, ok := s.waitFor(c, r.Summary.TaskUID, limit); ok {
			return c.json(status, ended)
		}
	}
	return c.json(status, r.Summary)
}

func (s *Server) replaceDocuments(c *call) *meili.Error { return s.writeDocuments(c, false) }

func (s *Server) mergeDocuments(c *call) *meili.Error { return s.writeDocuments(c, true) }

func (s *Server) writeDocuments(c *call, update bool) *meili.Error {
	params, err := request.ParseDocuments(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	format, err := request.DocumentFormat(c.r.Header, params)
	if err != nil {
		return err
	}
	body, err := c.settings.Spool.Accept(c.r.Body, c.r.Header.Get("Content-Encoding"))
	if err != nil {
		return err
	}
	wc := s.writeCall(c, params.CustomMetadata)
	wc.RejectBadDocuments = c.settings.RejectBadDocuments
	receipt, err := s.Writer.Documents(c.ctx, wc, c.uid, params, update, format, body)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) deleteAllDocuments(c *call) *meili.Error {
	return s.writeWithMetadata(c, func(wc write.Call) (*write.Receipt, *meili.Error) {
		return s.Writer.DeleteAll(c.ctx, wc, c.uid)
	})
}

func (s *Server) deleteDocument(c *call) *meili.Error {
	return s.writeWithMetadata(c, func(wc write.Call) (*write.Receipt, *meili.Error) {
		return s.Writer.DeleteDocuments(c.ctx, wc, c.uid, []string{c.second})
	})
}

func (s *Server) deleteBatch(c *call) *meili.Error {
	return s.writeWithMetadata(c, func(wc write.Call) (*write.Receipt, *meili.Error) {
		body, err := c.jsonBody()
		if err != nil {
			return nil, err
		}
		ids, err := request.ParseDeleteBatch(body)
		if err != nil {
			return nil, err
		}
		return s.Writer.DeleteDocuments(c.ctx, wc, c.uid, ids)
	})
}

func (s *Server) deleteByFilter(c *call) *meili.Error {
	return s.writeWithMetadata(c, func(wc write.Call) (*write.Receipt, *meili.Error) {
		body, err := c.jsonBody()
		if err != nil {
			return nil, err
		}
		filter, err := request.ParseDeleteByFilter(body)
		if err != nil {
			return nil, err
		}
		return s.Writer.DeleteByFilter(c.ctx, wc, c.uid, filter)
	})
}

func (s *Server) editDocuments(c *call) *meili.Error {
	if !s.Features.All().Get("editDocumentsByFunction") {
		return meili.FeatureNotEnabled("Using the documents edit route", "editDocumentsByFunction")
	}
	return s.writeWithMetadata(c, func(wc write.Call) (*write.Receipt, *meili.Error) {
		body, err := c.jsonBody()
		if err != nil {
			return nil, err
		}
		edit, err := request.ParseEdit(body)
		if err != nil {
			return nil, err
		}
		return s.Writer.Edit(c.ctx, wc, c.uid, edit)
	})
}

// writeWithMetadata runs a document write whose only query parameter is
// customMetadata.
func (s *Server) writeWithMetadata(c *call, run func(write.Call) (*write.Receipt, *meili.Error)) *meili.Error {
	metadata, err := request.ParseCustomMetadata(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	receipt, err := run(s.writeCall(c, metadata))
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) createIndex(c *call) *meili.Error {
	create, err := parsed(c, request.ParseIndexCreate)
	if err != nil {
		return err
	}
	if !c.grant.Allows(create.UID) {
		return meili.InvalidAPIKey()
	}
	receipt, err := s.Writer.CreateIndex(c.ctx, s.writeCall(c, nil), create.UID, create.PrimaryKey)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) updateIndex(c *call) *meili.Error {
	update, err := parsed(c, request.ParseIndexUpdate)
	if err != nil {
		return err
	}
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	receipt, err := s.Writer.UpdateIndex(c.ctx, s.writeCall(c, nil), c.uid, update)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) deleteIndex(c *call) *meili.Error {
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	receipt, err := s.Writer.DeleteIndex(c.ctx, s.writeCall(c, nil), c.uid)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) compactIndex(c *call) *meili.Error {
	if err := request.IndexUID(c.uid); err != nil {
		return err
	}
	receipt, err := s.Writer.Compact(c.ctx, s.writeCall(c, nil), c.uid)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) swapIndexes(c *call) *meili.Error {
	swaps, err := parsed(c, request.ParseSwap)
	if err != nil {
		return err
	}
	for _, swap := range swaps {
		for _, uid := range swap.Indexes {
			if !c.grant.Allows(uid) {
				return meili.InvalidAPIKey()
			}
		}
	}
	receipt, err := s.Writer.Swap(c.ctx, s.writeCall(c, nil), swaps)
	return s.receipt(c, http.StatusAccepted, receipt, err)
}
