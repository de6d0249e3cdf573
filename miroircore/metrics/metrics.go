// Package metrics are the gateway's figures for Prometheus. The collectors
// belong to the process, not to a configuration, so that a reload does not set
// counters back; labels are bounded: route templates and node ids, never what a
// client chose.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/miroir-gateway/miroir/miroircore/meili"
)

// Set are all figures of one engine.
type Set struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	fanOut    *prometheus.HistogramVec
	partial   prometheus.Counter
	extra     *prometheus.CounterVec

	nodeUp        *prometheus.GaugeVec
	nodeDurations *prometheus.HistogramVec
	nodeErrors    *prometheus.CounterVec
	outbox        *prometheus.GaugeVec

	acknowledged *prometheus.HistogramVec
	tasks        *prometheus.CounterVec
	synced       prometheus.Histogram

	frozen    prometheus.Gauge
	differing *prometheus.GaugeVec

	balance
	check
}

// buckets reach from a coalesced answer to a slow write, in seconds.
var buckets = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// New makes a Set; Collectors registers it.
func New() *Set {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "miroir_" + name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "miroir_" + name, Help: help}, labels)
	}
	histogram := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "miroir_" + name, Help: help, Buckets: bounds}, labels)
	}
	return &Set{
		balance:       newBalance(),
		check:         newCheck(),
		requests:      counter("requests_total", "Requests answered, by route template, method and status.", "route", "method", "status"),
		durations:     histogram("request_duration_seconds", "Time from a request's arrival to the end of its answer.", buckets, "route"),
		inFlight:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "miroir_requests_in_flight", Help: "Requests being answered now."}),
		fanOut:        histogram("read_fan_out_nodes", "Nodes that one read was answered from, by kind of read.", []float64{1, 2, 3, 4, 6, 8, 12, 16, 24, 32}, "kind"),
		partial:       prometheus.NewCounter(prometheus.CounterOpts{Name: "miroir_partial_answers_total", Help: "Answers that lacked a shard."}),
		extra:         counter("read_retries_total", "Requests of reads sent to another copy, because the first failed or was silent (failover) or slow (hedge).", "why"),
		nodeUp:        gauge("node_up", "Whether a node answers its probes: 1 or 0.", "node"),
		nodeDurations: histogram("node_request_duration_seconds", "Time a node took to answer.", buckets, "node"),
		nodeErrors:    counter("node_errors_total", "Requests to a node that failed, by kind of failure.", "node", "kind"),
		outbox:        gauge("outbox_operations", "Operations that a node has not yet taken.", "node"),

		frozen:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "miroir_frozen_indexes", Help: "Indexes whose writes are stopped, because a node does not take their settings."}),
		differing: gauge("differing_copies", "Indexes on nodes that are not read, because their documents or settings are not what they should be.", "what"),

		acknowledged: histogram("write_acknowledge_seconds", "Time from a write's arrival to its acknowledgement, by kind of task.", buckets, "kind"),
		tasks:        counter("tasks_total", "Tasks that ended, by kind and status.", "kind", "status"),
		synced: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "miroir_journal_sync_appends",
			Help: "Appends to the journal that one sync of the disk covered.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128}}),
	}
}

// Collectors are to be registered in every registry that is scraped.
func (s *Set) Collectors() []prometheus.Collector {
	return append(append(s.balance.collectors(), s.check.collectors()...), s.requests, s.durations, s.inFlight, s.fanOut, s.partial, s.extra,
		s.nodeUp, s.nodeDurations, s.nodeErrors, s.outbox, s.frozen, s.differing, s.acknowledged, s.tasks, s.synced)
}

// Request counts a request from its arrival; the function it gives is called
// with the status once it is answered.
func (s *Set) Request(route, method string) func(status int) {
	start := time.Now()
	s.inFlight.Inc()
	return func(status int) {
		s.inFlight.Dec()
		s.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
		s.durations.WithLabelValues(route).Observe(time.Since(start).Seconds())
	}
}

// Leg counts one request of a read to a node.
func (s *Set) Leg(node, outcome string, took time.Duration) {
	s.nodeDurations.WithLabelValues(node).Observe(took.Seconds())
	if outcome == "failed" {
		s.nodeErrors.WithLabelValues(node, "read").Inc()
	}
}

// Extra counts a leg that was asked of a second copy: why is failover or hedge.
func (s *Set) Extra(why string) { s.extra.WithLabelValues(why).Inc() }

// Merged counts one answered read and the nodes it went over.
func (s *Set) Merged(kind string, nodes int, _ time.Duration) {
	s.fanOut.WithLabelValues(kind).Observe(float64(nodes))
}

// Partial counts an answer that lacked a shard.
func (s *Set) Partial() { s.partial.Inc() }

// NodeUp sets whether a node answers its probes.
func (s *Set) NodeUp(node string, up bool) {
	value := 0.0
	if up {
		value = 1
	}
	s.nodeUp.WithLabelValues(node).Set(value)
}

// NodeAnswered counts a request to a node.
func (s *Set) NodeAnswered(node string, took time.Duration) {
	s.nodeDurations.WithLabelValues(node).Observe(took.Seconds())
}

// NodeFailed counts a request to a node that failed, by kind.
func (s *Set) NodeFailed(node, kind string) { s.nodeErrors.WithLabelValues(node, kind).Inc() }

// Outbox sets how many operations a node has not yet taken.
func (s *Set) Outbox(node string, operations int) {
	s.outbox.WithLabelValues(node).Set(float64(operations))
}

// Frozen sets how many indexes take no writes.
func (s *Set) Frozen(indexes int) { s.frozen.Set(float64(indexes)) }

// Differing sets how many indexes on nodes have other documents, or other
// settings, than they should.
func (s *Set) Differing(documents, settings int) {
	s.differing.WithLabelValues("documents").Set(float64(documents))
	s.differing.WithLabelValues("settings").Set(float64(settings))
}

// Acknowledged counts an accepted write.
func (s *Set) Acknowledged(kind string, took time.Duration) {
	s.acknowledged.WithLabelValues(kind).Observe(took.Seconds())
}

// Ended counts a task that ended.
func (s *Set) Ended(kind string, status meili.TaskStatus) {
	s.tasks.WithLabelValues(kind, string(status)).Inc()
}

// Synced counts a sync of the journal and the appends it covered.
func (s *Set) Synced(appends int) { s.synced.Observe(float64(appends)) }

// ForgetNode removes the figures of a node that is no longer of the fleet.
func (s *Set) ForgetNode(node string) {
	s.nodeUp.DeleteLabelValues(node)
	s.nodeDurations.DeleteLabelValues(node)
	s.nodeErrors.DeletePartialMatch(prometheus.Labels{"node": node})
	s.outbox.DeleteLabelValues(node)
	s.balance.forget(node)
	s.check.forget(node)
}

// WriteMiroir answers with the gateway's own figures in Prometheus's text form.
func (s *Set) WriteMiroir(w http.ResponseWriter, r *http.Request) {
	registry := prometheus.NewRegistry()
	for _, c := range s.Collectors() {
		registry.MustRegister(c)
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
