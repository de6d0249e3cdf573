package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Operator is what operators change of the fleet.
type Operator interface {
	// Wish changes the wanted topology, or says what would be needed for it.
	Wish(ctx context.Context, w wanted.Wish) (*Granted, *meili.Error)
	// Adopt takes a node into this fleet that belongs to another, or that has
	// indexes this gateway does not know.
	Adopt(ctx context.Context, id string, force bool) *meili.Error
	// Accept has what a node holds count as right, where nothing better is left.
	Accept(ctx context.Context, id string) (*Granted, *meili.Error)
	// MendSettings brings the settings of an index to the nodes that show others;
	// with force, writes to it go on even where a node does not take them.
	MendSettings(ctx context.Context, uid string, force bool) (*Granted, *meili.Error)
	// Rebuild makes the state anew from what the nodes hold.
	Rebuild(ctx context.Context, w RebuildWish) (*Rebuilt, *meili.Error)
	// Backup writes a consistent copy of the gateway's state to what w gives,
	// which is asked for only when nothing can be refused any more.
	Backup(w func() io.Writer) *meili.Error
}

// Granted is the answer to an operator's wish.
type Granted struct {
	// Changed is false where everything was as wished before.
	Changed bool `json:"changed"`
	// Message says what happens now.
	Message string `json:"message"`
	// Lost says what was given up, where it was forced.
	Lost []string `json:"lost,omitempty"`
}

// nodeRoutes change which nodes there are.
func (s *Server) nodeRoutes() []route {
	return []route{
		{method: get, pattern: "/_miroir/nodes", action: "*", handle: s.adminNodes},
		{method: post, pattern: "/_miroir/nodes", action: "*", handle: s.wish(func(*call) wanted.Wish { return wanted.Wish{Action: wanted.Add} })},
		{method: put, pattern: "/_miroir/nodes/{id}", action: "*", handle: s.wish(named(wanted.Replace))},
		{method: remove, pattern: "/_miroir/nodes/{id}", action: "*", handle: s.wish(named(wanted.Remove))},
		{method: post, pattern: "/_miroir/nodes/{id}/drain", action: "*", handle: s.wish(named(wanted.Drain))},
		{method: post, pattern: "/_miroir/nodes/{id}/undrain", action: "*", handle: s.wish(named(wanted.Undrain))},
		{method: post, pattern: "/_miroir/nodes/{id}/accept", action: "*", handle: s.acceptNode},
		{method: post, pattern: "/_miroir/nodes/{id}/adopt", action: "*", handle: s.adoptNode},
		{method: post, pattern: "/_miroir/indexes/{uid}/repair", action: "*", handle: s.mendSettings},
		{method: post, pattern: "/_miroir/groups", action: "*", handle: s.wish(func(*call) wanted.Wish { return wanted.Wish{Action: wanted.AddGroup} })},
		{method: remove, pattern: "/_miroir/groups/{id}", action: "*", handle: s.wish(named(wanted.RemoveGroup))},
		{method: get, pattern: "/_miroir/backup", action: "*", handle: s.backup},
		{method: post, pattern: "/_miroir/rebuild", action: "*", handle: s.rebuild},
		{method: put, pattern: "/_miroir/replication", action: "*", handle: s.wish(func(*call) wanted.Wish { return wanted.Wish{Action: wanted.SetCopies} })},
	}
}

func named(action wanted.Action) func(*call) wanted.Wish {
	return func(c *call) wanted.Wish { return wanted.Wish{Action: action, ID: c.uid} }
}

// wishBody is what the routes that change the topology take. Each uses some of it.
type wishBody struct {
	ID     string         `json:"id"`
	Group  string         `json:"group"`
	URL    string         `json:"url"`
	As     string         `json:"as"`
	Nodes  []wanted.Named `json:"nodes"`
	Copies int            `json:"copies"`
	Force  bool           `json:"force"`
}

// optional reads a request body that may be left out.
func (c *call) optional(into any) *meili.Error {
	raw, err := c.readBody()
	if err != nil || len(bytes.TrimSpace(raw)) == 0 {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return meili.NewError("bad_request", "The request body cannot be read: %v", err)
	}
	return nil
}

func (s *Server) wish(of func(*call) wanted.Wish) func(*call) *meili.Error {
	return func(c *call) *meili.Error {
		w := of(c)
		var body wishBody
		if err := c.optional(&body); err != nil {
			return err
		}
		if w.ID == "" {
			w.ID = body.ID
		}
		w.Group, w.URL, w.As, w.Nodes, w.Copies = body.Group, body.URL, body.As, body.Nodes, body.Copies
		w.Force = body.Force || c.r.URL.Query().Get("force") == "true"
		granted, err := s.Operator.Wish(c.ctx, w)
		if err != nil {
			return err
		}
		return c.json(http.StatusOK, granted)
	}
}

func (s *Server) mendSettings(c *call) *meili.Error {
	var body struct {
		Force bool `json:"force"`
	}
	if err := c.optional(&body); err != nil {
		return err
	}
	granted, err := s.Operator.MendSettings(c.ctx, c.uid, body.Force || c.r.URL.Query().Get("force") == "true")
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, granted)
}

func (s *Server) acceptNode(c *call) *meili.Error {
	granted, err := s.Operator.Accept(c.ctx, c.uid)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, granted)
}

func (s *Server) adoptNode(c *call) *meili.Error {
	var body struct {
		Force bool `json:"force"`
	}
	if err := c.optional(&body); err != nil {
		return err
	}
	if err := s.Operator.Adopt(c.ctx, c.uid, body.Force || c.r.URL.Query().Get("force") == "true"); err != nil {
		return err
	}
	return c.json(http.StatusOK, &Granted{Changed: true, Message: "node " + c.uid + " belongs to this fleet now"})
}

func (s *Server) backup(c *call) *meili.Error {
	return s.Operator.Backup(func() io.Writer {
		c.w.Header().Set("Content-Type", "application/octet-stream")
		c.w.WriteHeader(http.StatusOK)
		return c.w
	})
}
