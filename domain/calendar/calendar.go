// Package calendar is the one stream that says which business days are over.
// What depends on "today" is decided against it, never against a clock.
package calendar

import "github.com/rapport-crm/rapport/domain"

// Stream is the name of the calendar's only stream.
const Stream = "calendar"

// Event is one of the facts of the calendar.
//
//sumtype:decl
type Event interface{ calendarEvent() }

// DayClosed says that a business day is over in the deployment's zone.
type DayClosed struct {
	Date domain.Date `json:"date"`
	Zone string      `json:"zone"` // IANA name
}

func (DayClosed) calendarEvent() {}

// State is the last day closed.
type State struct {
	Any  bool // whether a day was ever closed
	Last domain.Date
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case DayClosed:
		s.Any, s.Last = true, e.Date
	}
	return s
}
