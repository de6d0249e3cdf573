package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/task"
)

// Features are the experimental features, kept by the gateway and set alike on
// every node.
type Features interface {
	All() meili.Features
	// Update sets the features that are named and gives all of them.
	Update(ctx context.Context, change request.FeaturesUpdate) (meili.Features, *meili.Error)
}

// Webhooks are the addresses that are told of tasks that ended.
type Webhooks interface {
	List() []meili.Webhook
	Get(id string) (meili.Webhook, *meili.Error)
	Create(w *request.WebhookChange) (meili.Webhook, *meili.Error)
	Update(id string, w *request.WebhookChange) (meili.Webhook, *meili.Error)
	Delete(id string) *meili.Error
}

// Stats join what the nodes say of their indexes.
type Stats interface {
	Index(ctx context.Context, ix *index.Index, q *request.Stats) (json.RawMessage, *meili.Error)
	All(ctx context.Context, visible []*index.Index, q *request.Stats) (json.RawMessage, *meili.Error)
	// Fields names the fields of an index's documents.
	Fields(ctx context.Context, ix *index.Index) ([]string, *meili.Error)
}

// Jobs are the long tasks that concern the whole instance.
type Jobs interface {
	Dump() (task.Task, error)
	Export(e *request.Export) (task.Task, error)
	// Contents gives the id of every document of an index and a hash of what
	// clients see of it.
	Contents(ctx context.Context, ix *index.Index, give func(id []byte, content uint64) error) error
}

// Metrics write figures in Prometheus's text form.
type Metrics interface {
	// WriteMeilisearch writes the figures under the names the real server gives them.
	WriteMeilisearch(w http.ResponseWriter, r *http.Request)
	// WriteMiroir writes the gateway's own.
	WriteMiroir(w http.ResponseWriter, r *http.Request)
}

func (s *Server) root(c *call) *meili.Error {
	return c.json(http.StatusOK, json.RawMessage(`{"status":"Meilisearch is running"}`))
}

func (s *Server) health(c *call) *meili.Error {
	if err := s.Fleet.Health(); err != nil {
		return err
	}
	return c.json(http.StatusOK, json.RawMessage(`{"status":"available"}`))
}

func (s *Server) version(c *call) *meili.Error {
	return c.json(http.StatusOK, s.Fleet.Version())
}

func (s *Server) stats(c *call) *meili.Error {
	q, err := request.ParseStats(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	all, err := s.Stats.All(c.ctx, s.visible(c), q)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, all)
}

func (s *Server) indexStats(c *call) *meili.Error {
	q, err := request.ParseStats(c.r.URL.RawQuery)
	if err != nil {
		return err
	}
	ix, err := s.lookup(c)
	if err != nil {
		return err
	}
	one, err := s.Stats.Index(c.ctx, ix, q)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, one)
}

func (s *Server) fields(c *call) *meili.Error {
	q, err := parsed(c, request.ParseFields)
	if err != nil {
		return err
	}
	ix, err := s.lookup(c)
	if err != nil {
		return err
	}
	names, err := s.Stats.Fields(c.ctx, ix)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, index.Fields(ix, names, q))
}

func (s *Server) metrics(c *call) *meili.Error {
	if !s.Features.All().Get("metrics") {
		return meili.FeatureNotEnabled("Getting metrics", "metrics")
	}
	s.Metrics.WriteMeilisearch(c.w, c.r)
	return nil
}

func (s *Server) getFeatures(c *call) *meili.Error {
	return c.json(http.StatusOK, s.Features.All())
}

func (s *Server) updateFeatures(c *call) *meili.Error {
	change, err := parsed(c, request.ParseFeatures)
	if err != nil {
		return err
	}
	all, err := s.Features.Update(c.ctx, change)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, all)
}

func (s *Server) listWebhooks(c *call) *meili.Error {
	return c.json(http.StatusOK, map[string]any{"results": s.Webhooks.List()})
}

func (s *Server) createWebhook(c *call) *meili.Error {
	wanted, err := parsed(c, request.ParseWebhookCreate)
	if err != nil {
		return err
	}
	return c.webhook(http.StatusCreated)(s.Webhooks.Create(wanted))
}

func (s *Server) getWebhook(c *call) *meili.Error {
	return c.webhook(http.StatusOK)(s.Webhooks.Get(c.uid))
}

func (s *Server) updateWebhook(c *call) *meili.Error {
	change, err := parsed(c, request.ParseWebhookUpdate)
	if err != nil {
		return err
	}
	return c.webhook(http.StatusOK)(s.Webhooks.Update(c.uid, change))
}

// webhook answers with a webhook or the error that stands in its place.
func (c *call) webhook(status int) func(meili.Webhook, *meili.Error) *meili.Error {
	return func(w meili.Webhook, err *meili.Error) *meili.Error {
		if err != nil {
			return err
		}
		return c.json(status, w)
	}
}

func (s *Server) deleteWebhook(c *call) *meili.Error {
	if err := s.Webhooks.Delete(c.uid); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) createDump(c *call) *meili.Error {
	return c.started(http.StatusAccepted)(s.Jobs.Dump())
}

func (s *Server) createSnapshot(c *call) *meili.Error {
	receipt, err := s.Writer.Snapshot(c.ctx, s.writeCall(c, nil))
	return s.receipt(c, http.StatusAccepted, receipt, err)
}

func (s *Server) export(c *call) *meili.Error {
	wanted, err := parsed(c, request.ParseExport)
	if err != nil {
		return err
	}
	return c.started(http.StatusOK)(s.Jobs.Export(wanted))
}

// started answers with the summary of a job's task.
func (c *call) started(status int) func(task.Task, error) *meili.Error {
	return func(t task.Task, err error) *meili.Error {
		if err != nil {
			return asError(err)
		}
		c.w.Header().Set("X-Miroir-Task", t.Name)
		return c.json(status, t.Summary())
	}
}
