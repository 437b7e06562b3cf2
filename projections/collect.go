package projections

import "github.com/prometheus/client_golang/prometheus"

var (
	positionDesc = prometheus.NewDesc("rapport_projection_position", "Position of the log that a view has committed in every partition.", []string{"view"}, nil)
	lagDesc      = prometheus.NewDesc("rapport_projection_lag", "Positions of the log that a view has still to apply.", []string{"view"}, nil)
	secondsDesc  = prometheus.NewDesc("rapport_projection_lag_seconds", "Age of the first event that a view has still to apply.", []string{"view"}, nil)
	lanesDesc    = prometheus.NewDesc("rapport_projection_partitions", "Partitions of a view by what they do; poison is one stopped at an event that cannot be applied.", []string{"view", "state"}, nil)
	rebuildDesc  = prometheus.NewDesc("rapport_projection_rebuild_ratio", "How much of the log a rebuild has applied, 0 to 1.", []string{"view"}, nil)
	parkedDesc   = prometheus.NewDesc("rapport_projection_parked_events", "Events that an operator had passed over.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m *Manager) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{positionDesc, lagDesc, secondsDesc, lanesDesc, rebuildDesc, parkedDesc} {
		to <- d
	}
}

// Collect implements prometheus.Collector: how the views are, as Status tells.
func (m *Manager) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	s := m.Status()
	for _, v := range s.Views {
		gauge(positionDesc, float64(v.Position), v.View)
		gauge(lagDesc, float64(v.Lag), v.View)
		gauge(secondsDesc, v.LagSeconds, v.View)
		states := map[string]int{LaneLive: 0, LaneCatching: 0, LanePoison: 0, LaneFailing: 0, LaneStandby: 0}
		for _, l := range v.Partitions {
			states[l.State]++
		}
		for state, n := range states {
			gauge(lanesDesc, float64(n), v.View, state)
		}
		if r := v.Rebuild; r != nil && r.Total > 0 {
			gauge(rebuildDesc, float64(r.Done)/float64(r.Total), v.View)
		}
	}
	gauge(parkedDesc, float64(len(s.Parked)))
}
