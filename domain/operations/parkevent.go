package operations

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// ParkEvent makes the projections pass over one event that cannot be applied.
type ParkEvent struct {
	domain.Subject `json:"-"`

	EventID  uuid.UUID `json:"event_id"`
	Position uint64    `json:"position"`
	Reason   string    `json:"reason"`
}

// Stream implements domain.Command.
func (c ParkEvent) Stream() string { return Stream }

// Refuses lists the refusals that are the command's own.
func (ParkEvent) Refuses() []*domain.Error { return nil }

// Decide implements domain.Command. An event that is parked stays parked.
func (c ParkEvent) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if c.EventID == uuid.Nil {
		p.Add("/event_id", "is required")
	}
	if c.Position == 0 {
		p.Add("/position", "must be positive")
	}
	p.Required("/reason", c.Reason, 2000)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if _, parked := s.Parked[c.EventID]; parked {
		return nil, nil
	}
	return []Event{EventParked{EventID: c.EventID, Position: c.Position, Reason: c.Reason}}, nil
}
