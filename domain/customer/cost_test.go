package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
)

// shipped is a cost of the order.
var shipped = CostRecorded{
	CostID: "c1", Kind: "shipping", Amount: eur(490), OrderID: "o1", IncurredAt: paid, IncurredOn: today, Note: "two parcels",
}

func TestRecordCost(t *testing.T) {
	cmd := RecordCost{Subject: at, CostID: "c1", Kind: "shipping", Amount: eur(490), OrderID: "o1", IncurredAt: &paid, Note: "two parcels"}
	bought := []Event{registered, ordered, orderPaid}
	once := append(bought[:3:3], shipped)
	invalid := func(name, field string, change func(*RecordCost)) spec {
		return spec{Name: name, Given: bought, When: with(cmd, change), Error: domain.ErrValidation, Fields: []string{field}}
	}
	run(t, []spec{{
		Name:  "a cost of an order",
		Given: bought,
		When:  cmd,
		Then:  []Event{shipped},
	}, {
		Name:  "a cost of no order, now, by the business date of the business zone",
		Given: []Event{registered},
		When: with(cmd, func(c *RecordCost) {
			c.OrderID, c.Note, c.IncurredAt, c.Zone = "", "", nil, time.FixedZone("far", 13*3600)
		}),
		Then: []Event{CostRecorded{CostID: "c1", Kind: "shipping", Amount: eur(490), IncurredAt: noon, IncurredOn: today + 1}},
	}, {
		Name:  "from before the customer was registered",
		Given: []Event{registered},
		When: with(cmd, func(c *RecordCost) {
			c.OrderID, c.IncurredAt = "", ptr(time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC))
		}),
		Then: []Event{CostRecorded{
			CostID: "c1", Kind: "shipping", Amount: eur(490), Note: "two parcels",
			IncurredAt: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), IncurredOn: domain.NewDate(2025, 3, 1),
		}},
	}, {
		Name:  "another one of the same content under another id",
		Given: once,
		When:  with(cmd, func(c *RecordCost) { c.CostID = "c2" }),
		Then:  []Event{with(shipped, func(e *CostRecorded) { e.CostID = "c2" })},
	}, {
		Name:  "the same content again is nothing to do",
		Given: once,
		When:  cmd,
	}, {
		Name:  "the same content again, without a time",
		Given: once,
		When:  with(cmd, func(c *RecordCost) { c.IncurredAt = nil }),
	}, {
		Name:  "the same content again, though it was cancelled",
		Given: append(once[:4:4], CostCancelled{CostID: "c1", CancelledAt: noon, CancelledOn: today}),
		When:  cmd,
	}, {
		Name: "another kind under the same id", Given: once, Error: ErrCostExists,
		When: with(cmd, func(c *RecordCost) { c.Kind = "other" }),
	}, {
		Name: "another amount under the same id", Given: once, Error: ErrCostExists,
		When: with(cmd, func(c *RecordCost) { c.Amount.AmountMinor++ }),
	}, {
		Name: "another order under the same id", Given: once, Error: ErrCostExists,
		When: with(cmd, func(c *RecordCost) { c.OrderID = "" }),
	}, {
		Name: "another time under the same id", Given: once, Error: ErrCostExists,
		When: with(cmd, func(c *RecordCost) { c.IncurredAt = ptr(paid.Add(time.Second)) }),
	}, {
		Name: "another note under the same id", Given: once, Error: ErrCostExists,
		When: with(cmd, func(c *RecordCost) { c.Note = "three parcels" }),
	}, {
		Name:  "other content under the id of a cancelled one",
		Given: append(once[:4:4], CostCancelled{CostID: "c1", CancelledAt: noon, CancelledOn: today}),
		When:  with(cmd, func(c *RecordCost) { c.Amount.AmountMinor = 390 }),
		Error: ErrCostExists,
	}, {
		Name:  "an order that is not there",
		Given: []Event{registered},
		When:  cmd,
		Error: ErrOrderNotFound,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name: "nothing, of nothing", Given: bought, When: RecordCost{Subject: at}, Error: domain.ErrValidation,
		Fields: []string{"/cost_id", "/kind", "/amount/currency", "/amount/amount_minor"},
	},
		invalid("no such kind", "/kind", func(c *RecordCost) { c.Kind = "fun" }),
		invalid("less than nothing", "/amount/amount_minor", func(c *RecordCost) { c.Amount.AmountMinor = -1 }),
		invalid("more than there is", "/amount/amount_minor", func(c *RecordCost) { c.Amount.AmountMinor = domain.MaxAmountMinor + 1 }),
		invalid("no such currency", "/amount/currency", func(c *RecordCost) { c.Amount.Currency = "EURO" }),
		invalid("a long id", "/cost_id", func(c *RecordCost) { c.CostID = strings.Repeat("c", 201) }),
		invalid("a long order", "/order_id", func(c *RecordCost) { c.OrderID = strings.Repeat("o", 201) }),
		invalid("a long note", "/note", func(c *RecordCost) { c.Note = strings.Repeat("n", 2001) }),
		invalid("in the future", "/incurred_at", func(c *RecordCost) { c.IncurredAt = ptr(noon.Add(time.Hour)) }),
		invalid("in another century", "/incurred_at", func(c *RecordCost) { c.IncurredAt = ptr(time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC)) }),
	})
}

func TestCancelCost(t *testing.T) {
	cmd := CancelCost{Subject: at, CostID: "c1", Reason: "typed twice"}
	given := []Event{registered, ordered, orderPaid, shipped}
	gone := CostCancelled{CostID: "c1", Reason: "typed twice", CancelledAt: noon, CancelledOn: today}
	run(t, []spec{{
		Name:  "a cost was none",
		Given: given,
		When:  cmd,
		Then:  []Event{gone},
	}, {
		Name:  "not before it was incurred",
		Given: append(given[:3:3], with(shipped, func(e *CostRecorded) { e.IncurredAt = noon.Add(time.Minute) })),
		When:  cmd,
		Then:  []Event{with(gone, func(e *CostCancelled) { e.CancelledAt = noon.Add(time.Minute) })},
	}, {
		Name:  "by the business date of the business zone",
		Given: given,
		When:  with(cmd, func(c *CancelCost) { c.Zone = time.FixedZone("far", 13*3600) }),
		Then:  []Event{with(gone, func(e *CostCancelled) { e.CancelledOn = today + 1 })},
	}, {
		Name:  "again is nothing to do, for whatever reason",
		Given: append(given[:4:4], gone),
		When:  with(cmd, func(c *CancelCost) { c.Reason = "another" }),
	}, {
		Name:  "no such cost",
		Given: given[:3],
		When:  cmd,
		Error: ErrCostNotFound,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name: "nothing, for no reason", Given: given, When: CancelCost{Subject: at},
		Error: domain.ErrValidation, Fields: []string{"/cost_id", "/reason"},
	}, {
		Name: "long ones", Given: given, When: CancelCost{Subject: at, CostID: strings.Repeat("c", 201), Reason: strings.Repeat("r", 2001)},
		Error: domain.ErrValidation, Fields: []string{"/cost_id", "/reason"},
	}})
}

// What decisions need of a cost is there after an erasure, and the note is not.
func TestAnErasureTakesTheNotesOfCosts(t *testing.T) {
	var s State
	for _, e := range []Event{registered, ordered, orderPaid, shipped, PersonalDataErased{ErasedAt: noon}} {
		s = s.Evolve(e)
	}
	cmd := RecordCost{Subject: at, CostID: "c1", Kind: "shipping", Amount: eur(490), OrderID: "o1", Note: "two parcels"}
	if _, err := domain.Decide(s, domain.Command[State, Event](cmd)); err == nil {
		t.Error("an erased customer takes a cost")
	}
	if _, err := cmd.Decide(s); err == nil {
		t.Error("the note is known still")
	}
	cmd.Note = ""
	if events, err := cmd.Decide(s); err != nil || len(events) > 0 {
		t.Errorf("%v, %v: the amount is not known any more", events, err)
	}
}
