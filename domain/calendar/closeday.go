package calendar

import (
	"github.com/rapport-crm/rapport/domain"
)

// CloseDay closes a business day, and every day between the last closed one and
// it, in order. The first day ever closed may be any.
type CloseDay struct {
	domain.Subject `json:"-"`

	Date domain.Date `json:"date"`
}

// Most is how many days one append closes. A caller that closes more repeats
// the command until nothing is left to do.
const Most = 1000

// Why the calendar refuses to close a day.
var (
	ErrClosed  = &domain.Error{Kind: domain.Conflict, Code: "day_closed"}
	ErrNotOver = &domain.Error{Kind: domain.Conflict, Code: "day_not_over"}
)

// Stream implements domain.Command.
func (c CloseDay) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (CloseDay) Refuses() []*domain.Error { return []*domain.Error{ErrClosed, ErrNotOver} }

// Decide implements domain.Command.
func (c CloseDay) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if c.Date < first || c.Date > last {
		p.Add("/date", "must lie between %s and %s", first, last)
		return nil, p.Err()
	}
	zone := "UTC"
	if c.Zone != nil {
		zone = c.Zone.String()
	}
	switch {
	case c.Wall && c.Date >= c.Today():
		return nil, ErrNotOver.With("%s is not over in %s", c.Date, zone)
	case !s.Any:
		return []Event{DayClosed{c.Date, zone}}, nil
	case c.Date < s.Last:
		return nil, ErrClosed.With("%s is closed; the last day closed is %s", c.Date, s.Last)
	}
	var events []Event
	for d := s.Last + 1; d <= c.Date && len(events) < Most; d++ {
		events = append(events, DayClosed{d, zone})
	}
	return events, nil
}

// The days that can be closed: others are mistakes.
var first, last = domain.NewDate(1900, 1, 1), domain.NewDate(2200, 1, 1)
