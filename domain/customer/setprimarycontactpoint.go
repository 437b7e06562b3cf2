package customer

import (
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/world"
)

// SetPrimaryContactPoint says which of the contact points of a type is used
// first. There is one at most of each type.
type SetPrimaryContactPoint struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	ContactPointID string `json:"contact_point_id"`
}

// Stream implements domain.Command.
func (c SetPrimaryContactPoint) Stream() string { return Stream(c.Customer) }

// Uses returns the policy that says whether a primary contact point must be verified.
func (c SetPrimaryContactPoint) Uses() []domain.PolicyRef {
	return policyRefs(c.Known, c.Today(), policy.KindContact)
}

// Refuses lists the refusals that are the command's own.
func (SetPrimaryContactPoint) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrContactPointNotFound, ErrContactPointInvalid, ErrContactPointUnverified}
}

// Decide implements domain.Command. The primary one already is nothing to do.
func (c SetPrimaryContactPoint) Decide(s State) ([]Event, error) {
	var p domain.Problems
	point, err := s.point(c.Subject, &p, c.ContactPointID)
	if err != nil {
		return nil, err
	}
	if point.Primary {
		return nil, nil
	}
	if point.Invalid {
		return nil, ErrContactPointInvalid.With("the contact point is invalid; verify-contact-point makes it valid again")
	}
	if rules, ok := contactPolicy(c.Known, c.Today()); ok && rules.VerifiedPrimary && point.VerifiedAt.IsZero() {
		return nil, ErrContactPointUnverified.With("only a verified contact point can be the primary one; verify-contact-point comes first")
	}
	e := ContactPointMadePrimary{ContactPointID: point.ID, Type: point.Type}
	after := point.settled()
	if was := s.PrimaryPoint(point.Type); was != nil {
		e.Was = was.ID
		if was.PrimarySince.After(after) {
			after = was.PrimarySince
		}
	}
	e.MadePrimaryAt = c.At(&p, "", nil, after, "the contact point")
	return []Event{e}, nil
}
