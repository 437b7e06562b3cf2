// Package operations is the stream of what operators did to the machinery.
package operations

import "github.com/google/uuid"

// Stream is the name of the only stream.
const Stream = "operations"

// Event is one of the facts of the operations stream.
//
//sumtype:decl
type Event interface{ operationsEvent() }

// EventParked says that the projections pass over one event that cannot be
// applied. A rebuild passes over it as well.
type EventParked struct {
	EventID  uuid.UUID `json:"event_id"`
	Position uint64    `json:"position"`
	Reason   string    `json:"reason"`
}

func (EventParked) operationsEvent() {}

// State is the set of parked events.
type State struct{ Parked map[uuid.UUID]EventParked }

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case EventParked:
		if s.Parked == nil {
			s.Parked = map[uuid.UUID]EventParked{}
		}
		s.Parked[e.EventID] = e
	}
	return s
}
