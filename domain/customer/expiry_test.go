package customer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

func TestExtendExpiry(t *testing.T) {
	cmd := ExtendExpiry{Subject: at, Known: scheme(), Lots: []string{"order:o1:base"}, To: today + 60, Reason: "was ill"}
	when := func(change func(*ExtendExpiry)) ExtendExpiry { return with(cmd, change) }
	to := func(d domain.Date) ExtendExpiry { return when(func(c *ExtendExpiry) { c.To = d }) }
	lots := func(ids ...string) ExtendExpiry { return when(func(c *ExtendExpiry) { c.Lots = ids }) }
	invalid := func(name string, cmd ExtendExpiry, fields ...string) spec {
		return spec{Name: name, Given: enrolled(gained("o1", 30, today+9)), When: cmd, Error: domain.ErrValidation, Fields: fields}
	}
	extended := ExpiryExtended{Lots: []string{"order:o1:base"}, To: midnight(today + 60), Reason: "was ill", ExtendedAt: noon}
	of := func(ids ...string) ExpiryExtended {
		e := extended
		e.Lots = ids
		return e
	}
	given := enrolled(gained("o1", 30, today+9), gained("o2", 5, today+90), gained("o3", 7), gained("o4", 8, today+60), gained("o5", 9, today+1))
	pending := with(gained("o1", 30, today+9), func(e *PointsEarned) { e.Lot.AvailableAt = midnight(today + 3) })
	run(t, append(locking(cmd), []spec{
		{Name: "to the first instant of a day", Given: given, When: cmd, Then: []Event{extended}},
		{Name: "in the business zone", Given: given, When: when(func(c *ExtendExpiry) { c.Zone = far }),
			Then: []Event{with(extended, func(e *ExpiryExtended) { e.To = (today + 60).Start(far).UTC() })}},
		{Name: "of more lots", Given: given, When: lots("order:o5:base", "order:o1:base"), Then: []Event{of("order:o5:base", "order:o1:base")}},
		{Name: "of those that do not lapse then", Given: given, When: lots("order:o4:base", "order:o1:base"), Then: []Event{extended}},
		{Name: "of what is pending", Given: enrolled(pending), When: cmd, Then: []Event{extended}},
		{Name: "of what is held", Given: enrolled(gained("o1", 30, today+9), holding("h1", part("o1", 30))), When: cmd, Then: []Event{extended}},
		{Name: "what fell due comes first", Given: given, When: when(func(c *ExtendExpiry) { c.Subject = moment(noon.AddDate(0, 0, 2)) }),
			Then: []Event{
				PointsExpired{LotID: "order:o5:base", Points: 9, ExpiredAt: midnight(today + 1)},
				with(extended, func(e *ExpiryExtended) { e.ExtendedAt = noon.AddDate(0, 0, 2) }),
			}},
		{Name: "that is when they lapse", Given: given, When: lots("order:o4:base")},
		{Name: "the same again", Given: append(given, extended), When: cmd},
		{Name: "no such lot", Given: given, When: lots("order:o1:base", "order:o9:base"), Error: ErrLotNotFound},
		{Name: "nothing is left of it", Given: append(given, spent("x1", 30, part("o1", 30))), When: cmd, Error: ErrLotNotFound},
		{Name: "it has lapsed, whether or not that was booked", Given: given, When: when(func(c *ExtendExpiry) { c.Subject = moment(midnight(today + 9)) }), Error: ErrLotExpired},
		{Name: "it has lapsed, and that was booked", Given: append(given, PointsExpired{LotID: "order:o1:base", Points: 30, ExpiredAt: noon}), When: cmd, Error: ErrLotExpired},
		invalid("nothing said", ExtendExpiry{Subject: at, Known: scheme(), Lots: []string{""}}, "/lots/0", "/reason"),
		invalid("no lots", lots(), "/lots"),
		invalid("too many lots", lots(strings.Split(strings.Repeat("x ", 100), " ")...), "/lots"),
		invalid("a lot twice", lots("order:o1:base", "order:o1:base"), "/lots/1"),
		invalid("today", to(today), "/to", "/to"),
		invalid("earlier than it lapses", to(today+8), "/to"),
		invalid("in a thousand years", to(domain.NewDate(3000, 1, 1)), "/to"),
		invalid("a reason that is too long", when(func(c *ExtendExpiry) { c.Reason = strings.Repeat("x", 2001) }), "/reason"),
		{Name: "it never lapses", Given: given, When: lots("order:o3:base"), Error: domain.ErrValidation, Fields: []string{"/to"}},
	}...))
}

// extending lets lots lapse later.
func extending(day string, to domain.Date, lots ...string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return ExtendExpiry{Subject: moment(tenOn(day)), Known: w, Lots: lots, To: to, Reason: "asked"}
	}
}

func TestPointsLapse(t *testing.T) {
	months := func(kind string, n int) world.Known {
		return memberWorld(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: kind, Months: n} })
	}
	years := func(n int) world.Known {
		return memberWorld(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.EndOfYear, Years: n} })
	}
	month, idle := months(loyalty.Months, 1), months(loyalty.Inactivity, 2)
	tell(t, []tale{
		{name: "after months, on the last day of a short one", world: month, given: []act{purchase("o1", "2026-01-31", 1000)}, when: settle("2026-06-01"),
			then: []string{"expired 10 order:o1:base @ 2026-02-28"}},
		{name: "not the instant before", world: month, given: []act{purchase("o1", "2026-01-31", 1000)},
			when: func(w world.Known) domain.Command[State, Event] {
				return SettleLoyalty{Subject: moment(tenOn("2026-02-28").Add(-10*time.Hour - 1)), Known: w}
			}},
		{name: "after a leap year's February", world: months(loyalty.Months, 12), given: []act{purchase("o1", "2024-02-29", 1000)}, when: settle("2026-06-01"),
			then: []string{"expired 10 order:o1:base @ 2025-02-28"}},
		{name: "with the year", world: years(0), given: []act{purchase("o1", "2026-12-31", 1000)}, when: settle("2027-06-01"), then: []string{"expired 10 order:o1:base @ 2027-01-01"}},
		{name: "with the year after it", world: years(1), given: []act{purchase("o1", "2026-01-01", 1000)}, when: settle("2029-06-01"), then: []string{"expired 10 order:o1:base @ 2028-01-01"}},
		{name: "several, as they fall due", world: month, given: []act{purchase("o2", "2026-01-20", 300), purchase("o1", "2026-01-10", 1000), redeem("x1", "2026-01-21", 4)},
			when: settle("2026-06-01"), then: []string{"expired 6 order:o1:base @ 2026-02-10", "expired 3 order:o2:base @ 2026-02-20"}},
		{name: "nobody is moved twice", world: month, given: []act{purchase("o1", "2026-01-10", 1000), settle("2026-06-01")}, when: settle("2026-06-01")},
		{name: "two months without anything", world: idle, given: []act{purchase("o1", "2026-01-10", 1000)}, when: settle("2026-06-01"), then: []string{"expired 10 order:o1:base @ 2026-03-10"}},
		{name: "an order keeps them", world: idle, given: []act{purchase("o1", "2026-01-10", 1000)}, when: purchase("o2", "2026-03-09", 100),
			then: []string{"earned 1 order:o2:base until 2026-05-09 rolls to 2026-05-09"}},
		{name: "for two months more", world: idle, given: []act{purchase("o1", "2026-01-10", 1000), purchase("o2", "2026-03-09", 100)}, when: settle("2026-06-01"),
			then: []string{"expired 10 order:o1:base @ 2026-05-09", "expired 1 order:o2:base @ 2026-05-09"}},
		{name: "so does a redemption", world: idle, given: []act{purchase("o1", "2026-01-10", 1000), redeem("x1", "2026-03-09", 1)}, when: settle("2026-06-01"),
			then: []string{"expired 9 order:o1:base @ 2026-05-09"}},
		{name: "a late order does not let them lapse earlier", world: idle, given: []act{purchase("o1", "2026-03-10", 1000)}, when: purchase("o2", "2026-01-20", 100, heardOn("2026-03-20")),
			then: []string{"joined by first_order o2 @ 2026-01-20 10:00", "earned 1 order:o2:base until 2026-05-10 rolls to 2026-03-20 @ 2026-01-20 10:00"}},
		{name: "nor does it revive what has lapsed", world: idle, given: []act{purchase("o1", "2025-12-10", 1000)}, when: purchase("o2", "2026-01-20", 100, heardOn("2026-03-21")),
			then: []string{
				"expired 10 order:o1:base @ 2026-02-10", "earned 1 order:o2:base until 2026-03-20 rolls to 2026-03-20 @ 2026-01-20 10:00", "expired 1 order:o2:base @ 2026-03-20",
			}},
		{name: "an extension holds until the customer does something later still", world: idle, given: []act{purchase("o1", "2026-01-10", 1000), extending("2026-01-11", domain.NewDate(2026, 4, 1), "order:o1:base"), redeem("x1", "2026-01-20", 1)},
			when: settle("2026-06-01"), then: []string{"expired 9 order:o1:base @ 2026-04-01"}},
		{name: "and then that", world: idle, given: []act{purchase("o1", "2026-01-10", 1000), extending("2026-01-11", domain.NewDate(2026, 4, 1), "order:o1:base"), redeem("x1", "2026-03-20", 1)},
			when: settle("2026-06-01"), then: []string{"expired 9 order:o1:base @ 2026-05-20"}},
		{name: "what is spent first is what lapses first after an extension", world: month, when: redeem("x1", "2026-01-12", 5),
			given: []act{purchase("o1", "2026-01-10", 1000), purchase("o2", "2026-01-11", 300), extending("2026-01-11", domain.NewDate(2026, 4, 1), "order:o1:base")},
			then:  []string{"redeemed 5 x1 of order:o2:base 3 order:o1:base 2"}},
		{name: "what came back of a redemption keeps its end", world: month, given: []act{purchase("o1", "2026-01-10", 1000), redeem("x1", "2026-01-11", 10)}, when: giveBack("x1", "2026-02-09"),
			then: []string{"gave back 10 x1, requested: order:o1:base 10 until 2026-02-10"}},
		{name: "what came back of a redemption has rolled on", world: idle, given: []act{purchase("o1", "2026-01-10", 1000), redeem("x1", "2026-01-11", 10), purchase("o2", "2026-02-20", 100)}, when: giveBack("x1", "2026-03-20"),
			then: []string{"gave back 10 x1, requested: order:o1:base 10 until 2026-04-20"}},
	})
}

// A hold keeps points until its own end, also when their lot has lapsed; then they lapse with it.
func TestHoldsOverAnExpiry(t *testing.T) {
	month := memberWorld(func(p *loyalty.Policy) {
		p.Expiry, p.Redemption.HoldMinutes = loyalty.Expiry{Kind: loyalty.Months, Months: 1}, 3*24*60
	})
	held := []act{purchase("o1", "2026-01-31", 1000), hold("h1", "2026-02-27", 6)}
	capture := func(day string, points int64) act {
		return func(w world.Known) domain.Command[State, Event] {
			return CaptureHold{Subject: moment(tenOn(day)), Known: w, HoldID: "h1", Points: &points}
		}
	}
	tell(t, []tale{
		{name: "what is not held lapses", world: month, given: held, when: settle("2026-03-01"), then: []string{"expired 4 order:o1:base @ 2026-02-28"}},
		{name: "what is held lapses with the hold", world: month, given: held, when: settle("2026-03-05"),
			then: []string{"expired 4 order:o1:base @ 2026-02-28", "released 6 h1, expired: lapsed order:o1:base 6 @ 2026-03-02 10:00"}},
		{name: "until then it can be captured", world: month, given: held, when: capture("2026-03-01", 6),
			then: []string{"expired 4 order:o1:base @ 2026-02-28", "captured 6 h1 of order:o1:base 6"}},
		{name: "the rest of it lapses", world: month, given: held, when: capture("2026-03-01", 5),
			then: []string{"expired 4 order:o1:base @ 2026-02-28", "captured 5 h1 of order:o1:base 5", "released 1 h1, captured: lapsed order:o1:base 1"}},
		{name: "afterwards it cannot", world: month, given: held, when: capture("2026-03-02", 6), err: ErrPointsHoldExpired},
		{name: "a refund does not count what lapsed in a hold", world: month, given: append(held[:2:2], settle("2026-03-05")), when: giveMoney("r1", "o1", "2026-03-06", 1000),
			then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 lapsed 10"}},
		{name: "an extension is for what is held, too", world: month, given: append(held[:2:2], extending("2026-02-27", domain.NewDate(2026, 4, 1), "order:o1:base")), when: settle("2026-03-05"),
			then: []string{"released 6 h1, expired: back order:o1:base 6 @ 2026-03-02 10:00"}},
	})
}

// Days begin at midnight of the business zone, also where clocks are put forward
// and back.
func TestPointsLapseAtMidnightOfTheBusinessZone(t *testing.T) {
	for _, x := range []struct{ zone, placed, want string }{
		{"Europe/Berlin", "2026-02-28T23:30:00Z", "2026-03-31T22:00:00Z"}, // placed on 1 March there; summer time has begun
		{"Europe/Berlin", "2026-02-28T22:30:00Z", "2026-03-27T23:00:00Z"},
		{"Europe/Berlin", "2026-09-25T12:00:00Z", "2026-10-24T22:00:00Z"}, // with the day on which summer time ends
		{"Europe/Berlin", "2026-09-26T12:00:00Z", "2026-10-25T23:00:00Z"},
		{"America/Santiago", "2026-08-06T12:00:00Z", "2026-09-06T04:00:00Z"}, // there is no midnight on that day
		{"Pacific/Auckland", "2026-01-30T11:00:00Z", "2026-02-27T11:00:00Z"}, // the 31st there, and so the end of February
	} {
		t.Run(fmt.Sprint(x.zone, " ", x.placed), func(t *testing.T) {
			zone, err := time.LoadLocation(x.zone)
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, x.placed)
			if err != nil {
				t.Fatal(err)
			}
			month := memberWorld(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Months, Months: 1} })
			there := moment(at)
			there.Zone = zone
			s := liveIn(t, zone, month, func(w world.Known) domain.Command[State, Event] {
				return RecordOrder{Subject: there, Known: w, OrderID: "o1", Total: eur(1000), PlacedAt: at, PaidAt: &at}
			})
			end, ok := s.Loyalty.NextDue()
			if !ok || end.Format(time.RFC3339) != x.want {
				t.Fatalf("they lapse at %s, want %s", end.Format(time.RFC3339), x.want)
			}
			before, then := s.Loyalty.At(end.Add(-1), zone, month.World.Policies), s.Loyalty.At(end, zone, month.World.Policies)
			if before.Balance().Spendable != 10 || then.Balance().Spendable != 0 {
				t.Errorf("%+v the instant before, %+v then", before.Balance(), then.Balance())
			}
		})
	}
}

// What falls due is booked at the same instants, whether day by day or after an
// outage; and the account knows without being told.
func TestAnOutageBooksTheSame(t *testing.T) {
	w := memberWorld(pendingDays(3), func(p *loyalty.Policy) {
		p.Expiry, p.Redemption.HoldMinutes = loyalty.Expiry{Kind: loyalty.Months, Months: 1}, 5*24*60
	})
	start := func() *audited { // of its own: states share what they remember
		return live(t, w, purchase("o1", "2026-01-31", 1000), purchase("o2", "2026-02-03", 500),
			hold("h1", "2026-02-22", 12), giveMoney("r1", "o1", "2026-02-22", 900), purchase("o3", "2026-02-25", 700))
	}
	daily, untold, last := start(), start(), tenOn("2026-04-30")
	var booked []string
	for now := tenOn("2026-02-25"); !now.After(last); now = now.AddDate(0, 0, 1) {
		cmd := SettleLoyalty{Subject: moment(now), Known: w}
		events, err := domain.Decide(daily.State, domain.Command[State, Event](cmd))
		if err != nil {
			t.Fatal(err)
		}
		booked = append(booked, inWords(events, SettleLoyalty{})...)
		daily.follow(t, events)
		at := untold.Loyalty.At(now, time.UTC, w.World.Policies)
		if diff := cmp.Diff(daily.Loyalty, at); diff != "" {
			t.Fatalf("%s: the account as of then (-booked +told):\n%s", now, diff)
		}
	}
	once, err := domain.Decide(untold.State, domain.Command[State, Event](SettleLoyalty{Subject: moment(last), Known: w}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"released 12 h1, expired: back order:o1:base 10 order:o2:base 2 pays 6 @ 2026-02-27 10:00",
		"activated 7 order:o3:base @ 2026-02-28", "expired 4 order:o1:base @ 2026-02-28", "expired 2 order:o2:base @ 2026-03-03", "expired 7 order:o3:base @ 2026-03-25",
	}
	if diff := cmp.Diff(want, booked); diff != "" {
		t.Errorf("day by day (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(booked, inWords(once, SettleLoyalty{})); diff != "" {
		t.Errorf("after an outage (-daily +once):\n%s", diff)
	}
}
