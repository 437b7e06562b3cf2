package care_test

import (
	"testing"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/care"
)

func date(t *testing.T, text string) domain.Date {
	t.Helper()
	d, err := domain.ParseDate(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Dates that almanacs and public holidays give.
func TestLunarDates(t *testing.T) {
	for _, c := range []struct {
		year, month, day int
		leap             bool
		want             string
	}{
		// Spring Festival.
		{1929, 1, 1, false, "1929-02-10"}, {1949, 1, 1, false, "1949-01-29"}, {1970, 1, 1, false, "1970-02-06"},
		{1985, 1, 1, false, "1985-02-20"}, {1990, 1, 1, false, "1990-01-27"}, {1991, 1, 1, false, "1991-02-15"},
		{1995, 1, 1, false, "1995-01-31"}, {1997, 1, 1, false, "1997-02-07"}, {2000, 1, 1, false, "2000-02-05"},
		{2001, 1, 1, false, "2001-01-24"}, {2004, 1, 1, false, "2004-01-22"}, {2007, 1, 1, false, "2007-02-18"},
		{2008, 1, 1, false, "2008-02-07"}, {2012, 1, 1, false, "2012-01-23"}, {2013, 1, 1, false, "2013-02-10"},
		{2014, 1, 1, false, "2014-01-31"}, {2015, 1, 1, false, "2015-02-19"}, {2016, 1, 1, false, "2016-02-08"},
		{2017, 1, 1, false, "2017-01-28"}, {2018, 1, 1, false, "2018-02-16"}, {2019, 1, 1, false, "2019-02-05"},
		{2020, 1, 1, false, "2020-01-25"}, {2021, 1, 1, false, "2021-02-12"}, {2022, 1, 1, false, "2022-02-01"},
		{2023, 1, 1, false, "2023-01-22"}, {2024, 1, 1, false, "2024-02-10"}, {2025, 1, 1, false, "2025-01-29"},
		{2026, 1, 1, false, "2026-02-17"}, {2027, 1, 1, false, "2027-02-06"}, {2028, 1, 1, false, "2028-01-26"},
		{2029, 1, 1, false, "2029-02-13"}, {2030, 1, 1, false, "2030-02-03"}, {2033, 1, 1, false, "2033-01-31"},
		{2034, 1, 1, false, "2034-02-19"}, {2035, 1, 1, false, "2035-02-08"}, {2100, 1, 1, false, "2100-02-09"},
		// Mid-Autumn Festival.
		{2020, 8, 15, false, "2020-10-01"}, {2021, 8, 15, false, "2021-09-21"}, {2022, 8, 15, false, "2022-09-10"},
		{2023, 8, 15, false, "2023-09-29"}, {2024, 8, 15, false, "2024-09-17"}, {2025, 8, 15, false, "2025-10-06"},
		{2026, 8, 15, false, "2026-09-25"}, {2027, 8, 15, false, "2027-09-15"}, {2028, 8, 15, false, "2028-10-03"},
		{2029, 8, 15, false, "2029-09-22"}, {2030, 8, 15, false, "2030-09-12"}, {2033, 8, 15, false, "2033-09-08"},
		// Dragon Boat Festival, in 2013 by the Observatory's almanac.
		{2013, 5, 5, false, "2013-06-12"}, {2020, 5, 5, false, "2020-06-25"}, {2023, 5, 5, false, "2023-06-22"},
		{2024, 5, 5, false, "2024-06-10"}, {2025, 5, 5, false, "2025-05-31"}, {2026, 5, 5, false, "2026-06-19"},
		// Leap months.
		{2020, 4, 1, true, "2020-05-23"}, {2023, 2, 1, true, "2023-03-22"}, {2025, 6, 1, true, "2025-07-25"},
		{2033, 11, 1, true, "2033-12-22"}, {2014, 9, 1, true, "2014-10-24"}, {1984, 10, 1, true, "1984-11-23"},
		// The days before New Year: of 30 and of 29 days, and after the leap month of 2033.
		{2023, 12, 30, false, "2024-02-09"}, {2024, 12, 30, false, "2025-01-28"}, {2024, 12, 29, false, "2025-01-28"},
		{2033, 12, 30, false, "2034-02-18"}, {2025, 12, 8, false, "2026-01-26"},
	} {
		got, ok := Lunar(c.year, c.month, c.day, c.leap)
		if !ok || got.String() != c.want {
			t.Errorf("%d-%d-%d leap=%v: %v %v, want %s", c.year, c.month, c.day, c.leap, got, ok, c.want)
		}
	}
}

func TestWhatTheLunarCalendarDoesNotHave(t *testing.T) {
	for _, c := range []struct {
		year, month, day int
		leap             bool
	}{
		{1928, 1, 1, false}, {2101, 1, 1, false}, {2026, 0, 1, false}, {2026, 13, 1, false}, {2026, 1, 0, false},
		{2025, 5, 1, true}, {2026, 1, 1, true}, {2034, 1, 1, true},
	} {
		if d, ok := Lunar(c.year, c.month, c.day, c.leap); ok {
			t.Errorf("%v is %v", c, d)
		}
	}
}

// Every month follows the one before it, and every year has its length.
func TestTheLunarCalendarHasNoGaps(t *testing.T) {
	next := date(t, "1929-02-10")
	for year := FirstLunarYear; year <= LastLunarYear; year++ {
		leaps := 0
		for month := 1; month <= 12; month++ {
			for _, leap := range []bool{false, true} {
				first, ok := Lunar(year, month, 1, leap)
				if !ok {
					continue
				}
				if leap {
					leaps++
				}
				last, _ := Lunar(year, month, 30, leap)
				if days := last - first + 1; first != next || days != 29 && days != 30 {
					t.Fatalf("%d-%d leap=%v begins on %v and has %d days, the one before ends on %v", year, month, leap, first, days, next-1)
				}
				next = last + 1
			}
		}
		spring, _ := Lunar(year, 1, 1, false)
		if leaps > 1 || spring < domain.NewDate(year, 1, 20) || spring > domain.NewDate(year, 2, 21) {
			t.Errorf("%d begins on %v and has %d leap months", year, spring, leaps)
		}
	}
	if next != date(t, "2101-01-29") {
		t.Errorf("the last year ends before %v", next)
	}
}
