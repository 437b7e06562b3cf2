package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// LinkExternalID says under which id another system knows the customer. A
// customer may have several ids, also of one system; an id has one customer.
type LinkExternalID struct {
	domain.Subject `json:"-"`

	System string `json:"system"`
	ID     string `json:"id"`

	claims []reservation.Claim
}

// Stream implements domain.Command.
func (c LinkExternalID) Stream() string { return Stream(c.Customer) }

func (c LinkExternalID) externalID() ExternalID { return ExternalID{c.System, c.ID} }

// Names returns the name that must be the customer's alone.
func (c LinkExternalID) Names() []reservation.Name {
	return []reservation.Name{c.externalID().ReservedName()}
}

// NamedAt is the field that gives the name.
func (LinkExternalID) NamedAt(int) string { return "/id" }

// WithClaims returns the command with the claim on its name.
func (c LinkExternalID) WithClaims(claims []reservation.Claim) domain.Command[State, Event] {
	c.claims = claims
	return c
}

// Refuses lists the refusals that are the command's own.
func (LinkExternalID) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrExternalIDTaken}
}

// Decide implements domain.Command.
func (c LinkExternalID) Decide(s State) ([]Event, error) {
	var p domain.Problems
	c.externalID().check(&p, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	claim := c.claims[0]
	if s.Holds(claim.Kind, claim.Lookup) {
		return nil, nil
	}
	at := c.At(&p, "", nil, s.Since, "the customer")
	return []Event{c.externalID().link(claim, at)}, nil
}
