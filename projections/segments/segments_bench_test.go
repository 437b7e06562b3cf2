package segments_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/segment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/segments"
)

// BenchmarkEvent is what one event of a customer costs the view: the fold, the rules
// that it concerns, and the places and totals before and after.
func BenchmarkEvent(b *testing.B) {
	day := domain.NewDate(2026, 3, 1)
	for _, rules := range []int{0, 50} {
		for _, orders := range []int{5, 100} {
			b.Run(fmt.Sprintf("%d rules, %d orders", rules, orders), func(b *testing.B) {
				w := new(projections.World)
				position := uint64(0)
				event := func(stream string, of uuid.UUID, data any) projections.Event {
					position++
					return projections.Event{ID: uuid.NewSHA1(of, fmt.Append(nil, position)), Position: position, Stream: stream, Type: "customer.order_recorded",
						Data: data, Meta: eventschema.Meta{Customer: of, OccurredAt: day.Start(time.UTC), RecordedAt: day.Start(time.UTC)}}
				}
				w = w.Evolve(event("", uuid.Nil, calendar.DayClosed{Date: day, Zone: "UTC"}))
				set := new(segment.Set)
				for i := range rules {
					id := fmt.Sprintf("s%d", i)
					rule := []string{"orders.within(%d).count() > 2", "orders.within(%d).map(o, o.net).sum() > 10000", "orders.count() > 1 && days_since(orders.last().on) >= %d",
						"rfm.score > %d", "held_for(stage, %d)"}[i%5]
					set = set.With(segment.Defined{SegmentID: id, Kind: segment.Dynamic, Name: id, Rule: fmt.Sprintf(rule, i+1)}, uuid.Nil, uint64(i+1))
				}
				w.Segments = set
				stored, err := w.Encode()
				if err != nil {
					b.Fatal(err)
				}
				if w, err = projections.DecodeWorld(stored); err != nil {
					b.Fatal(err)
				}
				view := segments.New(nil)
				ann := uuid.UUID{15: 1}
				var d segments.Document
				view.FoldIn(&d, event("", ann, customer.Registered{Kind: customer.Person, RegisteredAt: day.Start(time.UTC)}), w)
				order := func(n int) projections.Event {
					return event("", ann, customer.OrderRecorded{
						OrderID: fmt.Sprint("o", n), PlacedOn: day - domain.Date(n%300), Total: domain.Money{AmountMinor: 5000, Currency: "EUR"},
					})
				}
				for n := range orders - 1 {
					view.FoldIn(&d, order(n), w)
				}
				document, err := json.Marshal(d)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(document)), "document-bytes")
				last := order(orders)
				b.ResetTimer()
				for b.Loop() {
					b.StopTimer()
					var fresh segments.Document
					if err := json.Unmarshal(document, &fresh); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					view.Indexes(&fresh, w)
					view.Metrics(&fresh, w)
					view.FoldIn(&fresh, last, w)
					view.Indexes(&fresh, w)
					view.Metrics(&fresh, w)
				}
			})
		}
	}
}
