package customer_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
)

// Nobody gives something to themselves, whatever they call themselves, and nobody
// alone more than the programme lets one person give.
func TestWhatOneAloneMayNotGive(t *testing.T) {
	dora := seat(domain.Actor{Kind: "api", ID: "DORA"}) // whose own account it is
	points := func(n int64) CouponBenefit { return CouponBenefit{Kind: CouponPoints, Points: n} }
	coupon := IssueCoupon{Subject: deskAnn, Known: desks(), CouponID: "K1", Benefit: points(100), ValidUntil: today + 30}
	given := plain("K1", func(e *CouponIssued) { e.Benefit = points(100) })
	l := lot(LotBonus, "b1", 40)
	l.ExpiresAt = ptr((today + 10).Start(time.UTC))
	held := PointsHeld{HoldID: "h", Points: 30, From: []Portion{{LotID: l.LotID, Points: 30}}, HeldAt: noon, ExpiresAt: ptr(noon.AddDate(0, 1, 0))}
	granted := PointsGranted{Lot: l, Expiry: never, PlacedOn: today, PolicyVersion: 4, GrantedBy: ann, GrantedAt: noon}
	extend := ExtendExpiry{Subject: deskAnn, Known: desks(), Lots: []string{l.LotID}, To: today + 60, Reason: "was ill"}
	proposed := PointsProposed{ProposalID: "b2", Kind: LotBonus, Points: 300, Reason: "waited", ProposedBy: domain.Actor{Kind: "user", ID: "ann"}, ProposedAt: noon}
	run(t, []spec{
		{Name: "a coupon as good as a bonus", Given: []Event{registered}, When: coupon, Then: []Event{given}},
		{Name: "a better one", Given: []Event{registered}, When: with(coupon, func(c *IssueCoupon) { c.Benefit = points(101) }), Error: ErrCouponAboveLimit},
		{Name: "as good, but twice", Given: []Event{registered}, When: with(coupon, func(c *IssueCoupon) { c.Uses = ptr(2) }), Error: ErrCouponAboveLimit},
		{Name: "one's own coupon", Given: []Event{registered}, When: with(coupon, func(c *IssueCoupon) { c.Subject = dora }), Error: ErrOwnAccount},
		{Name: "one's own lots", Given: []Event{registered, joined, granted}, When: with(extend, func(c *ExtendExpiry) { c.Subject = dora }), Error: ErrOwnAccount},
		{
			Name: "a lot that has lapsed, also if some of it is held", Given: []Event{registered, joined, granted, held},
			When: with(extend, func(c *ExtendExpiry) { c.Subject = later(deskAnn, *l.ExpiresAt) }), Error: ErrLotExpired,
		},
		{
			Name: "one's own proposal under another kind of name", Given: []Event{registered, joined, proposed},
			When: ApprovePoints{Subject: seat(domain.Actor{Kind: "api", ID: "Ann"}), Known: desks(), ProposalID: "b2"}, Error: ErrFourEyes,
		},
	})
}
