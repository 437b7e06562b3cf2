package customer_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
)

// A coupon that is worth points credits them with the order it is redeemed with, and
// the order takes them along when it is cancelled.
func TestCouponsThatGivePoints(t *testing.T) {
	worth70 := plain("K1", func(e *CouponIssued) { e.Benefit = CouponBenefit{Kind: CouponPoints, Points: 70} })
	used := CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Points: 70, RedeemedAt: noon}
	source := LotSource{Kind: LotCoupon, Ref: "K1/o1"}
	earned := PointsEarned{
		Lot:    Lot{LotID: "coupon:K1/o1", Points: 70, EarnedAt: noon, AvailableAt: noon, Source: source},
		Inputs: loyalty.Inputs{Quantity: 1, Points: 70, Rounding: loyalty.Floor}, Expiry: never, PlacedOn: today, PolicyVersion: 4, BookedAt: noon,
	}
	cause := ReversalCause{Type: ReversalCancelled, OrderID: "o1"}
	reversed := PointsEarnReversed{
		Source: source, LotID: "coupon:K1/o1", Points: 70, From: []Portion{{LotID: "coupon:K1/o1", Points: 70}}, PlacedOn: today,
		Remaining: "0", Cause: cause, PolicyVersion: 4, ReversedAt: noon,
	}
	back := CouponRestored{
		CouponID: "K1", OrderID: "o1", RestoredAt: noon,
		Reopened: &CouponTerms{Benefit: worth70.Benefit, ExpiresAt: couponEnd, Uses: 1, IssuedAt: noon},
	}
	redeem := RedeemCoupon{Subject: at, Known: desks(), CouponID: "K1", OrderID: "o1"}
	cancel := CancelOrder{Subject: at, Known: desks(), OrderID: "o1"}
	// A slash in the id of a coupon is not that before the id of the order.
	slashed := with(worth70, func(e *CouponIssued) { e.CouponID = "K/1" })
	usedSlashed := with(used, func(e *CouponRedeemed) { e.CouponID = "K/1" })
	earnedSlashed := with(earned, func(e *PointsEarned) {
		e.Lot.LotID, e.Lot.Source.Ref = "coupon:K:1/o1", "K:1/o1"
	})
	some := RefundRecorded{RefundID: "r1", OrderID: "o1", Amount: eur(400), RefundedAt: noon, RefundedOn: today}
	rest := RecordRefund{Subject: at, Known: desks(), RefundID: "r2", OrderID: "o1", Amount: eur(600)}
	unpaid, sold := []Event{registered, joined, ordered, worth70}, []Event{registered, joined, ordered, orderPaid, worth70}
	given := append(sold[:len(sold):len(sold)], used, earned)
	run(t, []spec{
		{Name: "a member", Given: sold, When: redeem, Then: []Event{used, earned}},
		{Name: "no member", Given: []Event{registered, ordered, orderPaid, worth70}, When: redeem, Error: ErrNotEnrolled},
		{Name: "no programme", Given: sold, When: with(redeem, func(c *RedeemCoupon) { c.World = nil }), Error: ErrNoProgram},
		{Name: "an order that is not paid", Given: unpaid, When: redeem, Error: ErrCouponOrderUnpaid},
		{Name: "again", Given: given, When: redeem},
		{Name: "a coupon with a slash", Given: []Event{registered, joined, ordered, orderPaid, slashed}, When: with(redeem, func(c *RedeemCoupon) { c.CouponID = "K/1" }),
			Then: []Event{usedSlashed, earnedSlashed}},
		{Name: "the order is cancelled", Given: given, When: cancel, Then: []Event{with(cancelled, func(e *OrderCancelled) { e.PaidOrdersLeft = ptr(0) }), back, reversed}},
		{Name: "some of it is refunded", Given: given, When: RecordRefund{Subject: at, Known: desks(), RefundID: "r1", OrderID: "o1", Amount: eur(400)}, Then: []Event{some}},
		{Name: "all of it is", Given: append(given[:len(given):len(given)], some), When: rest, Then: []Event{
			RefundRecorded{RefundID: "r2", OrderID: "o1", Amount: eur(600), RefundedAt: noon, RefundedOn: today, PaidOrdersLeft: ptr(0)},
			with(reversed, func(e *PointsEarnReversed) {
				e.Cause = ReversalCause{Type: ReversalRefunded, OrderID: "o1", RefundID: "r2"}
			}),
		}},
	})
}

func TestExpireCoupons(t *testing.T) {
	then := domain.Subject{Customer: id, Now: couponEnd}
	run(t, []spec{
		{Name: "a coupon is over", Given: []Event{registered, issued}, When: ExpireCoupons{then}, Then: []Event{lapsed}},
		{Name: "dated when it was", Given: []Event{registered, issued}, When: ExpireCoupons{domain.Subject{Customer: id, Now: couponEnd.Add(90 * 24 * time.Hour)}}, Then: []Event{lapsed}},
		{Name: "none is", Given: []Event{registered, issued}, When: ExpireCoupons{at}},
		{Name: "nor again", Given: []Event{registered, issued, lapsed}, When: ExpireCoupons{then}},
		{Name: "nobody is there", When: ExpireCoupons{then}, Error: ErrNotFound},
	})
}
