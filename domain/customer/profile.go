package customer

import (
	"golang.org/x/text/language"

	"github.com/rapport-crm/rapport/domain"
)

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
