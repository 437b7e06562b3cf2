package customer

import (
	"time"

	"golang.org/x/text/language"

	"github.com/rapport-crm/rapport/domain"
)

// Profile is who a customer is.
type Profile struct {
	Kind         string    `json:"kind,omitempty"`
	Name         Name      `json:"name,omitzero"`
	Source       Source    `json:"source,omitzero"`
	Locale       string    `json:"locale,omitempty"`
	Currency     string    `json:"currency,omitempty"`
	TimeZone     string    `json:"time_zone,omitempty"`
	RegisteredAt time.Time `json:"registered_at,omitzero"`
}

// Fold brings the profile up to date with an event.
func (p *Profile) Fold(r Record) {
	switch e := r.Event.(type) {
	case Registered:
		p.Kind, p.Name, p.Source = e.Kind, e.Name, e.Source
		p.Locale, p.Currency, p.TimeZone = e.Locale, e.Currency, e.TimeZone
		p.RegisteredAt = e.RegisteredAt
	case ProfileUpdated:
		for _, c := range e.Changes {
			if field := p.field(c.Field); field != nil {
				*field = c.Became
			}
		}
	}
}

// field returns the place of a profile field by its name in ProfileUpdated.
func (p *Profile) field(name string) *string {
	switch name {
	case "name.given":
		return &p.Name.Given
	case "name.family":
		return &p.Name.Family
	case "name.display":
		return &p.Name.Display
	case "name.organisation":
		return &p.Name.Organisation
	case "locale":
		return &p.Locale
	case "currency":
		return &p.Currency
	case "time_zone":
		return &p.TimeZone
	}
	return nil
}

// checkLocale notes what is wrong with a BCP 47 tag.
func checkLocale(p *domain.Problems, pointer, tag string) {
	if len(tag) > 35 {
		p.Add(pointer, "must have at most 35 characters")
		return
	}
	if _, err := language.Parse(tag); err != nil {
		p.Add(pointer, "is not a language tag of BCP 47 such as en-GB")
	}
}

// checkZone notes what is wrong with the name of a time zone.
func checkZone(p *domain.Problems, pointer, zone string, of domain.Subject) {
	if len(zone) > maxShort || of.KnowsZone != nil && !of.KnowsZone(zone) {
		p.Add(pointer, "is not a time zone such as Europe/Berlin")
	}
}

// checkProfile notes what is wrong with the preferences of a customer that are set.
func checkProfile(p *domain.Problems, locale, currency, zone string, of domain.Subject) {
	if locale != "" {
		checkLocale(p, "/locale", locale)
	}
	if currency != "" {
		p.Currency("/currency", currency)
	}
	if zone != "" {
		checkZone(p, "/time_zone", zone, of)
	}
}

func checkName(p *domain.Problems, n Name) {
	p.Text("/name/given", n.Given, maxName)
	p.Text("/name/family", n.Family, maxName)
	p.Text("/name/display", n.Display, maxName)
	p.Text("/name/organisation", n.Organisation, maxName)
}
