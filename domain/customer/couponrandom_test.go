package customer_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// naiveCoupon is what a look at every event says of a coupon.
type naiveCoupon struct {
	issued          CouponIssued
	orders          map[string]int64 // with which it counts, and for how much
	voided, expired bool
}

func (c *naiveCoupon) state(now time.Time) string {
	switch {
	case c.voided:
		return CouponWasVoided
	case len(c.orders) == c.issued.Uses:
		return CouponUsed
	case c.expired || !now.Before(c.issued.ExpiresAt):
		return CouponLapsed
	}
	return CouponOpen
}

// naiveCoupons looks at every event.
func naiveCoupons(t *rapid.T, history []Event) map[string]*naiveCoupon {
	all := map[string]*naiveCoupon{}
	for _, e := range history {
		switch e := e.(type) {
		case CouponIssued:
			if all[e.CouponID] != nil {
				t.Fatalf("%s is issued twice", e.CouponID)
			}
			all[e.CouponID] = &naiveCoupon{issued: e, orders: map[string]int64{}}
		case CouponRedeemed:
			c := all[e.CouponID]
			if _, twice := c.orders[e.OrderID]; twice || c.state(e.RedeemedAt) != CouponOpen {
				t.Fatalf("%+v is redeemed by %+v", c, e)
			}
			c.orders[e.OrderID] = e.Discount.AmountMinor
			if e.Use != len(c.orders) || e.Of != c.issued.Uses {
				t.Fatalf("%+v counts as %+v", c, e)
			}
		case CouponRestored:
			c := all[e.CouponID]
			was := c.state(e.RestoredAt)
			if _, counts := c.orders[e.OrderID]; !counts || was != CouponOpen && was != CouponUsed || (was == CouponUsed) != (e.Reopened != nil) {
				t.Fatalf("%+v is restored by %+v", c, e)
			}
			delete(c.orders, e.OrderID)
			if e.Used != len(c.orders) {
				t.Fatalf("%+v counts as %+v", c, e)
			}
		case CouponVoided:
			if c := all[e.CouponID]; c.state(e.VoidedAt) != CouponOpen {
				t.Fatalf("%+v is voided by %+v", c, e)
			}
			all[e.CouponID].voided = true
		case CouponExpired:
			c := all[e.CouponID]
			if c.voided || c.expired || len(c.orders) == c.issued.Uses || !e.ExpiredAt.Equal(c.issued.ExpiresAt) {
				t.Fatalf("%+v expires by %+v", c, e)
			}
			c.expired = true
		}
	}
	return all
}

// Whatever is issued, redeemed, voided, cancelled and booked, and whenever: no
// coupon is used more often than it may be, no order is discounted by more than it is,
// and what is folded is what a look at every event says.
func TestCouponsAreWhatALookAtEveryEventSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := []Event{registered}
		s, blind := State{}.Evolve(registered), State{}.Evolve(withoutKey(registered))
		var shown Coupons // stored and read again after every event
		now := noon
		totals, cancelled := map[string]int64{}, map[string]bool{}
		tell := func(events ...Event) {
			for _, e := range events {
				history = append(history, e)
				s, blind = s.Evolve(e), blind.Evolve(withoutKey(e))
				shown.Fold(Record{Event: e})
				b, err := json.Marshal(shown)
				if err != nil {
					t.Fatal(err)
				}
				shown = Coupons{}
				if err := json.Unmarshal(b, &shown); err != nil {
					t.Fatal(err)
				}
			}
		}
		decide := func(cmd domain.Command[State, Event]) ([]Event, error) {
			events, err := domain.Decide(s, cmd)
			tell(events...)
			return events, err
		}
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			of := at
			of.Now, of.Latest = now, now
			coupon, order := fmt.Sprint("K", rapid.IntRange(0, 7).Draw(t, "coupon")), fmt.Sprint("o", rapid.IntRange(0, 5).Draw(t, "order"))
			before := naiveCoupons(t, history)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2:
				c := IssueCoupon{
					Subject: of, CouponID: coupon, Uses: ptr(rapid.IntRange(1, 3).Draw(t, "uses")), Stackable: rapid.Bool().Draw(t, "stackable"),
					ValidUntil: of.Today() + domain.Date(rapid.IntRange(0, 3).Draw(t, "days")),
					Benefit:    rapid.SampledFrom([]CouponBenefit{tenPercent, {Kind: CouponAmount, Amount: ptr(eur(400))}}).Draw(t, "benefit"),
				}
				if rapid.Bool().Draw(t, "code?") {
					c.Code = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "code")
				}
				var claims []reservation.Claim
				if c.Code != "" {
					claims = []reservation.Claim{{Kind: reservation.KindCouponCode, Lookup: c.Code, ID: fmt.Sprint("claim-", n)}}
				}
				events, _ := decide(c.WithClaims(claims))
				if before[coupon] != nil && len(events) > 0 {
					t.Fatalf("%v is issued again: %v", before[coupon], events)
				}
			case 3:
				total := rapid.SampledFrom([]int64{9, 500, 1000}).Draw(t, "total")
				if _, there := totals[order]; !there {
					totals[order] = total
					tell(OrderRecorded{OrderID: order, Total: eur(total), PlacedAt: now, PlacedOn: of.Today()})
				}
			case 4, 5, 6:
				k := before[coupon]
				events, err := decide(RedeemCoupon{Subject: of, CouponID: coupon, OrderID: order})
				may := k != nil && k.state(now) == CouponOpen && totals[order] > 0 && !cancelled[order]
				if may {
					left, discount := totals[order], totals[order]/10
					if k.issued.Benefit.Amount != nil {
						discount = k.issued.Benefit.Amount.AmountMinor
					}
					for id, other := range before {
						if taken, counts := other.orders[order]; counts {
							left -= taken
							may = may && id != coupon && other.issued.Stackable && k.issued.Stackable
						}
					}
					may = may && min(left, discount) > 0
				}
				if may != (len(events) == 1) || may && err != nil {
					t.Fatalf("%s with %s at %s: %v, %v; it should be redeemed: %v", coupon, order, now, events, err, may)
				}
			case 7:
				_, _ = decide(RedeemCoupon{Subject: of, Code: "x", OrderID: order}.WithClaims([]reservation.Claim{{Kind: reservation.KindCouponCode, Lookup: "x"}}))
			case 8:
				if rapid.Bool().Draw(t, "void?") {
					_, _ = decide(VoidCoupon{Subject: of, CouponID: coupon, Reason: "why"})
				} else if _, there := totals[order]; there {
					if _, err := decide(CancelOrder{Subject: of, OrderID: order}); err != nil {
						t.Fatal(err)
					}
					cancelled[order] = true
				}
			case 9:
				now = now.Add(time.Duration(rapid.IntRange(1, 36).Draw(t, "hours")) * time.Hour)
				if rapid.Bool().Draw(t, "book?") {
					tell(s.Coupons.Due(now)...)
					if next, ok := s.Coupons.NextDue(); ok && !next.After(now) {
						t.Fatalf("%s is due at %s still", next, now)
					}
				}
			}

			after := naiveCoupons(t, history)
			discounted, holding := map[string]int64{}, map[string]int{}
			states := map[string]string{}
			for id, c := range after {
				states[id] = c.state(now)
				if len(c.orders) > c.issued.Uses {
					t.Fatalf("%+v is used too often", c)
				}
				for order, minor := range c.orders {
					discounted[order] += minor
				}
			}
			for order, minor := range discounted {
				if minor > totals[order] {
					t.Fatalf("%d is taken off %s of %d", minor, order, totals[order])
				}
			}
			folded := map[string]string{}
			for _, list := range [][]Coupon{s.Coupons.Open, s.Coupons.Ended} {
				for _, c := range list {
					folded[c.ID] = c.State(now)
					if c.Used != len(after[c.ID].orders) || len(c.Redemptions) != c.Used {
						t.Fatalf("%+v is %+v", c, after[c.ID])
					}
					if c.Claim != "" {
						holding[c.Lookup]++
					}
				}
			}
			if diff := cmp.Diff(states, folded); diff != "" {
				t.Fatal(diff)
			}
			for _, code := range []string{"x", "y"} {
				if held := s.Holds(reservation.KindCouponCode, code); holding[code] > 1 || held != (holding[code] == 1) {
					t.Fatalf("%d coupons have %s, and the customer holds it: %v", holding[code], code, held)
				}
			}
			if diff := cmp.Diff(s.Coupons, shown); diff != "" {
				t.Fatalf("stored and read again:\n%s", diff)
			}
		}
		erased := PersonalDataErased{ErasedAt: now}
		names := s.Names()
		s, blind = s.Evolve(erased), blind.Evolve(erased)
		if diff := cmp.Diff(s.Coupons, blind.Coupons); diff != "" {
			t.Fatalf("with keys and without:\n%s", diff)
		}
		if diff := cmp.Diff(names, s.Names()); diff != "" {
			t.Fatalf("what is to be released:\n%s", diff)
		}
		for _, list := range [][]Coupon{s.Coupons.Open, s.Coupons.Ended} {
			for _, c := range list {
				if c.Code != "" || c.Lookup != "" || c.Claim != "" {
					t.Fatalf("%+v is not forgotten", c)
				}
			}
		}
	})
}
