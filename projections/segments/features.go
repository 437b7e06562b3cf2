package segments

import (
	"iter"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	rules "github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/domain/value"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// Features returns what a customer is put into a cluster by: as of the day of the
// fit, with all that came since.
func (d *Document) Features(f *cluster.Fitted, w *projections.World) map[string]int64 {
	names := f.Names()
	if len(names) == 0 || d.Out() {
		return nil
	}
	scored, valued := w.GroupedBy(f.ClusterID, f.TriggerPosition)
	return d.features(names, grouping{f.AsOf, rfm.Forever, w, scored.RFM, valued.Value})
}

// grouping is by what customers are grouped: as of a day, by what is dated up to
// another. A policy is nil where there was none.
type grouping struct {
	asOf, until domain.Date
	world       *projections.World
	rfm         *rules.Policy
	value       *value.Policy
}

// features returns those features of a customer that are known, by name.
func (d *Document) features(names []string, g grouping) map[string]int64 {
	known := make(map[string]int64, len(names))
	for _, name := range names {
		switch name {
		case cluster.RecencyDays, cluster.Frequency, cluster.Monetary:
			d.scored(known, g)
		case cluster.TenureDays:
			if registered := domain.DateOf(d.Profile.RegisteredAt, g.world.Location()); registered <= g.until {
				known[name] = max(0, int64(g.asOf)-int64(registered))
			}
		case cluster.PointsSpendable:
			known[name] = d.Loyalty.Balance().Spendable
		case cluster.AverageOrder, cluster.OrdersWindow, cluster.Contribution:
			d.measured(known, g)
		}
	}
	return known
}

func (d *Document) scored(known map[string]int64, g grouping) {
	if g.rfm == nil {
		return
	}
	orders := d.Orders()
	if v, reason := rfm.Values(&orders, g.rfm, g.asOf, g.until); reason == "" {
		known[cluster.RecencyDays], known[cluster.Frequency], known[cluster.Monetary] = v.RecencyDays, v.Frequency, v.MonetaryMinor
	}
}

func (d *Document) measured(known map[string]int64, g grouping) {
	if g.value == nil {
		return
	}
	day := value.Day{AsOf: &g.asOf, Until: &g.until, Zone: g.world.Location()}
	all := value.MeasuresOf(&d.Books.Inputs, g.value, day)
	for feature, measure := range map[string]string{
		cluster.AverageOrder: value.AverageOrder, cluster.OrdersWindow: value.OrdersWindow, cluster.Contribution: value.Contributed,
	} {
		if m := all.Of(measure); m.Known {
			known[feature] = m.Value
		}
	}
}

// collectVectors makes the note of the partition's customers for a clustering. Who is
// out is not in the population.
func collectVectors(r cluster.Requested, position uint64, w *projections.World, documents iter.Seq2[uuid.UUID, *Document]) ([]byte, error) {
	scored, valued := w.GroupedBy(r.ClusterID, position)
	g := grouping{r.AsOf, r.AsOf, w, scored.RFM, valued.Value}
	currency := ""
	if g.rfm != nil {
		currency = g.rfm.Currency
	}
	note := cluster.NewNote(r.AsOf, currency, r.Features)
	for id, d := range documents {
		if d.Out() {
			continue
		}
		known := d.features(r.Features, g)
		values := make([]int64, len(r.Features))
		complete := true
		for i, name := range r.Features {
			v, ok := known[name]
			values[i], complete = v, complete && ok
		}
		if !complete {
			values = nil
		}
		note.Add(id, values)
	}
	return note.Encode(), nil
}
