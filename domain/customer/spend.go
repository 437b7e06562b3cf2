package customer

import (
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// spending returns the redemption of points by the programme: what they are worth
// now. What they are spent on is left to the caller.
func (b *booker) spending(v loyalty.Version, id string, points int64, from []Portion) PointsRedeemed {
	p := v.Policy
	e := PointsRedeemed{
		RedemptionID: id, Points: points, From: from, Rate: Rate{p.Redemption.Points, p.Redemption.ValueMinor},
		PolicyVersion: v.Version, RollsTo: b.rolls(p, b.now), RedeemedAt: b.now,
	}
	e.Value.AmountMinor, e.Value.Currency = p.Redemption.Value(points), p.Currency
	return e
}

// held finds a hold that can be captured.
func (b *booker) held(id string) (*Hold, error) {
	if h := b.Hold(id); h != nil {
		return h, nil
	}
	if _, known := b.ledger.holds[id]; known {
		return nil, ErrPointsHoldExpired.With("the hold %q has ended: it was captured or released, or its time was over", id)
	}
	return nil, ErrPointsHoldNotFound.With("the customer holds no points under %q", id)
}

// capture spends what is held on an order. An empty id is nothing to do.
func (b *booker) capture(id string, o *Order) error {
	if id == "" {
		return nil
	}
	h, err := b.held(id)
	if err != nil {
		return err
	}
	v, ok := b.program(b.today())
	if !ok {
		return ErrNoProgram.With("no loyalty programme is in force on %s", b.today())
	}
	e := b.spending(v, id, h.Points, whole(h))
	e.OrderID = o.OrderID
	b.book(e.captured(id))
	return nil
}
