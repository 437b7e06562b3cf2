package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// AbandonClaim tells a customer that a claim of theirs is given to somebody else:
// it lapsed before it was confirmed, or they gave the name back and nobody said
// so beside the name. It is the write side's own command: appended before the
// name changes hands, it makes a sleeping confirmation stale, so that it decides again.
type AbandonClaim struct {
	domain.Subject `json:"-"`
	reservation.Claim
	Lapsed bool // the time to confirm is over
}

// Stream implements domain.Command.
func (c AbandonClaim) Stream() string { return Stream(c.Customer) }

// WhileRestricted implements domain.WhileRestricted: the name is given to
// somebody else, and nothing of the customer's is used for that.
func (AbandonClaim) WhileRestricted() {}

// Decide implements domain.Command. A claim that was confirmed, or may still be,
// is refused: the name is the customer's.
func (c AbandonClaim) Decide(s State) ([]Event, error) {
	switch {
	case s.Holds(c.Kind, c.Lookup), !c.Lapsed && !s.Spent(c.ID):
		return nil, reservation.Taken(c.Kind, c.Customer)
	case s.Abandoned(c.ID):
		return nil, nil
	}
	return []Event{ClaimAbandoned{Kind: c.Kind, Lookup: c.Lookup, Claim: c.ID}}, nil
}
