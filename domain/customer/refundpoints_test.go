package customer_test

import (
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// reversing says what becomes of points when money goes back.
func reversing(r loyalty.Reversal) func(*loyalty.Policy) {
	return func(p *loyalty.Policy) { p.Reversal = r }
}

// quantity is pieces of a line that go back, with their money.
func quantity(line int, pieces, minor int64) RefundLine {
	return RefundLine{Line: line, Quantity: pieces, AmountMinor: minor}
}

func TestRefundsTakePointsBack(t *testing.T) {
	plain, year := memberWorld(), memberWorld(twelveMonths)
	bought := purchase("o1", "2026-03-01", 1000)
	shelf := purchase("o1", "2026-03-01", 0, of(row("a", "tea", 2, 600), row("b", "coffee", 1, 450), row("gift", "", 1, 150)))
	teas := memberWorld(ruledBy(loyalty.Rule{ID: "tea", Points: 1, PerMinor: 100, Categories: []string{"tea"}}))
	pieces := memberWorld(ruledBy(loyalty.Rule{ID: "piece", Points: 5}))
	clamp, declining := memberWorld(reversing(loyalty.Reversal{Earn: loyalty.Clamp})), memberWorld(reversing(loyalty.Reversal{Earn: loyalty.OnlyPending}), pendingDays(14))
	capAndTwice := memberWorld(capped(loyalty.Cap{Period: loyalty.Order, Points: 5}), multiplied("", loyalty.Multiplier{ID: "twice", Factor: "2"}))
	erased := happened(PersonalDataErased{ErasedAt: tenOn("2026-03-02")})
	tell(t, []tale{
		{name: "what the rest does not earn", world: plain, given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-02", 300),
			then: []string{"took back 3 order:o1:base, order_refunded, kept 7: for 700 of order:o1:base 3"}},
		{name: "rounded as the order was", world: plain, given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-02", 1),
			then: []string{"took back 1 order:o1:base, order_refunded, kept 9: for 999 of order:o1:base 1"}},
		{name: "no point", world: plain, given: []act{purchase("o1", "2026-03-01", 1050)}, when: giveMoney("r1", "o1", "2026-03-02", 50)},
		{name: "all of them", world: plain, given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-02", 1000),
			then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 10"}},
		{name: "all of them in three parts", world: plain, given: []act{bought, giveMoney("r1", "o1", "2026-03-02", 333), giveMoney("r2", "o1", "2026-03-02", 333)},
			when: giveMoney("r3", "o1", "2026-03-02", 334), then: []string{"took back 3 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 3"}},
		{name: "by a line", world: plain, given: []act{shelf}, when: giveMoney("r1", "o1", "2026-03-02", 0, quantity(1, 1, 450)),
			then: []string{"took back 5 order:o1:base, order_refunded, kept 7: for 750 of order:o1:base 5"}},
		{name: "by a line that gave none", world: teas, given: []act{shelf}, when: giveMoney("r1", "o1", "2026-03-02", 0, quantity(1, 1, 450))},
		{name: "of the whole, a line's share", world: teas, given: []act{shelf}, when: giveMoney("r1", "o1", "2026-03-02", 600),
			then: []string{"took back 3 order:o1:tea, order_refunded, kept 3: for 300 of order:o1:tea 3"}},
		{name: "of the whole, when some of the line went before", world: teas, given: []act{shelf, giveMoney("r1", "o1", "2026-03-02", 0, quantity(0, 1, 300))},
			when: giveMoney("r2", "o1", "2026-03-02", 450), then: []string{"took back 2 order:o1:tea, order_refunded, kept 1: for 150 of order:o1:tea 2"}},
		{name: "by lines until nothing is left", world: teas, given: []act{shelf, giveMoney("r1", "o1", "2026-03-02", 600)},
			when: giveMoney("r2", "o1", "2026-03-02", 0, quantity(0, 2, 600)), then: []string{"took back 3 order:o1:tea, order_refunded, kept 0: for 0 of order:o1:tea 3"}},
		{name: "by the piece", world: pieces, given: []act{shelf}, when: giveMoney("r1", "o1", "2026-03-02", 0, quantity(0, 1, 300)),
			then: []string{"took back 5 order:o1:piece, order_refunded, kept 15: for 3 of order:o1:piece 5"}},
		{name: "by the piece, when only money went back", world: pieces, given: []act{shelf}, when: giveMoney("r1", "o1", "2026-03-02", 0, quantity(0, 0, 450)),
			then: []string{"took back 8 order:o1:piece, order_refunded, kept 12: for 5/2 of order:o1:piece 8"}},
		{name: "of two rules", world: memberWorld(ruledBy(loyalty.Rule{ID: "base", Points: 1, PerMinor: 100}, loyalty.Rule{ID: "piece", Points: 4})), given: []act{bought},
			when: giveMoney("r1", "o1", "2026-03-02", 500), then: []string{
				"took back 5 order:o1:base, order_refunded, kept 5: for 500 of order:o1:base 5", "took back 2 order:o1:piece, order_refunded, kept 2: for 1/2 of order:o1:piece 2",
			}},
		{name: "with the multipliers and the caps of then", world: capAndTwice, given: []act{purchase("o1", "2026-03-01", 300)}, when: giveMoney("r1", "o1", "2026-03-02", 100),
			then: []string{"took back 1 order:o1:base, order_refunded, kept 4: for 200 of order:o1:base 1"}},
		{name: "what is under the cap stays", world: capAndTwice, given: []act{purchase("o1", "2026-03-01", 700)}, when: giveMoney("r1", "o1", "2026-03-02", 300)},
		{name: "by the rule of then, whatever was published since", when: giveMoney("r1", "o1", "2026-03-02", 300), given: []act{purchase("o1", "2026-02-27", 1000)},
			world: followedBy(plain, "2026-03-01", ruledBy(loyalty.Rule{ID: "base", Points: 9, PerMinor: 1}), reversing(loyalty.Reversal{Earn: loyalty.Clamp})),
			then:  []string{"took back 3 order:o1:base, order_refunded, kept 7: for 700 of order:o1:base 3"}},
		{name: "pending ones", world: memberWorld(pendingDays(14)), given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-02", 300),
			then: []string{"took back 3 order:o1:base, order_refunded, kept 7: for 700 of order:o1:base 3"}},
		{name: "what was spent is owed", world: plain, given: []act{bought, redeem("x1", "2026-03-01", 8)}, when: giveMoney("r1", "o1", "2026-03-02", 1000),
			then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 2 owes 8"}},
		{name: "as far as there is nothing else", world: plain, given: []act{bought, redeem("x1", "2026-03-01", 8), purchase("o2", "2026-03-01", 500)},
			when: giveMoney("r1", "o1", "2026-03-02", 1000), then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 2 order:o2:base 5 owes 3"}},
		{name: "pending points of others do not pay", given: []act{enrol("2026-01-01"), earn("review", "v1", "2026-01-01"), bought, redeem("x1", "2026-03-01", 40), purchase("o2", "2026-03-10", 500), redeem("x2", "2026-03-16", 10)},
			world: memberWorld(pendingDays(14)), when: giveMoney("r1", "o1", "2026-03-17", 1000), then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 owes 10"}},
		{name: "held ones neither", world: plain, given: []act{bought, hold("h1", "2026-03-02", 10)}, when: giveMoney("r1", "o1", "2026-03-02", 1000),
			then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 owes 10"}},
		{name: "or let go", world: clamp, given: []act{bought, redeem("x1", "2026-03-01", 8)}, when: giveMoney("r1", "o1", "2026-03-02", 1000),
			then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 2 waived 8"}},
		{name: "or not taken back, once they are spendable", world: declining, given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-15", 300),
			then: []string{"activated 10 order:o1:base @ 2026-03-15", "declined 3 order:o1:base, order_refunded"}},
		{name: "which is said once", world: declining, given: []act{bought, giveMoney("r1", "o1", "2026-03-15", 300)}, when: giveMoney("r2", "o1", "2026-03-15", 700),
			then: []string{"declined 7 order:o1:base, order_refunded"}},
		{name: "but before", world: declining, given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-14", 300),
			then: []string{"took back 3 order:o1:base, order_refunded, kept 7: for 700 of order:o1:base 3"}},
		{name: "what has lapsed is gone", world: year, given: []act{purchase("o1", "2025-03-01", 1000)}, when: giveMoney("r1", "o1", "2026-03-02", 300),
			then: []string{"expired 10 order:o1:base @ 2026-03-01", "took back 3 order:o1:base, order_refunded, kept 7: for 700 lapsed 3"}},
		{name: "once", world: year, given: []act{purchase("o1", "2025-03-01", 1000), redeem("x1", "2025-03-02", 4), giveMoney("r1", "o1", "2026-03-02", 500)},
			when: giveMoney("r2", "o1", "2026-03-02", 500), then: []string{"took back 5 order:o1:base, order_refunded, kept 0: for 0 lapsed 1 owes 4"}},
		{name: "what was lost on leaving is gone, too", world: plain, given: []act{bought, redeem("x1", "2026-03-01", 4), leave("2026-03-02")},
			when: giveMoney("r1", "o1", "2026-03-03", 1000), then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 lapsed 6 owes 4"}},
		{name: "what was spent is let go with an erasure: nobody is there to pay it", world: plain, given: []act{bought, redeem("x1", "2026-03-01", 8),
			happened(PointsForfeited{Points: 2, From: []Portion{part("o1", 2)}, Cause: ForfeitErased, ForfeitedAt: tenOn("2026-03-02")}), erased},
			when: giveMoney("r1", "o1", "2026-03-03", 1000), then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 lapsed 2 waived 8"}},
		{name: "and with an erasure", world: plain, given: []act{bought, happened(PointsForfeited{Points: 10, From: []Portion{part("o1", 10)}, Cause: ForfeitErased, ForfeitedAt: tenOn("2026-03-02")}), erased},
			when: giveMoney("r1", "o1", "2026-03-03", 1000), then: []string{"took back 10 order:o1:base, order_refunded, kept 0: for 0 lapsed 10"}},
		{name: "a cancelled order earned nothing", world: plain, given: []act{bought}, when: cancel("o1", "2026-03-02"),
			then: []string{"took back 10 order:o1:base, order_cancelled, kept 0: for 0 of order:o1:base 10"}},
		{name: "nor does one that was never paid", world: plain, given: []act{purchase("o1", "2026-03-01", 1000, unpaid)}, when: cancel("o1", "2026-03-02")},
		{name: "who earned nothing keeps nothing", world: memberWorld(explicitly), given: []act{bought}, when: giveMoney("r1", "o1", "2026-03-02", 300)},
		{name: "what activities gave stays", world: plain, given: []act{enrol("2026-03-01"), earn("review", "o1", "2026-03-01"), bought}, when: cancel("o1", "2026-03-02"),
			then: []string{"took back 10 order:o1:base, order_cancelled, kept 0: for 0 of order:o1:base 10"}},
		{name: "what fell due comes first", world: year, given: []act{purchase("o1", "2025-03-01", 1000), purchase("o2", "2025-06-01", 1000)}, when: giveMoney("r1", "o2", "2026-03-02", 300),
			then: []string{"expired 10 order:o1:base @ 2026-03-01", "took back 3 order:o2:base, order_refunded, kept 7: for 700 of order:o2:base 3"}},
	})
}

func TestCreditsPayWhatIsOwed(t *testing.T) {
	plain, pending := memberWorld(), memberWorld(pendingDays(14))
	// Ten are owed since 2 March.
	owing := func(more ...act) []act {
		return append([]act{purchase("o1", "2026-03-01", 1000), redeem("x1", "2026-03-01", 10), giveMoney("r1", "o1", "2026-03-02", 1000)}, more...)
	}
	later := []act{purchase("o1", "2026-01-01", 1000), purchase("o2", "2026-03-01", 300), redeem("x1", "2026-03-01", 10), giveMoney("r1", "o1", "2026-03-02", 1000)}
	tell(t, []tale{
		{name: "an order", world: plain, given: owing(), when: purchase("o2", "2026-03-03", 300), then: []string{"earned 3 order:o2:base pays 3"}},
		{name: "what is more is there to be spent", world: plain, given: owing(purchase("o2", "2026-03-03", 300)), when: purchase("o3", "2026-03-03", 900), then: []string{"earned 9 order:o3:base pays 7"}},
		{name: "then nothing is owed", world: plain, given: owing(purchase("o2", "2026-03-03", 1000)), when: purchase("o3", "2026-03-03", 900), then: []string{"earned 9 order:o3:base"}},
		{name: "an activity", world: plain, given: owing(), when: earn("review", "v1", "2026-03-03"), then: []string{"earned 40 activity:v1:review pays 10"}},
		{name: "a late order, but not before it was owed", world: plain, given: owing(), when: purchase("o2", "2026-03-01", 300, heardOn("2026-03-03")),
			then: []string{"earned 3 order:o2:base pays 3 @ 2026-03-02 10:00"}},
		{name: "pending points do when they are spendable", world: pending, given: later, when: settle("2026-03-20"), then: []string{"activated 3 order:o2:base pays 3 @ 2026-03-15"}},
		{name: "late ones, but not before it was owed", world: pending, given: later, when: purchase("o3", "2026-02-01", 300, heardOn("2026-03-03")),
			then: []string{"earned 3 order:o3:base pending to 2026-02-15 @ 2026-02-01 10:00", "activated 3 order:o3:base pays 3 @ 2026-03-02 10:00"}},
		{name: "what comes back of a redemption", world: plain, given: owing(), when: giveBack("x1", "2026-03-03"),
			then: []string{"gave back 10 x1, requested: order:o1:base 10 pays 10"}},
		{name: "what comes back of a hold", world: plain, given: []act{purchase("o1", "2026-03-01", 1000), hold("h1", "2026-03-02", 10), giveMoney("r1", "o1", "2026-03-02", 700)},
			when: settle("2026-03-04"), then: []string{"released 10 h1, expired: back order:o1:base 10 pays 7 @ 2026-03-03 10:00"}},
		{name: "what has lapsed by then pays nothing", given: []act{purchase("o1", "2026-03-01", 1000), redeem("x1", "2026-03-05", 10), giveMoney("r1", "o1", "2026-03-20", 1000)},
			world: memberWorld(pendingDays(3), func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Months, Months: 1} }),
			when:  purchase("o2", "2026-02-01", 300, heardOn("2026-04-20")),
			then: []string{
				"joined by first_order o2 @ 2026-02-01 10:00", "earned 3 order:o2:base pending to 2026-02-04 until 2026-03-01 @ 2026-02-01 10:00",
				"activated 3 order:o2:base @ 2026-02-04", "expired 3 order:o2:base @ 2026-03-01",
			}},
	})
}

func TestRedemptionsComeBackWithTheMoney(t *testing.T) {
	plain, year := memberWorld(), memberWorld(twelveMonths)
	// 30 of 100 points are spent on an order of nine euros.
	spending := []act{purchase("o0", "2026-03-01", 10_000), purchase("o1", "2026-03-01", 900), redeem("x1", "2026-03-01", 30, "o1")}
	given := func(more ...act) []act { return append(spending[:len(spending):len(spending)], more...) }
	third := func(id string) act { return giveMoney(id, "o1", "2026-03-02", 300) }
	taken := func(kept string) string {
		return "took back 3 order:o1:base, order_refunded, kept " + kept + " of order:o1:base 3"
	}
	keep, fully := memberWorld(reversing(loyalty.Reversal{Redemptions: loyalty.Keep})), memberWorld(reversing(loyalty.Reversal{Redemptions: loyalty.FullOnly}))
	early := []act{purchase("o0", "2025-03-01", 10_000), purchase("o1", "2026-02-01", 900), redeem("x1", "2026-02-02", 30, "o1")}
	all := "gave back 30 x1, order_cancelled: order:o0:base 30"
	gone := "took back 9 order:o1:base, order_cancelled, kept 0: for 0 of order:o1:base 9"
	tell(t, []tale{
		{name: "a third of it", world: plain, given: given(), when: third("r1"), then: []string{"gave back 10 x1, order_refunded: order:o0:base 10", taken("6: for 600")}},
		{name: "the second third", world: plain, given: given(third("r1")), when: third("r2"), then: []string{"gave back 10 x1, order_refunded: order:o0:base 10", taken("3: for 300")}},
		{name: "the rest", world: plain, given: given(third("r1"), third("r2")), when: third("r3"), then: []string{"gave back 10 x1, order_refunded: order:o0:base 10", taken("0: for 0")}},
		{name: "no more than went back since they were spent", world: plain, when: giveMoney("r2", "o1", "2026-03-02", 1),
			given: []act{purchase("o1", "2026-03-01", 10_000), giveMoney("r1", "o1", "2026-03-01", 5000), redeem("x1", "2026-03-01", 40, "o1")},
			then:  []string{"took back 1 order:o1:base, order_refunded, kept 49: for 4999 of order:o1:base 1"}},
		{name: "its share of what was left then", world: plain, when: giveMoney("r2", "o1", "2026-03-02", 2500),
			given: []act{purchase("o1", "2026-03-01", 10_000), giveMoney("r1", "o1", "2026-03-01", 5000), redeem("x1", "2026-03-01", 40, "o1")},
			then:  []string{"gave back 20 x1, order_refunded: order:o1:base 20", "took back 25 order:o1:base, order_refunded, kept 25: for 2500 of order:o1:base 25"}},
		{name: "and all of it with the rest", world: plain, when: giveMoney("r2", "o1", "2026-03-02", 5000),
			given: []act{purchase("o1", "2026-03-01", 10_000), giveMoney("r1", "o1", "2026-03-01", 5000), redeem("x1", "2026-03-01", 40, "o1")},
			then:  []string{"gave back 40 x1, order_refunded: order:o1:base 40", "took back 50 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 50"}},
		{name: "so do held points", world: plain, when: giveMoney("r2", "o1", "2026-03-02", 1),
			given: []act{purchase("o1", "2026-03-01", 10_000), hold("h1", "2026-03-01", 40), giveMoney("r1", "o1", "2026-03-01", 5000), func(w world.Known) domain.Command[State, Event] {
				return CaptureHold{Subject: moment(tenOn("2026-03-01")), Known: w, HoldID: "h1", OrderID: "o1"}
			}},
			then: []string{"took back 1 order:o1:base, order_refunded, kept 49: for 4999 of order:o1:base 1"}},
		{name: "fractions wait", world: plain, given: given(redeem("x2", "2026-03-01", 7, "o1"), third("r1")), when: third("r2"),
			then: []string{"gave back 10 x1, order_refunded: order:o0:base 10", "gave back 2 x2, order_refunded: order:o0:base 2", taken("3: for 300")}},
		{name: "until all is back", world: plain, given: given(redeem("x2", "2026-03-01", 7, "o1"), third("r1"), third("r2")), when: third("r3"),
			then: []string{"gave back 10 x1, order_refunded: order:o0:base 10", "gave back 3 x2, order_refunded: order:o0:base 3", taken("0: for 0")}},
		{name: "what came back by hand does not come back again", world: plain, given: given(giveBack("x1", "2026-03-02")), when: giveMoney("r1", "o1", "2026-03-02", 900),
			then: []string{"took back 9 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 9"}},
		{name: "only when all of the money did", world: fully, given: given(third("r1")), when: third("r2"), then: []string{taken("3: for 300")}},
		{name: "and now it did", world: fully, given: given(third("r1"), third("r2")), when: third("r3"), then: []string{"gave back 30 x1, order_refunded: order:o0:base 30", taken("0: for 0")}},
		{name: "or not by themselves", world: keep, given: given(), when: cancel("o1", "2026-03-02"), then: []string{gone}},
		{name: "with a cancellation", world: plain, given: given(), when: cancel("o1", "2026-03-02"), then: []string{all, gone}},
		{name: "of an order that was never paid", world: plain, given: []act{purchase("o0", "2026-03-01", 10_000), purchase("o1", "2026-03-01", 900, unpaid), redeem("x1", "2026-03-01", 30, "o1")},
			when: cancel("o1", "2026-03-02"), then: []string{all}},
		{name: "of what was held", world: plain, when: cancel("o1", "2026-03-02"), then: []string{"gave back 30 h1, order_cancelled: order:o0:base 30", gone},
			given: []act{purchase("o0", "2026-03-01", 10_000), hold("h1", "2026-03-01", 30), purchase("o1", "2026-03-01", 900, func(c *RecordOrder) { c.HoldID = "h1" })}},
		{name: "other orders keep theirs", world: plain, given: given(purchase("o2", "2026-03-01", 500)), when: cancel("o2", "2026-03-02"),
			then: []string{"took back 5 order:o2:base, order_cancelled, kept 0: for 0 of order:o2:base 5"}},
		{name: "what was spent on the order that gave it", world: plain, given: []act{purchase("o1", "2026-03-01", 900), redeem("x1", "2026-03-01", 9, "o1")}, when: giveMoney("r1", "o1", "2026-03-02", 900),
			then: []string{"gave back 9 x1, order_refunded: order:o1:base 9", "took back 9 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 9"}},
		{name: "what has lapsed is named", world: year, given: early, when: cancel("o1", "2026-03-02"),
			then: []string{"expired 70 order:o0:base @ 2026-03-01", "gave back 30 x1, order_cancelled: lapsed order:o0:base 30", gone}},
		{name: "and gone when its own order is refunded", world: year, given: append(early[:3:3], cancel("o1", "2026-03-02")), when: giveMoney("r1", "o0", "2026-03-03", 10_000),
			then: []string{"took back 100 order:o0:base, order_refunded, kept 0: for 0 lapsed 100"}},
		{name: "unless there is a grace", given: early, when: cancel("o1", "2026-03-02"), world: memberWorld(twelveMonths, reversing(loyalty.Reversal{GraceDays: 30})),
			then: []string{"expired 70 order:o0:base @ 2026-03-01", "gave back 30 x1, order_cancelled: grace:x1:2026-04-01:order:o0:base 30 until 2026-04-01", gone}},
		{name: "and what lapses with it has lapsed of what was earned", world: memberWorld(func(p *loyalty.Policy) { p.Expiry.Kind, p.Expiry.Months = loyalty.Months, 1 }, reversing(loyalty.Reversal{GraceDays: 7})),
			given: []act{purchase("o1", "2026-01-01", 10000), redeem("x1", "2026-01-02", 100), giveBack("x1", "2026-02-02")}, when: giveMoney("r1", "o1", "2026-03-01", 10000),
			then: []string{"expired 100 grace:x1:2026-02-09:order:o1:base @ 2026-02-09", "took back 100 order:o1:base, order_refunded, kept 0: for 0 lapsed 100"}},
		{name: "also what was spent of it and came back", world: memberWorld(func(p *loyalty.Policy) { p.Expiry.Kind, p.Expiry.Months = loyalty.Months, 1 }, reversing(loyalty.Reversal{GraceDays: 7})),
			given: []act{purchase("o1", "2026-01-01", 10000), redeem("x1", "2026-01-02", 100), giveBack("x1", "2026-02-02"), redeem("x2", "2026-02-03", 60), giveBack("x2", "2026-02-20")}, when: giveMoney("r1", "o1", "2026-03-01", 10000),
			then: []string{"expired 60 grace:x2:2026-02-27:grace:x1:2026-02-09:order:o1:base @ 2026-02-27", "took back 100 order:o1:base, order_refunded, kept 0: for 0 lapsed 100"}},
		{name: "which ends", given: append(early[:3:3], cancel("o1", "2026-03-02")), when: settle("2026-04-02"), world: memberWorld(twelveMonths, reversing(loyalty.Reversal{GraceDays: 30})),
			then: []string{"expired 30 grace:x1:2026-04-01:order:o0:base @ 2026-04-01"}},
		{name: "who left has lost what comes back", world: plain, given: given(leave("2026-03-02")), when: cancel("o1", "2026-03-03"),
			then: []string{all, "took back 9 order:o1:base, order_cancelled, kept 0: for 0 lapsed 9", "forfeited 30, left: of order:o0:base 30"}},
		{name: "what they owe is paid before", world: plain, when: cancel("o1", "2026-03-03"),
			given: []act{purchase("o0", "2026-03-01", 1000), purchase("o1", "2026-03-01", 900), redeem("x1", "2026-03-01", 10, "o1"), leave("2026-03-02"), giveMoney("r1", "o0", "2026-03-02", 400)},
			then:  []string{"gave back 10 x1, order_cancelled: order:o0:base 10 pays 4", "took back 9 order:o1:base, order_cancelled, kept 0: for 0 lapsed 9", "forfeited 6, left: of order:o0:base 6"}},
		{name: "so has who was erased", world: plain, when: cancel("o1", "2026-03-03"),
			given: given(happened(PointsForfeited{Points: 79, From: []Portion{part("o0", 70), part("o1", 9)}, Cause: ForfeitErased, ForfeitedAt: tenOn("2026-03-02")}, PersonalDataErased{ErasedAt: tenOn("2026-03-02")})),
			then:  []string{all, "took back 9 order:o1:base, order_cancelled, kept 0: for 0 lapsed 9", "forfeited 30, erased: of order:o0:base 30"}},
	})
}

func TestReversePointsEarn(t *testing.T) {
	cmd := ReversePointsEarn{Subject: at, Known: scheme(), OrderID: "o1", Reason: "a mistake"}
	when := func(change func(*ReversePointsEarn)) ReversePointsEarn { return with(cmd, change) }
	some := func(id string, points int64) ReversePointsEarn {
		return when(func(c *ReversePointsEarn) { c.ReversalID, c.Points = id, &points })
	}
	review := when(func(c *ReversePointsEarn) { c.OrderID, c.Activity, c.Ref = "", "review", "v1" })
	invalid := func(name string, change func(*ReversePointsEarn), fields ...string) spec {
		return spec{Name: name, Given: enrolled(), When: when(change), Error: domain.ErrValidation, Fields: fields}
	}
	base := gained("o1", 30)
	extra := with(gained("o1", 20), func(e *PointsEarned) { e.Lot.LotID, e.Lot.Source.Rule = "order:o1:extra", "extra" })
	reviewed := with(gained("", 40), func(e *PointsEarned) {
		e.Lot.LotID, e.Lot.Source = "activity:v1:review", LotSource{Kind: LotActivity, Ref: "v1", Rule: "review"}
	})
	back := func(of PointsEarned, points, kept int64) PointsEarnReversed {
		return PointsEarnReversed{
			Source: of.Lot.Source, LotID: of.Lot.LotID, Points: points, Kept: kept, From: []Portion{{LotID: of.Lot.LotID, Points: points}}, PlacedOn: today,
			Cause: ReversalCause{Type: ReversalRequested, OrderID: "o1"}, Reason: "a mistake", PolicyVersion: 2, ReversedAt: noon,
		}
	}
	named := func(id string, e PointsEarnReversed) PointsEarnReversed { e.Cause.ReversalID = id; return e }
	two := []Event{named("v1", back(base, 30, 0)), named("v1", back(extra, 5, 15))}
	reviewBack := with(back(reviewed, 40, 0), func(e *PointsEarnReversed) { e.Cause.OrderID = "" })
	given := func(more ...Event) []Event { return append(enrolled(base, extra), more...) }
	pendingOnly := scheme(reversing(loyalty.Reversal{Earn: loyalty.OnlyPending}))
	declined := func(of PointsEarned) EarnReversalDeclined {
		return EarnReversalDeclined{
			Source: of.Lot.Source, LotID: of.Lot.LotID, Points: of.Lot.Points, Cause: ReversalCause{Type: ReversalRequested, OrderID: "o1"},
			Reason: "a mistake", PolicyVersion: 2, DeclinedAt: noon,
		}
	}
	run(t, append(locking(cmd), []spec{
		{Name: "all that an order gave", Given: given(), When: cmd, Then: []Event{back(base, 30, 0), back(extra, 20, 0)}},
		{Name: "what one of its rules gave", Given: given(), When: when(func(c *ReversePointsEarn) { c.Rule = "extra" }), Then: []Event{back(extra, 20, 0)}},
		{Name: "what an activity gave", Given: enrolled(reviewed), When: review, Then: []Event{reviewBack}},
		{Name: "some of it, rule by rule", Given: given(), When: some("v1", 35), Then: two},
		{Name: "what is left of it", Given: given(two...), When: cmd, Then: []Event{back(extra, 15, 0)}},
		{Name: "what was spent is owed", Given: given(spent("x1", 45, part("o1", 30), Portion{LotID: "order:o1:extra", Points: 15})), When: cmd,
			Then: []Event{
				with(back(base, 30, 0), func(e *PointsEarnReversed) {
					e.From, e.Deficit = []Portion{{LotID: "order:o1:extra", Points: 5}}, 25
				}),
				with(back(extra, 20, 0), func(e *PointsEarnReversed) { e.From, e.Deficit = nil, 20 }),
			}},
		{Name: "only what is pending, as the programme says", Given: given(), When: when(func(c *ReversePointsEarn) { c.Known = pendingOnly }), Then: []Event{declined(base), declined(extra)}},
		{Name: "of who left", Given: given(ProgramLeft{LeftAt: noon}, PointsForfeited{Points: 50, From: []Portion{part("o1", 30), {LotID: "order:o1:extra", Points: 20}}, Cause: ForfeitLeft, ForfeitedAt: noon}),
			When: when(func(c *ReversePointsEarn) { c.Rule = "base" }), Then: []Event{with(back(base, 30, 0), func(e *PointsEarnReversed) { e.From, e.Lapsed = nil, 30 })}},
		{Name: "the same part again", Given: given(two...), When: some("v1", 35)},
		{Name: "the same again, all of it", Given: given(named("v1", back(base, 30, 0)), named("v1", back(extra, 20, 0))), When: when(func(c *ReversePointsEarn) { c.ReversalID = "v1" })},
		{Name: "nothing is left", Given: given(back(base, 30, 0), back(extra, 20, 0)), When: cmd},
		{Name: "nothing is left of an activity", Given: enrolled(reviewed, reviewBack), When: review},
		{Name: "another part under the same id", Given: given(two...), When: some("v1", 34), Error: ErrReversalExists},
		{Name: "of one rule under the same id", Given: given(two...), When: with(some("v1", 35), func(c *ReversePointsEarn) { c.Rule = "base" }), Error: ErrReversalExists},
		{Name: "of something else under the same id", Given: given(append(two, reviewed)...), When: with(review, func(c *ReversePointsEarn) { c.ReversalID = "v1" }), Error: ErrReversalExists},
		{Name: "too much", Given: given(), When: some("v1", 51), Error: ErrEarnExceeded},
		{Name: "too much of a rule", Given: given(), When: with(some("v1", 31), func(c *ReversePointsEarn) { c.Rule = "base" }), Error: ErrEarnExceeded},
		{Name: "too much of what is left", Given: given(two...), When: some("v2", 16), Error: ErrEarnExceeded},
		{Name: "no such order", Given: enrolled(), When: cmd, Error: ErrEarnNotFound},
		{Name: "no such rule", Given: given(), When: when(func(c *ReversePointsEarn) { c.Rule = "x" }), Error: ErrEarnNotFound},
		{Name: "no such activity", Given: enrolled(reviewed), When: with(review, func(c *ReversePointsEarn) { c.Activity = "visit" }), Error: ErrEarnNotFound},
		{Name: "there is no programme", Given: given(), When: when(func(c *ReversePointsEarn) { c.Known = world.Known{} }), Error: ErrNoProgram},
		invalid("nothing said", func(c *ReversePointsEarn) { c.OrderID = "" }, "/order_id"),
		invalid("an order and an activity", func(c *ReversePointsEarn) { c.Activity, c.Ref = "review", "v1" }, "/activity", "/ref"),
		invalid("an activity without a reference", func(c *ReversePointsEarn) { c.OrderID, c.Activity, c.Rule = "", "review", "base" }, "/ref", "/rule"),
		invalid("a part without an id", func(c *ReversePointsEarn) { c.Points = ptr(int64(0)) }, "/points", "/reversal_id"),
		invalid("what is too long", func(c *ReversePointsEarn) {
			c.OrderID, c.Rule, c.ReversalID, c.Reason = strings.Repeat("x", 201), strings.Repeat("x", 201), strings.Repeat("x", 201), strings.Repeat("x", 2001)
		}, "/order_id", "/rule", "/reversal_id", "/reason"),
	}...))
}

// What was taken back by hand is not taken back again, and nothing is taken that is
// not kept.
func TestRefundsAfterAReversalByHand(t *testing.T) {
	plain := memberWorld()
	byHand := func(points int64) act {
		return func(w world.Known) domain.Command[State, Event] {
			return ReversePointsEarn{Subject: moment(tenOn("2026-03-01")), Known: w, OrderID: "o1", Points: &points, ReversalID: "v1"}
		}
	}
	bought := purchase("o1", "2026-03-01", 1000)
	tell(t, []tale{
		{name: "the refund takes what is more", world: plain, given: []act{bought, byHand(3)}, when: giveMoney("r1", "o1", "2026-03-02", 500),
			then: []string{"took back 2 order:o1:base, order_refunded, kept 5: for 500 of order:o1:base 2"}},
		{name: "nothing is more", world: plain, given: []act{bought, byHand(6)}, when: giveMoney("r1", "o1", "2026-03-02", 500)},
		{name: "all that is kept", world: plain, given: []act{bought, byHand(6), giveMoney("r1", "o1", "2026-03-02", 500)}, when: giveMoney("r2", "o1", "2026-03-02", 500),
			then: []string{"took back 4 order:o1:base, order_refunded, kept 0: for 0 of order:o1:base 4"}},
		{name: "nothing is kept", world: plain, given: []act{bought, byHand(10)}, when: giveMoney("r1", "o1", "2026-03-02", 1000)},
		{name: "by hand after a refund, what is kept", world: plain, given: []act{bought, giveMoney("r1", "o1", "2026-03-01", 500)}, when: byHand(5),
			then: []string{"took back 5 order:o1:base, requested, kept 0: of order:o1:base 5"}},
		{name: "not more", world: plain, given: []act{bought, giveMoney("r1", "o1", "2026-03-01", 500)}, when: byHand(6), err: ErrEarnExceeded},
	})
}
