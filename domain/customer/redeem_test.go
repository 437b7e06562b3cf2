package customer_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// spent is the redemption of points at noon.
func spent(id string, points int64, from ...Portion) PointsRedeemed {
	return PointsRedeemed{
		RedemptionID: id, Points: points, From: from, Value: eur(points / 2), Rate: Rate{Points: 10, ValueMinor: 5}, PolicyVersion: 2, RedeemedAt: noon,
	}
}

func TestRedeemPoints(t *testing.T) {
	cmd := RedeemPoints{Subject: at, Known: scheme(), RedemptionID: "x1", Points: 50}
	when := func(change func(*RedeemPoints)) RedeemPoints { return with(cmd, change) }
	ruled := func(points int64, change func(*loyalty.Redemption)) RedeemPoints {
		return when(func(c *RedeemPoints) {
			c.Points, c.Known = points, scheme(func(p *loyalty.Policy) { change(&p.Redemption) })
		})
	}
	reward := func(id string, points int64) RedeemPoints {
		return when(func(c *RedeemPoints) { c.Reward, c.Points = id, points })
	}
	on := func(order string) RedeemPoints { return when(func(c *RedeemPoints) { c.OrderID = order }) }
	invalid := func(name string, change func(*RedeemPoints), fields ...string) spec {
		return spec{Name: name, Given: enrolled(), When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	many := enrolled(gained("o1", 30, today+9), gained("o2", 40, today+5), gained("o3", 7), with(gained("o4", 20, today+5), func(e *PointsEarned) { e.Lot.EarnedAt = paid }))
	pending := with(gained("o2", 1000), func(e *PointsEarned) { e.Lot.AvailableAt = midnight(today + 1) })
	hold := PointsHeld{HoldID: "h1", Points: 51, From: []Portion{part("o1", 51)}, HeldAt: paid, ExpiresAt: ptr(noon.Add(1))}
	full := RefundRecorded{RefundID: "r", OrderID: "o1", Amount: eur(1000), RefundedAt: noon}
	rolling := func(e *PointsEarned) { e.Lot.Rolling = true }
	run(t, append(locking(cmd), []spec{
		{Name: "some of a lot", Given: enrolled(gained("o1", 100)), When: cmd, Then: []Event{spent("x1", 50, part("o1", 50))}},
		{Name: "the last of them", Given: enrolled(gained("o1", 50)), When: cmd, Then: []Event{spent("x1", 50, part("o1", 50))}},
		{Name: "what lapses first goes first, then what was earned first", Given: many, When: when(func(c *RedeemPoints) { c.Points = 95 }),
			Then: []Event{spent("x1", 95, part("o2", 40), part("o4", 20), part("o1", 30), part("o3", 5))}},
		{Name: "of the same in time the lower id", Given: enrolled(gained("o2", 30), gained("o10", 30)), When: cmd,
			Then: []Event{spent("x1", 50, part("o10", 30), part("o2", 20))}},
		{Name: "with the last instant", Given: enrolled(gained("o1", 50, today+1)), When: when(func(c *RedeemPoints) { c.Subject = moment(midnight(today + 1).Add(-1)) }),
			Then: []Event{with(spent("x1", 50, part("o1", 50)), func(e *PointsRedeemed) { e.RedeemedAt = midnight(today + 1).Add(-1) })}},
		{Name: "what fell due is booked before", Given: enrolled(gained("o1", 70, today+1), gained("o2", 50), with(hold, func(e *PointsHeld) { e.From, e.Points = []Portion{part("o1", 20)}, 20 })),
			When: when(func(c *RedeemPoints) { c.Subject = moment(noon.AddDate(0, 0, 1)) }),
			Then: []Event{
				HoldReleased{HoldID: "h1", Points: 20, Returned: []Portion{part("o1", 20)}, Cause: ReleaseExpired, ReleasedAt: noon.Add(1)},
				PointsExpired{LotID: "order:o1:base", Points: 70, ExpiredAt: midnight(today + 1)},
				with(spent("x1", 50, part("o2", 50)), func(e *PointsRedeemed) { e.RedeemedAt = noon.AddDate(0, 0, 1) }),
			}},
		{Name: "not before what was decided before", Given: enrolled(with(gained("o1", 100), func(e *PointsEarned) { e.BookedAt = noon.Add(time.Hour) })), When: cmd,
			Then: []Event{with(spent("x1", 50, part("o1", 50)), func(e *PointsRedeemed) { e.RedeemedAt = noon.Add(time.Hour) })}},
		{Name: "for a reward", Given: enrolled(gained("o1", 100)), When: reward("mug", 50),
			Then: []Event{with(spent("x1", 50, part("o1", 50)), func(e *PointsRedeemed) { e.Reward = "mug" })}},
		{Name: "a reward has a price, no minimum and no step", Given: enrolled(gained("o1", 100)),
			When: with(ruled(50, func(r *loyalty.Redemption) { r.Minimum, r.Step = 60, 60 }), func(c *RedeemPoints) { c.Reward = "mug" }),
			Then: []Event{with(spent("x1", 50, part("o1", 50)), func(e *PointsRedeemed) { e.Reward = "mug" })}},
		{Name: "on an order that is not paid", Given: enrolled(ordered, gained("o0", 100)), When: on("o1"),
			Then: []Event{with(spent("x1", 50, part("o0", 50)), func(e *PointsRedeemed) { e.OrderID = "o1" })}},
		{Name: "the least", Given: enrolled(gained("o1", 100)), When: ruled(50, func(r *loyalty.Redemption) { r.Minimum = 50 }),
			Then: []Event{spent("x1", 50, part("o1", 50))}},
		{Name: "two steps", Given: enrolled(gained("o1", 100)), When: ruled(50, func(r *loyalty.Redemption) { r.Step = 25 }),
			Then: []Event{spent("x1", 50, part("o1", 50))}},
		{Name: "the value is rounded down", Given: enrolled(gained("o1", 100)), When: ruled(50, func(r *loyalty.Redemption) { r.Points, r.ValueMinor = 3, 2 }),
			Then: []Event{with(spent("x1", 50, part("o1", 50)), func(e *PointsRedeemed) { e.Value, e.Rate = eur(33), Rate{Points: 3, ValueMinor: 2} })}},
		{Name: "it keeps the other points alive", Given: enrolled(with(gained("o1", 100, today+9), rolling)),
			When: when(func(c *RedeemPoints) {
				c.Known = scheme(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Inactivity, Months: 2} })
			}),
			Then: []Event{with(spent("x1", 50, part("o1", 50)), func(e *PointsRedeemed) { e.RollsTo = ptr(midnight(domain.NewDate(2026, 5, 1))) })}},
		{Name: "the same again", Given: enrolled(gained("o1", 100), spent("x1", 50, part("o1", 50))), When: cmd},
		{Name: "the same again when it came back, and nothing is left, and nobody is a member", When: cmd,
			Given: enrolled(gained("o1", 50), spent("x1", 50, part("o1", 50)), RedemptionReversed{RedemptionID: "x1", Points: 50, Lapsed: []Portion{part("o1", 50)}, ReversedAt: noon}, ProgramLeft{LeftAt: noon})},
		{Name: "other points under the same id", Given: enrolled(gained("o1", 100), spent("x1", 49, part("o1", 49))), When: cmd, Error: ErrRedemptionExists},
		{Name: "another reward", Given: enrolled(gained("o1", 100), spent("x1", 50, part("o1", 50))), When: reward("mug", 50), Error: ErrRedemptionExists},
		{Name: "another order", Given: enrolled(ordered, gained("o1", 100), spent("x1", 50, part("o1", 50))), When: on("o1"), Error: ErrRedemptionExists},
		{Name: "too many", Given: enrolled(gained("o1", 49)), When: cmd, Error: ErrInsufficientPoints},
		{Name: "pending points are not spendable", Given: enrolled(gained("o1", 49), pending), When: cmd, Error: ErrInsufficientPoints},
		{Name: "nor are held ones", Given: enrolled(gained("o1", 100), hold), When: cmd, Error: ErrInsufficientPoints},
		{Name: "nor are lapsed ones, whether or not that was booked", Given: enrolled(gained("o1", 100, today+1)),
			When: when(func(c *RedeemPoints) { c.Subject = moment(midnight(today + 1)) }), Error: ErrInsufficientPoints},
		{Name: "below the minimum", Given: enrolled(gained("o1", 100)), When: ruled(49, func(r *loyalty.Redemption) { r.Minimum = 50 }), Error: ErrBelowMinimum},
		{Name: "between two steps", Given: enrolled(gained("o1", 100)), When: ruled(49, func(r *loyalty.Redemption) { r.Step = 25 }), Error: ErrNotAStep},
		{Name: "no such reward", Given: enrolled(gained("o1", 100)), When: reward("cup", 50), Error: ErrRewardUnavailable},
		{Name: "a reward of last month", Given: enrolled(gained("o1", 100)), When: reward("old", 50), Error: ErrRewardUnavailable},
		{Name: "a reward of the day before yesterday's tomorrow", Given: enrolled(gained("o1", 100)),
			When: with(reward("mug", 50), func(c *RedeemPoints) { c.Subject = moment(midnight(today + 1)) }), Error: ErrRewardUnavailable},
		{Name: "another price", Given: enrolled(gained("o1", 100)), When: reward("mug", 51), Error: ErrRewardUnavailable},
		{Name: "no such order", Given: enrolled(gained("o1", 100)), When: on("o9"), Error: ErrOrderNotFound},
		{Name: "a cancelled order", Given: enrolled(ordered, cancelled, gained("o1", 100)), When: on("o1"), Error: ErrOrderCancelled},
		{Name: "an order that was refunded", Given: enrolled(ordered, orderPaid, full, gained("o1", 100)), When: on("o1"), Error: ErrOrderRefunded},
		{Name: "no member", Given: []Event{registered, gained("o1", 100)}, When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: enrolled(gained("o1", 100)), When: when(func(c *RedeemPoints) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *RedeemPoints) { c.RedemptionID, c.Points = "", 0 }, "/redemption_id", "/points"),
		invalid("less than nothing", func(c *RedeemPoints) { c.Points = -1 }, "/points"),
		invalid("more than there can be", func(c *RedeemPoints) { c.Points = loyalty.MaxPoints + 1 }, "/points"),
		invalid("an id in words", func(c *RedeemPoints) { c.RedemptionID = "for Ada" }, "/redemption_id"),
		invalid("ids that are too long", func(c *RedeemPoints) { c.Reward, c.OrderID = strings.Repeat("x", 201), strings.Repeat("x", 201) }, "/reward", "/order_id"),
	}...))
}

// A refusal says what there is.
func TestInsufficientPointsSaysWhatThereIs(t *testing.T) {
	var s State
	for _, e := range enrolled(gained("o1", 100), with(gained("o2", 7), func(e *PointsEarned) { e.Lot.AvailableAt = midnight(today + 1) }),
		PointsHeld{HoldID: "h1", Points: 60, From: []Portion{part("o1", 60)}, HeldAt: paid}) {
		s = s.Evolve(e)
	}
	_, err := domain.Decide(s, domain.Command[State, Event](RedeemPoints{Subject: at, Known: scheme(), RedemptionID: "x1", Points: 41}))
	var refusal *domain.Error
	if want := "40 points can be spent, not 41; 7 are pending, 60 are held, 0 are owed"; !errors.As(err, &refusal) || refusal.Detail != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestReverseRedemption(t *testing.T) {
	cmd := ReverseRedemption{Subject: at, Known: scheme(), RedemptionID: "x1", Reason: "broken mug"}
	when := func(change func(*ReverseRedemption)) ReverseRedemption { return with(cmd, change) }
	some := func(id string, points int64) ReverseRedemption {
		return when(func(c *ReverseRedemption) { c.ReversalID, c.Points = id, &points })
	}
	invalid := func(name string, change func(*ReverseRedemption), fields ...string) spec {
		return spec{Name: name, Given: enrolled(), When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	soon, late := gained("o1", 40, today+9), gained("o2", 60, today+30)
	all := spent("x1", 70, part("o1", 40), part("o2", 30))
	given := func(more ...Event) []Event { return append(enrolled(soon, late, all), more...) }
	back := func(of PointsEarned, points int64) Restored {
		return Restored{LotID: of.Lot.LotID, Points: points, Lot: of.Lot}
	}
	reversed := func(points int64, restored ...Restored) RedemptionReversed {
		return RedemptionReversed{
			RedemptionID: "x1", Points: points, Restored: restored, Cause: ReversalCause{Type: ReversalRequested}, Reason: "broken mug", PolicyVersion: 2, ReversedAt: noon,
		}
	}
	first := with(reversed(10, back(late, 10)), func(e *RedemptionReversed) { e.Cause.ReversalID = "v1" })
	after := func(d domain.Date) domain.Subject { return moment(midnight(d)) }
	grace := func(days int) world.Known {
		return scheme(func(p *loyalty.Policy) { p.Reversal.GraceDays = days })
	}
	graced := func(of PointsEarned, points int64, until domain.Date) Restored {
		x := back(of, points)
		x.Grace, x.Lot.LotID, x.Lot.Points, x.Lot.ExpiresAt = true, "grace:x1:"+until.String()+":"+of.Lot.LotID, points, ptr(midnight(until))
		return x
	}
	expired := func(of PointsEarned, points int64) PointsExpired {
		return PointsExpired{LotID: of.Lot.LotID, Points: points, ExpiredAt: *of.Lot.ExpiresAt}
	}
	shifted := func(e RedemptionReversed, d domain.Date) RedemptionReversed { e.ReversedAt = midnight(d); return e }
	owed := PointsAdjusted{AdjustmentID: "a1", Points: -95, From: []Portion{part("o2", 30)}, Deficit: 65, AdjustedAt: noon}
	run(t, append(locking(cmd), []spec{
		{Name: "all of it, to the same lots", Given: given(), When: cmd, Then: []Event{reversed(70, back(soon, 40), back(late, 30))}},
		{Name: "what was taken last comes back first", Given: given(), When: some("v1", 10), Then: []Event{first}},
		{Name: "what is left of it", Given: given(first), When: cmd, Then: []Event{reversed(60, back(soon, 40), back(late, 20))}},
		{Name: "another part", Given: given(first), When: some("v2", 25),
			Then: []Event{with(reversed(25, back(soon, 5), back(late, 20)), func(e *RedemptionReversed) { e.Cause.ReversalID = "v2" })}},
		{Name: "the last part", Given: given(first), When: some("v2", 60),
			Then: []Event{with(reversed(60, back(soon, 40), back(late, 20)), func(e *RedemptionReversed) { e.Cause.ReversalID = "v2" })}},
		{Name: "of a capture, by the id of the hold", When: when(func(c *ReverseRedemption) { c.RedemptionID = "h1" }),
			Given: enrolled(soon, PointsHeld{HoldID: "h1", Points: 40, From: []Portion{part("o1", 40)}, HeldAt: noon},
				HoldCaptured{HoldID: "h1", RedemptionID: "h1", Points: 40, From: []Portion{part("o1", 40)}, CapturedAt: noon}),
			Then: []Event{with(reversed(40, back(soon, 40)), func(e *RedemptionReversed) { e.RedemptionID = "h1" })}},
		{Name: "what has lapsed does not come back, and is named", Given: given(), When: when(func(c *ReverseRedemption) { c.Subject = after(today + 9) }),
			Then: []Event{shifted(with(reversed(70, back(late, 30)), func(e *RedemptionReversed) { e.Lapsed = []Portion{part("o1", 40)} }), today+9)}},
		{Name: "all has lapsed", Given: given(), When: when(func(c *ReverseRedemption) { c.Subject = after(today + 30) }),
			Then: []Event{expired(late, 30), shifted(with(reversed(70), func(e *RedemptionReversed) { e.Lapsed = []Portion{part("o2", 30), part("o1", 40)} }), today+30)}},
		{Name: "unless there is a grace", Given: given(), When: when(func(c *ReverseRedemption) { c.Subject, c.Known = after(today+9), grace(5) }),
			Then: []Event{shifted(reversed(70, graced(soon, 40, today+14), back(late, 30)), today+9)}},
		{Name: "what comes back later has a later grace", When: when(func(c *ReverseRedemption) { c.Subject, c.Known = after(today+33), grace(5) }),
			Given: given(shifted(reversed(10, graced(late, 10, today+35)), today+30)),
			Then:  []Event{expired(late, 30), shifted(reversed(60, graced(soon, 40, today+38), graced(late, 20, today+38)), today+33)}},
		{Name: "an extended lot keeps its new end, though nothing was left of it when something came back",
			Given: append(enrolled(soon, late), ExpiryExtended{Lots: []string{soon.Lot.LotID}, To: midnight(today + 20), ExtendedAt: noon}, all),
			When:  when(func(c *ReverseRedemption) { c.Subject = after(today + 9) }),
			Then:  []Event{shifted(reversed(70, with(back(soon, 40), func(x *Restored) { x.Lot.ExpiresAt = ptr(midnight(today + 20)) }), back(late, 30)), today+9)}},
		{Name: "also if it was extended after it was spent",
			Given: enrolled(soon, spent("x1", 10, part("o1", 10)), ExpiryExtended{Lots: []string{soon.Lot.LotID}, To: midnight(today + 20), ExtendedAt: noon}, spent("x2", 30, part("o1", 30))),
			When:  cmd,
			Then:  []Event{reversed(10, with(back(soon, 10), func(x *Restored) { x.Lot.ExpiresAt = ptr(midnight(today + 20)) }))}},
		{Name: "what is owed is paid first", Given: given(owed), When: cmd,
			Then: []Event{with(reversed(70, back(soon, 40), back(late, 30)), func(e *RedemptionReversed) { e.DeficitPaid = 65 })}},
		{Name: "nothing is left", Given: given(reversed(70, back(soon, 40), back(late, 30))), When: cmd},
		{Name: "the same part again", Given: given(first), When: some("v1", 10)},
		{Name: "the same again, all of it", Given: given(with(reversed(70, back(soon, 40), back(late, 30)), func(e *RedemptionReversed) { e.Cause.ReversalID = "v1" })),
			When: when(func(c *ReverseRedemption) { c.ReversalID = "v1" })},
		{Name: "another part under the same id", Given: given(first), When: some("v1", 11), Error: ErrReversalExists},
		{Name: "of another redemption", Given: given(first, spent("x2", 10, part("o2", 10))),
			When: with(some("v1", 10), func(c *ReverseRedemption) { c.RedemptionID = "x2" }), Error: ErrReversalExists},
		{Name: "too much", Given: given(first), When: some("v2", 61), Error: ErrRedemptionExceeds},
		{Name: "of nothing that is left", Given: given(reversed(70, back(soon, 40), back(late, 30))), When: some("v2", 1), Error: ErrRedemptionExceeds},
		{Name: "no such redemption", Given: enrolled(), When: cmd, Error: ErrRedemptionNotFound},
		{Name: "who left has no points to come back", Given: given(ProgramLeft{LeftAt: noon}), When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: given(), When: when(func(c *ReverseRedemption) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *ReverseRedemption) { c.RedemptionID = "" }, "/redemption_id"),
		invalid("a part without an id", func(c *ReverseRedemption) { c.Points = ptr(int64(0)) }, "/points", "/reversal_id"),
		invalid("an id in words", func(c *ReverseRedemption) { c.ReversalID = "for Ada" }, "/reversal_id"),
		invalid("a reason that is too long", func(c *ReverseRedemption) { c.Reason = strings.Repeat("x", 2001) }, "/reason"),
	}...))
}
