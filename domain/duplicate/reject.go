package duplicate

import (
	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/customer"
)

// Reject says that two customers are not one. They are not proposed again,
// whatever they come to share later.
type Reject struct {
	domain.Subject `json:"-"`

	A      uuid.UUID `json:"a"`
	B      uuid.UUID `json:"b"`
	Reason string    `json:"reason,omitempty" jsonschema:"enum=verified,enum=household,enum=namesake,enum=shared_contact,enum=other"`

	parties [2]Party
}

// Party is what a command about a pair knows of one of the two.
type Party struct {
	Registered bool
	Rights     customer.Rights
}

// Pair is the two customers that the command is about.
func (c Reject) Pair() Pair { return PairOf(c.A, c.B) }

// SetParties tells the command of the two customers, in the order of Pair.
func (c *Reject) SetParties(a, b Party) { c.parties = [2]Party{a, b} }

// Stream implements domain.Command.
func (c Reject) Stream() string { return c.Pair().Stream() }

// Refuses lists the refusals that are the command's own.
func (Reject) Refuses() []*domain.Error {
	return []*domain.Error{customer.ErrNotFound, customer.ErrErased, customer.ErrRestricted}
}

// Decide implements domain.Command. Each of the two must take commands at all.
func (c Reject) Decide(s State) ([]Event, error) {
	var p domain.Problems
	if c.A == uuid.Nil {
		p.Add("/a", "is required")
	}
	switch c.B {
	case uuid.Nil:
		p.Add("/b", "is required")
	case c.A:
		p.Add("/b", "is the same customer as a")
	}
	p.OneOf("/reason", c.Reason, Reasons...)
	if err := p.Err(); err != nil {
		return nil, err
	}
	pair := c.Pair()
	for i, id := range []uuid.UUID{pair.A, pair.B} {
		party := c.parties[i]
		if err := party.Rights.Admit(c); err != nil {
			return nil, err
		}
		if !party.Registered {
			return nil, customer.ErrNotFound.With("no customer has the id %s", id)
		}
	}
	if s.Verdict == NotDuplicate {
		return nil, nil
	}
	return []Event{Rejected{A: pair.A, B: pair.B, Verdict: NotDuplicate, Reason: c.Reason}}, nil
}
