package customer

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/reservation"
)

// Register makes somebody known as a customer.
type Register struct {
	domain.Subject `json:"-"`

	CustomerID   uuid.UUID    `json:"customer_id,omitzero"` // chosen by the caller; else the server makes one
	Kind         string       `json:"kind,omitempty" jsonschema:"enum=person,enum=organisation,default=person"`
	Name         Name         `json:"name,omitzero"`
	Source       Source       `json:"source"`
	Locale       string       `json:"locale,omitempty"`
	Currency     string       `json:"currency,omitempty"`
	TimeZone     string       `json:"time_zone,omitempty"`
	ExternalIDs  []ExternalID `json:"external_ids,omitempty" jsonschema:"maxItems=20"`
	RegisteredAt *time.Time   `json:"registered_at,omitempty"` // now if absent

	claims []reservation.Claim
}

// Stream implements domain.Command.
func (c Register) Stream() string { return Stream(c.Customer) }

// Names returns the names that must be the customer's alone.
func (c Register) Names() []reservation.Name {
	names := make([]reservation.Name, len(c.ExternalIDs))
	for i, x := range c.ExternalIDs {
		names[i] = x.ReservedName()
	}
	return names
}

// WithClaims returns the command with the claims on its names, in their order.
func (c Register) WithClaims(claims []reservation.Claim) domain.Command[State, Event] {
	c.claims = claims
	return c
}

// Refuses lists the refusals that are the command's own.
func (Register) Refuses() []*domain.Error { return []*domain.Error{ErrExists, ErrExternalIDTaken} }

// Decide implements domain.Command.
func (c Register) Decide(s State) ([]Event, error) {
	if c.Kind == "" {
		c.Kind = Person
	}
	at, err := c.check()
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
	for i, claim := range c.claims {
		events = append(events, c.ExternalIDs[i].link(claim, at))
	}
	return events, nil
}

func (c Register) check() (at time.Time, err error) {
	var p domain.Problems
	if c.Kind != Person && c.Kind != Organisation {
		p.Add("/kind", "must be %s or %s", Person, Organisation)
	}
	if c.Name == (Name{}) && len(c.ExternalIDs) == 0 {
		p.Add("/name", "is required where there is no external id: nothing would identify the customer")
	}
	checkName(&p, c.Name)
	p.Required("/source/channel", c.Source.Channel, maxShort)
	p.Text("/source/detail", c.Source.Detail, maxID)
	p.Text("/source/campaign_id", c.Source.CampaignID, maxID)
	checkProfile(&p, c.Locale, c.Currency, c.TimeZone, c.Subject)
	if len(c.ExternalIDs) > maxLinks {
		p.Add("/external_ids", "must have at most %d entries", maxLinks)
		return at, p.Err()
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
	at = c.At(&p, "/registered_at", c.RegisteredAt, time.Time{}, "")
	return at, p.Err()
}
