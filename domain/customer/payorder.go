package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// PayOrder records that an order was paid in full.
type PayOrder struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	OrderID string     `json:"order_id"`
	PaidAt  *time.Time `json:"paid_at,omitempty"` // now if absent
	FX      *FX        `json:"fx,omitempty"`      // of an order that was recorded without a rate
}

// Stream implements domain.Command.
func (c PayOrder) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (PayOrder) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderNotFound, ErrOrderCancelled, loyalty.ErrFXMissing}
}

// Uses names the policies by which the payment moves the customer to a stage. The
// points say in their own event by which version they were given.
func (c PayOrder) Uses() []domain.PolicyRef { return stagePolicy(c.Subject, c.Known) }

// Decide implements domain.Command.
func (c PayOrder) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/order_id", c.OrderID, maxID)
	if o := s.Order(c.OrderID); c.FX != nil && o != nil {
		c.FX.check(&p, o.Total.Currency)
		if o.FX != nil && *o.FX != *c.FX {
			p.Add("/fx", "the order was recorded with another rate")
		}
	}
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
	if c.FX != nil && o.FX == nil {
		with := *o
		with.FX, paid.FX, o = c.FX, c.FX, &with
	}
	points := newBooker(c.Subject, c.Known, s, at)
	if err := points.convertible(o); err != nil {
		return nil, err
	}
	return paying(c.Subject, c.Known, s, o, paid, points, nil)
}
