package reservation

import "github.com/google/uuid"

// Release gives a name back, if the customer has it.
type Release struct {
	Claim    // an ID: only if the customer has the name by that claim
	Customer uuid.UUID
	// Lasting says, where an earlier holder objected to being contacted, that this customer
	// objects still: then the objection stays with the name.
	Lasting bool
}

// Stream implements domain.Command.
func (c Release) Stream() string { return Stream(c.Kind, c.Lookup) }

// Decide implements domain.Command. With Objected, the objection is kept also if
// the customer does not hold the name, as of one that several may have.
func (c Release) Decide(s State) ([]Event, error) {
	holds := s.Held && s.Customer == c.Customer && (c.ID == "" || c.ID == s.Claim)
	if !holds && (!c.Objected || s.Objected) {
		return nil, nil
	}
	return []Event{Released{Customer: c.Customer, Objected: c.Objected || s.Objected && c.Lasting}}, nil
}
