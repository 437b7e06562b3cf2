package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
)

// VerifyContactPoint says that the customer was shown to be reached there. A
// contact point that was found invalid before is valid again.
type VerifyContactPoint struct {
	domain.Subject `json:"-"`

	ContactPointID string     `json:"contact_point_id"`
	Method         string     `json:"method,omitempty" jsonschema:"enum=code,enum=link,enum=call,enum=document,enum=in_person,enum=other"`
	Evidence       string     `json:"evidence,omitempty"`
	VerifiedAt     *time.Time `json:"verified_at,omitempty"` // now if absent
}

// Stream implements domain.Command.
func (c VerifyContactPoint) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (VerifyContactPoint) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrContactPointNotFound}
}

// Decide implements domain.Command. A valid contact point that was verified
// already is nothing to do.
func (c VerifyContactPoint) Decide(s State) ([]Event, error) {
	var p domain.Problems
	Verification{Method: c.Method, Evidence: c.Evidence}.check(&p, "")
	point, err := s.point(c.Subject, &p, c.ContactPointID)
	if err != nil {
		return nil, err
	}
	at := c.At(&p, "/verified_at", c.VerifiedAt, point.AddedAt, "the contact point was added")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if !point.VerifiedAt.IsZero() && (!point.Invalid || at.Before(point.InvalidSince)) {
		return nil, nil
	}
	return []Event{ContactPointVerified{
		ContactPointID: point.ID, Type: point.Type, Method: c.Method, Evidence: c.Evidence, VerifiedAt: at,
	}}, nil
}
