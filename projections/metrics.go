package projections

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what groups do. A nil *Metrics counts nothing.
type Metrics struct {
	Applied prometheus.Counter
	Commits prometheus.Histogram
}

// NewMetrics registers the metrics of the projections.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		Applied: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rapport_projection_events_applied_total",
			Help: "Events applied by partitions; a broadcast event counts in each.",
		}),
		Commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "rapport_projection_commit_seconds",
			Help:    "Time from a message to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2.5, 12),
		}),
	}
	registry.MustRegister(m.Applied, m.Commits)
	return m
}

func (m *Metrics) applied(events int) {
	if m != nil {
		m.Applied.Add(float64(events))
	}
}

func (m *Metrics) committed(d time.Duration) {
	if m != nil {
		m.Commits.Observe(d.Seconds())
	}
}
