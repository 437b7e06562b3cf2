package customer_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/loyalty"
	"github.com/rapport-crm/rapport/domain/world"
)

// lateOrder becomes known long after it was placed, and paid.
func lateOrder(id, heard, placed, paid string, minor int64) act {
	return func(w world.Known) domain.Command[State, Event] {
		return RecordOrder{Subject: moment(tenOn(heard)), Known: w, OrderID: id, Total: eur(minor), PlacedAt: tenOn(placed), PaidAt: ptr(tenOn(paid))}
	}
}

// Points that the customer's being active keeps: what becomes known late is kept as if
// it had been known in time, and pays what is owed if it is.
func TestLateOrdersAndInactivity(t *testing.T) {
	idle := memberWorld(func(p *loyalty.Policy) { p.Expiry = loyalty.Expiry{Kind: loyalty.Inactivity, Months: 12} })
	owing := []act{purchase("o1", "2025-01-01", 10000), redeem("x1", "2025-01-02", 100), giveMoney("r1", "o1", "2026-02-01", 10000)}
	paused := []act{purchase("o1", "2024-01-01", 1000), purchase("o2", "2026-01-01", 1000)}
	tell(t, []tale{
		{name: "what its payment kept pays what is owed", world: idle, given: owing, when: lateOrder("o2", "2026-03-01", "2025-01-01", "2025-12-15", 10000),
			then: []string{"earned 100 order:o2:base until 2026-12-15 rolls to 2026-12-15 pays 100 @ 2026-02-01 10:00"}},
		{name: "what is left over is kept, too", world: idle, given: append(owing[:3:3], lateOrder("o2", "2026-03-01", "2025-01-01", "2025-12-15", 15000)), when: redeem("x2", "2026-03-02", 50),
			then: []string{"redeemed 50 x2 of order:o2:base 50 rolls to 2027-03-02"}},
		{name: "what was paid when it had lapsed pays nothing", world: idle, given: owing, when: lateOrder("o2", "2026-03-01", "2025-01-01", "2026-01-02", 10000),
			then: []string{"earned 100 order:o2:base until 2026-01-02 rolls to 2027-01-02 @ 2026-01-02 10:00", "expired 100 order:o2:base @ 2026-01-02 10:00"}},
		{name: "what had lapsed before the customer came back has lapsed", world: idle, given: paused, when: lateOrder("o3", "2026-02-01", "2024-02-01", "2024-02-01", 500),
			then: []string{"earned 5 order:o3:base until 2025-02-01 rolls to 2025-02-01 @ 2024-02-01 10:00", "expired 5 order:o3:base @ 2025-02-01"}},
		{name: "what had not lapsed then is kept with the others", world: idle, given: paused, when: lateOrder("o3", "2026-02-01", "2025-01-02", "2025-01-02", 500),
			then: []string{"earned 5 order:o3:base until 2027-01-01 rolls to 2026-01-02 @ 2025-01-02 10:00"}},
		{name: "so is what its payment kept until then", world: idle, given: paused, when: lateOrder("o3", "2026-02-01", "2024-12-01", "2025-06-01", 500),
			then: []string{"earned 5 order:o3:base until 2027-01-01 rolls to 2026-06-01 @ 2025-06-01 10:00"}},
		{name: "what was paid when it would have lapsed lives by what else was done", world: idle, given: []act{purchase("o1", "2025-03-01", 1000)},
			when: lateOrder("o3", "2025-05-01", "2024-03-15", "2025-04-01", 500),
			then: []string{"joined by first_order o3 @ 2024-03-15 10:00", "earned 5 order:o3:base until 2026-04-01 rolls to 2026-04-01 @ 2025-04-01 10:00"}},
		{name: "and so is what that was the reason for", world: idle, given: append(paused[:2:2], lateOrder("o3", "2026-02-01", "2025-01-02", "2025-01-02", 500)),
			when: lateOrder("o4", "2026-02-02", "2024-12-01", "2024-12-01", 500),
			then: []string{"earned 5 order:o4:base until 2027-01-01 rolls to 2025-12-01 @ 2024-12-01 10:00"}},
	})
}
