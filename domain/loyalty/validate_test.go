package loyalty_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/loyalty"
)

// full is a programme with everything in it that may be published.
func full() Policy {
	return Policy{
		Name: "full", Currency: "EUR", Enrolment: FirstOrder,
		Earn: []Rule{
			{ID: "tea", Points: 5, Categories: []string{"tea"}, Exclusive: true, From: &day, Until: &day},
			{ID: "base", Points: 1, PerMinor: 100, Rounding: HalfEven, SKUs: []string{"a"}, MinimumOrder: 100, MaxPoints: 1000},
		},
		Multipliers: []Multiplier{{ID: "gold", Factor: "1.5", Rules: []string{"base"}, Tiers: []string{"gold"}, Tags: []string{"fan"}, Types: []string{"business"}, From: &day, Until: &day}},
		Stacking:    Product, Caps: []Cap{{Order, 1}, {Day, 2}, {Month, 3}, {Year, 4}}, Activities: []Activity{{ID: "review", Points: 10}},
		PendingDays: 14, Expiry: Expiry{Kind: EndOfYear, Years: 1},
		Redemption: Redemption{
			Points: 100, ValueMinor: 50, Minimum: 100, Step: 50, HoldMinutes: 30, Rewards: []Reward{{ID: "mug", Name: "Mug", Points: 500, From: &day, Until: &day}},
		},
		Reversal: Reversal{Earn: Clamp, Redemptions: Keep, GraceDays: 30},
		Manual:   Manual{BonusLimit: 100, DeficitLimit: 50}, Transfer: Transfer{Allowed: true, Minimum: 10, Maximum: 10},
	}
}

func TestWhichProgrammeMayBePublished(t *testing.T) {
	long := strings.Repeat("x", 101)
	early, late := ptr(day), ptr(day-1)
	for _, tc := range []struct {
		name   string
		change func(*Policy)
		wrong  string // pointers
	}{
		{"everything", func(*Policy) {}, ""},
		{"as little as possible", func(p *Policy) {
			*p = Policy{Name: "x", Currency: "EUR", Enrolment: Explicit, Expiry: Expiry{Kind: Never}, Redemption: Redemption{Points: 1}}
		}, ""},
		{"as much as possible", func(p *Policy) {
			p.Earn[1].Points, p.Earn[1].PerMinor, p.Earn[1].MaxPoints = MaxPoints, domain.MaxAmountMinor, MaxPoints
			p.PendingDays, p.Expiry, p.Redemption.HoldMinutes = 366, Expiry{Kind: Months, Months: 240}, 366*24*60
			p.Multipliers[0].Factor, p.Reversal.GraceDays = "999999.999999", 366
		}, ""},
		{"nothing", func(p *Policy) { *p = Policy{} }, "/name /currency /enrolment /expiry/kind /redemption/points"},
		{"unknown words", func(p *Policy) {
			p.Currency, p.Enrolment, p.Stacking, p.Expiry.Kind = "EUX", "by force", "sum", "soon"
			p.Expiry.Years, p.Reversal.Earn, p.Reversal.Redemptions = 0, "never", "half"
		}, "/currency /enrolment /stacking /expiry/kind /reversal/earn /reversal/redemptions"},
		{"numbers below", func(p *Policy) {
			p.PendingDays, p.Reversal.GraceDays, p.Manual, p.Transfer = -1, -1, Manual{-1, -1}, Transfer{true, -1, -1}
			p.Redemption = Redemption{Points: 0, ValueMinor: -1, Minimum: -1, Step: -1, HoldMinutes: -1}
		}, "/pending_days /redemption/points /redemption/value_minor /redemption/minimum /redemption/step /redemption/hold_minutes " +
			"/reversal/grace_days /manual/bonus_limit /manual/deficit_limit /transfer/minimum /transfer/maximum"},
		{"numbers above", func(p *Policy) {
			p.Name, p.PendingDays, p.Reversal.GraceDays, p.Manual, p.Transfer = long, 367, 367, Manual{MaxPoints + 1, MaxPoints + 1}, Transfer{true, MaxPoints + 1, MaxPoints + 2}
			p.Redemption = Redemption{Points: MaxPoints + 1, ValueMinor: domain.MaxAmountMinor + 1, Minimum: MaxPoints + 1, Step: MaxPoints + 1, HoldMinutes: 366*24*60 + 1}
		}, "/name /pending_days /redemption/points /redemption/value_minor /redemption/minimum /redemption/step /redemption/hold_minutes " +
			"/reversal/grace_days /manual/bonus_limit /manual/deficit_limit /transfer/minimum /transfer/maximum"},
		{"a maximum below the minimum", func(p *Policy) { p.Transfer.Maximum = 9 }, "/transfer/maximum"},
		{"no maximum", func(p *Policy) { p.Transfer.Maximum = 0 }, ""},
		{"a rule of nothing", func(p *Policy) { p.Earn[0] = Rule{}; p.Earn = p.Earn[:1]; p.Multipliers = nil }, "/earn/0/id /earn/0/points"},
		{"a rule that is wrong", func(p *Policy) {
			p.Earn[1] = Rule{ID: "base", Points: MaxPoints + 1, PerMinor: -1, Rounding: "down", SKUs: []string{""}, Categories: []string{"a", long}, MinimumOrder: -1, MaxPoints: -1, From: early, Until: late}
		}, "/earn/1/points /earn/1/per_minor /earn/1/rounding /earn/1/skus/0 /earn/1/categories/1 /earn/1/minimum_order_minor /earn/1/max_points /earn/1/until"},
		{"a rule twice", func(p *Policy) { p.Earn[0].ID = "base" }, "/earn/1/id"},
		{"ids that are none", func(p *Policy) {
			p.Earn[0].ID, p.Multipliers[0].ID, p.Activities[0].ID, p.Redemption.Rewards[0].ID = "Tea", "a:b", strings.Repeat("x", 65), "-"
		}, "/earn/0/id /activities/0/id /multipliers/0/id /redemption/rewards/0/id"},
		{"too long a list", func(p *Policy) { p.Earn[0].SKUs = strings.Split(strings.Repeat("x ", 1001), " ") }, "/earn/0/skus"},
		{"a multiplier that is wrong", func(p *Policy) {
			p.Multipliers[0] = Multiplier{ID: "m", Rules: []string{"base", "bass"}, Tiers: []string{""}, Tags: []string{""}, Types: []string{""}, From: early, Until: late}
		}, "/multipliers/0/factor /multipliers/0/rules/1 /multipliers/0/tiers/0 /multipliers/0/tags/0 /multipliers/0/types/0 /multipliers/0/until"},
		{"a multiplier twice", func(p *Policy) { p.Multipliers = append(p.Multipliers, p.Multipliers[0]) }, "/multipliers/1/id"},
		{"caps that are wrong", func(p *Policy) { p.Caps = []Cap{{}, {"week", MaxPoints + 1}} }, "/caps/0/period /caps/0/points /caps/1/period /caps/1/points"},
		{"two caps of one period", func(p *Policy) { p.Caps = []Cap{{Day, 5}, {Month, 50}, {Day, 6}} }, "/caps/2/period"},
		{"points that lapse before they can be spent", func(p *Policy) { p.PendingDays, p.Expiry = 32, Expiry{Kind: Months, Months: 1} }, "/pending_days"},
		{"points that are worth more than can be counted", func(p *Policy) { p.Redemption.Points, p.Redemption.ValueMinor = 2, 2_000_001 }, "/redemption/value_minor"},
		{"points that are worth as much as can be", func(p *Policy) { p.Redemption.Points, p.Redemption.ValueMinor = 2, 2_000_000 }, ""},
		{"all points for all money", func(p *Policy) { p.Redemption.Points, p.Redemption.ValueMinor = MaxPoints, domain.MaxAmountMinor }, ""},
		{"a minimum that is no step", func(p *Policy) { p.Redemption.Minimum, p.Redemption.Step = 75, 50 }, "/redemption/minimum"},
		{"activities that are wrong", func(p *Policy) { p.Activities = append(p.Activities, Activity{ID: "review"}) }, "/activities/1/id /activities/1/points"},
		{"rewards that are wrong", func(p *Policy) {
			p.Redemption.Rewards = append(p.Redemption.Rewards, Reward{ID: "mug", From: early, Until: late})
		}, "/redemption/rewards/1/id /redemption/rewards/1/name /redemption/rewards/1/points /redemption/rewards/1/until"},
		{"months of no kind", func(p *Policy) { p.Expiry = Expiry{Kind: Never, Months: 1, Years: 1} }, "/expiry/months /expiry/years"},
		{"years of months", func(p *Policy) { p.Expiry = Expiry{Kind: Months, Months: 1, Years: 1} }, "/expiry/years"},
		{"no months", func(p *Policy) { p.Expiry = Expiry{Kind: Inactivity} }, "/expiry/months"},
		{"too many months", func(p *Policy) { p.Expiry = Expiry{Kind: Months, Months: 241} }, "/expiry/months"},
		{"too many years", func(p *Policy) { p.Expiry.Years = 21 }, "/expiry/years"},
		{"too much of everything", func(p *Policy) {
			for i := range 101 {
				p.Earn = append(p.Earn, Rule{ID: fmt.Sprint("r", i), Points: 1})
				p.Multipliers = append(p.Multipliers, Multiplier{ID: fmt.Sprint("m", i), Factor: "1"})
				p.Activities = append(p.Activities, Activity{ID: fmt.Sprint("a", i), Points: 1})
				p.Redemption.Rewards = append(p.Redemption.Rewards, Reward{ID: fmt.Sprint("w", i), Name: "W", Points: 1})
			}
			p.Caps, p.Examples = make([]Cap, 101), make([]Example, 101)
			for i := range p.Caps {
				p.Caps[i] = Cap{Order, 1}
			}
		}, "/earn /caps /activities /multipliers /redemption/rewards /examples"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := full()
			tc.change(&p)
			if diff := cmp.Diff(tc.wrong, pointers(p.Validate())); diff != "" {
				t.Errorf("wrong (-want +got):\n%s", diff)
			}
		})
	}
	for _, factor := range []string{"0", "0.0", "-1", "1.", ".5", "1e3", "1/2", "0x1", "+1", "1234567", "0.1234567", " 1", "∞"} {
		p := full()
		p.Multipliers[0].Factor = factor
		if got := pointers(p.Validate()); got != "/multipliers/0/factor" {
			t.Errorf("the factor %q: %q", factor, got)
		}
	}
}

// A programme that contradicts its examples is not published.
func TestExamples(t *testing.T) {
	p := Policy{
		Name: "x", Currency: "EUR", Enrolment: Explicit, Expiry: Expiry{Kind: Never}, Redemption: Redemption{Points: 1},
		Earn:        []Rule{{ID: "base", Points: 1, PerMinor: 100}, {ID: "tea", Points: 10, Categories: []string{"tea"}}},
		Multipliers: []Multiplier{{ID: "gold", Factor: "2", Tiers: []string{"gold"}, Tags: []string{"fan"}, Types: []string{"business"}}},
	}
	tea := Item{Category: "tea", Quantity: 2, AmountMinor: 600}
	order := func(change func(*Purchase)) Example {
		x := Example{Order: euro(600, tea), Points: 26}
		change(&x.Order)
		return x
	}
	for _, tc := range []struct {
		name    string
		example Example
		wrong   string
	}{
		{"it comes out", Example{Order: euro(600, tea), Points: 26}, ""},
		{"it does not", Example{Order: euro(600, tea), Points: 27}, "/points"},
		{"for a member of gold", Example{Order: euro(600, tea), Tier: "gold", Tags: []string{"fan"}, Type: "business", Points: 52}, ""},
		{"of nothing", Example{Order: euro(0)}, ""},
		{"in yen", Example{Order: Purchase{AmountMinor: 10_000, Currency: "JPY", Rate: "0.0061", Base: "EUR", PlacedOn: day}, Points: 61}, ""},
		{"in yen without a rate", Example{Order: Purchase{AmountMinor: 10_000, Currency: "JPY", PlacedOn: day}, Points: 61}, "/order/rate"},
		{"at a rate of nothing", order(func(o *Purchase) { o.Rate = "0" }), "/order/rate"},
		{"at no rate", order(func(o *Purchase) { o.Rate = "cheap" }), "/order/rate"},
		{"in no currency", order(func(o *Purchase) { o.Currency = "EUX" }), "/order/currency /order/rate"},
		{"of less than nothing", Example{Order: euro(-1)}, "/order/amount_minor"},
		{"of other lines", order(func(o *Purchase) { o.AmountMinor = 601 }), "/order/amount_minor"},
		{"of lines of nothing", Example{Order: euro(0, Item{}, Item{Quantity: 1, AmountMinor: -1}, Item{Quantity: 1, AmountMinor: 1})}, "/order/items/0 /order/items/1"},
	} {
		p.Examples = []Example{{Order: euro(99)}, tc.example}
		want := ""
		for i, pointer := range strings.Fields(tc.wrong) {
			if i > 0 {
				want += " "
			}
			want += "/examples/1" + pointer
		}
		if diff := cmp.Diff(want, pointers(p.Validate())); diff != "" {
			t.Errorf("%s: wrong (-want +got):\n%s", tc.name, diff)
		}
	}
	p.Earn[0].ID, p.Multipliers[0].Factor = "", "much"
	if got := pointers(p.Validate()); got != "/earn/0/id /multipliers/0/factor" {
		t.Errorf("examples of a programme that is wrong: %q", got)
	}
}

// pointers names the fields of a refusal, in order, without what all have.
func pointers(err error) string {
	var refusal *domain.Error
	if !errors.As(err, &refusal) {
		return ""
	}
	var all []string
	for _, f := range refusal.Fields {
		all = append(all, strings.TrimPrefix(f.Pointer, "/policy"))
	}
	return strings.Join(all, " ")
}
