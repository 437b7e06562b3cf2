// Package partitiontest holds the projections to their one promise: however the
// log is cut into batches, whatever breaks, is delivered again or written by
// somebody else, the store holds what folding the log from the start gives, to
// the byte. It is run with every store.
package partitiontest

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
)

// Spend is a document with all that a document can have: personal data, maps,
// places and totals that depend on the world, and an end.
type Spend struct {
	Name   string           `json:"name,omitempty"`
	Orders map[string]int64 `json:"orders,omitempty"`
	Total  int64            `json:"total"`
	Last   *domain.Date     `json:"last,omitempty"`
}

// Indexes lists the indexes of the test views.
var Indexes = []string{"total", "segment", "count", "level", projections.IndexDue}

// NewSpend returns a view in which every feature of a view is used.
func NewSpend() *projections.View[Spend] {
	return &projections.View[Spend]{
		Name: "spend",
		Fold: func(d *Spend, e projections.Event) bool {
			switch o := e.Data.(type) {
			case customer.Registered:
				d.Name = o.Name.Display
			case customer.OrderRecorded:
				if d.Orders == nil {
					d.Orders = map[string]int64{}
				}
				d.Orders[o.OrderID] = o.Total.AmountMinor
				d.Total += o.Total.AmountMinor
				d.Last = &o.PlacedOn
			case customer.OrderCancelled:
				d.Total -= d.Orders[o.OrderID]
				if delete(d.Orders, o.OrderID); len(d.Orders) == 0 {
					*d = Spend{}
				}
			default:
				return false
			}
			return true
		},
		Indexes: func(d *Spend, w *projections.World) []projections.Place {
			return []projections.Place{
				{Index: "total", Key: fmt.Sprintf("%012d", d.Total)},
				{Index: "segment", Key: segment(d, w)},
			}
		},
		Metrics: func(d *Spend, w *projections.World) []projections.Metric {
			return []projections.Metric{{Name: "revenue", Value: d.Total}, {Name: "segment:" + segment(d, w), Value: 1}}
		},
		Rescores: func(e projections.Event) bool {
			switch e.Data.(type) {
			case calendar.DayClosed, rfm.Calibrated:
				return true
			}
			return false
		},
		Contribution: &projections.Contribution[Spend]{
			Asked: func(e projections.Event, _ *projections.World) (string, bool) {
				_, ok := e.Data.(calendar.DayClosed)
				return fmt.Sprintf("spend:%d", e.Position), ok
			},
			Collect: func(_ projections.Event, _ *projections.World, documents iter.Seq2[uuid.UUID, *Spend]) ([]byte, error) {
				var totals []int64
				for _, d := range documents {
					totals = append(totals, d.Total)
				}
				return json.Marshal(totals)
			},
			Settled: func(e projections.Event) (string, bool) {
				c, ok := e.Data.(rfm.Calibrated)
				return fmt.Sprintf("spend:%d", c.TriggerPosition), ok
			},
		},
	}
}

func segment(d *Spend, w *projections.World) string {
	switch {
	case w.Closed == nil || d.Last == nil:
		return "new"
	case *d.Last+3 < *w.Closed:
		return "asleep"
	case w.Calibration != nil && len(w.Calibration.Monetary) > 0 && d.Total >= w.Calibration.Monetary[0]:
		return "high"
	}
	return "low"
}

// Count is a small document beside the other.
type Count struct {
	Events int `json:"events"`
}

// NewCount returns a view that counts orders and does not look at the world.
func NewCount() *projections.View[Count] {
	return &projections.View[Count]{
		Name: "count",
		Fold: func(d *Count, e projections.Event) bool {
			_, ok := e.Data.(customer.OrderRecorded)
			if ok {
				d.Events++
			}
			return ok
		},
		Indexes: func(d *Count, _ *projections.World) []projections.Place {
			return []projections.Place{{Index: "count", Key: fmt.Sprintf("%06d", d.Events)}}
		},
		Metrics: func(d *Count, _ *projections.World) []projections.Metric {
			return []projections.Metric{{Name: "events", Value: int64(d.Events)}}
		},
	}
}
