package audit_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/audit"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

var (
	programme = loyalty.Policy{
		Currency: "EUR", Enrolment: loyalty.FirstOrder, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Expiry: loyalty.Expiry{Kind: loyalty.Months, Months: 1}, Redemption: loyalty.Redemption{Points: 100, ValueMinor: 99},
		Manual: loyalty.Manual{BonusLimit: 50, DeficitLimit: 10}, Caps: []loyalty.Cap{{Period: loyalty.Month, Points: 500}},
		Multipliers: []loyalty.Multiplier{{ID: "gold", Factor: "2", Tiers: []string{"gold"}}},
	}
	ladder = tier.Policy{
		Measure: tier.Points, Levels: []tier.Level{{ID: "base"}, {ID: "silver", From: 100}, {ID: "gold", From: 1000}},
		Window: tier.Window{Kind: tier.CalendarYear}, Validity: tier.Validity{Kind: tier.EndOfYear}, Downgrade: tier.OneDown,
	}
	berlin = func() *time.Location {
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			panic(err)
		}
		return zone
	}()
	ann, bob = domain.Actor{Kind: "user", ID: "ann"}, domain.Actor{Kind: "user", ID: "bob"}
)

func rules() *audit.Rules {
	r := &audit.Rules{Zone: berlin}
	r.With(policy.Published{Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: policy.Always, Loyalty: &programme})
	r.With(policy.Published{Kind: policy.KindTier, Version: 1, EffectiveFrom: policy.Always, Tier: &ladder})
	return r
}

// story is a history that is right, as commands tell it.
type story struct {
	t       *testing.T
	state   State
	now     time.Time
	entries []audit.Entry
	steps   uint32
}

func number(n uint32) (id uuid.UUID) {
	binary.BigEndian.PutUint32(id[:], n)
	return id
}

func (s *story) tell(events ...Event) {
	s.steps++
	for _, e := range events {
		n := len(s.entries)
		s.entries = append(s.entries, audit.Entry{Record: Record{Event: e, ID: number(uint32(n)), Revision: uint64(n)}, Command: number(1000 + s.steps)})
		s.state = s.state.Evolve(e)
	}
}

func (s *story) do(cmd domain.Command[State, Event]) {
	s.t.Helper()
	of := domain.Subject{Customer: number(1), Now: s.now, Latest: s.now, Zone: berlin, Actor: cmd.(interface{ About() domain.Subject }).About().Actor}
	cmd.(interface{ SetSubject(domain.Subject) }).SetSubject(of)
	if k, ok := cmd.(interface{ SetWorld(*world.World) }); ok {
		k.SetWorld(&world.World{Policies: rules().Policies})
	}
	events, err := domain.Decide(s.state, cmd)
	if err != nil || len(events) == 0 {
		s.t.Fatalf("%T at %s: %d events, %v", cmd, s.now, len(events), err)
	}
	s.tell(events...)
}

func (s *story) on(month time.Month, day int) {
	s.now = time.Date(2026, month, day, 12, 0, 0, 0, time.UTC)
}

func (s *story) buys(order string, euros int64) {
	s.t.Helper()
	s.do(&RecordOrder{OrderID: order, Total: domain.Money{AmountMinor: 100 * euros, Currency: "EUR"}, PlacedAt: s.now, PaidAt: &s.now})
}

func (s *story) refunds(order string, euros int64) {
	s.t.Helper()
	s.do(&RecordRefund{RefundID: "r" + order, OrderID: order, Amount: domain.Money{AmountMinor: 100 * euros, Currency: "EUR"}})
}

// told is a history in which everything happens that an audit looks at.
func told(t *testing.T) []audit.Entry {
	s := &story{t: t}
	s.on(3, 1)
	s.tell(Registered{Kind: Person, RegisteredAt: s.now})
	s.buys("A", 100)
	s.on(3, 10)
	s.buys("B", 50)
	s.on(3, 11)
	s.do(&HoldPoints{HoldID: "h", Points: 30})
	s.do(&ReleaseHold{HoldID: "h"})
	s.do(&HoldPoints{HoldID: "i", Points: 10})
	s.on(3, 20)
	s.do(&RedeemPoints{RedemptionID: "x", Points: 120})
	s.on(4, 2)
	s.do(&ReverseRedemption{RedemptionID: "x", Points: ptr(int64(60)), ReversalID: "1"})
	s.on(4, 3)
	s.refunds("B", 50)
	s.on(4, 4)
	s.buys("C", 40)
	s.do(&RedeemPoints{RedemptionID: "y", Points: 40})
	s.refunds("C", 40)
	s.on(4, 5)
	s.buys("D", 150)
	s.do(&HoldPoints{HoldID: "k", Points: 10})
	s.do(&CaptureHold{HoldID: "k", Points: ptr(int64(4)), RedemptionID: "z"})
	s.do(&GrantBonus{Subject: domain.Subject{Actor: ann}, BonusID: "b", Points: 20, Reason: "so"})
	s.do(&AdjustPoints{Subject: domain.Subject{Actor: ann}, AdjustmentID: "a", Points: -5, Reason: "so"})
	s.do(&ApprovePoints{Subject: domain.Subject{Actor: bob}, ProposalID: "a"})
	s.do(&ExtendExpiry{Lots: []string{"bonus:b"}, To: domain.NewDate(2026, 6, 1), Reason: "so"})
	s.on(5, 6)
	s.do(&SettleLoyalty{})
	s.do(&HoldPoints{HoldID: "l", Points: 3, TTLMinutes: ptr(5)})
	s.on(6, 2)
	s.do(&SettleLoyalty{})
	s.buys("E", 10)
	for _, k := range []struct{ coupon, order string }{{"k/1", "F"}, {"k/2", "G"}} {
		s.tell(CouponIssued{CouponID: k.coupon, Benefit: CouponBenefit{Kind: CouponPoints, Points: 70}, ExpiresAt: s.now.AddDate(0, 1, 0), Uses: 1, IssuedAt: s.now})
		s.buys(k.order, 10)
		s.do(&RedeemCoupon{CouponID: k.coupon, OrderID: k.order})
	}
	s.do(&CancelOrder{OrderID: "F"})
	s.refunds("G", 10)
	s.do(&LeaveProgram{})
	return s.entries
}

func ptr[T any](v T) *T { return &v }

// verify adds a history to a new ledger.
func verify(r *audit.Rules, entries []audit.Entry) (*audit.Ledger, *audit.Finding) {
	l := audit.New(r)
	for _, e := range entries {
		if found := l.Add(e); found != nil {
			return l, found
		}
	}
	return l, l.Done()
}

func TestWhatCommandsTellIsRight(t *testing.T) {
	entries := told(t)
	for name, r := range map[string]*audit.Rules{"policies known": rules(), "policies unknown": {Zone: berlin}, "nothing known": {}} {
		l, found := verify(r, entries)
		if found != nil {
			t.Errorf("%s: %v", name, found)
		}
		if b := l.Balance(); b != (Balance{}) || l.Lots() != 0 || !l.Moved() {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// edit changes the n-th event of a type.
func edit[T Event](n int, change func(*T)) func([]audit.Entry) []audit.Entry {
	return func(entries []audit.Entry) []audit.Entry {
		for i := range entries {
			if e, ok := entries[i].Event.(T); ok {
				if n--; n == 0 {
					change(&e)
					entries[i].Event = e
					return entries
				}
			}
		}
		panic("there is no such event")
	}
}

// without leaves the n-th event of a type out.
func without[T Event](n int) func([]audit.Entry) []audit.Entry {
	return func(entries []audit.Entry) []audit.Entry {
		return slices.DeleteFunc(entries, func(e audit.Entry) bool {
			if _, ok := e.Event.(T); ok {
				n--
				return n == 0
			}
			return false
		})
	}
}

// twice has the n-th event of a type twice.
func twice[T Event](n int) func([]audit.Entry) []audit.Entry {
	return func(entries []audit.Entry) []audit.Entry {
		for i := range entries {
			if _, ok := entries[i].Event.(T); ok {
				if n--; n == 0 {
					return slices.Insert(entries, i, entries[i])
				}
			}
		}
		panic("there is no such event")
	}
}

// lots is points of lots, each named before its points.
func lots(named ...any) (from []Portion) {
	for i := 0; i < len(named); i += 2 {
		from = append(from, Portion{LotID: named[i].(string), Points: int64(named[i+1].(int))})
	}
	return from
}

func TestWhatCannotBeIsFound(t *testing.T) {
	day := func(month time.Month, day int) *time.Time {
		return ptr(domain.NewDate(2026, month, day).Start(berlin).UTC())
	}
	noon := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 12, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		name   string
		change func([]audit.Entry) []audit.Entry
		code   string
	}{
		{"portions that do not add up", edit(1, func(e *PointsRedeemed) { e.Points = 119 }), "portions_sum"},
		{"more than the lot has", edit(1, func(e *PointsRedeemed) { e.From = lots("order:A:base", 101, "order:B:base", 19) }), "lot_overdrawn"},
		{"the wrong order", edit(1, func(e *PointsRedeemed) { e.From = lots("order:A:base", 80, "order:B:base", 40) }), "lot_order"},
		{"the right portions in the wrong order", edit(1, func(e *PointsRedeemed) { slices.Reverse(e.From) }), "lot_order"},
		{"a lot that is none", edit(1, func(e *PointsRedeemed) { e.From[0].LotID = "order:Z:base" }), "lot_unknown"},
		{"a lot that had lapsed", edit(2, func(e *PointsRedeemed) { e.From = lots("order:A:base", 40) }), "lot_lapsed"},
		{"a redemption later than the lapse of its lot", edit(1, func(e *PointsRedeemed) { e.RedeemedAt = noon(4, 2) }), "lot_lapsed"},
		{"a redemption before what was decided already", edit(1, func(e *PointsRedeemed) { e.RedeemedAt = noon(3, 10) }), "time_goes_back"},
		{"another value", edit(1, func(e *PointsRedeemed) { e.Value.AmountMinor++ }), "value"},
		{"another rate", edit(1, func(e *PointsRedeemed) { e.Rate.ValueMinor, e.Value.AmountMinor = 990, 1188 }), "value"},
		{"the same redemption twice", edit(2, func(e *PointsRedeemed) { e.RedemptionID = "x" }), "id_reused"},
		{"points that do not follow from the inputs", edit(1, func(e *PointsEarned) { e.Lot.Points = 101 }), "points"},
		{"another remainder", edit(1, func(e *PointsEarned) { e.Remainder = "1/2" }), "points"},
		{"inputs that do not follow from the order", edit(1, func(e *PointsEarned) { e.Inputs.Quantity, e.Lot.Points = 20000, 200 }), "inputs"},
		{"a currency that is not the order's", edit(1, func(e *PointsEarned) { e.Inputs.Currency = "USD" }), "inputs"},
		{"a rate that is not the order's", edit(1, func(e *PointsEarned) { e.Inputs.Rate, e.Inputs.Target = "1.0", "USD" }), "inputs"},
		{"lines that the order does not have", edit(1, func(e *PointsEarned) { e.Inputs.Lines = []int{0} }), "inputs"},
		{"a rule that the programme does not have", edit(1, func(e *PointsEarned) { e.Lot.Source.Rule = "other" }), "rule"},
		{"more points than the rule gives", edit(1, func(e *PointsEarned) { e.Inputs.Points, e.Lot.Points = 2, 200 }), "rule"},
		{"a multiplier of another tier", edit(1, func(e *PointsEarned) {
			e.Inputs.Factors, e.Lot.Points = []loyalty.Factor{{ID: "gold", Factor: "2"}}, 200
		}), "rule"},
		{"a limit that caps do not leave", edit(2, func(e *PointsEarned) { e.Inputs.Limit = ptr(int64(500)) }), "rule"},
		{"a tier that the member does not have", edit(2, func(e *PointsEarned) { e.Tier = "gold" }), "tier"},
		{"an expiry that is not the programme's", edit(1, func(e *PointsEarned) { e.Expiry.Months, e.Lot.ExpiresAt = 2, day(5, 1) }), "rule"},
		{"another end than the expiry says", edit(1, func(e *PointsEarned) { e.Lot.ExpiresAt = day(4, 2) }), "expiry"},
		{"an end that is no midnight", edit(1, func(e *PointsEarned) { e.Lot.ExpiresAt = ptr(noon(4, 1)) }), "expiry"},
		{"no end at all", edit(1, func(e *PointsEarned) { e.Lot.ExpiresAt = nil }), "expiry"},
		{"pending where the programme has it spendable", edit(1, func(e *PointsEarned) { e.Lot.AvailableAt = *day(3, 5) }), "available_at"},
		{"points of an order that was not paid", without[OrderPaid](1), "order_state"},
		{"points of an order that is none", without[OrderRecorded](1), "order_unknown"},
		{"points of no member", without[ProgramJoined](1), "not_member"},
		{"the same points twice", twice[PointsEarned](1), "id_reused"},
		{"a deficit's share left out", edit(4, func(e *PointsEarned) { e.DeficitPaid = 0 }), "deficit_share"},
		{"too large a share", edit(4, func(e *PointsEarned) { e.DeficitPaid = 41 }), "deficit_share"},
		{"a share where nothing is owed", edit(1, func(e *PointsEarned) { e.DeficitPaid = 1 }), "deficit_share"},
		{"an expiry before it was due", edit(1, func(e *PointsExpired) { e.ExpiredAt = noon(3, 31) }), "due"},
		{"an expiry after it was due", edit(1, func(e *PointsExpired) { e.ExpiredAt = noon(5, 30) }), "due"},
		{"an expiry of other points than are left", edit(1, func(e *PointsExpired) { e.Points-- }), "expiry_points"},
		{"an expiry twice", twice[PointsExpired](1), "lot_empty"},
		{"an expiry left out", without[PointsExpired](1), "expiry_missing"},
		{"a hold of more than there is", edit(1, func(e *PointsHeld) { e.Points, e.From = 151, lots("order:A:base", 100, "order:B:base", 51) }), "lot_overdrawn"},
		{"a hold without an end", edit(1, func(e *PointsHeld) { e.ExpiresAt = nil }), "hold_ended"},
		{"a release of more than is held", edit(1, func(e *HoldReleased) { e.Points, e.Returned[0].Points = 31, 31 }), "portions_sum"},
		{"a release of a lot that is not held", edit(1, func(e *HoldReleased) { e.Returned[0].LotID = "order:B:base" }), "hold_overdrawn"},
		{"a release that lapses what has not", edit(1, func(e *HoldReleased) { e.Lapsed, e.Returned = e.Returned, nil }), "not_lapsed"},
		{"a hold that ends at another time", edit(2, func(e *HoldReleased) { e.ReleasedAt = e.ReleasedAt.Add(time.Hour) }), "due"},
		{"a hold that ended and was captured", edit(1, func(e *HoldCaptured) { e.CapturedAt = noon(4, 7) }), "hold_ended"},
		{"a capture of nothing held", edit(1, func(e *HoldCaptured) { e.HoldID = "h" }), "hold_unknown"},
		{"a release left out", without[HoldReleased](2), "lot_overdrawn"},
		{"more comes back than was spent", edit(1, func(e *RedemptionReversed) { e.Points, e.Lapsed = 121, lots("order:A:base", 91) }), "reversal_exceeds_redemption"},
		{"it comes back to a lot that has lapsed", edit(1, func(e *RedemptionReversed) {
			e.Restored = append([]Restored{{LotID: "order:A:base", Points: e.Lapsed[0].Points, Lot: Lot{
				LotID: "order:A:base", Points: 100, EarnedAt: noon(3, 1), AvailableAt: noon(3, 1), ExpiresAt: day(4, 1),
				Source: LotSource{Kind: LotOrder, Ref: "A", Rule: "base"},
			}}}, e.Restored...)
			e.Lapsed = nil
		}), "lot_lapsed"},
		{"it comes back with another end", edit(1, func(e *RedemptionReversed) { e.Restored[0].Lot.ExpiresAt = day(5, 10) }), "expiry"},
		{"what was taken first comes back first", edit(1, func(e *RedemptionReversed) { e.Points, e.Restored = e.Lapsed[0].Points, nil }), "restored"},
		{"a reversal left out", without[PointsEarnReversed](1), "reversal_missing"},
		{"a reversal of the last refund left out", func(entries []audit.Entry) []audit.Entry {
			i := slices.IndexFunc(entries, func(e audit.Entry) bool { r, ok := e.Event.(RefundRecorded); return ok && r.OrderID == "C" })
			return entries[:i+1]
		}, "reversal_missing"},
		{"fewer points taken back than the refund demands", edit(1, func(e *PointsEarnReversed) {
			e.Points, e.Kept, e.From[0].Points = e.Points-1, 1, e.From[0].Points-1
		}), "reversal_points"},
		{"a deficit that is smaller", edit(2, func(e *PointsEarnReversed) { e.Deficit, e.Waived = 39, 1 }), "deficit"},
		{"a reversal of an earning that nothing went back of", without[RefundRecorded](1), "reversal_unfounded"},
		{"a refund of more than the order", edit(1, func(e *RefundRecorded) { e.Amount.AmountMinor = 5001 }), "refund_exceeds_order"},
		{"a refund that takes less off the tier", edit(1, func(e *RefundRecorded) { e.Qualifying.SpendMinor-- }), "qualifying"},
		{"an order that qualifies with more", edit(1, func(e *OrderPaid) { e.Qualifying.SpendMinor++ }), "qualifying"},
		{"a level that is not reached", edit(1, func(e *TierUpgraded) { e.To = "gold" }), "tier_level"},
		{"a sum that does not follow from the days", edit(1, func(e *TierUpgraded) { e.Evaluation.Qualifying = 101 }), "qualifying"},
		{"another window", edit(1, func(e *TierUpgraded) { e.Evaluation.From-- }), "tier_level"},
		{"another validity", edit(1, func(e *TierUpgraded) { e.ValidUntil = day(12, 1) }), "tier_level"},
		{"another level before", edit(1, func(e *TierUpgraded) { e.From = "gold" }), "tier_from"},
		{"a bonus above the limit that nobody approved", edit(1, func(e *PointsGranted) { e.Lot.Points = 51 }), "four_eyes"},
		{"an adjustment that one alone made", edit(1, func(e *PointsAdjusted) { e.ApprovedBy = e.ProposedBy }), "four_eyes"},
		{"an adjustment that nobody proposed", without[PointsProposed](1), "proposal_unknown"},
		{"an adjustment of other points than proposed", edit(1, func(e *PointsAdjusted) { e.Points, e.From[0].Points = -6, 6 }), "proposal"},
		{"an extension of a lot that is gone", edit(1, func(e *ExpiryExtended) { e.Lots = []string{"order:A:base"} }), "lot_empty"},
		{"an extension to the past", edit(1, func(e *ExpiryExtended) { e.To = *day(4, 1) }), "extension"},
		{"points of a coupon that was not redeemed", without[CouponRedeemed](1), "coupon_points"},
		{"a coupon that gives no points", func(entries []audit.Entry) []audit.Entry {
			i := slices.IndexFunc(entries, func(e audit.Entry) bool { _, ok := e.Event.(CouponRedeemed); return ok })
			return slices.Delete(entries, i+1, i+2)
		}, "coupon_points"},
		{"other points than the coupon gave", edit(7, func(e *PointsEarned) { e.Inputs.Points, e.Lot.Points = 71, 71 }), "coupon_points"},
		{"points of a coupon with another order", edit(7, func(e *PointsEarned) { e.Lot.Source.Ref = "k:1/E" }), "coupon_points"},
		{"points of a coupon for two", edit(7, func(e *PointsEarned) { e.Inputs.Quantity, e.Lot.Points = 2, 140 }), "coupon_points"},
		{"points of a coupon of another day", edit(7, func(e *PointsEarned) { e.PlacedOn++ }), "placed_on"},
		{"a coupon that was worth less", edit(1, func(e *CouponRedeemed) { e.Points = 71 }), "coupon_points"},
		{"a coupon with an order that was not paid", without[OrderPaid](6), "order_state"},
		{"points of a coupon that a cancellation leaves", func(entries []audit.Entry) []audit.Entry {
			return slices.DeleteFunc(entries, func(e audit.Entry) bool {
				r, ok := e.Event.(PointsEarnReversed)
				return ok && r.Source.Kind == LotCoupon && r.Cause.Type == ReversalCancelled
			})
		}, "reversal_missing"},
		{"points of a coupon that a full refund leaves", func(entries []audit.Entry) []audit.Entry {
			return slices.DeleteFunc(entries, func(e audit.Entry) bool {
				r, ok := e.Event.(PointsEarnReversed)
				return ok && r.Source.Kind == LotCoupon && r.Cause.Type == ReversalRefunded
			})
		}, "reversal_missing"},
		{"points of a coupon that go for another order", func(entries []audit.Entry) []audit.Entry {
			for i := range entries {
				if r, ok := entries[i].Event.(PointsEarnReversed); ok && r.Source.Kind == LotCoupon {
					r.Cause.OrderID = "E"
					entries[i].Event = r
				}
			}
			return entries
		}, "reversal_unfounded"},
		{"points that are not forfeited", without[PointsForfeited](1), ""},
		{"fewer points forfeited than there are", edit(1, func(e *PointsForfeited) { e.Points, e.From[0].Points = 9, 9 }), "lot_order"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, found := verify(rules(), c.change(told(t)))
			switch {
			case c.code == "" && found == nil:
			case found == nil:
				t.Fatal("nothing is found")
			case found.Code != c.code:
				t.Fatalf("%v, not %s", found, c.code)
			}
		})
	}
}
