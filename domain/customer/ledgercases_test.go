package customer_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

// What long random histories found, told shortly.

// An order that is cancelled and then refunded leaves the ladder once.
func TestARefundOfACancelledOrderTakesNothingOffTheTierTwice(t *testing.T) {
	qualifying := &Qualifying{On: today, SpendMinor: 1000, Orders: 1}
	s := State{}
	for _, e := range []Event{
		registered, ProgramJoined{Trigger: TriggerRequest, JoinedAt: placed}, ordered,
		OrderPaid{OrderID: "o1", PaidAt: paid, PlacedOn: &today, Qualifying: qualifying},
		OrderCancelled{OrderID: "o1", CancelledAt: paid, Qualifying: qualifying},
	} {
		s = s.Evolve(e)
	}
	events, err := domain.Decide(s, domain.Command[State, Event](RecordRefund{Subject: at, RefundID: "r1", OrderID: "o1", Amount: eur(1000)}))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if r, ok := e.(RefundRecorded); ok && r.Qualifying != nil {
			t.Errorf("the refund takes %+v off a second time", r.Qualifying)
		}
		s = s.Evolve(e)
	}
	if days := s.Loyalty.Days; len(days) != 1 || days[0] != (tier.Day{On: today}) {
		t.Errorf("what qualifies is %+v", days)
	}
}

// A lot that lapsed while it was held or spent does not live again because the
// customer comes back: rolling keeps lots, it raises none.
func TestActivityKeepsNoLotThatHasLapsed(t *testing.T) {
	end := domain.NewDate(2026, 4, 1).Start(time.UTC)
	first := Lot{LotID: "order:o1:base", Points: 100, EarnedAt: noon, AvailableAt: noon, ExpiresAt: &end, Rolling: true, Source: LotSource{Kind: LotOrder, Ref: "o1", Rule: "base"}}
	later, back := end.AddDate(0, 1, 5), end.AddDate(0, 0, 5)
	second := with(first, func(l *Lot) {
		l.LotID, l.Points, l.EarnedAt, l.AvailableAt, l.ExpiresAt = "order:o2:base", 7, back, back, &later
	})
	s := State{}
	for _, e := range []Event{
		registered, ProgramJoined{Trigger: TriggerRequest, JoinedAt: noon},
		PointsEarned{Lot: first, Expiry: loyalty.Expiry{Kind: loyalty.Inactivity, Months: 1}, RollsTo: &end, BookedAt: noon},
		PointsHeld{HoldID: "h", Points: 40, From: []Portion{{LotID: first.LotID, Points: 40}}, HeldAt: noon, ExpiresAt: ptr(end.AddDate(0, 0, 20))},
		PointsRedeemed{RedemptionID: "x", Points: 60, From: []Portion{{LotID: first.LotID, Points: 60}}, RollsTo: &end, RedeemedAt: noon},
		PointsEarned{Lot: second, Expiry: loyalty.Expiry{Kind: loyalty.Inactivity, Months: 1}, RollsTo: &later, BookedAt: back},
	} {
		s = s.Evolve(e)
	}
	if is := s.Loyalty.Holds[0].From[0].Lot.ExpiresAt; !is.Equal(end) {
		t.Errorf("what is held of it lapses at %s", is)
	}
	programme := loyalty.Policy{Currency: "EUR", Redemption: loyalty.Redemption{Points: 1}}
	known := world.Known{World: &world.World{Policies: policy.Set{}.With(policy.Published{Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: policy.Always, Loyalty: &programme})}}
	of := domain.Subject{Customer: id, Now: back.Add(time.Hour), Latest: back.Add(time.Hour)}
	for _, cmd := range []domain.Command[State, Event]{ReverseRedemption{Subject: of, Known: known, RedemptionID: "x"}, ReleaseHold{Subject: of, Known: known, HoldID: "h"}} {
		events, err := domain.Decide(s, cmd)
		if err != nil || len(events) != 1 {
			t.Fatalf("%T: %v, %v", cmd, events, err)
		}
		switch e := events[0].(type) {
		case RedemptionReversed:
			if len(e.Restored) > 0 || len(e.Lapsed) != 1 {
				t.Errorf("%+v", e)
			}
		case HoldReleased:
			if len(e.Returned) > 0 || len(e.Lapsed) != 1 {
				t.Errorf("%+v", e)
			}
		}
	}
}

// A thousand times something is bought, and its money goes back in parts, by line and
// as a whole, while points are spent and given back, with multipliers and caps: what
// is left is nothing; and where points were spent and not given back, that is owed.
func TestBuyingAndGivingBackLeavesNothing(t *testing.T) {
	random := uint64(7)
	draw := func(n int64) int64 { // the same numbers every time
		random = random*6364136223846793005 + 1442695040888963407
		return int64(random>>33) % max(1, n)
	}
	for n, p := range []loyalty.Policy{programmes[0], programmes[1], programmes[4]} {
		p.PendingDays, p.Expiry, p.Redemption.Minimum = 0, loyalty.Expiry{Kind: loyalty.Never}, 0
		p.Reversal = loyalty.Reversal{Redemptions: loyalty.Keep}
		for i := range p.Caps {
			p.Caps[i].Points /= 2
		}
		w := &world.World{}
		w.Policies = w.Policies.With(policy.Published{Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: policy.Always, Loyalty: &p})
		w.Policies = w.Policies.With(policy.Published{Kind: policy.KindTier, Version: 1, EffectiveFrom: policy.Always, Tier: &ladders[0]})
		s, of, gone := State{}.Evolve(registered), domain.Subject{Customer: id, Now: noon, Latest: noon}, int64(0)
		do := func(cmd domain.Command[State, Event]) []Event {
			t.Helper()
			events, err := domain.Decide(s, cmd)
			if err != nil {
				t.Fatalf("%+v: %v", cmd, err)
			}
			for _, e := range events {
				s = s.Evolve(e)
			}
			return events
		}
		known := world.Known{World: w}
		redemptions, earned := 0, int64(0)
		for cycle := range 340 {
			of.Now = of.Now.Add(time.Duration(draw(30)) * time.Hour)
			of.Latest = of.Now
			c := RecordOrder{Subject: of, Known: known, OrderID: fmt.Sprint("o", cycle), Total: domain.Money{Currency: p.Currency}, PlacedAt: of.Now, PaidAt: &of.Now}
			for range 1 + draw(3) {
				l := OrderLine{Quantity: 1 + draw(3), AmountMinor: ptr(draw(9000)), Category: []string{"", "shoes"}[draw(2)]}
				c.Lines, c.Total.AmountMinor = append(c.Lines, l), c.Total.AmountMinor+*l.AmountMinor
			}
			for _, e := range do(c) {
				if e, ok := e.(PointsEarned); ok {
					earned += e.Lot.Points
				}
			}
			giveBack := func() {}
			if has := s.Loyalty.Balance().Spendable; has > 0 && draw(2) == 0 { // spent in between …
				r := RedeemPoints{Subject: of, Known: known, RedemptionID: fmt.Sprint("x", cycle), Points: 1 + draw(has)}
				do(r)
				redemptions++
				if cycle < 300 { // … and given back, before the money or behind it
					giveBack = func() { do(ReverseRedemption{Subject: of, Known: known, RedemptionID: r.RedemptionID}) }
				} else { // … or not
					gone += r.Points
				}
			}
			if draw(2) == 0 {
				giveBack()
				giveBack = func() {}
			}
			for part, left := 0, c.Total.AmountMinor; left > 0; part++ {
				r := RecordRefund{Subject: of, Known: known, RefundID: fmt.Sprint("r", cycle, ".", part), OrderID: c.OrderID, Amount: domain.Money{AmountMinor: left, Currency: p.Currency}}
				line := int(draw(int64(len(c.Lines))))
				of := s.Order(c.OrderID)
				switch rest := of.Lines[line].AmountMinor - of.RefundedLines[line].AmountMinor; {
				case part > 5:
				case draw(2) == 0 && min(rest, left) > 0:
					r.Amount.AmountMinor = 1 + draw(min(rest, left))
					r.Lines = []RefundLine{{Line: line, AmountMinor: r.Amount.AmountMinor}}
				default:
					r.Amount.AmountMinor = 1 + draw(left)
				}
				do(r)
				left -= r.Amount.AmountMinor
			}
			giveBack()
			b := s.Loyalty.Balance()
			if b.Spendable-b.Deficit != -gone || b.Pending+b.Held != 0 {
				t.Fatalf("programme %d, cycle %d: %+v, and %d points were spent and not given back", n, cycle, b, gone)
			}
		}
		if redemptions < 100 || gone == 0 || earned == 0 {
			t.Errorf("programme %d: %d redemptions, %d points spent, %d earned", n, redemptions, gone, earned)
		}
	}
}
