// Package tier is the ladder of levels that members of a loyalty programme climb:
// what a policy says of it, what qualifies, and when a level ends.
package tier

import (
	"slices"
	"strconv"
	"strings"

	"github.com/rapport-crm/rapport/domain"
)

// What qualifies.
const (
	Points = "points" // earned by orders; bonus points and adjustments do not qualify
	Spend  = "spend"  // in minor units of the programme's currency
	Orders = "orders" // how many
)

// Measures is everything that may qualify.
var Measures = []string{Points, Spend, Orders}

// How far back what qualifies is counted.
const (
	Rolling      = "rolling"       // the last so many months
	CalendarYear = "calendar_year" // since 1 January
	Lifetime     = "lifetime"      // ever
)

// How long a level is kept that was reached or retained.
const (
	Months        = "months"           // so many months
	EndOfYear     = "end_of_year"      // until the year is over
	EndOfNextYear = "end_of_next_year" // until the year after it is over
	Unlimited     = "unlimited"        // for good
)

// What follows a level that was not retained.
const (
	OneDown   = "one_down"   // the one below, or the one qualified for if that is higher
	ToBalance = "to_balance" // the one qualified for
)

// When a refund counts that takes away what a level was reached with.
const (
	AtOnce = "at_once"
	AtEnd  = "at_end" // of the validity
)

// Policy is the ladder.
type Policy struct {
	Name      string    `json:"name"`
	Measure   string    `json:"measure"` // Points, Spend or Orders: what qualifies
	Levels    []Level   `json:"levels"`  // ascending; the first is the base, which every member has
	Window    Window    `json:"window"`
	Validity  Validity  `json:"validity"`
	Downgrade string    `json:"downgrade"`            // OneDown or ToBalance
	GraceDays int       `json:"grace_days,omitempty"` // after the validity, before a downgrade
	OnRefund  string    `json:"on_refund,omitempty"`  // AtOnce or AtEnd; AtOnce if empty
	Examples  []Example `json:"examples,omitempty"`
}

// Level is a step of the ladder.
type Level struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	From int64  `json:"from"` // of the measure, at least
}

// Window is how far back what qualifies is counted.
type Window struct {
	Kind   string `json:"kind"`             // Rolling, CalendarYear or Lifetime
	Months int    `json:"months,omitempty"` // of Rolling
}

// Validity is how long a level is kept that was reached or retained.
type Validity struct {
	Kind   string `json:"kind"`             // Months, EndOfYear, EndOfNextYear or Unlimited
	Months int    `json:"months,omitempty"` // of Months
}

// Example says which level somebody has who qualified with so much. A policy that
// says otherwise is not published.
type Example struct {
	Qualifying int64  `json:"qualifying"`
	Level      string `json:"level"`
}

// Version is a policy with the business date from which it holds, until the next
// one does.
type Version struct {
	From    domain.Date
	Version int
	Policy  *Policy
}

// On returns the version in force on a date; versions ascend by date. false:
// there is none yet.
func On(versions []Version, d domain.Date) (Version, bool) {
	for _, v := range slices.Backward(versions) {
		if v.From <= d {
			return v, true
		}
	}
	return Version{}, false
}

const (
	maxLevels    = 20
	maxMonths    = 120
	maxGraceDays = 366
	maxExamples  = 1000
)

// Validate says what is wrong with the policy, field by field.
func (p Policy) Validate() error {
	var e domain.Problems
	e.Required("/policy/name", p.Name, 100)
	choice(&e, "/policy/measure", p.Measure, Measures...)
	ladder := p.checkLevels(&e)
	choice(&e, "/policy/window/kind", p.Window.Kind, Rolling, CalendarYear, Lifetime)
	months(&e, "/policy/window/months", p.Window.Months, p.Window.Kind, Rolling)
	choice(&e, "/policy/validity/kind", p.Validity.Kind, Months, EndOfYear, EndOfNextYear, Unlimited)
	months(&e, "/policy/validity/months", p.Validity.Months, p.Validity.Kind, Months)
	choice(&e, "/policy/downgrade", p.Downgrade, OneDown, ToBalance)
	if p.GraceDays < 0 || p.GraceDays > maxGraceDays {
		e.Add("/policy/grace_days", "must be between 0 and %d", maxGraceDays)
	}
	e.OneOf("/policy/on_refund", p.OnRefund, AtOnce, AtEnd)
	if len(p.Examples) > maxExamples {
		e.Add("/policy/examples", "must have at most %d entries", maxExamples)
	} else if ladder {
		for i, x := range p.Examples {
			if is := p.Of(x.Qualifying); is != x.Level {
				e.Add("/policy/examples/"+strconv.Itoa(i), "%d is %s by this ladder", x.Qualifying, is)
			}
		}
	}
	return e.Err()
}

// checkLevels notes what is wrong with the levels; false: they are no ladder.
func (p Policy) checkLevels(e *domain.Problems) bool {
	if len(p.Levels) == 0 || len(p.Levels) > maxLevels {
		e.Add("/policy/levels", "must have 1 to %d entries", maxLevels)
		return false
	}
	right := true
	wrong := func(pointer, format string, args ...any) {
		e.Add(pointer, format, args...)
		right = false
	}
	for i, l := range p.Levels {
		at := "/policy/levels/" + strconv.Itoa(i)
		switch same := func(other Level) bool { return other.ID == l.ID }; {
		case l.ID == "" || len(l.ID) > 64 || strings.Trim(l.ID, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
			wrong(at+"/id", "must have 1 to 64 lower-case letters, digits or underscores")
		case slices.ContainsFunc(p.Levels[:i], same):
			wrong(at+"/id", "is listed twice")
		}
		e.Required(at+"/name", l.Name, 100)
		switch {
		case i == 0 && l.From != 0:
			wrong(at+"/from", "must be 0: every member has the first level")
		case i > 0 && l.From <= p.Levels[i-1].From:
			wrong(at+"/from", "must be more than that of the level below")
		case l.From > domain.MaxAmountMinor:
			wrong(at+"/from", "must be at most %d", int64(domain.MaxAmountMinor))
		}
	}
	return right
}

// choice notes that a text is none of those allowed.
func choice(e *domain.Problems, pointer, text string, allowed ...string) {
	if text == "" {
		e.Add(pointer, "is required")
		return
	}
	e.OneOf(pointer, text, allowed...)
}

// months notes what is wrong with a number of months that goes with one kind only.
func months(e *domain.Problems, pointer string, n int, kind, with string) {
	switch {
	case kind == with && (n < 1 || n > maxMonths):
		e.Add(pointer, "must be between 1 and %d", maxMonths)
	case kind != with && n != 0:
		e.Add(pointer, "goes with the kind %s only", with)
	}
}
