package minimeili

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/test/minimeili/engine"
)

func (c *call) root() (answer, *meili.Error) {
	return ok(json.RawMessage(`{"status":"Meilisearch is running"}`))
}

func (c *call) health() (answer, *meili.Error) {
	return ok(json.RawMessage(`{"status":"available"}`))
}

func (c *call) version() (answer, *meili.Error) { return ok(versionOf(c.config)) }

func versionOf(config config) meili.Version {
	v := meili.Version{
		CommitSHA: "5cb2f2e94befc717bbea60fec4a31ee64d2f60fd", CommitDate: "2026-07-23T14:39:41.000000000Z", PkgVersion: "1.50.0",
	}
	if config.version != "" {
		v.PkgVersion = config.version
	}
	return v
}

// need refuses what a feature that is off would do.
func (c *call) need(feature, action string) *meili.Error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.features.Get(feature) {
		return nil
	}
	return meili.FeatureNotEnabled(action, feature)
}

// sizeOf estimates what an index takes on disk: whole pages, as the real one.
func sizeOf(s engine.Stats) int64 {
	const page = 4096
	return (24 + 3*s.RawSize/page) * page
}

func humanSize(n int64) string {
	value, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.2f %s", value, units[unit])
}

func sized(n int64, human bool) json.RawMessage {
	if human {
		return meili.AppendString(nil, humanSize(n))
	}
	return strconv.AppendInt(nil, n, 10)
}

// statsOf tells the figures of an index. The caller holds mu.
func (c *call) statsOf(ix *index, p *request.Stats) indexStats {
	s := ix.engine.Stats()
	average := int64(0)
	if s.Documents > 0 {
		average = s.RawSize / int64(s.Documents)
	}
	stats := indexStats{
		Documents: s.Documents, RawSize: sized(s.RawSize, p.Human), AverageSize: sized(average, p.Human),
		Embeddings: s.Embeddings, Embedded: s.EmbeddedDocuments, FieldDistribution: s.FieldDistribution,
	}
	if p.ShowInternalDatabaseSizes {
		stats.Internal = json.RawMessage(`{"documents":` + string(sized(sizeOf(s), true)) + `}`)
	}
	for _, t := range c.tasks {
		if t != nil && t.Status == meili.StatusProcessing && t.IndexUID != nil && *t.IndexUID == ix.uid {
			stats.Indexing = true
		}
	}
	return stats
}

// indexStats is meili.IndexStats with the distribution the engine wrote.
type indexStats struct {
	Documents         int             `json:"numberOfDocuments"`
	RawSize           json.RawMessage `json:"rawDocumentDbSize"`
	AverageSize       json.RawMessage `json:"avgDocumentSize"`
	Indexing          bool            `json:"isIndexing"`
	Internal          json.RawMessage `json:"internalDatabaseSizes,omitempty"`
	Embeddings        int             `json:"numberOfEmbeddings"`
	Embedded          int             `json:"numberOfEmbeddedDocuments"`
	FieldDistribution json.RawMessage `json:"fieldDistribution"`
}

func (c *call) indexStats() (answer, *meili.Error) {
	p, err := request.ParseStats(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	ix, err := c.pathIndex()
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	return ok(c.statsOf(ix, p))
}

func (c *call) stats() (answer, *meili.Error) {
	p, err := request.ParseStats(c.r.URL.RawQuery)
	if err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var last time.Time
	total := int64(24 * 4096)
	for _, t := range c.tasks {
		if t != nil && t.FinishedAt.After(last) {
			last = t.FinishedAt
		}
	}
	all := map[string]indexStats{}
	for uid, ix := range c.indexes {
		total += sizeOf(ix.engine.Stats())
		if c.grant.allows(uid) {
			all[uid] = c.statsOf(ix, p)
		}
	}
	return ok(struct {
		Size     json.RawMessage       `json:"databaseSize"`
		UsedSize json.RawMessage       `json:"usedDatabaseSize"`
		Last     *string               `json:"lastUpdate"`
		Indexes  map[string]indexStats `json:"indexes"`
	}{sized(total, p.Human), sized(total, p.Human), formatted(last), all})
}

func (c *call) metrics() (answer, *meili.Error) {
	if err := c.need("metrics", "Getting metrics"); err != nil {
		return refuse(err)
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	var b strings.Builder
	gauge := func(name, help string, value any) {
		fmt.Fprintf(&b, "# HELP %[1]s %[2]s\n# TYPE %[1]s gauge\n%[1]s %[3]v\n", name, help, value)
	}
	gauge("meilisearch_index_count", "Meilisearch Index Count", len(c.indexes))
	b.WriteString("# HELP meilisearch_index_docs_count Meilisearch Index Docs Count\n# TYPE meilisearch_index_docs_count gauge\n")
	for _, uid := range c.uids(c.grant.allows) {
		fmt.Fprintf(&b, "meilisearch_index_docs_count{index=%q} %d\n", uid, c.indexes[uid].engine.Len())
	}
	busy := 0
	if n := len(c.batches); n > 0 && c.batches[n-1] != nil && c.batches[n-1].running != nil {
		busy = 1
	}
	gauge("meilisearch_is_indexing", "Meilisearch Is Indexing", busy)
	counts := map[meili.TaskStatus]int{}
	for _, t := range c.tasks {
		if t != nil {
			counts[t.Status]++
		}
	}
	b.WriteString("# HELP meilisearch_nb_tasks Meilisearch Number of tasks\n# TYPE meilisearch_nb_tasks gauge\n")
	for _, status := range meili.TaskStatuses {
		fmt.Fprintf(&b, "meilisearch_nb_tasks{kind=\"statuses\",value=%q} %d\n", status, counts[status])
	}
	return answer{status: http.StatusOK, body: plain(b.String()), contentType: "text/plain; version=0.0.4"}, nil
}

func (c *call) getFeatures() (answer, *meili.Error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return ok(c.features)
}

func (c *call) updateFeatures() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseFeatures(body)
	if err != nil {
		return refuse(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	features := p.Apply(c.features)
	c.setFeatures(features)
	return c.saved(event{Features: &features}, answer{status: http.StatusOK, body: features})
}

// setFeatures turns features on and off everywhere. The caller holds mu, but at
// the start.
func (c *instance) setFeatures(f meili.Features) {
	c.features = f
	for _, ix := range c.indexes {
		ix.engine.SetFeatures(f)
	}
}

func (c *call) getNetwork() (answer, *meili.Error) {
	if err := c.need("network", "Using the /network route"); err != nil {
		return refuse(err)
	}
	return ok(json.RawMessage(`{"self":null,"remotes":{},"shards":{},"leader":null,"version":"00000000-0000-0000-0000-000000000000"}`))
}

func (c *call) listChats() (answer, *meili.Error) {
	if err := c.need("chatCompletions", "listing the chats"); err != nil {
		return refuse(err)
	}
	return ok(meili.PageOf([]string{}, 0, 20))
}

func (c *call) createDump() (answer, *meili.Error) {
	return c.accepted(http.StatusAccepted, nil, nil, operation{Kind: createDump})
}

func (c *call) createSnapshot() (answer, *meili.Error) {
	return c.accepted(http.StatusAccepted, nil, nil, operation{Kind: createSnapshot})
}

func (c *call) export() (answer, *meili.Error) {
	body, err := c.json()
	if err != nil {
		return refuse(err)
	}
	p, err := request.ParseExport(body)
	if err != nil {
		return refuse(err)
	}
	return c.accepted(http.StatusOK, nil, nil, operation{Kind: exportIndexes, Export: p})
}
