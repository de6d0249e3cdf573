package miroircore

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/miroir-gateway/miroir/miroircore/meili"
	"github.com/miroir-gateway/miroir/miroircore/meili/request"
	"github.com/miroir-gateway/miroir/miroircore/stats"
)

// exposition writes figures in Prometheus's text form.
type exposition struct {
	engine *Engine
	stats  *stats.Joiner
}

// WriteMiroir writes the gateway's own figures.
func (x *exposition) WriteMiroir(w http.ResponseWriter, r *http.Request) {
	x.engine.measure()
	x.engine.metrics.WriteMiroir(w, r)
}

// measure sets the figures that show how things stand when somebody looks.
func (e *Engine) measure() {
	for id := range *e.fleet.known.Load() {
		e.metrics.Outbox(id, e.writer.NodeState(id).Waiting)
	}
	e.metrics.Frozen(len(e.writer.Frozen()))
	documents, settings := 0, 0
	for _, d := range e.writer.Drifts() {
		if d.Documents {
			documents++
		}
		if d.Settings {
			settings++
		}
	}
	e.metrics.Differing(documents, settings)
}

// WriteMeilisearch writes what the fleet is under the names that dashboards for
// Meilisearch look for.
func (x *exposition) WriteMeilisearch(w http.ResponseWriter, r *http.Request) {
	registry := prometheus.NewRegistry()
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "meilisearch_" + name, Help: help}, labels)
		registry.MustRegister(g)
		return g
	}
	var all meili.Stats
	said, failed := x.stats.All(r.Context(), x.engine.catalog.List(), &request.Stats{})
	if failed == nil {
		if err := json.Unmarshal(said, &all); err != nil {
			failed = meili.NewError("internal", "reading statistics: %v", err)
		}
	}
	if failed != nil {
		failed.Write(w)
		return
	}
	gauge("db_size_bytes", "Meilisearch DB Size In Bytes").WithLabelValues().Set(number(all.DatabaseSize))
	gauge("used_db_size_bytes", "Meilisearch Used DB Size In Bytes").WithLabelValues().Set(number(all.UsedDatabaseSize))
	gauge("index_count", "Meilisearch Index Count").WithLabelValues().Set(float64(len(all.Indexes)))
	documents := gauge("index_docs_count", "Meilisearch Index Docs Count", "index")
	indexing := 0.0
	for uid, ix := range all.Indexes {
		documents.WithLabelValues(uid).Set(float64(ix.NumberOfDocuments))
		if ix.IsIndexing {
			indexing = 1
		}
	}
	gauge("is_indexing", "Meilisearch Is Indexing").WithLabelValues().Set(indexing)
	tasks := gauge("nb_tasks", "Meilisearch Number of tasks", "kind", "value")
	for _, status := range meili.TaskStatuses {
		page, err := x.engine.tasks.List(request.Tasks{TaskFilter: request.TaskFilter{Statuses: []meili.TaskStatus{status}}}, nil)
		if err == nil {
			tasks.WithLabelValues("statuses", string(status)).Set(float64(page.Total))
		}
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}

func number(raw json.RawMessage) float64 {
	var n float64
	if err := json.Unmarshal(raw, &n); err != nil {
		return 0
	}
	return n
}
