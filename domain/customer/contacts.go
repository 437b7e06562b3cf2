package customer

import (
	"slices"
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// Contacts is where a customer is reached, and under which ids other systems
// know them.
type Contacts struct {
	ContactPoints []ContactPoint `json:"contact_points,omitempty"` // in the order they were added
	ExternalIDs   []LinkedID     `json:"external_ids,omitempty"`   // in the order they were linked
}

// ContactPoint is one way to reach a customer.
type ContactPoint struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Value        string         `json:"value,omitempty"`      // as it was given
	Normalized   string         `json:"normalized,omitempty"` // as it is compared, where that differs
	Address      *PostalAddress `json:"address,omitempty"`    // of the type post
	Label        string         `json:"label,omitempty"`
	VerifiedAt   time.Time      `json:"verified_at,omitzero"` // the last time
	Primary      bool           `json:"primary"`
	PrimarySince time.Time      `json:"primary_since,omitzero"`
	Invalid      bool           `json:"invalid"`
	InvalidSince time.Time      `json:"invalid_since,omitzero"`
	BounceCode   string         `json:"bounce_code,omitempty"`
	AddedAt      time.Time      `json:"added_at"`
	Lookup       string         `json:"lookup"` // the keyed hash that finds it
}

// LinkedID is an id of a customer in another system.
type LinkedID struct {
	System   string    `json:"system"`
	ID       string    `json:"id,omitempty"`
	Lookup   string    `json:"lookup"` // the keyed hash that finds it
	LinkedAt time.Time `json:"linked_at,omitzero"`
}

// Reached returns what is compared: the normalised value.
func (c ContactPoint) Reached() string {
	if c.Normalized != "" {
		return c.Normalized
	}
	return c.Value
}

// Point returns the contact point with an id, nil if there is none.
func (c *Contacts) Point(id string) *ContactPoint {
	for i := range c.ContactPoints {
		if c.ContactPoints[i].ID == id {
			return &c.ContactPoints[i]
		}
	}
	return nil
}

// PrimaryPoint returns the primary contact point of a type, nil if there is none.
func (c *Contacts) PrimaryPoint(kind string) *ContactPoint {
	for i := range c.ContactPoints {
		if p := &c.ContactPoints[i]; p.Type == kind && p.Primary {
			return p
		}
	}
	return nil
}

// First returns the contact point that a channel uses: of the valid ones the primary
// one, else the first that was verified, else the first. Nil if there is none.
func (c *Contacts) First(channel string) (first *ContactPoint) {
	rank := func(p *ContactPoint) int {
		switch {
		case p.Primary:
			return 2
		case !p.VerifiedAt.IsZero():
			return 1
		}
		return 0
	}
	for i := range c.ContactPoints {
		p := &c.ContactPoints[i]
		if !p.Invalid && slices.Contains(channelsOf(p.Type), channel) && (first == nil || rank(p) > rank(first)) {
			first = p
		}
	}
	return first
}

// Fold brings the contacts up to date with an event.
func (c *Contacts) Fold(r Record) {
	switch e := r.Event.(type) {
	case ContactPointAdded:
		if c.Point(e.ContactPointID) == nil {
			c.ContactPoints = append(c.ContactPoints, ContactPoint{
				ID: e.ContactPointID, Type: e.Type, Value: e.Value, Normalized: e.Normalized, Address: e.Address, Label: e.Label,
				AddedAt: e.AddedAt, Lookup: e.Lookup,
			})
		}
	case ContactPointVerified:
		if p := c.Point(e.ContactPointID); p != nil {
			p.verified(e)
		}
	case ContactPointMadePrimary:
		if p := c.Point(e.ContactPointID); p != nil {
			if was := c.PrimaryPoint(p.Type); was != nil {
				was.Primary, was.PrimarySince = false, time.Time{}
			}
			p.Primary, p.PrimarySince = true, e.MadePrimaryAt
		}
	case ContactPointInvalidated:
		if p := c.Point(e.ContactPointID); p != nil {
			p.Primary, p.PrimarySince = false, time.Time{}
			p.Invalid, p.InvalidSince, p.BounceCode = true, e.InvalidatedAt, e.BounceCode
		}
	case ContactPointRemoved:
		c.ContactPoints = slices.DeleteFunc(c.ContactPoints, func(p ContactPoint) bool { return p.ID == e.ContactPointID })
		if len(c.ContactPoints) == 0 {
			c.ContactPoints = nil
		}
	case ExternalIDLinked:
		if !slices.ContainsFunc(c.ExternalIDs, func(x LinkedID) bool { return x.Lookup == e.Lookup }) {
			c.ExternalIDs = append(c.ExternalIDs, LinkedID{e.System, e.ID, e.Lookup, e.LinkedAt})
		}
	case ExternalIDUnlinked:
		c.ExternalIDs = slices.DeleteFunc(c.ExternalIDs, func(x LinkedID) bool { return x.Lookup == e.Lookup })
		if len(c.ExternalIDs) == 0 {
			c.ExternalIDs = nil
		}
	case PersonalDataErased:
		*c = Contacts{}
	}
}

// verified brings the contact point up to date: it is valid again if it was
// found invalid before.
func (c *ContactPoint) verified(e ContactPointVerified) {
	if e.VerifiedAt.After(c.VerifiedAt) {
		c.VerifiedAt = e.VerifiedAt
	}
	if c.Invalid && !e.VerifiedAt.Before(c.InvalidSince) {
		c.Invalid, c.InvalidSince, c.BounceCode = false, time.Time{}, ""
	}
}

// settled is the last thing known to have happened to the contact point: nothing that
// refers to it happens before.
func (c ContactPoint) settled() time.Time {
	last := c.AddedAt
	for _, t := range []time.Time{c.VerifiedAt, c.PrimarySince, c.InvalidSince} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// foldNames brings the names up to date that the customer holds. An erasure
// leaves them: they must be released after it.
func (s *State) foldNames(e Event) {
	var name reservation.Claim
	switch e := e.(type) {
	case ContactPointAdded:
		name = reservation.Claim{Kind: e.Type, Lookup: e.Lookup, ID: e.Claim}
	case ExternalIDLinked:
		name = reservation.Claim{Kind: reservation.KindExternalID, Lookup: e.Lookup, ID: e.Claim}
	case CouponIssued:
		if e.Lookup == "" {
			return
		}
		name = reservation.Claim{Kind: reservation.KindCouponCode, Lookup: e.Lookup, ID: e.Claim}
	case interface {
		Frees() (reservation.Claim, bool)
	}:
		freed, reserved := e.Frees()
		s.names = slices.DeleteFunc(s.names, func(n reservation.Claim) bool { return n.Kind == freed.Kind && n.Lookup == freed.Lookup })
		if reserved {
			s.freed = append(s.freed, freed.ID)
		}
		return
	default:
		return
	}
	if !s.Holds(name.Kind, name.Lookup) {
		s.names = append(s.names, name)
	}
}

// Names returns the names that the customer holds, or held when their personal
// data was erased: what must be released then. The ID is that of the claim,
// empty where several customers may have the name.
func (s State) Names() []reservation.Claim { return slices.Clone(s.names) }

// Holds says whether the customer has confirmed a name.
func (s State) Holds(kind, lookup string) bool {
	return slices.ContainsFunc(s.names, func(n reservation.Claim) bool { return n.Kind == kind && n.Lookup == lookup })
}

// claimOf returns the claim by which the customer holds a name.
func (s State) claimOf(kind, lookup string) string {
	for _, n := range s.names {
		if n.Kind == kind && n.Lookup == lookup {
			return n.ID
		}
	}
	return ""
}

// Spent says whether a claim of the customer cannot be confirmed any more: it lapsed
// and was given away, or the name was given back.
func (s State) Spent(claim string) bool { return s.Abandoned(claim) || slices.Contains(s.freed, claim) }

// point finds the contact point that a command is about.
func (s State) point(of domain.Subject, p *domain.Problems, id string) (*ContactPoint, error) {
	p.Required("/contact_point_id", id, maxID)
	if err := p.Err(); err != nil {
		return nil, err
	}
	if err := s.exists(of); err != nil {
		return nil, err
	}
	if c := s.Point(id); c != nil {
		return c, nil
	}
	return nil, ErrContactPointNotFound.With("the customer has no contact point %q; GET /v1/customers/%s lists them", id, of.Customer)
}
