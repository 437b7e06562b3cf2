package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// PayOrder records that an order was paid in full.
type PayOrder struct {
	domain.Subject `json:"-"`

	OrderID string     `json:"order_id"`
	PaidAt  *time.Time `json:"paid_at,omitempty"` // now if absent
}

// Stream implements domain.Command.
func (c PayOrder) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (PayOrder) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderNotFound, ErrOrderCancelled}
}

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
	return []Event{OrderPaid{OrderID: c.OrderID, PaidAt: at}}, nil
}
