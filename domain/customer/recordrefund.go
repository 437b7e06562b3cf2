package customer

import (
	"fmt"
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// RecordRefund records that money of a paid order went back. Refunds of an
// order add up to the order at most, in all and of each line.
type RecordRefund struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	RefundID   string       `json:"refund_id"` // unique within the customer
	OrderID    string       `json:"order_id"`
	Lines      []RefundLine `json:"lines,omitempty" jsonschema:"maxItems=500"` // absent: of the order as a whole
	Amount     domain.Money `json:"amount"`                                    // the sum of the lines, where there are lines
	Reason     string       `json:"reason,omitempty"`
	RefundedAt *time.Time   `json:"refunded_at,omitempty"` // now if absent
	RefundedOn *domain.Date `json:"refunded_on,omitempty"` // the business date; if absent, that of refunded_at in the business zone
}

// Stream implements domain.Command.
func (c RecordRefund) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (RecordRefund) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrOrderNotFound, ErrOrderNotPaid, ErrRefundExists, ErrRefundExceeds, ErrRefundCurrency}
}

// Uses names the policies that say what becomes of the points.
func (c RecordRefund) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command.
func (c RecordRefund) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	o, err := s.order(c.Subject, c.OrderID)
	if err != nil {
		return nil, err
	}
	if r, known := s.refunds[c.RefundID]; known {
		if c.same(r) {
			return nil, nil
		}
		return nil, ErrRefundExists.With("the customer has a refund %q with other content", c.RefundID)
	}
	switch {
	case !o.Paid:
		return nil, ErrOrderNotPaid.With("the order %q is not paid", c.OrderID)
	case c.Amount.Currency != o.Total.Currency:
		return nil, ErrRefundCurrency.With("the order %q is in %s, not in %s", c.OrderID, o.Total.Currency, c.Amount.Currency)
	}
	if err := c.fits(o); err != nil {
		return nil, err
	}
	var p domain.Problems
	at := c.At(&p, "/refunded_at", c.RefundedAt, o.PaidAt, "the order was paid")
	on := businessDate(c.Subject, &p, "/refunded_on", c.RefundedOn, at)
	if err := p.Err(); err != nil {
		return nil, err
	}
	e := RefundRecorded{
		RefundID: c.RefundID, OrderID: c.OrderID, Lines: c.Lines, Amount: c.Amount, Reason: c.Reason,
		RefundedAt: at, RefundedOn: on,
	}
	if o.stands() && o.Refunded+c.Amount.AmountMinor == o.Total.AmountMinor {
		e.PaidOrdersLeft = s.paidBeside(o)
	}
	points := newBooker(c.Subject, c.Known, s, at)
	e.Qualifying = o.disqualified(c.Amount.AmountMinor, points.program)
	points.Account.Fold(Record{Event: e})
	var coupons []LotSource
	after := o.refunded(e)
	if after.Refunded >= after.Total.AmountMinor {
		coupons = s.couponSources(o.OrderID) // nothing is left that they were redeemed with
	}
	points.refunded(after, ReversalCause{Type: ReversalRefunded, OrderID: o.OrderID, RefundID: c.RefundID}, coupons...)
	return slices.Concat(points.due, []Event{e}, points.taken()), nil
}

// check refuses a request that is wrong in itself.
func (c RecordRefund) check() error {
	var p domain.Problems
	p.Required("/refund_id", c.RefundID, maxID)
	p.Required("/order_id", c.OrderID, maxID)
	p.Text("/reason", c.Reason, maxText)
	p.Currency("/amount/currency", c.Amount.Currency)
	p.Amount("/amount/amount_minor", c.Amount.AmountMinor)
	if c.Amount.AmountMinor == 0 {
		p.Add("/amount/amount_minor", "must be positive")
	}
	if len(c.Lines) > maxLines {
		p.Add("/lines", "must have at most %d entries", maxLines)
		return p.Err()
	}
	sum := int64(0)
	for i, l := range c.Lines {
		pointer := fmt.Sprintf("/lines/%d", i)
		p.Amount(pointer+"/amount_minor", l.AmountMinor)
		if l.Quantity < 0 {
			p.Add(pointer+"/quantity", "must not be negative")
		}
		sum += min(l.AmountMinor, domain.MaxAmountMinor) // at most 500 of them: fits
	}
	if err := p.Err(); err != nil {
		return err
	}
	if len(c.Lines) > 0 && sum != c.Amount.AmountMinor {
		p.Add("/amount/amount_minor", "is %d, but the lines add up to %d", c.Amount.AmountMinor, sum)
	}
	return p.Err()
}

// fits refuses to give back more than the order was.
func (c RecordRefund) fits(o *Order) error {
	if left := o.Total.AmountMinor - o.Refunded; c.Amount.AmountMinor > left {
		return ErrRefundExceeds.With("%d of the order %q can still be refunded, not %d", left, c.OrderID, c.Amount.AmountMinor)
	}
	var p domain.Problems
	asked := map[int]RefundLine{}
	for i, l := range c.Lines {
		pointer := fmt.Sprintf("/lines/%d/line", i)
		if l.Line < 0 || l.Line >= len(o.Lines) {
			p.Add(pointer, "the order has %d lines, counted from 0", len(o.Lines))
			continue
		}
		sum, before, of := asked[l.Line], o.RefundedLines[l.Line], o.Lines[l.Line]
		sum.AmountMinor += l.AmountMinor
		sum.Quantity = min(sum.Quantity+min(l.Quantity, of.Quantity+1), of.Quantity+1)
		asked[l.Line] = sum
		if left := of.AmountMinor - before.AmountMinor; sum.AmountMinor > left {
			return ErrRefundExceeds.With("%d of line %d, counted from 0, can still be refunded, not %d", left, l.Line, sum.AmountMinor)
		}
		if left := of.Quantity - before.Quantity; sum.Quantity > left {
			return ErrRefundExceeds.With("%d pieces of line %d, counted from 0, can still go back, not more", left, l.Line)
		}
	}
	return p.Err()
}

// same says whether a refund was recorded with this content. Of the times only
// those count that the request names.
func (c RecordRefund) same(r RefundRecorded) bool {
	return r.OrderID == c.OrderID && r.Amount == c.Amount && r.Reason == c.Reason && slices.Equal(r.Lines, c.Lines) &&
		(c.RefundedAt == nil || r.RefundedAt.Equal(*c.RefundedAt)) &&
		(c.RefundedOn == nil || r.RefundedOn == *c.RefundedOn)
}
