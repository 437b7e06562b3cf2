package customer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/reservation"
)

var (
	couponClaim = reservation.Claim{Kind: reservation.KindCouponCode, Lookup: "c0de", ID: "claim-c"}
	couponEnd   = (today + 31).Start(time.UTC)

	tenPercent = CouponBenefit{Kind: CouponPercent, Percent: 10}
	issued     = CouponIssued{
		CouponID: "K1", Code: "Spring 10", Lookup: "c0de", Claim: "claim-c", Benefit: tenPercent, ExpiresAt: couponEnd, Uses: 1, IssuedAt: noon,
	}
	redeemed = CouponRedeemed{
		CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(100)), Lookup: "c0de", Claim: "claim-c", RedeemedAt: noon,
	}
	voided     = CouponVoided{CouponID: "K1", Reason: "wrong person", Lookup: "c0de", Claim: "claim-c", VoidedAt: noon}
	lapsed     = CouponExpired{CouponID: "K1", Lookup: "c0de", Claim: "claim-c", ExpiredAt: couponEnd}
	couponBack = CouponRestored{
		CouponID: "K1", OrderID: "o1", RestoredAt: noon,
		Reopened: &CouponTerms{Benefit: tenPercent, ExpiresAt: couponEnd, Uses: 1, IssuedAt: noon},
	}
)

// plain is a coupon without a code.
func plain(id string, change func(*CouponIssued)) CouponIssued {
	e := issued
	e.CouponID, e.Code, e.Lookup, e.Claim = id, "", "", ""
	change(&e)
	return e
}

// unchanged leaves a coupon as it is.
func unchanged(*CouponIssued) {}

func TestIssueCoupon(t *testing.T) {
	cmd := IssueCoupon{Subject: at, CouponID: "K1", Code: " Spring 10", Benefit: tenPercent, ValidUntil: today + 30}
	claimed := func(c IssueCoupon) domain.Command[State, Event] {
		return c.WithClaims([]reservation.Claim{couponClaim})
	}
	when := func(change func(*IssueCoupon)) domain.Command[State, Event] { return claimed(with(cmd, change)) }
	bare := with(cmd, func(c *IssueCoupon) { c.Code = "" })
	invalid := func(name string, change func(*IssueCoupon), fields ...string) spec {
		return spec{Name: name, Given: []Event{registered}, When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	benefit := func(name string, b CouponBenefit, fields ...string) spec {
		return invalid(name, func(c *IssueCoupon) { c.Benefit = b }, fields...)
	}
	far := time.FixedZone("far", 13*3600)
	many := []Event{registered}
	for i := range 100 {
		many = append(many, plain(fmt.Sprint("M", i), unchanged))
	}
	run(t, []spec{
		{Name: "a coupon with a code", Given: []Event{registered}, When: claimed(cmd), Then: []Event{issued}},
		{Name: "everything about it", Given: []Event{registered},
			When: with(bare, func(c *IssueCoupon) {
				c.CouponID, c.Benefit, c.ValidFrom, c.Uses = "K2", CouponBenefit{Kind: CouponAmount, Amount: ptr(eur(500))}, ptr(today+2), ptr(1000)
				c.MinimumOrder, c.Stackable, c.CampaignID, c.Reason, c.Zone = ptr(eur(2000)), true, "spring", "was late", far
			}),
			Then: []Event{CouponIssued{
				CouponID: "K2", Benefit: CouponBenefit{Kind: CouponAmount, Amount: ptr(eur(500))}, ValidFrom: ptr((today + 2).Start(far).UTC()),
				ExpiresAt: (today + 31).Start(far).UTC(), Uses: 1000, MinimumOrder: ptr(eur(2000)), Stackable: true, CampaignID: "spring", Reason: "was late", IssuedAt: noon,
			}}},
		{Name: "points", Given: []Event{registered}, When: with(bare, func(c *IssueCoupon) { c.Known, c.Benefit = desks(), CouponBenefit{Kind: CouponPoints, Points: 50} }),
			Then: []Event{plain("K1", func(e *CouponIssued) { e.Benefit = CouponBenefit{Kind: CouponPoints, Points: 50} })}},
		{Name: "a gift", Given: []Event{registered}, When: with(bare, func(c *IssueCoupon) { c.Benefit = CouponBenefit{Kind: CouponGift, Gift: "tea_tin"} }),
			Then: []Event{plain("K1", func(e *CouponIssued) { e.Benefit = CouponBenefit{Kind: CouponGift, Gift: "tea_tin"} })}},
		{Name: "of today only", Given: []Event{registered}, When: with(bare, func(c *IssueCoupon) { c.ValidUntil = today }),
			Then: []Event{plain("K1", func(e *CouponIssued) { e.ExpiresAt = (today + 1).Start(time.UTC) })}},
		{Name: "the same again", Given: []Event{registered, issued}, When: when(func(c *IssueCoupon) { c.Code, c.Reason = "SPRING-10", "other words" })},
		{Name: "the same again when it was redeemed", Given: []Event{registered, ordered, issued, redeemed}, When: claimed(cmd)},
		{Name: "the same again when its time is over", Given: []Event{registered, issued},
			When: when(func(c *IssueCoupon) { c.Now, c.Latest = couponEnd, couponEnd })},
		{Name: "the code of a coupon that was voided", Given: []Event{registered, issued, voided},
			When: when(func(c *IssueCoupon) { c.CouponID = "K2" }),
			Then: []Event{func() Event { e := issued; e.CouponID = "K2"; return e }()}},
		{Name: "other content under the same id", Given: []Event{registered, issued},
			When: when(func(c *IssueCoupon) { c.Benefit.Percent = 11 }), Error: ErrCouponExists},
		{Name: "another day", Given: []Event{registered, issued}, When: when(func(c *IssueCoupon) { c.ValidUntil++ }), Error: ErrCouponExists},
		{Name: "no code any more", Given: []Event{registered, issued}, When: bare, Error: ErrCouponExists},
		{Name: "the code of another coupon of the customer", Given: []Event{registered, issued},
			When: when(func(c *IssueCoupon) { c.CouponID = "K2" }), Error: ErrCouponCodeTaken, Fields: []string{"/code"}},
		{Name: "the code of one whose expiry was not booked", Given: []Event{registered, issued},
			When: when(func(c *IssueCoupon) {
				c.CouponID, c.Now, c.Latest, c.ValidUntil = "K2", couponEnd, couponEnd, today+60
			}), Error: ErrCouponCodeTaken},
		{Name: "too many", Given: many, When: bare, Error: ErrTooManyCoupons},
		{Name: "as many, but their time is over", Given: many,
			When: with(bare, func(c *IssueCoupon) { c.Now, c.Latest, c.ValidUntil = couponEnd, couponEnd, today+60 }),
			Then: []Event{plain("K1", func(e *CouponIssued) { e.IssuedAt, e.ExpiresAt = couponEnd, (today + 61).Start(time.UTC) })}},
		{Name: "nobody is there", When: claimed(cmd), Error: ErrNotFound},
		{Name: "of an erased customer", Given: []Event{registered, asked, approved, erasedNow}, When: claimed(cmd), Error: ErrErased},
		{Name: "of a restricted customer", Given: []Event{registered, locked}, When: claimed(cmd), Error: ErrRestricted},
		invalid("a day that is over", func(c *IssueCoupon) { c.ValidUntil = today - 1 }, "/valid_until"),
		invalid("until before from", func(c *IssueCoupon) { c.ValidFrom = ptr(today + 31) }, "/valid_until"),
		invalid("dates of no calendar", func(c *IssueCoupon) {
			c.ValidFrom, c.ValidUntil = ptr(domain.NewDate(1899, 12, 31)), domain.NewDate(3000, 1, 1)
		}, "/valid_from", "/valid_until"),
		invalid("no id", func(c *IssueCoupon) { c.CouponID = "" }, "/coupon_id"),
		invalid("an id in words", func(c *IssueCoupon) { c.CouponID = "for Ada" }, "/coupon_id"),
		invalid("a code of nothing", func(c *IssueCoupon) { c.Code = " - " }, "/code"),
		invalid("a code that is too long", func(c *IssueCoupon) { c.Code = strings.Repeat("x", 65) }, "/code"),
		invalid("no uses", func(c *IssueCoupon) { c.Uses = ptr(0) }, "/uses"),
		invalid("too many uses", func(c *IssueCoupon) { c.Uses = ptr(1001) }, "/uses"),
		invalid("words that are too long", func(c *IssueCoupon) {
			c.CampaignID, c.Reason = strings.Repeat("x", 201), strings.Repeat("x", 2001)
		}, "/campaign_id", "/reason"),
		invalid("a minimum of nothing", func(c *IssueCoupon) { c.MinimumOrder = ptr(eur(0)) }, "/minimum_order/amount_minor"),
		invalid("a minimum of no currency", func(c *IssueCoupon) { c.MinimumOrder = &domain.Money{AmountMinor: 1, Currency: "EUX"} }, "/minimum_order/currency"),
		invalid("a minimum of another currency", func(c *IssueCoupon) {
			c.Benefit, c.MinimumOrder = CouponBenefit{Kind: CouponAmount, Amount: ptr(eur(5))}, &domain.Money{AmountMinor: 1, Currency: "USD"}
		}, "/minimum_order/currency"),
		benefit("no benefit", CouponBenefit{}, "/benefit/kind"),
		benefit("a benefit of no kind", CouponBenefit{Kind: "luck"}, "/benefit/kind"),
		benefit("a kind without its member", CouponBenefit{Kind: CouponPercent}, "/benefit/percent"),
		benefit("more than all", CouponBenefit{Kind: CouponPercent, Percent: 101}, "/benefit/percent"),
		benefit("less than nothing", CouponBenefit{Kind: CouponPercent, Percent: -1}, "/benefit/percent"),
		benefit("no amount", CouponBenefit{Kind: CouponAmount}, "/benefit/amount"),
		benefit("an amount of nothing", CouponBenefit{Kind: CouponAmount, Amount: ptr(eur(0))}, "/benefit/amount/amount_minor"),
		benefit("a negative amount", CouponBenefit{Kind: CouponAmount, Amount: ptr(eur(-5))}, "/benefit/amount/amount_minor"),
		benefit("an amount of no currency", CouponBenefit{Kind: CouponAmount, Amount: &domain.Money{AmountMinor: 5}}, "/benefit/amount/currency"),
		benefit("negative points", CouponBenefit{Kind: CouponPoints, Points: -1}, "/benefit/points"),
		benefit("points beyond all", CouponBenefit{Kind: CouponPoints, Points: domain.MaxAmountMinor + 1}, "/benefit/points"),
		benefit("a gift in words", CouponBenefit{Kind: CouponGift, Gift: "a tea tin"}, "/benefit/gift"),
		benefit("of two kinds", CouponBenefit{Kind: CouponPoints, Points: 1, Percent: 1, Gift: "x", Amount: ptr(eur(1))}, "/benefit/percent", "/benefit/amount", "/benefit/gift"),
	})
}

// placing is an order of the customer.
func placing(id string, minor int64, currency string) OrderRecorded {
	return OrderRecorded{OrderID: id, Total: domain.Money{AmountMinor: minor, Currency: currency}, PlacedAt: placed, PlacedOn: today}
}

func TestRedeemCoupon(t *testing.T) {
	cmd := RedeemCoupon{Subject: at, CouponID: "K1", OrderID: "o1"}
	byCode := func(c RedeemCoupon) domain.Command[State, Event] {
		c.CouponID, c.Code = "", "spring-10"
		return c.WithClaims([]reservation.Claim{{Kind: reservation.KindCouponCode, Lookup: "c0de"}})
	}
	given := func(e CouponIssued, more ...Event) []Event { return append([]Event{registered, ordered, e}, more...) }
	later := func(when time.Time) RedeemCoupon {
		return with(cmd, func(c *RedeemCoupon) { c.Now, c.Latest = when, when })
	}
	gives := func(name string, b CouponBenefit, o OrderRecorded, want CouponRedeemed) spec {
		want.CouponID, want.OrderID, want.Use, want.Of, want.RedeemedAt = "K1", o.OrderID, 1, 1, noon
		return spec{Name: name, Given: []Event{registered, o, plain("K1", func(e *CouponIssued) { e.Benefit = b })},
			When: with(cmd, func(c *RedeemCoupon) { c.OrderID = o.OrderID }), Then: []Event{want}}
	}
	off := func(minor int64, currency string) CouponRedeemed {
		return CouponRedeemed{Discount: &domain.Money{AmountMinor: minor, Currency: currency}}
	}
	percent := func(n int) CouponBenefit { return CouponBenefit{Kind: CouponPercent, Percent: n} }
	worth := func(minor int64) CouponBenefit { return CouponBenefit{Kind: CouponAmount, Amount: ptr(eur(minor))} }
	stackable := func(id string, b CouponBenefit) CouponIssued {
		return plain(id, func(e *CouponIssued) { e.Stackable, e.Benefit = true, b })
	}
	first := func(minor int64) CouponRedeemed {
		return CouponRedeemed{CouponID: "K2", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(minor)), RedeemedAt: noon}
	}
	twice := plain("K1", func(e *CouponIssued) { e.Uses = 2 })
	once := CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 2, Discount: ptr(eur(100)), RedeemedAt: noon}
	again := func(e CouponIssued) CouponIssued { e.CouponID = "K2"; return e }
	run(t, []spec{
		{Name: "the last use frees the code", Given: given(issued), When: cmd, Then: []Event{redeemed}},
		{Name: "by the code", Given: given(issued), When: byCode(cmd), Then: []Event{redeemed}},
		{Name: "the first of two", Given: given(twice), When: cmd, Then: []Event{once}},
		{Name: "the second of two", Given: given(twice, once, placing("o2", 990, "EUR")), When: with(cmd, func(c *RedeemCoupon) { c.OrderID = "o2" }),
			Then: []Event{CouponRedeemed{CouponID: "K1", OrderID: "o2", Use: 2, Of: 2, Discount: ptr(eur(99)), RedeemedAt: noon}}},
		{Name: "with the last instant", Given: given(issued), When: later(couponEnd.Add(-1)),
			Then: []Event{func() Event { e := redeemed; e.RedeemedAt = couponEnd.Add(-1); return e }()}},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		gives("10% of 9.99", percent(10), placing("o", 999, "EUR"), off(99, "EUR")),
		gives("33% of ¥100", percent(33), placing("o", 100, "JPY"), off(33, "JPY")),
		gives("all of the largest amount", percent(100), placing("o", domain.MaxAmountMinor, "KWD"), off(domain.MaxAmountMinor, "KWD")),
		gives("99% of the largest amount", percent(99), placing("o", domain.MaxAmountMinor, "KWD"), off(990_000_000_000_000, "KWD")),
		gives("an amount", worth(500), placing("o", 1000, "EUR"), off(500, "EUR")),
		gives("an amount is never more than the order", worth(1500), placing("o", 1000, "EUR"), off(1000, "EUR")),
		gives("a gift", CouponBenefit{Kind: CouponGift, Gift: "tea"}, placing("o", 1, "USD"), CouponRedeemed{Gift: "tea"}),
		{Name: "beside another that is stackable, too", Given: given(stackable("K2", worth(300)), first(300), stackable("K1", worth(500))), When: cmd,
			Then: []Event{CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(500)), RedeemedAt: noon}}},
		{Name: "together never more than the order", Given: given(stackable("K2", worth(300)), first(300), stackable("K1", worth(900))), When: cmd,
			Then: []Event{CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(700)), RedeemedAt: noon}}},
		{Name: "not before the order", Given: []Event{registered, OrderRecorded{OrderID: "o1", Total: eur(1000), PlacedAt: noon.Add(time.Hour), PlacedOn: today}, issued}, When: cmd,
			Then: []Event{func() Event { e := redeemed; e.RedeemedAt = noon.Add(time.Hour); return e }()}},
		{Name: "of the code's coupons the one that has it now", Given: given(issued, voided, again(issued)), When: byCode(cmd),
			Then: []Event{func() Event { e := redeemed; e.CouponID = "K2"; return e }()}},
		{Name: "and not one that is open again without it", Given: given(issued, redeemed, again(issued), couponBack), When: byCode(cmd),
			Then: []Event{func() Event { e := redeemed; e.CouponID = "K2"; return e }()}},
		{Name: "of those that have ended the last one says why", Given: given(issued, voided, again(issued), placing("o2", 1000, "EUR"),
			CouponRedeemed{CouponID: "K2", OrderID: "o2", Use: 1, Of: 1, Lookup: "c0de", Claim: "claim-c", RedeemedAt: noon}), When: byCode(cmd), Error: ErrCouponUsed},
		{Name: "not before it was issued", Given: given(plain("K1", func(e *CouponIssued) { e.IssuedAt = noon.Add(time.Hour) })), When: cmd,
			Then: []Event{CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(100)), RedeemedAt: noon.Add(time.Hour)}}},
		{Name: "a reopened coupon still knows its code, and has it no more", Given: given(issued, redeemed, couponBack), When: byCode(cmd),
			Then: []Event{func() Event { e := redeemed; e.Lookup, e.Claim = "", ""; return e }()}},
		{Name: "again with the same order", Given: given(issued, redeemed), When: cmd},
		{Name: "again by the code", Given: given(issued, redeemed), When: byCode(cmd)},
		{Name: "again by the code that another coupon has now", Given: given(issued, redeemed, again(issued)), When: byCode(cmd)},
		{Name: "again when its time is over", Given: given(issued, redeemed), When: later(couponEnd)},
		{Name: "again when it was voided after", Given: given(twice, once, CouponVoided{CouponID: "K1", VoidedAt: noon}), When: cmd},
		{Name: "no such coupon", Given: []Event{registered, ordered}, When: cmd, Error: ErrCouponNotFound},
		{Name: "no such code", Given: given(plain("K1", unchanged)), When: byCode(cmd), Error: ErrCouponNotFound},
		{Name: "nobody, by the code", When: byCode(cmd), Error: ErrNotFound},
		{Name: "voided", Given: given(issued, voided), When: cmd, Error: ErrCouponVoided},
		{Name: "voided, by the code", Given: given(issued, voided), When: byCode(cmd), Error: ErrCouponVoided},
		{Name: "used up", Given: given(issued, redeemed, placing("o2", 5, "EUR")), When: with(cmd, func(c *RedeemCoupon) { c.OrderID = "o2" }), Error: ErrCouponUsed},
		{Name: "expired, whether or not it is booked", Given: given(issued), When: later(couponEnd), Error: ErrCouponExpired},
		{Name: "expired and booked", Given: given(issued, lapsed), When: later(couponEnd), Error: ErrCouponExpired},
		{Name: "not yet valid", Given: given(plain("K1", func(e *CouponIssued) { e.ValidFrom = ptr(noon.Add(1)) })), When: cmd, Error: ErrCouponNotYetValid},
		{Name: "valid from now", Given: given(plain("K1", func(e *CouponIssued) { e.ValidFrom = &noon })), When: cmd,
			Then: []Event{CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(100)), RedeemedAt: noon}}},
		{Name: "no such order", Given: []Event{registered, issued}, When: cmd, Error: ErrCouponOrderUnknown},
		{Name: "an order that was cancelled", Given: given(issued, cancelled), When: cmd, Error: ErrCouponOrderUnknown},
		{Name: "an order that was refunded in full", Error: ErrCouponOrderUnknown, When: cmd,
			Given: given(issued, orderPaid, RefundRecorded{RefundID: "r", OrderID: "o1", Amount: eur(1000), RefundedAt: noon, RefundedOn: today})},
		{Name: "an order that was refunded in part", Given: given(issued, orderPaid, refunded), When: cmd, Then: []Event{redeemed}},
		{Name: "below the minimum", Given: given(plain("K1", func(e *CouponIssued) { e.MinimumOrder = ptr(eur(1001)) })), When: cmd, Error: ErrCouponNotEligible},
		{Name: "at the minimum", Given: given(plain("K1", func(e *CouponIssued) { e.MinimumOrder = ptr(eur(1000)) })), When: cmd,
			Then: []Event{CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 1, Discount: ptr(eur(100)), RedeemedAt: noon}}},
		{Name: "a minimum in another currency", Error: ErrCouponNotEligible, When: cmd,
			Given: given(plain("K1", func(e *CouponIssued) { e.MinimumOrder = &domain.Money{AmountMinor: 1, Currency: "USD"} }))},
		{Name: "an amount in another currency", Error: ErrCouponNotEligible, When: cmd,
			Given: []Event{registered, placing("o1", 1000, "USD"), plain("K1", func(e *CouponIssued) { e.Benefit = worth(5) })}},
		{Name: "a discount of nothing", Given: []Event{registered, placing("o1", 9, "EUR"), issued}, When: cmd, Error: ErrCouponNotEligible},
		{Name: "nothing is left of the order", Given: given(stackable("K2", worth(1000)), first(1000), stackable("K1", worth(5))), When: cmd, Error: ErrCouponNotEligible},
		{Name: "not stackable on one that is", Given: given(stackable("K2", worth(300)), first(300), issued), When: cmd, Error: ErrCouponNotStackable},
		{Name: "stackable on one that is not", Error: ErrCouponNotStackable, When: cmd,
			Given: given(plain("K2", func(e *CouponIssued) { e.Benefit = worth(300) }), first(300), stackable("K1", worth(5)))},
		{Name: "neither id nor code", Given: given(issued), When: RedeemCoupon{Subject: at, OrderID: "o1"}, Error: domain.ErrValidation, Fields: []string{"/coupon_id"}},
		{Name: "id and code", Given: given(issued), When: RedeemCoupon{Subject: at, CouponID: "K1", Code: "x", OrderID: "o1"}, Error: domain.ErrValidation, Fields: []string{"/code"}},
		{Name: "a code of nothing, no order", Given: given(issued), When: RedeemCoupon{Subject: at, Code: "-"}, Error: domain.ErrValidation, Fields: []string{"/code", "/order_id"}},
		{Name: "an id that is too long", Given: given(issued), When: with(cmd, func(c *RedeemCoupon) { c.CouponID = strings.Repeat("x", 201) }), Error: domain.ErrValidation, Fields: []string{"/coupon_id"}},
		{Name: "of a restricted customer", Given: given(issued, locked), When: cmd, Error: ErrRestricted},
		{Name: "of an erased customer", Given: given(issued, asked, approved, erasedNow), When: cmd, Error: ErrErased},
	})
}

func TestVoidCoupon(t *testing.T) {
	cmd := VoidCoupon{Subject: at, CouponID: "K1", Reason: "wrong person"}
	run(t, []spec{
		{Name: "its code is free", Given: []Event{registered, issued}, When: cmd, Then: []Event{voided}},
		{Name: "after a use", Given: []Event{registered, ordered, plain("K1", func(e *CouponIssued) { e.Uses = 2 }),
			CouponRedeemed{CouponID: "K1", OrderID: "o1", Use: 1, Of: 2, RedeemedAt: noon.Add(time.Hour)}}, When: cmd,
			Then: []Event{CouponVoided{CouponID: "K1", Reason: "wrong person", VoidedAt: noon.Add(time.Hour)}}},
		{Name: "before it is valid", Given: []Event{registered, plain("K1", func(e *CouponIssued) { e.ValidFrom = ptr(noon.Add(time.Hour)) })}, When: cmd,
			Then: []Event{CouponVoided{CouponID: "K1", Reason: "wrong person", VoidedAt: noon}}},
		{Name: "again", Given: []Event{registered, issued, voided}, When: with(cmd, func(c *VoidCoupon) { c.Reason = "other words" })},
		{Name: "no such coupon", Given: []Event{registered}, When: cmd, Error: ErrCouponNotFound},
		{Name: "nobody is there", When: cmd, Error: ErrNotFound},
		{Name: "used up", Given: []Event{registered, ordered, issued, redeemed}, When: cmd, Error: ErrCouponUsed},
		{Name: "expired", Given: []Event{registered, issued}, When: with(cmd, func(c *VoidCoupon) { c.Now, c.Latest = couponEnd, couponEnd }), Error: ErrCouponExpired},
		{Name: "expired and booked", Given: []Event{registered, issued, lapsed}, When: cmd, Error: ErrCouponExpired},
		{Name: "without a reason", Given: []Event{registered, issued}, When: VoidCoupon{Subject: at}, Error: domain.ErrValidation, Fields: []string{"/coupon_id", "/reason"}},
		{Name: "of a restricted customer", Given: []Event{registered, issued, locked}, When: cmd, Error: ErrRestricted},
	})
}

func TestACancelledOrderGivesItsCouponsBack(t *testing.T) {
	cmd := CancelOrder{Subject: at, OrderID: "o1"}
	both := plain("K2", func(e *CouponIssued) { e.Uses, e.Stackable = 3, true })
	use := CouponRedeemed{CouponID: "K2", OrderID: "o1", Use: 2, Of: 3, RedeemedAt: noon.Add(time.Minute)}
	later := func(now time.Time, on *time.Time) CancelOrder {
		return with(cmd, func(c *CancelOrder) { c.Now, c.Latest, c.CancelledAt = now, now, on })
	}
	run(t, []spec{
		{Name: "one that was used up is open again", Given: []Event{registered, ordered, issued, redeemed}, When: cmd, Then: []Event{cancelled, couponBack}},
		{Name: "each use, not before it was made", Given: []Event{registered, ordered, issued, both, redeemed, use}, When: cmd,
			Then: []Event{cancelled, couponBack, CouponRestored{CouponID: "K2", OrderID: "o1", Used: 1, RestoredAt: noon.Add(time.Minute)}}},
		{Name: "not after it was voided", Given: []Event{registered, ordered, both, use, CouponVoided{CouponID: "K2", VoidedAt: noon}}, When: cmd, Then: []Event{cancelled}},
		{Name: "not after its time", Given: []Event{registered, ordered, issued, redeemed}, When: later(couponEnd, nil),
			Then: []Event{OrderCancelled{OrderID: "o1", CancelledAt: couponEnd}}},
		{Name: "not after its time, though the order was cancelled before", Given: []Event{registered, ordered, issued, redeemed}, When: later(couponEnd, &noon), Then: []Event{cancelled}},
		{Name: "not when the order is cancelled after its time", Given: []Event{registered, ordered, issued, redeemed},
			When: with(cmd, func(c *CancelOrder) { c.Now, c.Latest, c.CancelledAt = couponEnd.Add(-1), couponEnd, &couponEnd }),
			Then: []Event{OrderCancelled{OrderID: "o1", CancelledAt: couponEnd}}},
		{Name: "not those of another order", Given: []Event{registered, ordered, placing("o2", 5000, "EUR"), issued,
			CouponRedeemed{CouponID: "K1", OrderID: "o2", Use: 1, Of: 1, RedeemedAt: noon}}, When: cmd, Then: []Event{cancelled}},
		{Name: "once", Given: []Event{registered, ordered, issued, redeemed, cancelled, couponBack}, When: cmd},
		{Name: "of a restricted customer, too", Given: []Event{registered, ordered, issued, redeemed, locked}, When: cmd, Then: []Event{cancelled, couponBack}},
	})
}

func TestCouponsFallDue(t *testing.T) {
	var x Coupons
	if _, ok := x.NextDue(); ok || x.Due(couponEnd) != nil {
		t.Error("something is due of nothing")
	}
	for _, e := range []Event{
		plain("B", unchanged), plain("A", unchanged), plain("later", func(e *CouponIssued) { e.ExpiresAt = couponEnd.Add(time.Hour) }),
		func() Event { e := issued; e.ExpiresAt = couponEnd.Add(-time.Hour); return e }(),
		plain("used", unchanged), CouponRedeemed{CouponID: "used", OrderID: "o1", Use: 1, Of: 1, RedeemedAt: noon},
		plain("voided", unchanged), CouponVoided{CouponID: "voided", VoidedAt: noon},
	} {
		x.Fold(Record{Event: e})
	}
	early := CouponExpired{CouponID: "K1", Lookup: "c0de", Claim: "claim-c", ExpiredAt: couponEnd.Add(-time.Hour)}
	all := []Event{early, CouponExpired{CouponID: "A", ExpiredAt: couponEnd}, CouponExpired{CouponID: "B", ExpiredAt: couponEnd}}
	for now, want := range map[time.Time][]Event{
		couponEnd.Add(-time.Hour - 1): nil, couponEnd.Add(-time.Hour): {early}, couponEnd.Add(-1): {early}, couponEnd: all,
	} {
		if diff := cmp.Diff(want, x.Due(now)); diff != "" {
			t.Errorf("at %s:\n%s", now, diff)
		}
	}
	if next, ok := x.NextDue(); !ok || !next.Equal(early.ExpiredAt) {
		t.Errorf("%s, %v", next, ok)
	}
	for _, e := range x.Due(couponEnd) {
		x.Fold(Record{Event: e})
	}
	if next, ok := x.NextDue(); !ok || !next.Equal(couponEnd.Add(time.Hour)) || x.Due(couponEnd) != nil || len(x.Ended) != 5 {
		t.Errorf("%s, %v, %+v", next, ok, x)
	}
}

func TestOnlyTheLastCouponsAreShownAndAllAreKnown(t *testing.T) {
	history := []Event{registered}
	for i := range 60 {
		o := placing(fmt.Sprint("o", i), 1000, "EUR")
		history = append(history, o, plain(fmt.Sprint("K", i), unchanged),
			CouponRedeemed{CouponID: fmt.Sprint("K", i), OrderID: o.OrderID, Use: 1, Of: 1, Discount: ptr(eur(100)), RedeemedAt: noon})
	}
	var s State
	for _, e := range history {
		s = s.Evolve(e)
	}
	if len(s.Coupons.Open) != 0 || len(s.Coupons.Ended) != 50 || s.Coupons.Ended[0].ID != "K10" {
		t.Fatalf("%d open, %d ended, first %s", len(s.Coupons.Open), len(s.Coupons.Ended), s.Coupons.Ended[0].ID)
	}
	forgotten := IssueCoupon{Subject: at, CouponID: "K0", Benefit: tenPercent, ValidUntil: today + 30}
	events, err := domain.Decide(s, domain.Command[State, Event](forgotten))
	if err != nil || len(events) > 0 {
		t.Errorf("issued again: %v, %v", events, err)
	}
	if events, err = domain.Decide(s, domain.Command[State, Event](CancelOrder{Subject: at, OrderID: "o0"})); err != nil || len(events) != 2 {
		t.Fatalf("%v, %v", events, err)
	}
	s = s.Evolve(events[0]).Evolve(events[1])
	want := []Coupon{{ID: "K0", CouponTerms: CouponTerms{Benefit: tenPercent, ExpiresAt: couponEnd, Uses: 1, IssuedAt: noon}}}
	if diff := cmp.Diff(want, s.Coupons.Open); diff != "" {
		t.Error(diff)
	}
	wide := plain("wide", func(e *CouponIssued) { e.Uses = 30 })
	s = s.Evolve(wide)
	for i := range 25 {
		s = s.Evolve(CouponRedeemed{CouponID: "wide", OrderID: fmt.Sprint("w", i), Use: i + 1, Of: 30, RedeemedAt: noon})
	}
	s = s.Evolve(CouponRestored{CouponID: "wide", OrderID: "w24", Used: 24, RestoredAt: noon})
	if c := s.Coupons.Open[1]; c.Used != 24 || len(c.Redemptions) != 19 || c.Redemptions[0].OrderID != "w5" {
		t.Errorf("%+v", c)
	}
}

func TestTheCodeOfACouponIsComparedAsItIsRead(t *testing.T) {
	for code, want := range map[string]string{
		"Spring 10": "SPRING10", " spring-10\t": "SPRING10", "ｓｐｒｉｎｇ１０": "SPRING10", "sp—ring‑10": "SPRING10", "straße": "STRAßE", "Zoë": "ZOË",
		"": "", " - ": "",
	} {
		got, ok := NormalizeCouponCode(code)
		if got != want || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", code, got, ok, want)
		}
	}
	name := IssueCoupon{Code: "a b"}.Names()
	if len(name) != 1 || name[0] != (reservation.Name{Kind: "coupon_code", Value: "AB"}) || (IssueCoupon{}).Names() != nil || (RedeemCoupon{}).Names() != nil ||
		!(RedeemCoupon{Code: "x"}).Names()[0].Shared || Identifies(reservation.KindCouponCode) {
		t.Errorf("%+v", name)
	}
}
