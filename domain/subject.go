package domain

import (
	"time"

	"github.com/google/uuid"
)

// Subject is what the write side tells a command beside its body: whom it is
// about and what time it is. Commands embed it.
type Subject struct {
	Customer uuid.UUID      // zero for commands of no customer
	Actor    Actor          // who gives the command
	Now      time.Time      // business now
	Latest   time.Time      // no fact may be dated later; zero: nothing counts as future
	Zone     *time.Location // the business time zone; nil: UTC
	Wall     bool           // days are closed by the clock
	// KnowsZone says whether an IANA time zone exists; nil takes every name.
	KnowsZone func(string) bool
}

// SetSubject replaces what the command knows beside its body.
func (s *Subject) SetSubject(v Subject) { *s = v }

// About returns what the command knows beside its body.
func (s Subject) About() Subject { return s }

// Today returns the current business date.
func (s Subject) Today() Date { return s.DateOf(s.Now) }

// DateOf returns the business date of t.
func (s Subject) DateOf(t time.Time) Date {
	if s.Zone == nil {
		return DateOf(t, time.UTC)
	}
	return DateOf(t, s.Zone)
}

// earliest is the first instant a fact may be dated: older ones are mistakes.
var earliest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// At returns the instant at which a fact happened: the one given, or now if
// none is given, but not before `after`. It notes in p a given instant that
// lies in the future, or before after, which is what is said of it.
func (s Subject) At(p *Problems, pointer string, given *time.Time, after time.Time, what string) time.Time {
	if given == nil {
		if s.Now.Before(after) {
			return after.UTC()
		}
		return s.Now.UTC()
	}
	switch t := *given; {
	case t.Before(earliest):
		p.Add(pointer, "must not be before 1900")
	case !s.Latest.IsZero() && t.After(s.Latest):
		p.Add(pointer, "lies in the future: business time is %s", s.Now.Format(time.RFC3339))
	case t.Before(after):
		p.Add(pointer, "must not be before %s at %s", what, after.Format(time.RFC3339Nano))
	}
	return given.UTC()
}
