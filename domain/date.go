package domain

import (
	"fmt"
	"time"
)

// Date is a civil date without a time zone: days since 1970-01-01. The zero
// value is that day; a field that may be absent is a *Date. It reads and writes
// itself as "2006-01-02".
type Date int32

const dateLayout = "2006-01-02"

// DateOf returns the date on which t falls in zone.
func DateOf(t time.Time, zone *time.Location) Date {
	y, m, d := t.In(zone).Date()
	return NewDate(y, m, d)
}

// NewDate returns a date, normalised as time.Date does.
func NewDate(year int, month time.Month, day int) Date {
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

// ParseDate reads "2006-01-02".
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(dateLayout, s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date such as 2006-01-02", s)
	}
	return Date(t.Unix() / 86400), nil
}

// Start returns the first instant of d in zone.
func (d Date) Start(zone *time.Location) time.Time {
	y, m, day := time.Unix(int64(d)*86400, 0).UTC().Date()
	t := time.Date(y, m, day, 0, 0, 0, 0, zone)
	if t.Day() != day { // clocks were put forward at midnight: there is none, and t is before
		_, t = t.ZoneBounds()
	}
	return t
}

// End returns the last instant of d in zone.
func (d Date) End(zone *time.Location) time.Time {
	return (d + 1).Start(zone).Add(-time.Nanosecond)
}

// AddMonths returns the same day n months later, or earlier if n is negative:
// the last day of that month if the month is too short to have the day.
func (d Date) AddMonths(n int) Date {
	y, m, day := time.Unix(int64(d)*86400, 0).UTC().Date()
	first := NewDate(y, m+time.Month(n), 1)
	next := NewDate(y, m+time.Month(n)+1, 1)
	return min(first+Date(day-1), next-1)
}

// Year returns the year of d.
func (d Date) Year() int { return time.Unix(int64(d)*86400, 0).UTC().Year() }

// Month returns the month of d.
func (d Date) Month() time.Month { return time.Unix(int64(d)*86400, 0).UTC().Month() }

func (d Date) String() string { return time.Unix(int64(d)*86400, 0).UTC().Format(dateLayout) }

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) { return d.AppendText(make([]byte, 0, len(dateLayout))) }

// AppendText implements encoding.TextAppender.
func (d Date) AppendText(dst []byte) ([]byte, error) {
	t := time.Unix(int64(d)*86400, 0).UTC()
	y, m, day := t.Date()
	if y < 0 || y > 9999 {
		return t.AppendFormat(dst, dateLayout), nil
	}
	return append(dst, '0'+byte(y/1000), '0'+byte(y/100%10), '0'+byte(y/10%10), '0'+byte(y%10), '-',
		'0'+byte(m/10), '0'+byte(m%10), '-', '0'+byte(day/10), '0'+byte(day%10)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(b []byte) (err error) {
	if len(b) == len(dateLayout) && b[4] == '-' && b[7] == '-' {
		y, m, day := number(b[:4]), number(b[5:7]), number(b[8:])
		if y >= 0 && m >= 1 && m <= 12 && day >= 1 && day <= 28 { // the days that every month has
			*d = NewDate(y, time.Month(m), day)
			return nil
		}
	}
	*d, err = ParseDate(string(b))
	return err
}

// number reads digits; -1 if there is anything else.
func number(digits []byte) (n int) {
	for _, c := range digits {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}
