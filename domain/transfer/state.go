package transfer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// What a transfer can be.
const (
	StateProposed   = "proposed"   // the points are on their way
	StateCancelling = "cancelling" // they are on their way back
	StateCompleted  = "completed"
	StateCancelled  = "cancelled"
)

// State is a transfer. The zero value is none.
type State struct {
	TransferID  uuid.UUID    `json:"transfer_id"`
	From        uuid.UUID    `json:"from"` // customers
	To          uuid.UUID    `json:"to"`
	Points      int64        `json:"points"`
	ReasonCode  string       `json:"reason_code,omitempty"`
	State       string       `json:"state" jsonschema:"enum=proposed,enum=cancelling,enum=completed,enum=cancelled"`
	ProposedBy  domain.Actor `json:"proposed_by"`
	ProposedAt  time.Time    `json:"proposed_at"`
	CompletedAt time.Time    `json:"completed_at,omitzero"`
	CancelledAt time.Time    `json:"cancelled_at,omitzero"`
	Code        string       `json:"code,omitempty"`        // why it was cancelled
	CustomerID  uuid.UUID    `json:"customer_id,omitzero"`  // with whom something stood against it
	CancelledBy domain.Actor `json:"cancelled_by,omitzero"` // who wanted it cancelled
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Proposed:
		s = State{
			TransferID: e.TransferID, From: e.From, To: e.To, Points: e.Points, ReasonCode: e.ReasonCode,
			State: StateProposed, ProposedBy: e.ProposedBy, ProposedAt: e.ProposedAt,
		}
	case CancellationRequested:
		s.State, s.CancelledBy = StateCancelling, e.RequestedBy
	case Completed:
		s.State, s.CompletedAt = StateCompleted, e.CompletedAt
	case Cancelled:
		s.State, s.CancelledAt, s.Code, s.CustomerID = StateCancelled, e.CancelledAt, e.Code, e.CustomerID
	}
	return s
}

// Step is what is to be done in the streams of the customers.
type Step int

// The steps.
const (
	Rest    Step = iota // nothing: it has ended
	Deliver             // the points go from the sender to the recipient
	CallOff             // they go back, unless the recipient has them
)

// Next says what the saga is to do.
func (s State) Next() Step {
	switch s.State {
	case StateProposed:
		return Deliver
	case StateCancelling:
		return CallOff
	}
	return Rest
}

// Why a transfer refuses a command.
var (
	ErrNotFound  = &domain.Error{Kind: domain.NotFound, Code: "transfer_not_found"}
	ErrExists    = &domain.Error{Kind: domain.Conflict, Code: "transfer_exists"}
	ErrCompleted = &domain.Error{Kind: domain.Conflict, Code: "transfer_completed"}
	ErrCancelled = &domain.Error{Kind: domain.Conflict, Code: "transfer_cancelled"}
)
