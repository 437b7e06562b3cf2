package segments

import (
	"iter"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/cluster"
	"github.com/rapport-crm/rapport/domain/policy"
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
	return d.features(names, f.AsOf, rfm.Forever, w)
}

// features returns those features of a customer that are known, by name.
func (d *Document) features(names []string, asOf, until domain.Date, w *projections.World) map[string]int64 {
	known := make(map[string]int64, len(names))
	for _, name := range names {
		switch name {
		case cluster.RecencyDays, cluster.Frequency, cluster.Monetary:
			d.scored(known, asOf, until, w)
		case cluster.TenureDays:
			if registered := domain.DateOf(d.Profile.RegisteredAt, w.Location()); registered <= until {
				known[name] = max(0, int64(asOf)-int64(registered))
			}
		case cluster.PointsSpendable:
			known[name] = d.Loyalty.Balance().Spendable
		case cluster.AverageOrder, cluster.OrdersWindow, cluster.Contribution:
			d.measured(known, asOf, until, w)
		}
	}
	return known
}

func (d *Document) scored(known map[string]int64, asOf, until domain.Date, w *projections.World) {
	p, ok := w.Policy(policy.KindRFM, asOf+1)
	if !ok || p.RFM == nil {
		return
	}
	orders := d.Orders()
	if v, reason := rfm.Values(&orders, p.RFM, asOf, until); reason == "" {
		known[cluster.RecencyDays], known[cluster.Frequency], known[cluster.Monetary] = v.RecencyDays, v.Frequency, v.MonetaryMinor
	}
}

func (d *Document) measured(known map[string]int64, asOf, until domain.Date, w *projections.World) {
	p, ok := w.Policy(policy.KindValue, asOf+1)
	if !ok || p.Value == nil {
		return
	}
	day := value.Day{AsOf: &asOf, Until: &until, Zone: w.Location()}
	all := value.MeasuresOf(&d.Books.Inputs, p.Value, day)
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
func collectVectors(r cluster.Requested, w *projections.World, documents iter.Seq2[uuid.UUID, *Document]) ([]byte, error) {
	currency := ""
	if p, ok := w.Policy(policy.KindRFM, r.AsOf+1); ok && p.RFM != nil {
		currency = p.RFM.Currency
	}
	note := cluster.NewNote(r.AsOf, currency, r.Features)
	for id, d := range documents {
		if d.Out() {
			continue
		}
		known := d.features(r.Features, r.AsOf, r.AsOf, w)
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
