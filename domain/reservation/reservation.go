// Package reservation is the set of names that may belong to one customer only:
// one stream for each name, whose own name is a keyed hash of it. The customer's
// stream is the confirmation; a claim that was never confirmed lapses. A stream
// is never deleted: a name that is free again is released by an event.
package reservation

import (
	"time"

	"github.com/google/uuid"
)

// Event is one of the facts of a reserved name.
//
//sumtype:decl
type Event interface{ reservationEvent() }

// Claimed says who asked for the name, and until when the claim stands without
// a confirmation in the customer's own stream.
type Claimed struct {
	Claim    string    `json:"claim"`
	Customer uuid.UUID `json:"customer"`
	Until    time.Time `json:"until"`
}

// Released says that a customer does not have the name any more: it is free, unless
// somebody else holds it. Of a name that several may have it says nothing but
// the objection.
type Released struct {
	Customer uuid.UUID `json:"customer"`
	// Objected says that the customer objected to being contacted and was erased:
	// whoever comes with the name again is bound by it.
	Objected bool `json:"objected,omitempty"`
}

func (Claimed) reservationEvent()  {}
func (Released) reservationEvent() {}

// Kinds of reserved names.
const (
	KindExternalID = "external_id"
	KindEmail      = "email"
	KindPhone      = "phone"
	KindCouponCode = "coupon_code" // of one coupon of one customer
)

// Stream names the stream of a reserved name.
func Stream(kind, lookup string) string { return "reservation-" + kind + "-" + lookup }

// State is who holds the name; the zero value is a free name.
type State struct {
	Held     bool
	Claim    string
	Customer uuid.UUID
	Until    time.Time
	Objected bool // by an earlier holder who was erased
}

// Evolve returns the state after e.
func (s State) Evolve(e Event) State {
	switch e := e.(type) {
	case Claimed:
		return State{Held: true, Claim: e.Claim, Customer: e.Customer, Until: e.Until, Objected: s.Objected}
	case Released:
		if s.Held && s.Customer != e.Customer {
			s.Objected = s.Objected || e.Objected
			return s
		}
		return State{Objected: e.Objected}
	}
	return s
}
