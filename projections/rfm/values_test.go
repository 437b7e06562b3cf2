package rfm

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/rfm"
	"github.com/rapport-crm/rapport/projections"
	"pgregory.net/rapid"
)

func event(data any) projections.Event { return projections.Event{Data: data} }

func recorded(id string, on domain.Date, minor int64, currency string) customer.OrderRecorded {
	return customer.OrderRecorded{OrderID: id, PlacedOn: on, Total: domain.Money{AmountMinor: minor, Currency: currency}}
}

func refunded(order string, on domain.Date, minor int64, currency string) customer.RefundRecorded {
	return customer.RefundRecorded{OrderID: order, RefundedOn: on, Amount: domain.Money{AmountMinor: minor, Currency: currency}}
}

// Whatever happens to orders in whatever order, the values are those of the plain
// definition over the list of what happened.
func TestValuesAreThoseOfTheListOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		day := rapid.Int32Range(0, 60)
		ids := rapid.IntRange(0, 14) // some of them unknown
		var history []any
		n := rapid.IntRange(0, 10).Draw(t, "orders")
		for i := range n {
			history = append(history, recorded(fmt.Sprint("o", i), domain.Date(day.Draw(t, "on")),
				rapid.Int64Range(0, 50_00).Draw(t, "amount"), rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "EUR", "USD"}).Draw(t, "currency")))
		}
		for range rapid.IntRange(0, 15).Draw(t, "later") {
			id := fmt.Sprint("o", ids.Draw(t, "id"))
			at := rapid.IntRange(0, len(history)).Draw(t, "at")
			history = slices.Insert(history, at, rapid.SampledFrom([]any{
				customer.OrderPaid{OrderID: id},
				customer.OrderCancelled{OrderID: id},
				refunded(id, domain.Date(day.Draw(t, "refunded on")), rapid.Int64Range(0, 20_00).Draw(t, "refund"), "EUR"),
			}).Draw(t, "event"))
		}
		p := rfm.Default("EUR")
		p.Orders = rapid.SampledFrom([]string{rfm.CountRecorded, rfm.CountPaid}).Draw(t, "orders mode")
		p.Amounts = rapid.SampledFrom([]string{rfm.Gross, rfm.Net}).Draw(t, "amounts")
		p.WindowDays = rapid.IntRange(0, 40).Draw(t, "window")
		asOf := domain.Date(day.Draw(t, "as of"))
		until := rapid.SampledFrom([]domain.Date{asOf, Forever}).Draw(t, "until")

		var d Document
		for _, e := range history {
			fold(&d, event(e))
			d = stored(t, d)
		}
		want, wantReason := naive(history, p, asOf, until)
		got, reason := Values(&d, &p, asOf, until)
		if got != want || reason != wantReason {
			t.Fatalf("%+v %q, want %+v %q", got, reason, want, wantReason)
		}
	})
}

// stored returns d as it comes back from the store.
func stored(t interface{ Fatal(...any) }, d Document) Document {
	b, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	var back Document
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, back); diff != "" {
		t.Fatal("a document changes when it is stored:\n" + diff)
	}
	return back
}

func naive(history []any, p rfm.Policy, asOf, until domain.Date) (v rfm.Values, reason string) {
	last, counted := domain.Date(-1), false
	for i, e := range history {
		o, ok := e.(customer.OrderRecorded)
		if !ok || o.PlacedOn > until {
			continue
		}
		paid, cancelled, back := false, false, int64(0)
		for _, later := range history[i:] {
			switch l := later.(type) {
			case customer.OrderPaid:
				paid = paid || l.OrderID == o.OrderID
			case customer.OrderCancelled:
				cancelled = cancelled || l.OrderID == o.OrderID
			case customer.RefundRecorded:
				if l.OrderID == o.OrderID && l.RefundedOn <= until {
					back += l.Amount.AmountMinor
				}
			}
		}
		if p.Orders == rfm.CountPaid && (!paid || cancelled) {
			continue
		}
		counted, last = true, max(last, o.PlacedOn)
		if p.WindowDays > 0 && int(asOf-o.PlacedOn) >= p.WindowDays {
			continue
		}
		if o.Total.Currency != p.Currency {
			reason = CurrencyMixed
			continue
		}
		v.Frequency++
		v.MonetaryMinor += o.Total.AmountMinor
		if p.Amounts == rfm.Net {
			v.MonetaryMinor -= back
		}
	}
	if !counted {
		return rfm.Values{}, NoCountedOrder
	}
	if reason != "" {
		return rfm.Values{}, reason
	}
	v.RecencyDays = max(0, int64(asOf-last))
	return v, ""
}

func TestARefundCountsFromItsOwnDateAsPartOfItsOrder(t *testing.T) {
	d, _ := New().Of(
		event(recorded("a", 10, 5000, "EUR")),
		event(recorded("b", 100, 3000, "EUR")),
		event(refunded("a", 105, 2000, "EUR")),
	)
	p := rfm.Default("EUR")
	p.Amounts, p.WindowDays = rfm.Net, 30
	for _, tc := range []struct {
		asOf domain.Date
		want rfm.Values
	}{
		{20, rfm.Values{RecencyDays: 10, Frequency: 1, MonetaryMinor: 5000}},
		{104, rfm.Values{RecencyDays: 4, Frequency: 1, MonetaryMinor: 3000}},
		{106, rfm.Values{RecencyDays: 6, Frequency: 1, MonetaryMinor: 3000}},
		{140, rfm.Values{RecencyDays: 40}},
	} {
		if got, _ := Values(&d, &p, tc.asOf, tc.asOf); got != tc.want {
			t.Errorf("as of %d: %+v, want %+v", tc.asOf, got, tc.want)
		}
	}
	p.WindowDays = 0
	if got, _ := Values(&d, &p, 106, 106); got.MonetaryMinor != 6000 {
		t.Errorf("whole history: %+v", got)
	}
}

func TestAnOrderWithARateCountsInThePolicysCurrency(t *testing.T) {
	o := recorded("a", 10, 1001, "EUR")
	o.FX = &customer.FX{Rate: "1.0850", Base: "USD"}
	d, _ := New().Of(event(o), event(refunded("a", 11, 333, "EUR")), event(refunded("a", 12, 668, "EUR")))
	p := rfm.Default("USD")
	p.Amounts = rfm.Net
	for until, want := range map[domain.Date]int64{10: 1086, 11: 725, 12: 0} {
		if got, reason := Values(&d, &p, 20, until); got.MonetaryMinor != want || reason != "" {
			t.Errorf("until %d: %+v %s, want %d", until, got, reason, want)
		}
	}
	p.Currency = "GBP"
	if _, reason := Values(&d, &p, 20, 20); reason != CurrencyMixed {
		t.Errorf("in a third currency: %q", reason)
	}
}

func TestTheRateOfAnOrderMayComeWithItsPayment(t *testing.T) {
	with := recorded("b", 10, 1000, "EUR")
	with.FX = &customer.FX{Rate: "1.5", Base: "USD"}
	d, _ := New().Of(
		event(recorded("a", 10, 1001, "EUR")), event(with),
		event(customer.OrderPaid{OrderID: "a", FX: &customer.FX{Rate: "1.1", Base: "USD"}}),
		event(customer.OrderPaid{OrderID: "a", FX: &customer.FX{Rate: "9", Base: "USD"}}), // paid already
		event(customer.OrderPaid{OrderID: "b", FX: &customer.FX{Rate: "9", Base: "USD"}}), // has a rate already
		event(refunded("a", 11, 1001, "EUR")),
	)
	p := rfm.Default("USD")
	p.Amounts = rfm.Net
	for until, want := range map[domain.Date]int64{10: 1101 + 1500, 11: 1500} {
		if got, reason := Values(&d, &p, 20, until); got.MonetaryMinor != want || reason != "" {
			t.Errorf("until %d: %+v %s, want %d", until, got, reason, want)
		}
	}
	p.Currency = "EUR"
	if got, _ := Values(&d, &p, 20, 10); got.MonetaryMinor != 2001 {
		t.Errorf("in the order's own currency: %+v", got)
	}
}

func TestTheAverageOfACell(t *testing.T) {
	for want, total := range map[int64]Total{0: {}, 334: {Customers: 3, RevenueMinor: 1001}, -3: {Customers: 2, RevenueMinor: -5}, 7: {Customers: 1, RevenueMinor: 7}} {
		if got := total.AverageMinor(); got != want {
			t.Errorf("%+v: %d, want %d", total, got, want)
		}
	}
}

func TestARateIsPerMajorUnitAndRoundsToTheNearestMinorUnit(t *testing.T) {
	for _, tc := range []struct {
		amount domain.Money
		rate   string
		into   string
		want   int64
		ok     bool
	}{
		{domain.Money{AmountMinor: 100, Currency: "USD"}, "149.505", "JPY", 150, true},
		{domain.Money{AmountMinor: 150, Currency: "JPY"}, "0.0067", "USD", 101, true},
		{domain.Money{AmountMinor: 1000, Currency: "EUR"}, "0.33", "KWD", 3300, true},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "0.5", "USD", 1, true}, // half: away from zero
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "0.49", "USD", 0, true},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "1e9", "USD", 0, false},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "-1", "USD", 0, false},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "", "USD", 0, false},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "0", "USD", 0, false},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "1/3", "USD", 0, false},
		{domain.Money{AmountMinor: 1, Currency: "EUR"}, "1", "ABC", 0, false},
		{domain.Money{AmountMinor: 1 << 62, Currency: "EUR"}, "99999", "USD", 0, false},
	} {
		got, ok := convert(tc.amount, tc.rate, tc.into)
		if ok != tc.ok || ok && got.AmountMinor != tc.want {
			t.Errorf("%+v at %q into %s: %+v %v", tc.amount, tc.rate, tc.into, got, ok)
		}
	}
}

func TestWhatHappensToAnUnknownOrderChangesNothing(t *testing.T) {
	var d Document
	for _, e := range []any{
		customer.OrderPaid{OrderID: "x"}, customer.OrderCancelled{OrderID: "x"}, refunded("x", 1, 1, "EUR"),
		customer.Registered{}, rfm.Calibrated{},
	} {
		if fold(&d, event(e)) {
			t.Errorf("%T changed the document", e)
		}
	}
	if _, exists := New().Of(event(customer.Registered{})); exists {
		t.Error("a customer without orders has a document")
	}
}
