package customer

import (
	"time"

	"github.com/rapport-crm/rapport/domain"
	"github.com/rapport-crm/rapport/domain/world"
)

// RecordContact records that we contacted the customer, or asks for leave to do
// so now. A contact that must not be made is refused with every reason.
type RecordContact struct {
	domain.Subject `json:"-"`
	world.Known    `json:"-"`

	ContactID   string     `json:"contact_id,omitempty"` // the same id twice is one contact
	Purpose     string     `json:"purpose"`
	Channel     string     `json:"channel"`
	CampaignID  string     `json:"campaign_id,omitempty"`
	ContactedAt *time.Time `json:"contacted_at,omitempty"` // now if absent

	// Locate returns a time zone by its name, nil if there is none; where it is
	// missing, the business zone is everybody's.
	Locate func(name string) *time.Location `json:"-"`
}

// ErrContactExists refuses the id of another contact.
var ErrContactExists = &domain.Error{Kind: domain.Conflict, Code: "contact_exists"}

// Stream implements domain.Command.
func (c RecordContact) Stream() string { return Stream(c.Customer) }

// Uses names the policy that the command is decided by.
func (c RecordContact) Uses() []domain.PolicyRef { return contactRef(c.Known, c.on()) }

// on is the date whose policy decides.
func (c RecordContact) on() domain.Date {
	if c.ContactedAt != nil {
		return c.DateOf(*c.ContactedAt)
	}
	return c.Today()
}

// Refuses lists the refusals that are the command's own.
func (RecordContact) Refuses() []*domain.Error {
	return []*domain.Error{ErrNotFound, ErrNoContactPolicy, ErrContactNotAllowed, ErrContactExists}
}

// Decide implements domain.Command.
func (c RecordContact) Decide(s State) ([]Event, error) {
	var p domain.Problems
	p.Required("/purpose", c.Purpose, maxShort)
	p.Required("/channel", c.Channel, maxShort)
	p.Text("/contact_id", c.ContactID, maxID)
	p.Text("/campaign_id", c.CampaignID, maxID)
	at := c.At(&p, "/contacted_at", c.ContactedAt, time.Time{}, "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	rules, err := contactRules(c.Known, c.on())
	if err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	for _, o := range s.Recent {
		if c.ContactID == "" || o.ContactID != c.ContactID {
			continue
		}
		if o.Purpose != c.Purpose || o.Channel != c.Channel || c.ContactedAt != nil && !o.At.Equal(at) {
			return nil, ErrContactExists.With("the customer has a contact %q with other content; choose another contact_id", c.ContactID)
		}
		return nil, nil
	}
	answer := s.MayContact(Question{
		Purpose: c.Purpose, Channel: c.Channel, At: at, Policy: *rules.Contact, Version: rules.Version,
		Zone: c.zone(s.TimeZone), Contacts: s.Contacts, Rights: s.Rights,
	})
	if err := answer.Err(); err != nil {
		return nil, err
	}
	purpose, _ := rules.Contact.Purpose(c.Purpose)
	e := ContactRecorded{
		ContactID: c.ContactID, Purpose: c.Purpose, Channel: c.Channel, CampaignID: c.CampaignID,
		LegalBasis: answer.Basis(), Free: purpose.Free, ContactedAt: at,
	}
	if most, _, _ := s.mostContacts(*rules.Contact); most != nil {
		e.WindowDays = most.Days
	}
	return []Event{e}, nil
}

// zone is where the customer's clocks hang.
func (c RecordContact) zone(name string) *time.Location {
	if name != "" && c.Locate != nil {
		if zone := c.Locate(name); zone != nil {
			return zone
		}
	}
	return c.Zone
}
