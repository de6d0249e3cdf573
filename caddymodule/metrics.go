package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// registerCollectors puts Miroir's figures into a configuration's registry. It
// may be called for each configuration, and more than once for one.
func registerCollectors(registry *prometheus.Registry) error {
	var already prometheus.AlreadyRegisteredError
	if err := registry.Register(engineCollector{}); err != nil && !errors.As(err, &already) {
		return err
	}
	return nil
}

// engineCollector gives the figures of the engine in force, whichever that is
// when they are asked for. Counters therefore go on through reloads, a registry
// needs no engine to be made, and one that outlives its configuration (as that
// of a refused one does, on the admin endpoint) still shows what is true.
type engineCollector struct{}

// Describe implements prometheus.Collector. It names nothing, which makes the
// collector an unchecked one: what there is to collect depends on the engine.
func (engineCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (engineCollector) Collect(to chan<- prometheus.Metric) {
	at := attachments.newest()
	if at == nil {
		return
	}
	for _, c := range at.engine.Collectors() {
		c.Collect(to)
	}
}
