package customer_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/customer"
	"github.com/rapport-crm/rapport/domain/value"
	"pgregory.net/rapid"
)

func books(events ...Event) (b Books) {
	for _, e := range events {
		b.Fold(Record{Event: e})
	}
	return b
}

func usd(minor int64) domain.Money { return domain.Money{AmountMinor: minor, Currency: "USD"} }

func TestBooks(t *testing.T) {
	costing := func(minor ...int64) (lines []Line) {
		for _, m := range minor {
			lines = append(lines, Line{AmountMinor: 100, CostMinor: &m})
		}
		return lines
	}
	rate := FX{Rate: "0.9", Base: "EUR", AsOf: 10}
	refund := func(id, order string, on domain.Date, amount domain.Money) RefundRecorded {
		return RefundRecorded{RefundID: id, OrderID: order, RefundedOn: on, Amount: amount}
	}
	on := func(d domain.Date) time.Time { return d.Start(time.UTC) }
	cost := func(id string, d domain.Date, minor int64) CostRecorded {
		return CostRecorded{CostID: id, Kind: value.Service, Amount: eur(minor), IncurredOn: d, Note: "who knows"}
	}
	for _, tc := range []struct {
		name  string
		given []Event
		want  string
	}{
		{"nothing that was bought", []Event{registered, linked, PersonalDataErased{}}, `{}`},
		{
			"orders by date, with the cost of their goods where all of it is known",
			[]Event{
				OrderRecorded{OrderID: "b", PlacedOn: 12, Total: eur(200), Lines: costing(30, 0)},
				OrderRecorded{OrderID: "a", PlacedOn: 10, Total: eur(200), Lines: append(costing(30), Line{AmountMinor: 100})},
				OrderRecorded{OrderID: "c", PlacedOn: 12, Total: eur(50)},
				OrderPaid{OrderID: "b"}, OrderCancelled{OrderID: "a"},
			},
			`{"orders":[{"id":"a","on":"1970-01-11","amount_minor":200,"currency":"EUR","cancelled":true},` +
				`{"id":"b","on":"1970-01-13","amount_minor":200,"currency":"EUR","goods_minor":30,"paid":true},` +
				`{"id":"c","on":"1970-01-13","amount_minor":50,"currency":"EUR"}]}`,
		},
		{
			"the order's own rate, and refunds by date that come to the whole",
			[]Event{
				OrderRecorded{OrderID: "a", PlacedOn: 10, Total: usd(5), Lines: costing(3), FX: &rate}, OrderPaid{OrderID: "a"},
				refund("z", "a", 13, usd(3)), refund("y", "a", 11, usd(2)),
			},
			`{"orders":[{"id":"a","on":"1970-01-11","amount_minor":5,"currency":"USD","goods_minor":3,"paid":true,` +
				`"converted":{"currency":"EUR","amount_minor":5,"goods_minor":3},` +
				`"refunds":[{"on":"1970-01-12","amount_minor":2,"converted_minor":2},{"on":"1970-01-14","amount_minor":3,"converted_minor":3}]}]}`,
		},
		{
			"a rate that came with the payment",
			[]Event{OrderRecorded{OrderID: "a", PlacedOn: 10, Total: usd(1000)}, OrderPaid{OrderID: "a", FX: &rate}},
			`{"orders":[{"id":"a","on":"1970-01-11","amount_minor":1000,"currency":"USD","paid":true,"converted":{"currency":"EUR","amount_minor":900}}]}`,
		},
		{
			"points at what they were worth, and what of it came back",
			[]Event{
				PointsRedeemed{RedemptionID: "r", Points: 3, Value: eur(100), RedeemedAt: on(10)},
				HoldCaptured{HoldID: "h", RedemptionID: "h", Points: 50, Value: eur(50), CapturedAt: on(11)},
				RedemptionReversed{RedemptionID: "r", Points: 1, ReversedAt: on(13), Reason: "who knows"},
				RedemptionReversed{RedemptionID: "r", Points: 2, ReversedAt: on(12)},
			},
			`{"redemptions":[{"id":"r","at":"1970-01-11T00:00:00Z","points":3,"value_minor":100,"currency":"EUR",` +
				`"reversals":[{"at":"1970-01-13T00:00:00Z","points":2,"value_minor":67},{"at":"1970-01-14T00:00:00Z","points":1,"value_minor":33}]},` +
				`{"id":"h","at":"1970-01-12T00:00:00Z","points":50,"value_minor":50,"currency":"EUR"}]}`,
		},
		{
			"costs by date, without those that were none, and without a word; an erasure leaves them",
			[]Event{cost("c", 12, 3), cost("d", 13, 4), cost("a", 10, 1), CostCancelled{CostID: "d"}, PersonalDataErased{}},
			`{"costs":[{"id":"a","kind":"service","on":"1970-01-11","amount_minor":1,"currency":"EUR"},` +
				`{"id":"c","kind":"service","on":"1970-01-13","amount_minor":3,"currency":"EUR"}]}`,
		},
		{"none that was none", []Event{cost("c", 12, 3), CostCancelled{CostID: "c"}}, `{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := books(tc.given...)
			text, err := json.Marshal(got)
			if err != nil || string(text) != tc.want {
				t.Errorf("%v\n%s, want\n%s", err, text, tc.want)
			}
			var stored Books
			if err := json.Unmarshal(text, &stored); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, stored); d != "" {
				t.Errorf("stored and read: %s", d)
			}
		})
	}
}

func TestBooksSayWhetherAnythingChanged(t *testing.T) {
	b := books(
		OrderRecorded{OrderID: "a", Total: eur(100)}, OrderPaid{OrderID: "a"}, OrderCancelled{OrderID: "a"},
		CostRecorded{CostID: "c"}, CostCancelled{CostID: "c"},
	)
	for _, e := range []Event{
		registered, PersonalDataErased{}, OrderPaid{OrderID: "a"}, OrderCancelled{OrderID: "a"}, CostCancelled{CostID: "c"},
		OrderPaid{OrderID: "x"}, OrderCancelled{OrderID: "x"}, RefundRecorded{OrderID: "x"}, RedemptionReversed{RedemptionID: "x"}, CostCancelled{CostID: "x"},
	} {
		if b.Fold(Record{Event: e}) {
			t.Errorf("%#v changes something", e)
		}
	}
	for _, e := range []Event{
		RefundRecorded{OrderID: "a", Amount: eur(1)}, OrderRecorded{OrderID: "b"}, OrderPaid{OrderID: "b"}, OrderCancelled{OrderID: "b"},
		PointsRedeemed{RedemptionID: "r"}, RedemptionReversed{RedemptionID: "r"}, HoldCaptured{RedemptionID: "h"}, CostRecorded{CostID: "d"}, CostCancelled{CostID: "d"},
	} {
		if !b.Fold(Record{Event: e}) {
			t.Errorf("%#v changes nothing", e)
		}
	}
}

// fact is an event, and which must come before it: those of the same subject that
// have a lesser stage.
type fact struct {
	subject, stage int
	event          Event
}

// facts draws what happened to a customer.
func facts(t *rapid.T) (all []fact) {
	subject := 0
	tell := func(stage int, e Event) { all = append(all, fact{subject, stage, e}) }
	date := func() domain.Date { return domain.Date(rapid.IntRange(80, 110).Draw(t, "date")) }
	instant := func() time.Time {
		return date().Start(time.UTC).Add(time.Duration(rapid.IntRange(0, 23).Draw(t, "hour")) * time.Hour)
	}
	minor := func() int64 { return rapid.Int64Range(1, 1000).Draw(t, "minor") }
	parts := func(of int64) (list []int64) { // that are not more than the whole
		for of > 0 && len(list) < 3 && rapid.Bool().Draw(t, "part") {
			list = append(list, rapid.Int64Range(1, of).Draw(t, "part"))
			of -= list[len(list)-1]
		}
		return list
	}
	for range rapid.IntRange(0, 3).Draw(t, "orders") {
		subject++
		goods := minor()
		e := OrderRecorded{OrderID: fmt.Sprint(subject), PlacedOn: date(), Total: eur(minor()), Lines: []Line{{CostMinor: &goods}}}
		paid := OrderPaid{OrderID: e.OrderID}
		rate := &FX{Rate: "0.913", Base: "EUR"}
		switch rapid.IntRange(0, 5).Draw(t, "currency") {
		case 0:
			e.Total.Currency, e.FX = "USD", rate
		case 1:
			e.Total.Currency, paid.FX = "USD", rate
		}
		tell(0, e)
		tell(1, paid)
		for _, part := range parts(e.Total.AmountMinor) {
			tell(2, RefundRecorded{OrderID: e.OrderID, RefundedOn: date(), Amount: domain.Money{AmountMinor: part, Currency: e.Total.Currency}})
		}
		if rapid.IntRange(0, 4).Draw(t, "cancelled") == 0 {
			tell(2, OrderCancelled{OrderID: e.OrderID})
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "redemptions") {
		subject++
		e := PointsRedeemed{RedemptionID: fmt.Sprint(subject), Points: minor(), Value: eur(minor()), RedeemedAt: instant()}
		tell(0, e)
		for _, part := range parts(e.Points) {
			tell(1, RedemptionReversed{RedemptionID: e.RedemptionID, Points: part, ReversedAt: instant()})
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "costs") {
		subject++
		id := fmt.Sprint(subject)
		tell(0, CostRecorded{CostID: id, Kind: rapid.SampledFrom(value.CostKinds).Draw(t, "kind"), Amount: eur(minor()), IncurredOn: date()})
		if rapid.IntRange(0, 3).Draw(t, "cancelled") == 0 {
			tell(1, CostCancelled{CostID: id})
		}
	}
	return all
}

// inSomeOrder returns the events in an order in which they may have come to be known.
func inSomeOrder(t *rapid.T, all []fact) []Event {
	order := rapid.Permutation(all).Draw(t, "order")
	of := map[int][]fact{}
	for _, f := range order {
		of[f.subject] = append(of[f.subject], f)
	}
	for _, list := range of {
		slices.SortStableFunc(list, func(a, b fact) int { return a.stage - b.stage })
	}
	var events []Event
	for _, f := range order {
		events = append(events, of[f.subject][0].event)
		of[f.subject] = of[f.subject][1:]
	}
	return events
}

// Whatever comes to be known first, the customer is worth the same on every day.
func TestTheValueDoesNotDependOnTheOrderOfTheFacts(t *testing.T) {
	policy := value.Policy{Currency: "EUR", WindowDays: 10, TopPercent: 5, MiddlePercent: 15}
	rapid.Check(t, func(t *rapid.T) {
		all := facts(t)
		one, other := books(inSomeOrder(t, all)...), books(inSomeOrder(t, all)...)
		for d := domain.Date(85); d <= 120; d += 7 {
			for name, day := range map[string]value.Day{"live": value.AsOf(d, nil), "calibration": value.At(d, nil)} {
				a, b := value.Contribution(&one.Inputs, &policy, day), value.Contribution(&other.Inputs, &policy, day)
				if text := cmp.Diff(a, b); text != "" {
					t.Fatalf("%s on %v: %s", name, d, text)
				}
				if text := cmp.Diff(value.MeasuresOf(&one.Inputs, &policy, day), value.MeasuresOf(&other.Inputs, &policy, day)); text != "" {
					t.Fatalf("%s on %v: %s", name, d, text)
				}
			}
		}
	})
}

// Of what went back in full nothing is left, in whichever parts and at whatever rate.
func TestWhatWentBackInFullLeavesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, points := rapid.Int64Range(0, 100_000).Draw(t, "total"), rapid.Int64Range(1, 1000).Draw(t, "points")
		events := []Event{
			OrderRecorded{OrderID: "a", Total: usd(total), FX: &FX{Rate: "0.9137", Base: "EUR"}}, OrderPaid{OrderID: "a"},
			PointsRedeemed{RedemptionID: "r", Points: points, Value: eur(rapid.Int64Range(0, 1000).Draw(t, "worth"))},
		}
		for left := total; left > 0; {
			part := rapid.Int64Range(1, left).Draw(t, "part")
			left -= part
			events = append(events, RefundRecorded{OrderID: "a", Amount: usd(part), RefundedOn: domain.Date(rapid.IntRange(0, 9).Draw(t, "on"))})
		}
		for left := points; left > 0; {
			part := rapid.Int64Range(1, left).Draw(t, "part")
			left -= part
			events = append(events, RedemptionReversed{RedemptionID: "r", Points: part, ReversedAt: noon.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "at")))})
		}
		b := books(events...)
		revenue, worth := b.Orders[0].Converted.AmountMinor, b.Redemptions[0].ValueMinor
		for _, r := range b.Orders[0].Refunds {
			revenue -= r.ConvertedMinor
		}
		for _, r := range b.Redemptions[0].Reversals {
			worth -= r.ValueMinor
		}
		if total > 0 && revenue != 0 || worth != 0 {
			t.Fatalf("%d and %d are left", revenue, worth)
		}
	})
}
