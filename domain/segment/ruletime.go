package segment

import "github.com/rapport-crm/rapport/domain"

// What depends on the evaluation day. Each function that looks at it notes the next
// day on which it would say something else; as long as none of those days has come,
// the evaluation takes the same way to the same end.

// reached says whether the evaluation day has come to a day, and notes it if not.
func (f *frame) reached(day int64) bool {
	if f.day >= day {
		return true
	}
	f.note(day)
	return false
}

// aged compares the days or years since a date with a number.
func (f *frame) aged(r relation, since val, n int64) val {
	orMore := r == greaterEqual || r == less // else: more than
	if !orMore {
		if n >= never-1 {
			return boolean(r == lessEqual)
		}
		n++ // more than n is n+1 or more
	}
	old := n <= 0 || f.reached(anniversary(since, n))
	return boolean(old == (r == greaterEqual || r == greater))
}

// anniversary is the day on which so many days or years have passed since a date.
func anniversary(since val, n int64) int64 {
	switch {
	case since.k == kDays && n < lastDay*2:
		return since.n + n
	case since.k == kYears && n < 10000:
		return int64(since.date().AddMonths(12 * int(n)))
	}
	return never
}

// heldFor says whether so many days have passed since a date.
func (f *frame) heldFor(v val, days int64) val {
	if v.k == kRecord {
		stage, ok := v.p.(*Stage)
		if !ok || stage.Since == nil {
			return boolean(false)
		}
		v = dated(*stage.Since)
	}
	switch v.k {
	case kDate:
		return boolean(f.reached(v.n + days))
	case kUnknown:
		return boolean(false)
	}
	return dateNeeded(v)
}

// dateNeeded is what comes of another value where a date is needed.
func dateNeeded(v val) val {
	if v.k == kFailed || v.k == kUnknown {
		return v
	}
	return failed("type_mismatch", "%s stands where a date is needed", kindNames[v.k])
}

// consents says whether the customer consents to a purpose on a channel. What was
// consented to after the evaluation day counts at once: nothing is dated in the
// future.
func (f *frame) consents(purpose, channel string) bool {
	if f.c.Consented == nil {
		return false
	}
	given, until := f.c.Consented(purpose, channel)
	return given && (until == nil || !f.reached(int64(*until)))
}

// within returns those of a list that lie in the last days, or after them.
func (f *frame) within(l *list, days int64) val {
	return f.pick(l, func(d domain.Date) bool { return !f.reached(int64(d) + days) })
}
