package calendar_test

import (
	"testing"
	"time"

	"github.com/rapport-crm/rapport/domain"
	. "github.com/rapport-crm/rapport/domain/calendar"
	"github.com/rapport-crm/rapport/domain/domaintest"
)

func TestCloseDay(t *testing.T) {
	day := domain.NewDate(1998, 6, 30)
	closed := func(d domain.Date) DayClosed { return DayClosed{d, "UTC"} }
	wall := domain.Subject{Now: time.Date(1998, 7, 1, 12, 0, 0, 0, time.UTC), Wall: true}
	thousand := make([]Event, Most)
	for i := range thousand {
		thousand[i] = closed(day + 1 + domain.Date(i))
	}
	domaintest.Run(t, []domaintest.Spec[State, Event]{{
		Name: "the first day may be any",
		When: CloseDay{Date: day},
		Then: []Event{closed(day)},
	}, {
		Name:  "every day between is closed in order",
		Given: []Event{closed(day)},
		When:  CloseDay{Date: day + 3},
		Then:  []Event{closed(day + 1), closed(day + 2), closed(day + 3)},
	}, {
		Name:  "many days are closed a part at a time",
		Given: []Event{closed(day)},
		When:  CloseDay{Date: day + 5000},
		Then:  thousand,
	}, {
		Name:  "the last day again is nothing to do",
		Given: []Event{closed(day)},
		When:  CloseDay{Date: day},
	}, {
		Name:  "an earlier day",
		Given: []Event{closed(day)},
		When:  CloseDay{Date: day - 1},
		Error: ErrClosed,
	}, {
		Name: "by the clock, yesterday is over",
		When: CloseDay{Subject: wall, Date: day},
		Then: []Event{closed(day)},
	}, {
		Name:  "by the clock, today is not",
		When:  CloseDay{Subject: wall, Date: day + 1},
		Error: ErrNotOver,
	}, {
		Name:  "a day of no calendar of ours",
		When:  CloseDay{Date: domain.NewDate(1899, 12, 31)},
		Error: domain.ErrValidation, Fields: []string{"/date"},
	}})
}
