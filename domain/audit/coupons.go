package audit

import (
	"slices"
	"strings"
	"time"

	"github.com/rapport-crm/rapport/domain/customer"
)

// couponIssued notes what points a coupon is worth.
func (l *Ledger) couponIssued(e customer.CouponIssued) {
	if e.Benefit.Kind == customer.CouponPoints {
		put(&l.coupons, e.CouponID, e.Benefit.Points)
	}
}

// couponRedeemed checks that a coupon gives what it is worth, with an order that is
// paid. The points follow in the same append.
func (l *Ledger) couponRedeemed(e customer.CouponRedeemed) {
	worth := l.coupons[e.CouponID]
	l.check(e.Points == worth, "coupon_points", "the coupon %q is worth %d points, not %d", e.CouponID, worth, e.Points)
	if e.Points == 0 {
		return
	}
	o := l.order(e.OrderID)
	if o == nil {
		return
	}
	l.check(o.paid && !o.gone(), "order_state", "the order %q is not paid, or nothing is left of it", o.id)
	l.expected = append(l.expected, expectation{after: l.is, coupon: &e, points: e.Points})
}

// couponGives checks points that a coupon gave against its redemption, and returns
// the order with which it was redeemed; nil: that is not right.
func (l *Ledger) couponGives(e customer.PointsEarned) *order {
	coupon, with, _ := strings.Cut(e.Lot.Source.Ref, "/")
	coupon = strings.ReplaceAll(coupon, ":", "/")
	i := slices.IndexFunc(l.expected, func(x expectation) bool {
		return x.coupon != nil && x.coupon.CouponID == coupon && x.coupon.OrderID == with
	})
	if !l.check(i >= 0, "coupon_points", "no coupon %q was redeemed with an order %q for these points", coupon, with) {
		return nil
	}
	c := l.expected[i].coupon
	l.expected = slices.Delete(l.expected, i, i+1)
	in := e.Inputs
	l.check(e.Lot.Points == c.Points && in.Points == c.Points && in.Quantity == 1 && in.PerMinor == 0 && len(in.Lines) == 0 && len(in.Factors) == 0 && in.Limit == nil,
		"coupon_points", "the coupon %q gives %d points with the order %q, not %d", coupon, c.Points, with, e.Lot.Points)
	at := e.Lot.EarnedAt
	l.check(!at.Before(c.RedeemedAt) && slices.Contains(l.rules.dates(at), e.PlacedOn), "placed_on",
		"points of a coupon that was redeemed at %s do not count from %s, %s", c.RedeemedAt.Format(time.RFC3339), at.Format(time.RFC3339), e.PlacedOn)
	l.decided(at)
	if l.found != nil {
		return nil
	}
	return l.orders[with]
}
