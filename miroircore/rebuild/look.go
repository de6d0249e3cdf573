package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/cluster/wanted"
	"github.com/miroir-gateway/miroir/miroircore/hidden"
	"github.com/miroir-gateway/miroir/miroircore/imprint"
	"github.com/miroir-gateway/miroir/miroircore/index"
	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/node"
	"github.com/miroir-gateway/miroir/miroircore/write/outbox"
)

const (
	// answerTime is how long a node may take to say that it is there.
	answerTime = 10 * time.Second
	// quietPause is how often it is asked whether a node has done all it had to do.
	quietPause = 100 * time.Millisecond
	// recentTasks is how many tasks of an index are looked at for the last operation.
	recentTasks = 100
)

// seen is what was found on a node.
type seen struct {
	Node
	mark     *imprint.Mark
	newest   uint32 // the number of its tasks, as far as can be told
	indexes  map[string]*held
	foreign  []string
	features meili.Features
}

// held is one index on a node.
type held struct {
	meili.Index
	settings json.RawMessage
	digest   string
	// counts says how many documents of each shard there are.
	counts    map[int]int
	documents int
	// applied is the last operation that the node is known to have done.
	applied uint64
}

// entries gives the catalog that the node was told.
func (s *seen) entries(ctx context.Context) (map[string]*index.Index, error) {
	if s == nil {
		return nil, nil
	}
	return imprint.Entries(ctx, s.Client, s.mark)
}

// name is what the node was called when it was marked.
func (s *seen) name() string {
	if s.mark != nil && s.mark.Node != "" {
		return s.mark.Node
	}
	return s.ID
}

// look finds out what each node holds. It refuses to go on without one that does
// not answer, unless that is forced.
func look(ctx context.Context, o *Options) (all []*seen, away []string, err error) {
	var reasons []string
	for _, n := range o.Nodes {
		asking, cancel := context.WithTimeout(ctx, answerTime)
		_, err := n.Client.Version(asking)
		cancel()
		if err != nil {
			away = append(away, n.ID)
			reasons = append(reasons, fmt.Sprintf("node %s: %v", n.ID, err))
			continue
		}
		all = append(all, &seen{Node: n, indexes: make(map[string]*held)})
	}
	switch {
	case len(all) == 0:
		return nil, nil, &wanted.RefusalError{Reason: "no node answers: " + strings.Join(reasons, "; "), Needed: "Bring the nodes up first"}
	case len(away) > 0 && !o.Force:
		return nil, nil, &wanted.RefusalError{Reason: "not all nodes answer: " + strings.Join(reasons, "; "), Needed: "Bring them up first, so that all copies can be compared",
			Lost: []string{"the latest writes, if they are on the nodes that do not answer only"}}
	}
	return all, away, each(all, func(s *seen) error { return s.look(ctx, o) })
}

// look waits until the node has done what it was given, and reads what it holds.
func (s *seen) look(ctx context.Context, o *Options) error {
	if err := s.quiet(ctx, o); err != nil {
		return err
	}
	var err error
	if s.newest, err = newestTask(ctx, s.Client); err != nil {
		return err
	}
	if s.mark, err = imprint.Read(ctx, s.Client); err != nil {
		return err
	}
	if s.features, err = s.Client.Features(ctx); err != nil {
		return fmt.Errorf("read experimental features of node %s: %w", s.ID, err)
	}
	indexes, err := s.Client.Indexes(ctx)
	if err != nil {
		return fmt.Errorf("list the indexes of node %s: %w", s.ID, err)
	}
	for _, ix := range indexes {
		if ix.UID == imprint.Index {
			continue
		}
		h := &held{Index: ix}
		if err := h.read(ctx, s.Client); err != nil {
			return fmt.Errorf("look at index %s on node %s: %w", ix.UID, s.ID, err)
		}
		if h.counts == nil {
			s.foreign = append(s.foreign, ix.UID)
			continue
		}
		s.indexes[ix.UID] = h
	}
	return nil
}

// quiet waits until the node has nothing left to do: what it took and did not do
// yet is as good as done.
func (s *seen) quiet(ctx context.Context, o *Options) error {
	for said := false; ; {
		open, err := s.Client.Tasks(ctx, node.TaskQuery{Statuses: []meili.TaskStatus{meili.StatusEnqueued, meili.StatusProcessing}, Limit: 1})
		if err != nil {
			return fmt.Errorf("list the tasks of node %s: %w", s.ID, err)
		}
		if open.Total == 0 {
			return nil
		}
		if !said {
			o.Logger.Info("a node is doing what it was given before it is looked at", "node", s.ID, "tasks", open.Total)
			said = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("node %s still has %d tasks to do: %w", s.ID, open.Total, ctx.Err())
		case <-time.After(quietPause):
		}
	}
}

// newestTask gives the uid of a node's newest task, plus one.
func newestTask(ctx context.Context, c *node.Client) (uint32, error) {
	page, err := c.Tasks(ctx, node.TaskQuery{Limit: 1})
	if err != nil {
		return 0, fmt.Errorf("list the tasks of node %s: %w", c.ID(), err)
	}
	if len(page.Results) == 0 {
		return 0, nil
	}
	return page.Results[0].UID + 1, nil
}

// read reads all there is to know of an index on a node. counts stays nil where
// no gateway made the index.
func (h *held) read(ctx context.Context, c *node.Client) (err error) {
	if h.settings, err = c.Settings(ctx, h.UID); err != nil {
		return err
	}
	if !index.Ours(h.settings) {
		return nil
	}
	if h.digest, err = index.ShownDigest(h.settings); err != nil {
		return err
	}
	if err := h.count(ctx, c); err != nil {
		return err
	}
	newest, err := h.newest(ctx, c)
	if err != nil {
		return err
	}
	done, err := lastOperation(ctx, c, h.UID)
	h.applied = max(newest>>hidden.PositionBits, done)
	return err
}

// count counts the documents of each shard.
func (h *held) count(ctx context.Context, c *node.Client) error {
	var answer struct {
		Facets map[string]map[string]int `json:"facetDistribution"`
	}
	body := fmt.Sprintf(`{"limit":0,"facets":[%q]}`, hidden.ShardField)
	if err := c.Do(ctx, http.MethodPost, "/indexes/"+url.PathEscape(h.UID)+"/search", node.JSON([]byte(body)), &answer); err != nil {
		return err
	}
	h.counts = make(map[int]int)
	for text, n := range answer.Facets[hidden.ShardField] {
		shard, err := hidden.Value(text)
		if err != nil {
			return err
		}
		h.counts[int(shard)] += n
		h.documents += n
	}
	return nil
}

// newest gives the highest version that a document has.
func (h *held) newest(ctx context.Context, c *node.Client) (uint64, error) {
	if h.documents == 0 {
		return 0, nil
	}
	docs, err := fetch(ctx, c, h.UID, fmt.Sprintf(`{"limit":1,"sort":[%q],"fields":[%q]}`, hidden.VersionField+":desc", hidden.VersionField))
	if err != nil || len(docs) == 0 {
		return 0, err
	}
	return hidden.Value(text(docs[0][hidden.VersionField]))
}

func fetch(ctx context.Context, c *node.Client, physical, body string) ([]map[string]json.RawMessage, error) {
	var page struct {
		Results []map[string]json.RawMessage `json:"results"`
	}
	err := c.Do(ctx, http.MethodPost, "/indexes/"+url.PathEscape(physical)+"/documents/fetch", node.JSON([]byte(body)), &page)
	return page.Results, err
}

// text gives a JSON text as it is meant, and anything else as it is written.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// lastOperation gives the last operation of an index that a node's tasks tell of.
// Each index's operations come to a node in their order, so the one that did the
// latest has done all before it that concern it.
func lastOperation(ctx context.Context, c *node.Client, physical string) (uint64, error) {
	page, err := c.Tasks(ctx, node.TaskQuery{IndexUIDs: []string{physical}, Statuses: []meili.TaskStatus{meili.StatusSucceeded}, Limit: recentTasks,
		Types: []meili.TaskType{meili.TypeDocumentAdditionOrUpdate, meili.TypeDocumentDeletion, meili.TypeDocumentEdition}})
	if err != nil {
		var failure *node.Error
		if errors.As(err, &failure) && failure.Status == http.StatusNotFound {
			return 0, nil
		}
		return 0, err
	}
	var last uint64
	for i := range page.Results {
		if op, ok := outbox.OperationOf(page.Results[i].CustomMetadata); ok {
			last = max(last, op)
		}
	}
	return last, nil
}
