// Package handover is how customers go from one employee to another, with
// everything that is open about them: one stream for each handover. The dossier
// lists what is open; the successor acknowledges it item by item, and until that
// is done the handover does not complete.
//
// A handover touches many customers' streams. Its own stream says what is to be
// done in them (State.Next); a saga does it, and may do it again.
package handover

import (
	"time"

	"github.com/google/uuid"
)

// Event is one of the facts of a handover.
//
//sumtype:decl
type Event interface{ handoverEvent() }

// Requested says who shall hand over which customers to whom, and what is open
// about them.
type Requested struct {
	HandoverID  uuid.UUID `json:"handover_id"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	Reason      string    `json:"reason"`       // one of Reasons
	Customers   []Dossier `json:"customers"`    // by id
	DossierHash string    `json:"dossier_hash"` // SHA-256 of Customers as canonical JSON (RFC 8785)
	Position    uint64    `json:"position"`     // of the last event that the dossier knows
	RequestedAt time.Time `json:"requested_at"`
}

// Dossier is what is open about one customer. The names of its members ascend:
// so its JSON is canonical.
type Dossier struct {
	CustomerID uuid.UUID `json:"customer_id"`
	Items      []Item    `json:"items,omitempty"`
}

// Item is something open that the successor must know of.
type Item struct {
	Due  time.Time `json:"due,omitzero"` // when it falls due, if it does
	ID   uuid.UUID `json:"id"`           // the same whenever the same thing is open about the customer
	Kind string    `json:"kind"`
	Ref  string    `json:"ref"` // what it is: a level, an id, a purpose and channel; never personal data
}

// Opened says that every customer is kept for the handover.
type Opened struct {
	HandoverID uuid.UUID `json:"handover_id"`
}

// Failed says that a customer could not be kept, and so none is handed over.
type Failed struct {
	HandoverID uuid.UUID `json:"handover_id"`
	CustomerID uuid.UUID `json:"customer_id"`
	Code       string    `json:"code"`             // of the refusal
	Holder     string    `json:"holder,omitempty"` // who or what stood against it
}

// ItemsAcknowledged says what of the dossier the successor has seen.
type ItemsAcknowledged struct {
	HandoverID uuid.UUID   `json:"handover_id"`
	Items      []uuid.UUID `json:"items"`
}

// Accepted says that the successor takes the customers.
type Accepted struct {
	HandoverID        uuid.UUID   `json:"handover_id"`
	AcknowledgedItems []uuid.UUID `json:"acknowledged_items,omitempty"` // those acknowledged with it
	AcceptedAt        time.Time   `json:"accepted_at"`
}

// Rejected says that the successor does not take the customers.
type Rejected struct {
	HandoverID uuid.UUID `json:"handover_id"`
	Reason     string    `json:"reason"` // one of Rejections
	RejectedAt time.Time `json:"rejected_at"`
}

// CompletionStarted says that from here on the customers become the successor's.
type CompletionStarted struct {
	HandoverID uuid.UUID   `json:"handover_id"`
	Resolved   []uuid.UUID `json:"resolved,omitempty"` // items nobody acknowledged that are open no more
}

// Completed says that every customer is the successor's.
type Completed struct {
	HandoverID  uuid.UUID   `json:"handover_id"`
	Left        []uuid.UUID `json:"left,omitempty"` // customers who were erased meanwhile
	CompletedAt time.Time   `json:"completed_at"`
}

// Closed says that every customer is free again of a handover that was rejected
// or failed.
type Closed struct {
	HandoverID uuid.UUID `json:"handover_id"`
}

func (Requested) handoverEvent()         {}
func (Opened) handoverEvent()            {}
func (Failed) handoverEvent()            {}
func (ItemsAcknowledged) handoverEvent() {}
func (Accepted) handoverEvent()          {}
func (Rejected) handoverEvent()          {}
func (CompletionStarted) handoverEvent() {}
func (Completed) handoverEvent()         {}
func (Closed) handoverEvent()            {}

// Occurred implements domain.Dated.
func (e Requested) Occurred() time.Time { return e.RequestedAt }
func (e Accepted) Occurred() time.Time  { return e.AcceptedAt }
func (e Rejected) Occurred() time.Time  { return e.RejectedAt }
func (e Completed) Occurred() time.Time { return e.CompletedAt }

// Stream names the stream of a handover.
func Stream(id uuid.UUID) string { return "handover-" + id.String() }

// Reasons why customers are handed over.
var Reasons = []string{"leaver", "absence", "reorganisation", "workload", "other"}

// Rejections are the reasons why a successor does not take them.
var Rejections = []string{"workload", "not_suitable", "dossier_incomplete", "other"}

// Of returns which handover an event is about.
func Of(e Event) uuid.UUID {
	switch e := e.(type) {
	case Requested:
		return e.HandoverID
	case Opened:
		return e.HandoverID
	case Failed:
		return e.HandoverID
	case ItemsAcknowledged:
		return e.HandoverID
	case Accepted:
		return e.HandoverID
	case Rejected:
		return e.HandoverID
	case CompletionStarted:
		return e.HandoverID
	case Completed:
		return e.HandoverID
	case Closed:
		return e.HandoverID
	}
	return uuid.Nil
}
