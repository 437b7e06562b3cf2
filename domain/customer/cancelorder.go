package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// CancelOrder records that an order will not be delivered.
type CancelOrder struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	OrderID     string     `json:"order_id"`
	Reason      string     `json:"reason,omitempty"`
	CancelledAt *time.Time `json:"cancelled_at,omitempty"` // now if absent
}

// Stream implements domain.Command.
func (c CancelOrder) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (CancelOrder) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderNotFound, ErrOrderRefunded}
}

// Uses names the policies that say what becomes of the points.
func (c CancelOrder) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command.
func (c CancelOrder) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/order_id", c.OrderID, maxID)
	p.Text("/reason", c.Reason, maxText)
	if err := p.Err(); err != nil {
		return nil, err
	}
	o, err := s.order(c.Subject, c.OrderID)
	switch {
	case err != nil:
		return nil, err
	case o.Cancelled:
		return nil, nil
	case o.Refunded > 0:
		return nil, ErrOrderRefunded.With("money of the order %q went back already", c.OrderID)
	}
	after, what := o.PlacedAt, "the order was placed"
	if o.Paid {
		after, what = o.PaidAt, "the order was paid"
	}
	at := c.At(&p, "/cancelled_at", c.CancelledAt, after, what)
	if err := p.Err(); err != nil {
		return nil, err
	}
	e := OrderCancelled{OrderID: c.OrderID, Reason: c.Reason, CancelledAt: at}
	if o.stands() {
		e.PaidOrdersLeft = s.paidBeside(o)
	}
	e.Qualifying = o.Qualifying
	points := newBooker(c.Subject, c.Known, s, at)
	points.Account.Fold(Record{Event: e})
	cancelled := *o
	cancelled.Cancelled = true
	points.refunded(&cancelled, ReversalCause{Type: ReversalCancelled, OrderID: o.OrderID}, s.couponSources(o.OrderID)...)
	return slices.Concat(points.due, []Event{e}, s.restoreCoupons(c.Subject, c.OrderID, at), points.taken()), nil
}
