package customer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/audit"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// act is a command that is given in a world.
type act func(world.Known) domain.Command[State, Event]

// tale is a specification of what commands do to points one after another. Given is
// decided as well; then are the movements that when brings about, in words.
type tale struct {
	name  string
	world world.Known
	given []act
	when  act
	then  []string
	err   error
}

// tell runs tales as subtests. After every command what was credited less what was
// debited is what there is, and the auditor has nothing to say.
func tell(t *testing.T, tales []tale) {
	t.Helper()
	for _, x := range tales {
		t.Run(x.name, func(t *testing.T) {
			t.Helper()
			l := live(t, x.world, x.given...)
			cmd := x.when(x.world)
			events, err := domain.Decide(l.State, cmd)
			if !errors.Is(err, x.err) || err != nil && len(events) > 0 {
				t.Fatalf("error = %v with %d events, want %v", err, len(events), x.err)
			}
			if diff := cmp.Diff(x.then, inWords(events, cmd)); diff != "" {
				t.Errorf("movements (-want +got):\n%s", diff)
			}
			l.follow(t, events)
		})
	}
}

// audited is a customer to whom things happen, looked at by an auditor.
type audited struct {
	State
	audit *audit.Ledger
	steps byte
}

// live gives commands, none of which may be refused.
func live(t *testing.T, w world.Known, acts ...act) *audited {
	t.Helper()
	return liveIn(t, time.UTC, w, acts...)
}

// liveIn is live in a business zone.
func liveIn(t *testing.T, zone *time.Location, w world.Known, acts ...act) *audited {
	t.Helper()
	l := &audited{audit: audit.New(&audit.Rules{Zone: zone, Policies: w.World.Policies})}
	l.follow(t, []Event{registered})
	for i, a := range acts {
		events, err := domain.Decide(l.State, a(w))
		if err != nil {
			t.Fatalf("command %d is refused: %v", i, err)
		}
		l.follow(t, events)
	}
	return l
}

// follow appends the events of a command.
func (l *audited) follow(t *testing.T, events []Event) {
	t.Helper()
	l.steps++
	for _, e := range events {
		l.State = l.Evolve(e)
		if found := l.audit.Add(audit.Entry{Record: Record{Event: e}, Command: uuid.UUID{l.steps}}); found != nil {
			t.Fatalf("the auditor: %v\n%+v", found, e)
		}
	}
	if found := l.audit.Done(); found != nil {
		t.Fatalf("the auditor: %v", found)
	}
	if diff := l.audit.Differs(&l.Loyalty); diff != "" {
		t.Fatalf("the auditor: %s", diff)
	}
	balanced(t, l.State)
}

func balanced(t *testing.T, s State) {
	t.Helper()
	b := s.Loyalty.Balance()
	if b.Spendable < 0 || b.Pending < 0 || b.Held < 0 || s.Loyalty.Sums.Net() != b.Spendable+b.Pending+b.Held-s.Loyalty.Deficit {
		t.Fatalf("%+v is not what %+v add up to", b, s.Loyalty.Sums)
	}
}

// tenOn is ten o'clock of a day such as 2026-03-01.
func tenOn(day string) time.Time {
	d, err := domain.ParseDate(day)
	if err != nil {
		panic(err)
	}
	return d.Start(time.UTC).Add(10 * time.Hour)
}

// purchase is an order that is placed, paid and recorded at ten o'clock of a day.
func purchase(order, day string, minor int64, change ...func(*RecordOrder)) act {
	return func(w world.Known) domain.Command[State, Event] {
		c := RecordOrder{Subject: moment(tenOn(day)), Known: w, OrderID: order, Total: eur(minor), PlacedAt: tenOn(day), PaidAt: ptr(tenOn(day))}
		for _, f := range change {
			f(&c)
		}
		return c
	}
}

// heardOn says on which day an order becomes known.
func heardOn(day string) func(*RecordOrder) {
	return func(c *RecordOrder) { c.Subject = moment(tenOn(day)) }
}

func unpaid(c *RecordOrder) { c.PaidAt = nil }

// of gives an order its lines: sku, category, quantity, amount.
func of(lines ...OrderLine) func(*RecordOrder) {
	return func(c *RecordOrder) {
		c.Lines, c.Total.AmountMinor = lines, 0
		for _, l := range lines {
			c.Total.AmountMinor += *l.AmountMinor
		}
	}
}

func row(sku, category string, quantity, minor int64) OrderLine {
	return OrderLine{SKU: sku, Category: category, Quantity: quantity, AmountMinor: &minor}
}

func in(currency string, fx *FX) func(*RecordOrder) {
	return func(c *RecordOrder) { c.Total.Currency, c.FX = currency, fx }
}

func pay(order, day string, change ...func(*PayOrder)) act {
	return func(w world.Known) domain.Command[State, Event] {
		c := PayOrder{Subject: moment(tenOn(day)), Known: w, OrderID: order, PaidAt: ptr(tenOn(day))}
		for _, f := range change {
			f(&c)
		}
		return c
	}
}

// giveMoney is a refund of an order, as a whole or by lines.
func giveMoney(id, order, day string, minor int64, lines ...RefundLine) act {
	return func(w world.Known) domain.Command[State, Event] {
		c := RecordRefund{Subject: moment(tenOn(day)), Known: w, RefundID: id, OrderID: order, Amount: eur(minor), Lines: lines}
		for _, l := range lines {
			c.Amount.AmountMinor += l.AmountMinor
		}
		return c
	}
}

func cancel(order, day string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return CancelOrder{Subject: moment(tenOn(day)), Known: w, OrderID: order}
	}
}

func enrol(day string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return EnrolInProgram{Subject: moment(tenOn(day)), Known: w}
	}
}

func leave(day string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return LeaveProgram{Subject: moment(tenOn(day)), Known: w}
	}
}

func redeem(id, day string, points int64, order ...string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return RedeemPoints{Subject: moment(tenOn(day)), Known: w, RedemptionID: id, Points: points, OrderID: strings.Join(order, "")}
	}
}

func giveBack(redemption, day string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return ReverseRedemption{Subject: moment(tenOn(day)), Known: w, RedemptionID: redemption}
	}
}

func hold(id, day string, points int64) act {
	return func(w world.Known) domain.Command[State, Event] {
		return HoldPoints{Subject: moment(tenOn(day)), Known: w, HoldID: id, Points: points}
	}
}

func earn(activity, ref, day string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return EarnPoints{Subject: moment(tenOn(day)), Known: w, Activity: activity, Ref: ref}
	}
}

// settle books what fell due by ten o'clock of a day.
func settle(day string) act {
	return func(w world.Known) domain.Command[State, Event] {
		return SettleLoyalty{Subject: moment(tenOn(day)), Known: w}
	}
}

// memberWorld is a world whose programme has customers join with their first order, and
// gives a point for every euro that never lapses.
func memberWorld(change ...func(*loyalty.Policy)) world.Known {
	return publish(loyalty.Policy{
		Name: "points", Currency: "EUR", Enrolment: loyalty.FirstOrder, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Activities: []loyalty.Activity{{ID: "review", Points: 40}}, Expiry: loyalty.Expiry{Kind: loyalty.Never}, Redemption: loyalty.Redemption{Points: 1, ValueMinor: 1},
	}, change...)
}

// publish is a world in which a programme always was in force.
func publish(p loyalty.Policy, change ...func(*loyalty.Policy)) world.Known {
	for _, f := range change {
		f(&p)
	}
	if err := p.Validate(); err != nil {
		panic(err)
	}
	return world.Known{World: new(world.World).With(uuid.Nil, policy.Published{Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: policy.Always, Loyalty: &p})}
}

// twelveMonths lets points lapse a year after the order.
func twelveMonths(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Months, Months: 12} }

// pendingDays makes points spendable some days after the order.
func pendingDays(n int) func(*loyalty.Policy) { return func(p *loyalty.Policy) { p.PendingDays = n } }

// inWords names the movements of points among events. Times are said where they
// are not that of the command.
func inWords(events []Event, cmd any) (lines []string) {
	now := cmd.(interface{ About() domain.Subject }).About().Now
	for _, e := range events {
		if line := words(e); line != "" {
			if at := e.(domain.Dated).Occurred(); !at.Equal(now) {
				line += " @ " + clock(at)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// clock is a time as it is said: a date alone is its first instant.
func clock(t time.Time) string {
	if t = t.UTC(); t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format("2006-01-02")
	}
	return t.Format("2006-01-02 15:04")
}

func words(event Event) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	portions := func(label string, list []Portion) {
		for i, p := range list {
			if i == 0 {
				say(" %s", label)
			}
			say(" %s %d", p.LotID, p.Points)
		}
	}
	number := func(label string, n int64) {
		if n != 0 {
			say(" %s %d", label, n)
		}
	}
	until := func(label string, at *time.Time) {
		if at != nil {
			say(" %s %s", label, clock(*at))
		}
	}
	switch e := event.(type) {
	case ProgramJoined:
		say("joined by %s", strings.TrimSpace(e.Trigger+" "+e.OrderID))
	case ProgramLeft:
		say("left")
	case PointsForfeited:
		say("forfeited %d, %s:", e.Points, e.Cause)
		portions("of", e.From)
	case PointsEarned:
		say("earned %d %s", e.Lot.Points, e.Lot.LotID)
		if e.Remainder != "" {
			say(" and %s", e.Remainder)
		}
		for _, f := range e.Inputs.Factors {
			say(" × %s", f.Factor)
		}
		if e.Inputs.Limit != nil {
			say(" at most %d", *e.Inputs.Limit)
		}
		if e.Lot.AvailableAt.After(e.BookedAt) {
			say(" pending to %s", clock(e.Lot.AvailableAt))
		}
		until("until", e.Lot.ExpiresAt)
		until("rolls to", e.RollsTo)
		number("pays", e.DeficitPaid)
	case PointsActivated:
		say("activated %d %s", e.Points, e.LotID)
		number("pays", e.DeficitPaid)
	case PointsExpired:
		say("expired %d %s", e.Points, e.LotID)
	case PointsHeld:
		say("held %d %s", e.Points, e.HoldID)
		portions("of", e.From)
	case HoldReleased:
		say("released %d %s, %s:", e.Points, e.HoldID, e.Cause)
		portions("back", e.Returned)
		portions("lapsed", e.Lapsed)
		number("pays", e.DeficitPaid)
	case HoldCaptured:
		say("captured %d %s", e.Points, e.HoldID)
		portions("of", e.From)
	case PointsRedeemed:
		say("redeemed %d %s", e.Points, e.RedemptionID)
		portions("of", e.From)
		until("rolls to", e.RollsTo)
	case RedemptionReversed:
		say("gave back %d %s, %s:", e.Points, e.RedemptionID, e.Cause.Type)
		for _, x := range e.Restored {
			say(" %s %d", x.Lot.LotID, x.Points)
			until("until", x.Lot.ExpiresAt)
		}
		portions("lapsed", e.Lapsed)
		number("pays", e.DeficitPaid)
	case PointsEarnReversed:
		say("took back %d %s, %s, kept %d:", e.Points, e.LotID, e.Cause.Type, e.Kept)
		if e.Remaining != "" {
			say(" for %s", e.Remaining)
		}
		portions("of", e.From)
		number("lapsed", e.Lapsed)
		number("owes", e.Deficit)
		number("waived", e.Waived)
	case EarnReversalDeclined:
		say("declined %d %s, %s", e.Points, e.LotID, e.Cause.Type)
	case ExpiryExtended:
		say("extended %s to %s", strings.Join(e.Lots, " "), clock(e.To))
	}
	return b.String()
}

// happened is what is so without a command of this customer's: an erasure, say.
func happened(events ...Event) act {
	return func(world.Known) domain.Command[State, Event] { return given{events} }
}

type given struct{ all []Event }

func (given) Stream() string                  { return Stream(id) }
func (given) AfterErasure()                   {}
func (c given) Decide(State) ([]Event, error) { return c.all, nil }
