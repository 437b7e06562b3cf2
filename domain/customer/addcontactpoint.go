package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
)

// AddContactPoint says how the customer can be reached. An e-mail address and a
// phone number belong to one customer only, unless the policy of contacts lets
// them be shared.
type AddContactPoint struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`
	NewContactPoint

	AddedAt *time.Time `json:"added_at,omitempty"` // now if absent

	claims []reservation.Claim
}

// Stream implements domain.Command.
func (c AddContactPoint) Stream() string { return Stream(c.Customer) }

// Names returns the name that is looked up, and reserved if it must be the customer's alone.
func (c AddContactPoint) Names() []reservation.Name {
	return []reservation.Name{c.name(c.Known, c.Today())}
}

// NamedAt is the field that gives the name.
func (c AddContactPoint) NamedAt(int) string { return c.field() }

// WithClaims returns the command with the claim on its name.
func (c AddContactPoint) WithClaims(claims []reservation.Claim) domain.Command[State, Event] {
	c.claims = claims
	return c
}

// Uses returns the policy that says which contact points may be shared.
func (c AddContactPoint) Uses() []domain.PolicyRef {
	return policyRefs(c.Known, c.Today(), policy.KindContact)
}

// Refuses lists the refusals that are the command's own.
func (AddContactPoint) Refuses() []*domain.Error {
	return []*domain.Error{
		ErrNotFound, ErrEmailTaken, ErrPhoneTaken, ErrContactPointExists, ErrContactPointUnverified, ErrTooManyContactPoints,
	}
}

// Decide implements domain.Command. A contact point that the customer has
// already is nothing to do.
func (c AddContactPoint) Decide(s State) ([]Event, error) {
	var p domain.Problems
	normalized := c.check(&p, "")
	at := c.At(&p, "/added_at", c.AddedAt, s.Since, "the customer")
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
	events := c.added(&p, "", normalized, claim, c.Subject, at)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if id := events[0].(ContactPointAdded).ContactPointID; s.Point(id) != nil {
		return nil, ErrContactPointExists.With("the id %q is that of another contact point; choose another, or remove that one first", id)
	}
	if len(s.ContactPoints) >= maxContactPoints {
		return nil, ErrTooManyContactPoints.With("the customer has %d contact points already; remove-contact-point makes room", maxContactPoints)
	}
	if c.Primary {
		first, err := c.primary("", c.Known, c.Subject, events, s.PrimaryPoint(c.Type))
		if err != nil {
			return nil, err
		}
		events = append(events, first)
	}
	return events, nil
}

// primary returns the event that makes the contact point, which the events
// before add, the primary one of its type instead of another.
func (c NewContactPoint) primary(pointer string, k world.Known, of domain.Subject, events []Event, was *ContactPoint) (Event, error) {
	if c.Verification == nil {
		if p, ok := contactPolicy(k, of.Today()); ok && p.VerifiedPrimary {
			refusal := ErrContactPointUnverified.With("only a verified contact point can be the primary one; send its verification as well, or leave primary out")
			refusal.Fields = []domain.FieldError{{Pointer: pointer + "/primary", Detail: "is for a verified contact point only"}}
			return nil, refusal
		}
	}
	e := ContactPointMadePrimary{
		ContactPointID: events[0].(ContactPointAdded).ContactPointID, Type: c.Type,
		MadePrimaryAt: events[len(events)-1].(domain.Dated).Occurred(),
	}
	if was != nil {
		e.Was = was.ID
		if was.PrimarySince.After(e.MadePrimaryAt) {
			e.MadePrimaryAt = was.PrimarySince
		}
	}
	return e, nil
}

// policyRefs names the versions of kinds of policy that are in force on a date.
func policyRefs(k world.Known, on domain.Date, kinds ...string) (refs []domain.PolicyRef) {
	for _, kind := range kinds {
		if p, ok := k.Policy(kind, on); ok {
			refs = append(refs, p.Ref())
		}
	}
	return refs
}
