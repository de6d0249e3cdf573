package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/antientropy"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/rebalance"
)

// Report is the state of the fleet, as /_miroir/topology and the status command
// show it.
type Report struct {
	// Status is ok, degraded (everything can be read, but something is missing)
	// or unavailable (some shard has no copy that can be read).
	Status  string        `json:"status"`
	Version string        `json:"version"`
	Epoch   uint64        `json:"epoch"`
	Copies  int           `json:"replication"`
	Groups  []GroupReport `json:"groups"`
	// Rebalance is how shards are being moved or copies made anew.
	Rebalance rebalance.Report `json:"rebalance"`
	// Check is how the copies of shards are compared with each other.
	Check antientropy.Report `json:"check"`
	// Problems say in words what is wrong, the worst first.
	Problems []string `json:"problems"`
}

// GroupReport is one replica group.
type GroupReport struct {
	ID string `json:"id"`
	// State is initializing (it has no shard yet), syncing (some), sync complete
	// (all, and not all can be read yet) or active. Empty for nodes that leave.
	State string       `json:"state,omitempty"`
	Nodes []NodeReport `json:"nodes"`
}

// NodeReport is one node. Addresses are shown, keys never.
type NodeReport struct {
	ID        string     `json:"id"`
	Group     string     `json:"group"`
	Address   string     `json:"address"`
	Status    string     `json:"status"`
	Version   string     `json:"version,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	LastError string     `json:"lastError,omitempty"`
	// Wanted is what is to become of the node: serving, drained (it is to hold
	// nothing) or removed (forgotten once it holds nothing). Added says that an
	// operator added it, and the configuration does not name it.
	Wanted string `json:"wanted"`
	Added  bool   `json:"added,omitempty"`
	// Shards is how many shards of all indexes lie on the node.
	Shards int `json:"shards"`
	// Outbox is how many operations the node has not yet taken.
	Outbox int `json:"outbox"`
}

// ShardReport is one shard of one index.
type ShardReport struct {
	Index    string              `json:"index"`
	Shard    int                 `json:"shard"`
	Replicas map[string][]string `json:"replicas"`
	// Readable are the nodes that searches may ask for it now.
	Readable []string `json:"readable"`
}

func (s *Server) adminRoutes() []route {
	routes := []route{
		{method: get, pattern: "/_miroir/health", handle: s.adminHealth},
		{method: get, pattern: "/_miroir/ready", handle: s.adminReady},
		{method: get, pattern: "/_miroir/topology", action: "*", handle: s.adminTopology},
		{method: get, pattern: "/_miroir/shards", action: "*", handle: s.adminShards},
		{method: get, pattern: "/_miroir/tasks", action: "*", handle: s.listTasks},
		{method: get, pattern: "/_miroir/tasks/{uid}", action: "*", handle: s.adminTask},
		{method: get, pattern: "/_miroir/indexes/{uid}/contents", action: "*", handle: s.adminContents},
		{method: get, pattern: "/_miroir/metrics", action: "*", handle: s.adminMetrics},
	}
	routes = append(append(append(routes, s.nodeRoutes()...), s.balanceRoutes()...), s.checkRoutes()...)
	for i := range routes {
		routes[i].family = FamilyAdmin
	}
	return routes
}

// adminHealth says only that the process answers.
func (s *Server) adminHealth(c *call) *meili.Error {
	return c.json(http.StatusOK, json.RawMessage(`{"status":"ok"}`))
}

// adminReady says whether every shard can be read, and not which cannot.
func (s *Server) adminReady(c *call) *meili.Error {
	if s.Fleet.Health() != nil {
		c.bytes(http.StatusServiceUnavailable, []byte(`{"status":"unavailable"}`))
		return nil
	}
	return c.json(http.StatusOK, json.RawMessage(`{"status":"ready"}`))
}

func (s *Server) adminTopology(c *call) *meili.Error {
	return c.json(http.StatusOK, s.Fleet.Report())
}

func (s *Server) adminNodes(c *call) *meili.Error {
	nodes := []NodeReport{}
	for _, group := range s.Fleet.Report().Groups {
		nodes = append(nodes, group.Nodes...)
	}
	return c.json(http.StatusOK, map[string]any{"results": nodes})
}

// adminShards lists the shards of all indexes, or of the one that the index
// parameter names.
func (s *Server) adminShards(c *call) *meili.Error {
	indexes := s.Catalog.List()
	if uid := c.r.URL.Query().Get("index"); uid != "" {
		ix, err := s.resolve(uid)
		if err != nil {
			return err
		}
		indexes = []*index.Index{ix}
	}
	shards := []ShardReport{}
	for _, ix := range indexes {
		shards = append(shards, s.shardsOf(ix)...)
	}
	return c.json(http.StatusOK, map[string]any{"results": shards})
}

func (s *Server) shardsOf(ix *index.Index) []ShardReport {
	shards := make([]ShardReport, ix.Shards)
	for n := range shards {
		shards[n] = ShardReport{Index: ix.UID, Shard: n, Replicas: map[string][]string{}, Readable: []string{}}
		for _, group := range ix.Placement.Groups {
			shards[n].Replicas[group.ID] = group.Shards[n]
			for _, id := range group.Shards[n] {
				if s.Readable(id, ix.Physical) {
					shards[n].Readable = append(shards[n].Readable, id)
				}
			}
		}
	}
	return shards
}

func (s *Server) adminTask(c *call) *meili.Error {
	t, err := s.taskOf(c, c.uid)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, struct {
		meili.Task
		Name  string `json:"name"`
		Nodes any    `json:"nodes"`
	}{t.View(), t.Name, s.Writer.Deliveries(t.UID)})
}

func (s *Server) adminMetrics(c *call) *meili.Error {
	s.Metrics.WriteMiroir(c.w, c.r)
	return nil
}
