package customer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/tier"
	"github.com/rapport-crm/rapport/domain/world"
)

// metals is a ladder of a rolling year, with levels at 100, 500 and 1,000 points.
func metals(change ...func(*tier.Policy)) *tier.Policy {
	p := &tier.Policy{
		Name: "metals", Measure: tier.Points, Window: tier.Window{Kind: tier.Rolling, Months: 12},
		Levels:   []tier.Level{{ID: "member", From: 0}, {ID: "silver", From: 100}, {ID: "gold", From: 500}, {ID: "platinum", From: 1000}},
		Validity: tier.Validity{Kind: tier.Months, Months: 12}, Downgrade: tier.OneDown,
	}
	for _, f := range change {
		f(p)
	}
	return p
}

// life is a member through whose years commands are sent. Everything on a date
// happens at noon.
type life struct {
	t     testing.TB
	state State
	world *world.World
	told  []string // what became of the tier
}

// newLife begins with a member who joined in 2020, under a programme of one point
// for every unit of currency.
func newLife(t testing.TB, ladder *tier.Policy) *life {
	l := &life{t: t, world: desks().World}
	l.publish("2020-01-01", 1, ladder)
	since := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	l.state = l.state.Evolve(Registered{RegisteredAt: since}).Evolve(ProgramJoined{Trigger: TriggerRequest, JoinedAt: since})
	return l
}

func (l *life) publish(from string, version int, p *tier.Policy) {
	l.world = l.world.With(uuid.Nil, policy.Published{Kind: policy.KindTier, Version: version, EffectiveFrom: ymd(from), Tier: p})
}

func ymd(text string) domain.Date {
	d, err := domain.ParseDate(text)
	if err != nil {
		panic(err)
	}
	return d
}

func upon(date string) domain.Subject {
	s := later(deskAnn, ymd(date).Start(time.UTC).Add(12*time.Hour))
	return s
}

func (l *life) known() world.Known { return world.Known{World: l.world} }

// do decides a command and notes what it says of the tier.
func (l *life) do(cmd domain.Command[State, Event]) error {
	events, err := domain.Decide(l.state, cmd)
	for _, e := range events {
		l.state = l.state.Evolve(e)
		l.told = append(l.told, tierLine(e)...)
	}
	return err
}

func (l *life) must(cmd domain.Command[State, Event]) {
	l.t.Helper()
	if err := l.do(cmd); err != nil {
		l.t.Fatal(err)
	}
}

func (l *life) buy(date, order string, points int64) {
	l.t.Helper()
	l.bought(date, date, order, points)
}

// bought becomes known later than it was placed.
func (l *life) bought(known, placed, order string, points int64) {
	l.t.Helper()
	at := upon(placed).Now
	l.must(RecordOrder{Subject: upon(known), Known: l.known(), OrderID: order, Total: eur(100 * points), PlacedAt: at, PaidAt: &at})
}

func (l *life) refund(date, order string, points int64) {
	l.t.Helper()
	l.must(RecordRefund{Subject: upon(date), Known: l.known(), RefundID: order + date, OrderID: order, Amount: eur(100 * points)})
}

func (l *life) override(date, level, until string) {
	l.t.Helper()
	l.must(OverrideTier{Subject: upon(date), Known: l.known(), Tier: level, Until: ymd(until), Reason: "said so"})
}

func (l *life) lift(date string) {
	l.t.Helper()
	l.must(LiftTierOverride{Subject: upon(date), Known: l.known(), Reason: "said so"})
}

func (l *life) settle(date string) {
	l.t.Helper()
	l.must(SettleLoyalty{Subject: upon(date), Known: l.known()})
}

// tierLine says in a line what an event says of the tier.
func tierLine(e Event) []string {
	until := func(t *time.Time) string {
		if t == nil {
			return "for good"
		}
		return "until " + instant(*t)
	}
	because := func(x Evaluation, c TierCause) string {
		return fmt.Sprintf("for %d %s from %s to %s by %d: %s", x.Qualifying, x.Measure, x.From, x.To, x.PolicyVersion, strings.TrimSpace(c.Type+" "+c.OrderID))
	}
	switch e := e.(type) {
	case TierUpgraded:
		return []string{fmt.Sprintf("%s up from %s to %s %s %s", instant(e.ChangedAt), e.From, e.To, until(e.ValidUntil), because(e.Evaluation, e.Cause))}
	case TierDowngraded:
		return []string{fmt.Sprintf("%s down from %s to %s %s %s", instant(e.ChangedAt), e.From, e.To, until(e.ValidUntil), because(e.Evaluation, e.Cause))}
	case TierRetained:
		return []string{fmt.Sprintf("%s keeps %s %s %s", instant(e.RetainedAt), e.Tier, until(e.ValidUntil), because(e.Evaluation, e.Cause))}
	case TierOverridden:
		return []string{fmt.Sprintf("%s overridden from %s to %s until %s by %d", instant(e.OverriddenAt), e.From, e.To, instant(e.Until), e.PolicyVersion)}
	case TierOverrideLifted:
		return []string{fmt.Sprintf("%s lifted %s", instant(e.LiftedAt), e.Tier)}
	}
	return nil
}

// instant is a date, with the time if it is not the day's first instant.
func instant(t time.Time) string {
	return strings.TrimSuffix(strings.TrimSuffix(t.UTC().Format("2006-01-02 15:04"), " 00:00"), " 12:00")
}

func TestTiersOverTime(t *testing.T) {
	calendar := func(p *tier.Policy) {
		p.Window, p.Validity = tier.Window{Kind: tier.CalendarYear}, tier.Validity{Kind: tier.EndOfNextYear}
	}
	for _, tc := range []struct {
		name   string
		ladder *tier.Policy
		live   func(*life)
		want   []string
	}{
		{"the order that reaches a level lifts to it at once", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 99)
			l.buy("2026-01-20", "o2", 1)
		}, []string{"2026-01-20 up from member to silver until 2027-01-20 for 100 points from 2025-01-21 to 2026-01-20 by 1: order o2"}},
		{"two levels at once", metals(), func(l *life) { l.buy("2026-01-10", "o1", 600) },
			[]string{"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1"}},
		{"what is out of the window does not count", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 60)
			l.buy("2026-01-10", "o2", 60)
		}, nil},
		{"what is just within it does", metals(), func(l *life) {
			l.buy("2025-01-11", "o1", 60)
			l.buy("2026-01-10", "o2", 60)
		}, []string{"2026-01-10 up from member to silver until 2027-01-10 for 120 points from 2025-01-11 to 2026-01-10 by 1: order o2"}},
		{"unpaid orders do not qualify", metals(), func(l *life) {
			l.must(RecordOrder{Subject: upon("2026-01-10"), Known: l.known(), OrderID: "o1", Total: eur(50000), PlacedAt: upon("2026-01-10").Now})
		}, nil},
		{"they do when they are paid, as of their placing", metals(), func(l *life) {
			l.must(RecordOrder{Subject: upon("2026-01-10"), Known: l.known(), OrderID: "o1", Total: eur(50000), PlacedAt: upon("2026-01-10").Now})
			l.must(PayOrder{Subject: upon("2026-01-12"), Known: l.known(), OrderID: "o1"})
		}, []string{"2026-01-12 up from member to gold until 2027-01-12 for 500 points from 2025-01-13 to 2026-01-12 by 1: order o1"}},
		{"spend, not points", metals(func(p *tier.Policy) { p.Measure = tier.Spend }), func(l *life) { l.buy("2026-01-10", "o1", 6) },
			[]string{"2026-01-10 up from member to gold until 2027-01-10 for 600 spend from 2025-01-11 to 2026-01-10 by 1: order o1"}},
		{"orders, not points", metals(func(p *tier.Policy) {
			p.Measure, p.Levels = tier.Orders, []tier.Level{{ID: "new"}, {ID: "regular", From: 2}}
		}), func(l *life) {
			l.buy("2026-01-10", "o1", 1)
			l.buy("2026-01-11", "o2", 1)
		}, []string{"2026-01-11 up from new to regular until 2027-01-11 for 2 orders from 2025-01-12 to 2026-01-11 by 1: order o2"}},
		{"bonus and adjustments do not qualify", metals(), func(l *life) {
			l.must(GrantBonus{Subject: upon("2026-01-10"), Known: l.known(), BonusID: "b1", Points: 100, Reason: "x"})
			l.must(AdjustPoints{Subject: upon("2026-01-10"), Known: l.known(), AdjustmentID: "a1", Points: 1000, Reason: "x"})
			s := upon("2026-01-10")
			s.Actor = bob
			l.must(ApprovePoints{Subject: s, Known: l.known(), ProposalID: "a1"})
			l.buy("2026-01-10", "o1", 1)
			l.must(EvaluateTier{Subject: upon("2026-01-11"), Known: l.known()})
		}, nil},
		{"a level is retained", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 100)
			l.buy("2025-06-10", "o2", 120)
			l.settle("2026-01-10")
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 100 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2026-01-10 keeps silver until 2027-01-10 for 220 points from 2025-01-10 to 2026-01-09 by 1: period_end",
		}},
		{"not before its day", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 100)
			l.settle("2026-01-09")
		}, []string{"2025-01-10 up from member to silver until 2026-01-10 for 100 points from 2024-01-11 to 2025-01-10 by 1: order o1"}},
		{"one down", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 1000)
			l.settle("2026-01-11")
			l.settle("2028-01-11")
		}, []string{
			"2025-01-10 up from member to platinum until 2026-01-10 for 1000 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2026-01-10 keeps platinum until 2027-01-10 for 1000 points from 2025-01-10 to 2026-01-09 by 1: period_end",
			"2027-01-10 down from platinum to gold until 2028-01-10 for 0 points from 2026-01-10 to 2027-01-09 by 1: period_end",
			"2028-01-10 down from gold to silver until 2029-01-10 for 0 points from 2027-01-10 to 2028-01-09 by 1: period_end",
		}},
		{"to the balance", metals(func(p *tier.Policy) { p.Downgrade = tier.ToBalance }), func(l *life) {
			l.buy("2025-01-10", "o1", 1000)
			l.buy("2026-02-10", "o2", 150)
			l.settle("2027-01-10")
		}, []string{
			"2025-01-10 up from member to platinum until 2026-01-10 for 1000 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2026-01-10 keeps platinum until 2027-01-10 for 1000 points from 2025-01-10 to 2026-01-09 by 1: period_end",
			"2027-01-10 down from platinum to silver until 2028-01-10 for 150 points from 2026-01-10 to 2027-01-09 by 1: period_end",
		}},
		{"to the base, which is for good", metals(func(p *tier.Policy) { p.Window.Months = 6 }), func(l *life) {
			l.buy("2025-01-10", "o1", 100)
			l.settle("2027-01-10")
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 100 points from 2024-07-11 to 2025-01-10 by 1: order o1",
			"2026-01-10 down from silver to member for good for 0 points from 2025-07-10 to 2026-01-09 by 1: period_end",
		}},
		{"a higher level in force lasts from its own order", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 100)
			l.buy("2025-06-10", "o2", 400)
			l.settle("2026-01-10")
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 100 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2025-06-10 up from silver to gold until 2026-06-10 for 500 points from 2024-06-11 to 2025-06-10 by 1: order o2",
		}},
		{"grace: what is bought in it still counts", metals(func(p *tier.Policy) { p.GraceDays = 30 }), func(l *life) {
			l.buy("2025-01-10", "o1", 100)
			l.buy("2026-02-05", "o2", 150)
			l.settle("2026-02-09")
			l.settle("2027-02-09")
		}, []string{
			"2025-01-10 up from member to silver until 2026-02-09 for 100 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2026-02-09 keeps silver until 2027-02-09 for 150 points from 2025-02-09 to 2026-02-08 by 1: period_end",
			"2027-02-09 keeps silver until 2028-02-09 for 150 points from 2026-01-10 to 2027-01-09 by 1: period_end",
		}},
		{"grace: what was reached by the end counts, though it left the window since", metals(func(p *tier.Policy) { p.GraceDays = 30 }), func(l *life) {
			l.buy("2025-01-15", "o1", 100)
			l.settle("2026-02-14")
			l.settle("2027-02-14")
		}, []string{
			"2025-01-15 up from member to silver until 2026-02-14 for 100 points from 2024-01-16 to 2025-01-15 by 1: order o1",
			"2026-02-14 keeps silver until 2027-02-14 for 100 points from 2025-01-15 to 2026-01-14 by 1: period_end",
			"2027-02-14 down from silver to member for good for 0 points from 2026-02-14 to 2027-02-13 by 1: period_end",
		}},
		{"calendar years", metals(calendar), func(l *life) {
			l.buy("2024-12-31", "o0", 99)
			l.buy("2025-01-01", "o1", 99)
			l.buy("2025-12-31", "o2", 1)
			l.buy("2026-05-05", "o3", 40)
			l.settle("2027-01-01")
		}, []string{
			"2025-12-31 up from member to silver until 2027-01-01 for 100 points from 2025-01-01 to 2025-12-31 by 1: order o2",
			"2027-01-01 down from silver to member for good for 40 points from 2026-01-01 to 2026-12-31 by 1: period_end",
		}},
		{"calendar years with grace", metals(calendar, func(p *tier.Policy) { p.GraceDays, p.Validity.Kind = 10, tier.EndOfYear }), func(l *life) {
			l.buy("2025-06-01", "o1", 100)
			l.settle("2026-01-11")
			l.buy("2027-01-05", "o2", 110)
			l.settle("2027-01-11")
			l.settle("2028-01-11")
		}, []string{
			"2025-06-01 up from member to silver until 2026-01-11 for 100 points from 2025-01-01 to 2025-06-01 by 1: order o1",
			"2026-01-11 keeps silver until 2027-01-11 for 100 points from 2025-01-01 to 2025-12-31 by 1: period_end",
			"2027-01-11 keeps silver until 2028-01-11 for 110 points from 2027-01-01 to 2027-01-10 by 1: period_end",
			"2028-01-11 keeps silver until 2029-01-11 for 110 points from 2027-01-01 to 2027-12-31 by 1: period_end",
		}},
		{"a lifetime, for good", metals(func(p *tier.Policy) {
			p.Window, p.Validity = tier.Window{Kind: tier.Lifetime}, tier.Validity{Kind: tier.Unlimited}
		}), func(l *life) {
			l.buy("2021-01-10", "o1", 60)
			l.buy("2026-01-10", "o2", 60)
			l.settle("2036-01-10")
		}, []string{"2026-01-10 up from member to silver for good for 120 points from 0001-01-01 to 2026-01-10 by 1: order o2"}},
		{"a refund takes at once what was reached with it", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 600)
			l.refund("2026-02-10", "o1", 200)
		}, []string{
			"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-02-10 down from gold to silver until 2027-02-10 for 400 points from 2025-02-11 to 2026-02-10 by 1: refund o1",
		}},
		{"a cancellation likewise", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 600)
			l.must(CancelOrder{Subject: upon("2026-02-10"), Known: l.known(), OrderID: "o1"})
		}, []string{
			"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-02-10 down from gold to member for good for 0 points from 2025-02-11 to 2026-02-10 by 1: order_cancelled o1",
		}},
		{"a refund that leaves enough takes nothing", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 600)
			l.refund("2026-02-10", "o1", 100)
		}, []string{"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1"}},
		{"nor one that was made up for since", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 600)
			l.buy("2026-01-20", "o2", 200)
			l.refund("2026-02-10", "o1", 200)
		}, []string{"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1"}},
		{"nor of an order that the level was not reached with", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 600)
			l.buy("2026-01-20", "o2", 300)
			l.refund("2026-02-10", "o2", 300)
		}, []string{"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1"}},
		{"a refund that counts at the end", metals(func(p *tier.Policy) { p.OnRefund = tier.AtEnd }), func(l *life) {
			l.buy("2026-01-10", "o1", 600)
			l.refund("2026-02-10", "o1", 500)
			l.settle("2027-01-10")
		}, []string{
			"2026-01-10 up from member to gold until 2027-01-10 for 600 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2027-01-10 down from gold to silver until 2028-01-10 for 100 points from 2026-01-10 to 2027-01-09 by 1: period_end",
		}},
		{"a late order counts in the window of today", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 60)
			l.bought("2026-03-01", "2025-02-01", "o2", 60)
			l.bought("2026-03-01", "2025-06-01", "o3", 100)
		}, []string{"2026-03-01 up from member to silver until 2027-03-01 for 100 points from 2025-03-02 to 2026-03-01 by 1: order o3"}},
		{"an override keeps from falling", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 100)
			l.override("2025-03-01", "gold", "2026-06-30")
			l.refund("2025-04-01", "o1", 100)
			l.settle("2026-06-30")
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 100 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2025-03-01 overridden from silver to gold until 2026-07-01 by 1",
		}},
		{"an override lets rise", metals(), func(l *life) {
			l.override("2026-03-01", "silver", "2027-06-30")
			l.buy("2026-03-02", "o1", 100)
			l.buy("2026-03-03", "o2", 400)
			l.settle("2027-03-03")
		}, []string{
			"2026-03-01 overridden from member to silver until 2027-07-01 by 1",
			"2026-03-03 up from silver to gold until 2027-03-03 for 500 points from 2025-03-04 to 2026-03-03 by 1: order o2",
			"2027-03-03 down from gold to silver until 2028-03-03 for 400 points from 2026-03-03 to 2027-03-02 by 1: period_end",
		}},
		{"what was before comes back if it still holds", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 150)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.settle("2026-07-01")
			l.settle("2027-01-10")
		}, []string{
			"2026-01-10 up from member to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from silver to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: period_end",
			"2027-01-10 keeps silver until 2028-01-10 for 150 points from 2026-01-10 to 2027-01-09 by 1: period_end",
		}},
		{"what holds for good comes back, too", metals(func(p *tier.Policy) { p.Validity = tier.Validity{Kind: tier.Unlimited} }), func(l *life) {
			l.buy("2023-01-10", "o1", 150)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.settle("2026-07-01")
		}, []string{
			"2023-01-10 up from member to silver for good for 150 points from 2022-01-11 to 2023-01-10 by 1: order o1",
			"2026-03-01 overridden from silver to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to silver for good for 150 points from 2022-01-11 to 2023-01-10 by 1: period_end",
		}},
		{"the base comes back", metals(), func(l *life) {
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.settle("2026-07-01")
		}, []string{
			"2026-03-01 overridden from member to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to member for good for 0 points from 2025-07-01 to 2026-06-30 by 1: period_end",
		}},
		{"more than was before, if it was reached under the override", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 150)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.buy("2026-04-01", "o2", 400)
			l.settle("2026-07-01")
		}, []string{
			"2026-01-10 up from member to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from silver to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to gold until 2027-07-01 for 550 points from 2025-07-01 to 2026-06-30 by 1: period_end",
		}},
		{"what was before has ended meanwhile", metals(), func(l *life) {
			l.buy("2025-04-10", "o1", 550)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.settle("2026-07-01")
		}, []string{
			"2025-04-10 up from member to gold until 2026-04-10 for 550 points from 2024-04-11 to 2025-04-10 by 1: order o1",
			"2026-03-01 overridden from gold to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to silver until 2027-07-01 for 0 points from 2025-07-01 to 2026-06-30 by 1: period_end",
		}},
		{"what was before was refunded meanwhile", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 550)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.refund("2026-04-01", "o1", 400)
			l.settle("2026-07-01")
		}, []string{
			"2026-01-10 up from member to gold until 2027-01-10 for 550 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from gold to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to silver until 2027-07-01 for 150 points from 2025-01-11 to 2026-01-10 by 1: period_end",
		}},
		{"was refunded, and refunds count at the end", metals(func(p *tier.Policy) { p.OnRefund = tier.AtEnd }), func(l *life) {
			l.buy("2026-01-10", "o1", 550)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.refund("2026-04-01", "o1", 400)
			l.settle("2026-07-01")
		}, []string{
			"2026-01-10 up from member to gold until 2027-01-10 for 550 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from gold to platinum until 2026-07-01 by 1",
			"2026-07-01 down from platinum to gold until 2027-01-10 for 550 points from 2025-01-11 to 2026-01-10 by 1: period_end",
		}},
		{"an override of an override", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 150)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.override("2026-03-02", "gold", "2026-04-30")
			l.settle("2026-07-01")
		}, []string{
			"2026-01-10 up from member to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from silver to platinum until 2026-07-01 by 1",
			"2026-03-02 overridden from platinum to gold until 2026-05-01 by 1",
			"2026-05-01 down from gold to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: period_end",
		}},
		{"an override is lifted", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 150)
			l.override("2026-03-01", "platinum", "2026-06-30")
			l.buy("2026-03-02", "o2", 450)
			l.lift("2026-03-02")
			l.lift("2026-03-03")
			l.settle("2026-07-01")
		}, []string{
			"2026-01-10 up from member to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from silver to platinum until 2026-07-01 by 1",
			"2026-03-02 lifted platinum",
			"2026-03-02 down from platinum to gold until 2027-03-02 for 600 points from 2025-03-03 to 2026-03-02 by 1: override_lifted",
		}},
		{"an override below what one has is lifted", metals(), func(l *life) {
			l.buy("2026-01-10", "o1", 150)
			l.override("2026-03-01", "member", "2026-06-30")
			l.lift("2026-03-02")
		}, []string{
			"2026-01-10 up from member to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: order o1",
			"2026-03-01 overridden from silver to member until 2026-07-01 by 1",
			"2026-03-02 lifted member",
			"2026-03-02 up from member to silver until 2027-01-10 for 150 points from 2025-01-11 to 2026-01-10 by 1: override_lifted",
		}},
		{"an outage over several ends", metals(), func(l *life) {
			l.buy("2023-01-10", "o1", 1000)
			l.buy("2026-02-01", "o2", 1)
		}, []string{
			"2023-01-10 up from member to platinum until 2024-01-10 for 1000 points from 2022-01-11 to 2023-01-10 by 1: order o1",
			"2024-01-10 keeps platinum until 2025-01-10 for 1000 points from 2023-01-10 to 2024-01-09 by 1: period_end",
			"2025-01-10 down from platinum to gold until 2026-01-10 for 0 points from 2024-01-10 to 2025-01-09 by 1: period_end",
			"2026-01-10 down from gold to silver until 2027-01-10 for 0 points from 2025-01-10 to 2026-01-09 by 1: period_end",
		}},
		{"a new ladder decides from its day on", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 300)
			l.publish("2025-07-01", 2, metals(func(p *tier.Policy) { p.Levels[1].From, p.Levels[2].From, p.Downgrade = 250, 300, tier.ToBalance }))
			l.buy("2025-06-30", "o2", 1)
			l.buy("2025-07-01", "o3", 1)
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 300 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2025-07-01 up from silver to gold until 2026-07-01 for 302 points from 2024-07-02 to 2025-07-01 by 2: order o3",
		}},
		{"a level that is no more is kept until its end, unless one qualifies for another", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 150)
			l.publish("2025-07-01", 2, metals(func(p *tier.Policy) { p.Levels[1].ID, p.Levels[1].From = "bronze", 200 }))
			l.buy("2025-07-01", "o2", 1)
			l.settle("2026-01-10")
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 150 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2026-01-10 down from silver to member for good for 151 points from 2025-01-10 to 2026-01-09 by 2: period_end",
		}},
		{"then it becomes that one", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 150)
			l.publish("2025-07-01", 2, metals(func(p *tier.Policy) { p.Levels[1].ID, p.Levels[1].From = "bronze", 200 }))
			l.buy("2025-07-01", "o2", 50)
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 150 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2025-07-01 up from silver to bronze until 2026-07-01 for 200 points from 2024-07-02 to 2025-07-01 by 2: order o2",
		}},
		{"a refund under another measure does not judge the old one", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 150)
			l.publish("2025-07-01", 2, metals(func(p *tier.Policy) { p.Measure = tier.Orders }))
			l.refund("2025-08-01", "o1", 150)
		}, []string{"2025-01-10 up from member to silver until 2026-01-10 for 150 points from 2024-01-11 to 2025-01-10 by 1: order o1"}},
		{"who leaves and comes back begins at the base", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 150)
			l.state = l.state.Evolve(ProgramLeft{LeftAt: upon("2025-02-01").Now})
			l.settle("2026-02-01")
			l.state = l.state.Evolve(ProgramJoined{Trigger: TriggerRequest, JoinedAt: upon("2026-03-01").Now})
			l.settle("2026-03-02")
			l.must(GrantBonus{Subject: upon("2026-03-02"), Known: l.known(), BonusID: "b1", Points: 1, Reason: "x"})
		}, []string{"2025-01-10 up from member to silver until 2026-01-10 for 150 points from 2024-01-11 to 2025-01-10 by 1: order o1"}},
		{"and what qualified before does not count, by whatever order", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 1500)
			l.must(LeaveProgram{Subject: upon("2025-02-01"), Known: l.known()})
			l.must(EnrolInProgram{Subject: upon("2025-03-01"), Known: l.known()})
			l.buy("2025-03-02", "o2", 0)
			l.refund("2025-03-03", "o1", 500)
			l.buy("2025-03-04", "o3", 100)
			l.must(EvaluateTier{Subject: upon("2025-03-05"), Known: l.known()})
			l.refund("2025-03-06", "o3", 1)
		}, []string{
			"2025-01-10 up from member to platinum until 2026-01-10 for 1500 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2025-03-04 up from member to silver until 2026-03-04 for 100 points from 2025-03-01 to 2025-03-04 by 1: order o3",
			"2025-03-06 down from silver to member for good for 99 points from 2025-03-01 to 2025-03-06 by 1: refund o3",
		}},
		{"evaluated by hand when a ladder has become easier", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 300)
			l.publish("2025-07-01", 2, metals(func(p *tier.Policy) { p.Levels[2].From = 300 }))
			l.must(EvaluateTier{Subject: upon("2025-07-01"), Known: l.known()})
			l.must(EvaluateTier{Subject: upon("2025-07-02"), Known: l.known()})
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 300 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2025-07-01 up from silver to gold until 2026-07-01 for 300 points from 2024-07-02 to 2025-07-01 by 2: requested",
		}},
		{"evaluated by hand when a period is over", metals(), func(l *life) {
			l.buy("2025-01-10", "o1", 300)
			l.must(EvaluateTier{Subject: upon("2026-01-10"), Known: l.known()})
		}, []string{
			"2025-01-10 up from member to silver until 2026-01-10 for 300 points from 2024-01-11 to 2025-01-10 by 1: order o1",
			"2026-01-10 keeps silver until 2027-01-10 for 300 points from 2025-01-10 to 2026-01-09 by 1: period_end",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLife(t, tc.ladder)
			tc.live(l)
			if diff := cmp.Diff(tc.want, l.told); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The multiplier of an order is that of the tier before the order.
func TestTheTierBeforeTheOrderMultiplies(t *testing.T) {
	l := newLife(t, metals())
	l.world = l.world.With(uuid.Nil, policy.Published{Kind: policy.KindLoyalty, Version: 5, EffectiveFrom: ymd("2020-01-01"), Loyalty: &loyalty.Policy{
		Name: "x", Currency: "EUR", Expiry: never, Earn: []loyalty.Rule{{ID: "base", Points: 1, PerMinor: 100}},
		Multipliers: []loyalty.Multiplier{{ID: "silver", Factor: "2", Tiers: []string{"silver"}}},
	}})
	var got []string
	for i, points := range []int64{60, 60, 60} {
		cmd := RecordOrder{Subject: upon("2026-01-10"), Known: l.known(), OrderID: fmt.Sprint("o", i), Total: eur(100 * points), PlacedAt: upon("2026-01-10").Now}
		cmd.PaidAt = &cmd.PlacedAt
		events, err := domain.Decide(l.state, domain.Command[State, Event](cmd))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e, ok := e.(PointsEarned); ok {
				got = append(got, fmt.Sprintf("%d as %s", e.Lot.Points, e.Tier))
			}
			l.state = l.state.Evolve(e)
		}
	}
	if want := []string{"60 as member", "60 as member", "120 as silver"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Whether every day is settled, or one once in years, comes to the same.
func TestAnOutageBooksWhatDailySettlingDoes(t *testing.T) {
	live := func(daily bool) []string {
		l := newLife(t, metals(func(p *tier.Policy) { p.GraceDays = 7 }))
		do := []struct {
			date string
			what func()
		}{
			{"2022-01-10", func() { l.buy("2022-01-10", "o1", 1000) }},
			{"2022-06-01", func() { l.override("2022-06-01", "platinum", "2023-01-31") }},
			{"2024-02-29", func() { l.buy("2024-02-29", "o2", 400) }},
			{"2024-05-01", func() { l.refund("2024-05-01", "o2", 390) }},
			{"2026-05-01", func() { l.settle("2026-05-01") }},
		}
		today := ymd("2022-01-09")
		for _, step := range do {
			for ; daily && today < ymd(step.date); today++ {
				l.settle(today.String())
			}
			step.what()
		}
		return l.told
	}
	once, daily := live(false), live(true)
	if diff := cmp.Diff(once, daily); diff != "" || len(once) < 5 {
		t.Errorf("%d lines; (-once +daily):\n%s", len(once), diff)
	}
}
