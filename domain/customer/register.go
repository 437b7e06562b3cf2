package customer

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/attribute"
	"github.com/rapport-crm/rapport/domain/policy"
	"github.com/rapport-crm/rapport/domain/reservation"
	"github.com/rapport-crm/rapport/domain/world"
)

// Register makes somebody known as a customer.
type Register struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	CustomerID   uuid.UUID    `json:"customer_id,omitzero"` // chosen by the caller; else the server makes one
	Kind         string       `json:"kind,omitempty" jsonschema:"enum=person,enum=organisation,default=person"`
	Name         Name         `json:"name,omitzero"`
	Source       Source       `json:"source"`
	Locale       string       `json:"locale,omitempty"`
	Currency     string       `json:"currency,omitempty"`
	TimeZone     string       `json:"time_zone,omitempty"`
	ExternalIDs  []ExternalID `json:"external_ids,omitempty" jsonschema:"maxItems=20"`
	RegisteredAt *time.Time   `json:"registered_at,omitempty"` // now if absent

	ContactPoints []NewContactPoint `json:"contact_points,omitempty" jsonschema:"maxItems=20"`

	Demographics *DemographicsPatch         `json:"demographics,omitempty"`
	Tags         []string                   `json:"tags,omitempty" jsonschema:"maxItems=100"`
	Attributes   map[string]attribute.Value `json:"attributes,omitempty"` // of the schema, by key

	Consents []Grant `json:"consents,omitempty" jsonschema:"maxItems=100"` // dated like the registration unless they say when

	claims []reservation.Claim
}

// Stream implements domain.Command.
func (c Register) Stream() string { return Stream(c.Customer) }

// Names returns the names that are looked up, and reserved if they must be the
// customer's alone: external ids first, then contact points.
func (c Register) Names() []reservation.Name {
	names := make([]reservation.Name, 0, len(c.ExternalIDs)+len(c.ContactPoints))
	for _, x := range c.ExternalIDs {
		names = append(names, x.ReservedName())
	}
	for _, x := range c.ContactPoints {
		names = append(names, x.name(c.Known, c.Today()))
	}
	return names
}

// NamedAt is the field that gives the n-th name.
func (c Register) NamedAt(n int) string {
	if n < len(c.ExternalIDs) {
		return fmt.Sprintf("/external_ids/%d/id", n)
	}
	n -= len(c.ExternalIDs)
	return fmt.Sprintf("/contact_points/%d%s", n, c.ContactPoints[n].field())
}

// WithClaims returns the command with the claims on its names, in their order.
func (c Register) WithClaims(claims []reservation.Claim) domain.Command[State, Event] {
	c.claims = claims
	return c
}

// Refuses lists the refusals that are the command's own.
func (Register) Refuses() []*domain.Error {
	return []*domain.Error{ErrExists, ErrExternalIDTaken, ErrEmailTaken, ErrPhoneTaken, ErrContactPointUnverified, ErrNoContactPolicy}
}

// Decide implements domain.Command.
func (c Register) Decide(s State) ([]Event, error) {
	if c.Kind == "" {
		c.Kind = Person
	}
	at, points, err := c.check()
	if err != nil {
		return nil, err
	}
	if s.Registered {
		return nil, ErrExists.With("the customer %s is registered already", c.Customer)
	}
	events := []Event{Registered{
		Kind: c.Kind, Name: c.Name, Source: c.Source,
		Locale: c.Locale, Currency: c.Currency, TimeZone: c.TimeZone,
		RegisteredAt: at,
	}}
	events = append(events, c.particulars(at)...)
	reached, err := c.reached(points, at)
	if err != nil {
		return nil, err
	}
	events = append(events, reached...)
	consents, err := c.consents(at)
	if err != nil {
		return nil, err
	}
	events = append(events, consents...)
	for i, x := range c.ExternalIDs {
		events = append(events, x.link(c.claims[i], at))
	}
	return events, nil
}

// reached returns the events that say how the customer is reached. normalized is
// what is compared of each contact point.
func (c Register) reached(normalized []string, at time.Time) (events []Event, err error) {
	var p domain.Problems
	for i, x := range c.ContactPoints {
		pointer := fmt.Sprintf("/contact_points/%d", i)
		added := x.added(&p, pointer, normalized[i], c.claims[len(c.ExternalIDs)+i], c.Subject, at)
		if x.Primary {
			first, err := x.primary(pointer, c.Known, c.Subject, added, nil)
			if err != nil {
				return nil, err
			}
			added = append(added, first)
		}
		events = append(events, added...)
	}
	return events, p.Err()
}

// check returns the time of the registration and what is compared of each
// contact point.
func (c Register) check() (at time.Time, points []string, err error) {
	var p domain.Problems
	if c.Kind != Person && c.Kind != Organisation {
		p.Add("/kind", "must be %s or %s", Person, Organisation)
	}
	if c.Name == (Name{}) && len(c.ExternalIDs) == 0 && len(c.ContactPoints) == 0 {
		p.Add("/name", "is required where there is neither contact point nor external id: nothing would identify the customer")
	}
	checkName(&p, c.Name)
	p.Required("/source/channel", c.Source.Channel, maxShort)
	p.Text("/source/detail", c.Source.Detail, maxID)
	p.Text("/source/campaign_id", c.Source.CampaignID, maxID)
	checkProfile(&p, c.Locale, c.Currency, c.TimeZone, c.Subject)
	if len(c.ExternalIDs) > maxLinks {
		p.Add("/external_ids", "must have at most %d entries", maxLinks)
		return at, nil, p.Err()
	}
	for i, x := range c.ExternalIDs {
		pointer := fmt.Sprintf("/external_ids/%d", i)
		x.check(&p, pointer)
		for _, other := range c.ExternalIDs[:i] {
			if other.ReservedName() == x.ReservedName() {
				p.Add(pointer, "is listed twice")
			}
		}
	}
	points = c.checkContactPoints(&p)
	at = c.At(&p, "/registered_at", c.RegisteredAt, time.Time{}, "")
	c.checkParticulars(&p, at)
	return at, points, p.Err()
}

// checkContactPoints returns what is compared of each contact point.
func (c Register) checkContactPoints(p *domain.Problems) []string {
	if len(c.ContactPoints) > maxLinks {
		p.Add("/contact_points", "must have at most %d entries", maxLinks)
		return nil
	}
	points := make([]string, len(c.ContactPoints))
	for i, x := range c.ContactPoints {
		pointer := fmt.Sprintf("/contact_points/%d", i)
		points[i] = x.check(p, pointer)
		for j, other := range c.ContactPoints[:i] {
			if other.Type != x.Type {
				continue
			}
			if points[i] != "" && points[i] == points[j] {
				p.Add(pointer, "is listed twice")
			}
			if x.Primary && other.Primary {
				p.Add(pointer+"/primary", "only one of a type is the primary one")
			}
		}
		if x.ContactPointID != "" && slices.ContainsFunc(c.ContactPoints[:i], func(o NewContactPoint) bool { return o.ContactPointID == x.ContactPointID }) {
			p.Add(pointer+"/contact_point_id", "is listed twice")
		}
	}
	return points
}

// Uses returns the policies that a registration is decided by.
func (c Register) Uses() []domain.PolicyRef {
	refs := c.usesSchema()
	if len(c.ContactPoints) > 0 || len(c.Consents) > 0 {
		refs = append(refs, policyRefs(c.Known, c.Today(), policy.KindContact)...)
	}
	return refs
}
