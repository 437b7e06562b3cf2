package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// ruledBy gives rules to a programme.
func ruledBy(rules ...loyalty.Rule) func(*loyalty.Policy) {
	return func(p *loyalty.Policy) { p.Earn = rules }
}

func explicitly(p *loyalty.Policy) { p.Enrolment = loyalty.Explicit }

func capped(caps ...loyalty.Cap) func(*loyalty.Policy) {
	return func(p *loyalty.Policy) { p.Caps = caps }
}

func multiplied(stacking string, all ...loyalty.Multiplier) func(*loyalty.Policy) {
	return func(p *loyalty.Policy) { p.Stacking, p.Multipliers = stacking, all }
}

func tagged(tag string) act {
	return func(world.Known) domain.Command[State, Event] {
		return AddTag{Subject: moment(tenOn("2026-01-02")), Tag: tag}
	}
}

func isOfType(name string) act {
	return func(world.Known) domain.Command[State, Event] {
		return Classify{Subject: moment(tenOn("2026-01-02")), Type: name, Basis: "said so"}
	}
}

// followedBy publishes another version of the programme, from a date on.
func followedBy(w world.Known, from string, change ...func(*loyalty.Policy)) world.Known {
	versions := w.World.Policies.Loyalties()
	p := *versions[len(versions)-1].Policy
	for _, f := range change {
		f(&p)
	}
	return world.Known{World: w.World.With(uuid.Nil, policy.Published{
		Kind: policy.KindLoyalty, Version: len(versions) + 1, EffectiveFrom: domain.DateOf(tenOn(from), time.UTC), Loyalty: &p,
	})}
}

func TestOrdersEarn(t *testing.T) {
	plain, year := memberWorld(), memberWorld(twelveMonths)
	twice := followedBy(plain, "2026-03-01", ruledBy(loyalty.Rule{ID: "double", Points: 2, PerMinor: 100}))
	tell(t, []tale{
		{name: "the first order makes a member", world: plain, when: purchase("o1", "2026-03-01", 1234),
			then: []string{"joined by first_order o1", "earned 12 order:o1:base and 17/50"}},
		{name: "and one that gives no point, too", world: plain, when: purchase("o1", "2026-03-01", 99), then: []string{"joined by first_order o1"}},
		{name: "the second does not", world: plain, given: []act{purchase("o1", "2026-03-01", 100)}, when: purchase("o2", "2026-03-02", 200),
			then: []string{"earned 2 order:o2:base"}},
		{name: "unless somebody has to ask", world: memberWorld(explicitly), when: purchase("o1", "2026-03-01", 1234)},
		{name: "who asked earns", world: memberWorld(explicitly), given: []act{enrol("2026-03-01")}, when: purchase("o1", "2026-03-01", 1234),
			then: []string{"earned 12 order:o1:base and 17/50"}},
		{name: "not for an order of before", world: memberWorld(explicitly), given: []act{enrol("2026-03-02")}, when: purchase("o1", "2026-03-01", 1234, heardOn("2026-03-02"))},
		{name: "a late order dates the membership back", world: plain, given: []act{purchase("o1", "2026-03-01", 100)},
			when: purchase("o0", "2026-02-01", 300, heardOn("2026-03-01")),
			then: []string{"joined by first_order o0 @ 2026-02-01 10:00", "earned 3 order:o0:base @ 2026-02-01 10:00"}},
		{name: "also if the member had asked", world: plain, given: []act{enrol("2026-03-01")}, when: purchase("o0", "2026-02-01", 300, heardOn("2026-03-01")),
			then: []string{"joined by first_order o0 @ 2026-02-01 10:00", "earned 3 order:o0:base @ 2026-02-01 10:00"}},
		{name: "who left earns no more", world: plain, given: []act{enrol("2026-03-01"), leave("2026-03-02")}, when: purchase("o1", "2026-03-03", 300)},
		{name: "nor later for what was before", world: plain, given: []act{enrol("2026-03-01"), leave("2026-03-03")},
			when: purchase("o1", "2026-03-02", 300, heardOn("2026-03-04"))},
		{name: "nor who came back for what was before they left", world: plain, given: []act{enrol("2026-03-01"), leave("2026-03-03"), enrol("2026-03-05")},
			when: purchase("o1", "2026-03-02", 300, heardOn("2026-03-06"))},
		{name: "but for what was between", world: plain, given: []act{enrol("2026-03-01"), leave("2026-03-03"), enrol("2026-03-05")},
			when: purchase("o1", "2026-03-04", 300, heardOn("2026-03-06")),
			then: []string{"joined by first_order o1 @ 2026-03-04 10:00", "earned 3 order:o1:base @ 2026-03-04 10:00"}},
		{name: "an order that is not paid earns nothing", world: plain, when: purchase("o1", "2026-03-01", 300, unpaid)},
		{name: "until it is paid", world: year, given: []act{purchase("o1", "2026-03-01", 300, unpaid)}, when: pay("o1", "2026-03-04"),
			then: []string{"joined by first_order o1 @ 2026-03-01 10:00", "earned 3 order:o1:base until 2027-03-01"}},
		{name: "or recorded again as paid", world: year, given: []act{purchase("o1", "2026-03-01", 300, unpaid)}, when: purchase("o1", "2026-03-01", 300),
			then: []string{"joined by first_order o1", "earned 3 order:o1:base until 2027-03-01"}},
		{name: "it is paid once", world: plain, given: []act{purchase("o1", "2026-03-01", 300)}, when: pay("o1", "2026-03-04")},
		{name: "by the programme of the placing", world: twice, when: purchase("o1", "2026-02-28", 300, heardOn("2026-03-05")),
			then: []string{"joined by first_order o1 @ 2026-02-28 10:00", "earned 3 order:o1:base @ 2026-02-28 10:00"}},
		{name: "also if it is paid under another one", world: twice, given: []act{purchase("o1", "2026-02-28", 300, unpaid)}, when: pay("o1", "2026-03-05"),
			then: []string{"joined by first_order o1 @ 2026-02-28 10:00", "earned 3 order:o1:base"}},
		{name: "and that is its business date", world: twice, when: purchase("o1", "2026-02-28", 300, func(c *RecordOrder) { c.PlacedOn = ptr(domain.NewDate(2026, 3, 1)) }),
			then: []string{"joined by first_order o1", "earned 6 order:o1:double"}},
		{name: "who was erased becomes no member", world: plain, given: []act{purchase("o1", "2026-03-01", 300, unpaid), happened(PersonalDataErased{ErasedAt: tenOn("2026-03-02")})}, when: pay("o1", "2026-03-03")},
		{name: "before there was a programme", world: followedBy(world.Known{World: new(world.World).With(uuid.Nil, policy.Published{
			Kind: policy.KindLoyalty, Version: 1, EffectiveFrom: domain.NewDate(2026, 3, 1), Loyalty: &loyalty.Policy{Currency: "EUR", Enrolment: loyalty.FirstOrder},
		})}, "2026-04-01"), when: purchase("o1", "2026-02-28", 300, heardOn("2026-04-05"))},
		{name: "pending for some days", world: memberWorld(pendingDays(14)), when: purchase("o1", "2026-03-01", 300),
			then: []string{"joined by first_order o1", "earned 3 order:o1:base pending to 2026-03-15"}},
		{name: "which are over at midnight", world: memberWorld(pendingDays(14)), given: []act{purchase("o1", "2026-03-01", 300), purchase("o2", "2026-03-09", 500)},
			when: settle("2026-03-20"), then: []string{"activated 3 order:o1:base @ 2026-03-15"}},
		{name: "a late order whose days are over", world: memberWorld(pendingDays(14)), when: purchase("o1", "2026-02-01", 300, heardOn("2026-03-01")),
			then: []string{
				"joined by first_order o1 @ 2026-02-01 10:00", "earned 3 order:o1:base pending to 2026-02-15 @ 2026-02-01 10:00",
				"activated 3 order:o1:base @ 2026-02-15",
			}},
		{name: "points that have lapsed are earned and lapse at once", world: year, when: purchase("o1", "2025-01-31", 300, heardOn("2026-03-01")),
			then: []string{
				"joined by first_order o1 @ 2025-01-31 10:00", "earned 3 order:o1:base until 2026-01-31 @ 2025-01-31 10:00",
				"expired 3 order:o1:base @ 2026-01-31",
			}},
		{name: "pending ones, too", world: memberWorld(twelveMonths, pendingDays(30)), when: purchase("o1", "2025-01-31", 300, heardOn("2026-03-01")),
			then: []string{
				"joined by first_order o1 @ 2025-01-31 10:00", "earned 3 order:o1:base pending to 2025-03-02 until 2026-01-31 @ 2025-01-31 10:00",
				"activated 3 order:o1:base @ 2025-03-02", "expired 3 order:o1:base @ 2026-01-31",
			}},
		{name: "what lapses before it is spendable never is", world: memberWorld(pendingDays(31), func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Months, Months: 1} }),
			given: []act{purchase("o1", "2026-01-31", 300)}, when: settle("2026-04-20"), then: []string{"expired 3 order:o1:base @ 2026-02-28"}},
		{name: "an order that is paid when its points have lapsed", world: year, given: []act{purchase("o1", "2025-01-31", 300, unpaid)}, when: pay("o1", "2026-03-01"),
			then: []string{"joined by first_order o1 @ 2025-01-31 10:00", "earned 3 order:o1:base until 2026-01-31", "expired 3 order:o1:base"}},
		{name: "paid on the day with which they lapse", world: year, given: []act{purchase("o1", "2025-03-01", 300, unpaid)},
			when: pay("o1", "2026-03-01", func(c *PayOrder) { c.Subject = moment(midnight(today)); c.PaidAt = nil }),
			then: []string{"joined by first_order o1 @ 2025-03-01 10:00", "earned 3 order:o1:base until 2026-03-01", "expired 3 order:o1:base"}},
		{name: "what fell due comes first", world: year, given: []act{purchase("o1", "2025-03-01", 300)}, when: purchase("o2", "2026-03-02", 500),
			then: []string{"expired 3 order:o1:base @ 2026-03-01", "earned 5 order:o2:base until 2027-03-02"}},
	})
}

func TestRulesOfOrders(t *testing.T) {
	lines := of(row("a", "tea", 2, 600), row("b", "coffee", 1, 450), row("gift", "", 1, 150))
	excluding := of(row("a", "tea", 2, 600), func() OrderLine { l := row("b", "coffee", 1, 450); l.PointsEligible = ptr(false); return l }())
	first := func(movements ...string) []string { return append([]string{"joined by first_order o1"}, movements...) }
	rule := func(name string, change func(*loyalty.Policy), when act, movements ...string) tale {
		return tale{name: name, world: memberWorld(change), when: when, then: first(movements...)}
	}
	monthly := capped(loyalty.Cap{Period: loyalty.Month, Points: 10})
	spring := loyalty.Multiplier{ID: "spring", Factor: "2", From: ptr(domain.NewDate(2026, 3, 1)), Until: ptr(domain.NewDate(2026, 3, 31))}
	fan := loyalty.Multiplier{ID: "fan", Factor: "1.5", Tags: []string{"fan", "friend"}}
	firms := loyalty.Multiplier{ID: "firms", Factor: "0.5", Types: []string{"business"}}
	per := func(minor int64) loyalty.Rule { return loyalty.Rule{ID: "base", Points: 1, PerMinor: minor} }
	tell(t, []tale{
		rule("by the piece", ruledBy(loyalty.Rule{ID: "piece", Points: 5}), purchase("o1", "2026-03-01", 0, lines), "earned 20 order:o1:piece"),
		rule("an order without lines is one piece", ruledBy(loyalty.Rule{ID: "piece", Points: 5}), purchase("o1", "2026-03-01", 700), "earned 5 order:o1:piece"),
		rule("of a category", ruledBy(loyalty.Rule{ID: "tea", Points: 1, PerMinor: 100, Categories: []string{"tea", "cake"}}),
			purchase("o1", "2026-03-01", 0, lines), "earned 6 order:o1:tea"),
		rule("of an article", ruledBy(loyalty.Rule{ID: "b", Points: 3, SKUs: []string{"b"}}), purchase("o1", "2026-03-01", 0, lines), "earned 3 order:o1:b"),
		rule("of none that is there", ruledBy(loyalty.Rule{ID: "x", Points: 3, SKUs: []string{"x"}}), purchase("o1", "2026-03-01", 0, lines)),
		rule("an order without lines is of no category", ruledBy(loyalty.Rule{ID: "tea", Points: 1, PerMinor: 100, Categories: []string{"tea"}}), purchase("o1", "2026-03-01", 700)),
		rule("lines that give no points", ruledBy(per(100)), purchase("o1", "2026-03-01", 0, excluding), "earned 6 order:o1:base"),
		rule("each rule gives points of its own", ruledBy(per(100), loyalty.Rule{ID: "tea", Points: 10, Categories: []string{"tea"}}),
			purchase("o1", "2026-03-01", 0, lines), "earned 12 order:o1:base", "earned 20 order:o1:tea"),
		rule("but not of lines that one took away", ruledBy(loyalty.Rule{ID: "tea", Points: 10, Categories: []string{"tea"}, Exclusive: true}, per(100)),
			purchase("o1", "2026-03-01", 0, lines), "earned 20 order:o1:tea", "earned 6 order:o1:base"),
		rule("of a minimum", ruledBy(loyalty.Rule{ID: "big", Points: 50, MinimumOrder: 1200, SKUs: []string{"a"}}), purchase("o1", "2026-03-01", 0, lines), "earned 100 order:o1:big"),
		rule("below a minimum", ruledBy(loyalty.Rule{ID: "big", Points: 50, MinimumOrder: 1201}), purchase("o1", "2026-03-01", 0, lines)),
		rule("of a time that begins", ruledBy(loyalty.Rule{ID: "new", Points: 50, From: ptr(today)}), purchase("o1", "2026-03-01", 100), "earned 50 order:o1:new"),
		rule("of a time that is over", ruledBy(loyalty.Rule{ID: "old", Points: 50, Until: ptr(today - 1)}), purchase("o1", "2026-03-01", 100)),
		rule("at most", ruledBy(loyalty.Rule{ID: "base", Points: 1, PerMinor: 100, MaxPoints: 7}), purchase("o1", "2026-03-01", 1299), "earned 7 order:o1:base and 99/100 at most 7"),
		rule("rounded half up", ruledBy(loyalty.Rule{ID: "base", Points: 1, PerMinor: 100, Rounding: loyalty.HalfUp}), purchase("o1", "2026-03-01", 250), "earned 3 order:o1:base and -1/2"),
		rule("rounded half to the even", ruledBy(loyalty.Rule{ID: "base", Points: 1, PerMinor: 100, Rounding: loyalty.HalfEven}), purchase("o1", "2026-03-01", 250), "earned 2 order:o1:base and 1/2"),
		rule("rounded up", ruledBy(loyalty.Rule{ID: "base", Points: 1, PerMinor: 100, Rounding: loyalty.Ceiling}), purchase("o1", "2026-03-01", 201), "earned 3 order:o1:base and -99/100"),
		rule("a cap of the order counts all rules", func(p *loyalty.Policy) {
			ruledBy(per(100), loyalty.Rule{ID: "piece", Points: 9}, loyalty.Rule{ID: "more", Points: 9})(p)
			capped(loyalty.Cap{Period: loyalty.Order, Points: 15})(p)
		}, purchase("o1", "2026-03-01", 1000), "earned 10 order:o1:base at most 15", "earned 5 order:o1:piece at most 5"),
		{name: "a cap of the month", world: memberWorld(monthly), given: []act{purchase("o1", "2026-03-01", 700)}, when: purchase("o2", "2026-03-31", 700),
			then: []string{"earned 3 order:o2:base at most 3"}},
		{name: "nothing is left of it", world: memberWorld(monthly), given: []act{purchase("o1", "2026-03-01", 1700)}, when: purchase("o2", "2026-03-31", 700)},
		{name: "by the date of the placing", world: memberWorld(monthly), given: []act{purchase("o1", "2026-03-01", 1700)},
			when: purchase("o2", "2026-02-28", 700, heardOn("2026-03-01")),
			then: []string{"joined by first_order o2 @ 2026-02-28 10:00", "earned 7 order:o2:base at most 10 @ 2026-02-28 10:00"}},
		{name: "net of refunds", world: memberWorld(monthly), given: []act{purchase("o1", "2026-03-01", 1700), giveMoney("r1", "o1", "2026-03-02", 1100)},
			when: purchase("o2", "2026-03-31", 700), then: []string{"earned 4 order:o2:base at most 4"}},
		{name: "a cap of the day", world: memberWorld(capped(loyalty.Cap{Period: loyalty.Day, Points: 10})), given: []act{purchase("o1", "2026-03-01", 700)},
			when: purchase("o2", "2026-03-01", 700), then: []string{"earned 3 order:o2:base at most 3"}},
		{name: "the lowest of the caps", world: memberWorld(capped(loyalty.Cap{Period: loyalty.Year, Points: 10}, loyalty.Cap{Period: loyalty.Day, Points: 6})),
			given: []act{purchase("o1", "2026-01-01", 700)}, when: purchase("o2", "2026-12-31", 700), then: []string{"earned 4 order:o2:base at most 4"}},
		{name: "what activities give is under no cap", world: memberWorld(monthly), given: []act{enrol("2026-03-01"), earn("review", "v1", "2026-03-01")},
			when: purchase("o2", "2026-03-31", 700), then: []string{"earned 7 order:o2:base at most 10"}},
		rule("a multiplier of the date", multiplied("", spring), purchase("o1", "2026-03-31", 300), "earned 6 order:o1:base × 2"),
		rule("which is over", multiplied("", spring), purchase("o1", "2026-04-01", 300), "earned 3 order:o1:base"),
		{name: "of a tag", world: memberWorld(multiplied("", fan)), given: []act{tagged("friend")}, when: purchase("o1", "2026-03-01", 300), then: first("earned 4 order:o1:base and 1/2 × 1.5")},
		{name: "of a type", world: memberWorld(multiplied("", firms)), given: []act{isOfType("business")}, when: purchase("o1", "2026-03-01", 600), then: first("earned 3 order:o1:base × 0.5")},
		{name: "the highest of them", world: memberWorld(multiplied("", firms, spring, fan)), given: []act{tagged("fan"), isOfType("business")},
			when: purchase("o1", "2026-03-01", 300), then: first("earned 6 order:o1:base × 2")},
		{name: "or all of them, one after another, and rounded once", world: memberWorld(multiplied(loyalty.Product, firms, spring, fan)), given: []act{tagged("fan"), isOfType("business")},
			when: purchase("o1", "2026-03-01", 350), then: first("earned 5 order:o1:base and 1/4 × 0.5 × 2 × 1.5")},
		rule("of some rules", func(p *loyalty.Policy) {
			ruledBy(per(100), loyalty.Rule{ID: "piece", Points: 9})(p)
			multiplied("", loyalty.Multiplier{ID: "m", Factor: "3", Rules: []string{"piece"}})(p)
		}, purchase("o1", "2026-03-01", 100), "earned 1 order:o1:base", "earned 27 order:o1:piece × 3"),
		rule("caps are after multipliers", func(p *loyalty.Policy) {
			capped(loyalty.Cap{Period: loyalty.Order, Points: 5})(p)
			multiplied("", spring)(p)
		}, purchase("o1", "2026-03-01", 300), "earned 5 order:o1:base × 2 at most 5"),
	})
}

func TestOrdersInOtherCurrenciesEarn(t *testing.T) {
	plain := memberWorld()
	yen := memberWorld(func(p *loyalty.Policy) { p.Currency = "JPY" })
	rate := func(base, rate string) *FX {
		return &FX{Rate: rate, Base: base, AsOf: today}
	}
	first := func(movements ...string) []string { return append([]string{"joined by first_order o1"}, movements...) }
	bare := purchase("o1", "2026-03-01", 10_000, in("JPY", nil))
	tell(t, []tale{
		{name: "yen have no minor unit", world: plain, when: purchase("o1", "2026-03-01", 10_000, in("JPY", rate("EUR", "0.0061"))), then: first("earned 61 order:o1:base")},
		{name: "dinars have three digits", world: plain, when: purchase("o1", "2026-03-01", 12_345, in("KWD", rate("EUR", "2.98"))), then: first("earned 36 order:o1:base and 7881/10000")},
		{name: "a programme that counts in yen", world: yen, when: purchase("o1", "2026-03-01", 1_234, in("EUR", rate("JPY", "163.21"))), then: first("earned 20 order:o1:base and 70057/500000")},
		{name: "the minimum is in its currency", when: purchase("o1", "2026-03-01", 10_000, in("JPY", rate("EUR", "0.0061"))), then: first("earned 1 order:o1:big"),
			world: memberWorld(ruledBy(loyalty.Rule{ID: "big", Points: 1, MinimumOrder: 6100}, loyalty.Rule{ID: "bigger", Points: 1, MinimumOrder: 6101}))},
		{name: "a rate of its own currency's orders is for others", world: plain, when: purchase("o1", "2026-03-01", 300, in("EUR", rate("USD", "1.1"))), then: first("earned 3 order:o1:base")},
		{name: "a refund is at the rate of the order", world: plain, given: []act{purchase("o1", "2026-03-01", 10_000, in("JPY", rate("EUR", "0.0061")))},
			when: func(w world.Known) domain.Command[State, Event] {
				return RecordRefund{Subject: moment(tenOn("2026-03-02")), Known: w, RefundID: "r1", OrderID: "o1", Amount: domain.Money{AmountMinor: 9_999, Currency: "JPY"}}
			},
			then: []string{"took back 61 order:o1:base, order_refunded, kept 0: for 1 of order:o1:base 61"}},
		{name: "without a rate", world: plain, when: bare, err: loyalty.ErrFXMissing},
		{name: "without one when it is not paid", world: plain, when: purchase("o1", "2026-03-01", 10_000, in("JPY", nil), unpaid), err: loyalty.ErrFXMissing},
		{name: "with a rate to something else", world: plain, when: purchase("o1", "2026-03-01", 10_000, in("JPY", rate("USD", "0.0067"))), err: loyalty.ErrFXMissing},
		{name: "of somebody who earns nothing", world: memberWorld(explicitly), when: bare},
		{name: "a rate comes with the payment", world: followedBy(memberWorld(explicitly), "2026-03-01", func(p *loyalty.Policy) { p.Enrolment = loyalty.Explicit }),
			given: []act{purchase("o1", "2026-03-01", 10_000, in("JPY", nil), unpaid), func(w world.Known) domain.Command[State, Event] {
				return EnrolInProgram{Subject: moment(tenOn("2026-03-02")), Known: w, JoinedAt: ptr(tenOn("2026-03-01"))}
			}},
			when: pay("o1", "2026-03-02", func(c *PayOrder) { c.FX = rate("EUR", "0.0061") }), then: []string{"earned 61 order:o1:base"}},
		{name: "the same order again, which had none", world: memberWorld(explicitly), when: purchase("o1", "2026-03-01", 10_000, in("JPY", nil)),
			given: []act{purchase("o1", "2026-03-01", 10_000, in("JPY", nil), unpaid), pay("o1", "2026-03-02", func(c *PayOrder) { c.FX = rate("EUR", "0.0061") })}},
		{name: "or does not", world: memberWorld(explicitly), given: []act{purchase("o1", "2026-03-01", 10_000, in("JPY", nil), unpaid), func(w world.Known) domain.Command[State, Event] {
			return EnrolInProgram{Subject: moment(tenOn("2026-03-02")), Known: w, JoinedAt: ptr(tenOn("2026-03-01"))}
		}}, when: pay("o1", "2026-03-02"), err: loyalty.ErrFXMissing},
	})
}

func TestEarnPoints(t *testing.T) {
	cmd := EarnPoints{Subject: at, Known: scheme(), Activity: "review", Ref: "v1"}
	when := func(change func(*EarnPoints)) EarnPoints { return with(cmd, change) }
	happened := func(at time.Time) EarnPoints { return when(func(c *EarnPoints) { c.HappenedAt = &at }) }
	invalid := func(name string, change func(*EarnPoints), fields ...string) spec {
		return spec{Name: name, Given: enrolled(), When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	source := LotSource{Kind: LotActivity, Ref: "v1", Rule: "review"}
	earned := PointsEarned{
		Lot: Lot{
			LotID: "activity:v1:review", Points: 40, EarnedAt: noon, AvailableAt: noon, ExpiresAt: ptr(midnight(domain.NewDate(2027, 3, 1))), Source: source,
		},
		Inputs: loyalty.Inputs{Quantity: 1, Points: 40, Rounding: loyalty.Floor}, Expiry: loyalty.Expiry{Kind: loyalty.Months, Months: 12},
		PlacedOn: today, PolicyVersion: 2, BookedAt: noon,
	}
	on := func(at time.Time, date domain.Date, lapses domain.Date) PointsEarned {
		e := earned
		e.Lot.EarnedAt, e.Lot.AvailableAt, e.Lot.ExpiresAt, e.PlacedOn, e.BookedAt = at, at, ptr(midnight(lapses)), date, at
		return e
	}
	long := []Event{registered, ProgramJoined{Trigger: TriggerRequest, JoinedAt: midnight(today - 400)}}
	short := scheme(func(p *loyalty.Policy) { p.Expiry.Months = 1 })
	owed := PointsAdjusted{AdjustmentID: "a1", Points: -15, Deficit: 15, AdjustedAt: hourAgo}
	rolling := scheme(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Inactivity, Months: 12} })
	run(t, append(locking(cmd), []spec{
		{Name: "now", Given: enrolled(), When: cmd, Then: []Event{earned}},
		{Name: "pending is what orders earn", Given: enrolled(), When: when(func(c *EarnPoints) { c.Known = scheme(pendingDays(14)) }), Then: []Event{earned}},
		{Name: "at a time that is over", Given: enrolled(), When: happened(hourAgo), Then: []Event{on(hourAgo, today, domain.NewDate(2027, 3, 1))}},
		{Name: "so long ago that they have lapsed", Given: long, When: with(happened(midnight(today-50).Add(time.Hour)), func(c *EarnPoints) { c.Known = short }),
			Then: []Event{
				with(on(midnight(today-50).Add(time.Hour), today-50, domain.NewDate(2026, 2, 10)), func(e *PointsEarned) { e.Expiry.Months = 1 }),
				PointsExpired{LotID: "activity:v1:review", Points: 40, ExpiredAt: midnight(domain.NewDate(2026, 2, 10))},
			}},
		{Name: "what is owed is paid first", Given: enrolled(owed), When: cmd, Then: []Event{with(earned, func(e *PointsEarned) { e.DeficitPaid = 15 })}},
		{Name: "and that not before it was owed", Given: enrolled(owed), When: happened(hourAgo.Add(-1)),
			Then: []Event{with(on(hourAgo.Add(-1), today, domain.NewDate(2027, 3, 1)), func(e *PointsEarned) { e.DeficitPaid, e.BookedAt = 15, hourAgo })}},
		{Name: "nothing is paid with what had lapsed by then", Given: append(long[:2:2], owed), When: with(happened(midnight(today-50).Add(time.Hour)), func(c *EarnPoints) { c.Known = short }),
			Then: []Event{
				with(on(midnight(today-50).Add(time.Hour), today-50, domain.NewDate(2026, 2, 10)), func(e *PointsEarned) { e.Expiry.Months = 1 }),
				PointsExpired{LotID: "activity:v1:review", Points: 40, ExpiredAt: midnight(domain.NewDate(2026, 2, 10))},
			}},
		{Name: "it keeps the other points alive", Given: enrolled(), When: when(func(c *EarnPoints) { c.Known = rolling }),
			Then: []Event{with(earned, func(e *PointsEarned) {
				e.Lot.Rolling, e.RollsTo, e.Expiry.Kind = true, ptr(midnight(domain.NewDate(2027, 3, 1))), loyalty.Inactivity
			})}},
		{Name: "not before the membership", Given: []Event{registered, ProgramJoined{JoinedAt: noon.Add(time.Minute)}}, When: cmd,
			Then: []Event{on(noon.Add(time.Minute), today, domain.NewDate(2027, 3, 1))}},
		{Name: "something else of that name is something else", Given: enrolled(with(earned, func(e *PointsEarned) { e.Lot.LotID, e.Lot.Source.Rule = "activity:v1:visit", "visit" })),
			When: cmd, Then: []Event{earned}},
		{Name: "the same again", Given: enrolled(earned), When: happened(hourAgo)},
		{Name: "the same again when it was taken back", When: cmd,
			Given: enrolled(earned, PointsEarnReversed{Source: source, LotID: "activity:v1:review", Points: 40, From: []Portion{{LotID: "activity:v1:review", Points: 40}}})},
		{Name: "no such activity", Given: enrolled(), When: when(func(c *EarnPoints) { c.Activity = "visit" }), Error: ErrActivityUnknown},
		{Name: "not in the programme of that day", Given: long, When: happened(midnight(today - 300)), Error: ErrActivityUnknown},
		{Name: "no member", Given: []Event{registered}, When: cmd, Error: ErrNotEnrolled},
		{Name: "no member yet", Given: enrolled(), When: happened(placed.Add(-1)), Error: ErrNotEnrolled},
		{Name: "no member any more", Given: enrolled(ProgramLeft{LeftAt: paid}), When: cmd, Error: ErrNotEnrolled},
		{Name: "there is no programme", Given: enrolled(), When: when(func(c *EarnPoints) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *EarnPoints) { c.Activity, c.Ref = "", "" }, "/activity", "/ref"),
		invalid("a reference in words", func(c *EarnPoints) { c.Ref = "of Ada" }, "/ref"),
		invalid("what is too long", func(c *EarnPoints) { c.Activity, c.Ref = strings.Repeat("x", 201), strings.Repeat("x", 201) }, "/activity", "/ref"),
		invalid("in the future", func(c *EarnPoints) { c.HappenedAt = ptr(hourOn) }, "/happened_at"),
	}...))
}
