package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

var (
	hourAgo = noon.Add(-time.Hour)
	hourOn  = noon.Add(time.Hour)
)

// holding is a hold of an hour ago that ends an hour from now.
func holding(id string, from ...Portion) PointsHeld {
	e := PointsHeld{HoldID: id, From: from, HeldAt: hourAgo, ExpiresAt: &hourOn}
	for _, p := range from {
		e.Points += p.Points
	}
	return e
}

// onTheWay is a hold of a transfer.
func onTheWay(from ...Portion) PointsHeld {
	e := holding("transfer:"+id.String(), from...)
	e.Transfer, e.ExpiresAt = id, nil
	return e
}

// freed is the release of a hold at noon.
func freed(id, cause string, returned ...Portion) HoldReleased {
	e := HoldReleased{HoldID: id, Returned: returned, Cause: cause, ReleasedAt: noon}
	for _, p := range returned {
		e.Points += p.Points
	}
	return e
}

// took is the capture of a hold at noon.
func took(hold, redemption string, points int64, from ...Portion) HoldCaptured {
	return HoldCaptured{
		HoldID: hold, RedemptionID: redemption, Points: points, From: from, Value: eur(points / 2), Rate: Rate{Points: 10, ValueMinor: 5},
		PolicyVersion: 2, CapturedAt: noon,
	}
}

func TestHoldPoints(t *testing.T) {
	cmd := HoldPoints{Subject: at, Known: scheme(), HoldID: "h1", Points: 50}
	when := func(change func(*HoldPoints)) HoldPoints { return with(cmd, change) }
	minutes := func(n int) HoldPoints { return when(func(c *HoldPoints) { c.TTLMinutes = &n }) }
	invalid := func(name string, change func(*HoldPoints), fields ...string) spec {
		return spec{Name: name, Given: enrolled(gained("o1", 100)), When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	held := PointsHeld{HoldID: "h1", Points: 50, From: []Portion{part("o1", 50)}, HeldAt: noon, ExpiresAt: &hourOn}
	many := enrolled(gained("o1", 30, today+9), gained("o2", 40, today+5), gained("o3", 7))
	run(t, append(locking(cmd), []spec{
		{Name: "as long as the programme allows", Given: enrolled(gained("o1", 100)), When: cmd, Then: []Event{held}},
		{Name: "as long as it is asked for", Given: enrolled(gained("o1", 100)), When: minutes(1),
			Then: []Event{with(held, func(e *PointsHeld) { e.ExpiresAt = ptr(noon.Add(time.Minute)) })}},
		{Name: "a day where the programme does not say", Given: enrolled(gained("o1", 100)),
			When: when(func(c *HoldPoints) { c.Known = scheme(func(p *loyalty.Policy) { p.Redemption.HoldMinutes = 0 }) }),
			Then: []Event{with(held, func(e *PointsHeld) { e.ExpiresAt = ptr(noon.AddDate(0, 0, 1)) })}},
		{Name: "what lapses first", Given: many, When: cmd,
			Then: []Event{with(held, func(e *PointsHeld) { e.From = []Portion{part("o2", 40), part("o1", 10)} })}},
		{Name: "what a hold before it left", Given: enrolled(gained("o1", 100), holding("h0", part("o1", 50))), When: cmd, Then: []Event{held}},
		{Name: "the same again", Given: enrolled(gained("o1", 100), held), When: cmd},
		{Name: "the same again, its time said", Given: enrolled(gained("o1", 100), held), When: minutes(60)},
		{Name: "the same again when it was captured", Given: enrolled(gained("o1", 100), held, took("h1", "h1", 50, part("o1", 50))), When: cmd},
		{Name: "the same again when it was released", Given: enrolled(gained("o1", 100), held, freed("h1", ReleaseRequested, part("o1", 50))), When: cmd, Error: ErrPointsHoldExpired},
		{Name: "the same again when its time is over", Given: enrolled(gained("o1", 100), held), When: when(func(c *HoldPoints) { c.Now = hourOn }), Error: ErrPointsHoldExpired},
		{Name: "other points", Given: enrolled(gained("o1", 100), held), When: when(func(c *HoldPoints) { c.Points = 49 }), Error: ErrPointsHoldExists},
		{Name: "another time", Given: enrolled(gained("o1", 100), held), When: minutes(59), Error: ErrPointsHoldExists},
		{Name: "too many", Given: enrolled(gained("o1", 49)), When: cmd, Error: ErrInsufficientPoints},
		{Name: "what is held already", Given: enrolled(gained("o1", 100), holding("h0", part("o1", 51))), When: cmd, Error: ErrInsufficientPoints},
		{Name: "what has lapsed", Given: enrolled(gained("o1", 100, today)), When: cmd, Error: ErrInsufficientPoints},
		{Name: "no member", Given: []Event{registered, gained("o1", 100)}, When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: enrolled(gained("o1", 100)), When: when(func(c *HoldPoints) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *HoldPoints) { c.HoldID, c.Points, c.TTLMinutes = "", 0, ptr(0) }, "/hold_id", "/points", "/ttl_minutes"),
		invalid("an id of a transfer", func(c *HoldPoints) { c.HoldID = "transfer:" + id.String() }, "/hold_id"),
		invalid("more than there can be", func(c *HoldPoints) { c.Points = loyalty.MaxPoints + 1 }, "/points"),
		invalid("longer than the programme allows", func(c *HoldPoints) { c.TTLMinutes = ptr(61) }, "/ttl_minutes"),
	}...))
}

func TestReleaseHold(t *testing.T) {
	cmd := ReleaseHold{Subject: at, Known: scheme(), HoldID: "h1"}
	later := with(cmd, func(c *ReleaseHold) { c.Subject = moment(hourOn) })
	hold := holding("h1", part("o2", 10), part("o1", 20))
	lots := enrolled(gained("o1", 100), gained("o2", 10, today+1))
	given := func(more ...Event) []Event { return append(lots[:len(lots):len(lots)], more...) }
	longer := with(hold, func(e *PointsHeld) { e.ExpiresAt = ptr(noon.AddDate(0, 0, 3)) })
	owed := PointsAdjusted{AdjustmentID: "a1", Points: -95, From: []Portion{part("o1", 80)}, Deficit: 15, AdjustedAt: noon}
	run(t, append(locking(cmd), []spec{
		{Name: "to its lots", Given: given(hold), When: cmd, Then: []Event{freed("h1", ReleaseRequested, part("o2", 10), part("o1", 20))}},
		{Name: "what has lapsed meanwhile lapses now", Given: given(longer), When: with(cmd, func(c *ReleaseHold) { c.Subject = moment(midnight(today + 1)) }),
			Then: []Event{with(freed("h1", ReleaseRequested, part("o1", 20)), func(e *HoldReleased) {
				e.Points, e.Lapsed, e.ReleasedAt = 30, []Portion{part("o2", 10)}, midnight(today+1)
			})}},
		{Name: "what is owed is paid first", Given: given(hold, owed), When: cmd,
			Then: []Event{with(freed("h1", ReleaseRequested, part("o2", 10), part("o1", 20)), func(e *HoldReleased) { e.DeficitPaid = 15 })}},
		{Name: "its time is over: that is enough", Given: given(hold), When: later},
		{Name: "it was released", Given: given(hold, freed("h1", ReleaseRequested, part("o2", 10), part("o1", 20))), When: cmd},
		{Name: "its time was over, and that was booked", Given: given(hold, freed("h1", ReleaseExpired, part("o2", 10), part("o1", 20))), When: later},
		{Name: "it was captured", Given: given(hold, took("h1", "x1", 30, part("o2", 10), part("o1", 20))), When: cmd, Error: ErrPointsHoldCaptured},
		{Name: "it was captured in part", When: cmd, Error: ErrPointsHoldCaptured,
			Given: given(hold, took("h1", "x1", 10, part("o2", 10)), freed("h1", ReleaseCaptured, part("o1", 20)))},
		{Name: "it is that of a transfer", Given: given(onTheWay(part("o1", 5))), Error: ErrHoldOfTransfer,
			When: with(cmd, func(c *ReleaseHold) { c.HoldID = "transfer:" + id.String() })},
		{Name: "there is none", Given: given(), When: cmd, Error: ErrPointsHoldNotFound},
		{Name: "nothing said", Given: given(hold), When: with(cmd, func(c *ReleaseHold) { c.HoldID = "" }), Error: domain.ErrValidation, Fields: []string{"/hold_id"}},
	}...))
}

func TestCaptureHold(t *testing.T) {
	cmd := CaptureHold{Subject: at, Known: scheme(), HoldID: "h1"}
	when := func(change func(*CaptureHold)) CaptureHold { return with(cmd, change) }
	some := func(points int64) CaptureHold { return when(func(c *CaptureHold) { c.Points = &points }) }
	ruled := func(change func(*loyalty.Redemption)) CaptureHold {
		return when(func(c *CaptureHold) { c.Known = scheme(func(p *loyalty.Policy) { change(&p.Redemption) }) })
	}
	invalid := func(name string, change func(*CaptureHold), fields ...string) spec {
		return spec{Name: name, Given: enrolled(), When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	hold := holding("h1", part("o2", 20), part("o1", 30))
	lots := enrolled(gained("o1", 100, today+60), gained("o2", 20, today+1))
	given := func(more ...Event) []Event { return append(lots[:len(lots):len(lots)], more...) }
	all := took("h1", "h1", 50, part("o2", 20), part("o1", 30))
	partly := []Event{took("h1", "h1", 25, part("o2", 20), part("o1", 5)), freed("h1", ReleaseCaptured, part("o1", 25))}
	longer := with(hold, func(e *PointsHeld) { e.ExpiresAt = ptr(noon.AddDate(0, 0, 3)) })
	extended := ExpiryExtended{Lots: []string{"order:o2:base"}, To: midnight(today + 99), ExtendedAt: noon}
	run(t, append(locking(cmd), []spec{
		{Name: "all of it is a redemption of its name", Given: given(hold), When: cmd, Then: []Event{all}},
		{Name: "under an id of its own, for a reward", Given: given(hold), When: when(func(c *CaptureHold) { c.RedemptionID, c.Reward = "x1", "mug" }),
			Then: []Event{with(all, func(e *HoldCaptured) { e.RedemptionID, e.Reward = "x1", "mug" })}},
		{Name: "on an order", Given: given(ordered, hold), When: when(func(c *CaptureHold) { c.OrderID = "o1" }),
			Then: []Event{with(all, func(e *HoldCaptured) { e.OrderID = "o1" })}},
		{Name: "a part of it, and the rest goes back", Given: given(hold), When: some(25), Then: partly},
		{Name: "a part, of what lapses first now", Given: given(hold, extended), When: some(25),
			Then: []Event{took("h1", "h1", 25, part("o1", 25)), freed("h1", ReleaseCaptured, part("o1", 5), part("o2", 20))}},
		{Name: "what has lapsed meanwhile was held in time", Given: given(longer), When: when(func(c *CaptureHold) { c.Subject = moment(midnight(today + 1)) }),
			Then: []Event{with(all, func(e *HoldCaptured) { e.CapturedAt = midnight(today + 1) })}},
		{Name: "but the rest of it lapses", Given: given(longer), When: with(some(10), func(c *CaptureHold) { c.Subject = moment(midnight(today + 1)) }),
			Then: []Event{
				with(took("h1", "h1", 10, part("o2", 10)), func(e *HoldCaptured) { e.CapturedAt = midnight(today + 1) }),
				with(freed("h1", ReleaseCaptured, part("o1", 30)), func(e *HoldReleased) {
					e.Points, e.Lapsed, e.ReleasedAt = 40, []Portion{part("o2", 10)}, midnight(today+1)
				}),
			}},
		{Name: "with its last instant", Given: given(hold), When: when(func(c *CaptureHold) { c.Subject = moment(hourOn.Add(-1)) }),
			Then: []Event{with(all, func(e *HoldCaptured) { e.CapturedAt = hourOn.Add(-1) })}},
		{Name: "it keeps the other points alive", Given: given(hold),
			When: when(func(c *CaptureHold) {
				c.Known = scheme(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Inactivity, Months: 2} })
			}),
			Then: []Event{with(all, func(e *HoldCaptured) { e.RollsTo = ptr(midnight(domain.NewDate(2026, 5, 1))) })}},
		{Name: "the same again", Given: given(hold, all), When: cmd},
		{Name: "the same again, all said", Given: given(hold, all), When: with(some(50), func(c *CaptureHold) { c.RedemptionID = "h1" })},
		{Name: "the same part again, when the time of the hold would be over", Given: given(append([]Event{hold}, partly...)...),
			When: with(some(25), func(c *CaptureHold) { c.Subject = moment(noon.AddDate(0, 0, 1)) })},
		{Name: "another part", Given: given(append([]Event{hold}, partly...)...), When: some(24), Error: ErrPointsHoldCaptured},
		{Name: "for another reward", Given: given(hold, all), When: when(func(c *CaptureHold) { c.Reward = "mug" }), Error: ErrPointsHoldCaptured},
		{Name: "as another redemption", Given: given(hold, all), When: when(func(c *CaptureHold) { c.RedemptionID = "x2" }), Error: ErrPointsHoldCaptured},
		{Name: "its time is over, whether or not that was booked", Given: given(hold), When: when(func(c *CaptureHold) { c.Subject = moment(hourOn) }), Error: ErrPointsHoldExpired},
		{Name: "it was released", Given: given(hold, freed("h1", ReleaseRequested, part("o2", 20), part("o1", 30))), When: cmd, Error: ErrPointsHoldExpired},
		{Name: "there is none", Given: given(), When: cmd, Error: ErrPointsHoldNotFound},
		{Name: "it is that of a transfer", Given: given(onTheWay(part("o1", 5))), Error: ErrHoldOfTransfer,
			When: when(func(c *CaptureHold) { c.HoldID = "transfer:" + id.String(); c.RedemptionID = "x1" })},
		{Name: "more than it is", Given: given(hold), When: some(51), Error: ErrCaptureExceeds},
		{Name: "the id of another redemption", Given: given(spent("h1", 5, part("o1", 5)), hold), When: cmd, Error: ErrRedemptionExists},
		{Name: "the id of another redemption that says the same", Given: given(spent("h1", 50, part("o1", 50)), hold), When: cmd, Error: ErrRedemptionExists},
		{Name: "below the minimum", Given: given(hold), When: ruled(func(r *loyalty.Redemption) { r.Minimum = 51 }), Error: ErrBelowMinimum},
		{Name: "between two steps", Given: given(hold), When: ruled(func(r *loyalty.Redemption) { r.Step = 20 }), Error: ErrNotAStep},
		{Name: "another price", Given: given(hold), When: with(some(49), func(c *CaptureHold) { c.Reward = "mug" }), Error: ErrRewardUnavailable},
		{Name: "no such order", Given: given(hold), When: when(func(c *CaptureHold) { c.OrderID = "o9" }), Error: ErrOrderNotFound},
		{Name: "a cancelled order", Given: given(ordered, cancelled, hold), When: when(func(c *CaptureHold) { c.OrderID = "o1" }), Error: ErrOrderCancelled},
		{Name: "there is no programme", Given: given(hold), When: when(func(c *CaptureHold) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *CaptureHold) { c.HoldID, c.Points = "", ptr(int64(0)) }, "/hold_id", "/points"),
		invalid("an id in words", func(c *CaptureHold) { c.RedemptionID = "for Ada" }, "/redemption_id"),
		invalid("ids that are too long", func(c *CaptureHold) { c.Reward, c.OrderID = strings.Repeat("x", 201), strings.Repeat("x", 201) }, "/reward", "/order_id"),
	}...))
}

// An order can be paid with what is held: it is captured whole, with the order.
func TestHoldsAreCapturedWithAnOrder(t *testing.T) {
	cmd := RecordOrder{Subject: at, Known: scheme(), OrderID: "o1", Total: eur(1000), PlacedAt: placed, HoldID: "h1"}
	when := func(change func(*RecordOrder)) RecordOrder { return with(cmd, change) }
	recorded := OrderRecorded{OrderID: "o1", Total: eur(1000), PlacedAt: placed, PlacedOn: today}
	given := func(more ...Event) []Event { return append(enrolled(gained("o0", 100)), more...) }
	hold := holding("h1", part("o0", 30))
	all := with(took("h1", "h1", 30, part("o0", 30)), func(e *HoldCaptured) { e.OrderID = "o1" })
	earned := with(gained("o1", 10, domain.NewDate(2027, 3, 1)), func(e *PointsEarned) { e.Expiry, e.BookedAt = loyalty.Expiry{Kind: loyalty.Months, Months: 12}, paid })
	run(t, []spec{
		{Name: "with the order", Given: given(hold), When: cmd, Then: []Event{recorded, all}},
		{Name: "before it earns", Given: given(hold), When: when(func(c *RecordOrder) { c.PaidAt = &paid }),
			Then: []Event{
				recorded, all,
				OrderPaid{OrderID: "o1", PaidAt: paid, PlacedOn: &today, Qualifying: &Qualifying{On: today, SpendMinor: 1000, Orders: 1}}, earned,
				becameActive,
			}},
		{Name: "the same order again", Given: given(hold, recorded, all), When: cmd},
		{Name: "an order that is there is paid; its hold was captured with it", Given: given(hold, recorded, all), When: when(func(c *RecordOrder) { c.PaidAt = &paid }),
			Then: []Event{
				OrderPaid{OrderID: "o1", PaidAt: paid, PlacedOn: &today, Qualifying: &Qualifying{On: today, SpendMinor: 1000, Orders: 1}}, earned,
				becameActive,
			}},
		{Name: "the same order again without it", Given: given(hold, recorded, all), When: when(func(c *RecordOrder) { c.HoldID = "" })},
		{Name: "an order that is there without it", Given: given(hold, recorded), When: when(func(c *RecordOrder) { c.PaidAt = &paid }), Error: ErrOrderExists},
		{Name: "another hold than that of the order", Given: given(hold, recorded, all, holding("h2", part("o0", 5))), When: when(func(c *RecordOrder) { c.HoldID = "h2" }), Error: ErrOrderExists},
		{Name: "there is none", Given: given(), When: cmd, Error: ErrPointsHoldNotFound},
		{Name: "its time is over", Given: given(hold), When: when(func(c *RecordOrder) { c.Subject = moment(hourOn) }), Error: ErrPointsHoldExpired},
		{Name: "it was captured for something else", Given: given(hold, took("h1", "x1", 30, part("o0", 30))), When: cmd, Error: ErrPointsHoldCaptured},
		{Name: "it is that of a transfer", Given: given(onTheWay(part("o0", 5))), Error: ErrHoldOfTransfer,
			When: when(func(c *RecordOrder) { c.HoldID = "transfer:" + id.String() })},
		{Name: "a redemption has its name", Given: given(spent("h1", 5, part("o0", 5)), hold), When: cmd, Error: ErrRedemptionExists},
		{Name: "below the minimum", Given: given(hold), Error: ErrBelowMinimum,
			When: when(func(c *RecordOrder) { c.Known = scheme(func(p *loyalty.Policy) { p.Redemption.Minimum = 31 }) })},
	})
}
