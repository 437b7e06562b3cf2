package customer

import (
	"net/url"

	"github.com/rapport-crm/rapport/domain"
)

// UpdateProfile changes fields of the profile. An absent field stays as it is,
// an empty one is cleared.
type UpdateProfile struct {
	domain.Subject `json:"-"`

	Name         *NamePatch         `json:"name,omitempty"`
	Locale       *string            `json:"locale,omitempty"`
	Currency     *string            `json:"currency,omitempty"`
	TimeZone     *string            `json:"time_zone,omitempty"`
	Organisation *OrganisationPatch `json:"organisation,omitempty"`
}

// NamePatch is the part of UpdateProfile that changes the name.
type NamePatch struct {
	Salutation   *string `json:"salutation,omitempty"`
	Title        *string `json:"title,omitempty"`
	Given        *string `json:"given,omitempty"`
	Middle       *string `json:"middle,omitempty"`
	Family       *string `json:"family,omitempty"`
	Display      *string `json:"display,omitempty"`
	Organisation *string `json:"organisation,omitempty"`
}

// OrganisationPatch is the part of UpdateProfile that changes what is known of
// the organisation, or of the business of a person.
type OrganisationPatch struct {
	Industry           *string `json:"industry,omitempty"`
	Size               *string `json:"size,omitempty" jsonschema:"enum=,enum=micro,enum=small,enum=medium,enum=large"`
	LegalForm          *string `json:"legal_form,omitempty"`
	RegistrationNumber *string `json:"registration_number,omitempty"`
	TaxNumber          *string `json:"tax_number,omitempty"`
	Website            *string `json:"website,omitempty"`
}

// OrganisationSizes is the sizes of organisations: up to 9, 49 and 249 people, and more.
var OrganisationSizes = []string{"micro", "small", "medium", "large"}

// Stream implements domain.Command.
func (c UpdateProfile) Stream() string { return Stream(c.Customer) }

// Refuses lists the refusals that are the command's own.
func (UpdateProfile) Refuses() []*domain.Error { return []*domain.Error{ErrNotFound} }

// Decide implements domain.Command.
func (c UpdateProfile) Decide(s State) ([]Event, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.exists(c.Subject); err != nil {
		return nil, err
	}
	fields, changes := s.changes(c.patch())
	if len(fields) == 0 {
		return nil, nil
	}
	return []Event{ProfileUpdated{fields, changes}}, nil
}

func (c UpdateProfile) patch() patch {
	var all patch
	if n := c.Name; n != nil {
		all = append(all, patch{
			{"name.salutation", n.Salutation}, {"name.title", n.Title}, {"name.given", n.Given}, {"name.middle", n.Middle},
			{"name.family", n.Family}, {"name.display", n.Display}, {"name.organisation", n.Organisation},
		}...)
	}
	all = append(all, patch{{"locale", c.Locale}, {"currency", c.Currency}, {"time_zone", c.TimeZone}}...)
	if o := c.Organisation; o != nil {
		all = append(all, patch{
			{"organisation.industry", o.Industry}, {"organisation.size", o.Size}, {"organisation.legal_form", o.LegalForm},
			{"organisation.registration_number", o.RegistrationNumber}, {"organisation.tax_number", o.TaxNumber}, {"organisation.website", o.Website},
		}...)
	}
	return all
}

func (c UpdateProfile) check() error {
	var p domain.Problems
	if n := c.Name; n != nil {
		checkName(&p, Name{
			text(n.Salutation), text(n.Title), text(n.Given), text(n.Middle), text(n.Family), text(n.Display), text(n.Organisation),
		})
	}
	checkProfile(&p, text(c.Locale), text(c.Currency), text(c.TimeZone), c.Subject)
	if o := c.Organisation; o != nil {
		p.Text("/organisation/industry", text(o.Industry), maxShort)
		p.OneOf("/organisation/size", text(o.Size), OrganisationSizes...)
		p.Text("/organisation/legal_form", text(o.LegalForm), maxShort)
		p.Text("/organisation/registration_number", text(o.RegistrationNumber), maxShort)
		p.Text("/organisation/tax_number", text(o.TaxNumber), maxShort)
		if w := text(o.Website); w != "" {
			checkWebsite(&p, "/organisation/website", w)
		}
	}
	return p.Err()
}

func checkWebsite(p *domain.Problems, pointer, address string) {
	p.Text(pointer, address, maxName)
	if u, err := url.Parse(address); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		p.Add(pointer, "is not an address such as https://example.com")
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
