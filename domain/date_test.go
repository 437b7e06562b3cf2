package domain

import (
	"testing"
	"time"
)

// The quick ways to write and read a date agree with the time package.
func TestDateText(t *testing.T) {
	for d := NewDate(-2, 1, 1); d < NewDate(10010, 1, 1); d += 13 {
		want := time.Unix(int64(d)*86400, 0).UTC().Format(dateLayout)
		text, err := d.MarshalText()
		if err != nil || string(text) != want {
			t.Fatalf("%d is %q, %v, not %q", d, text, err, want)
		}
		if d < NewDate(0, 1, 1) || d > NewDate(9999, 12, 31) {
			continue
		}
		var back Date
		if err := back.UnmarshalText(text); err != nil || back != d {
			t.Fatalf("%q is read as %d, %v", text, back, err)
		}
	}
	for _, text := range []string{"", "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-10", "2024-01-00", "2024-1-01", "20240101", "+024-01-01", "2024-01-0a", "2024/01/01"} {
		var d Date
		if d.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

func TestAddMonths(t *testing.T) {
	for _, tc := range []struct {
		from string
		n    int
		want string
	}{
		{"2026-01-15", 0, "2026-01-15"},
		{"2026-01-15", 1, "2026-02-15"},
		{"2026-01-31", 1, "2026-02-28"},
		{"2024-01-31", 1, "2024-02-29"},
		{"2024-01-29", 1, "2024-02-29"},
		{"2023-01-29", 1, "2023-02-28"},
		{"2026-03-31", 1, "2026-04-30"},
		{"2026-01-31", 2, "2026-03-31"},
		{"2026-02-28", 1, "2026-03-28"}, // the end of a month does not stay one
		{"2024-02-29", 12, "2025-02-28"},
		{"2024-02-29", 48, "2028-02-29"},
		{"1896-02-29", 48, "1900-02-28"}, // no leap year
		{"1996-02-29", 48, "2000-02-29"}, // one
		{"2026-11-30", 3, "2027-02-28"},
		{"2026-12-31", 1, "2027-01-31"},
		{"2026-12-01", 12, "2027-12-01"},
		{"2026-03-31", -1, "2026-02-28"},
		{"2024-03-30", -1, "2024-02-29"},
		{"2026-01-15", -1, "2025-12-15"},
		{"2026-01-31", -2, "2025-11-30"},
		{"2024-02-29", -12, "2023-02-28"},
		{"1970-01-01", -1, "1969-12-01"},
		{"2026-05-31", 120, "2036-05-31"},
	} {
		from, err := ParseDate(tc.from)
		if err != nil {
			t.Fatal(err)
		}
		if got := from.AddMonths(tc.n).String(); got != tc.want {
			t.Errorf("%s + %d months = %s, want %s", tc.from, tc.n, got, tc.want)
		}
	}
}

// A day begins with its first instant, also where clocks are put forward or back at
// midnight.
func TestDayBegins(t *testing.T) {
	for _, tc := range []struct{ zone, day, want string }{
		{"UTC", "2026-03-29", "2026-03-29T00:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00Z"},
		{"Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z"},      // at 01:00
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // at 01:00
		{"America/Santiago", "2026-04-05", "2026-04-05T04:00:00Z"}, // 23:00 was there twice
		{"Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00Z"},  // the first of two midnights
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"}, // a day that was left out begins and ends at once
	} {
		zone, err := time.LoadLocation(tc.zone)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ParseDate(tc.day)
		if err != nil {
			t.Fatal(err)
		}
		start := d.Start(zone)
		if got := start.UTC().Format(time.RFC3339); got != tc.want {
			t.Errorf("%s begins in %s at %s, want %s", d, tc.zone, got, tc.want)
		}
		if DateOf(start.Add(-1), zone) >= d || DateOf(start, zone) < d {
			t.Errorf("%s in %s: the instant before is of %s, the first of %s", d, tc.zone, DateOf(start.Add(-1), zone), DateOf(start, zone))
		}
	}
}
