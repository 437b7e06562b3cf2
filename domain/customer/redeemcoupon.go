package customer

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
)

// RedeemCoupon redeems a coupon with an order. The coupon is named by its id, or
// by the code that the customer shows.
type RedeemCoupon struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	CouponID string `json:"coupon_id,omitempty" jsonschema:"maxLength=64"`
	Code     string `json:"code,omitempty" jsonschema:"maxLength=64"` // where there is no coupon_id
	OrderID  string `json:"order_id"`

	claims []reservation.Claim
}

// Stream implements domain.Command.
func (c RedeemCoupon) Stream() string { return Stream(c.Customer) }

// Names returns the code, if there is one: it is looked up.
func (c RedeemCoupon) Names() []reservation.Name {
	if c.Code == "" {
		return nil
	}
	return couponName(c.Code, true)
}

// NamedAt is the field that gives the name.
func (RedeemCoupon) NamedAt(int) string { return "/code" }

// WithClaims returns the command with what its code is looked up by.
func (c RedeemCoupon) WithClaims(claims []reservation.Claim) domain.Command[State, Event] {
	c.claims = claims
	return c
}

// Refuses lists the refusals that are the command's own.
func (RedeemCoupon) Refuses() []*domain.Error {
	return []*domain.Error{
		ErrNotFound, ErrCouponNotFound, ErrCouponVoided, ErrCouponUsed, ErrCouponExpired, ErrCouponNotYetValid,
		ErrCouponOrderUnknown, ErrCouponOrderUnpaid, ErrCouponNotEligible, ErrCouponNotStackable, ErrNoProgram, ErrNotEnrolled,
	}
}

// Uses names the policies by which a coupon that is worth points gives them.
func (c RedeemCoupon) Uses() []domain.PolicyRef { return pointPolicies(c.Subject, c.Known, c.Today()) }

// Decide implements domain.Command. The same coupon with the same order again is
// nothing to do.
func (c RedeemCoupon) Decide(s State) ([]Event, error) {
	var p domain.Problems
	switch {
	case c.CouponID == "" && c.Code == "":
		p.Add("/coupon_id", "is required where there is no code")
	case c.CouponID != "" && c.Code != "":
		p.Add("/code", "is for where there is no coupon_id")
	case c.Code != "":
		checkCouponCode(&p, "/code", c.Code)
	default:
		p.Text("/coupon_id", c.CouponID, maxID)
	}
	p.Required("/order_id", c.OrderID, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	k, err := c.find(s)
	if err != nil {
		return nil, err
	}
	if s.counts(k.ID, c.OrderID) {
		return nil, nil
	}
	o := s.orders[c.OrderID]
	at := c.at(k, o)
	if err := k.over(at); err != nil {
		return nil, err
	}
	switch {
	case k.ValidFrom != nil && at.Before(*k.ValidFrom):
		return nil, ErrCouponNotYetValid.With("the coupon %q is valid from %s", k.ID, k.ValidFrom.Format(time.RFC3339))
	case o == nil:
		return nil, ErrCouponOrderUnknown.With("the customer has no order %q", c.OrderID)
	case o.Cancelled:
		return nil, ErrCouponOrderUnknown.With("the order %q was cancelled", c.OrderID)
	case o.Refunded > 0 && o.Refunded >= o.Total.AmountMinor:
		return nil, ErrCouponOrderUnknown.With("the order %q was refunded in full", c.OrderID)
	case !o.Paid && k.Benefit.Kind == CouponPoints:
		return nil, ErrCouponOrderUnpaid.With("the order %q is not paid, and the coupon %q gives points: redeem it when the order is paid", c.OrderID, k.ID)
	}
	left := o.Total.AmountMinor
	for _, use := range s.couponsWith[c.OrderID] {
		if other := s.coupons[use.id]; !k.Stackable || !other.Stackable {
			return nil, ErrCouponNotStackable.With("the coupon %q was redeemed with the order %q, and not both can be redeemed together", use.id, c.OrderID)
		}
		left -= use.discount
	}
	e := CouponRedeemed{CouponID: k.ID, OrderID: c.OrderID, Use: k.Used + 1, Of: k.Uses, RedeemedAt: at}
	if err := k.apply(&e, o.Total, left); err != nil {
		return nil, err
	}
	if e.Use == e.Of {
		e.Lookup, e.Claim = k.Lookup, k.Claim
	}
	if e.Points == 0 {
		return []Event{e}, nil
	}
	b := newBooker(c.Subject, c.Known, s, at)
	v, err := b.enrolled()
	if err != nil {
		return nil, err
	}
	// The points are booked as earned: a cancellation of the order takes them back.
	b.bookEarned(PointsEarned{
		Lot:    b.newLot(v.Policy, couponSource(k.ID, c.OrderID), e.Points, b.today(), b.now, 0),
		Inputs: loyalty.Inputs{Quantity: 1, Points: e.Points, Rounding: loyalty.Floor}, Expiry: v.Policy.Expiry,
		PlacedOn: b.today(), Tier: b.level(), PolicyVersion: v.Version, RollsTo: b.rolls(v.Policy, b.now), BookedAt: b.now,
	})
	return slices.Concat(b.due, []Event{e}, b.taken()), nil
}

// couponSource is what points are credited for that a coupon gave with an order. A
// slash in the id of the coupon is written as a colon, which no coupon has: so the
// first slash is where the id of the order begins, and no two share a reference.
func couponSource(coupon, order string) LotSource {
	return LotSource{Kind: LotCoupon, Ref: strings.ReplaceAll(coupon, "/", ":") + "/" + order}
}

// find returns the coupon that is meant. Of several that had the code one after
// another it is the one that was redeemed with the order, else the last one that
// can be redeemed (whose code it is now), else the last one.
func (c RedeemCoupon) find(s State) (*issuedCoupon, error) {
	if c.Code == "" {
		return s.coupon(c.Subject, c.CouponID)
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	rank := func(k *issuedCoupon) int {
		switch {
		case s.counts(k.ID, c.OrderID):
			return 2
		case k.State(c.Now) == CouponOpen:
			return 1
		}
		return 0
	}
	var best *issuedCoupon
	for _, k := range s.coupons {
		if k.lookup != c.claims[0].Lookup {
			continue
		}
		if best == nil || rank(k) > rank(best) || rank(k) == rank(best) && k.number > best.number {
			best = k
		}
	}
	if best == nil {
		return nil, ErrCouponNotFound.With("the customer has no coupon with this code")
	}
	return best, nil
}

// at returns when the coupon is redeemed: now, but not before what it refers to.
func (c RedeemCoupon) at(k *issuedCoupon, o *Order) time.Time {
	at := c.Now
	if at.Before(k.last) {
		at = k.last
	}
	if o != nil && at.Before(o.PlacedAt) {
		at = o.PlacedAt
	}
	return at.UTC()
}

// over refuses a coupon that has ended, whatever the order.
func (c *issuedCoupon) over(at time.Time) error {
	switch c.State(at) {
	case CouponWasVoided:
		return ErrCouponVoided.With("the coupon %q was voided", c.ID)
	case CouponUsed:
		return ErrCouponUsed.With("the coupon %q is used up: %d of %d", c.ID, c.Used, c.Uses)
	case CouponLapsed:
		return ErrCouponExpired.With("the coupon %q expired at %s", c.ID, c.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// apply computes what the coupon gives with an order of a total, of which left is
// not discounted yet. An order that it gives nothing with is refused.
func (t CouponTerms) apply(e *CouponRedeemed, total domain.Money, left int64) error {
	if m := t.MinimumOrder; m != nil {
		if m.Currency != total.Currency {
			return ErrCouponNotEligible.With("the coupon is for orders in %s, and the order is in %s", m.Currency, total.Currency)
		}
		if total.AmountMinor < m.AmountMinor {
			return ErrCouponNotEligible.With("the coupon is for orders of %d %s at least, in minor units, and the order is %d", m.AmountMinor, m.Currency, total.AmountMinor)
		}
	}
	discount := int64(0)
	switch b := t.Benefit; b.Kind {
	case CouponPoints:
		e.Points = b.Points
		return nil
	case CouponGift:
		e.Gift = b.Gift
		return nil
	case CouponAmount:
		if b.Amount.Currency != total.Currency {
			return ErrCouponNotEligible.With("the coupon is worth an amount in %s, and the order is in %s", b.Amount.Currency, total.Currency)
		}
		discount = b.Amount.AmountMinor
	case CouponPercent:
		discount = total.AmountMinor * int64(b.Percent) / 100 // at most MaxAmountMinor × 100: fits; rounded down
	}
	discount = min(discount, left)
	if discount <= 0 {
		return ErrCouponNotEligible.With("the coupon would take nothing off the order, of which %d is left in minor units", max(left, 0))
	}
	e.Discount = &domain.Money{AmountMinor: discount, Currency: total.Currency}
	return nil
}
