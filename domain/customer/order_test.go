package customer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/lifecycle"
)

func TestRecordOrder(t *testing.T) {
	cmd := RecordOrder{
		Subject: at, OrderID: "o1", Total: eur(1000), PlacedAt: placed,
		Lines: []OrderLine{{SKU: "a", Quantity: 2, UnitPriceMinor: ptr(int64(300))}, {SKU: "b", Quantity: 1, AmountMinor: ptr(int64(400))}},
	}
	line := func(change func(*OrderLine)) func(*RecordOrder) {
		return func(c *RecordOrder) {
			c.Lines = append([]OrderLine(nil), c.Lines...)
			change(&c.Lines[0])
		}
	}
	invalid := func(name, field string, change func(*RecordOrder)) spec {
		return spec{Name: name, Given: []Event{registered}, When: with(cmd, change), Error: domain.ErrValidation, Fields: []string{field}}
	}
	run(t, []spec{{
		Name:  "an order is recorded",
		Given: []Event{registered},
		When:  cmd,
		Then:  []Event{ordered},
	}, {
		Name:  "and paid, if it was",
		Given: []Event{registered},
		When:  with(cmd, func(c *RecordOrder) { c.PaidAt = &paid }),
		Then:  []Event{ordered, orderPaid, becameActive},
	}, {
		Name:  "before the customer was registered: they exist from their earliest fact",
		Given: []Event{registered},
		When: with(cmd, func(c *RecordOrder) {
			c.PlacedAt, c.Lines, c.Total = time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), nil, eur(0)
			c.PlacedOn = ptr(domain.NewDate(1996, 12, 31))
		}),
		Then: []Event{OrderRecorded{
			OrderID: "o1", Total: eur(0), PlacedAt: time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), PlacedOn: domain.NewDate(1996, 12, 31),
		}},
	}, {
		Name:  "the business date is that of the business zone",
		Given: []Event{registered},
		When: with(cmd, func(c *RecordOrder) {
			c.Zone, c.PlacedAt, c.Lines = time.FixedZone("far", 13*3600), time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC), nil
		}),
		Then: []Event{OrderRecorded{OrderID: "o1", Total: eur(1000), PlacedAt: time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC), PlacedOn: today}},
	}, {
		Name:  "the same content again is nothing to do",
		Given: []Event{registered, ordered},
		When:  cmd,
	}, {
		Name:  "the same content, but paid now",
		Given: []Event{registered, ordered},
		When:  with(cmd, func(c *RecordOrder) { c.PaidAt = &paid }),
		Then:  []Event{orderPaid, becameActive},
	}, {
		Name:  "the same content, paid before",
		Given: []Event{registered, ordered, orderPaid},
		When:  with(cmd, func(c *RecordOrder) { c.PaidAt = ptr(paid.Add(time.Minute)) }),
	}, {
		Name:  "other lines under the same id",
		Given: []Event{registered, ordered},
		When:  with(cmd, line(func(l *OrderLine) { l.SKU = "c" })),
		Error: ErrOrderExists,
	}, {
		Name:  "another time under the same id",
		Given: []Event{registered, ordered},
		When:  with(cmd, func(c *RecordOrder) { c.PlacedAt = placed.Add(time.Second) }),
		Error: ErrOrderExists,
	}, {
		Name:  "another rate under the same id",
		Given: []Event{registered, ordered},
		When:  with(cmd, func(c *RecordOrder) { c.FX = &FX{Rate: "1.08", Base: "USD", AsOf: today} }),
		Error: ErrOrderExists,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "nothing counts as future before the calendar begins",
		Given: []Event{registered},
		When: with(cmd, func(c *RecordOrder) {
			c.Latest, c.PlacedAt, c.Lines = time.Time{}, time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), nil
		}),
		Then: []Event{OrderRecorded{
			OrderID: "o1", Total: eur(1000), PlacedAt: time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC), PlacedOn: domain.NewDate(2031, 1, 1),
		}},
	},
		invalid("no id", "/order_id", func(c *RecordOrder) { c.OrderID = "" }),
		invalid("an id that is too long", "/order_id", func(c *RecordOrder) { c.OrderID = strings.Repeat("x", 201) }),
		invalid("a total that is not the sum", "/total/amount_minor", func(c *RecordOrder) { c.Total = eur(1001) }),
		invalid("a negative total", "/total/amount_minor", func(c *RecordOrder) { c.Total, c.Lines = eur(-1), nil }),
		invalid("a total beyond all money", "/total/amount_minor", func(c *RecordOrder) { c.Total, c.Lines = eur(1<<62), nil }),
		invalid("an unknown currency", "/total/currency", func(c *RecordOrder) { c.Total.Currency = "EUX" }),
		invalid("a rate to the same currency", "/fx/base", func(c *RecordOrder) { c.FX = &FX{Rate: "1", Base: "EUR", AsOf: today} }),
		invalid("a rate that is none", "/fx/rate", func(c *RecordOrder) { c.FX = &FX{Rate: "0.0", Base: "USD", AsOf: today} }),
		invalid("no quantity", "/lines/0/quantity", line(func(l *OrderLine) { l.Quantity = 0 })),
		invalid("a negative price", "/lines/0/unit_price_minor", line(func(l *OrderLine) { l.UnitPriceMinor = ptr(int64(-1)) })),
		invalid("a negative amount", "/lines/0/amount_minor", line(func(l *OrderLine) { l.UnitPriceMinor, l.AmountMinor = nil, ptr(int64(-600)) })),
		invalid("a negative cost", "/lines/0/cost_minor", line(func(l *OrderLine) { l.CostMinor = ptr(int64(-1)) })),
		invalid("no amount at all", "/lines/0/amount_minor", line(func(l *OrderLine) { l.UnitPriceMinor = nil })),
		invalid("an amount that is not quantity times price", "/lines/0/amount_minor", line(func(l *OrderLine) { l.AmountMinor = ptr(int64(601)) })),
		invalid("a product that overflows", "/lines/0/unit_price_minor", line(func(l *OrderLine) {
			l.Quantity, l.UnitPriceMinor = 1_000_000_000, ptr(int64(domain.MaxAmountMinor))
		})),
		invalid("too many lines", "/lines", func(c *RecordOrder) { c.Lines = make([]OrderLine, 501) }),
		invalid("in the future", "/placed_at", func(c *RecordOrder) { c.PlacedAt = noon.Add(6 * time.Minute) }),
		invalid("a business date of no zone", "/placed_on", func(c *RecordOrder) { c.PlacedOn = ptr(today + 2) }),
		invalid("paid before it was placed", "/paid_at", func(c *RecordOrder) { c.PaidAt = ptr(placed.Add(-time.Second)) }),
		invalid("paid in the future", "/paid_at", func(c *RecordOrder) { c.PaidAt = ptr(noon.Add(time.Hour)) }),
	})
}

func TestPayOrder(t *testing.T) {
	cmd := PayOrder{Subject: at, OrderID: "o1", PaidAt: &paid}
	run(t, []spec{{
		Name:  "an order is paid",
		Given: []Event{registered, ordered},
		When:  cmd,
		Then:  []Event{orderPaid, becameActive},
	}, {
		Name:  "now, if no time is given",
		Given: []Event{registered, ordered},
		When:  PayOrder{Subject: at, OrderID: "o1"},
		Then:  []Event{OrderPaid{OrderID: "o1", PaidAt: noon, PlacedOn: &today}, entered(lifecycle.Active, lifecycle.Potential, TriggerOrder, noon)},
	}, {
		Name:  "not before it was placed, if business now is",
		Given: []Event{registered, ordered},
		When:  PayOrder{Subject: domain.Subject{Customer: id, Now: placed.Add(-time.Hour)}, OrderID: "o1"},
		Then:  []Event{OrderPaid{OrderID: "o1", PaidAt: placed, PlacedOn: &today}, entered(lifecycle.Active, lifecycle.Potential, TriggerOrder, placed)},
	}, {
		Name:  "twice is nothing to do",
		Given: []Event{registered, ordered, orderPaid},
		When:  PayOrder{Subject: at, OrderID: "o1"},
	}, {
		Name:  "a cancelled order",
		Given: []Event{registered, ordered, cancelled},
		When:  cmd,
		Error: ErrOrderCancelled,
	}, {
		Name:  "no such order",
		Given: []Event{registered},
		When:  cmd,
		Error: ErrOrderNotFound,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "before it was placed",
		Given: []Event{registered, ordered},
		When:  PayOrder{Subject: at, OrderID: "o1", PaidAt: ptr(placed.Add(-time.Second))},
		Error: domain.ErrValidation, Fields: []string{"/paid_at"},
	}, {
		Name:  "no order named",
		When:  PayOrder{Subject: at},
		Error: domain.ErrValidation, Fields: []string{"/order_id"},
	}})
}

func TestCancelOrder(t *testing.T) {
	cmd := CancelOrder{Subject: at, OrderID: "o1", Reason: "sold out"}
	run(t, []spec{{
		Name:  "an order is cancelled",
		Given: []Event{registered, ordered},
		When:  cmd,
		Then:  []Event{OrderCancelled{OrderID: "o1", Reason: "sold out", CancelledAt: noon}},
	}, {
		Name:  "a paid order too",
		Given: []Event{registered, ordered, orderPaid},
		When:  cmd,
		Then:  []Event{OrderCancelled{OrderID: "o1", Reason: "sold out", CancelledAt: noon, PaidOrdersLeft: ptr(0)}},
	}, {
		Name:  "twice is nothing to do",
		Given: []Event{registered, ordered, cancelled},
		When:  cmd,
	}, {
		Name:  "after a refund",
		Given: []Event{registered, ordered, orderPaid, refunded},
		When:  cmd,
		Error: ErrOrderRefunded,
	}, {
		Name:  "no such order",
		Given: []Event{registered},
		When:  cmd,
		Error: ErrOrderNotFound,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "before it was paid",
		Given: []Event{registered, ordered, orderPaid},
		When:  CancelOrder{Subject: at, OrderID: "o1", CancelledAt: ptr(paid.Add(-time.Second))},
		Error: domain.ErrValidation, Fields: []string{"/cancelled_at"},
	}, {
		Name:  "no order named, and a novel for a reason",
		When:  CancelOrder{Subject: at, Reason: strings.Repeat("x", 2001)},
		Error: domain.ErrValidation, Fields: []string{"/order_id", "/reason"},
	}})
}

func TestRecordRefund(t *testing.T) {
	cmd := RecordRefund{Subject: at, RefundID: "r1", OrderID: "o1", Amount: eur(300), Lines: []RefundLine{{Line: 0, Quantity: 1, AmountMinor: 300}}}
	bought := []Event{registered, ordered, orderPaid}
	once := append(bought[:3:3], refunded)
	second := func(minor int64, lines ...RefundLine) RecordRefund {
		return RecordRefund{Subject: at, RefundID: "r2", OrderID: "o1", Amount: eur(minor), Lines: lines}
	}
	run(t, []spec{{
		Name:  "money of a line goes back",
		Given: bought,
		When:  cmd,
		Then:  []Event{refunded},
	}, {
		Name:  "the rest of the order goes back",
		Given: once,
		When:  second(700),
		Then:  []Event{RefundRecorded{RefundID: "r2", OrderID: "o1", Amount: eur(700), RefundedAt: noon, RefundedOn: today, PaidOrdersLeft: ptr(0)}},
	}, {
		Name:  "money of a cancelled order goes back",
		Given: append(bought[:3:3], cancelled),
		When:  second(1000),
		Then:  []Event{RefundRecorded{RefundID: "r2", OrderID: "o1", Amount: eur(1000), RefundedAt: noon, RefundedOn: today}},
	}, {
		Name:  "the same content again is nothing to do",
		Given: once,
		When:  cmd,
	}, {
		Name:  "the id again with other content",
		Given: once,
		When:  with(cmd, func(c *RecordRefund) { c.Reason = "broken" }),
		Error: ErrRefundExists,
	}, {
		Name:  "more than is left of the order",
		Given: once,
		When:  second(701),
		Error: ErrRefundExceeds,
	}, {
		Name:  "more than is left of a line",
		Given: once,
		When:  second(301, RefundLine{Line: 0, AmountMinor: 301}),
		Error: ErrRefundExceeds,
	}, {
		Name:  "more than is left of a line, in two parts",
		Given: once,
		When:  second(302, RefundLine{Line: 0, AmountMinor: 151}, RefundLine{Line: 0, AmountMinor: 151}),
		Error: ErrRefundExceeds,
	}, {
		Name:  "more pieces than are left of a line",
		Given: once,
		When:  second(2, RefundLine{Line: 0, Quantity: 2, AmountMinor: 2}),
		Error: ErrRefundExceeds,
	}, {
		Name:  "more pieces than an integer holds",
		Given: once,
		When:  second(2, RefundLine{Line: 0, Quantity: 1<<63 - 1, AmountMinor: 1}, RefundLine{Line: 0, Quantity: 1<<63 - 1, AmountMinor: 1}),
		Error: ErrRefundExceeds,
	}, {
		Name:  "another currency",
		Given: bought,
		When:  with(cmd, func(c *RecordRefund) { c.Amount.Currency = "USD" }),
		Error: ErrRefundCurrency,
	}, {
		Name:  "an order that is not paid",
		Given: []Event{registered, ordered},
		When:  cmd,
		Error: ErrOrderNotPaid,
	}, {
		Name:  "no such order",
		Given: []Event{registered},
		When:  cmd,
		Error: ErrOrderNotFound,
	}, {
		Name:  "nobody is there",
		When:  cmd,
		Error: ErrNotFound,
	}, {
		Name:  "a line that is not there",
		Given: bought,
		When:  second(1, RefundLine{Line: 2, AmountMinor: 1}),
		Error: domain.ErrValidation, Fields: []string{"/lines/0/line"},
	}, {
		Name:  "before it was paid",
		Given: bought,
		When:  with(cmd, func(c *RecordRefund) { c.RefundedAt = ptr(paid.Add(-time.Second)) }),
		Error: domain.ErrValidation, Fields: []string{"/refunded_at"},
	}, {
		Name:  "an amount that is not the sum of the lines",
		Given: bought,
		When:  second(2, RefundLine{Line: 0, AmountMinor: 1}),
		Error: domain.ErrValidation, Fields: []string{"/amount/amount_minor"},
	}, {
		Name:  "nothing, of nothing",
		When:  RecordRefund{Subject: at, Amount: domain.Money{Currency: "X"}, Lines: []RefundLine{{Quantity: -1, AmountMinor: -1}}},
		Error: domain.ErrValidation,
		Fields: []string{
			"/refund_id", "/order_id", "/amount/currency", "/amount/amount_minor", "/lines/0/amount_minor", "/lines/0/quantity",
		},
	}})
}

// After an erasure events come without their personal fields; what decisions
// need of money is still there.
func TestTheFoldNeedsNothingPersonal(t *testing.T) {
	run(t, []spec{{
		Name: "a refund fits what is left",
		Given: []Event{
			Registered{Kind: Person, Source: Source{Channel: "shop"}}, ProfileUpdated{Fields: []string{"locale"}},
			ExternalIDLinked{System: "shop", Lookup: "abc", Claim: "claim-1", LinkedAt: placed}, ordered, orderPaid, refunded,
		},
		When:  RecordRefund{Subject: at, RefundID: "r2", OrderID: "o1", Amount: eur(701)},
		Error: ErrRefundExceeds,
	}})
}
