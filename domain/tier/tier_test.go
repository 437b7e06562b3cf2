package tier_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/tier"
)

// metals returns a ladder that may be published.
func metals() Policy {
	return Policy{
		Name: "metals", Measure: Points,
		Levels:   []Level{{"member", "Member", 0}, {"silver", "Silver", 500}, {"gold", "Gold", 2000}, {"platinum", "Platinum", 5000}},
		Window:   Window{Kind: Rolling, Months: 12},
		Validity: Validity{Kind: Months, Months: 12}, Downgrade: OneDown, GraceDays: 30, OnRefund: AtEnd,
		Examples: []Example{{-1, "member"}, {499, "member"}, {500, "silver"}, {1_000_000, "platinum"}},
	}
}

func date(t *testing.T, text string) domain.Date {
	t.Helper()
	d, err := domain.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhichLadderMayBePublished(t *testing.T) {
	levels := func(n int) (list []Level) {
		for i := range n {
			list = append(list, Level{ID: "l" + strings.Repeat("x", i), Name: "L", From: int64(i)})
		}
		return list
	}
	for _, tc := range []struct {
		name   string
		change func(*Policy)
		wrong  string // pointers
	}{
		{"a right one", func(*Policy) {}, ""},
		{"as little as possible", func(p *Policy) {
			*p = Policy{Name: "one", Measure: Orders, Levels: levels(1), Window: Window{Kind: Lifetime}, Validity: Validity{Kind: Unlimited}, Downgrade: ToBalance}
		}, ""},
		{"as much as possible", func(p *Policy) {
			p.Levels, p.Window.Months, p.Validity.Months, p.GraceDays, p.Examples = levels(20), 120, 120, 366, nil
			p.Levels[19].From, p.Levels[19].ID = domain.MaxAmountMinor, strings.Repeat("a_9z", 16)
		}, ""},
		{"calendar years", func(p *Policy) {
			p.Measure, p.Window, p.Validity, p.OnRefund = Spend, Window{Kind: CalendarYear}, Validity{Kind: EndOfYear}, AtOnce
		}, ""},
		{"the end of the next year", func(p *Policy) { p.Validity, p.OnRefund = Validity{Kind: EndOfNextYear}, "" }, ""},
		{"nothing", func(p *Policy) { *p = Policy{} }, "/name /measure /levels /window/kind /validity/kind /downgrade"},
		{"unknown words", func(p *Policy) {
			p.Measure, p.Window.Kind, p.Validity.Kind, p.Downgrade, p.OnRefund = "visits", "week", "weeks", "none", "never"
			p.Window.Months, p.Validity.Months = 0, 0
		}, "/measure /window/kind /validity/kind /downgrade /on_refund"},
		{"a long name", func(p *Policy) { p.Name = strings.Repeat("x", 101) }, "/name"},
		{"too many levels", func(p *Policy) { p.Levels = levels(21) }, "/levels"},
		{"ids that are none", func(p *Policy) {
			p.Levels[0].ID, p.Levels[1].ID, p.Levels[2].ID, p.Levels[3].ID = "", "Silver", "gold-1", strings.Repeat("x", 65)
		}, "/levels/0/id /levels/1/id /levels/2/id /levels/3/id"},
		{"an id twice", func(p *Policy) { p.Levels[3].ID = "silver" }, "/levels/3/id"},
		{"a level without a name", func(p *Policy) { p.Levels[2].Name = "" }, "/levels/2/name"},
		{"a level with a long name", func(p *Policy) { p.Levels[2].Name = strings.Repeat("x", 101) }, "/levels/2/name"},
		{"a base that must be reached", func(p *Policy) { p.Levels[0].From = 1 }, "/levels/0/from"},
		{"a base below nothing", func(p *Policy) { p.Levels[0].From = -1 }, "/levels/0/from"},
		{"levels that do not ascend", func(p *Policy) { p.Levels[1].From, p.Levels[3].From = 0, 1999 }, "/levels/1/from /levels/3/from"},
		{"a level out of reach", func(p *Policy) { p.Levels[3].From = domain.MaxAmountMinor + 1 }, "/levels/3/from"},
		{"a window without months", func(p *Policy) { p.Window.Months = 0 }, "/window/months"},
		{"a window that is too long", func(p *Policy) { p.Window.Months = 121 }, "/window/months"},
		{"a year of so many months", func(p *Policy) { p.Window.Kind = CalendarYear }, "/window/months"},
		{"ever in months", func(p *Policy) { p.Window.Kind = Lifetime }, "/window/months"},
		{"a validity without months", func(p *Policy) { p.Validity.Months = 0 }, "/validity/months"},
		{"a validity that is too long", func(p *Policy) { p.Validity.Months = 121 }, "/validity/months"},
		{"a validity of less than nothing", func(p *Policy) { p.Validity.Months = -1 }, "/validity/months"},
		{"the end of a year in months", func(p *Policy) { p.Validity.Kind = EndOfYear }, "/validity/months"},
		{"for good in months", func(p *Policy) { p.Validity.Kind = Unlimited }, "/validity/months"},
		{"grace of less than nothing", func(p *Policy) { p.GraceDays = -1 }, "/grace_days"},
		{"more than a year of grace", func(p *Policy) { p.GraceDays = 367 }, "/grace_days"},
		{"examples that the ladder contradicts", func(p *Policy) {
			p.Examples = []Example{{500, "member"}, {500, "silver"}, {499, "silver"}, {0, "wood"}, {0, ""}}
		}, "/examples/0 /examples/2 /examples/3 /examples/4"},
		{"examples of what is no ladder", func(p *Policy) { p.Levels[1].From, p.Examples = 9999, []Example{{500, "gold"}} }, "/levels/2/from"},
		{"too many examples", func(p *Policy) { p.Examples = make([]Example, 1001) }, "/examples"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := metals()
			tc.change(&p)
			err := p.Validate()
			var got []string
			if refusal := (*domain.Error)(nil); errors.As(err, &refusal) {
				for _, f := range refusal.Fields {
					got = append(got, strings.TrimPrefix(f.Pointer, "/policy"))
				}
			}
			if diff := cmp.Diff(tc.wrong, strings.Join(got, " ")); diff != "" || (err == nil) != (tc.wrong == "") {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestWhichVersionIsInForce(t *testing.T) {
	versions := []Version{{From: 10, Version: 1}, {From: 20, Version: 2}, {From: 20, Version: 3}, {From: 30, Version: 4}}
	for d, want := range map[domain.Date]int{-5: 0, 9: 0, 10: 1, 19: 1, 20: 3, 29: 3, 30: 4, 5000: 4} {
		if got, ok := On(versions, d); got.Version != want || ok != (want > 0) {
			t.Errorf("on %d: version %d, %v; want %d", d, got.Version, ok, want)
		}
	}
	if _, ok := On(nil, 5); ok {
		t.Error("a version of no ladder")
	}
}

func TestTheLadder(t *testing.T) {
	p := metals()
	for qualifying, want := range map[int64]string{
		-1 << 63: "member", -1: "member", 0: "member", 499: "member", 500: "silver", 1999: "silver", 2000: "gold", 4999: "gold", 5000: "platinum", 1<<63 - 1: "platinum",
	} {
		if got := p.Of(qualifying); got != want {
			t.Errorf("%d is %s, want %s", qualifying, got, want)
		}
	}
	for _, tc := range []struct {
		level string
		rank  int
		next  string
	}{{"member", 0, "silver"}, {"silver", 1, "gold"}, {"gold", 2, "platinum"}, {"platinum", 3, ""}, {"wood", -1, ""}, {"", -1, ""}} {
		next, ok := p.Next(tc.level)
		if rank := p.Rank(tc.level); rank != tc.rank || next.ID != tc.next || ok != (tc.next != "") {
			t.Errorf("%s: rank %d, next %q, %v; want %d, %q", tc.level, rank, next.ID, ok, tc.rank, tc.next)
		}
	}
	if p.Base() != "member" {
		t.Errorf("the base is %s", p.Base())
	}
	if none := (&Policy{}); none.Base() != "" || none.Of(5) != "" || none.Falls("gold", 5) != "" {
		t.Error("a ladder without levels has one")
	}
}

func TestWhatFollowsALevel(t *testing.T) {
	for _, tc := range []struct {
		level            string
		qualifying       int64
		oneDown, balance string
	}{
		{"platinum", 5000, "platinum", "platinum"},
		{"platinum", 4999, "gold", "gold"},
		{"platinum", 2000, "gold", "gold"},
		{"platinum", 1999, "gold", "silver"},
		{"platinum", 0, "gold", "member"},
		{"platinum", -7, "gold", "member"},
		{"gold", 2000, "gold", "gold"},
		{"gold", 5000, "platinum", "platinum"},
		{"gold", 500, "silver", "silver"},
		{"gold", 499, "silver", "member"},
		{"silver", 499, "member", "member"},
		{"silver", 5000, "platinum", "platinum"},
		{"member", 0, "member", "member"},
		{"member", -1, "member", "member"},
		{"member", 2000, "gold", "gold"},
		{"wood", 0, "member", "member"}, // not a level any more
		{"wood", 2500, "gold", "gold"},
		{"", 500, "silver", "silver"},
	} {
		p := metals()
		if got := p.Falls(tc.level, tc.qualifying); got != tc.oneDown {
			t.Errorf("one down, %s with %d: %s, want %s", tc.level, tc.qualifying, got, tc.oneDown)
		}
		p.Downgrade = ToBalance
		if got := p.Falls(tc.level, tc.qualifying); got != tc.balance {
			t.Errorf("to the balance, %s with %d: %s, want %s", tc.level, tc.qualifying, got, tc.balance)
		}
	}
}

func TestTheWindow(t *testing.T) {
	rolling := func(months int) Window { return Window{Kind: Rolling, Months: months} }
	for _, tc := range []struct {
		window         Window
		on, from, till string
	}{
		{rolling(12), "2026-03-15", "2025-03-16", "2026-03-15"},
		{rolling(12), "2024-02-29", "2023-03-01", "2024-02-29"},
		{rolling(12), "2025-02-28", "2024-02-29", "2025-02-28"},
		{rolling(12), "2025-03-01", "2024-03-02", "2025-03-01"},
		{rolling(12), "2025-12-31", "2025-01-01", "2025-12-31"},
		{rolling(12), "2026-01-01", "2025-01-02", "2026-01-01"},
		{rolling(1), "2026-03-31", "2026-03-01", "2026-03-31"},
		{rolling(1), "2026-03-29", "2026-03-01", "2026-03-29"},
		{rolling(1), "2026-03-28", "2026-03-01", "2026-03-28"},
		{rolling(1), "2024-03-31", "2024-03-01", "2024-03-31"},
		{rolling(1), "2024-03-29", "2024-03-01", "2024-03-29"},
		{rolling(1), "2024-03-28", "2024-02-29", "2024-03-28"},
		{rolling(1), "2026-02-28", "2026-01-29", "2026-02-28"},
		{rolling(6), "2026-08-31", "2026-03-01", "2026-08-31"},
		{rolling(120), "2026-08-31", "2016-09-01", "2026-08-31"},
		{Window{Kind: CalendarYear}, "2026-01-01", "2026-01-01", "2026-01-01"},
		{Window{Kind: CalendarYear}, "2024-02-29", "2024-01-01", "2024-02-29"},
		{Window{Kind: CalendarYear}, "2025-12-31", "2025-01-01", "2025-12-31"},
		{Window{Kind: CalendarYear}, "1969-12-31", "1969-01-01", "1969-12-31"},
		{Window{Kind: Lifetime}, "2026-01-01", "0001-01-01", "2026-01-01"},
	} {
		p := Policy{Window: tc.window}
		from, till := p.Span(date(t, tc.on))
		if from != date(t, tc.from) || till != date(t, tc.till) {
			t.Errorf("%+v on %s: %s to %s, want %s to %s", tc.window, tc.on, from, till, tc.from, tc.till)
		}
	}
}

func TestTheValidity(t *testing.T) {
	months := func(n int) Validity { return Validity{Kind: Months, Months: n} }
	for _, tc := range []struct {
		validity Validity
		grace    int
		on, want string
	}{
		{months(12), 0, "2026-03-15", "2027-03-15"},
		{months(12), 30, "2026-03-15", "2027-04-14"},
		{months(12), 0, "2024-02-29", "2025-02-28"},
		{months(12), 1, "2024-02-29", "2025-03-01"},
		{months(12), 0, "2023-02-28", "2024-02-28"},
		{months(48), 0, "2024-02-29", "2028-02-29"},
		{months(1), 0, "2026-01-31", "2026-02-28"},
		{months(1), 0, "2024-01-31", "2024-02-29"},
		{months(1), 1, "2024-01-31", "2024-03-01"}, // grace counts from the end of the month
		{months(3), 0, "2026-11-30", "2027-02-28"},
		{months(1), 366, "2026-12-31", "2028-02-01"},
		{Validity{Kind: EndOfYear}, 0, "2026-01-01", "2027-01-01"},
		{Validity{Kind: EndOfYear}, 0, "2026-12-31", "2027-01-01"},
		{Validity{Kind: EndOfYear}, 59, "2023-07-01", "2024-02-29"},
		{Validity{Kind: EndOfYear}, 59, "2024-07-01", "2025-03-01"},
		{Validity{Kind: EndOfNextYear}, 0, "2026-01-01", "2028-01-01"},
		{Validity{Kind: EndOfNextYear}, 0, "2026-12-31", "2028-01-01"},
		{Validity{Kind: EndOfNextYear}, 31, "2024-02-29", "2026-02-01"},
		{Validity{Kind: Unlimited}, 0, "2026-01-01", ""},
		{Validity{Kind: Unlimited}, 30, "2026-01-01", ""},
	} {
		p := Policy{Validity: tc.validity, GraceDays: tc.grace}
		got := ""
		if until := p.Until(date(t, tc.on)); until != nil {
			got = until.String()
		}
		if got != tc.want {
			t.Errorf("%+v and %d days from %s: %q, want %q", tc.validity, tc.grace, tc.on, got, tc.want)
		}
	}
}

func TestWhatQualifies(t *testing.T) {
	day := domain.NewDate(2026, time.March, 1)
	days := []Day{
		{On: day + 2, Points: 7, SpendMinor: 700, Orders: 1},
		{On: day - 1, Points: 1, SpendMinor: 100, Orders: 1},
		{On: day, Points: 2, SpendMinor: 200, Orders: 2},
		{On: day + 1, Points: -5, SpendMinor: -500, Orders: -1},
		{On: day + 3, Points: 9, SpendMinor: 900, Orders: 1},
	}
	for _, tc := range []struct {
		measure  string
		from, to domain.Date
		want     int64
	}{
		{Points, day, day + 2, 4},
		{Spend, day, day + 2, 400},
		{Orders, day, day + 2, 2},
		{Points, day - 1, day + 3, 14},
		{Points, day, day, 2},
		{Points, day + 1, day + 1, -5},
		{Points, day + 4, day + 9, 0},
		{Points, day + 1, day, 0},
		{"visits", day, day + 2, 0},
	} {
		p := Policy{Measure: tc.measure}
		if got := p.Sum(days, tc.from, tc.to); got != tc.want {
			t.Errorf("%s from %s to %s: %d, want %d", tc.measure, tc.from, tc.to, got, tc.want)
		}
	}
	if got := (&Policy{Measure: Spend}).Sum(nil, day, day); got != 0 {
		t.Errorf("nobody's: %d", got)
	}
}
