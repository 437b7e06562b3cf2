package care_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/care"
)

func TestADateComesBackEveryYear(t *testing.T) {
	for _, c := range []struct {
		since string
		year  int
		want  string // "" for never
	}{
		{"1984-07-01", 2026, "2026-07-01"}, {"1984-12-31", 1985, "1985-12-31"},
		{"1984-02-29", 2026, "2026-02-28"}, {"1984-02-29", 2028, "2028-02-29"}, {"1984-02-29", 2000, "2000-02-29"},
		{"1984-02-29", 2100, "2100-02-28"}, {"1983-02-28", 2028, "2028-02-28"},
		{"1984-07-01", 1984, ""}, {"1984-07-01", 1983, ""},
	} {
		got, ok := Yearly(date(t, c.since), c.year)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s in %d: %v %v, want %q", c.since, c.year, got, ok, c.want)
		}
	}
}

func TestWhenAnOccasionIs(t *testing.T) {
	p := Example()
	p.Occasions = append(p.Occasions,
		Occasion{ID: "leap_day", Kind: Festival, Festival: &MonthDay{Calendar: Solar, Month: 2, Day: 29}},
		Occasion{ID: "leap_sixth", Kind: Festival, Festival: &MonthDay{Calendar: ChineseLunar, Month: 6, Day: 1, Leap: true}},
		Occasion{ID: "undated", Kind: Festival},
	)
	born := date(t, "1990-05-20")
	for _, c := range []struct {
		occasion string
		year     int
		want     string
	}{
		{"birthday", 2026, "2026-05-20"}, {"anniversary", 1991, "1991-05-20"}, {"birthday", 1990, ""},
		{"new_year", 2026, "2026-01-01"}, {"spring_festival", 2026, "2026-02-17"}, {"mid_autumn", 2026, "2026-09-25"}, {"dragon_boat", 2026, "2026-06-19"},
		{"leap_day", 2026, "2026-02-28"}, {"leap_day", 2028, "2028-02-29"}, {"leap_sixth", 2025, "2025-07-25"}, {"leap_sixth", 2026, ""},
		{"undated", 2026, ""}, {"new_year", 0, ""}, {"spring_festival", 2101, ""},
	} {
		o, ok := p.Occasion(c.occasion)
		if !ok {
			t.Fatal(c.occasion)
		}
		got, ok := o.On(c.year, born)
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s in %d: %v %v, want %q", c.occasion, c.year, got, ok, c.want)
		}
	}
	if o, ok := p.Occasion("easter"); ok {
		t.Errorf("%+v", o)
	}
}

func TestWhenAnOccasionMayBeActedOn(t *testing.T) {
	o, on := Occasion{LeadDays: 7, FollowDays: 2}, date(t, "2026-01-03")
	for today, want := range map[string]bool{"2025-12-26": false, "2025-12-27": true, "2026-01-03": true, "2026-01-05": true, "2026-01-06": false} {
		if o.Due(on, date(t, today)) != want {
			t.Errorf("%s: %v", today, !want)
		}
	}
}

func TestWhichAnnualRewardsAreAllowed(t *testing.T) {
	euros := func(minor int64) *domain.Money { return &domain.Money{AmountMinor: minor, Currency: "EUR"} }
	limited := Policy{AnnualRewards: []AnnualReward{{Kind: Reward, MostPoints: 100, MostAmount: euros(500)}}}
	for _, c := range []struct {
		policy Policy
		kind   string
		points int64
		amount *domain.Money
		want   bool
	}{
		{Policy{}, Dividend, 1 << 40, nil, true},
		{limited, Reward, 100, nil, true},
		{limited, Reward, 101, nil, false},
		{limited, Reward, 0, euros(500), true},
		{limited, Reward, 0, euros(501), false},
		{limited, Reward, 0, &domain.Money{AmountMinor: 1, Currency: "USD"}, false},
		{limited, Reward, 0, nil, true}, // a gift
		{limited, Dividend, 1, nil, false},
		{Policy{AnnualRewards: []AnnualReward{{Kind: Dividend}}}, Dividend, 1 << 40, nil, true},
	} {
		if got := c.policy.Allows(c.kind, c.points, c.amount); got != c.want {
			t.Errorf("%+v %s %d %+v: %v", c.policy, c.kind, c.points, c.amount, got)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := Example().Validate(); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 101)
	for name, c := range map[string]struct {
		change func(*Policy)
		want   []string
	}{
		"no name":                   {func(p *Policy) { p.Name = "" }, []string{"/policy/name"}},
		"a long name":               {func(p *Policy) { p.Name = long }, []string{"/policy/name"}},
		"no occasions":              {func(p *Policy) { p.Occasions = nil }, []string{"/policy/occasions"}},
		"an id that is no code":     {func(p *Policy) { p.Occasions[0].ID = "Birth Day" }, []string{"/policy/occasions/0/id"}},
		"an id twice":               {func(p *Policy) { p.Occasions[1].ID = "birthday" }, []string{"/policy/occasions/1/id"}},
		"no kind":                   {func(p *Policy) { p.Occasions[0].Kind = "" }, []string{"/policy/occasions/0/kind"}},
		"an unknown kind":           {func(p *Policy) { p.Occasions[0].Kind = "wedding" }, []string{"/policy/occasions/0/kind"}},
		"a festival without a date": {func(p *Policy) { p.Occasions[2].Festival = nil }, []string{"/policy/occasions/2/festival"}},
		"a birthday with a date":    {func(p *Policy) { p.Occasions[0].Festival = p.Occasions[2].Festival }, []string{"/policy/occasions/0/festival"}},
		"no calendar":               {func(p *Policy) { p.Occasions[2].Festival.Calendar = "" }, []string{"/policy/occasions/2/festival/calendar"}},
		"an unknown calendar":       {func(p *Policy) { p.Occasions[2].Festival.Calendar = "mayan" }, []string{"/policy/occasions/2/festival/calendar"}},
		"a month that is none":      {func(p *Policy) { p.Occasions[2].Festival.Month = 13 }, []string{"/policy/occasions/2/festival/month"}},
		"a day that is none":        {func(p *Policy) { p.Occasions[2].Festival.Month, p.Occasions[2].Festival.Day = 2, 30 }, []string{"/policy/occasions/2/festival/day"}},
		"a lunar day that is none":  {func(p *Policy) { p.Occasions[3].Festival.Day = 31 }, []string{"/policy/occasions/3/festival/day"}},
		"a leap month of the sun":   {func(p *Policy) { p.Occasions[2].Festival.Leap = true }, []string{"/policy/occasions/2/festival/leap"}},
		"no channels":               {func(p *Policy) { p.Occasions[0].Channels = nil }, []string{"/policy/occasions/0/channels"}},
		"channels that are none":    {func(p *Policy) { p.Occasions[0].Channels = []string{"", "sms", "sms"} }, []string{"/policy/occasions/0/channels/0", "/policy/occasions/0/channels/2"}},
		"no purpose":                {func(p *Policy) { p.Occasions[0].Purpose = "" }, []string{"/policy/occasions/0/purpose"}},
		"days and points out of bounds": {func(p *Policy) {
			p.Occasions[0].LeadDays, p.Occasions[0].FollowDays, p.Occasions[0].GiftPoints = 61, -1, -5
		}, []string{"/policy/occasions/0/lead_days", "/policy/occasions/0/follow_days", "/policy/occasions/0/gift_points"}},
		"annual rewards that are none": {func(p *Policy) {
			p.AnnualRewards = []AnnualReward{{Kind: "bonus"}, {Kind: Reward, MostPoints: -1, MostAmount: &domain.Money{AmountMinor: -1, Currency: "XYZ"}}, {Kind: Reward}, {}}
		}, []string{
			"/policy/annual_rewards/0/kind", "/policy/annual_rewards/1/most_points", "/policy/annual_rewards/1/most_amount/currency",
			"/policy/annual_rewards/1/most_amount/amount_minor", "/policy/annual_rewards/2/kind", "/policy/annual_rewards/3/kind",
		}},
	} {
		p := Example()
		c.change(&p)
		var refusal *domain.Error
		if err := p.Validate(); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, f := range refusal.Fields {
			got = append(got, f.Pointer)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}
