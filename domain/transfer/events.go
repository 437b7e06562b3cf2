// Package transfer is how points go from one member of the loyalty programme to
// another: one stream for each transfer. The points are held with the sender, then
// booked with the recipient, then taken from the sender; or they go back.
//
// A transfer touches the streams of two customers. Its own stream says what is to be
// done in them (State.Next); a saga does it, and may do it again. Whether it takes
// place is decided in the customers' streams, once in each.
package transfer

import (
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
)

// Event is one of the facts of a transfer.
//
//sumtype:decl
type Event interface{ transferEvent() }

// Proposed says who shall have points of whom.
type Proposed struct {
	TransferID uuid.UUID    `json:"transfer_id"`
	From       uuid.UUID    `json:"from"` // customers
	To         uuid.UUID    `json:"to"`
	Points     int64        `json:"points"`
	ReasonCode string       `json:"reason_code,omitempty"`
	ProposedBy domain.Actor `json:"proposed_by"`
	ProposedAt time.Time    `json:"proposed_at"`
}

// CancellationRequested says that the transfer shall not take place, unless the
// recipient has the points already.
type CancellationRequested struct {
	TransferID  uuid.UUID    `json:"transfer_id"`
	RequestedBy domain.Actor `json:"requested_by"`
	RequestedAt time.Time    `json:"requested_at"`
}

// Completed says that the points are the recipient's.
type Completed struct {
	TransferID  uuid.UUID `json:"transfer_id"`
	CompletedAt time.Time `json:"completed_at"`
}

// Cancelled says that the points are the sender's, as before.
type Cancelled struct {
	TransferID  uuid.UUID `json:"transfer_id"`
	Code        string    `json:"code"`                 // of what stood against it; customer.TransferCalledOff where somebody cancelled it
	CustomerID  uuid.UUID `json:"customer_id,omitzero"` // with whom it stood against it
	CancelledAt time.Time `json:"cancelled_at"`
}

func (Proposed) transferEvent()              {}
func (CancellationRequested) transferEvent() {}
func (Completed) transferEvent()             {}
func (Cancelled) transferEvent()             {}

// Occurred implements domain.Dated.
func (e Proposed) Occurred() time.Time              { return e.ProposedAt }
func (e CancellationRequested) Occurred() time.Time { return e.RequestedAt }
func (e Completed) Occurred() time.Time             { return e.CompletedAt }
func (e Cancelled) Occurred() time.Time             { return e.CancelledAt }

// Stream names the stream of a transfer.
func Stream(id uuid.UUID) string { return "transfer-" + id.String() }

// Of returns which transfer an event is about.
func Of(e Event) uuid.UUID {
	switch e := e.(type) {
	case Proposed:
		return e.TransferID
	case CancellationRequested:
		return e.TransferID
	case Completed:
		return e.TransferID
	case Cancelled:
		return e.TransferID
	}
	return uuid.Nil
}
