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
	run(t, []spec{
		{Name: "a member", Given: []Event{registered, joined, ordered, worth70}, When: redeem, Then: []Event{used, earned}},
		{Name: "no member", Given: []Event{registered, ordered, worth70}, When: redeem, Error: ErrNotEnrolled},
		{Name: "no programme", Given: []Event{registered, joined, ordered, worth70}, When: with(redeem, func(c *RedeemCoupon) { c.World = nil }), Error: ErrNoProgram},
		{Name: "again", Given: []Event{registered, joined, ordered, worth70, used, earned}, When: redeem},
		{Name: "the order is cancelled", Given: []Event{registered, joined, ordered, worth70, used, earned}, When: cancel, Then: []Event{cancelled, back, reversed}},
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
