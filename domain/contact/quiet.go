package contact

import "time"

// longest bounds the search for the end of the quiet hours: two days, in minutes.
// No stretch of a day is longer, whatever the clocks are put to.
const longest = 2 * 24 * 60

// Quiet says whether it is quiet at an instant by the clocks of a zone, and if so
// the first instant at which it no longer is. What the clock on the wall shows
// decides: an hour that the clocks skip is not quiet, and one that they show twice
// is quiet twice.
func (h Hours) Quiet(at time.Time, zone *time.Location) (until time.Time, quiet bool) {
	from, fine := Clock(h.From)
	to, ok := Clock(h.To)
	if !fine || !ok || !within(at.In(zone), from, to) {
		return time.Time{}, false
	}
	local := at.In(zone)
	next := at.Add(-time.Duration(local.Second())*time.Second - time.Duration(local.Nanosecond()))
	for range longest {
		if next = next.Add(time.Minute); !within(next.In(zone), from, to) {
			break
		}
	}
	return next.UTC(), true
}

// within says whether the minute of a local time lies between two of the day,
// the second one exclusive, over midnight if it is the smaller one.
func within(local time.Time, from, to int) bool {
	minute := local.Hour()*60 + local.Minute()
	if from <= to {
		return from <= minute && minute < to
	}
	return minute >= from || minute < to
}

// Objectable says whether somebody can put an end to a legal basis by saying no:
// a consent can be withdrawn (GDPR, Article 7(3)), and one can object to a legitimate
// interest and to a public task (Article 21). A contract, a legal obligation and a
// vital interest are not theirs to end.
func Objectable(basis string) bool {
	switch basis {
	case Contract, LegalObligation, VitalInterest:
		return false
	}
	return true
}

// Forbidden says whether a suppression that the law demands puts an end to a legal
// basis: to all but those that come from the law itself or save a life.
func Forbidden(basis string) bool { return basis != LegalObligation && basis != VitalInterest }
