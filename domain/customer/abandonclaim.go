package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// AbandonClaim tells a customer that a claim of theirs lapsed before it was
// confirmed and is given to somebody else. It is the write side's own command:
// appended before the name changes hands, it makes a sleeping confirmation
// stale, so that it decides again.
type AbandonClaim struct {
	domain.Subject `json:"-"`
	reservation.Claim
}

// Stream implements domain.Command.
func (c AbandonClaim) Stream() string { return Stream(c.Customer) }

// Decide implements domain.Command. A claim that was confirmed is refused: the
// name is the customer's.
func (c AbandonClaim) Decide(s State) ([]Event, error) {
	if s.Holds(c.Kind, c.Lookup) {
		return nil, reservation.Taken(c.Kind, c.Customer)
	}
	if s.Abandoned(c.ID) {
		return nil, nil
	}
	return []Event{ClaimAbandoned{Kind: c.Kind, Lookup: c.Lookup, Claim: c.ID}}, nil
}
