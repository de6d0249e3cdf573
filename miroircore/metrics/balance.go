package metrics

import "github.com/prometheus/client_golang/prometheus"

// balance are the figures of moving shards.
type balance struct {
	documents *prometheus.CounterVec
	moved     *prometheus.CounterVec
	failures  *prometheus.CounterVec
	shards    *prometheus.GaugeVec
}

func newBalance() balance {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "miroir_rebalance_" + name, Help: help}, labels)
	}
	return balance{
		documents: counter("documents_total", "Documents that were copied to or deleted on a node to make a copy of a shard.", "node", "what"),
		moved:     counter("shards_total", "Shards that a node was filled with and became a replica of.", "node"),
		failures:  counter("failures_total", "Steps of moving shards that failed and are taken again.", "step"),
		shards: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "miroir_rebalance_shards",
			Help: "Copies of shards that are wanted and not there (missing), being made (moving) or still to be deleted (leftover)."}, []string{"state"}),
	}
}

func (b *balance) collectors() []prometheus.Collector {
	return []prometheus.Collector{b.documents, b.moved, b.failures, b.shards}
}

func (b *balance) forget(node string) {
	b.documents.DeletePartialMatch(prometheus.Labels{"node": node})
	b.moved.DeleteLabelValues(node)
}

// Filled counts documents that were copied to or deleted on a node.
func (b *balance) Filled(node string, copied, deleted int) {
	b.documents.WithLabelValues(node, "copied").Add(float64(copied))
	b.documents.WithLabelValues(node, "deleted").Add(float64(deleted))
}

// Moved counts shards that a node became a replica of.
func (b *balance) Moved(node string, shards int) {
	b.moved.WithLabelValues(node).Add(float64(shards))
}

// StepFailed counts a step that is taken again.
func (b *balance) StepFailed(step string) { b.failures.WithLabelValues(step).Inc() }

// Pending sets how many copies are wanted and not there, being made, and left
// over.
func (b *balance) Pending(missing, moving, surplus int) {
	b.shards.WithLabelValues("missing").Set(float64(missing))
	b.shards.WithLabelValues("moving").Set(float64(moving))
	b.shards.WithLabelValues("leftover").Set(float64(surplus))
}
