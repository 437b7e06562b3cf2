package operations_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/domaintest"
	. "github.com/rapport-crm/rapport/domain/operations"
)

func TestParkEvent(t *testing.T) {
	id := uuid.MustParse("018e4a7e-5b1c-7c3a-9d2f-000000000001")
	domaintest.Run(t, []domaintest.Spec[State, Event]{{
		Name: "an event is parked",
		When: ParkEvent{EventID: id, Position: 7, Reason: "it does not decode"},
		Then: []Event{EventParked{id, 7, "it does not decode"}},
	}, {
		Name:  "once",
		Given: []Event{EventParked{id, 7, "it does not decode"}},
		When:  ParkEvent{EventID: id, Position: 7, Reason: "really"},
	}, {
		Name:  "no event, no position, no reason",
		When:  ParkEvent{},
		Error: domain.ErrValidation, Fields: []string{"/event_id", "/position", "/reason"},
	}})
}
