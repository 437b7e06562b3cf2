package care

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// The years of the Chinese calendar that are known here: from 1929 on its days are
// those of the meridian 120° east, and the observatories publish it up to 2100.
const (
	FirstLunarYear = 1929
	LastLunarYear  = 2100
)

// firstDay is the first day of the first month of FirstLunarYear.
var firstDay = domain.NewDate(1929, time.February, 10)

// lunarYears has the months of each year. Bit n says whether the year's n-th month
// (from 0, a leap month counted where it stands) has 30 days, else it has 29; the
// bits from 13 on are the number of the month that the leap month follows, 0 for none.
//
// They were computed from the new moons and the principal solar terms by the rules
// of GB/T 33661-2017 (J. Meeus, Astronomical Algorithms, chapters 25 and 49), and
// agree with the tables in use that cite the Gregorian-Lunar Calendar Conversion
// Table of the Hong Kong Observatory, https://www.hko.gov.hk/en/gts/time/conversion.htm.
// The Observatory says that the new moons of September 2057, September 2089 and August
// 2097 are so close to midnight that those months may yet begin a day earlier or later.
var lunarYears = [LastLunarYear - FirstLunarYear + 1]uint32{
	0x00e92, 0x0cd26, 0x0052b, 0x00a57, 0x0b2b6, 0x00b5a, 0x006d4, 0x06ec9, 0x00749, 0x0f693, // 1929
	0x00a93, 0x0052b, 0x0ca5b, 0x00aad, 0x0056a, 0x09b55, 0x00ba4, 0x00b49, 0x05a93, 0x00a95, // 1939
	0x0f52d, 0x00536, 0x00aad, 0x0b5aa, 0x005b2, 0x00da5, 0x07d4a, 0x00d4a, 0x10a95, 0x00a97, // 1949
	0x00556, 0x0cab5, 0x00ad5, 0x006d2, 0x08ea5, 0x00ea5, 0x0064a, 0x06c97, 0x00a9b, 0x0f55a, // 1959
	0x0056a, 0x00b69, 0x0b752, 0x00b52, 0x00b25, 0x0964b, 0x00a4b, 0x114ab, 0x002ad, 0x0056d, // 1969
	0x0cb69, 0x00da9, 0x00d92, 0x09d25, 0x00d25, 0x15a4d, 0x00a56, 0x002b6, 0x0c5b5, 0x006d5, // 1979
	0x00ea9, 0x0be92, 0x00e92, 0x00d26, 0x06a56, 0x00a57, 0x114d6, 0x0035a, 0x006d5, 0x0b6c9, // 1989
	0x00749, 0x00693, 0x0952b, 0x0052b, 0x00a5b, 0x0555a, 0x0056a, 0x0fb55, 0x00ba4, 0x00b49, // 1999
	0x0ba93, 0x00a95, 0x0052d, 0x08aad, 0x00ab5, 0x135aa, 0x005d2, 0x00da5, 0x0dd4a, 0x00d4a, // 2009
	0x00c95, 0x0952e, 0x00556, 0x00ab5, 0x055b2, 0x006d2, 0x0cea5, 0x00725, 0x0064b, 0x0ac97, // 2019
	0x00cab, 0x0055a, 0x06ad6, 0x00b69, 0x17752, 0x00b52, 0x00b25, 0x0da4b, 0x00a4b, 0x004ab, // 2029
	0x0a55b, 0x005ad, 0x00b6a, 0x05b52, 0x00d92, 0x0fd25, 0x00d25, 0x00a55, 0x0b4ad, 0x004b6, // 2039
	0x005b5, 0x06daa, 0x00ec9, 0x11e92, 0x00e92, 0x00d26, 0x0ca56, 0x00a57, 0x004d6, 0x086d5, // 2049
	0x00755, 0x00749, 0x06e93, 0x00693, 0x0f52b, 0x0052b, 0x00a5b, 0x0b55a, 0x0056a, 0x00b65, // 2059
	0x0974a, 0x00b4a, 0x11a95, 0x00a95, 0x0052d, 0x0caad, 0x00ab5, 0x005aa, 0x08ba5, 0x00da5, // 2069
	0x00d4a, 0x07c95, 0x00c96, 0x0f94e, 0x00556, 0x00ab5, 0x0b5b2, 0x006d2, 0x00ea5, 0x08e4a, // 2079
	0x0068b, 0x10c97, 0x004ab, 0x0055b, 0x0cad6, 0x00b6a, 0x00752, 0x09725, 0x00b25, 0x00a8b, // 2089
	0x0549b, 0x004ab, // 2099
}

// Lunar returns the Gregorian date of a day of the Chinese calendar. leap asks for
// the leap month that follows the month of that number. A day that the month does
// not have is its last. false: the year is not known here, or has no such month.
func Lunar(year, month, day int, leap bool) (domain.Date, bool) {
	if year < FirstLunarYear || year > LastLunarYear || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	first := firstDay
	for _, y := range lunarYears[:year-FirstLunarYear] {
		first += domain.Date(monthsBefore(y, months(y)))
	}
	y := lunarYears[year-FirstLunarYear]
	place := month - 1 // in the year
	switch leapMonth := int(y >> 13); {
	case leap && leapMonth != month:
		return 0, false
	case leap, leapMonth != 0 && month > leapMonth:
		place++
	}
	length := 29 + int(y>>place&1)
	return first + domain.Date(monthsBefore(y, place)+min(day, length)-1), true
}

// months is how many months a year has.
func months(year uint32) int {
	if year>>13 != 0 {
		return 13
	}
	return 12
}

// monthsBefore is how many days the first n months of a year have.
func monthsBefore(year uint32, n int) int {
	days := 29 * n
	for i := range n {
		days += int(year >> i & 1)
	}
	return days
}

// solar returns the first day of a month of the Gregorian calendar.
func solar(year, month int) (domain.Date, bool) {
	return domain.NewDate(year, time.Month(month), 1), year >= 1 && year <= 9999 && month >= 1 && month <= 12
}
