package value_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/value"
	"pgregory.net/rapid"
)

// The policies of these tests: ten days, in euro.
var policy = Policy{Currency: "EUR", WindowDays: 10, TopPercent: 5, MiddlePercent: 15}

// day 100 is closed; the window begins on day 91.
var live = AsOf(100, time.UTC)

func order(id string, on domain.Date, minor, goods int64) Order {
	return Order{ID: id, On: on, AmountMinor: minor, Currency: "EUR", GoodsMinor: &goods, Paid: true}
}

func cost(id, kind string, on domain.Date, minor int64) Cost {
	return Cost{ID: id, Kind: kind, On: on, AmountMinor: minor, Currency: "EUR"}
}

// noon is an instant of a date in UTC.
func noon(on domain.Date) time.Time { return on.Start(time.UTC).Add(12 * time.Hour) }

func changed(o Order, change func(*Order)) Order {
	change(&o)
	return o
}

func TestContribution(t *testing.T) {
	unknownGoods := changed(order("a", 95, 1000, 0), func(o *Order) { o.GoodsMinor = nil })
	dollars := changed(order("a", 95, 1000, 400), func(o *Order) { o.Currency = "USD" })
	goods := int64(360)
	converted := changed(dollars, func(o *Order) {
		o.Converted = &Converted{Currency: "EUR", AmountMinor: 900, GoodsMinor: &goods}
		o.Refunds = []Refund{{On: 96, AmountMinor: 100, ConvertedMinor: 90}}
	})
	redeemed := Redemption{ID: "r", At: noon(95), Points: 100, ValueMinor: 100, Currency: "EUR"}
	for _, tc := range []struct {
		name string
		in   Inputs
		day  Day
		want Result
	}{
		{name: "nothing is not worth nothing", day: live, want: Result{Reason: NoCosts}},
		{
			name: "revenue less goods, points and costs", day: live,
			in: Inputs{
				Orders:      []Order{order("a", 91, 1000, 300), order("b", 100, 500, 200)},
				Redemptions: []Redemption{redeemed},
				Costs:       []Cost{cost("c", Shipping, 92, 49), cost("d", Service, 93, 20), cost("e", Shipping, 94, 1)},
			},
			want: Result{Known: true, ContributionMinor: 830, Parts: Parts{
				RevenueMinor: 1500, GoodsMinor: 500, PointsMinor: 100, CostsMinor: map[string]int64{Shipping: 50, Service: 20},
			}},
		},
		{
			name: "the window is half open", day: live,
			in:   Inputs{Orders: []Order{order("a", 90, 1000, 300), order("b", 91, 500, 200)}, Costs: []Cost{cost("c", Other, 90, 7)}},
			want: Result{Known: true, ContributionMinor: 300, Parts: Parts{RevenueMinor: 500, GoodsMinor: 200}},
		},
		{
			name: "what is later counts at once", day: live,
			in:   Inputs{Orders: []Order{order("a", 107, 1000, 300)}, Costs: []Cost{cost("c", Other, 120, 7)}},
			want: Result{Known: true, ContributionMinor: 693, Parts: Parts{RevenueMinor: 1000, GoodsMinor: 300, CostsMinor: map[string]int64{Other: 7}}},
		},
		{
			name: "but not in a calibration", day: At(100, time.UTC),
			in:   Inputs{Orders: []Order{order("a", 100, 1000, 300), order("b", 101, 1000, 300)}, Costs: []Cost{cost("c", Other, 101, 7)}},
			want: Result{Known: true, ContributionMinor: 700, Parts: Parts{RevenueMinor: 1000, GoodsMinor: 300}},
		},
		{
			name: "before the first day was closed nothing has aged",
			in:   Inputs{Orders: []Order{order("a", -9999, 1000, 300)}},
			want: Result{Known: true, ContributionMinor: 700, Parts: Parts{RevenueMinor: 1000, GoodsMinor: 300}},
		},
		{
			name: "a refund counts on its own date, and the goods stay paid for", day: live,
			in: Inputs{Orders: []Order{
				changed(order("a", 80, 1000, 300), func(o *Order) { o.Refunds = []Refund{{On: 90, AmountMinor: 1}, {On: 95, AmountMinor: 200}} }),
				changed(order("b", 99, 500, 200), func(o *Order) { o.Refunds = []Refund{{On: 104, AmountMinor: 500}} }),
			}},
			want: Result{Known: true, ContributionMinor: -400, Parts: Parts{RevenueMinor: -200, GoodsMinor: 200}},
		},
		{
			name: "a refund alone says nothing of costs", day: live,
			in:   Inputs{Orders: []Order{changed(order("a", 80, 1000, 300), func(o *Order) { o.Refunds = []Refund{{On: 95, AmountMinor: 200}} })}},
			want: Result{Reason: NoCosts, Parts: Parts{RevenueMinor: -200}},
		},
		{
			name: "orders that are cancelled or not paid do not count, nor do their refunds", day: live,
			in: Inputs{Orders: []Order{
				changed(unknownGoods, func(o *Order) { o.Paid = false }),
				changed(unknownGoods, func(o *Order) { o.Cancelled, o.Refunds = true, []Refund{{On: 96, AmountMinor: 1000}} }),
				order("b", 95, 500, 200),
			}},
			want: Result{Known: true, ContributionMinor: 300, Parts: Parts{RevenueMinor: 500, GoodsMinor: 200}},
		},
		{
			name: "without the cost of the goods it is unknown", day: live,
			in:   Inputs{Orders: []Order{unknownGoods, order("b", 95, 500, 200)}, Costs: []Cost{cost("c", Other, 95, 7)}},
			want: Result{Reason: GoodsCostMissing, Parts: Parts{RevenueMinor: 1500, GoodsMinor: 200, CostsMinor: map[string]int64{Other: 7}}},
		},
		{
			name: "unless the order is older", day: live,
			in:   Inputs{Orders: []Order{changed(unknownGoods, func(o *Order) { o.On = 90 }), order("b", 95, 500, 200)}},
			want: Result{Known: true, ContributionMinor: 300, Parts: Parts{RevenueMinor: 500, GoodsMinor: 200}},
		},
		{
			name: "costs without orders are known", day: live,
			in:   Inputs{Costs: []Cost{cost("c", Campaign, 95, 7)}},
			want: Result{Known: true, ContributionMinor: -7, Parts: Parts{CostsMinor: map[string]int64{Campaign: 7}}},
		},
		{
			name: "goods that cost nothing are known", day: live,
			in:   Inputs{Orders: []Order{order("a", 95, 0, 0)}},
			want: Result{Known: true},
		},
		{
			name: "another currency without a rate", day: live,
			in:   Inputs{Orders: []Order{dollars, order("b", 95, 500, 200)}},
			want: Result{Reason: CurrencyMixed, Parts: Parts{RevenueMinor: 500, GoodsMinor: 200}},
		},
		{
			name: "which does not matter once it is older", day: AsOf(105, time.UTC),
			in:   Inputs{Orders: []Order{dollars, order("b", 96, 500, 200)}},
			want: Result{Known: true, ContributionMinor: 300, Parts: Parts{RevenueMinor: 500, GoodsMinor: 200}},
		},
		{
			name: "the order's own rate", day: live, in: Inputs{Orders: []Order{converted}},
			want: Result{Known: true, ContributionMinor: 450, Parts: Parts{RevenueMinor: 810, GoodsMinor: 360}},
		},
		{
			name: "a rate to another currency is none", day: live,
			in:   Inputs{Orders: []Order{changed(converted, func(o *Order) { o.Converted = &Converted{Currency: "GBP", AmountMinor: 800, GoodsMinor: &goods} })}},
			want: Result{Reason: CurrencyMixed},
		},
		{
			name: "costs and points have no rate", day: live,
			in:   Inputs{Redemptions: []Redemption{{ID: "r", At: noon(95), Points: 1, ValueMinor: 1, Currency: "USD"}}, Costs: []Cost{cost("c", Other, 95, 7)}},
			want: Result{Reason: CurrencyMixed, Parts: Parts{CostsMinor: map[string]int64{Other: 7}}},
		},
		{
			name: "a cost in another currency", day: live,
			in:   Inputs{Costs: []Cost{{ID: "c", Kind: Other, On: 95, AmountMinor: 7, Currency: "USD"}}},
			want: Result{Reason: CurrencyMixed},
		},
		{
			name: "a reversal gives back on its own date", day: live,
			in: Inputs{
				Redemptions: []Redemption{
					{ID: "r", At: noon(80), Points: 100, ValueMinor: 100, Currency: "EUR", Reversals: []Reversal{{At: noon(90), Points: 10, ValueMinor: 10}, {At: noon(95), Points: 30, ValueMinor: 30}}},
					redeemed,
				},
				Orders: []Order{order("a", 95, 500, 200)},
			},
			want: Result{Known: true, ContributionMinor: 230, Parts: Parts{RevenueMinor: 500, GoodsMinor: 200, PointsMinor: 70}},
		},
		{
			name: "redemptions have the date of the business zone", day: AsOf(100, time.FixedZone("far", 13*3600)),
			in: Inputs{
				Redemptions: []Redemption{{ID: "r", At: noon(90), Points: 1, ValueMinor: 5, Currency: "EUR"}, {ID: "s", At: noon(90).Add(-2 * time.Hour), Points: 1, ValueMinor: 9, Currency: "EUR"}},
				Costs:       []Cost{cost("c", Other, 95, 7)},
			},
			want: Result{Known: true, ContributionMinor: -12, Parts: Parts{PointsMinor: 5, CostsMinor: map[string]int64{Other: 7}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Contribution(&tc.in, &policy, tc.day)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.want, Explain(&tc.in, &policy, tc.day).Result); diff != "" {
				t.Errorf("explained: %s", diff)
			}
		})
	}
}

func TestAnExplanationNamesWhatCounts(t *testing.T) {
	in := Inputs{
		Orders: []Order{
			changed(order("old", 80, 1000, 300), func(o *Order) { o.Refunds = []Refund{{On: 95, AmountMinor: 200}} }),
			order("older", 81, 1000, 300),
			changed(order("foreign", 92, 1000, 300), func(o *Order) { o.Currency = "USD" }),
			order("new", 95, 500, 200),
		},
		Redemptions: []Redemption{
			{ID: "r", At: noon(95), Points: 100, ValueMinor: 100, Currency: "EUR", Reversals: []Reversal{{At: noon(96), Points: 30, ValueMinor: 30}}},
			{ID: "gone", At: noon(80), Points: 100, ValueMinor: 100, Currency: "EUR"},
		},
		Costs: []Cost{cost("before", Other, 90, 7), {ID: "c", Kind: Shipping, On: 96, AmountMinor: 49, Currency: "EUR", OrderID: "new"}, {ID: "d", Kind: Other, On: 97, AmountMinor: 1, Currency: "USD"}},
	}
	goods := int64(200)
	want := Explanation{
		Result: Result{Reason: CurrencyMixed, Parts: Parts{RevenueMinor: 300, GoodsMinor: 200, PointsMinor: 70, CostsMinor: map[string]int64{Shipping: 49}}},
		Orders: []CountedOrder{
			{ID: "old", On: 80, RefundedMinor: 200}, {ID: "foreign", On: 92, Foreign: true}, {ID: "new", On: 95, AmountMinor: 500, GoodsMinor: &goods},
		},
		Redemptions: []CountedRedemption{{ID: "r", On: 95, ValueMinor: 70}},
		Costs:       []CountedCost{{ID: "c", Kind: Shipping, On: 96, AmountMinor: 49, OrderID: "new"}, {ID: "d", Kind: Other, On: 97, Foreign: true}},
	}
	if diff := cmp.Diff(want, Explain(&in, &policy, live)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Explanation{Result: Result{Reason: NoCosts}, Orders: []CountedOrder{}, Redemptions: []CountedRedemption{}, Costs: []CountedCost{}}, Explain(&Inputs{}, &policy, live)); diff != "" {
		t.Error(diff)
	}
}

func TestMeasures(t *testing.T) {
	in := Inputs{Orders: []Order{
		changed(order("a", 80, 1000, 300), func(o *Order) { o.Refunds = []Refund{{On: 95, AmountMinor: 200}} }),
		order("b", 91, 501, 200),
		changed(order("c", 95, 9999, 1), func(o *Order) { o.Cancelled = true }),
		changed(order("d", 95, 9999, 1), func(o *Order) { o.Paid = false }),
	}}
	known := func(name string, v int64) Measure { return Measure{Name: name, Value: v, Known: true} }
	want := Measures{known(Revenue, 1301), known(RevenueWindow, 301), known(Orders, 2), known(OrdersWindow, 1), known(AverageOrder, 651), known(Contributed, 101)}
	got := MeasuresOf(&in, &policy, live)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if m := got.Of(OrdersWindow); m != want[3] {
		t.Errorf("%+v", m)
	}
	if m := got.Of("fun"); m != (Measure{Name: "fun"}) {
		t.Errorf("%+v", m)
	}

	dollars := Inputs{Orders: []Order{changed(order("a", 80, 1000, 300), func(o *Order) { o.Currency = "USD" }), order("b", 91, 500, 200)}}
	unknown := func(name, why string) Measure { return Measure{Name: name, Reason: why} }
	want = Measures{unknown(Revenue, CurrencyMixed), known(RevenueWindow, 500), known(Orders, 2), known(OrdersWindow, 1), unknown(AverageOrder, CurrencyMixed), known(Contributed, 300)}
	if diff := cmp.Diff(want, MeasuresOf(&dollars, &policy, live)); diff != "" {
		t.Errorf("another currency: %s", diff)
	}

	costs := Inputs{Orders: in.Orders[2:], Costs: []Cost{cost("c", Service, 95, 7)}}
	want = Measures{
		unknown(Revenue, NoOrder), unknown(RevenueWindow, NoOrder), unknown(Orders, NoOrder), unknown(OrdersWindow, NoOrder), unknown(AverageOrder, NoOrder),
		known(Contributed, -7),
	}
	if diff := cmp.Diff(want, MeasuresOf(&costs, &policy, live)); diff != "" {
		t.Errorf("who never bought: %s", diff)
	}

	for _, tc := range []struct{ revenue, orders, average int64 }{{5, 2, 3}, {-5, 2, -3}, {4, 3, 1}, {5, 3, 2}, {-4, 3, -1}, {-5, 3, -2}, {7, 4, 2}, {6, 4, 2}, {5, 4, 1}} {
		in := Inputs{Orders: []Order{changed(order("0", 95, 0, 0), func(o *Order) { o.Refunds = []Refund{{On: 95, AmountMinor: -tc.revenue}} })}}
		for range tc.orders - 1 {
			in.Orders = append(in.Orders, order("1", 95, 0, 0))
		}
		measures := MeasuresOf(&in, &policy, live)
		if m := measures.Of(AverageOrder); m.Value != tc.average {
			t.Errorf("%d by %d is %d, want %d", tc.revenue, tc.orders, m.Value, tc.average)
		}
	}
}

// inputs draws what a customer's value follows from, with dates around the window.
func inputs(t *rapid.T) Inputs {
	date := rapid.Custom(func(t *rapid.T) domain.Date { return domain.Date(rapid.IntRange(80, 110).Draw(t, "date")) })
	currency := rapid.SampledFrom([]string{"EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD"})
	minor := rapid.Int64Range(1, 1000)
	maybe := func(t *rapid.T) *int64 {
		if rapid.IntRange(0, 9).Draw(t, "known") == 0 {
			return nil
		}
		v := minor.Draw(t, "goods")
		return &v
	}
	instant := func(t *rapid.T) time.Time {
		return date.Draw(t, "day").Start(time.UTC).Add(time.Duration(rapid.IntRange(0, 23).Draw(t, "hour")) * time.Hour)
	}
	return Inputs{
		Orders: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Order {
			o := Order{ID: "o", On: date.Draw(t, "on"), AmountMinor: minor.Draw(t, "amount"), Currency: currency.Draw(t, "currency"), GoodsMinor: maybe(t)}
			o.Paid, o.Cancelled = rapid.IntRange(0, 4).Draw(t, "paid") > 0, rapid.IntRange(0, 4).Draw(t, "cancelled") == 0
			if o.Currency != "EUR" && rapid.Bool().Draw(t, "rate") {
				o.Converted = &Converted{Currency: "EUR", AmountMinor: minor.Draw(t, "converted"), GoodsMinor: maybe(t)}
			}
			for range rapid.IntRange(0, 2).Draw(t, "refunds") {
				o.Refunds = append(o.Refunds, Refund{On: date.Draw(t, "refunded"), AmountMinor: minor.Draw(t, "back"), ConvertedMinor: minor.Draw(t, "backConverted")})
			}
			return o
		}), 0, 4).Draw(t, "orders"),
		Redemptions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Redemption {
			r := Redemption{ID: "r", At: instant(t), ValueMinor: minor.Draw(t, "value"), Currency: currency.Draw(t, "currency")}
			for range rapid.IntRange(0, 2).Draw(t, "reversals") {
				r.Reversals = append(r.Reversals, Reversal{At: instant(t), ValueMinor: minor.Draw(t, "back")})
			}
			return r
		}), 0, 3).Draw(t, "redemptions"),
		Costs: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Cost {
			return Cost{ID: "c", Kind: rapid.SampledFrom(CostKinds).Draw(t, "kind"), On: date.Draw(t, "on"), AmountMinor: minor.Draw(t, "amount"), Currency: currency.Draw(t, "currency")}
		}), 0, 3).Draw(t, "costs"),
	}
}

// naive is the definition read word by word: every fact with its date and its
// effect, one by one.
func naive(in *Inputs, from, until domain.Date, zone *time.Location) (sum int64, known bool) {
	inside := func(on domain.Date) bool { return on >= from && on <= until }
	orders, costs, unknown := 0, 0, false
	for _, o := range in.Orders {
		if !o.Paid || o.Cancelled || o.On > until {
			continue
		}
		foreign := o.Currency != "EUR"
		if inside(o.On) {
			orders++
			switch {
			case !foreign && o.GoodsMinor != nil:
				sum += o.AmountMinor - *o.GoodsMinor
			case foreign && o.Converted != nil && o.Converted.GoodsMinor != nil:
				sum += o.Converted.AmountMinor - *o.Converted.GoodsMinor
			default:
				unknown = true
			}
		}
		for _, r := range o.Refunds {
			switch {
			case !inside(r.On):
			case !foreign:
				sum -= r.AmountMinor
			case o.Converted != nil:
				sum -= r.ConvertedMinor
			default:
				unknown = true
			}
		}
	}
	for _, r := range in.Redemptions {
		if inside(domain.DateOf(r.At, zone)) {
			sum -= r.ValueMinor
			unknown = unknown || r.Currency != "EUR"
		}
		for _, back := range r.Reversals {
			if inside(domain.DateOf(back.At, zone)) {
				sum += back.ValueMinor
				unknown = unknown || r.Currency != "EUR"
			}
		}
	}
	for _, c := range in.Costs {
		if inside(c.On) {
			costs++
			sum -= c.AmountMinor
			unknown = unknown || c.Currency != "EUR"
		}
	}
	return sum, !unknown && orders+costs > 0
}

func TestTheContributionIsThatOfANaiveScan(t *testing.T) {
	zone := time.FixedZone("far", 13*3600)
	rapid.Check(t, func(t *rapid.T) {
		in := inputs(t)
		asOf := domain.Date(rapid.IntRange(85, 105).Draw(t, "as of"))
		for name, tc := range map[string]struct {
			day         Day
			from, until domain.Date
		}{
			"live":        {AsOf(asOf, zone), asOf - 9, 1 << 30},
			"calibration": {At(asOf, zone), asOf - 9, asOf},
			"beginning":   {Day{Zone: zone}, -1 << 30, 1 << 30},
		} {
			sum, known := naive(&in, tc.from, tc.until, zone)
			got := Contribution(&in, &policy, tc.day)
			if got.Known != known || known && got.ContributionMinor != sum || known == (got.Reason != "") {
				t.Fatalf("%s: %+v, want %d, %v", name, got, sum, known)
			}
		}
	})
}

// Time alone changes nothing before the day that Due names.
func TestNothingChangesBeforeItIsDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := inputs(t)
		asOf := domain.Date(rapid.IntRange(85, 105).Draw(t, "as of"))
		now := MeasuresOf(&in, &policy, AsOf(asOf, nil))
		due, ok := Due(&in, &policy, AsOf(asOf, nil))
		if ok && due <= asOf {
			t.Fatalf("due on %d, as of %d", due, asOf)
		}
		for d := asOf + 1; d < asOf+40 && (!ok || d < due); d++ {
			if diff := cmp.Diff(now, MeasuresOf(&in, &policy, AsOf(d, nil))); diff != "" {
				t.Fatalf("on day %d, due %d %v: %s", d, due, ok, diff)
			}
		}
	})
}

func TestWhatIsDue(t *testing.T) {
	in := Inputs{
		Orders:      []Order{order("gone", 90, 1, 1), changed(order("unpaid", 91, 1, 1), func(o *Order) { o.Paid = false }), order("a", 95, 1, 1)},
		Redemptions: []Redemption{{At: noon(93)}}, Costs: []Cost{cost("c", Other, 94, 1)},
	}
	if due, ok := Due(&in, &policy, live); due != 103 || !ok { // on day 103 the window begins with 94
		t.Errorf("%d, %v", due, ok)
	}
	if due, ok := Due(&Inputs{Orders: in.Orders[:2]}, &policy, live); ok {
		t.Errorf("due on %d, and nothing is in the window", due)
	}
	if due, ok := Due(&in, &policy, Day{}); due != 100 || !ok {
		t.Errorf("before the first day: %d, %v", due, ok)
	}
}
