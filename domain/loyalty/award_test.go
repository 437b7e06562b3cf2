package loyalty_test

import (
	"errors"
	"math/big"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/loyalty"
)

var day = domain.NewDate(2026, 3, 15)

func ptr[T any](v T) *T { return &v }

// euro is an order of euros.
func euro(minor int64, items ...Item) Purchase {
	return Purchase{AmountMinor: minor, Currency: "EUR", PlacedOn: day, Items: items}
}

// given is what a programme of euros gives for a purchase: points by rule.
func given(t *testing.T, p Policy, o Purchase, s Shopper) map[string]int64 {
	t.Helper()
	p.Currency = "EUR"
	awards, err := p.Award(o, s)
	if err != nil {
		t.Fatal(err)
	}
	points := map[string]int64{}
	for _, a := range awards {
		points[a.Rule] = a.Points
	}
	return points
}

func TestWhichRulesFit(t *testing.T) {
	basket := euro(1600, Item{SKU: "a", Category: "tea", Quantity: 2, AmountMinor: 600}, Item{SKU: "b", Category: "cake", Quantity: 1, AmountMinor: 400},
		Item{SKU: "c", Quantity: 3, AmountMinor: 600, Excluded: true})
	rule := func(change func(*Rule)) Rule {
		r := Rule{ID: "r", Points: 1, PerMinor: 100}
		change(&r)
		return r
	}
	for _, tc := range []struct {
		name string
		rule Rule
		o    Purchase
		want int64
	}{
		{"all that is eligible", rule(func(*Rule) {}), basket, 10},
		{"an order without lines", rule(func(*Rule) {}), euro(1599), 15},
		{"of nothing", rule(func(*Rule) {}), euro(0), 0},
		{"by the piece", rule(func(r *Rule) { r.PerMinor = 0 }), basket, 3},
		{"an order without lines is one piece", rule(func(r *Rule) { r.PerMinor, r.Points = 0, 7 }), euro(0), 7},
		{"an article", rule(func(r *Rule) { r.SKUs = []string{"x", "b"} }), basket, 4},
		{"a category", rule(func(r *Rule) { r.Categories = []string{"tea"} }), basket, 6},
		{"an article or a category", rule(func(r *Rule) { r.SKUs, r.Categories = []string{"b"}, []string{"tea"} }), basket, 10},
		{"an article that gives no points", rule(func(r *Rule) { r.SKUs = []string{"c"} }), basket, 0},
		{"a line of no category is of none", rule(func(r *Rule) { r.Categories = []string{""} }), basket, 0},
		{"an order without lines is of no article", rule(func(r *Rule) { r.SKUs = []string{"a"} }), euro(1600), 0},
		{"the minimum", rule(func(r *Rule) { r.MinimumOrder = 1600 }), basket, 10},
		{"below the minimum", rule(func(r *Rule) { r.MinimumOrder = 1601 }), basket, 0},
		{"from its first day", rule(func(r *Rule) { r.From = &day }), basket, 10},
		{"not before", rule(func(r *Rule) { r.From = ptr(day + 1) }), basket, 0},
		{"to its last day", rule(func(r *Rule) { r.Until = &day }), basket, 10},
		{"not after", rule(func(r *Rule) { r.Until = ptr(day - 1) }), basket, 0},
		{"at most", rule(func(r *Rule) { r.MaxPoints = 9 }), basket, 9},
	} {
		if got := given(t, Policy{Earn: []Rule{tc.rule}}, tc.o, Shopper{}); got["r"] != tc.want {
			t.Errorf("%s: %d points, want %d", tc.name, got["r"], tc.want)
		}
	}
}

func TestRulesTogether(t *testing.T) {
	basket := euro(1000, Item{SKU: "a", Category: "tea", Quantity: 2, AmountMinor: 600}, Item{SKU: "b", Category: "cake", Quantity: 1, AmountMinor: 400})
	tea := Rule{ID: "tea", Points: 1, PerMinor: 10, Categories: []string{"tea"}}
	first := tea
	first.Exclusive = true
	base := Rule{ID: "base", Points: 1, PerMinor: 100}
	spans := [][2]domain.Date{
		{day, day}, {domain.NewDate(2026, 3, 1), domain.NewDate(2026, 3, 31)}, {domain.NewDate(2026, 1, 1), domain.NewDate(2026, 12, 31)},
	}
	for _, tc := range []struct {
		name string
		p    Policy
		net  int64 // what was given before, of every period
		want map[string]int64
	}{
		{"each gives its own", Policy{Earn: []Rule{tea, base}}, 0, map[string]int64{"tea": 60, "base": 10}},
		{"one takes its lines away from those after it", Policy{Earn: []Rule{first, base}}, 0, map[string]int64{"tea": 60, "base": 4}},
		{"not from those before it", Policy{Earn: []Rule{base, first}}, 0, map[string]int64{"tea": 60, "base": 10}},
		{"a cap of the order", Policy{Earn: []Rule{base, tea}, Caps: []Cap{{Order, 25}}}, 100, map[string]int64{"base": 10, "tea": 15}},
		{"nothing is left of it", Policy{Earn: []Rule{tea, base}, Caps: []Cap{{Order, 25}}}, 0, map[string]int64{"tea": 25}},
		{"a cap of the day", Policy{Earn: []Rule{base, tea}, Caps: []Cap{{Day, 25}}}, 5, map[string]int64{"base": 10, "tea": 10}},
		{"of the month", Policy{Earn: []Rule{base}, Caps: []Cap{{Month, 25}}}, 18, map[string]int64{"base": 7}},
		{"of the year, used up", Policy{Earn: []Rule{base}, Caps: []Cap{{Year, 25}}}, 25, map[string]int64{}},
		{"more than used up", Policy{Earn: []Rule{base}, Caps: []Cap{{Year, 25}}}, 26, map[string]int64{}},
		{"the lowest cap", Policy{Earn: []Rule{base}, Caps: []Cap{{Year, 25}, {Order, 3}, {Month, 24}}}, 18, map[string]int64{"base": 3}},
		{"that of the rule", Policy{Earn: []Rule{{ID: "base", Points: 1, PerMinor: 100, MaxPoints: 2}}, Caps: []Cap{{Order, 3}}}, 0, map[string]int64{"base": 2}},
	} {
		var asked [][2]domain.Date
		net := func(from, to domain.Date) int64 { asked = append(asked, [2]domain.Date{from, to}); return tc.net }
		if diff := cmp.Diff(tc.want, given(t, tc.p, basket, Shopper{Net: net})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		for _, span := range asked {
			if !slices.Contains(spans, span) {
				t.Errorf("%s: a cap counts from %s to %s", tc.name, span[0], span[1])
			}
		}
	}
	if got := given(t, Policy{Earn: []Rule{base}, Caps: []Cap{{Month, 7}}}, basket, Shopper{}); got["base"] != 7 {
		t.Errorf("a cap without a past: %d", got["base"])
	}
}

func TestMultipliers(t *testing.T) {
	m := func(id, factor string, change func(*Multiplier)) Multiplier {
		x := Multiplier{ID: id, Factor: factor}
		change(&x)
		return x
	}
	all := func(*Multiplier) {}
	gold := func(x *Multiplier) { x.Tiers = []string{"gold", "silver"} }
	shopper := Shopper{Tier: "gold", Tags: []string{"fan"}, Type: "business"}
	for _, tc := range []struct {
		name     string
		stacking string
		list     []Multiplier
		want     int64 // for 10 points
	}{
		{"none", "", nil, 10},
		{"one", "", []Multiplier{m("a", "1.5", all)}, 15},
		{"less than one", "", []Multiplier{m("a", "0.05", all)}, 0},
		{"of the tier", "", []Multiplier{m("a", "2", gold)}, 20},
		{"of another tier", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Tiers = []string{"silver"} })}, 10},
		{"of a tag", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Tags = []string{"friend", "fan"} })}, 20},
		{"of another tag", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Tags = []string{"friend"} })}, 10},
		{"of the type", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Types = []string{"business"} })}, 20},
		{"of another type", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Types = []string{"consumer"} })}, 10},
		{"of the rule", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Rules = []string{"base"} })}, 20},
		{"of another rule", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Rules = []string{"other"} })}, 10},
		{"of the day", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.From, x.Until = &day, &day })}, 20},
		{"of the day before", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Until = ptr(day - 1) })}, 10},
		{"of the day after", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.From = ptr(day + 1) })}, 10},
		{"all that it names must fit", "", []Multiplier{m("a", "2", func(x *Multiplier) { x.Tiers, x.Tags = []string{"gold"}, []string{"friend"} })}, 10},
		{"the highest", Highest, []Multiplier{m("a", "1.5", all), m("b", "2", gold), m("c", "0.5", all)}, 20},
		{"is what is meant if nothing is said", "", []Multiplier{m("a", "1.5", all), m("b", "10", all), m("c", "9", all)}, 100},
		{"one after the other", Product, []Multiplier{m("a", "1.5", all), m("b", "1.5", gold)}, 22},
	} {
		p := Policy{Earn: []Rule{{ID: "base", Points: 1, PerMinor: 100}}, Multipliers: tc.list, Stacking: tc.stacking}
		if got := given(t, p, euro(1000), shopper); got["base"] != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got["base"], tc.want)
		}
	}
}

// What is exact is rounded once, and what rounding took is said.
func TestRounding(t *testing.T) {
	for _, tc := range []struct {
		exact string
		want  [4]int64 // floor, half up, half even, ceiling
		rest  [4]string
	}{
		{"0", [4]int64{0, 0, 0, 0}, [4]string{}},
		{"2", [4]int64{2, 2, 2, 2}, [4]string{}},
		{"1/2", [4]int64{0, 1, 0, 1}, [4]string{"1/2", "-1/2", "1/2", "-1/2"}},
		{"3/2", [4]int64{1, 2, 2, 2}, [4]string{"1/2", "-1/2", "-1/2", "-1/2"}},
		{"5/2", [4]int64{2, 3, 2, 3}, [4]string{"1/2", "-1/2", "1/2", "-1/2"}},
		{"7/3", [4]int64{2, 2, 2, 3}, [4]string{"1/3", "1/3", "1/3", "-2/3"}},
		{"8/3", [4]int64{2, 3, 3, 3}, [4]string{"2/3", "-1/3", "-1/3", "-1/3"}},
		{"2000000000000000000001/1000000000000000000000", [4]int64{2, 2, 2, 3}, [4]string{
			"1/1000000000000000000000", "1/1000000000000000000000", "1/1000000000000000000000", "-999999999999999999999/1000000000000000000000",
		}},
	} {
		exact, _ := new(big.Rat).SetString(tc.exact)
		for i, how := range []string{Floor, HalfUp, HalfEven, Ceiling} {
			points, rest := Inputs{Points: 1, Rounding: how}.Award(exact)
			if points != tc.want[i] || rest != tc.rest[i] {
				t.Errorf("%s by %s is %d and %q, want %d and %q", tc.exact, how, points, rest, tc.want[i], tc.rest[i])
			}
		}
		if exact.String() == "" {
			t.Error("the quantity was changed")
		}
	}
}

func TestInputsCanBeComputedAgain(t *testing.T) {
	limit := int64(40)
	in := Inputs{Quantity: 12_345, Currency: "KWD", Rate: "2.98", Target: "JPY", Points: 3, PerMinor: 2, Rounding: HalfEven, Factors: []Factor{{"a", "1.5"}, {"b", "0.1"}}}
	// 12.345 dinars are 36.7881 yen; three points for two of them are 55.18215, times 0.15 are 8.2773225.
	if points, rest := in.Award(big.NewRat(12_345, 1)); points != 8 || rest != "110929/400000" {
		t.Errorf("%d and %s", points, rest)
	}
	if points, _ := in.Award(new(big.Rat)); points != 0 {
		t.Errorf("of nothing %d", points)
	}
	in.Factors, in.Limit = nil, &limit
	if points, rest := in.Award(big.NewRat(12_345, 1)); points != 40 || rest != "3643/20000" {
		t.Errorf("%d and %s under a limit", points, rest)
	}
	quantity := big.NewRat(1, 3)
	if points, rest := (Inputs{Points: 2, Rounding: Floor}).Award(quantity); points != 0 || rest != "2/3" || quantity.RatString() != "1/3" {
		t.Errorf("%d and %s of pieces, and the quantity is %s", points, rest, quantity)
	}
	huge := Inputs{Points: MaxPoints, Rounding: Floor}
	if points, _ := huge.Award(big.NewRat(domain.MaxAmountMinor, 1)); points != MaxPoints {
		t.Errorf("more than there can be: %d", points)
	}
}

func TestAwardSaysWhatItFollowsFrom(t *testing.T) {
	p := Policy{
		Currency: "EUR", Earn: []Rule{{ID: "tea", Points: 2, PerMinor: 100, Categories: []string{"tea"}}, {ID: "piece", Points: 5, Rounding: Ceiling}},
		Multipliers: []Multiplier{{ID: "m", Factor: "1.5"}}, Caps: []Cap{{Order, 1000}},
	}
	o := Purchase{AmountMinor: 10_000, Currency: "JPY", Rate: "0.0061", Base: "EUR", PlacedOn: day, Items: []Item{
		{Category: "cake", Quantity: 1, AmountMinor: 4000}, {Category: "tea", Quantity: 2, AmountMinor: 6000},
	}}
	got, err := p.Award(o, Shopper{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Award{
		{Rule: "tea", Points: 109, Remainder: "4/5", Inputs: Inputs{
			Quantity: 6000, Lines: []int{1}, Currency: "JPY", Rate: "0.0061", Target: "EUR", Points: 2, PerMinor: 100, Rounding: Floor,
			Factors: []Factor{{"m", "1.5"}}, Limit: ptr(int64(1000)),
		}},
		{Rule: "piece", Points: 23, Remainder: "-1/2", Inputs: Inputs{
			Quantity: 3, Lines: []int{0, 1}, Points: 5, Rounding: Ceiling, Factors: []Factor{{"m", "1.5"}}, Limit: ptr(int64(891)),
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if spend := p.Spend(o, 1); spend != 6099 { // 9,999 yen are 60.9939 euros
		t.Errorf("the spend is %d", spend)
	}
	for _, o := range []Purchase{{Currency: "JPY"}, {Currency: "JPY", Rate: "0.0061", Base: "USD"}, {Currency: "JPY", Base: "EUR"}} {
		if _, err := p.Award(o, Shopper{}); !errors.Is(err, ErrFXMissing) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if got := p.Convert(Purchase{Currency: "EUR", Rate: "7", Base: "USD"}, big.NewRat(5, 1)); got.Cmp(big.NewRat(5, 1)) != 0 {
		t.Errorf("its own currency is converted to %s", got)
	}
}

func TestLapses(t *testing.T) {
	for _, tc := range []struct {
		expiry Expiry
		on     domain.Date
		want   string
	}{
		{Expiry{Kind: Never}, day, "never"},
		{Expiry{Kind: Months, Months: 12}, day, "2027-03-15"},
		{Expiry{Kind: Months, Months: 1}, domain.NewDate(2026, 1, 31), "2026-02-28"},
		{Expiry{Kind: Months, Months: 1}, domain.NewDate(2024, 1, 31), "2024-02-29"},
		{Expiry{Kind: Inactivity, Months: 12}, domain.NewDate(2024, 2, 29), "2025-02-28"},
		{Expiry{Kind: EndOfYear}, domain.NewDate(2026, 1, 1), "2027-01-01"},
		{Expiry{Kind: EndOfYear}, domain.NewDate(2026, 12, 31), "2027-01-01"},
		{Expiry{Kind: EndOfYear, Years: 2}, day, "2029-01-01"},
	} {
		got := "never"
		if d := tc.expiry.Lapses(tc.on); d != nil {
			got = d.String()
		}
		if got != tc.want {
			t.Errorf("%+v from %s: %s, want %s", tc.expiry, tc.on, got, tc.want)
		}
	}
}

func TestValue(t *testing.T) {
	for _, tc := range []struct {
		points, value, of, want int64
	}{
		{100, 50, 199, 99}, {3, 1, 2, 0}, {1, 7, 6, 42}, {0, 7, 6, 0}, {7, 0, 6, 0},
		{MaxPoints, domain.MaxAmountMinor, MaxPoints, domain.MaxAmountMinor}, // the product does not fit in an int64
		{1, domain.MaxAmountMinor, MaxPoints, MaxPoints},                     // nor does the value: it is cut off
	} {
		if got := (Redemption{Points: tc.points, ValueMinor: tc.value}).Value(tc.of); got != tc.want {
			t.Errorf("%d points at %d for %d are worth %d, want %d", tc.of, tc.value, tc.points, got, tc.want)
		}
	}
}

func TestWhatAProgrammeHas(t *testing.T) {
	p := Policy{Activities: []Activity{{ID: "review", Points: 5}}, Redemption: Redemption{Rewards: []Reward{{ID: "mug", Points: 9, From: &day, Until: &day}}}}
	if a, ok := p.Activity("review"); !ok || a.Points != 5 {
		t.Errorf("%v %v", a, ok)
	}
	if _, ok := p.Activity("visit"); ok {
		t.Error("an activity that is not there")
	}
	for d, want := range map[domain.Date]bool{day - 1: false, day: true, day + 1: false} {
		if _, ok := p.Redemption.Reward("mug", d); ok != want {
			t.Errorf("the reward on %s: %v", d, ok)
		}
	}
	if _, ok := p.Redemption.Reward("cup", day); ok {
		t.Error("a reward that is not there")
	}
	if a, b := (Redemption{}).HoldLimit(), (Redemption{HoldMinutes: 5}).HoldLimit(); a != 1440 || b != 5 {
		t.Errorf("holds of %d and %d minutes", a, b)
	}
	versions := []Version{{From: 10, Version: 1}, {From: 20, Version: 2}}
	for d, want := range map[domain.Date]int{9: 0, 10: 1, 19: 1, 20: 2, 99: 2} {
		if v, ok := On(versions, d); v.Version != want || ok != (want > 0) {
			t.Errorf("on %d version %d", d, v.Version)
		}
	}
}
