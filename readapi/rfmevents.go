package readapi

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/rfm"
)

// Behind is the events behind a customer's scores.
type Behind struct {
	CalibrationEvent uuid.UUID    `json:"calibration_event,omitzero"` // that made the cut points
	PolicyEvent      uuid.UUID    `json:"policy_event,omitzero"`      // that published the policy
	PolicyVersion    int          `json:"policy_version,omitempty"`
	Orders           []OrderEvent `json:"orders"` // what happened to the orders, in the order of the stream
}

// OrderEvent is an event of an order, and what the values would be without it.
type OrderEvent struct {
	ID         uuid.UUID    `json:"id"`
	Type       string       `json:"type"`
	Revision   uint64       `json:"revision"`
	OccurredAt time.Time    `json:"occurred_at"`
	OrderID    string       `json:"order_id"`
	Without    *ScoreValues `json:"without" jsonschema:"nullable"` // null: there would be none
}

// ScoreValues is what a customer is scored by.
type ScoreValues struct {
	RecencyDays  int64 `json:"recency_days"`
	Transactions int64 `json:"transactions"`
	AmountMinor  int64 `json:"amount_minor"`
}

// behind reads the events behind a customer's scores, and the document that they
// fold to.
func (a *API) behind(ctx context.Context, id uuid.UUID, w *projections.World) (*Behind, *rfm.Document, uint64, error) {
	t, err := a.timeline(ctx)
	if err != nil {
		return nil, nil, 0, err
	}
	b := &Behind{Orders: []OrderEvent{}}
	s := &withouts{orders: map[string]*orderParts{}}
	doc, last := new(rfm.Document), uint64(0)
	err = a.events(ctx, id, 0, func(raw eventschema.Raw, e eventschema.Event) (bool, error) {
		last = raw.Position
		order := orderOf(e.Data)
		if order == "" {
			return true, nil
		}
		rfmView.Fold(doc, e)
		s.add(order, e)
		b.Orders = append(b.Orders, OrderEvent{ID: e.ID, Type: e.Type, Revision: e.Revision, OccurredAt: e.Meta.OccurredAt, OrderID: order})
		return true, nil
	})
	if err != nil {
		return nil, nil, 0, err
	}
	x := rfm.Explain(doc, w)
	if x.Policy == nil {
		return b, doc, last, nil
	}
	b.PolicyVersion = x.Calibration.PolicyVersion
	b.CalibrationEvent, b.PolicyEvent = t.behind(x.Calibration.TriggerPosition, b.PolicyVersion)
	s.sum(x)
	for i := range b.Orders {
		b.Orders[i].Without = s.without(&b.Orders[i])
	}
	return b, doc, last, nil
}

// behind returns the events that made a calibration and published a policy.
func (t *timeline) behind(trigger uint64, version int) (calibration, published uuid.UUID) {
	for _, c := range t.calibrations {
		if c.TriggerPosition == trigger {
			calibration = c.id
		}
	}
	for _, p := range t.published {
		if p.Kind == policy.KindRFM && p.Version == version {
			published = p.id
		}
	}
	return calibration, published
}

// orderOf returns the order that an event is about, "" for none.
func orderOf(data any) string {
	switch d := data.(type) {
	case customer.OrderRecorded:
		return d.OrderID
	case customer.OrderPaid:
		return d.OrderID
	case customer.OrderCancelled:
		return d.OrderID
	case customer.RefundRecorded:
		return d.OrderID
	}
	return ""
}

// withouts says what the values would be without one event: all of them are
// sums, or the least, of what each order gives.
type withouts struct {
	orders map[string]*orderParts
	x      rfm.Explanation

	transactions, amount int64
	counted, mixed       int
	least                [2]int64 // the two lowest recencies of orders that count
}

// orderParts is one order by itself.
type orderParts struct {
	events []eventschema.Event
	given  rfmPart
}

// rfmPart is what one order gives to the values.
type rfmPart struct {
	ScoreValues
	counted, mixed bool
}

func (s *withouts) add(order string, e eventschema.Event) {
	one := s.orders[order]
	if one == nil {
		one = new(orderParts)
		s.orders[order] = one
	}
	one.events = append(one.events, e)
}

// part returns what an order gives without one of its events.
func (s *withouts) part(events []eventschema.Event, without uuid.UUID) (p rfmPart) {
	var d rfm.Document
	for _, e := range events {
		if e.ID != without {
			rfmView.Fold(&d, e)
		}
	}
	v, reason := rfm.Values(&d, s.x.Policy, s.x.Calibration.AsOf, rfm.Forever)
	switch reason {
	case "":
		return rfmPart{ScoreValues: ScoreValues{v.RecencyDays, v.Frequency, v.MonetaryMinor}, counted: true}
	case rfm.CurrencyMixed:
		return rfmPart{mixed: true}
	}
	return rfmPart{}
}

func (s *withouts) sum(x rfm.Explanation) {
	s.x = x
	for _, one := range s.orders {
		one.given = s.part(one.events, uuid.Nil)
		if one.given.mixed {
			s.mixed++
		}
		if !one.given.counted {
			continue
		}
		s.counted++
		s.transactions += one.given.Transactions
		s.amount += one.given.AmountMinor
		switch r := one.given.RecencyDays; {
		case s.counted == 1 || r < s.least[0]:
			s.least[0], s.least[1] = r, s.least[0]
		case s.counted == 2 || r < s.least[1]:
			s.least[1] = r
		}
	}
}

// without returns the values without an event, nil if there would be none.
func (s *withouts) without(e *OrderEvent) *ScoreValues {
	one := s.orders[e.OrderID]
	rest, others, mixed := s.part(one.events, e.ID), s.counted, s.mixed
	v := ScoreValues{Transactions: s.transactions + rest.Transactions, AmountMinor: s.amount + rest.AmountMinor}
	recency := s.least[0]
	if one.given.counted {
		others--
		v.Transactions, v.AmountMinor = v.Transactions-one.given.Transactions, v.AmountMinor-one.given.AmountMinor
		if one.given.RecencyDays == s.least[0] {
			recency = s.least[1]
		}
	}
	if one.given.mixed {
		mixed--
	}
	if mixed > 0 || rest.mixed || others == 0 && !rest.counted {
		return nil
	}
	switch {
	case others == 0:
		recency = rest.RecencyDays
	case rest.counted:
		recency = min(recency, rest.RecencyDays)
	}
	v.RecencyDays = recency
	return &v
}
