package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// check are the figures of comparing copies with each other.
type check struct {
	compared *prometheus.CounterVec
	differed prometheus.Counter
	mended   *prometheus.CounterVec
	passed   *prometheus.GaugeVec
}

func newCheck() check {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "miroir_anti_entropy_" + name, Help: help}, labels)
	}
	return check{
		compared: counter("documents_total", "Documents read to compare copies of shards, all copies together, by pass.", "pass"),
		differed: prometheus.NewCounter(prometheus.CounterOpts{Name: "miroir_anti_entropy_differences_total",
			Help: "Documents that differed on copies though all of them had applied the same operations."}),
		mended: counter("repairs_total", "Documents that were copied to or deleted on a node because its copy differed.", "node", "what"),
		passed: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "miroir_anti_entropy_last_pass_timestamp_seconds",
			Help: "When all indexes were last compared completely, by pass."}, []string{"pass"}),
	}
}

func (c *check) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.compared, c.differed, c.mended, c.passed}
}

func (c *check) forget(node string) { c.mended.DeletePartialMatch(prometheus.Labels{"node": node}) }

// Compared counts documents that were read in a pass.
func (c *check) Compared(pass string, documents int) {
	c.compared.WithLabelValues(pass).Add(float64(documents))
}

// Differed counts documents that differ on copies at one operation.
func (c *check) Differed(documents int) { c.differed.Add(float64(documents)) }

// Mended counts documents that were written to or deleted on a node.
func (c *check) Mended(node string, copied, deleted int) {
	c.mended.WithLabelValues(node, "copied").Add(float64(copied))
	c.mended.WithLabelValues(node, "deleted").Add(float64(deleted))
}

// Passed sets when a pass over all indexes ended.
func (c *check) Passed(pass string, at time.Time) {
	c.passed.WithLabelValues(pass).Set(float64(at.UnixMilli()) / 1000)
}
