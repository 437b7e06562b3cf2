package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// PayOrder records that an order was paid in full.
type PayOrder struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	OrderID string     `json:"order_id"`
	PaidAt  *time.Time `json:"paid_at,omitempty"` // now if absent
}

// Stream implements domain.Command.
func (c PayOrder) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (PayOrder) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderNotFound, ErrOrderCancelled}
}

// Uses names the policy by which the payment moves the customer to a stage.
func (c PayOrder) Uses() []domain.PolicyRef { return stagePolicy(c.Subject, c.Known) }

// Decide implements domain.Command.
func (c PayOrder) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/order_id", c.OrderID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	o, err := s.order(c.Subject, c.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Paid:
		return nil, nil
	case o.Cancelled:
		return nil, ErrOrderCancelled.With("the order %q was cancelled", c.OrderID)
	}
	at := c.At(&p, "/paid_at", c.PaidAt, o.PlacedAt, "the order was placed")
	if err := p.Err(); err != nil {
		return nil, err
	}
	paid := OrderPaid{OrderID: c.OrderID, PaidAt: at, PlacedOn: new(o.PlacedOn)}
	before, after := paying(c.Subject, c.Known, s, paid)
	return slices.Concat(before, []Event{paid}, after), nil
}
