package customer

import (
	"github.com/google/uuid"
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
		if h.Transfer != uuid.Nil {
			return nil, ErrHoldOfTransfer.With("the points are held for the transfer %s", h.Transfer)
		}
		return h, nil
	}
	if captured, is := b.ledger.captured[id]; is {
		return nil, ErrPointsHoldCaptured.With("the hold %q was captured before, by the redemption %q", id, captured)
	}
	if _, known := b.ledger.holds[id]; known {
		return nil, ErrPointsHoldExpired.With("the hold %q has ended: it was released, or its time was over", id)
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
	return b.captureAs(h, id, h.Points, "", o.OrderID)
}

// captureAs spends held points, those that lapse first before the others, and gives
// the rest back.
func (b *booker) captureAs(h *Hold, redemption string, points int64, reward, order string) error {
	if b.ledger.redemptions[redemption] != nil {
		return ErrRedemptionExists.With("the customer has a redemption %q", redemption)
	}
	v, err := b.inForce(b.today())
	if err != nil {
		return err
	}
	if err := b.redeemable(v.Policy, points, reward); err != nil {
		return err
	}
	var from []Portion
	for _, p := range whole(h) {
		if p.Points = min(p.Points, points); p.Points > 0 {
			from = append(from, p)
			points -= p.Points
		}
	}
	id := h.HoldID
	e := b.spending(v, redemption, sum(from), from)
	e.Reward, e.OrderID = reward, order
	b.book(e.captured(id))
	if rest := b.Hold(id); rest != nil {
		b.giveBack(rest, whole(rest), ReleaseCaptured, b.now)
	}
	return nil
}
