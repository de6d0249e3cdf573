package minimeili

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/meili/settings"
)

// state gives the running state, or that of the last run.
func (m *Server) state() *instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.core
}

// Docs gives all documents of an index, in the order the server lists them; nil
// when there is no such index.
func (m *Server) Docs(index string) []json.RawMessage {
	ix, missing := m.state().index(index)
	if missing != nil {
		return nil
	}
	page, err := ix.engine.Fetch(&request.DocumentsFetch{Limit: ix.engine.Len()})
	if err != nil { // nothing is asked for that could be refused
		panic(err)
	}
	return page.Results
}

// Doc gives one document of an index by its id.
func (m *Server) Doc(index, id string) (json.RawMessage, bool) {
	ix, missing := m.state().index(index)
	if missing != nil {
		return nil, false
	}
	return ix.engine.Get(id, nil, false)
}

// Indexes lists the uids of the indexes, sorted.
func (m *Server) Indexes() []string {
	c := m.state()
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.uids(func(string) bool { return true })
}

// Settings gives the settings of an index, secrets in clear; nil when there is
// no such index.
func (m *Server) Settings(index string) json.RawMessage {
	ix, missing := m.state().index(index)
	if missing != nil {
		return nil
	}
	return ix.engine.Settings().Raw()
}

// Tasks gives every task there is, the oldest first.
func (m *Server) Tasks() []meili.Task {
	c := m.state()
	c.mu.RLock()
	defer c.mu.RUnlock()
	var views []meili.Task
	for _, t := range c.tasks {
		if t != nil {
			views = append(views, t.view())
		}
	}
	return views
}

// Seed adds documents, given as a JSON array, as a task of its own that has
// ended when Seed returns. An empty primary key is inferred.
func (m *Server) Seed(index, primaryKey, documents string) error {
	text, n, err := readDocuments(request.JSON, 0, []byte(documents))
	if err != nil {
		return err
	}
	op := operation{Kind: replaceDocuments, Documents: text, Count: n, CreatesIndex: true}
	if primaryKey != "" {
		op.PrimaryKey = &primaryKey
	}
	return m.seed(index, op)
}

// SeedSettings changes settings, given as the settings route takes them, as
// Seed adds documents.
func (m *Server) SeedSettings(index, body string) error {
	p, err := settings.Parse([]byte(body))
	if err != nil {
		return err
	}
	return m.seed(index, operation{Kind: changeSettings, Settings: p.Raw(), CreatesIndex: true})
}

func (m *Server) seed(index string, op operation) error {
	c := m.state()
	t, err := c.enqueue(&index, nil, op)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for !t.Status.Finished() {
		c.finished.Wait()
	}
	if t.Error != nil {
		return t.Error
	}
	return nil
}

// WaitIdle returns when no task is left to run. It does not return while tasks
// are held.
func (m *Server) WaitIdle() {
	c := m.state()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.busy() {
		c.finished.Wait()
	}
}

// busy says whether a task is enqueued or running. The caller holds mu.
func (c *instance) busy() bool {
	if len(c.pending) > 0 {
		return true
	}
	n := len(c.batches)
	return n > 0 && c.batches[n-1] != nil && c.batches[n-1].running != nil
}

// Requests tells how many requests a route got, as "POST /indexes/{uid}/search"
// names it; other ids in a path are {id}.
func (m *Server) Requests(route string) int {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	return m.counts.n[route]
}

// RequestCounts gives the number of requests of each route that got any.
func (m *Server) RequestCounts() map[string]int {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	return maps.Clone(m.counts.n)
}

// ResetCounts begins to count from zero.
func (m *Server) ResetCounts() {
	m.counts.mu.Lock()
	defer m.counts.mu.Unlock()
	clear(m.counts.n)
}

// Dump describes the server for the message of a test that fails: indexes with
// their documents, tasks, requests.
func (m *Server) Dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "minimeili at %s\n", m.Addr())
	for _, uid := range m.Indexes() {
		docs := m.Docs(uid)
		fmt.Fprintf(&b, "index %s, %d documents\n", uid, len(docs))
		const most = 50
		for _, doc := range docs[:min(most, len(docs))] {
			fmt.Fprintf(&b, "  %s\n", doc)
		}
	}
	for _, t := range m.Tasks() {
		text, err := meili.Marshal(t)
		if err != nil { // a task always marshals
			panic(err)
		}
		fmt.Fprintf(&b, "task %s\n", text)
	}
	counts := m.RequestCounts()
	for _, route := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%6d %s\n", counts[route], route)
	}
	return b.String()
}
